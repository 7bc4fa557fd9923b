/* synth.c - hone/synth.h: presets, which tensors they have, in which type.
 *
 * Shapes are facts of the models' config.json.  Tensor names, and which type a mix gives
 * to which tensor, are llama.cpp's (src/llama-quant.cpp), without an importance matrix. */
#include "hone/synth.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "format/gguf_write.h"
#include "model/spec.h"
#include "model/synth_vocab.h"
#include "tensor/random_blocks.h"

enum {
    NAME = 64,
    BUFFER = 1 << 20, /* bytes made at a time */
    MAX_REPLACED = 4
};

/* -- presets ---------------------------------------------------------------------- */

enum {
    TIED = 1 << 0,
    QKV_BIAS = 1 << 1,
    HEAD_NORM = 1 << 2,  /* q and k normed head by head */
    WHOLE_NORM = 1 << 3, /* q and k normed over all heads */
};

typedef struct preset {
    const char *name, *architecture, *pre;
    int n_layer, d_model, n_head, n_head_kv, d_head, d_ff, n_vocab, n_ctx;
    float theta, eps;
    float factor; /* of Llama 3's rotary scaling; 0: none */
    unsigned flags;
    int n_expert, n_expert_used;
} preset;

static const preset presets[] = {
    {"smollm2-135m", "llama", "smollm", 30, 576, 9, 3, 64, 1536, 49152, 8192, 1e5f,
     1e-5f, 0, TIED, 0, 0},
    {"smollm2-360m", "llama", "smollm", 32, 960, 15, 5, 64, 2560, 49152, 8192, 1e5f,
     1e-5f, 0, TIED, 0, 0},
    {"qwen2.5-0.5b", "qwen2", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768, 1e6f,
     1e-6f, 0, TIED | QKV_BIAS, 0, 0},
    {"qwen3-0.6b", "qwen3", "qwen2", 28, 1024, 16, 8, 128, 3072, 151936, 40960, 1e6f,
     1e-6f, 0, TIED | HEAD_NORM, 0, 0},
    {"llama-3.2-1b", "llama", "llama-bpe", 16, 2048, 32, 8, 64, 8192, 128256, 131072,
     5e5f, 1e-5f, 32, TIED, 0, 0},
    {"qwen2.5-1.5b", "qwen2", "qwen2", 28, 1536, 12, 2, 128, 8960, 151936, 32768, 1e6f,
     1e-6f, 0, TIED | QKV_BIAS, 0, 0},
    {"smollm3-3b", "smollm3", "smaug-bpe", 36, 2048, 16, 4, 128, 11008, 128256, 65536,
     5e6f, 1e-6f, 0, TIED, 0, 0},
    {"llama-3.1-8b", "llama", "llama-bpe", 32, 4096, 32, 8, 128, 14336, 128256, 131072,
     5e5f, 1e-5f, 8, 0, 0, 0},
    {"olmoe-1b-7b", "olmoe", "olmo", 16, 2048, 16, 16, 128, 1024, 50304, 4096, 1e4f,
     1e-5f, 0, WHOLE_NORM, 64, 8},
};
enum {
    N_PRESET = sizeof presets / sizeof presets[0]
};

const char *hone_synth_preset(int i)
{
    return i >= 0 && i < N_PRESET ? presets[i].name : NULL;
}

/* -- types ------------------------------------------------------------------------ */

/* A mix: a type for most, and a better one for values and down-projections of some
 * layers.  The head is Q6_K in all of them. */
typedef struct mix {
    const char *name;
    uint32_t file_type;
    hone_dtype most, more;
    bool spread; /* `more` in the first and last eighth and every third between; else
                    in the first eighth (values: the first four layers) */
} mix;

static const mix mixes[] = {
    {"Q4_K_S", 14, HONE_Q4_K, HONE_Q5_K, false},
    {"Q4_K_M", 15, HONE_Q4_K, HONE_Q6_K, true},
    {"Q5_K_S", 16, HONE_Q5_K, HONE_Q5_K, false},
    {"Q5_K_M", 17, HONE_Q5_K, HONE_Q6_K, true},
};
enum {
    N_MIX = sizeof mixes / sizeof mixes[0]
};

const char *hone_synth_type(int i)
{
    for (int t = 0; t < HONE_N_DTYPE; t++) {
        if (!hone_random_blocks_has((hone_dtype)t)) continue;
        if (i-- == 0) return hone_dtype_get((hone_dtype)t)->name;
    }
    return i >= 0 && i < N_MIX ? mixes[i].name : NULL;
}

typedef enum role {
    ROLE_EMBEDDING,
    ROLE_HEAD,
    ROLE_VALUE,
    ROLE_DOWN,
    ROLE_MATRIX,
    ROLE_ROUTER, /* of experts: F32 */
    ROLE_NORM,   /* F32 from here on */
    ROLE_BIAS,
    ROLE_ROPE_FACTORS
} role;

typedef struct replaced {
    hone_dtype from, to;
    int n;
} replaced;

typedef struct tensor {
    char name[NAME];
    role role;
    hone_dtype type;
    int n_dims;
    uint64_t shape[3];
} tensor;

typedef struct synth {
    const preset *p;
    const mix *mix;  /* or NULL */
    hone_dtype type; /* of all without a mix */
    int n_layer;
    tensor *tensor; /* [n] */
    size_t n, cap;
    bool failed; /* out of memory */
    replaced replaced[MAX_REPLACED];
    hone_rng rng;
    const hone_synth_options *options;
} synth;

static bool has_more(const synth *s, role r, int layer)
{
    const int n = s->n_layer;
    if (s->mix->spread) {
        return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
    }
    return layer < (r == ROLE_VALUE ? 4 : n / 8);
}

static hone_dtype wanted_type(const synth *s, role r, int layer)
{
    if (r >= ROLE_ROUTER) return HONE_F32;
    if (!s->mix) return s->type;
    const bool is_head =
        r == ROLE_HEAD || (r == ROLE_EMBEDDING && (s->p->flags & TIED));
    if (is_head) return HONE_Q6_K;
    const bool more = (r == ROLE_VALUE || r == ROLE_DOWN) && has_more(s, r, layer);
    return more ? s->mix->more : s->mix->most;
}

/* What takes a type's place where rows are not whole blocks of 256. */
static hone_dtype narrower(hone_dtype t)
{
    switch (t) {
    case HONE_Q2_K:
    case HONE_Q3_K:
    case HONE_TQ1_0:
    case HONE_TQ2_0:
        return HONE_Q4_0;
    case HONE_Q4_K:
        return HONE_Q5_0;
    case HONE_Q5_K:
        return HONE_Q5_1;
    case HONE_IQ4_XS:
        return HONE_IQ4_NL;
    default:
        return HONE_Q8_0; /* Q6_K, Q8_K */
    }
}

static hone_dtype fitting_type(synth *s, hone_dtype t, uint64_t n_col)
{
    if (n_col % hone_dtype_get(t)->block == 0) return t;
    const hone_dtype to = narrower(t);
    for (int i = 0; i < MAX_REPLACED; i++) {
        replaced *r = &s->replaced[i];
        if (r->n && r->from != t) continue;
        *r = (replaced){t, to, r->n + 1};
        break;
    }
    return to;
}

/* -- tensors ---------------------------------------------------------------------- */

/* [a, b, c] with leading zeros left out; layer negative for those outside of layers. */
static void add(synth *s, role r, int layer, const char *name, int a, int b, int c)
{
    if (hone_grow((void **)&s->tensor, &s->cap, s->n + 1, sizeof *s->tensor)) {
        s->failed = true;
        return;
    }
    tensor *t = &s->tensor[s->n++];
    *t = (tensor){.role = r};
    const int shape[3] = {a, b, c};
    for (int i = 0; i < 3; i++) {
        if (shape[i]) t->shape[t->n_dims++] = (uint64_t)shape[i];
    }
    if (layer >= 0)
        snprintf(t->name, NAME, "blk.%d.%s", layer, name);
    else
        snprintf(t->name, NAME, "%s", name);
    t->type = fitting_type(s, wanted_type(s, r, layer), (uint64_t)c);
}

static void add_attention(synth *s, int layer)
{
    const preset *p = s->p;
    const int d_q = p->n_head * p->d_head, d_kv = p->n_head_kv * p->d_head;
    add(s, ROLE_NORM, layer, "attn_norm.weight", 0, 0, p->d_model);
    add(s, ROLE_MATRIX, layer, "attn_q.weight", 0, d_q, p->d_model);
    add(s, ROLE_MATRIX, layer, "attn_k.weight", 0, d_kv, p->d_model);
    add(s, ROLE_VALUE, layer, "attn_v.weight", 0, d_kv, p->d_model);
    add(s, ROLE_MATRIX, layer, "attn_output.weight", 0, p->d_model, d_q);
    if (p->flags & QKV_BIAS) {
        add(s, ROLE_BIAS, layer, "attn_q.bias", 0, 0, d_q);
        add(s, ROLE_BIAS, layer, "attn_k.bias", 0, 0, d_kv);
        add(s, ROLE_BIAS, layer, "attn_v.bias", 0, 0, d_kv);
    }
    if (p->flags & (HEAD_NORM | WHOLE_NORM)) {
        const bool head = p->flags & HEAD_NORM;
        add(s, ROLE_NORM, layer, "attn_q_norm.weight", 0, 0, head ? p->d_head : d_q);
        add(s, ROLE_NORM, layer, "attn_k_norm.weight", 0, 0, head ? p->d_head : d_kv);
    }
}

static void add_feed_forward(synth *s, int layer)
{
    const preset *p = s->p;
    const int n = p->n_expert;
    add(s, ROLE_NORM, layer, "ffn_norm.weight", 0, 0, p->d_model);
    if (n == 0) {
        add(s, ROLE_MATRIX, layer, "ffn_gate.weight", 0, p->d_ff, p->d_model);
        add(s, ROLE_MATRIX, layer, "ffn_up.weight", 0, p->d_ff, p->d_model);
        add(s, ROLE_DOWN, layer, "ffn_down.weight", 0, p->d_model, p->d_ff);
        return;
    }
    add(s, ROLE_ROUTER, layer, "ffn_gate_inp.weight", 0, n, p->d_model);
    add(s, ROLE_MATRIX, layer, "ffn_gate_exps.weight", n, p->d_ff, p->d_model);
    add(s, ROLE_MATRIX, layer, "ffn_up_exps.weight", n, p->d_ff, p->d_model);
    add(s, ROLE_DOWN, layer, "ffn_down_exps.weight", n, p->d_model, p->d_ff);
}

static hone_status list_tensors(synth *s, hone_error *err)
{
    const preset *p = s->p;
    add(s, ROLE_EMBEDDING, -1, "token_embd.weight", 0, p->n_vocab, p->d_model);
    add(s, ROLE_NORM, -1, "output_norm.weight", 0, 0, p->d_model);
    if (!(p->flags & TIED))
        add(s, ROLE_HEAD, -1, "output.weight", 0, p->n_vocab, p->d_model);
    if (p->factor > 0.0f)
        add(s, ROLE_ROPE_FACTORS, -1, "rope_freqs.weight", 0, 0, p->d_head / 2);
    for (int i = 0; i < s->n_layer; i++) {
        add_attention(s, i);
        add_feed_forward(s, i);
    }
    return s->failed ? hone_fail(err, HONE_E_NOMEM, "out of memory") : HONE_OK;
}

/* -- writing ---------------------------------------------------------------------- */

static void put_u32(hone_gguf_writer *w, const preset *p, const char *suffix, int value)
{
    char key[128];
    snprintf(key, sizeof key, "%s.%s", p->architecture, suffix);
    hone_gguf_put_u32(w, key, (uint32_t)value);
}

static void put_f32(hone_gguf_writer *w, const preset *p, const char *suffix, float x)
{
    char key[128];
    snprintf(key, sizeof key, "%s.%s", p->architecture, suffix);
    hone_gguf_put_f32(w, key, x);
}

/* What general.file_type says of a file: a hint for people, but some readers want it.
 * Format: ggml docs/gguf.md; numbers of llama.cpp's llama.h. */
static uint32_t file_type(const synth *s)
{
    static const uint32_t table[HONE_N_DTYPE] = {
        [HONE_F32] = 0,     [HONE_F16] = 1,     [HONE_Q4_0] = 2,    [HONE_Q4_1] = 3,
        [HONE_Q8_0] = 7,    [HONE_Q5_0] = 8,    [HONE_Q5_1] = 9,    [HONE_Q2_K] = 10,
        [HONE_Q3_K] = 11,   [HONE_Q4_K] = 14,   [HONE_Q5_K] = 16,   [HONE_Q6_K] = 18,
        [HONE_Q8_K] = 1024, [HONE_IQ4_NL] = 25, [HONE_IQ4_XS] = 30, [HONE_BF16] = 32,
        [HONE_TQ1_0] = 36,  [HONE_TQ2_0] = 37,  [HONE_MXFP4] = 38,
    }; /* 1024: guessed */
    return s->mix ? s->mix->file_type : table[s->type];
}

static void put_keys(const synth *s, hone_gguf_writer *w)
{
    const preset *p = s->p;
    char name[NAME];
    snprintf(name, sizeof name, "synth %s %s", p->name,
             s->mix ? s->mix->name : hone_dtype_get(s->type)->name);
    hone_gguf_put_str(w, "general.architecture", p->architecture);
    hone_gguf_put_str(w, "general.name", name);
    hone_gguf_put_u32(w, "general.quantization_version", 2);
    hone_gguf_put_u32(w, "general.file_type", file_type(s));
    put_u32(w, p, "block_count", s->n_layer);
    put_u32(w, p, "context_length", p->n_ctx);
    put_u32(w, p, "embedding_length", p->d_model);
    put_u32(w, p, "feed_forward_length", p->d_ff);
    put_u32(w, p, "attention.head_count", p->n_head);
    put_u32(w, p, "attention.head_count_kv", p->n_head_kv);
    put_u32(w, p, "attention.key_length", p->d_head);
    put_u32(w, p, "attention.value_length", p->d_head);
    put_u32(w, p, "rope.dimension_count", p->d_head);
    put_u32(w, p, "vocab_size", p->n_vocab);
    put_f32(w, p, "rope.freq_base", p->theta);
    put_f32(w, p, "attention.layer_norm_rms_epsilon", p->eps);
    if (p->n_expert) {
        put_u32(w, p, "expert_count", p->n_expert);
        put_u32(w, p, "expert_used_count", p->n_expert_used);
    }
}

/* Divisors of Llama 3's rotary scaling (factors 1 and 4, 8192 positions before).
 * Source: transformers, modeling_rope_utils.py, _compute_llama3_parameters. */
static void rope_factors(const preset *p, float *out)
{
    const int n = p->d_head / 2;
    for (int i = 0; i < n; i++) {
        const double wave =
            2.0 * 3.14159265358979323846 * pow((double)p->theta, (double)i / n);
        const double turns = 8192.0 / wave, smooth = (turns - 1.0) / (4.0 - 1.0);
        const double kept = smooth < 0.0 ? 0.0 : smooth > 1.0 ? 1.0 : smooth;
        out[i] = (float)(1.0 / ((1.0 - kept) / (double)p->factor + kept));
    }
}

static void small_values(synth *s, const tensor *t, float *out)
{
    if (t->role == ROLE_ROPE_FACTORS) {
        rope_factors(s->p, out);
        return;
    }
    hone_random_blocks g;
    hone_random_blocks_init(&g, HONE_F32, 0.05f);
    hone_random_blocks_fill(&g, out, (size_t)t->shape[0], &s->rng);
    for (size_t i = 0; t->role == ROLE_NORM && i < t->shape[0]; i++) {
        out[i] += 1.0f;
    }
}

/* Matrices row block by row block, so that memory does not grow with the model. */
static hone_status write_tensor(synth *s, hone_gguf_writer *w, const tensor *t,
                                unsigned char *buffer, hone_error *err)
{
    if (t->n_dims == 1) {
        small_values(s, t, (float *)(void *)buffer);
        return hone_gguf_write(w, buffer, (size_t)t->shape[0] * sizeof(float), err);
    }
    hone_random_blocks g;
    const hone_dtype_info *d = hone_dtype_get(t->type);
    const uint64_t n_col = t->shape[t->n_dims - 1];
    uint64_t left = n_col; /* elements */
    for (int i = 0; i + 1 < t->n_dims; i++) {
        left *= t->shape[i];
    }
    hone_random_blocks_init(&g, t->type, 1.0f / sqrtf((float)n_col));
    const size_t most = BUFFER / d->bytes * d->block;
    while (left > 0) {
        const size_t n = left < most ? (size_t)left : most;
        if (s->options->interrupt && s->options->interrupt(s->options->interrupt_ctx))
            return hone_fail(err, HONE_E_CANCELLED, "interrupted");
        hone_random_blocks_fill(&g, buffer, n, &s->rng);
        HONE_TRY(hone_gguf_write(w, buffer, n / d->block * d->bytes, err));
        left -= n;
    }
    return HONE_OK;
}

static hone_status write_file(synth *s, hone_gguf_writer *w, hone_synth_info *info,
                              hone_error *err)
{
    put_keys(s, w);
    HONE_TRY(hone_synth_put_vocab(w, s->p->pre, s->p->n_vocab, err));
    for (size_t i = 0; i < s->n; i++) {
        const tensor *t = &s->tensor[i];
        hone_gguf_put_tensor(w, t->name, t->type, t->n_dims, t->shape);
    }
    HONE_TRY(hone_gguf_writer_begin(w, err));
    unsigned char *buffer = hone_alloc_aligned(BUFFER, 1);
    if (!buffer) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    hone_status status = HONE_OK;
    *info = (hone_synth_info){.n_tensor = s->n};
    for (size_t i = 0; i < s->n && !status; i++) {
        uint64_t len = 1;
        for (int d = 0; d < s->tensor[i].n_dims; d++) {
            len *= s->tensor[i].shape[d];
        }
        info->n_params += len;
        info->bytes += hone_gguf_writer_bytes(w, i);
        status = write_tensor(s, w, &s->tensor[i], buffer, err);
    }
    hone_free(buffer);
    return status ? status : hone_gguf_writer_finish(w, err);
}

/* -- options ---------------------------------------------------------------------- */

/* "unknown preset 'x'; known are a b c". */
static hone_status unknown(const char *what, const char *name,
                           const char *(*list)(int i), hone_error *err)
{
    hone_buf b;
    hone_buf_init(&b, HONE_ERROR_TEXT_SIZE);
    for (int i = 0; list(i); i++) {
        hone_buf_printf(&b, " %s", list(i));
    }
    const hone_status s = hone_fail(err, HONE_E_INVALID, "unknown %s '%s'; known are%s",
                                    what, name ? name : "", b.data);
    hone_buf_release(&b);
    return s;
}

static bool find_type(synth *s, const char *name)
{
    for (int i = 0; i < N_MIX; i++) {
        if (strcasecmp(mixes[i].name, name) != 0) continue;
        s->mix = &mixes[i];
        return true;
    }
    return hone_dtype_from_name(name, &s->type) && hone_random_blocks_has(s->type);
}

static hone_status read_options(synth *s, const hone_synth_options *o, hone_error *err)
{
    for (int i = 0; o->preset && i < N_PRESET; i++) {
        if (strcmp(presets[i].name, o->preset) == 0) s->p = &presets[i];
    }
    if (!s->p) return unknown("preset", o->preset, hone_synth_preset, err);
    if (!o->type || !find_type(s, o->type))
        return unknown("type", o->type, hone_synth_type, err);
    if (o->n_layer < 0 || o->n_layer > HONE_MAX_LAYER) {
        return hone_fail(err, HONE_E_INVALID, "layers: expected 0 to %d, found %d",
                         HONE_MAX_LAYER, o->n_layer);
    }
    s->n_layer = o->n_layer ? o->n_layer : s->p->n_layer;
    s->options = o;
    hone_rng_init(&s->rng, o->seed);
    return HONE_OK;
}

static void tell_replaced(const synth *s, hone_synth_info *info)
{
    size_t at = 0;
    for (int i = 0; i < MAX_REPLACED && s->replaced[i].n; i++) {
        const replaced *r = &s->replaced[i];
        const int n =
            snprintf(info->replaced + at, sizeof info->replaced - at,
                     "%s%s by %s (%d tensors)", at ? ", " : "",
                     hone_dtype_get(r->from)->name, hone_dtype_get(r->to)->name, r->n);
        if (n < 0 || (size_t)n >= sizeof info->replaced - at) return;
        at += (size_t)n;
    }
}

hone_status hone_synth(const char *path, const hone_synth_options *options,
                       hone_synth_info *info, hone_error *err)
{
    synth s = {0};
    hone_gguf_writer *w = NULL;
    hone_synth_info made = {0};
    hone_status status = read_options(&s, options, err);
    if (!status) status = list_tensors(&s, err);
    if (!status) status = hone_gguf_writer_open(&w, path, err);
    if (!status) status = write_file(&s, w, &made, err);
    hone_gguf_writer_close(w);
    tell_replaced(&s, &made);
    hone_free(s.tensor);
    if (status) return hone_error_wrap(err, status, "synth");
    if (info) *info = made;
    return HONE_OK;
}
