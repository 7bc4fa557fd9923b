/* i8mm.c - FEAT_I8MM: the dotprod tier with products of many rows by smmla.
 *
 * smmla multiplies eight columns of two activation rows with those of two weight rows, and
 * adds to four sums (t, n), (t, n+1), (t+1, n), (t+1, n+1): a "square".  A group of a panel
 * is expanded into the order that it wants, with the scales doubled to match, and so are a
 * few pairs of activation rows; what follows the exact sums is the chain of linear_tmpl.h
 * in squares instead of rows, so results are the bits of every other tier. */
#define VEC_DOTPROD 1
#include "kernel/arm/vec_neon.h"

#include "base/status.h"
#include "kernel/kernel_tiers.h"
#include "kernel/unpack_tmpl.h"

enum {
    ROWS = HONE_PANEL_ROWS,
    SUBS = HONE_ACT_GROUP / 32,
    STEPS = 4,        /* of eight columns in a sub-block */
    PAIRS = ROWS / 2, /* of weight rows in a panel */
    HALF =
        PAIRS / 2, /* of them in a tile: with three pairs of activation rows, 12 squares
                         of dots and 12 of sums fit the registers */
    MAX_X = 3,     /* pairs of activation rows in a tile */
    MAX_X_16 = 2,  /* where scales come by 16 there are more values at work */
    PANELS = 4,    /* of a chunk: activation rows are prepared once for all */
    FEW_ROWS = 8   /* activation rows up to which each panel is read once, by sdot */
};

/* One group of a panel: signed codes of pairs of rows, eight columns of each; a float for
 * each of a square's sums. */
typedef struct expanded {
    _Alignas(64) int8_t code[SUBS][STEPS][PAIRS][16];
    _Alignas(64) float scale[SUBS][2][PAIRS][4];
    _Alignas(64) float offset[SUBS][2][PAIRS][4];
} expanded;

/* One group of pairs of activation rows, likewise. */
typedef struct pairs {
    _Alignas(64) int8_t q[SUBS][STEPS][MAX_X][16];
    _Alignas(64) float scale[SUBS][MAX_X][4];
    _Alignas(64) float sum[SUBS][2][MAX_X][4]; /* of q, where there is an offset */
} pairs;

/* Columns of two neighbouring groups, row by row. */
VEC_INLINE void put_codes(int8_t (*to)[16], vb even, vb odd)
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        vst1q_s8(to[2 * i], vec_bytes(vzip1q_s32(even.q[i], odd.q[i])));
        vst1q_s8(to[2 * i + 1], vec_bytes(vzip2q_s32(even.q[i], odd.q[i])));
    }
}

/* Values of 16 weight rows, twice for each pair. */
VEC_INLINE void put_doubled(float (*to)[4], vf v)
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const float32x2_t low = vget_low_f32(v.q[i]), high = vget_high_f32(v.q[i]);
        vst1q_f32(to[2 * i], vcombine_f32(low, low));
        vst1q_f32(to[2 * i + 1], vcombine_f32(high, high));
    }
}

VEC_INLINE void expand(expanded *e, const hone_planes *p, int g, int n_sub, traits k)
{
    const vb zero = vb_set1((int8_t)(k.full ? 0 : k.zero));
    for (int i = 0; i < n_sub; i++) {
        const size_t s = (size_t)g * SUBS + (size_t)i;
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            vb lo[2], hi[2];
            k.pair(p, s, 2 * j, &lo[0], &hi[0]);
            k.pair(p, s, 2 * j + 1, &lo[1], &hi[1]);
            put_codes(e->code[i][j], vb_sub(lo[0], zero), vb_sub(lo[1], zero));
            put_codes(e->code[i][j + 2], vb_sub(hi[0], zero), vb_sub(hi[1], zero));
        }
        for (int h = 0; h < (k.by16 ? 2 : 1); h++) {
            put_doubled(e->scale[i][h], k.scale(p, s, h));
            if (k.offset) put_doubled(e->offset[i][h], k.offset(p, s, h));
        }
    }
}

/* Rows t0 .. t0+n-1 of group g as pairs; a last row without a partner is its own. */
VEC_INLINE void pairs_init(pairs *x, const hone_acts *a, int t0, int g, int n, traits k)
{
    const int n_sub = hone_acts_width(a, g) / 32;
    for (int r = 0; r < (n + 1) / 2; r++) {
        const int t = t0 + 2 * r, u = 2 * r + 1 < n ? t + 1 : t;
        const int8_t *q[2] = {hone_acts_q(a, t, g), hone_acts_q(a, u, g)};
        const float *scale[2] = {hone_acts_scale(a, t, g), hone_acts_scale(a, u, g)};
        const int16_t *minus[2] = {hone_acts_minus(a, t, g), hone_acts_minus(a, u, g)};
        for (int i = 0; i < n_sub; i++) {
            for (int s = 0; s < STEPS; s++) {
                const int at = 32 * i + 8 * s;
                vst1q_s8(x->q[i][s][r],
                         vcombine_s8(vld1_s8(q[0] + at), vld1_s8(q[1] + at)));
            }
            for (int j = 0; j < 4; j++) {
                x->scale[i][r][j] = scale[j / 2][i];
                if (!k.offset) continue;
                const int m0 = minus[j / 2][2 * i], m1 = minus[j / 2][2 * i + 1];
                x->sum[i][0][r][j] = (float)-(k.by16 ? m0 : m0 + m1);
                x->sum[i][1][r][j] = (float)-m1;
            }
        }
    }
}

/* Dots of steps from .. to-1 of sub-block i, HALF weight pairs from w0 on by X pairs of
 * activation rows. */
VEC_INLINE void square_dots(int32x4_t *d, const expanded *e, const pairs *x, int i,
                            int w0, int from, int to, int X)
{
    for (int j = 0; j < HALF * X; j++) {
        d[j] = vdupq_n_s32(0);
    }
#pragma GCC unroll 4
    for (int s = from; s < to; s++) {
        int8x16_t xv[MAX_X];
        for (int r = 0; r < X; r++) {
            xv[r] = vld1q_s8(x->q[i][s][r]);
        }
#pragma GCC unroll 4
        for (int w = 0; w < HALF; w++) {
            const int8x16_t wv = vld1q_s8(e->code[i][s][w0 + w]);
            for (int r = 0; r < X; r++) {
                d[w * X + r] = vmmlaq_s32(d[w * X + r], xv[r], wv);
            }
        }
    }
}

/* t = scaled dots of half h of sub-block i; the second half adds to the first. */
VEC_INLINE void square_scale(float32x4_t *t, const int32x4_t *d, const expanded *e,
                             int i, int h, int w0, int X)
{
#pragma GCC unroll 4
    for (int w = 0; w < HALF; w++) {
        const float32x4_t s = vld1q_f32(e->scale[i][h][w0 + w]);
        for (int r = 0; r < X; r++) {
            const float32x4_t f = vcvtq_f32_s32(d[w * X + r]);
            float32x4_t *to = &t[w * X + r];
            *to = h == 0 ? vmulq_f32(f, s) : vfmaq_f32(*to, f, s);
        }
    }
}

VEC_INLINE void square_offset(float32x4_t *t, const expanded *e, const pairs *x, int i,
                              int h, int w0, int X)
{
#pragma GCC unroll 4
    for (int w = 0; w < HALF; w++) {
        const float32x4_t o = vld1q_f32(e->offset[i][h][w0 + w]);
        for (int r = 0; r < X; r++) {
            t[w * X + r] = vfmaq_f32(t[w * X + r], o, vld1q_f32(x->sum[i][h][r]));
        }
    }
}

/* acc[w * X + r] from two rows of y, eight floats of each, and back; the second row of
 * the last pair exists if `whole`. */
VEC_INLINE void squares_load(float32x4_t *acc, const float *y, size_t ldy, bool whole,
                             int X)
{
    for (int r = 0; r < X; r++) {
        const float *y0 = y + (size_t)(2 * r) * ldy;
        const float *y1 = r + 1 < X || whole ? y0 + ldy : y0;
#pragma GCC unroll 4
        for (int w = 0; w < HALF; w++) {
            acc[w * X + r] = vcombine_f32(vld1_f32(y0 + 2 * w), vld1_f32(y1 + 2 * w));
        }
    }
}

VEC_INLINE void squares_store(float *y, size_t ldy, bool whole, const float32x4_t *acc,
                              int X)
{
    for (int r = 0; r < X; r++) {
        float *y0 = y + (size_t)(2 * r) * ldy;
#pragma GCC unroll 4
        for (int w = 0; w < HALF; w++) {
            vst1_f32(y0 + 2 * w, vget_low_f32(acc[w * X + r]));
        }
        if (r + 1 == X && !whole) continue;
#pragma GCC unroll 4
        for (int w = 0; w < HALF; w++) {
            vst1_f32(y0 + ldy + 2 * w, vget_high_f32(acc[w * X + r]));
        }
    }
}

/* Half a panel, weight pairs from w0 on, by X pairs of activation rows, a constant, over
 * one group; sums begin with y unless `first`. */
VEC_INLINE void tile(float *y, size_t ldy, bool whole, bool first, const expanded *e,
                     const pairs *x, int n_sub, int w0, int X, traits k)
{
    float32x4_t acc[HALF * MAX_X];
    if (first) {
        for (int j = 0; j < HALF * X; j++) {
            acc[j] = vdupq_n_f32(0.0f);
        }
    } else {
        squares_load(acc, y, ldy, whole, X);
    }
    for (int i = 0; i < n_sub; i++) {
        int32x4_t d[HALF * MAX_X];
        float32x4_t t[HALF * MAX_X];
        if (k.by16) {
            square_dots(d, e, x, i, w0, 0, STEPS / 2, X);
            square_scale(t, d, e, i, 0, w0, X);
            square_dots(d, e, x, i, w0, STEPS / 2, STEPS, X);
            square_scale(t, d, e, i, 1, w0, X);
        } else {
            square_dots(d, e, x, i, w0, 0, STEPS, X);
            square_scale(t, d, e, i, 0, w0, X);
        }
        if (k.offset) square_offset(t, e, x, i, 0, w0, X);
        if (k.offset && k.by16) square_offset(t, e, x, i, 1, w0, X);
        for (int r = 0; r < X; r++) {
            const float32x4_t s = vld1q_f32(x->scale[i][r]);
#pragma GCC unroll 4
            for (int w = 0; w < HALF; w++) {
                acc[w * X + r] = vfmaq_f32(acc[w * X + r], t[w * X + r], s);
            }
        }
    }
    squares_store(y, ldy, whole, acc, X);
}

VEC_INLINE void tile_panels(float *y, size_t ldy, bool whole, bool first,
                            const expanded *e, const pairs *x, int n_sub, int n_panel,
                            int X, traits k)
{
    for (int r = 0; r < n_panel; r++) {
        float *to = y + r * ROWS;
        tile(to, ldy, whole, first, &e[r], x, n_sub, 0, X, k);
        tile(to + ROWS / 2, ldy, whole, first, &e[r], x, n_sub, HALF, X, k);
    }
}

/* Up to PANELS whole panels; a last one that is not whole is by itself, beside y. */
VEC_INLINE void gemm(float *y, size_t ldy, const hone_matrix *w,
                     const hone_panel_layout *l, int n0, int n_panel,
                     const hone_acts *a, int t0, int n, traits k)
{
    const int most = 2 * (k.by16 ? MAX_X_16 : MAX_X);
    expanded e[PANELS];
    pairs x;
    for (int g = 0; g < hone_acts_n_group(a); g++) {
        const int n_sub = hone_acts_width(a, g) / 32;
        for (int r = 0; r < n_panel; r++) {
            const hone_planes p = hone_panel_planes(w, l, n0 / ROWS + r);
            expand(&e[r], &p, g, n_sub, k);
        }
        for (int t = 0; t < n;) {
            const int left = n - t, some = left >= most ? most : left < 2 ? left : 2;
            float *to = y + (size_t)t * ldy;
            pairs_init(&x, a, t0 + t, g, some, k);
            if (some == most) {
                tile_panels(to, ldy, true, g == 0, e, &x, n_sub, n_panel,
                            k.by16 ? MAX_X_16 : MAX_X, k);
            } else {
                tile_panels(to, ldy, some == 2, g == 0, e, &x, n_sub, n_panel, 1, k);
            }
            t += some;
        }
    }
}

VEC_INLINE void linear(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                       const hone_acts *x, int t0, int t, traits k)
{
    float spare[HONE_LINEAR_MAX_ROWS * ROWS];
    hone_panel_layout l;
    const bool fits = hone_panel_layout_init(&l, w->dtype, (size_t)w->n_col);
    HONE_ASSERT(fits && n0 % ROWS == 0 && t <= HONE_LINEAR_MAX_ROWS);
    int r = 0;
    while (n - r >= ROWS) {
        const int whole = (n - r) / ROWS, n_panel = whole < PANELS ? whole : PANELS;
        gemm(y + r, ldy, w, &l, n0 + r, n_panel, x, t0, t, k);
        r += n_panel * ROWS;
    }
    if (r == n) return;
    gemm(spare, ROWS, w, &l, n0 + r, 1, x, t0, t, k);
    for (int c = 0; c < t; c++) {
        memcpy(y + (size_t)c * ldy + r, spare + c * ROWS, (size_t)(n - r) * sizeof *y);
    }
}

#define X(name, pair, scale, offset, zero, full, by16)                                 \
    static void linear_##name##_i8mm(float *y, size_t ldy, const hone_matrix *w,       \
                                     int n0, int n, const hone_acts *x, int t0, int t) \
    {                                                                                  \
        if (t <= FEW_ROWS)                                                             \
            hone_linear_dotprod[HONE_##name](y, ldy, w, n0, n, x, t0, t);              \
        else                                                                           \
            linear(y, ldy, w, n0, n, x, t0, t,                                         \
                   (traits){pair, scale, offset, zero, full, by16});                   \
    }
QUANTIZED(X)
#undef X

static double peak_int8_i8mm(double n_ops)
{
    enum {
        CHAINS = 16
    };
    int32x4_t acc[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = vdupq_n_s32(i);
    }
    const int8x16_t w = vdupq_n_s8(1), x = vdupq_n_s8(2);
    const long rounds = (long)(n_ops / (2 * 32 * CHAINS)) + 1;
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) {
            acc[i] = vmmlaq_s32(acc[i], w, x);
        }
    }
    for (int i = 1; i < CHAINS; i++) {
        acc[0] = vaddq_s32(acc[0], acc[i]);
    }
    volatile int sink = vaddvq_s32(acc[0]);
    (void)sink;
    return (double)rounds * 2 * 32 * CHAINS;
}

void hone_kernels_init_i8mm(hone_kernels *k)
{
    k->tier = "i8mm";
#define X(name, pair, scale, offset, zero, full, by16)                                 \
    k->linear[HONE_##name] = linear_##name##_i8mm;
    QUANTIZED(X)
#undef X
    k->peak_int8 = peak_int8_i8mm;
}
