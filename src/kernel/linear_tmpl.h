/* linear_tmpl.h - linear layers over panels, for one tier: includes need vec_<isa>.h.
 *
 * Two ways through a matrix.  With few activation rows ("columns" of the product) each
 * panel is read once, its codes unpacked in registers and multiplied with all of them
 * (gemv).  With more, a few panels at a time are expanded, 256 columns of the weight at a
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
#include "base/mem.h"
#include "base/status.h"
#include "kernel/fetch_tmpl.h"
#include "kernel/kernel_tiers.h"
#include "kernel/unpack_tmpl.h"

enum {
    GROUP = HONE_ACT_GROUP,
    SUBS = GROUP / 32,         /* sub-blocks of a group */
    GEMV_COLS = VEC_GEMV_COLS, /* columns that share one unpacking: 4 or 8 */
    GEMV_MAX = 8,              /* columns up to which gemv is used */
    CHUNK_PANELS = 4, /* expanded together: columns are prepared once for all */
    ROWS = HONE_PANEL_ROWS
};

/* -- activations ------------------------------------------------------------------ */

/* One stripe of the activations. */
typedef struct stripe {
    const int8_t *q;
    const float *scale;
    const int16_t *minus;
    size_t width;
    int n_sub;
} stripe;

VEC_INLINE stripe stripe_at(const hone_acts *x, int t, int g)
{
    return (stripe){hone_acts_q(x, t, g), hone_acts_scale(x, t, g),
                    hone_acts_minus(x, t, g), (size_t)hone_acts_width(x, g),
                    hone_acts_width(x, g) / 32};
}

/* One row of a stripe.  `start` holds what dots begin with, so that they end as dots of
 * q: minus zero (or the bias of full codes) times the sum of the bytes. */
typedef struct column {
    const int8_t *q;
    const float *scale;
    _Alignas(64) int32_t start[2 * SUBS];
    _Alignas(64) float sum[2 * SUBS]; /* for offsets */
} column;

VEC_INLINE int factor(traits k)
{
    return k.full ? VEC_FULL_BIAS : k.zero;
}

/* Start of the dot of a sub-block, or of its halves in turn. */
VEC_INLINE vi float_starts(traits k)
{
    static const int32_t first_halves[16] = {
        FLOAT_START, 0, FLOAT_START, 0, FLOAT_START, 0, FLOAT_START, 0,
        FLOAT_START, 0, FLOAT_START, 0, FLOAT_START, 0, FLOAT_START, 0};
    return k.by16 ? vi_load(first_halves) : vi_set1(FLOAT_START);
}

/* Always a whole group: what lies behind a narrower stripe is readable, and not used. */
VEC_INLINE void column_init(column *c, const stripe *s, size_t t, traits k)
{
    const int16_t *minus = s->minus + t * (s->width / 16);
    vi m;
    if (k.by16) {
        m = vi_load_i16(minus);
    } else {
        const vi both = vi_load(minus); /* two in a lane */
        m = vi_add(vi_sra(vi_sll(both, 16), 16), vi_sra(both, 16));
    }
    c->q = s->q + t * s->width;
    c->scale = s->scale + t * (s->width / 32);
    if (factor(k)) {
        const vi start = vi_sll(m, __builtin_ctz((unsigned)factor(k)));
        vb_store(c->start, starts_float(k) ? vi_add(start, float_starts(k)) : start);
    }
    if (k.offset) vf_store(c->sum, vf_sub(vf_zero(), vf_from_i(m)));
}

/* What the dot of a sub-block (or half of one) begins with. */
VEC_INLINE vi start_of(const column *c, int i, traits k)
{
    if (factor(k)) return vi_set1(c->start[i]);
    return starts_float(k) && !(k.by16 && i % 2) ? vi_set1(FLOAT_START) : vi_zero();
}

VEC_INLINE vi dot(vi acc, vb w, vb x, traits k)
{
    return k.full ? vi_dot_full(acc, w, x) : vi_dot_small(acc, w, x);
}

/* -- gemv ------------------------------------------------------------------------- */

/* One panel times C <= GEMV_COLS columns from t0 on: acc[c] are 16 results. */
VEC_INLINE void gemv_panel(vf *acc, const hone_planes *p, const route *way,
                           const hone_acts *x, int t0, int C, traits k)
{
    for (int c = 0; c < C; c++) {
        acc[c] = vf_zero();
    }
    for (int g = 0; g < hone_acts_n_group(x); g++) {
        const stripe st = stripe_at(x, t0, g);
        column col[GEMV_COLS];
        for (int c = 0; c < C; c++) {
            column_init(&col[c], &st, (size_t)c, k);
        }
        for (int i = 0; i < st.n_sub; i++) {
            const size_t s = (size_t)g * SUBS + (size_t)i;
            prefetch_ahead(way, p, s, k);
            vi d[GEMV_COLS][2];
            for (int c = 0; c < C; c++) {
                d[c][0] = start_of(&col[c], k.by16 ? 2 * i : i, k);
                d[c][1] = k.by16 ? start_of(&col[c], 2 * i + 1, k) : vi_zero();
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
            const vf back = float_back(s0);
            for (int c = 0; c < C; c++) {
                vf t;
                if (k.by16) {
                    t = scaled(d[c][0], s0, back, k);
                    t = vf_fma(vf_from_i(d[c][1]), s1, t);
                } else {
                    t = scaled(vi_add(d[c][0], d[c][1]), s0, back, k);
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
    const route way = route_of(w, n0, n);
    for (int r = 0; r < n; r += ROWS) {
        const hone_planes p = hone_panel_planes(w, l, (n0 + r) / ROWS);
        vf acc[GEMV_COLS];
        gemv_panel(acc, &p, &way, x, t0, C, k);
        for (int c = 0; c < C; c++) {
            store_rows(y + (size_t)c * ldy + (size_t)r, acc[c], n - r);
        }
    }
}

/* -- gemm ------------------------------------------------------------------------- */

/* One group of a panel, expanded. */
typedef struct expanded {
    _Alignas(64) unsigned char code[SUBS][8][64];
    _Alignas(64) float scale[SUBS][2][ROWS];
    _Alignas(64) float offset[SUBS][2][ROWS];
    _Alignas(64) float back[SUBS][ROWS];
} expanded;

VEC_INLINE void expand(expanded *e, const hone_planes *p, int g, int n_sub, traits k)
{
    for (int i = 0; i < n_sub; i++) {
        const size_t s = (size_t)g * SUBS + (size_t)i;
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            vb lo, hi;
            k.pair(p, s, j, &lo, &hi);
            vb_store(e->code[i][j], lo);
            vb_store(e->code[i][j + 4], hi);
        }
        for (int h = 0; h < (k.by16 ? 2 : 1); h++) {
            vf_store(e->scale[i][h], k.scale(p, s, h));
            if (k.offset) vf_store(e->offset[i][h], k.offset(p, s, h));
        }
        vf_store(e->back[i], float_back(vf_load(e->scale[i][0])));
    }
}

/* Dots of groups from .. to-1 of sub-block i. */
VEC_INLINE void tile_dots(vi *d, const expanded *e, const column *col, int i, int from,
                          int to, int start, int R, int C, traits k)
{
    for (int c = 0; c < C; c++) {
        for (int r = 0; r < R; r++) {
            d[r * C + c] = start_of(&col[c], start, k);
        }
    }
#pragma GCC unroll 8
    for (int j = from; j < to; j++) {
        vb w[VEC_TILE_PANELS];
        for (int r = 0; r < R; r++) {
            w[r] = vb_load(e[r].code[i][j]);
        }
        for (int c = 0; c < C; c++) {
            const vb x = vb_bcast4(col[c].q + 32 * i + 4 * j);
            for (int r = 0; r < R; r++) {
                d[r * C + c] = dot(d[r * C + c], w[r], x, k);
            }
        }
    }
}

/* R panels by C columns, constants, over one group; each column's sums are ldy apart in
 * y, and the first group begins them.  f: what is fetched meanwhile for each panel, or
 * NULL. */
VEC_INLINE void tile(float *y, size_t ldy, bool first, const expanded *e,
                     const fetch *f, const column *col, int n_sub, int R, int C,
                     traits k)
{
    vf acc[VEC_TILE_PANELS * VEC_TILE_COLS];
    for (int c = 0; c < C; c++) {
        for (int r = 0; r < R; r++) {
            acc[r * C + c] =
                first ? vf_zero() : vf_load(y + (size_t)c * ldy + r * ROWS);
        }
    }
    for (int i = 0; i < n_sub; i++) {
        vi d[VEC_TILE_PANELS * VEC_TILE_COLS];
        vf t[VEC_TILE_PANELS * VEC_TILE_COLS];
        const int halves = k.by16 ? 2 : 1;
        for (int r = 0; f && r < R; r++) {
            fetch_piece(&f[r], i);
        }
#pragma GCC unroll 2
        for (int h = 0; h < halves; h++) {
            const int at = k.by16 ? 2 * i + h : i;
            const int from = k.by16 ? 4 * h : 0, to = k.by16 ? 4 * h + 4 : 8;
            tile_dots(d, e, col, i, from, to, at, R, C, k);
            for (int r = 0; r < R; r++) {
                const vf s = vf_load(e[r].scale[i][h]);
                const vf back = vf_load(e[r].back[i]);
                for (int c = 0; c < C; c++) {
                    const vi dot = d[r * C + c];
                    vf *sum = &t[r * C + c];
                    *sum = h == 0 ? scaled(dot, s, back, k)
                                  : vf_fma(vf_from_i(dot), s, *sum);
                }
            }
        }
        for (int h = 0; h < halves; h++) {
            for (int r = 0; k.offset && r < R; r++) {
                const vf o = vf_load(e[r].offset[i][h]);
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
            vf_store(y + (size_t)c * ldy + r * ROWS, acc[r * C + c]);
        }
    }
}

/* All panels of a chunk by C columns, a constant. */
VEC_INLINE void tile_panels(float *y, size_t ldy, bool first, const expanded *e,
                            const fetch *f, const column *col, int n_sub, int n_panel,
                            int C, traits k)
{
    int r = 0;
    for (; r + VEC_TILE_PANELS <= n_panel; r += VEC_TILE_PANELS) {
        tile(y + r * ROWS, ldy, first, e + r, f ? f + r : NULL, col, n_sub,
             VEC_TILE_PANELS, C, k);
    }
    for (; r < n_panel; r++) {
        tile(y + r * ROWS, ldy, first, e + r, f ? f + r : NULL, col, n_sub, 1, C, k);
    }
}

/* One group of all panels of a chunk by t columns. */
VEC_INLINE void gemm_group(float *y, size_t ldy, bool first, const expanded *e,
                           const fetch *f, const stripe *s, int n_panel, int t,
                           traits k)
{
    const int most = k.by16 ? VEC_TILE_COLS_16 : VEC_TILE_COLS;
    column col[VEC_TILE_COLS];
    for (int c = 0; c < t;) {
        const int n = t - c < most ? t - c : most;
        for (int i = 0; i < n; i++) {
            column_init(&col[i], s, (size_t)(c + i), k);
        }
        float *at = y + (size_t)c * ldy;
        if (n == most) {
            tile_panels(at, ldy, first, e, c ? NULL : f, col, s->n_sub, n_panel, most,
                        k);
        } else {
            for (int i = 0; i < n; i++) {
                tile_panels(at + (size_t)i * ldy, ldy, first, e, NULL, col + i,
                            s->n_sub, n_panel, 1, k);
            }
        }
        c += n;
    }
}

/* Up to CHUNK_PANELS panels; a last one that is not whole is by itself, beside y. */
VEC_INLINE void gemm(float *y, size_t ldy, const hone_matrix *w,
                     const hone_panel_layout *l, int n0, int n_panel,
                     const hone_acts *x, int t0, int t, traits k)
{
    expanded e[CHUNK_PANELS];
    fetch f[CHUNK_PANELS];
    for (int g = 0; g < hone_acts_n_group(x); g++) {
        const stripe s = stripe_at(x, t0, g);
        for (int r = 0; r < n_panel; r++) {
            const hone_planes p = hone_panel_planes(w, l, n0 / ROWS + r);
            fetch_init(&f[r], w, l, n0 / ROWS + r, r, g, hone_acts_n_group(x));
            expand(&e[r], &p, g, s.n_sub, k);
        }
        gemm_group(y, ldy, g == 0, e, f, &s, n_panel, t, k);
    }
}

VEC_INLINE void gemm_rows(float *y, size_t ldy, const hone_matrix *w,
                          const hone_panel_layout *l, int n0, int n, const hone_acts *x,
                          int t0, int t, traits k)
{
    float spare[HONE_LINEAR_MAX_ROWS * ROWS];
    for (int r = 0; r < n;) {
        const int whole = (n - r) / ROWS;
        const int n_panel = whole < CHUNK_PANELS ? whole : CHUNK_PANELS;
        if (n_panel > 0) {
            gemm(y + r, ldy, w, l, n0 + r, n_panel, x, t0, t, k);
            r += n_panel * ROWS;
            continue;
        }
        gemm(spare, ROWS, w, l, n0 + r, 1, x, t0, t, k);
        for (int c = 0; c < t; c++) {
            memcpy(y + (size_t)c * ldy + r, spare + c * ROWS,
                   (size_t)(n - r) * sizeof *y);
        }
        r = n;
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
        gemm_rows(y, ldy, w, &l, n0, n, x, t0, t, k);
        return;
    }
    int c = 0;
    for (; GEMV_COLS == 8 && t - c >= 8; c += 8) {
        gemv(y + (size_t)c * ldy, ldy, w, &l, n0, n, x, t0 + c, GEMV_COLS, k);
    }
    for (; t - c >= 4; c += 4) {
        gemv(y + (size_t)c * ldy, ldy, w, &l, n0, n, x, t0 + c, 4, k);
    }
    for (; t - c >= 2; c += 2) {
        gemv(y + (size_t)c * ldy, ldy, w, &l, n0, n, x, t0 + c, 2, k);
    }
    if (c < t) gemv(y + (size_t)c * ldy, ldy, w, &l, n0, n, x, t0 + c, 1, k);
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
