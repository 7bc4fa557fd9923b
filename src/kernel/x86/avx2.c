/* avx2.c - AVX2 kernels on single rows: conversions, norm, gates, peaks. */
#include <immintrin.h>
#include <math.h>
#include <stddef.h>

#include "kernel/kernel_tiers.h"
#include "kernel/x86/avx2_math.h"

static void widen_f16_avx2(float *dst, const void *src, size_t n)
{
    const unsigned char *s = src;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i h = _mm_loadu_si128((const __m128i *)(s + 2 * i));
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(h));
    }
    for (; i < n; i++) {
        dst[i] = f16_scalar_avx2(s + 2 * i);
    }
}

static void narrow_f16_avx2(void *dst, const float *src, size_t n)
{
    uint16_t *d = dst;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i h = _mm256_cvtps_ph(
            _mm256_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        _mm_storeu_si128((__m128i *)(d + i), h);
    }
    for (; i < n; i++) {
        d[i] =
            (uint16_t)_cvtss_sh(src[i], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
}

static void rmsnorm_avx2(float *y, const float *x, const float *w, int K, float eps)
{
    __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
    int i = 0;
    for (; i + 32 <= K; i += 32) {
        const __m256 x0 = _mm256_loadu_ps(x + i), x1 = _mm256_loadu_ps(x + i + 8);
        const __m256 x2 = _mm256_loadu_ps(x + i + 16), x3 = _mm256_loadu_ps(x + i + 24);
        a = _mm256_fmadd_ps(x0, x0, a);
        b = _mm256_fmadd_ps(x1, x1, b);
        c = _mm256_fmadd_ps(x2, x2, c);
        d = _mm256_fmadd_ps(x3, x3, d);
    }
    float sum = hsum_avx2(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
    for (int j = i; j < K; j++) {
        sum += x[j] * x[j];
    }
    const float scale = 1.0f / sqrtf(sum / (float)K + eps);
    const __m256 vs = _mm256_set1_ps(scale);
    for (i = 0; i + 8 <= K; i += 8) {
        __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i), vs);
        if (w) v = _mm256_mul_ps(v, _mm256_loadu_ps(w + i));
        _mm256_storeu_ps(y + i, v);
    }
    for (; i < K; i++) {
        y[i] = x[i] * scale * (w ? w[i] : 1.0f);
    }
}

static void gate_silu_avx2(float *y, const float *gate, const float *up, int n)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    for (int i = 0; i < n; i += 8) {
        const __m256i m = tail_mask_avx2(n - i);
        const __m256 g = _mm256_maskload_ps(gate + i, m);
        const __m256 u = _mm256_maskload_ps(up + i, m);
        const __m256 e = exp_avx2(_mm256_sub_ps(_mm256_setzero_ps(), g));
        const __m256 s = _mm256_div_ps(g, _mm256_add_ps(one, e));
        _mm256_maskstore_ps(y + i, m, _mm256_mul_ps(s, u));
    }
}

static double peak_f32_avx2(double n_ops)
{
    enum {
        CHAINS = 12
    };
    __m256 acc[CHAINS];
    const __m256 m = _mm256_set1_ps(0.999f), c = _mm256_set1_ps(1e-3f);
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = _mm256_set1_ps((float)i);
    }
    const long rounds = (long)(n_ops / (2 * 8 * CHAINS)) + 1;
    for (long r = 0; r < rounds; r++) {
        for (int i = 0; i < CHAINS; i++) {
            acc[i] = _mm256_fmadd_ps(acc[i], m, c);
        }
    }
    __m256 sum = acc[0];
    for (int i = 1; i < CHAINS; i++) {
        sum = _mm256_add_ps(sum, acc[i]);
    }
    volatile float sink = hsum_avx2(sum);
    (void)sink;
    return (double)rounds * 2 * 8 * CHAINS;
}

static double peak_int8_avx2(double n_ops)
{
    enum {
        CHAINS = 6
    };
    __m256i acc[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = _mm256_set1_epi32(i);
    }
    __m256i w = _mm256_set1_epi8(1), x = _mm256_set1_epi8(2);
    const __m256i ones = _mm256_set1_epi16(1);
    const long rounds = (long)(n_ops / (2 * 32 * CHAINS)) + 1;
    for (long r = 0; r < rounds; r++) {
        __asm__ volatile("" : "+x"(w), "+x"(x)); /* keeps the products in the loop */
        for (int i = 0; i < CHAINS; i++) {
            const __m256i p = _mm256_maddubs_epi16(w, x);
            acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(p, ones));
            __asm__ volatile("" : "+x"(acc[i]), "+x"(w));
        }
    }
    __m256i sum = acc[0];
    for (int i = 1; i < CHAINS; i++) {
        sum = _mm256_add_epi32(sum, acc[i]);
    }
    volatile int sink = _mm256_extract_epi32(sum, 0);
    (void)sink;
    return (double)rounds * 2 * 32 * CHAINS;
}

static uint64_t read_avx2(const void *data, size_t bytes)
{
    const unsigned char *p = data;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (size_t i = 0; i + 128 <= bytes; i += 128) {
        a = _mm256_add_epi64(a, _mm256_loadu_si256((const __m256i *)(p + i)));
        b = _mm256_add_epi64(b, _mm256_loadu_si256((const __m256i *)(p + i + 32)));
        c = _mm256_add_epi64(c, _mm256_loadu_si256((const __m256i *)(p + i + 64)));
        d = _mm256_add_epi64(d, _mm256_loadu_si256((const __m256i *)(p + i + 96)));
    }
    a = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
    uint64_t w[4];
    _mm256_storeu_si256((__m256i *)w, a);
    return w[0] + w[1] + w[2] + w[3];
}

void hone_kernels_init_avx2(hone_kernels *k)
{
    k->tier = "avx2";
    k->widen[HONE_F16] = widen_f16_avx2;
    k->narrow[HONE_F16] = narrow_f16_avx2;
    k->rmsnorm = rmsnorm_avx2;
    k->gate[HONE_ACT_SILU] = gate_silu_avx2;
    k->peak_f32 = peak_f32_avx2;
    k->peak_bf16 = peak_f32_avx2;
    k->peak_int8 = peak_int8_avx2;
    k->read = read_avx2;
    hone_kernels_init_avx2_linear(k);
    hone_kernels_init_avx2_attention(k);
}
