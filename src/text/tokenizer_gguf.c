/* tokenizer_gguf.c - tokenizers from the arrays of a GGUF file: byte-level BPE with a
 * named pre-tokenizer ("gpt2"), SentencePiece BPE by scores ("llama"). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/patterns.h"
#include "text/spm.h"

static int32_t type_of(const hone_vocab *v, size_t i)
{
    return v->type ? v->type[i] : HONE_TOKEN_NORMAL;
}

/* Control tokens are special, user-defined ones are added; both are searched in raw
 * text. */
static hone_status add_added(hone_tokenizer *t, const hone_vocab *v, hone_error *err)
{
    for (size_t i = 0; i < v->n_vocab; i++) {
        const int32_t type = type_of(v, i);
        if (type == HONE_TOKEN_UNKNOWN) t->piece[i].special = 1;
        if (type != HONE_TOKEN_CONTROL && type != HONE_TOKEN_USER_DEFINED) continue;
        const hone_added_token a = {
            .id = (int32_t)i,
            .content = t->piece[i].text,
            .len = t->piece[i].len,
            .special = type == HONE_TOKEN_CONTROL,
        };
        HONE_TRY(hone_added_add(t, &a, err));
    }
    return HONE_OK;
}

static hone_status set_pieces(hone_tokenizer *t, const hone_vocab *v, hone_error *err)
{
    for (size_t i = 0; i < v->n_vocab; i++) {
        const int32_t type = type_of(v, i);
        const bool in_map = type != HONE_TOKEN_CONTROL && type != HONE_TOKEN_UNKNOWN;
        HONE_TRY(hone_vocab_set(t, (int32_t)i, v->piece[i].data, v->piece[i].len,
                                in_map, err));
    }
    return HONE_OK;
}

/* The two parts of a merge "a b": the blank between them is the first that has something
 * in front of it.  Without one the second part is empty. */
static void split_merge(hone_slice m, hone_slice *left, hone_slice *right)
{
    const char *space = m.len > 1 ? memchr(m.data + 1, ' ', m.len - 1) : NULL;
    const size_t n = space ? (size_t)(space - m.data) : 0;
    *left = (hone_slice){m.data, n};
    *right = (hone_slice){m.data + n + 1, space ? m.len - n - 1 : 0};
}

/* What add_merges will look up for m. */
static void prefetch_merge(const hone_tokenizer *t, hone_slice m)
{
    hone_slice left, right;
    split_merge(m, &left, &right);
    hone_map_prefetch(&t->map, left.data, left.len);
    hone_map_prefetch(&t->map, right.data, right.len);
}

static hone_status add_merges(hone_tokenizer *t, const hone_vocab *v, hone_error *err)
{
    enum {
        AHEAD = 8 /* merges whose parts are fetched before they are looked up */
    };
    HONE_TRY(hone_bpe_expect_merges(t, v->n_merge, err));
    for (size_t i = 0; i < v->n_merge; i++) {
        hone_slice left, right;
        if (i + AHEAD < v->n_merge) prefetch_merge(t, v->merge[i + AHEAD]);
        split_merge(v->merge[i], &left, &right);
        HONE_TRY(hone_bpe_add_merge(t, left, right, (int32_t)i, err));
    }
    return HONE_OK;
}

static hone_status add_ends(hone_tokenizer *t, const hone_vocab *v, bool bos_default,
                            hone_error *err)
{
    const bool bos = v->add_bos < 0 ? bos_default : v->add_bos;
    const bool eos = v->add_eos > 0;
    memcpy(t->role, v->role, sizeof t->role);
    for (int i = 0; i < HONE_TOKEN_N_ROLE; i++) {
        if (t->role[i] >= t->n_vocab) t->role[i] = -1;
    }
    if (bos && t->role[HONE_TOKEN_BOS] >= 0) {
        HONE_TRY(hone_tokens_append(&t->before, &t->role[HONE_TOKEN_BOS], 1, err));
    }
    if (eos && t->role[HONE_TOKEN_EOS] >= 0) {
        HONE_TRY(hone_tokens_append(&t->after, &t->role[HONE_TOKEN_EOS], 1, err));
    }
    return HONE_OK;
}

static hone_status build_gpt2(hone_tokenizer *t, const hone_vocab *v, hone_error *err)
{
    const char *pre = v->pre ? v->pre : "default";
    HONE_TRY(add_merges(t, v, err));
    HONE_TRY(hone_pattern_steps(t, pre, err));
    return add_ends(t, v, hone_pattern_adds_bos(pre), err);
}

static hone_status build_llama(hone_tokenizer *t, const hone_vocab *v, hone_error *err)
{
    const hone_spm_options o = {
        .add_dummy_prefix = v->add_space_prefix != 0,
        .squeeze = v->remove_extra_whitespaces > 0,
        .byte_fallback = true,
    };
    t->bpe.unk = v->role[HONE_TOKEN_UNK] < t->n_vocab ? v->role[HONE_TOKEN_UNK] : -1;
    HONE_TRY(hone_spm_finish(t, v->score, v->type, &o, err));
    return add_ends(t, v, true, err);
}

static hone_status build(hone_tokenizer *t, const hone_vocab *v, hone_error *err)
{
    HONE_TRY(set_pieces(t, v, err));
    if (strcmp(v->model, "gpt2") == 0) {
        HONE_TRY(build_gpt2(t, v, err));
    } else if (strcmp(v->model, "llama") == 0) {
        HONE_TRY(build_llama(t, v, err));
    } else {
        return hone_fail(err, HONE_E_UNSUPPORTED,
                         "tokenizer model '%s'; known are gpt2 and llama", v->model);
    }
    HONE_TRY(add_added(t, v, err));
    HONE_TRY(hone_added_index(t, err));
    return hone_vocab_fill_bytes(t, err);
}

hone_status hone_tokenizer_from_vocab(hone_tokenizer **out, const hone_vocab *v,
                                      hone_error *err)
{
    hone_tokenizer *t;
    HONE_TRY(hone_tokenizer_new(&t, v->n_vocab, err));
    const hone_status s = build(t, v, err);
    if (s) {
        hone_tokenizer_free(t);
        return hone_error_wrap(err, s, "tokenizer");
    }
    *out = t;
    return HONE_OK;
}
