/* avx2.c - the AVX2 tier: templates, and the peaks that reports compare with. */
#define VEC_VNNI256 0
#include "kernel/x86/vec_avx2.h"

#include "kernel/attention_tmpl.h"
#include "kernel/linear_float_tmpl.h"
#include "kernel/linear_tmpl.h"
#include "kernel/rows_tmpl.h"
#include "kernel/tier_tmpl.h"

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
    volatile float sink = _mm256_cvtss_f32(sum);
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
    fill_table_avx2(k);
    k->peak_f32 = peak_f32_avx2;
    k->peak_bf16 = peak_f32_avx2;
    k->peak_int8 = peak_int8_avx2;
    k->read = read_avx2;
}
