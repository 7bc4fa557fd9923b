/* amx.c - the AMX tier: the AVX-512 tier with products of many rows in tile registers.
 *
 * A tile product sums 32 bytes of 16 activation rows by 16 weight rows exactly;
 * what follows is the chain of linear_tmpl.h in vectors of 16 weight rows, so results are
 * the bits of every other tier.  The unit is several times faster than the vectors that
 * scale its sums: the product of the next sub-block is started before the current one is
 * scaled, and its result comes back through memory in time. */
#include "kernel/x86/vec_avx512.h"

#include <string.h>

#include "base/status.h"
#include "kernel/fetch_tmpl.h"
#include "kernel/kernel_tiers.h"
#include "kernel/unpack_tmpl.h"
#include "kernel/x86/amx_tiles.h"

enum {
    ROWS = HONE_PANEL_ROWS,
    SUBS = HONE_ACT_GROUP / 32
};

/* One group of a panel: signed codes in groups of four columns, and its scales. */
typedef struct expanded {
    _Alignas(64) int8_t code[SUBS][8][64];
    _Alignas(64) float scale[SUBS][ROWS];
    _Alignas(64) float offset[SUBS][ROWS];
    _Alignas(64) float back[SUBS][ROWS];
} expanded;

VEC_INLINE void expand(expanded *e, const hone_planes *p, int g, int n_sub, traits k)
{
    /* full codes come with the bias of vpdpbusd, which TDPBSSD does without */
    const vb zero = vb_set1((int8_t)(k.full ? -128 : k.zero));
    for (int i = 0; i < n_sub; i++) {
        const size_t s = (size_t)g * SUBS + (size_t)i;
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            vb lo, hi;
            k.pair(p, s, j, &lo, &hi);
            vb_store(e->code[i][j], vb_sub(lo, zero));
            vb_store(e->code[i][j + 4], vb_sub(hi, zero));
        }
        vf_store(e->scale[i], k.scale(p, s, 0));
        vf_store(e->back[i], float_back(vf_load(e->scale[i])));
        if (k.offset) vf_store(e->offset[i], k.offset(p, s, 0));
    }
}

/* Sixteen activation rows of one group. */
typedef struct rows16 {
    const int8_t *q;
    size_t width;            /* bytes between rows */
    float scale[SUBS][ROWS]; /* [sub-block][row] */
    float sum[SUBS][ROWS];   /* of q, where there is an offset */
} rows16;

VEC_INLINE void rows_init(rows16 *x, const hone_acts *a, int t0, int g, int n, traits k)
{
    const int width = hone_acts_width(a, g);
    x->q = hone_acts_q(a, t0, g);
    x->width = (size_t)width;
    if (n < ROWS) { /* rows that are not there must not cost the time of denormals */
        memset(x->scale, 0, sizeof x->scale);
        memset(x->sum, 0, sizeof x->sum);
    }
    for (int t = 0; t < n; t++) {
        const float *scale = hone_acts_scale(a, t0 + t, g);
        const int16_t *minus = hone_acts_minus(a, t0 + t, g);
        for (int i = 0; i < width / 32; i++) {
            x->scale[i][t] = scale[i];
            if (k.offset) x->sum[i][t] = (float)-(minus[2 * i] + minus[2 * i + 1]);
        }
    }
}

/* Dots of sub-block i. */
VEC_INLINE void products(int32_t d[ROWS][ROWS], const expanded *e, const rows16 *x,
                         int i)
{
    _tile_zero(0);
    AMX_LOAD(4, x->q + 32 * i, x->width);
    AMX_LOAD(6, e->code[i][0], 64);
    _tile_dpbssd(0, 4, 6);
    AMX_STORE(0, d);
}

/* acc += the scaled dots of sub-block i. */
VEC_INLINE void absorb(vf *acc, int32_t d[ROWS][ROWS], const expanded *e,
                       const rows16 *x, int i, traits k)
{
    const vf scale = vf_load(e->scale[i]);
    const vf offset = k.offset ? vf_load(e->offset[i]) : scale;
    const vf back = vf_load(e->back[i]);
    const vi start = vi_set1(FLOAT_START);
#pragma GCC unroll 16
    for (int t = 0; t < ROWS; t++) {
        vi dot = vi_load(d[t]);
        if (starts_float(k)) dot = vi_add(dot, start);
        vf v = scaled(dot, scale, back, k);
        if (k.offset) v = vf_fma(offset, vf_set1(x->sum[i][t]), v);
        acc[t] = vf_fma(v, vf_set1(x->scale[i][t]), acc[t]);
    }
}

/* One panel by 16 activation rows over one group; sums [n, 16] begin with y unless
 * `first`, and n of them are kept.  f: what is fetched meanwhile, or NULL. */
VEC_INLINE void tile(float *y, size_t ldy, int n, int m, bool first, const expanded *e,
                     const fetch *f, const rows16 *x, int n_sub, traits k)
{
    _Alignas(64) int32_t d[2][ROWS][ROWS];
    vf acc[ROWS];
#pragma GCC unroll 16
    for (int t = 0; t < ROWS; t++) {
        acc[t] = first || t >= n ? vf_zero() : vf_load_n(y + (size_t)t * ldy, m);
    }
    products(d[0], e, x, 0);
    for (int i = 0; i < n_sub; i++) {
        if (i + 1 < n_sub) products(d[(i + 1) & 1], e, x, i + 1);
        if (f) fetch_piece(f, i);
        absorb(acc, d[i & 1], e, x, i, k);
    }
#pragma GCC unroll 16
    for (int t = 0; t < ROWS; t++) {
        if (t < n) vf_store_n(y + (size_t)t * ldy, acc[t], m);
    }
}

VEC_INLINE void gemm(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                     const hone_acts *x, int t0, int t, traits k)
{
    enum {
        PANELS = 4 /* of a chunk: activation rows are prepared once for all */
    };
    hone_panel_layout l;
    const bool fits = hone_panel_layout_init(&l, w->dtype, (size_t)w->n_col);
    HONE_ASSERT(fits && n0 % ROWS == 0);
    amx_begin(32, 8);
    expanded e[PANELS];
    fetch f[PANELS];
    rows16 rows;
    for (int r0 = 0; r0 < n; r0 += PANELS * ROWS) {
        const int here = n - r0 < PANELS * ROWS ? n - r0 : PANELS * ROWS;
        for (int g = 0; g < hone_acts_n_group(x); g++) {
            const int n_sub = hone_acts_width(x, g) / 32;
            for (int r = 0; r < here; r += ROWS) {
                const int panel = (n0 + r0 + r) / ROWS;
                const hone_planes p = hone_panel_planes(w, &l, panel);
                fetch_init(&f[r / ROWS], w, &l, panel, r / ROWS, g,
                           hone_acts_n_group(x));
                expand(&e[r / ROWS], &p, g, n_sub, k);
            }
            for (int c = 0; c < t; c += ROWS) {
                const int some = t - c < ROWS ? t - c : ROWS;
                rows_init(&rows, x, t0 + c, g, some, k);
                for (int r = 0; r < here; r += ROWS) {
                    tile(y + (size_t)c * ldy + (size_t)(r0 + r), ldy, some,
                         here - r < ROWS ? here - r : ROWS, g == 0, &e[r / ROWS],
                         c ? NULL : &f[r / ROWS], &rows, n_sub, k);
                }
            }
        }
    }
    _tile_release();
}

/* Whether tiles are faster than vectors: twice the scales for each product leave nothing
 * of their advantage, and rows that fill a last tile cost as much as others. */
VEC_INLINE bool pays(int t, traits k)
{
    return !k.by16 && (t + ROWS - 1) / ROWS * ROWS * 10 <= t * 11;
}

#define X(name, pair, scale, offset, zero, full, by16)                                 \
    static void linear_##name##_amx(float *y, size_t ldy, const hone_matrix *w,        \
                                    int n0, int n, const hone_acts *x, int t0, int t)  \
    {                                                                                  \
        const traits k = {pair, scale, offset, zero, full, by16};                      \
        if (!pays(t, k))                                                               \
            hone_linear_avx512[HONE_##name](y, ldy, w, n0, n, x, t0, t);               \
        else                                                                           \
            gemm(y, ldy, w, n0, n, x, t0, t, k);                                       \
    }
QUANTIZED(X)
#undef X

static double peak_int8_amx(double n_ops)
{
    const long rounds = (long)(n_ops / (2 * 16384 * 4)) + 1;
    amx_begin(64, 16);
    for (long r = 0; r < rounds; r++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    _tile_release();
    return (double)rounds * 2 * 16384 * 4;
}

void hone_kernels_init_amx(hone_kernels *k)
{
    k->tier = "amx";
#define X(name, pair, scale, offset, zero, full, by16)                                 \
    k->linear[HONE_##name] = linear_##name##_amx;
    QUANTIZED(X)
#undef X
    k->peak_int8 = peak_int8_amx;
    hone_kernels_init_amx_bf16(k);
}
