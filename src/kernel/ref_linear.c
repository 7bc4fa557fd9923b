/* ref_linear.c - reference linear layers and activation quantization. */
#include <math.h>
#include <stddef.h>

#include "kernel/kernel_tiers.h"
#include "tensor/dequant.h"

_Static_assert(HONE_ACT_GROUP % 256 == 0, "a stripe is whole blocks of every dtype");

static void quantize_ref(const hone_acts *a, int t, const float *x)
{
    for (int k = 0; k < a->K; k += HONE_ACT_BLOCK, x += HONE_ACT_BLOCK) {
        const int g = k / HONE_ACT_GROUP, at = k % HONE_ACT_GROUP;
        int8_t *q = hone_acts_q(a, t, g) + at;
        int16_t *minus = hone_acts_minus(a, t, g) + at / 16;
        float max = 0.0f;
        for (int i = 0; i < HONE_ACT_BLOCK; i++) {
            max = fmaxf(max, fabsf(x[i]));
        }
        const float d = max / 127.0f;
        const float inverse = d > 0.0f ? 1.0f / d : 0.0f;
        minus[0] = minus[1] = 0;
        for (int i = 0; i < HONE_ACT_BLOCK; i++) {
            const float r = fminf(fmaxf(x[i] * inverse, -127.0f), 127.0f);
            q[i] = (int8_t)rintf(r);
            minus[i / 16] = (int16_t)(minus[i / 16] - q[i]);
        }
        hone_acts_scale(a, t, g)[at / HONE_ACT_BLOCK] = d;
    }
}

/* Row n of w times activation row t, a stripe of decoded elements at a time. */
static float dot(const hone_matrix *w, int n, const hone_acts *x, int t)
{
    const hone_dtype_info *info = hone_dtype_get(w->dtype);
    const unsigned char *row = w->data + (size_t)n * w->row_bytes;
    const bool quantized = hone_dtype_is_quantized(w->dtype);
    float values[HONE_ACT_GROUP];
    float sum = 0.0f;

    for (int g = 0; g < hone_acts_n_group(x); g++) {
        const int width = hone_acts_width(x, g);
        const size_t at = (size_t)g * HONE_ACT_GROUP / info->block * info->bytes;
        hone_dequantize(values, row + at, w->dtype, (size_t)width);
        for (int i = 0; i < width; i++) {
            const float xv = quantized
                                 ? (float)hone_acts_q(x, t, g)[i] *
                                       hone_acts_scale(x, t, g)[i / HONE_ACT_BLOCK]
                                 : hone_acts_f(x, t, g)[i];
            sum += values[i] * xv;
        }
    }
    return sum;
}

static void linear_ref(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                       const hone_acts *x, int t0, int t)
{
    for (int j = 0; j < t; j++) {
        for (int i = 0; i < n; i++) {
            y[(size_t)j * ldy + (size_t)i] = dot(w, n0 + i, x, t0 + j);
        }
    }
}

void hone_kernels_init_ref_linear(hone_kernels *k)
{
    k->quantize = quantize_ref;
    for (int t = 0; t < HONE_N_DTYPE; t++) {
        const bool plain = t == HONE_F32 || t == HONE_F16 || t == HONE_BF16;
        const bool quantized = hone_dtype_is_quantized((hone_dtype)t);
        if (plain || quantized) k->linear[t] = linear_ref;
        k->form[t] = quantized ? HONE_FORM_Q8 : HONE_FORM_F32;
    }
}
