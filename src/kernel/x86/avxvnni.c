/* avxvnni.c - AVX-VNNI: the AVX2 tier with vpdpbusd on 256-bit registers. */
#define VEC_VNNI256 1
#include "kernel/x86/vec_avx2.h"

#include "kernel/attention_tmpl.h"
#include "kernel/linear_float_tmpl.h"
#include "kernel/linear_tmpl.h"
#include "kernel/rows_tmpl.h"
#include "kernel/tier_tmpl.h"

static double peak_int8_avxvnni(double n_ops)
{
    enum {
        CHAINS = 12
    };
    vi acc[CHAINS / 2];
    for (int i = 0; i < CHAINS / 2; i++) {
        acc[i] = vi_set1(i);
    }
    const vb w = vb_set1(1), x = vb_set1(2);
    const long rounds = (long)(n_ops / (2 * 32 * CHAINS)) + 1;
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 6
        for (int i = 0; i < CHAINS / 2; i++) {
            acc[i] = vi_dot_full(acc[i], w, x);
        }
    }
    for (int i = 1; i < CHAINS / 2; i++) {
        acc[0] = vi_add(acc[0], acc[i]);
    }
    volatile int sink = _mm256_extract_epi32(acc[0].lo, 0);
    (void)sink;
    return (double)rounds * 2 * 32 * CHAINS;
}

void hone_kernels_init_avxvnni(hone_kernels *k)
{
    k->tier = "avxvnni";
    fill_table_avxvnni(k);
    k->peak_int8 = peak_int8_avxvnni;
}
