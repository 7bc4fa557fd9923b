#include "model/vocab_gguf.h"

#include <string.h>

#include "base/mem.h"
#include "text/tokenizer.h"

/* Arrays that are converted for the call and released after it. */
typedef struct arrays {
    hone_slice *piece, *merge;
    float *score;
    int32_t *type;
    char *model, *pre;
} arrays;

static void release(arrays *a)
{
    hone_free(a->piece);
    hone_free(a->merge);
    hone_free(a->score);
    hone_free(a->type);
    hone_free(a->model);
    hone_free(a->pre);
}

static hone_status out_of_memory(hone_error *err)
{
    return hone_fail(err, HONE_E_NOMEM, "tokenizer: out of memory");
}

static hone_status get_strings(const hone_gguf *g, const char *key, hone_slice **out,
                               size_t *n, hone_error *err)
{
    hone_gguf_type elem;
    HONE_TRY(hone_gguf_array(g, key, &elem, n, err));
    if (*n == 0) return HONE_OK;
    if (elem != HONE_GGUF_STRING) {
        return hone_fail(err, HONE_E_FORMAT, "key '%s': expected strings", key);
    }
    *out = hone_alloc(*n, sizeof **out);
    if (!*out) return out_of_memory(err);
    for (size_t i = 0; i < *n; i++) {
        const hone_gguf_str s = hone_gguf_array_str(g, key, i);
        (*out)[i] = (hone_slice){s.data, s.len};
    }
    return HONE_OK;
}

/* An array of n numbers must have as many as there are tokens; absent is fine. */
static hone_status check_length(const char *key, size_t n, size_t n_vocab,
                                bool is_string, hone_error *err)
{
    if (n == 0 || (n == n_vocab && !is_string)) return HONE_OK;
    return hone_fail(err, HONE_E_FORMAT, "key '%s': expected %zu numbers, found %zu%s",
                     key, n_vocab, n, is_string ? " strings" : "");
}

static hone_status get_scores(const hone_gguf *g, size_t n_vocab, float **out,
                              hone_error *err)
{
    static const char key[] = "tokenizer.ggml.scores";
    hone_gguf_type elem;
    size_t n;
    HONE_TRY(hone_gguf_array(g, key, &elem, &n, err));
    HONE_TRY(check_length(key, n, n_vocab, elem == HONE_GGUF_STRING, err));
    if (n == 0) return HONE_OK;
    *out = hone_alloc(n, sizeof **out);
    if (!*out) return out_of_memory(err);
    for (size_t i = 0; i < n; i++) {
        (*out)[i] = (float)hone_gguf_array_real(g, key, i);
    }
    return HONE_OK;
}

static hone_status get_types(const hone_gguf *g, size_t n_vocab, int32_t **out,
                             hone_error *err)
{
    static const char key[] = "tokenizer.ggml.token_type";
    hone_gguf_type elem;
    size_t n;
    HONE_TRY(hone_gguf_array(g, key, &elem, &n, err));
    const bool integers =
        elem != HONE_GGUF_STRING && elem != HONE_GGUF_F32 && elem != HONE_GGUF_F64;
    HONE_TRY(check_length(key, n, n_vocab, !integers, err));
    if (n == 0) return HONE_OK;
    *out = hone_alloc(n, sizeof **out);
    if (!*out) return out_of_memory(err);
    for (size_t i = 0; i < n; i++) {
        const int64_t type = hone_gguf_array_int(g, key, i);
        (*out)[i] = type >= 1 && type <= 6 ? (int32_t)type : HONE_TOKEN_NORMAL;
    }
    return HONE_OK;
}

static hone_status get_str(const hone_gguf *g, const char *key, char **out,
                           hone_error *err)
{
    hone_gguf_str s;
    HONE_TRY(hone_gguf_get_str(g, key, &s, err));
    if (!s.data) return HONE_OK;
    *out = hone_strndup(s.data, s.len);
    return *out ? HONE_OK : out_of_memory(err);
}

/* 1, 0, or -1 where the file does not say. */
static hone_status get_tristate(const hone_gguf *g, const char *key, int *out,
                                hone_error *err)
{
    bool b;
    *out = -1;
    if (!hone_gguf_has(g, key)) return HONE_OK;
    HONE_TRY(hone_gguf_get_bool(g, key, false, &b, err));
    *out = b;
    return HONE_OK;
}

static hone_status get_roles(const hone_gguf *g, hone_vocab *v, hone_error *err)
{
    static const char *const keys[HONE_TOKEN_N_ROLE] = {
        [HONE_TOKEN_BOS] = "tokenizer.ggml.bos_token_id",
        [HONE_TOKEN_EOS] = "tokenizer.ggml.eos_token_id",
        [HONE_TOKEN_UNK] = "tokenizer.ggml.unknown_token_id",
        [HONE_TOKEN_PAD] = "tokenizer.ggml.padding_token_id",
        [HONE_TOKEN_SEP] =
            "tokenizer.ggml.seperator_token_id", /* the format's spelling */
        [HONE_TOKEN_CLS] = "tokenizer.ggml.cls_token_id",
        [HONE_TOKEN_MASK] = "tokenizer.ggml.mask_token_id"};
    for (int i = 0; i < HONE_TOKEN_N_ROLE; i++) {
        int64_t id;
        HONE_TRY(hone_gguf_get_int(g, keys[i], -1, -1, UINT32_MAX, &id, err));
        v->role[i] = id >= 0 && (uint64_t)id < v->n_vocab ? (int32_t)id : -1;
    }
    return HONE_OK;
}

static hone_status read_vocab(const hone_gguf *g, arrays *a, hone_vocab *v,
                              hone_error *err)
{
    HONE_TRY(get_str(g, "tokenizer.ggml.model", &a->model, err));
    HONE_TRY(get_str(g, "tokenizer.ggml.pre", &a->pre, err));
    if (!a->model)
        return hone_fail(err, HONE_E_FORMAT, "no key 'tokenizer.ggml.model'");
    HONE_TRY(get_strings(g, "tokenizer.ggml.tokens", &a->piece, &v->n_vocab, err));
    HONE_TRY(get_strings(g, "tokenizer.ggml.merges", &a->merge, &v->n_merge, err));
    HONE_TRY(get_scores(g, v->n_vocab, &a->score, err));
    HONE_TRY(get_types(g, v->n_vocab, &a->type, err));
    HONE_TRY(get_roles(g, v, err));
    HONE_TRY(get_tristate(g, "tokenizer.ggml.add_bos_token", &v->add_bos, err));
    HONE_TRY(get_tristate(g, "tokenizer.ggml.add_eos_token", &v->add_eos, err));
    HONE_TRY(
        get_tristate(g, "tokenizer.ggml.add_space_prefix", &v->add_space_prefix, err));
    HONE_TRY(get_tristate(g, "tokenizer.ggml.remove_extra_whitespaces",
                          &v->remove_extra_whitespaces, err));
    v->model = a->model;
    v->pre = a->pre;
    v->piece = a->piece;
    v->merge = a->merge;
    v->score = a->score;
    v->type = a->type;
    return HONE_OK;
}

hone_status hone_vocab_from_gguf(hone_tokenizer **out, const hone_gguf *g,
                                 hone_error *err)
{
    arrays a = {0};
    hone_vocab v = {0};
    hone_status s = read_vocab(g, &a, &v, err);
    if (!s) s = hone_tokenizer_from_vocab(out, &v, err);
    release(&a);
    return s;
}
