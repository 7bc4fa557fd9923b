/* ref_attention.c - reference rotary positions and attention over pages. */
#include <math.h>
#include <stddef.h>

#include "kernel/kernel_tiers.h"
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

static float load(const void *row, int i, hone_dtype type)
{
    if (type == HONE_F32) return ((const float *)row)[i];
    const uint16_t h = ((const uint16_t *)row)[i];
    return type == HONE_F16 ? hone_f16_to_f32(h) : hone_bf16_to_f32(h);
}

/* One query head: two passes over the positions, so that the definition shows. */
static void attend(const hone_attention_args *a, int head, hone_dtype type)
{
    const size_t size = hone_dtype_get(type)->bytes;
    const float *q = a->q + (size_t)head * a->ldq;
    float *out = a->out + (size_t)head * a->ldo;
    double max = -INFINITY, total = 0.0;

    for (int i = 0; i < a->d_v; i++) {
        out[i] = 0.0f;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int j = a->first; j <= a->last; j++) {
            const unsigned char *page = a->page[j / a->page_len];
            const size_t slot = (size_t)(j % a->page_len);
            const void *k = page + a->k_offset + slot * (size_t)a->d_k * size;
            const void *v = page + a->v_offset + slot * (size_t)a->d_v * size;
            double s = 0.0;
            for (int i = 0; i < a->d_k; i++) {
                s += (double)q[i] * (double)load(k, i, type);
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
                out[i] += (float)p * load(v, i, type);
            }
        }
    }
    for (int i = 0; i < a->d_v; i++) {
        out[i] = (float)((double)out[i] / total);
    }
}

#define ATTENTION(name, type)                                                          \
    static void attention_##name##_ref(const hone_attention_args *a)                   \
    {                                                                                  \
        for (int h = 0; h < a->n_q; h++) {                                             \
            attend(a, h, type);                                                        \
        }                                                                              \
    }
ATTENTION(f32, HONE_F32)
ATTENTION(f16, HONE_F16)
ATTENTION(bf16, HONE_BF16)
#undef ATTENTION

void hone_kernels_init_ref_attention(hone_kernels *k)
{
    k->rope = rope_ref;
    k->attention[HONE_F32] = attention_f32_ref;
    k->attention[HONE_F16] = attention_f16_ref;
    k->attention[HONE_BF16] = attention_bf16_ref;
}
