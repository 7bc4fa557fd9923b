/* rows_tmpl.h - kernels on single rows for one tier: conversions, norm, rotary
 * positions, gate, quantization of activations; comes behind vec_<isa>.h. */
#include <math.h>

#include "kernel/exp_tmpl.h"
#include "kernel/kernel_tiers.h"
#include "tensor/dequant.h"

static void VEC_TIER(widen_f16)(float *dst, const void *src, size_t n)
{
    const unsigned char *s = src;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        vf_store(dst + i, vf_load_f16(s + 2 * i));
    }
    if (i < n) {
        unsigned char tail[32] = {0};
        memcpy(tail, s + 2 * i, 2 * (n - i));
        vf_store_n(dst + i, vf_load_f16(tail), (int)(n - i));
    }
}

static void VEC_TIER(narrow_f16)(void *dst, const float *src, size_t n)
{
    unsigned char *d = dst;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        vf_store_f16(d + 2 * i, vf_load(src + i));
    }
    if (i < n) {
        unsigned char tail[32];
        vf_store_f16(tail, vf_load_n(src + i, (int)(n - i)));
        memcpy(d + 2 * i, tail, 2 * (n - i));
    }
}

static void VEC_TIER(rmsnorm)(float *y, const float *x, const float *w, int K,
                              float eps)
{
    vf sum[4];
    for (int j = 0; j < 4; j++) {
        sum[j] = vf_zero();
    }
    int i = 0;
    for (; i + 64 <= K; i += 64) {
        for (int j = 0; j < 4; j++) {
            const vf v = vf_load(x + i + 16 * j);
            sum[j] = vf_fma(v, v, sum[j]);
        }
    }
    for (; i < K; i += 16) {
        const vf v = vf_load_n(x + i, K - i < 16 ? K - i : 16);
        sum[0] = vf_fma(v, v, sum[0]);
    }
    const float total = vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3])));
    const vf scale = vf_set1(1.0f / sqrtf(total / (float)K + eps));
    for (i = 0; i + 16 <= K; i += 16) {
        const vf v = vf_mul(vf_load(x + i), scale);
        vf_store(y + i, w ? vf_mul(v, vf_load(w + i)) : v);
    }
    if (i < K) {
        const vf v = vf_mul(vf_load_n(x + i, K - i), scale);
        vf_store_n(y + i, w ? vf_mul(v, vf_load_n(w + i, K - i)) : v, K - i);
    }
}

/* Products and sums are rounded one by one, as in the reference. */
VEC_INLINE void turn(vf *a, vf *b, vf c, vf s)
{
    const vf a0 = *a, b0 = *b;
    *a = vf_sub(vf_mul(a0, c), vf_mul(b0, s));
    *b = vf_add(vf_mul(a0, s), vf_mul(b0, c));
}

static void VEC_TIER(rope)(float *x, const float *cos_sin, int n_rot, bool interleaved)
{
    const int half = n_rot / 2;
    int i = 0;
    for (; interleaved && i + 16 <= half; i += 16) {
        vf a, b;
        vf_load_pairs(x + (ptrdiff_t)2 * i, &a, &b);
        turn(&a, &b, vf_load(cos_sin + i), vf_load(cos_sin + half + i));
        vf_store_pairs(x + (ptrdiff_t)2 * i, a, b);
    }
    for (; interleaved && i < half; i++) {
        const float c = cos_sin[i], s = cos_sin[half + i];
        const float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * c - b * s;
        x[2 * i + 1] = a * s + b * c;
    }
    for (; i < half; i += 16) {
        const int n = half - i < 16 ? half - i : 16;
        vf a = vf_load_n(x + i, n), b = vf_load_n(x + half + i, n);
        turn(&a, &b, vf_load_n(cos_sin + i, n), vf_load_n(cos_sin + half + i, n));
        vf_store_n(x + i, a, n);
        vf_store_n(x + half + i, b, n);
    }
}

static void VEC_TIER(gate_silu)(float *y, const float *gate, const float *up, int n)
{
    const vf one = vf_set1(1.0f);
    for (int i = 0; i < n; i += 16) {
        const int len = n - i < 16 ? n - i : 16;
        const vf g = vf_load_n(gate + i, len), u = vf_load_n(up + i, len);
        const vf e = vec_exp(vf_sub(vf_zero(), g));
        vf_store_n(y + i, vf_mul(vf_div(g, vf_add(one, e)), u), len);
    }
}

static float VEC_TIER(exp_sum)(const float *x, int n, float shift, float scale)
{
    const vf from = vf_set1(shift), by = vf_set1(scale);
    vf sum[2] = {vf_zero(), vf_zero()};
    int i = 0;
    for (; i + 32 <= n; i += 32) {
        for (int j = 0; j < 2; j++) {
            const vf v = vf_mul(vf_sub(vf_load(x + i + 16 * j), from), by);
            sum[j] = vf_add(sum[j], vec_exp(v));
        }
    }
    float rest[16];
    for (; i < n; i += 16) {
        for (int j = 0; j < 16; j++) {
            rest[j] = i + j < n ? x[i + j] : -INFINITY;
        }
        sum[0] = vf_add(sum[0], vec_exp(vf_mul(vf_sub(vf_load(rest), from), by)));
    }
    return vf_sum(vf_add(sum[0], sum[1]));
}

static void VEC_TIER(quantize)(const hone_acts *a, int t, const float *x)
{
    for (int g = 0; g < hone_acts_n_group(a); g++, x += HONE_ACT_GROUP) {
        int8_t *q = hone_acts_q(a, t, g);
        float *scale = hone_acts_scale(a, t, g);
        int16_t *minus = hone_acts_minus(a, t, g);
        for (int b = 0; b < hone_acts_width(a, g) / HONE_ACT_BLOCK; b++) {
            const vf v0 = vf_load(x + 32 * b), v1 = vf_load(x + 32 * b + 16);
            const float d = vf_greatest(vf_max(vf_abs(v0), vf_abs(v1))) / 127.0f;
            const vf inverse = vf_set1(d > 0.0f ? 1.0f / d : 0.0f);
            const vf lo = vf_set1(-127.0f), hi = vf_set1(127.0f);
            const vf r0 = vf_min(vf_max(vf_mul(v0, inverse), lo), hi);
            const vf r1 = vf_min(vf_max(vf_mul(v1, inverse), lo), hi);
            const vi i0 = vi_from_f(r0), i1 = vi_from_f(r1);
            vi_store_i8(q + 32 * b, i0);
            vi_store_i8(q + 32 * b + 16, i1);
            scale[b] = d;
            /* sums of whole numbers this small are exact */
            minus[2 * b] = (int16_t)-vf_sum(vf_from_i(i0));
            minus[2 * b + 1] = (int16_t)-vf_sum(vf_from_i(i1));
        }
    }
}
