/* ref_attention.c - reference rotary positions and attention over pages. */
#include <math.h>
#include <stddef.h>

#include "kernel/kernel_tiers.h"
#include "kernel/kv_page.h"
#include "tensor/dequant.h"

static void rope_ref(float *x, const float *cos_sin, int n_rot, bool interleaved)
{
    const int half = n_rot / 2;
    const int step = interleaved ? 2 : 1, apart = interleaved ? 1 : half;
    for (int i = 0; i < half; i++) {
        const float c = cos_sin[i], s = cos_sin[half + i];
        float *a = x + (ptrdiff_t)i * step, *b = a + apart;
        const float a0 = *a, b0 = *b;
        *a = a0 * c - b0 * s;
        *b = a0 * s + b0 * c;
    }
}

/* Element number i of floats of type t. */
static float load_float(const void *p, size_t i, hone_dtype t)
{
    if (t == HONE_F32) return ((const float *)p)[i];
    const uint16_t h = ((const uint16_t *)p)[i];
    return t == HONE_F16 ? hone_f16_to_f32(h) : hone_bf16_to_f32(h);
}

/* Element i of the position in `slot`, of d, whose head's keys, or values, begin at p. */
static float load(const unsigned char *p, hone_dtype t, bool key, int page_len,
                  size_t slot, int i, int d)
{
    const size_t stride = (size_t)hone_page_stride(page_len);
    const size_t codes = (size_t)hone_kv_codes(t, d);
    if (!hone_dtype_is_quantized(t)) {
        return load_float(
            p, key ? (size_t)i * stride + slot : slot * (size_t)d + (size_t)i, t);
    }
    const size_t b = (size_t)i / HONE_KV_BLOCK, at = (size_t)i % HONE_KV_BLOCK;
    const float scale = load_float(p, b * stride + slot, HONE_F16);
    const size_t byte = t == HONE_Q8_0 ? (size_t)i : b * 16 + at % 16;
    const unsigned char x = p[hone_kv_scale_bytes(t, d, page_len) +
                              (key ? byte * stride + slot : slot * codes + byte)];
    if (t == HONE_Q8_0) return scale * (float)(int8_t)x;
    return scale * (float)((at < 16 ? x & 15 : x >> 4) - 8);
}

/* What one query sees of positions from .. to: two passes, so that the definition
 * shows.  The state is that of hone_attention_args. */
static void attend(const hone_attention_args *a, int row, int head, int from, int to,
                   float *state)
{
    const float *q = a->q + (size_t)row * a->ldq + (ptrdiff_t)head * a->d_k;
    float *out = state + 16;
    double max = -HUGE_VAL, total = 0.0;

    for (int i = 0; i < a->d_v; i++) {
        out[i] = 0.0f;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int j = from; j <= to; j++) {
            const unsigned char *page = a->page[j / a->page_len];
            const size_t slot = (size_t)(j % a->page_len);
            const unsigned char *k = page + a->k_offset, *v = page + a->v_offset;
            double s = 0.0;
            for (int i = 0; i < a->d_k; i++) {
                s += (double)q[i] *
                     (double)load(k, a->k_type, true, a->page_len, slot, i, a->d_k);
            }
            s *= (double)a->scale;
            if (a->softcap > 0.0f) {
                s = (double)a->softcap * tanh(s / (double)a->softcap);
            }
            if (pass == 0) {
                max = fmax(max, s);
                continue;
            }
            const double p = exp(s - max);
            total += p;
            for (int i = 0; i < a->d_v; i++) {
                out[i] +=
                    (float)p * load(v, a->v_type, false, a->page_len, slot, i, a->d_v);
            }
        }
    }
    state[0] = (float)max;
    state[1] = (float)total;
}

static void merge_ref(float *into, const float *from, int d_v)
{
    if (from[1] == 0.0f) return;
    const float max = fmaxf(into[0], from[0]);
    const float a = into[1] == 0.0f ? 0.0f : expf(into[0] - max);
    const float b = expf(from[0] - max);
    into[0] = max;
    into[1] = into[1] * a + from[1] * b;
    for (int i = 16; i < 16 + d_v; i++) {
        into[i] = into[i] * a + from[i] * b;
    }
}

static void finish_ref(float *out, const float *state, int d_v)
{
    for (int i = 0; i < d_v; i++) {
        out[i] = state[16 + i] / state[1];
    }
}

static void attention_ref(const hone_attention_args *a)
{
    const int split_len = hone_split_pages(a->page_len) * a->page_len;
    for (int u = 0; u < a->n_row * a->n_q; u++) {
        const int row = u / a->n_q, head = u % a->n_q, last = a->position + row;
        float *state = a->state + (ptrdiff_t)u * hone_state_len(a->d_v);
        int from = a->window > 0 && last >= a->window ? last - a->window + 1 : 0;
        int to = last;
        if (a->split < 0) {
            attend(a, row, head, from, to, state);
            finish_ref(a->out + (size_t)row * a->ldo + (ptrdiff_t)head * a->d_v, state,
                       a->d_v);
            continue;
        }
        if (from < a->split * split_len) from = a->split * split_len;
        if (to > (a->split + 1) * split_len - 1) to = (a->split + 1) * split_len - 1;
        attend(a, row, head, from, to, state);
    }
}

void hone_kernels_init_ref_attention(hone_kernels *k)
{
    k->rope = rope_ref;
    k->attention = attention_ref;
    k->merge = merge_ref;
    k->finish = finish_ref;
}
