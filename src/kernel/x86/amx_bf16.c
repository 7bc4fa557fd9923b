/* amx_bf16.c - linear layers of BF16 weights and BF16 activations in AMX tiles.
 *
 * Two tiles of activation rows by two panels, summed in tile registers over all
 * columns; for one tile of activation rows, four panels.  Every number of rows goes this
 * way, since the unit's order of additions is its own: the result of a row is the same
 * bits whatever lies beside it. */
#include "kernel/x86/vec_avx512.h"

#include "base/status.h"
#include "kernel/kernel_tiers.h"
#include "kernel/panel.h"
#include "kernel/x86/amx_tiles.h"

enum {
    ROWS = HONE_PANEL_ROWS,
    STEP = 32 /* columns of a tile product */
};

/* What the tiles of one step are loaded from. */
typedef struct operands {
    const unsigned char *x[2], *w[4];
    size_t x_stride;
} operands;

/* The last columns of a row that is no multiple of STEP, with zeros behind. */
typedef struct tails {
    _Alignas(64) unsigned char x[2][ROWS][64], w[4][ROWS][64];
} tails;

static void fill_tails(tails *s, operands *o, int n_x, int n_w, int columns)
{
    const size_t bytes = (size_t)((columns + 1) / 2) * 4;
    memset(s, 0, sizeof *s);
    for (int i = 0; i < n_x; i++) {
        for (int t = 0; t < ROWS; t++) {
            memcpy(s->x[i][t], o->x[i] + (size_t)t * o->x_stride, bytes);
        }
        o->x[i] = s->x[i][0];
    }
    for (int i = 0; i < n_w; i++) {
        memcpy(s->w[i], o->w[i], bytes / 4 * 64);
        o->w[i] = s->w[i][0];
    }
    o->x_stride = 64;
}

static void step_2x2(const operands *o)
{
    AMX_LOAD(4, o->x[0], o->x_stride);
    AMX_LOAD(5, o->x[1], o->x_stride);
    AMX_LOAD(6, o->w[0], 64);
    AMX_LOAD(7, o->w[1], 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
}

static void step_1x4(const operands *o)
{
    AMX_LOAD(4, o->x[0], o->x_stride);
    AMX_LOAD(6, o->w[0], 64);
    AMX_LOAD(7, o->w[1], 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    AMX_LOAD(6, o->w[2], 64);
    AMX_LOAD(7, o->w[3], 64);
    _tile_dpbf16ps(2, 4, 6);
    _tile_dpbf16ps(3, 4, 7);
}

static void step_1x1(const operands *o)
{
    AMX_LOAD(4, o->x[0], o->x_stride);
    AMX_LOAD(6, o->w[0], 64);
    _tile_dpbf16ps(0, 4, 6);
}

typedef void step_fn(const operands *o);

/* Sums over all columns, of n_x tiles of activation rows from t0 on and n_w panels from
 * `panel` on, into tiles 0 .. n_x*n_w-1. */
VEC_INLINE void sum_tiles(const hone_matrix *w, int panel, const hone_acts *x, int t0,
                          int n_x, int n_w, step_fn *step)
{
    tails spare;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int g = 0; g < hone_acts_n_group(x); g++) {
        const int width = hone_acts_width(x, g);
        const size_t stride = (size_t)(width + width % 2) * 2;
        for (int k = 0; k < width; k += STEP) {
            operands o = {.x_stride = stride};
            const size_t column = (size_t)g * HONE_ACT_GROUP + (size_t)k;
            for (int i = 0; i < n_x; i++) {
                const uint16_t *h = hone_acts_h(x, t0 + i * ROWS, g) + k;
                o.x[i] = (const unsigned char *)h;
            }
            for (int i = 0; i < n_w; i++) {
                o.w[i] = w->data + (size_t)(panel + i) * w->row_bytes + column * 32;
            }
            if (width - k < STEP) fill_tails(&spare, &o, n_x, n_w, width - k);
            step(&o);
        }
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

/* t activation rows, one or two tiles of them, by all n weight rows. */
static void strip(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                  const hone_acts *x, int t0, int t)
{
    _Alignas(64) float d[4][ROWS][ROWS];
    const int n_x = t > ROWS ? 2 : 1;
    for (int r = 0; r < n;) {
        const int left = (n - r + ROWS - 1) / ROWS, panel = (n0 + r) / ROWS;
        int n_w = 1;
        if (n_x == 2 && left >= 2) {
            n_w = 2;
            sum_tiles(w, panel, x, t0, 2, 2, step_2x2);
        } else if (n_x == 1 && left >= 4) {
            n_w = 4;
            sum_tiles(w, panel, x, t0, 1, 4, step_1x4);
        } else {
            for (int i = 0; i < n_x; i++) {
                sum_tiles(w, panel, x, t0 + i * ROWS, 1, 1, step_1x1);
                AMX_STORE(0, d[i]);
            }
        }
        if (n_w > 1) {
            AMX_STORE(0, d[0]);
            AMX_STORE(1, d[1]);
            AMX_STORE(2, d[2]);
            AMX_STORE(3, d[3]);
        }
        for (int i = 0; i < n_x; i++) {
            for (int j = 0; j < n_w; j++) {
                put(y + (size_t)(i * ROWS) * ldy + (size_t)(r + j * ROWS), ldy,
                    d[i * n_w + j], at_most(t - i * ROWS), at_most(n - r - j * ROWS));
            }
        }
        r += n_w * ROWS;
    }
}

static void linear_bf16_amx(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                            const hone_acts *x, int t0, int t)
{
    HONE_ASSERT(n0 % ROWS == 0);
    amx_begin(64, 16);
    for (int c = 0; c < t; c += 2 * ROWS) {
        strip(y + (size_t)c * ldy, ldy, w, n0, n, x, t0 + c,
              t - c < 2 * ROWS ? t - c : 2 * ROWS);
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
