/* ref_linear.c - reference linear layers and activation quantization. */
#include <math.h>
#include <stddef.h>

#include "kernel/kernel_tiers.h"
#include "tensor/dequant.h"

enum {
    CHUNK = 256 /* elements decoded at a time: a multiple of every block */
};

static void quantize_ref(int8_t *q, float *scale, float *sum, const float *x, int K)
{
    for (int b = 0; b < K / HONE_ACT_BLOCK; b++) {
        const float *xb = x + (ptrdiff_t)b * HONE_ACT_BLOCK;
        int8_t *qb = q + (ptrdiff_t)b * HONE_ACT_BLOCK;
        float max = 0.0f;
        for (int i = 0; i < HONE_ACT_BLOCK; i++) {
            max = fmaxf(max, fabsf(xb[i]));
        }
        const float d = max / 127.0f;
        const float inverse = d > 0.0f ? 1.0f / d : 0.0f;
        int part[2] = {0, 0};
        for (int i = 0; i < HONE_ACT_BLOCK; i++) {
            const float r = fminf(fmaxf(rintf(xb[i] * inverse), -127.0f), 127.0f);
            qb[i] = (int8_t)r;
            part[i / 16] += qb[i];
        }
        scale[b] = d;
        sum[2 * b] = d * (float)part[0];
        sum[2 * b + 1] = d * (float)part[1];
    }
}

/* Row n of w times activation row t, K decoded elements at a time. */
static float dot(const hone_matrix *w, int n, const hone_acts *x, int t)
{
    const hone_dtype_info *info = hone_dtype_get(w->dtype);
    const unsigned char *row = w->data + (size_t)n * w->row_bytes;
    const bool quantized = hone_linear_wants_q8(w->dtype);
    const int K = w->n_col;
    float values[CHUNK];
    float sum = 0.0f;

    for (int k0 = 0; k0 < K; k0 += CHUNK) {
        const int len = K - k0 < CHUNK ? K - k0 : CHUNK;
        const size_t at = (size_t)k0 / info->block * info->bytes;
        hone_dequantize(values, row + at, w->dtype, (size_t)len);
        const size_t x0 = (size_t)t * (size_t)K + (size_t)k0;
        for (int i = 0; i < len; i++) {
            const size_t j = x0 + (size_t)i;
            const float xv =
                quantized ? (float)x->q[j] * x->scale[j / HONE_ACT_BLOCK] : x->f[j];
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
        if (plain || hone_dtype_is_quantized((hone_dtype)t)) k->linear[t] = linear_ref;
    }
}
