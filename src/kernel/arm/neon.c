/* neon.c - the NEON tier: templates, and the peaks that reports compare with. */
#define VEC_DOTPROD 0
#include "kernel/arm/vec_neon.h"

#include "kernel/attention_tmpl.h"
#include "kernel/linear_float_tmpl.h"
#include "kernel/linear_tmpl.h"
#include "kernel/rows_tmpl.h"
#include "kernel/tier_tmpl.h"

static double peak_f32_neon(double n_ops)
{
    enum {
        CHAINS = 6 /* vectors of four registers */
    };
    vf acc[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = vf_set1((float)i);
    }
    const vf m = vf_set1(0.999f), c = vf_set1(1e-3f);
    const long rounds = (long)(n_ops / (2 * 16 * CHAINS)) + 1;
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 6
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

static double peak_int8_neon(double n_ops)
{
    enum {
        CHAINS = 3
    };
    vi acc[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = vi_set1(i);
    }
    vb w = vb_set1(1), x = vb_set1(2);
    const long rounds = (long)(n_ops / (2 * 64 * CHAINS)) + 1;
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 3
        for (int i = 0; i < CHAINS; i++) {
            /* keeps the products, which are the same each time, in the loop */
            __asm__ volatile(""
                             : "+w"(w.q[0]), "+w"(w.q[1]), "+w"(w.q[2]), "+w"(w.q[3]));
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

static uint64_t read_neon(const void *data, size_t bytes)
{
    const uint8_t *p = data;
    uint64x2_t a = vdupq_n_u64(0), b = a, c = a, d = a;
    for (size_t i = 0; i + 64 <= bytes; i += 64) {
        a = vaddq_u64(a, vreinterpretq_u64_u8(vld1q_u8(p + i)));
        b = vaddq_u64(b, vreinterpretq_u64_u8(vld1q_u8(p + i + 16)));
        c = vaddq_u64(c, vreinterpretq_u64_u8(vld1q_u8(p + i + 32)));
        d = vaddq_u64(d, vreinterpretq_u64_u8(vld1q_u8(p + i + 48)));
    }
    return vaddvq_u64(vaddq_u64(vaddq_u64(a, b), vaddq_u64(c, d)));
}

void hone_kernels_init_neon(hone_kernels *k)
{
    k->tier = "neon";
    fill_table_neon(k);
    k->peak_f32 = peak_f32_neon;
    k->peak_bf16 = peak_f32_neon;
    k->peak_int8 = peak_int8_neon;
    k->read = read_neon;
}
