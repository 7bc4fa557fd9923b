/* dotprod.c - FEAT_DotProd: the NEON tier with sdot for quantized weights. */
#define VEC_DOTPROD 1
#include "kernel/arm/vec_neon.h"

#include "kernel/linear_tmpl.h"

static double peak_int8_dotprod(double n_ops)
{
    enum {
        CHAINS = 6 /* vectors of four registers */
    };
    vi acc[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = vi_set1(i);
    }
    const vb w = vb_set1(1), x = vb_set1(2);
    const long rounds = (long)(n_ops / (2 * 64 * CHAINS)) + 1;
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 6
        for (int i = 0; i < CHAINS; i++) {
            acc[i] = vi_dot_full(acc[i], w, x);
        }
    }
    for (int i = 1; i < CHAINS; i++) {
        acc[0] = vi_add(acc[0], acc[i]);
    }
    volatile int sink = vaddvq_s32(acc[0].q[0]);
    (void)sink;
    return (double)rounds * 2 * 64 * CHAINS;
}

#define X(name, pair, scale, offset, zero, full, by16)                                 \
    [HONE_##name] = VEC_TIER(linear_##name),
hone_linear_fn *const hone_linear_dotprod[HONE_N_DTYPE] = {QUANTIZED(X)};
#undef X

void hone_kernels_init_dotprod(hone_kernels *k)
{
    k->tier = "dotprod";
    for (int t = 0; t < HONE_N_DTYPE; t++) {
        if (hone_linear_dotprod[t]) k->linear[t] = hone_linear_dotprod[t];
    }
    k->peak_int8 = peak_int8_dotprod;
}
