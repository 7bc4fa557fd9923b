/* spec_gguf.c - hyper-parameters from GGUF metadata.  Format: ggml docs/gguf.md. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/spec.h"

typedef struct reader {
    const hone_gguf *g;
    const char *arch;
    hone_error *err;
    hone_status status; /* the first failure sticks */
} reader;

/* "<arch>.<suffix>" in buf. */
static const char *key_of(const reader *r, const char *suffix, char *buf, size_t size)
{
    snprintf(buf, size, "%s.%s", r->arch, suffix);
    return buf;
}

static int get_int(reader *r, const char *suffix, int fallback)
{
    char key[256];
    int64_t n = fallback;
    if (r->status) return fallback;
    r->status = hone_gguf_get_int(r->g, key_of(r, suffix, key, sizeof key), fallback, 0,
                                  INT32_MAX / 2, &n, r->err);
    return (int)n;
}

static double get_real(reader *r, const char *suffix, double fallback)
{
    char key[256];
    double x = fallback;
    if (r->status) return fallback;
    r->status = hone_gguf_get_real(r->g, key_of(r, suffix, key, sizeof key), fallback,
                                   &x, r->err);
    return x;
}

/* A count that may be given once or, as an array, for each layer; all layers must then
 * agree, since this reader fills one number. */
static int get_per_layer(reader *r, const char *suffix, int fallback)
{
    char key[256];
    key_of(r, suffix, key, sizeof key);
    hone_gguf_type elem;
    size_t n = 0;
    if (r->status || !hone_gguf_has(r->g, key)) return fallback;
    if (hone_gguf_array(r->g, key, &elem, &n, NULL) || n == 0) {
        return get_int(r, suffix, fallback);
    }
    if (elem == HONE_GGUF_STRING || elem == HONE_GGUF_ARRAY || elem == HONE_GGUF_F32 ||
        elem == HONE_GGUF_F64) {
        r->status = hone_fail(r->err, HONE_E_FORMAT, "key '%s': not integers", key);
        return fallback;
    }
    const int64_t first = hone_gguf_array_int(r->g, key, 0);
    for (size_t i = 0; i < n; i++) {
        const int64_t v = hone_gguf_array_int(r->g, key, i);
        if (v != first || v < 0 || v > INT32_MAX / 2) {
            r->status = hone_fail(r->err, HONE_E_UNSUPPORTED,
                                  "key '%s': differs from layer to layer", key);
            return fallback;
        }
    }
    return (int)first;
}

static char *get_str(reader *r, const char *key, const char *fallback)
{
    hone_gguf_str s = {0};
    if (!r->status) r->status = hone_gguf_get_str(r->g, key, &s, r->err);
    char *copy = s.data ? hone_strndup(s.data, s.len) : hone_strdup(fallback);
    if (!copy && !r->status)
        r->status = hone_fail(r->err, HONE_E_NOMEM, "out of memory");
    return copy;
}

static void read_rope(reader *r, hone_spec *s)
{
    hone_rope_spec *rope = &s->rope;
    rope->theta = get_real(r, "rope.freq_base", 10000.0);
    rope->n_rot = get_int(r, "rope.dimension_count", s->d_head) & ~1;
    rope->factor = get_real(r, "rope.scaling.factor", 1.0);
    rope->n_original = get_int(r, "rope.scaling.original_context_length", s->n_ctx);
    rope->beta_fast = get_real(r, "rope.scaling.yarn_beta_fast", 32.0);
    rope->beta_slow = get_real(r, "rope.scaling.yarn_beta_slow", 1.0);
    rope->attention_factor = -1.0;
    rope->truncate = true;

    char key[256];
    char *type = get_str(r, key_of(r, "rope.scaling.type", key, sizeof key), "none");
    if (r->status) {
        hone_free(type);
        return;
    }
    if (strcmp(type, "linear") == 0) {
        rope->kind = HONE_ROPE_LINEAR;
    } else if (strcmp(type, "yarn") == 0) {
        rope->kind = HONE_ROPE_YARN;
    } else if (strcmp(type, "none") != 0) {
        r->status = hone_fail(r->err, HONE_E_UNSUPPORTED, "rotary scaling '%s'", type);
    } else if (hone_gguf_find_tensor(r->g, "rope_freqs.weight")) {
        rope->kind = HONE_ROPE_FACTORS;
    }
    /* GGUF's attention factor multiplies YaRN's own, Hugging Face's replaces it */
    const double attention = get_real(r, "rope.scaling.attn_factor", 1.0);
    if (rope->kind == HONE_ROPE_YARN && attention != 1.0 && rope->factor > 1.0) {
        rope->attention_factor = attention * (0.1 * log(rope->factor) + 1.0);
    }
    if (rope->kind == HONE_ROPE_LINEAR && rope->factor == 1.0) {
        rope->factor = get_real(r, "rope.scale_linear", 1.0); /* the older key */
    }
    hone_free(type);
}

bool hone_spec_gguf_interleaved(const char *architecture)
{
    return strcmp(architecture, "llama") == 0 || strcmp(architecture, "smollm3") == 0;
}

static hone_status read_layers(hone_spec *s, hone_error *err)
{
    s->layer = hone_alloc_zero((size_t)s->n_layer, 1);
    if (!s->layer) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    for (int i = 0; i < s->n_layer; i++) {
        if (s->window > 0) s->layer[i] |= HONE_LAYER_WINDOW;
        /* SmolLM3 leaves every fourth layer without positions; GGUF does not say so */
        if (strcmp(s->architecture, "smollm3") == 0 && (i + 1) % 4 == 0) {
            s->layer[i] |= HONE_LAYER_NO_ROPE;
        }
    }
    return HONE_OK;
}

/* Rows of the embedding, which every file has, else the number of tokens. */
static int count_vocab(reader *r)
{
    const hone_tensor *t = hone_gguf_find_tensor(r->g, "token_embd.weight");
    if (t && t->n_dims == 2 && t->shape[0] <= HONE_MAX_WIDTH) return (int)t->shape[0];
    hone_gguf_type elem;
    size_t n = 0;
    if (hone_gguf_array(r->g, "tokenizer.ggml.tokens", &elem, &n, NULL) == HONE_OK &&
        n > 0 && n <= HONE_MAX_WIDTH) {
        return (int)n;
    }
    return get_int(r, "vocab_size", 0);
}

hone_status hone_spec_from_gguf(hone_spec *s, const hone_gguf *g, hone_error *err)
{
    *s = (hone_spec){0};
    reader r = {.g = g, .err = err};
    s->architecture = get_str(&r, "general.architecture", "");
    if (!r.status && s->architecture[0] == '\0') {
        r.status = hone_fail(err, HONE_E_FORMAT, "no key 'general.architecture'");
    }
    if (r.status) goto out;
    r.arch = s->architecture;
    s->name = get_str(&r, "general.name", "");
    s->activation = hone_strdup("silu");
    s->n_layer = get_int(&r, "block_count", 0);
    s->d_model = get_int(&r, "embedding_length", 0);
    s->d_ff = get_per_layer(&r, "feed_forward_length", 0);
    s->n_head = get_per_layer(&r, "attention.head_count", 0);
    s->n_head_kv = get_per_layer(&r, "attention.head_count_kv", s->n_head);
    s->n_ctx = get_int(&r, "context_length", 0);
    s->n_vocab = count_vocab(&r);
    const int even_split = s->n_head > 0 ? s->d_model / s->n_head : 0;
    s->d_head = get_int(&r, "attention.key_length", even_split);
    const int d_v = get_int(&r, "attention.value_length", s->d_head);
    s->window = get_int(&r, "attention.sliding_window", 0);
    s->norm_eps = (float)get_real(&r, "attention.layer_norm_rms_epsilon", 1e-6);
    s->tied = true;
    s->rope.interleaved = hone_spec_gguf_interleaved(s->architecture);
    read_rope(&r, s);
    if (!r.status && d_v != s->d_head) {
        r.status =
            hone_fail(err, HONE_E_UNSUPPORTED,
                      "attention.value_length: expected %d as the keys, found %d",
                      s->d_head, d_v);
    }
    if (!r.status && !s->activation)
        r.status = hone_fail(err, HONE_E_NOMEM, "out of memory");
    if (!r.status) r.status = hone_spec_check(s, err);
    if (!r.status) r.status = read_layers(s, err);
out:
    if (r.status) hone_spec_release(s);
    return r.status;
}
