/* avx512.c - the AVX-512 tier (with VNNI): templates and peaks. */
#include "kernel/x86/vec_avx512.h"

#include "kernel/attention_tmpl.h"
#include "kernel/linear_float_tmpl.h"
#include "kernel/linear_tmpl.h"
#include "kernel/rows_tmpl.h"
#include "kernel/tier_tmpl.h"

enum {
    CHAINS = 12
};

static double peak_int8_avx512(double n_ops)
{
    vi acc[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = vi_set1(i);
    }
    const vb w = vb_set1(1), x = vb_set1(2);
    const long rounds = (long)(n_ops / (2 * 64 * CHAINS)) + 1;
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) {
            acc[i] = vi_dot_full(acc[i], w, x);
        }
    }
    for (int i = 1; i < CHAINS; i++) {
        acc[0] = vi_add(acc[0], acc[i]);
    }
    volatile int sink = _mm512_reduce_add_epi32(acc[0]);
    (void)sink;
    return (double)rounds * 2 * 64 * CHAINS;
}

static double peak_f32_avx512(double n_ops)
{
    vf acc[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = vf_set1((float)i);
    }
    const vf m = vf_set1(0.999f), c = vf_set1(1e-3f);
    const long rounds = (long)(n_ops / (2 * 16 * CHAINS)) + 1;
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) {
            acc[i] = vf_fma(acc[i], m, c);
        }
    }
    for (int i = 1; i < CHAINS; i++) {
        acc[0] = vf_add(acc[0], acc[i]);
    }
    volatile float sink = vf_sum(acc[0]);
    (void)sink;
    return (double)rounds * 2 * 16 * CHAINS;
}

static uint64_t read_avx512(const void *data, size_t bytes)
{
    const unsigned char *p = data;
    __m512i sum[4];
    for (int j = 0; j < 4; j++) {
        sum[j] = vi_zero();
    }
    for (size_t i = 0; i + 256 <= bytes; i += 256) {
        for (size_t j = 0; j < 4; j++) {
            sum[j] = _mm512_add_epi64(sum[j], vi_load(p + i + 64 * j));
        }
    }
    sum[0] = _mm512_add_epi64(_mm512_add_epi64(sum[0], sum[1]),
                              _mm512_add_epi64(sum[2], sum[3]));
    return (uint64_t)_mm512_reduce_add_epi64(sum[0]);
}

#define X(name, pair, scale, offset, zero, full, by16)                                 \
    [HONE_##name] = VEC_TIER(linear_##name),
hone_linear_fn *const hone_linear_avx512[HONE_N_DTYPE] = {QUANTIZED(X)};
#undef X

void hone_kernels_init_avx512(hone_kernels *k)
{
    k->tier = "avx512";
    fill_table_avx512(k);
    k->peak_int8 = peak_int8_avx512;
    k->peak_f32 = peak_f32_avx512;
    k->peak_bf16 = peak_f32_avx512;
    k->read = read_avx512;
}
