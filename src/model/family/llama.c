/* llama.c - the llama-like dense decoders: Llama, SmolLM, Mistral, Qwen2, Qwen3.
 *
 * Pre-norm layers of grouped-query attention and a gated feed-forward network.  What
 * sets the members apart is in the files: biases, norms of q and k, windows, layers
 * without positions, tied heads.
 * Source: Touvron et al. 2023, arXiv:2307.09288, sec. 2.2; Jiang et al. 2023,
 * arXiv:2310.06825 (window); Yang et al. 2025, arXiv:2505.09388 (q and k norm). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/family.h"
#include "model/rope.h"

enum {
    NAME = 64
};

static const char *value_name(char *buf, int layer, const char *what)
{
    snprintf(buf, NAME, "layer.%d.%s", layer, what);
    return buf;
}

static hone_norm bind_norm(hone_build *b, const char *name, int layer, int n,
                           bool optional)
{
    return (hone_norm){hone_bind_vector(b, name, layer, n, optional),
                       b->spec->norm_eps};
}

static hone_value attention(hone_build *b, int layer, hone_value x, hone_value cos_sin)
{
    const hone_spec *s = b->spec;
    const int d_q = s->n_head * s->d_head, d_kv = s->n_head_kv * s->d_head;
    char q[NAME], k[NAME], v[NAME], name[NAME], out_name[NAME];
    const hone_norm norm =
        bind_norm(b, "blk.%d.attn_norm.weight", layer, s->d_model, false);
    const hone_linear qkv[3] = {
        hone_bind_linear(b, "blk.%d.attn_q", layer, d_q, s->d_model,
                         value_name(q, layer, "q")),
        hone_bind_linear(b, "blk.%d.attn_k", layer, d_kv, s->d_model,
                         value_name(k, layer, "k")),
        hone_bind_linear(b, "blk.%d.attn_v", layer, d_kv, s->d_model,
                         value_name(v, layer, "v")),
    };
    const hone_linear out =
        hone_bind_linear(b, "blk.%d.attn_output", layer, s->d_model, d_q,
                         value_name(out_name, layer, "attn_out"));
    const bool rotates = !(s->layer[layer] & HONE_LAYER_NO_ROPE) && s->rope.n_rot > 0;
    const hone_attention a = {
        .n_head = s->n_head,
        .n_head_kv = s->n_head_kv,
        .d_k = s->d_head,
        .d_v = s->d_head,
        .scale = 1.0f / sqrtf((float)s->d_head),
        .window = s->layer[layer] & HONE_LAYER_WINDOW ? s->window : 0,
        .q_norm = bind_norm(b, "blk.%d.attn_q_norm.weight", layer, s->d_head, true),
        .k_norm = bind_norm(b, "blk.%d.attn_k_norm.weight", layer, s->d_head, true),
        .cos_sin = rotates ? cos_sin : HONE_NO_VALUE,
        .n_rot = rotates ? s->rope.n_rot : 0,
        .interleaved = s->rope.interleaved,
        .name = value_name(name, layer, "attn"),
    };
    if (b->status) return HONE_NO_VALUE;
    hone_value value[3];
    hone_op_norm_linear(b->program, x, &norm, 3, qkv, value);
    const hone_value o =
        hone_op_attention(b->program, value[0], value[1], value[2], &a);
    return hone_op_linear_add(b->program, o, &out, x);
}

static hone_value feed_forward(hone_build *b, int layer, hone_value x)
{
    const hone_spec *s = b->spec;
    char name[NAME], out_name[NAME];
    const hone_norm norm =
        bind_norm(b, "blk.%d.ffn_norm.weight", layer, s->d_model, false);
    const hone_linear gate =
        hone_bind_linear(b, "blk.%d.ffn_gate", layer, s->d_ff, s->d_model, "");
    const hone_linear up =
        hone_bind_linear(b, "blk.%d.ffn_up", layer, s->d_ff, s->d_model, "");
    const hone_linear down =
        hone_bind_linear(b, "blk.%d.ffn_down", layer, s->d_model, s->d_ff,
                         value_name(out_name, layer, "out"));
    if (b->status) return HONE_NO_VALUE;
    const hone_value h =
        hone_op_norm_gated(b->program, x, &norm, &gate, &up, HONE_ACT_SILU,
                           value_name(name, layer, "ffn"));
    return hone_op_linear_add(b->program, h, &down, x);
}

/* One cosine table for the whole model. */
static hone_value positions(hone_build *b)
{
    const hone_rope_spec *r = &b->spec->rope;
    if (b->status || r->n_rot == 0) return HONE_NO_VALUE;
    const size_t half = (size_t)r->n_rot / 2;
    float *freq = hone_alloc(2 * half, sizeof *freq);
    if (!freq) {
        b->status = hone_fail(b->err, HONE_E_NOMEM, "out of memory");
        return HONE_NO_VALUE;
    }
    hone_value v = HONE_NO_VALUE;
    if (r->kind == HONE_ROPE_FACTORS) {
        const hone_matrix m =
            hone_bind_vector(b, "rope_freqs.weight", 0, (int)half, false);
        if (m.data && m.dtype == HONE_F32)
            memcpy(freq + half, m.data, half * sizeof *freq);
        else if (!b->status) {
            b->status = hone_fail(b->err, HONE_E_FORMAT,
                                  "tensor 'rope_freqs.weight': expected type F32");
        }
    }
    if (!b->status) {
        float scale;
        hone_rope_frequencies(r, freq + half, freq, &scale);
        const hone_rope rope = {freq, r->n_rot, scale};
        v = hone_op_positions(b->program, &rope, "cos_sin");
    }
    hone_free(freq);
    return v;
}

/* The head: its own matrix, or the embedding where the file ties them. */
static hone_linear bind_head(hone_build *b, const hone_matrix *embedding)
{
    const hone_spec *s = b->spec;
    const bool own = hone_source_find(b->source, "output.weight") != NULL;
    if (own || !s->tied) {
        return hone_bind_linear(b, "output", 0, s->n_vocab, s->d_model, "logits");
    }
    return (hone_linear){.w = *embedding, .name = "logits"};
}

static hone_status build(hone_build *b)
{
    const hone_spec *s = b->spec;
    if (strcmp(s->activation, "silu") != 0 && strcmp(s->activation, "swish") != 0) {
        return hone_fail(b->err, HONE_E_UNSUPPORTED, "activation '%s'", s->activation);
    }
    const hone_matrix embedding =
        hone_bind_matrix(b, "token_embd.weight", 0, s->n_vocab, s->d_model);
    const hone_norm norm = bind_norm(b, "output_norm.weight", 0, s->d_model, false);
    const hone_linear head = bind_head(b, &embedding);
    if (b->status) return b->status;

    hone_value x = hone_op_embed(b->program, &embedding, 1.0f, "embed");
    const hone_value cos_sin = positions(b);
    for (int layer = 0; layer < s->n_layer && !b->status; layer++) {
        x = attention(b, layer, x, cos_sin);
        if (!b->status) x = feed_forward(b, layer, x);
    }
    if (b->status) return b->status;
    const hone_value hidden = hone_op_select_norm(b->program, x, &norm, "final_norm");
    hone_value logits;
    hone_op_norm_linear(b->program, hidden, NULL, 1, &head, &logits);
    hone_program_set_outputs(b->program, hidden, logits);
    return HONE_OK;
}

static const char *const architectures[] = {"llama", "mistral", "qwen2",
                                            "qwen3", "smollm3", NULL};

const hone_family hone_family_llama = {architectures, build};
