/* amx_bf16.c - linear layers of BF16 weights and BF16 activations in AMX tiles.
 *
 * Every number of rows goes this way, since the unit's order of additions is its own: a
 * result is the sum of its row's steps of 32 columns, in order, whatever lies beside it.
 * Up to 16 activation rows read the weights once, in the order of memory.  More are
 * multiplied in two tiles of activations by two panels. */
#include "kernel/x86/vec_avx512.h"

#include "base/mem.h"
#include "base/status.h"
#include "kernel/fetch_tmpl.h"
#include "kernel/kernel_tiers.h"
#include "kernel/panel.h"
#include "kernel/x86/amx_tiles.h"

enum {
    ROWS = HONE_PANEL_ROWS,
    STEP = 32 /* columns of a tile product */
};

/* What the tiles of one step are loaded from: activations, panels. */
typedef struct operands {
    const unsigned char *x[2], *w[2];
    size_t x_stride;
} operands;

/* The last columns of a stripe that is no multiple of STEP, with zeros behind. */
typedef struct tails {
    _Alignas(64) unsigned char x[2][ROWS][64], w[2][ROWS][64];
} tails;

static void fill_tails(tails *s, operands *o, int n_x, int n_w, int from, int columns)
{
    const size_t bytes = (size_t)((columns + 1) / 2) * 4, at = (size_t)from * 2;
    memset(s, 0, sizeof *s);
    for (int i = 0; i < n_x; i++) {
        for (int t = 0; t < ROWS; t++) {
            memcpy(s->x[i][t], o->x[i] + at + (size_t)t * o->x_stride, bytes);
        }
        o->x[i] = s->x[i][0];
    }
    for (int i = 0; i < n_w; i++) {
        memcpy(s->w[i], o->w[i] + at * ROWS, bytes / 4 * 64);
        o->w[i] = s->w[i][0];
    }
    o->x_stride = 64;
}

/* Tile 2i+j += activations i by panel j, the step of columns k on. */
VEC_INLINE void step(const operands *o, int k, int n_x, int n_w)
{
    const size_t x = (size_t)k * 2, w = (size_t)k * 2 * ROWS;
    AMX_LOAD(4, o->x[0] + x, o->x_stride);
    if (n_x > 1) AMX_LOAD(5, o->x[1] + x, o->x_stride);
    AMX_LOAD(6, o->w[0] + w, 64);
    if (n_w > 1) AMX_LOAD(7, o->w[1] + w, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (n_w > 1) _tile_dpbf16ps(1, 4, 7);
    if (n_x > 1) _tile_dpbf16ps(2, 5, 6);
    if (n_x > 1 && n_w > 1) _tile_dpbf16ps(3, 5, 7);
}

/* The steps of stripe g.  way: what is fetched meanwhile, or NULL. */
VEC_INLINE void sum_stripe(const hone_matrix *w, int panel, const hone_acts *x, int t0,
                           int g, int n_x, int n_w, const route *way)
{
    const int width = hone_acts_width(x, g), whole = width / STEP * STEP;
    const size_t column = (size_t)g * HONE_ACT_GROUP;
    operands o = {.x_stride = (size_t)(width + width % 2) * 2};
    for (int i = 0; i < n_x; i++) {
        o.x[i] = (const unsigned char *)hone_acts_h(x, t0 + i * ROWS, g);
    }
    for (int i = 0; i < n_w; i++) {
        o.w[i] = w->data + (size_t)(panel + i) * w->row_bytes + column * 2 * ROWS;
    }
    for (int k = 0; k < whole; k += STEP) {
        if (way) fetch_along(way, o.w[0] + (size_t)k * 2 * ROWS, STEP * 2 * ROWS);
        step(&o, k, n_x, n_w);
    }
    if (whole < width) {
        tails spare;
        fill_tails(&spare, &o, n_x, n_w, whole, width - whole);
        step(&o, 0, n_x, n_w);
    }
}

/* One result tile to n rows of y, m weight rows each. */
static void put(float *y, size_t ldy, float from[ROWS][ROWS], int n, int m)
{
    for (int t = 0; t < n; t++) {
        vf_store_n(y + (size_t)t * ldy, vf_load(from[t]), m);
    }
}

static int at_most(int n)
{
    return n < ROWS ? n : ROWS;
}

/* n_x tiles of activations, of t rows, by n_w panels, of m rows.  way: as above. */
VEC_INLINE void block(float *y, size_t ldy, const hone_matrix *w, int panel, int m,
                      const hone_acts *x, int t0, int t, int n_x, int n_w,
                      const route *way)
{
    _Alignas(64) float d[4][ROWS][ROWS];
    _tile_zero(0);
    if (n_w > 1) _tile_zero(1);
    if (n_x > 1) _tile_zero(2);
    if (n_x > 1 && n_w > 1) _tile_zero(3);
    for (int g = 0; g < hone_acts_n_group(x); g++) {
        sum_stripe(w, panel, x, t0, g, n_x, n_w, way);
    }
    AMX_STORE(0, d[0]);
    if (n_w > 1) AMX_STORE(1, d[1]);
    if (n_x > 1) AMX_STORE(2, d[2]);
    if (n_x > 1 && n_w > 1) AMX_STORE(3, d[3]);
    for (int i = 0; i < n_x; i++) {
        for (int j = 0; j < n_w; j++) {
            put(y + (size_t)(i * ROWS) * ldy + j * ROWS, ldy, d[2 * i + j],
                at_most(t - i * ROWS), at_most(m - j * ROWS));
        }
    }
}

/* Up to 16 activation rows: panel after panel, in the order of memory. */
static void stream(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                   const hone_acts *x, int t0, int t)
{
    const route way = route_of(w, n0, n);
    for (int r = 0; r < n; r += ROWS) {
        block(y + r, ldy, w, (n0 + r) / ROWS, n - r, x, t0, t, 1, 1, &way);
    }
}

/* Up to 32 activation rows by all n weight rows. */
static void strip(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                  const hone_acts *x, int t0, int t)
{
    for (int r = 0; r < n; r += 2 * ROWS) {
        const int m = n - r < 2 * ROWS ? n - r : 2 * ROWS, panel = (n0 + r) / ROWS;
        if (t > ROWS && m > ROWS)
            block(y + r, ldy, w, panel, m, x, t0, t, 2, 2, NULL);
        else if (t > ROWS)
            block(y + r, ldy, w, panel, m, x, t0, t, 2, 1, NULL);
        else if (m > ROWS)
            block(y + r, ldy, w, panel, m, x, t0, t, 1, 2, NULL);
        else
            block(y + r, ldy, w, panel, m, x, t0, t, 1, 1, NULL);
    }
}

static void linear_bf16_amx(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                            const hone_acts *x, int t0, int t)
{
    HONE_ASSERT(n0 % ROWS == 0);
    amx_begin(64, 16);
    if (t <= ROWS) {
        stream(y, ldy, w, n0, n, x, t0, t);
    } else {
        for (int c = 0; c < t; c += 2 * ROWS) {
            strip(y + (size_t)c * ldy, ldy, w, n0, n, x, t0 + c,
                  t - c < 2 * ROWS ? t - c : 2 * ROWS);
        }
    }
    _tile_release();
}

static double peak_bf16_amx(double n_ops)
{
    const long rounds = (long)(n_ops / (2 * 8192 * 4)) + 1;
    amx_begin(64, 16);
    for (long r = 0; r < rounds; r++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
    return (double)rounds * 2 * 8192 * 4;
}

void hone_kernels_init_amx_bf16(hone_kernels *k)
{
    k->linear[HONE_BF16] = linear_bf16_amx;
    k->peak_bf16 = peak_bf16_amx;
}
