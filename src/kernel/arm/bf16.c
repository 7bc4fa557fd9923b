/* bf16.c - FEAT_BF16: the i8mm tier with BF16 weights times BF16 activations by bfmmla.
 *
 * Every number of rows goes this way, since the instruction rounds in a manner of its own
 * (to odd, within a pair of columns first): the result of a row is the same bits whatever
 * lies beside it.  It multiplies four columns of two activation rows with those of two
 * weight rows; a panel's pairs of columns become fours by a zip.  The chain behind one
 * result is one instruction for four columns, in order. */
#define VEC_DOTPROD 1
#include "kernel/arm/vec_neon.h"

#include "base/status.h"
#include "kernel/kernel_tiers.h"
#include "kernel/panel.h"

enum {
    ROWS = HONE_PANEL_ROWS,
    PAIRS = ROWS / 2, /* of weight rows in a panel */
    MAX_X = 2         /* pairs of activation rows in a tile: 16 squares of sums */
};

/* Two activation rows of one stripe; a last row without a partner is its own. */
typedef struct pair {
    const uint16_t *h[2];
} pair;

/* Columns 4i .. 4i+3 of both rows. */
VEC_INLINE bfloat16x8_t four_columns(const pair *x, int i)
{
    const uint16x8_t v =
        vcombine_u16(vld1_u16(x->h[0] + 4 * i), vld1_u16(x->h[1] + 4 * i));
    return vreinterpretq_bf16_u16(v);
}

/* The same of the last columns, with zeros behind. */
VEC_INLINE bfloat16x8_t last_columns(const pair *x, int from, int n)
{
    uint16_t h[2][4] = {0};
    memcpy(h[0], x->h[0] + from, (size_t)n * sizeof h[0][0]);
    memcpy(h[1], x->h[1] + from, (size_t)n * sizeof h[0][0]);
    return vreinterpretq_bf16_u16(vld1q_u16(h[0]));
}

/* acc[w * X + r] += four columns of 16 weight rows by X pairs of activation rows.  Pairs
 * of columns at p and, or zeros, at q. */
VEC_INLINE void step(float32x4_t *acc, const unsigned char *p, const unsigned char *q,
                     const bfloat16x8_t *x, int X)
{
    const vi even = vi_load(p), odd = q ? vi_load(q) : vi_zero();
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const bfloat16x8_t w0 = vreinterpretq_bf16_s32(vzip1q_s32(even.q[i], odd.q[i]));
        const bfloat16x8_t w1 = vreinterpretq_bf16_s32(vzip2q_s32(even.q[i], odd.q[i]));
        for (int r = 0; r < X; r++) {
            float32x4_t *a = &acc[2 * i * X + r];
            a[0] = vbfmmlaq_f32(a[0], x[r], w0);
            a[X] = vbfmmlaq_f32(a[X], x[r], w1);
        }
    }
}

/* One panel by t <= 2 X activation rows from t0 on, over stripes g0 .. g1-1; n of the
 * panel's rows count.  Sums begin with y unless g0 is 0. */
VEC_INLINE void tile(float *y, size_t ldy, const unsigned char *panel, int n,
                     const hone_acts *a, int t0, int t, int g0, int g1, int X)
{
    float32x4_t acc[PAIRS * MAX_X];
    float row[2 * MAX_X][ROWS] = {0};
    for (int c = 0; g0 > 0 && c < t; c++) {
        memcpy(row[c], y + (size_t)c * ldy, (size_t)n * sizeof *y);
    }
    for (int r = 0; r < X; r++) {
#pragma GCC unroll 8
        for (int w = 0; w < PAIRS; w++) {
            acc[w * X + r] = vcombine_f32(vld1_f32(row[2 * r] + 2 * w),
                                          vld1_f32(row[2 * r + 1] + 2 * w));
        }
    }
    for (int g = g0; g < g1; g++) {
        pair x[MAX_X];
        for (int r = 0; r < X; r++) {
            const int other = 2 * r + 1 < t ? 2 * r + 1 : 2 * r;
            x[r].h[0] = hone_acts_h(a, t0 + 2 * r, g);
            x[r].h[1] = hone_acts_h(a, t0 + other, g);
        }
        const int width = hone_acts_width(a, g);
        const unsigned char *p = panel + (size_t)g * (HONE_ACT_GROUP / 2) * 64;
        bfloat16x8_t v[MAX_X];
        int i = 0;
        for (; 4 * i + 4 <= width; i++, p += 128) {
            for (int r = 0; r < X; r++) {
                v[r] = four_columns(&x[r], i);
            }
            step(acc, p, p + 64, v, X);
        }
        if (4 * i == width) continue;
        for (int r = 0; r < X; r++) {
            v[r] = last_columns(&x[r], 4 * i, width - 4 * i);
        }
        step(acc, p, width - 4 * i > 2 ? p + 64 : NULL, v, X);
    }
    for (int r = 0; r < X; r++) {
#pragma GCC unroll 8
        for (int w = 0; w < PAIRS; w++) {
            vst1_f32(row[2 * r] + 2 * w, vget_low_f32(acc[w * X + r]));
            vst1_f32(row[2 * r + 1] + 2 * w, vget_high_f32(acc[w * X + r]));
        }
    }
    for (int c = 0; c < t; c++) {
        memcpy(y + (size_t)c * ldy, row[c], (size_t)n * sizeof *y);
    }
}

static void linear_bf16(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                        const hone_acts *x, int t0, int t)
{
    const int n_group = hone_acts_n_group(x);
    HONE_ASSERT(n0 % ROWS == 0);
    for (int r = 0; r < n; r += ROWS) {
        const unsigned char *panel = w->data + (size_t)((n0 + r) / ROWS) * w->row_bytes;
        const int some = n - r < ROWS ? n - r : ROWS;
        float *to = y + r;
        /* few activation rows: the panel is read once, front to back */
        const int span = t <= 2 * MAX_X ? n_group : 1;
        for (int g = 0; g < n_group; g += span) {
            int c = 0;
            for (; c + 4 <= t; c += 4) {
                tile(to + (size_t)c * ldy, ldy, panel, some, x, t0 + c, 4, g, g + span,
                     2);
            }
            for (; c < t; c += 2) {
                tile(to + (size_t)c * ldy, ldy, panel, some, x, t0 + c,
                     t - c < 2 ? 1 : 2, g, g + span, 1);
            }
        }
    }
}

static void narrow_bf16(void *dst, const float *src, size_t n)
{
    unsigned char *d = dst;
    for (size_t i = 0; i < n; i += 8) {
        const size_t some = n - i < 8 ? n - i : 8;
        float tail[8] = {0};
        const float *from = src + i;
        if (some < 8) from = memcpy(tail, from, some * sizeof *src);
        const bfloat16x8_t low = vcvtq_low_bf16_f32(vld1q_f32(from));
        const bfloat16x8_t v = vcvtq_high_bf16_f32(low, vld1q_f32(from + 4));
        uint8_t bytes[16];
        vst1q_u8(some < 8 ? bytes : d + 2 * i, vreinterpretq_u8_bf16(v));
        if (some < 8) memcpy(d + 2 * i, bytes, 2 * some);
    }
}

static double peak_bf16(double n_ops)
{
    enum {
        CHAINS = 16
    };
    float32x4_t acc[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = vdupq_n_f32((float)i);
    }
    uint16x8_t bits = vdupq_n_u16(0x3F80);
    __asm__("" : "+w"(bits)); /* GCC 12 would load the constant as one of FEAT_FP16 */
    const bfloat16x8_t one = vreinterpretq_bf16_u16(bits);
    const long rounds = (long)(n_ops / (2 * 16 * CHAINS)) + 1;
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) {
            acc[i] = vbfmmlaq_f32(acc[i], one, one);
        }
    }
    for (int i = 1; i < CHAINS; i++) {
        acc[0] = vaddq_f32(acc[0], acc[i]);
    }
    volatile float sink = vaddvq_f32(acc[0]);
    (void)sink;
    return (double)rounds * 2 * 16 * CHAINS;
}

void hone_kernels_init_bf16(hone_kernels *k)
{
    k->tier = "bf16";
    k->linear[HONE_BF16] = linear_bf16;
    k->form[HONE_BF16] = HONE_FORM_BF16;
    k->narrow[HONE_BF16] = narrow_bf16;
    k->peak_bf16 = peak_bf16;
}
