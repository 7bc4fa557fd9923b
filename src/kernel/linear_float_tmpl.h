/* linear_float_tmpl.h - linear layers over panels of F32, F16 and BF16 weights with f32
 * activations, for one tier; comes behind vec_<isa>.h.
 *
 * The chain behind one result is a fused multiply-add a column, in order, whatever the
 * tile.  Few activation rows: several panels at once straight from memory.  More: two
 * panels at a time are widened, FLOAT_SPAN columns of them, and multiplied from the
 * first-level cache. */
#include "base/status.h"
#include "kernel/kernel_tiers.h"
#include "kernel/panel.h"

enum {
    FLOAT_SPAN = 128, /* divides HONE_ACT_GROUP; even */
    FLOAT_GEMV_MAX = 8,
    FLOAT_AHEAD = 4096 /* bytes between what is fetched and what is read */
};

/* Columns 2m and 2m+1 of a panel. */
typedef void columns_fn(const unsigned char *panel, size_t m, vf *even, vf *odd);

VEC_INLINE void columns_f32(const unsigned char *panel, size_t m, vf *even, vf *odd)
{
    const float *p = (const float *)(const void *)panel + m * 2 * HONE_PANEL_ROWS;
    *even = vf_load(p);
    *odd = vf_load(p + HONE_PANEL_ROWS);
}

VEC_INLINE void columns_f16(const unsigned char *panel, size_t m, vf *even, vf *odd)
{
    *even = vf_load_f16(panel + m * 64);
    *odd = vf_load_f16(panel + m * 64 + 32);
}

VEC_INLINE void columns_bf16(const unsigned char *panel, size_t m, vf *even, vf *odd)
{
    const vi v = vi_load(panel + m * 64);
    *even = vf_cast(vi_sll(v, 16));
    *odd = vf_cast(vi_and(v, vi_set1((int32_t)0xFFFF0000)));
}

VEC_INLINE void float_store(float *y, vf v, int n)
{
    if (n >= HONE_PANEL_ROWS)
        vf_store(y, v);
    else if (n > 0)
        vf_store_n(y, v, n);
}

/* P panels from `panel` on by C columns from t0 on, both constants; n rows count. */
VEC_INLINE void float_gemv(float *y, size_t ldy, const hone_matrix *w, int panel, int n,
                           const hone_acts *x, int t0, int P, int C,
                           columns_fn *columns)
{
    vf acc[VEC_FLOAT_PANELS * VEC_FLOAT_COLS];
    const unsigned char *p[VEC_FLOAT_PANELS];
    for (int r = 0; r < P; r++) {
        p[r] = w->data + (size_t)(panel + r) * w->row_bytes;
    }
    for (int i = 0; i < P * C; i++) {
        acc[i] = vf_zero();
    }
    const size_t pair = w->dtype == HONE_F32 ? 128 : 64; /* bytes of two columns */
    /* what follows a short panel is soon read anyway, or by another thread */
    const size_t ahead = w->row_bytes > FLOAT_AHEAD ? FLOAT_AHEAD : 0;
    for (int g = 0; g < hone_acts_n_group(x); g++) {
        const float *f[VEC_FLOAT_COLS];
        for (int c = 0; c < C; c++) {
            f[c] = hone_acts_f(x, t0 + c, g);
        }
        const int width = hone_acts_width(x, g);
        for (int k = 0; k < width; k += 2) {
            const size_t m = ((size_t)g * HONE_ACT_GROUP + (size_t)k) / 2;
            for (int r = 0; r < P; r++) {
                vf even, odd;
                vec_prefetch(p[r] + m * pair + ahead);
                columns(p[r], m, &even, &odd);
                for (int c = 0; c < C; c++) {
                    const float next = k + 1 < width ? f[c][k + 1] : 0.0f;
                    vf *a = &acc[r * C + c];
                    *a = vf_fma(even, vf_set1(f[c][k]), *a);
                    *a = vf_fma(odd, vf_set1(next), *a);
                }
            }
        }
    }
    for (int r = 0; r < P; r++) {
        for (int c = 0; c < C; c++) {
            float_store(y + (size_t)c * ldy + (size_t)r * HONE_PANEL_ROWS,
                        acc[r * C + c], n - r * HONE_PANEL_ROWS);
        }
    }
}

VEC_INLINE void float_gemv_rows(float *y, size_t ldy, const hone_matrix *w, int n0,
                                int n, const hone_acts *x, int t0, int C,
                                columns_fn *columns)
{
    const int many = VEC_FLOAT_PANELS * HONE_PANEL_ROWS;
    int r = 0;
    for (; r + many <= n; r += many) {
        float_gemv(y + r, ldy, w, (n0 + r) / HONE_PANEL_ROWS, many, x, t0,
                   VEC_FLOAT_PANELS, C, columns);
    }
    for (; r < n; r += HONE_PANEL_ROWS) {
        float_gemv(y + r, ldy, w, (n0 + r) / HONE_PANEL_ROWS, n - r, x, t0, 1, C,
                   columns);
    }
}

/* -- gemm ------------------------------------------------------------------------- */

/* A span of TILE_PANELS panels as floats, column after column. */
typedef struct widened {
    _Alignas(64) float w[VEC_TILE_PANELS][FLOAT_SPAN][HONE_PANEL_ROWS];
} widened;

/* R panels by C columns over a span; y[r] are 16 sums of each column, ldy apart. */
VEC_INLINE void float_tile(float *const *y, size_t ldy, bool first, const widened *e,
                           const float *const *f, int n_col, int R, int C)
{
    vf acc[VEC_TILE_PANELS * VEC_TILE_COLS];
    for (int c = 0; c < C; c++) {
        for (int r = 0; r < R; r++) {
            acc[r * C + c] = first ? vf_zero() : vf_load(y[r] + (size_t)c * ldy);
        }
    }
    for (int k = 0; k < n_col; k++) {
        vf w[VEC_TILE_PANELS];
        for (int r = 0; r < R; r++) {
            w[r] = vf_load(e->w[r][k]);
        }
        for (int c = 0; c < C; c++) {
            const vf x = vf_set1(f[c][k]);
            for (int r = 0; r < R; r++) {
                acc[r * C + c] = vf_fma(w[r], x, acc[r * C + c]);
            }
        }
    }
    for (int c = 0; c < C; c++) {
        for (int r = 0; r < R; r++) {
            vf_store(y[r] + (size_t)c * ldy, acc[r * C + c]);
        }
    }
}

VEC_INLINE void float_tile_at(float *const *y, size_t ldy, int t, const widened *e,
                              const hone_acts *x, int t0, int g, int from, int n_col,
                              int R, int C)
{
    const float *f[VEC_TILE_COLS];
    float *at[VEC_TILE_PANELS];
    for (int c = 0; c < C; c++) {
        f[c] = hone_acts_f(x, t0 + t + c, g) + from;
    }
    for (int r = 0; r < R; r++) {
        at[r] = y[r] + (size_t)t * ldy;
    }
    float_tile(at, ldy, g == 0 && from == 0, e, f, n_col, R, C);
}

/* Columns from .. from+n_col-1 of group g for all t activation rows. */
VEC_INLINE void float_gemm_span(float *const *y, size_t ldy, const widened *e,
                                const hone_acts *x, int t0, int n_row, int g, int from,
                                int n_col, int R)
{
    int t = 0;
    for (; t + VEC_TILE_COLS <= n_row; t += VEC_TILE_COLS) {
        float_tile_at(y, ldy, t, e, x, t0, g, from, n_col, R, VEC_TILE_COLS);
    }
    for (; VEC_TILE_COLS > 2 && t + 2 <= n_row; t += 2) {
        float_tile_at(y, ldy, t, e, x, t0, g, from, n_col, R, 2);
    }
    for (; t < n_row; t++) {
        float_tile_at(y, ldy, t, e, x, t0, g, from, n_col, R, 1);
    }
}

VEC_INLINE void float_widen(widened *e, int r, const unsigned char *panel, size_t k0,
                            int n_col, columns_fn *columns)
{
    for (int k = 0; k < n_col; k += 2) {
        vf even, odd;
        columns(panel, (k0 + (size_t)k) / 2, &even, &odd);
        vf_store(e->w[r][k], even);
        vf_store(e->w[r][k + 1], odd);
    }
}

/* R panels, a constant; the last may be partly behind row n. */
VEC_INLINE void float_gemm(float *y, size_t ldy, const hone_matrix *w, int panel, int n,
                           const hone_acts *x, int t0, int t, int R, float *spare,
                           columns_fn *columns)
{
    widened e;
    float *to[VEC_TILE_PANELS];
    for (int r = 0; r < R; r++) {
        to[r] = y + r * HONE_PANEL_ROWS;
    }
    const bool partial = n < R * HONE_PANEL_ROWS; /* then R is 1; summed beside y */
    if (partial) to[0] = spare;
    const size_t ld = partial ? HONE_PANEL_ROWS : ldy;
    for (int g = 0; g < hone_acts_n_group(x); g++) {
        const int width = hone_acts_width(x, g);
        for (int from = 0; from < width; from += FLOAT_SPAN) {
            const int n_col = width - from < FLOAT_SPAN ? width - from : FLOAT_SPAN;
            for (int r = 0; r < R; r++) {
                float_widen(&e, r, w->data + (size_t)(panel + r) * w->row_bytes,
                            (size_t)(g * HONE_ACT_GROUP + from), n_col, columns);
            }
            float_gemm_span(to, ld, &e, x, t0, t, g, from, n_col, R);
        }
    }
    for (int c = 0; partial && c < t; c++) {
        memcpy(y + (size_t)c * ldy, spare + c * HONE_PANEL_ROWS, (size_t)n * sizeof *y);
    }
}

VEC_INLINE void float_linear(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                             const hone_acts *x, int t0, int t, columns_fn *columns)
{
    HONE_ASSERT(n0 % HONE_PANEL_ROWS == 0 && t <= HONE_LINEAR_MAX_ROWS);
    if (t <= FLOAT_GEMV_MAX) {
        int c = 0;
        for (; VEC_FLOAT_COLS == 4 && c + 4 <= t; c += 4) {
            float_gemv_rows(y + (size_t)c * ldy, ldy, w, n0, n, x, t0 + c,
                            VEC_FLOAT_COLS, columns);
        }
        for (; c + 2 <= t; c += 2) {
            float_gemv_rows(y + (size_t)c * ldy, ldy, w, n0, n, x, t0 + c, 2, columns);
        }
        for (; c < t; c++) {
            float_gemv_rows(y + (size_t)c * ldy, ldy, w, n0, n, x, t0 + c, 1, columns);
        }
        return;
    }
    float spare[HONE_LINEAR_MAX_ROWS * HONE_PANEL_ROWS];
    const int many = VEC_TILE_PANELS * HONE_PANEL_ROWS;
    int r = 0;
    for (; r + many <= n; r += many) {
        float_gemm(y + r, ldy, w, (n0 + r) / HONE_PANEL_ROWS, many, x, t0, t,
                   VEC_TILE_PANELS, spare, columns);
    }
    for (; r < n; r += HONE_PANEL_ROWS) {
        const int rest = n - r < HONE_PANEL_ROWS ? n - r : HONE_PANEL_ROWS;
        float_gemm(y + r, ldy, w, (n0 + r) / HONE_PANEL_ROWS, rest, x, t0, t, 1, spare,
                   columns);
    }
}

#define X(name, columns)                                                               \
    static void VEC_TIER(linear_##name)(float *y, size_t ldy, const hone_matrix *w,    \
                                        int n0, int n, const hone_acts *x, int t0,     \
                                        int t)                                         \
    {                                                                                  \
        float_linear(y, ldy, w, n0, n, x, t0, t, columns);                             \
    }
X(f32, columns_f32)
X(f16, columns_f16)
X(bf16, columns_bf16)
#undef X
