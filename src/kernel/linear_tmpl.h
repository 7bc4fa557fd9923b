/* linear_tmpl.h - linear layers over panels, for one tier: includes need vec_<isa>.h.
 *
 * Two ways through a matrix.  With few activation rows ("columns" of the product) each
 * panel is read once, its codes unpacked in registers and multiplied with all of them
 * (gemv).  With more, two panels at a time are expanded, 256 columns of the weight at a
 * time, into bytes and float scales that stay in the first-level cache, and tiles of
 * panels by activation rows are multiplied from there (gemm).
 *
 * Either way the chain behind one result is, for each block of 32 in order,
 *
 *     t = float(dot) * scale             (16-element scales: + float(dot') * scale')
 *     t = offset * sum(q) + t            (types with a minimum)
 *     y = t * activation scale + y
 *
 * with exact integer dots and every + and * of floats a fused multiply-add, so results
 * are the same bits for any tile, any number of rows and any tier. */
#include "base/status.h"
#include "kernel/kernel_tiers.h"
#include "kernel/panel.h"
#include "tensor/unpack.h"

enum {
    GROUP = HONE_ACT_GROUP,
    SUBS = GROUP / 32, /* sub-blocks of a group */
    GEMV_COLS = 4,     /* columns that share one unpacking */
    GEMV_MAX = 8,      /* columns up to which gemv is used */
    ROWS = HONE_PANEL_ROWS
};

/* -- unpacking: one pair of functions a type --------------------------------------- */

/* Codes of groups j and j+4 of sub-block s, j in 0 .. 3. */
typedef void pair_fn(const hone_planes *p, size_t s, int j, vb *lo, vb *hi);
/* Scale of the first or second 16 elements of sub-block s, and the offset. */
typedef vf scale_fn(const hone_planes *p, size_t s, int half);

VEC_INLINE void pair_4bit(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    const vb v = vb_load(p->code + s * 256 + (size_t)j * 64), m = vb_set1(15);
    *lo = vb_and(v, m);
    *hi = vb_and(vb_srl(v, 4), m);
}

/* Move bits `from` and up of each byte to bit `to`; `mask` is what stays. */
VEC_INLINE vb field(vb v, int from, int to, int mask)
{
    const vb moved = from > to ? vb_srl(v, from - to) : vb_sll(v, to - from);
    return vb_and(moved, vb_set1((int8_t)mask));
}

VEC_INLINE void pair_5bit(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    const vb h = vb_load(p->high + s * 64);
    pair_4bit(p, s, j, lo, hi);
    *lo = vb_or(*lo, field(h, j, 4, 16));
    *hi = vb_or(*hi, field(h, j + 4, 4, 16));
}

VEC_INLINE void pair_6bit(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    pair_4bit(p, s, j, lo, hi);
    *lo = vb_or(*lo, field(vb_load(p->high + s * 128), 2 * j, 4, 48));
    *hi = vb_or(*hi, field(vb_load(p->high + s * 128 + 64), 2 * j, 4, 48));
}

VEC_INLINE void pair_2bit(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    *lo = field(vb_load(p->code + s * 128), 2 * j, 0, 3);
    *hi = field(vb_load(p->code + s * 128 + 64), 2 * j, 0, 3);
}

VEC_INLINE void pair_3bit(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    const vb h = vb_load(p->high + s * 64);
    pair_2bit(p, s, j, lo, hi);
    *lo = vb_or(*lo, field(h, j, 2, 4));
    *hi = vb_or(*hi, field(h, j + 4, 2, 4));
}

VEC_INLINE void pair_8bit(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    *lo = vb_full(vb_load(p->code + s * 512 + (size_t)j * 64));
    *hi = vb_full(vb_load(p->code + s * 512 + (size_t)j * 64 + 256));
}

VEC_INLINE void pair_iq4(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    pair_4bit(p, s, j, lo, hi);
    *lo = vb_full(vb_table(hone_iq4_levels, *lo));
    *hi = vb_full(vb_table(hone_iq4_levels, *hi));
}

VEC_INLINE void pair_mxfp4(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    pair_4bit(p, s, j, lo, hi);
    *lo = vb_full(vb_table(hone_mxfp4_levels, *lo));
    *hi = vb_full(vb_table(hone_mxfp4_levels, *hi));
}

VEC_INLINE vf scale_half(const hone_planes *p, size_t s, int half)
{
    (void)half;
    return vf_load_f16(p->d + s * 32);
}

VEC_INLINE vf scale_half_min(const hone_planes *p, size_t s, int half)
{
    (void)half;
    return vf_load_f16(p->d + s * 64);
}

VEC_INLINE vf offset_half_min(const hone_planes *p, size_t s, int half)
{
    (void)half;
    return vf_load_f16(p->d + s * 64 + 32);
}

/* 2^(e-128), also where that is subnormal: max picks the right one of both forms. */
VEC_INLINE vf scale_e8m0(const hone_planes *p, size_t s, int half)
{
    (void)half;
    const vi e = vi_load_u8(p->d + s * 16);
    const vi normal = vi_sll(vi_add(e, vi_set1(-1)), 23);
    return vf_cast(vi_max(normal, vi_sll(vi_add(e, vi_set1(1)), 21)));
}

VEC_INLINE vf scale_f32(const hone_planes *p, size_t s, int half)
{
    (void)half;
    return vf_load((const float *)(const void *)(p->d + s / 8 * 64));
}

VEC_INLINE vf scale_one_half(const hone_planes *p, size_t s, int half)
{
    (void)half;
    return vf_load_f16(p->d + s / 8 * 32);
}

/* d times a byte scale for each 32 (Q4_K, Q5_K with minimums behind; IQ4_XS), or 16. */
VEC_INLINE vf scale_k4(const hone_planes *p, size_t s, int half)
{
    (void)half;
    const vf d = vf_load_f16(p->d + s / 8 * 64);
    return vf_mul(d, vf_from_i(vi_load_u8(p->sub + s * 32)));
}

VEC_INLINE vf offset_k4(const hone_planes *p, size_t s, int half)
{
    (void)half;
    const vf d = vf_load_f16(p->d + s / 8 * 64 + 32);
    const vf m = vf_from_i(vi_load_u8(p->sub + s * 32 + 16));
    return vf_sub(vf_zero(), vf_mul(d, m));
}

VEC_INLINE vf scale_iq4_xs(const hone_planes *p, size_t s, int half)
{
    (void)half;
    const vf d = vf_load_f16(p->d + s / 8 * 32);
    return vf_mul(d, vf_from_i(vi_load_i8(p->sub + s * 16)));
}

VEC_INLINE vf scale_k16(const hone_planes *p, size_t s, int half)
{
    const vf d = vf_load_f16(p->d + s / 8 * 32);
    return vf_mul(d, vf_from_i(vi_load_i8(p->sub + s * 32 + (size_t)half * 16)));
}

VEC_INLINE vf scale_q2_k(const hone_planes *p, size_t s, int half)
{
    const vf d = vf_load_f16(p->d + s / 8 * 64);
    const vi b = vi_load_u8(p->sub + s * 32 + (size_t)half * 16);
    return vf_mul(d, vf_from_i(vi_and(b, vi_set1(15))));
}

VEC_INLINE vf offset_q2_k(const hone_planes *p, size_t s, int half)
{
    const vf d = vf_load_f16(p->d + s / 8 * 64 + 32);
    const vi b = vi_load_u8(p->sub + s * 32 + (size_t)half * 16);
    return vf_sub(vf_zero(), vf_mul(d, vf_from_i(vi_srl(b, 4))));
}

/* What the templates know of a type; every field is a constant where they are used. */
typedef struct traits {
    pair_fn *pair;
    scale_fn *scale;
    scale_fn *offset; /* NULL: no minimum */
    int zero;         /* code = q + zero */
    bool full;        /* codes need vi_dot_full */
    bool by16;        /* scales are for 16 elements */
} traits;

/* X(name, pair, scale, offset, zero, full, by16) */
#define QUANTIZED(X)                                                                   \
    X(Q4_0, pair_4bit, scale_half, NULL, 8, false, false)                              \
    X(Q4_1, pair_4bit, scale_half_min, offset_half_min, 0, false, false)               \
    X(Q5_0, pair_5bit, scale_half, NULL, 16, false, false)                             \
    X(Q5_1, pair_5bit, scale_half_min, offset_half_min, 0, false, false)               \
    X(Q8_0, pair_8bit, scale_half, NULL, 0, true, false)                               \
    X(Q2_K, pair_2bit, scale_q2_k, offset_q2_k, 0, false, true)                        \
    X(Q3_K, pair_3bit, scale_k16, NULL, 4, false, true)                                \
    X(Q4_K, pair_4bit, scale_k4, offset_k4, 0, false, false)                           \
    X(Q5_K, pair_5bit, scale_k4, offset_k4, 0, false, false)                           \
    X(Q6_K, pair_6bit, scale_k16, NULL, 32, false, true)                               \
    X(Q8_K, pair_8bit, scale_f32, NULL, 0, true, false)                                \
    X(IQ4_NL, pair_iq4, scale_half, NULL, 0, true, false)                              \
    X(IQ4_XS, pair_iq4, scale_iq4_xs, NULL, 0, true, false)                            \
    X(TQ1_0, pair_2bit, scale_one_half, NULL, 1, false, false)                         \
    X(TQ2_0, pair_2bit, scale_one_half, NULL, 1, false, false)                         \
    X(MXFP4, pair_mxfp4, scale_e8m0, NULL, 0, true, false)

/* -- activations ------------------------------------------------------------------ */

/* One group of one activation row.  `start` holds what dots begin with, so that they end
 * as dots of q: minus zero (or the bias of full codes) times the sum of the bytes. */
typedef struct column {
    const int8_t *q;
    const float *scale;
    int start[2 * SUBS];
    float sum[2 * SUBS];
} column;

VEC_INLINE void column_init(column *c, const hone_acts *x, int t, int g, traits k)
{
    const int factor = k.full ? VEC_FULL_BIAS : k.zero;
    const int n = hone_acts_width(x, g) / 16;
    const int16_t *minus = hone_acts_minus(x, t, g);
    c->q = hone_acts_q(x, t, g);
    c->scale = hone_acts_scale(x, t, g);
    for (int i = 0; k.by16 && i < n; i++) {
        c->start[i] = minus[i] * factor;
        if (k.offset) c->sum[i] = -(float)minus[i];
    }
    for (int i = 0; !k.by16 && i < n / 2; i++) {
        const int both = minus[2 * i] + minus[2 * i + 1];
        c->start[i] = both * factor;
        if (k.offset) c->sum[i] = -(float)both;
    }
}

VEC_INLINE vi dot(vi acc, vb w, vb x, traits k)
{
    return k.full ? vi_dot_full(acc, w, x) : vi_dot_small(acc, w, x);
}

/* -- gemv ------------------------------------------------------------------------- */

/* One panel times C <= GEMV_COLS columns from t0 on: acc[c] are 16 results. */
VEC_INLINE void gemv_panel(vf *acc, const hone_planes *p, const hone_acts *x, int t0,
                           int C, traits k)
{
    for (int c = 0; c < C; c++) {
        acc[c] = vf_zero();
    }
    for (int g = 0; g < hone_acts_n_group(x); g++) {
        column col[GEMV_COLS];
        for (int c = 0; c < C; c++) {
            column_init(&col[c], x, t0 + c, g, k);
        }
        const int n_sub = hone_acts_width(x, g) / 32;
        for (int i = 0; i < n_sub; i++) {
            const size_t s = (size_t)g * SUBS + (size_t)i;
            vi d[GEMV_COLS][2];
            for (int c = 0; c < C; c++) {
                d[c][0] = vi_set1(col[c].start[k.by16 ? 2 * i : i]);
                d[c][1] = k.by16 ? vi_set1(col[c].start[2 * i + 1]) : vi_zero();
            }
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                vb lo, hi;
                k.pair(p, s, j, &lo, &hi);
                for (int c = 0; c < C; c++) {
                    const int8_t *q = col[c].q + 32 * i + 4 * j;
                    d[c][0] = dot(d[c][0], lo, vb_bcast4(q), k);
                    d[c][1] = dot(d[c][1], hi, vb_bcast4(q + 16), k);
                }
            }
            const vf s0 = k.scale(p, s, 0), s1 = k.by16 ? k.scale(p, s, 1) : s0;
            for (int c = 0; c < C; c++) {
                vf t;
                if (k.by16) {
                    t = vf_mul(vf_from_i(d[c][0]), s0);
                    t = vf_fma(vf_from_i(d[c][1]), s1, t);
                } else {
                    t = vf_mul(vf_from_i(vi_add(d[c][0], d[c][1])), s0);
                }
                if (k.offset) {
                    const int at = k.by16 ? 2 * i : i;
                    t = vf_fma(k.offset(p, s, 0), vf_set1(col[c].sum[at]), t);
                    if (k.by16) {
                        t = vf_fma(k.offset(p, s, 1), vf_set1(col[c].sum[at + 1]), t);
                    }
                }
                acc[c] = vf_fma(t, vf_set1(col[c].scale[i]), acc[c]);
            }
        }
    }
}

VEC_INLINE void store_rows(float *y, vf v, int n)
{
    if (n >= ROWS)
        vf_store(y, v);
    else
        vf_store_n(y, v, n);
}

VEC_INLINE void gemv(float *y, size_t ldy, const hone_matrix *w,
                     const hone_panel_layout *l, int n0, int n, const hone_acts *x,
                     int t0, int C, traits k)
{
    for (int r = 0; r < n; r += ROWS) {
        const hone_planes p = hone_panel_planes(w, l, (n0 + r) / ROWS);
        vf acc[GEMV_COLS];
        gemv_panel(acc, &p, x, t0, C, k);
        for (int c = 0; c < C; c++) {
            store_rows(y + (size_t)c * ldy + (size_t)r, acc[c], n - r);
        }
    }
}

/* -- gemm ------------------------------------------------------------------------- */

/* One group of TILE_PANELS panels, expanded. */
typedef struct expanded {
    _Alignas(64) unsigned char code[VEC_TILE_PANELS][SUBS][8][64];
    _Alignas(64) float scale[VEC_TILE_PANELS][SUBS][2][ROWS];
    _Alignas(64) float offset[VEC_TILE_PANELS][SUBS][2][ROWS];
} expanded;

VEC_INLINE void expand(expanded *e, int r, const hone_planes *p, int g, int n_sub,
                       traits k)
{
    const int halves = k.by16 ? 2 : 1;
    for (int i = 0; i < n_sub; i++) {
        const size_t s = (size_t)g * SUBS + (size_t)i;
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            vb lo, hi;
            k.pair(p, s, j, &lo, &hi);
            vb_store(e->code[r][i][j], lo);
            vb_store(e->code[r][i][j + 4], hi);
        }
        for (int h = 0; h < halves; h++) {
            vf_store(e->scale[r][i][h], k.scale(p, s, h));
            if (k.offset) vf_store(e->offset[r][i][h], k.offset(p, s, h));
        }
    }
}

/* Dots of groups from .. to-1 of sub-block i. */
VEC_INLINE void tile_dots(vi *d, const expanded *e, const column *col, int i, int from,
                          int to, int start, int R, int C, traits k)
{
    for (int c = 0; c < C; c++) {
        for (int r = 0; r < R; r++) {
            d[r * C + c] = vi_set1(col[c].start[start]);
        }
    }
#pragma GCC unroll 8
    for (int j = from; j < to; j++) {
        vb w[VEC_TILE_PANELS];
        for (int r = 0; r < R; r++) {
            w[r] = vb_load(e->code[r][i][j]);
        }
        for (int c = 0; c < C; c++) {
            const vb x = vb_bcast4(col[c].q + 32 * i + 4 * j);
            for (int r = 0; r < R; r++) {
                d[r * C + c] = dot(d[r * C + c], w[r], x, k);
            }
        }
    }
}

/* R panels by C columns over one group; y[r] are 16 sums of each column, ldy apart,
 * which the first group begins. */
VEC_INLINE void tile(float *const *y, size_t ldy, bool first, const expanded *e,
                     const column *col, int n_sub, int R, int C, traits k)
{
    vf acc[VEC_TILE_PANELS * VEC_TILE_COLS];
    for (int c = 0; c < C; c++) {
        for (int r = 0; r < R; r++) {
            acc[r * C + c] = first ? vf_zero() : vf_load(y[r] + (size_t)c * ldy);
        }
    }
    for (int i = 0; i < n_sub; i++) {
        vi d[VEC_TILE_PANELS * VEC_TILE_COLS];
        vf t[VEC_TILE_PANELS * VEC_TILE_COLS];
        const int halves = k.by16 ? 2 : 1;
#pragma GCC unroll 2
        for (int h = 0; h < halves; h++) {
            const int at = k.by16 ? 2 * i + h : i;
            const int from = k.by16 ? 4 * h : 0, to = k.by16 ? 4 * h + 4 : 8;
            tile_dots(d, e, col, i, from, to, at, R, C, k);
            for (int r = 0; r < R; r++) {
                const vf s = vf_load(e->scale[r][i][h]);
                for (int c = 0; c < C; c++) {
                    const vf f = vf_from_i(d[r * C + c]);
                    t[r * C + c] = h == 0 ? vf_mul(f, s) : vf_fma(f, s, t[r * C + c]);
                }
            }
        }
        for (int h = 0; h < halves; h++) {
            for (int r = 0; k.offset && r < R; r++) {
                const vf o = vf_load(e->offset[r][i][h]);
                for (int c = 0; c < C; c++) {
                    const vf sum = vf_set1(col[c].sum[k.by16 ? 2 * i + h : i]);
                    t[r * C + c] = vf_fma(o, sum, t[r * C + c]);
                }
            }
        }
        for (int c = 0; c < C; c++) {
            const vf s = vf_set1(col[c].scale[i]);
            for (int r = 0; r < R; r++) {
                acc[r * C + c] = vf_fma(t[r * C + c], s, acc[r * C + c]);
            }
        }
    }
    for (int c = 0; c < C; c++) {
        for (int r = 0; r < R; r++) {
            vf_store(y[r] + (size_t)c * ldy, acc[r * C + c]);
        }
    }
}

/* C columns from t0 on, with C a constant. */
VEC_INLINE void tile_at(float *const *y, size_t ldy, int t, int g, const expanded *e,
                        const hone_acts *x, int t0, int R, int C, traits k)
{
    column col[VEC_TILE_COLS];
    float *at[VEC_TILE_PANELS];
    for (int c = 0; c < C; c++) {
        column_init(&col[c], x, t0 + t + c, g, k);
    }
    for (int r = 0; r < R; r++) {
        at[r] = y[r] + (size_t)t * ldy;
    }
    tile(at, ldy, g == 0, e, col, hone_acts_width(x, g) / 32, R, C, k);
}

VEC_INLINE void gemm_group(float *const *y, size_t ldy, int g, const expanded *e,
                           const hone_acts *x, int t0, int n_col, int R, traits k)
{
    const int C = k.by16 ? VEC_TILE_COLS_16 : VEC_TILE_COLS;
    int t = 0;
    for (; t + C <= n_col; t += C) {
        tile_at(y, ldy, t, g, e, x, t0, R, C, k);
    }
    for (; C > 2 && t + 2 <= n_col; t += 2) {
        tile_at(y, ldy, t, g, e, x, t0, R, 2, k);
    }
    for (; t < n_col; t++) {
        tile_at(y, ldy, t, g, e, x, t0, R, 1, k);
    }
}

/* R panels from row r on, R a constant. */
VEC_INLINE void gemm_panels(float *y, size_t ldy, const hone_matrix *w,
                            const hone_panel_layout *l, int panel, int n,
                            const hone_acts *x, int t0, int t, int R, float *spare,
                            traits k)
{
    expanded e;
    hone_planes p[VEC_TILE_PANELS];
    float *to[VEC_TILE_PANELS];
    for (int r = 0; r < R; r++) {
        p[r] = hone_panel_planes(w, l, panel + r);
        to[r] = y + r * ROWS;
    }
    /* a panel that is not whole is summed beside y */
    const int last = n - (R - 1) * ROWS;
    size_t ld = ldy;
    if (last < ROWS) {
        to[0] = spare;
        ld = ROWS;
    }
    for (int g = 0; g < hone_acts_n_group(x); g++) {
        const int n_sub = hone_acts_width(x, g) / 32;
        for (int r = 0; r < R; r++) {
            expand(&e, r, &p[r], g, n_sub, k);
        }
        gemm_group(to, ld, g, &e, x, t0, t, R, k);
    }
    for (int c = 0; last < ROWS && c < t; c++) {
        memcpy(y + (size_t)c * ldy, spare + c * ROWS, (size_t)last * sizeof *y);
    }
}

VEC_INLINE void gemm(float *y, size_t ldy, const hone_matrix *w,
                     const hone_panel_layout *l, int n0, int n, const hone_acts *x,
                     int t0, int t, traits k)
{
    float spare[HONE_LINEAR_MAX_ROWS * ROWS];
    int r = 0;
    for (; r + VEC_TILE_PANELS * ROWS <= n; r += VEC_TILE_PANELS * ROWS) {
        gemm_panels(y + r, ldy, w, l, (n0 + r) / ROWS, VEC_TILE_PANELS * ROWS, x, t0, t,
                    VEC_TILE_PANELS, spare, k);
    }
    for (; r < n; r += ROWS) {
        gemm_panels(y + r, ldy, w, l, (n0 + r) / ROWS, n - r < ROWS ? n - r : ROWS, x,
                    t0, t, 1, spare, k);
    }
}

/* -- quantized weights ------------------------------------------------------------ */

VEC_INLINE void linear(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                       const hone_acts *x, int t0, int t, traits k)
{
    hone_panel_layout l;
    const bool fits = hone_panel_layout_init(&l, w->dtype, (size_t)w->n_col);
    HONE_ASSERT(fits && n0 % ROWS == 0 && t <= HONE_LINEAR_MAX_ROWS);
    if (t > GEMV_MAX) {
        gemm(y, ldy, w, &l, n0, n, x, t0, t, k);
        return;
    }
    for (int c = 0; c < t; c += GEMV_COLS) {
        float *yc = y + (size_t)c * ldy;
        switch (t - c) {
        case 1:
            gemv(yc, ldy, w, &l, n0, n, x, t0 + c, 1, k);
            break;
        case 2:
            gemv(yc, ldy, w, &l, n0, n, x, t0 + c, 2, k);
            break;
        case 3:
            gemv(yc, ldy, w, &l, n0, n, x, t0 + c, 3, k);
            break;
        default:
            gemv(yc, ldy, w, &l, n0, n, x, t0 + c, 4, k);
            break;
        }
    }
}

#define X(name, pair, scale, offset, zero, full, by16)                                 \
    static void VEC_TIER(linear_##name)(float *y, size_t ldy, const hone_matrix *w,    \
                                        int n0, int n, const hone_acts *x, int t0,     \
                                        int t)                                         \
    {                                                                                  \
        linear(y, ldy, w, n0, n, x, t0, t,                                             \
               (traits){pair, scale, offset, zero, full, by16});                       \
    }
QUANTIZED(X)
#undef X
