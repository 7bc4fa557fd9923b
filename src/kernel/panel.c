/* panel.c - from the rows of a file to panels. */
#include "kernel/panel.h"

#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "base/status.h"
#include "tensor/unpack.h"

enum {
    SPAN = HONE_UNPACK_MAX, /* columns packed at a time */
    WORDS = 8               /* groups of four codes in a sub-block */
};

/* How a quantized type's bits are spread over planes: bytes for each 32 columns, or for
 * each d_per columns. */
typedef struct plane_sizes {
    unsigned short code, high, sub, d, d_per;
    short zero;     /* code = q + zero */
    short codes_at; /* where 4-bit codes lie in a block, 16 bytes for each 32; or -1 */
    short d_at;     /* of halves in a block without second level; or -1 */
} plane_sizes;

static const plane_sizes sizes[HONE_N_DTYPE] = {
    [HONE_Q4_0] = {256, 0, 0, 32, 32, 8, 2, 0},
    [HONE_Q4_1] = {256, 0, 0, 64, 32, 0, 4, 0},
    [HONE_Q5_0] = {256, 64, 0, 32, 32, 16, -1, 0},
    [HONE_Q5_1] = {256, 64, 0, 64, 32, 0, -1, 0},
    [HONE_Q8_0] = {512, 0, 0, 32, 32, 0, -1, 0},
    [HONE_IQ4_NL] = {256, 0, 0, 32, 32, 0, 2, 0},
    [HONE_MXFP4] = {256, 0, 0, 16, 32, 0, 1, -1},
    [HONE_Q2_K] = {128, 0, 32, 64, 256, 0, -1, -1},
    [HONE_Q3_K] = {128, 64, 32, 32, 256, 4, -1, -1},
    [HONE_Q4_K] = {256, 0, 32, 64, 256, 0, -1, -1},
    [HONE_Q5_K] = {256, 64, 32, 64, 256, 0, -1, -1},
    [HONE_Q6_K] = {256, 128, 32, 32, 256, 32, -1, -1},
    [HONE_IQ4_XS] = {256, 0, 16, 32, 256, 0, 8, -1},
    [HONE_TQ1_0] = {128, 0, 0, 32, 256, 1, -1, 52},
    [HONE_TQ2_0] = {128, 0, 0, 32, 256, 1, -1, 64},
    [HONE_Q8_K] = {512, 0, 0, 64, 256, 0, -1, -1},
};

/* Append a plane of n pieces behind *at; false when it does not fit. */
static bool add_plane(size_t *at, size_t n, size_t bytes, size_t *offset)
{
    *offset = *at;
    return hone_mul_size(n, bytes, &n) && hone_add_size(*at, n, at) &&
           hone_align_size(*at, HONE_CACHE_LINE, at);
}

bool hone_panel_layout_init(hone_panel_layout *l, hone_dtype t, size_t K)
{
    const plane_sizes *s = &sizes[t];
    *l = (hone_panel_layout){0};
    if (t == HONE_F32 || t == HONE_F16 || t == HONE_BF16) {
        const size_t pair = 2 * HONE_PANEL_ROWS * hone_dtype_get(t)->bytes;
        return add_plane(&l->bytes, K / 2 + K % 2, pair, &l->code);
    }
    if (s->code == 0) return false;
    const size_t sub = K / 32;
    return add_plane(&l->bytes, sub, s->code, &l->code) &&
           add_plane(&l->bytes, sub, s->high, &l->high) &&
           add_plane(&l->bytes, sub, s->sub, &l->sub) &&
           add_plane(&l->bytes, K / s->d_per, s->d, &l->d);
}

/* -- float types ------------------------------------------------------------------ */

static void pack_float(unsigned char *dst, const hone_matrix *w, int row0, int n_row)
{
    const size_t size = hone_dtype_get(w->dtype)->bytes, K = (size_t)w->n_col;
    const size_t pair = w->dtype == HONE_BF16 ? 2 : 1;
    for (int r = 0; r < n_row; r++) {
        const unsigned char *src = w->data + (size_t)(row0 + r) * w->row_bytes;
        for (size_t k = 0; k < K; k++) {
            const size_t group = k / pair * HONE_PANEL_ROWS + (size_t)r;
            memcpy(dst + (group * pair + k % pair) * size, src + k * size, size);
        }
    }
}

/* -- quantized types -------------------------------------------------------------- */

/* The codes of a span as words of four. */
typedef struct span {
    uint32_t word[SPAN / 4];
} span;

/* Codes of n columns whose blocks start at src. */
static void read_codes(span *s, hone_dtype t, const unsigned char *src, size_t n)
{
    const hone_dtype_info *info = hone_dtype_get(t);
    const plane_sizes *p = &sizes[t];
    hone_unpacked u;
    for (size_t at = 0; at < n; at += info->block, src += info->bytes) {
        hone_unpack_get(t)(&u, at, src);
    }
    for (size_t i = 0; i < n; i++) {
        u.q[i] = (int8_t)(u.q[i] + p->zero);
    }
    memcpy(s->word, u.q, n);
}

static void put(unsigned char *plane, size_t vector, int row, uint32_t word)
{
    memcpy(plane + vector * 64 + (size_t)row * 4, &word, sizeof word);
}

/* Two bits of each of four groups. */
static uint32_t two_bits(const uint32_t *w, int shift)
{
    uint32_t out = 0;
    for (int j = 0; j < 4; j++) {
        out |= (w[j] >> shift & 0x03030303u) << (2 * j);
    }
    return out;
}

/* One bit of each of eight groups. */
static uint32_t one_bit(const uint32_t *w, int shift)
{
    uint32_t out = 0;
    for (int j = 0; j < 8; j++) {
        out |= (w[j] >> shift & 0x01010101u) << j;
    }
    return out;
}

/* The planes code and high of one sub-block and row. */
static void put_codes(unsigned char *code, unsigned char *high, const plane_sizes *p,
                      const uint32_t *w, int row)
{
    const int low_bits = p->code == 128 ? 2 : 4;
    for (int j = 0; p->code == 512 && j < WORDS; j++) {
        put(code, (size_t)j, row, w[j]);
    }
    for (int j = 0; p->code == 256 && j < 4; j++) {
        put(code, (size_t)j, row, (w[j] & 0x0F0F0F0Fu) | (w[j + 4] & 0x0F0F0F0Fu) << 4);
    }
    for (int v = 0; p->code == 128 && v < 2; v++) {
        put(code, (size_t)v, row, two_bits(w + 4 * v, 0));
    }
    for (int v = 0; p->high == 128 && v < 2; v++) {
        put(high, (size_t)v, row, two_bits(w + 4 * v, low_bits));
    }
    if (p->high == 64) put(high, 0, row, one_bit(w, low_bits));
}

/* 4-bit codes that lie in a block as they do in a panel. */
static void copy_codes(unsigned char *code, const unsigned char *qs, int row)
{
    for (size_t j = 0; j < 4; j++) {
        memcpy(code + j * 64 + (size_t)row * 4, qs + 4 * j, 4);
    }
}

static void put_half(unsigned char *d, size_t i, uint16_t half)
{
    memcpy(d + 2 * i, &half, sizeof half);
}

/* Second-level scales of one block. */
static void put_scales(unsigned char *sub, unsigned char *d, hone_dtype t,
                       const unsigned char *block, int row)
{
    hone_scales s;
    hone_scales_get(t)(&s, block);
    const bool has_min = sizes[t].d == 64;
    put_half(d, (size_t)row, s.d);
    if (has_min) put_half(d, 16 + (size_t)row, s.d_min);
    for (int i = 0; i < s.n; i++) {
        unsigned char *at = sub + (size_t)i * (s.n == 8 && has_min ? 32 : 16) + row;
        at[0] = (unsigned char)s.scale[i];
        if (has_min && s.n == 8) at[16] = s.min[i];
        if (has_min && s.n == 16) {
            at[0] = (unsigned char)(s.scale[i] | s.min[i] << 4);
        }
    }
}

/* The scales of one block into the planes sub and d. */
static void put_block_scales(const hone_panel_layout *l, unsigned char *dst,
                             hone_dtype t, const unsigned char *block, size_t k,
                             int row)
{
    const plane_sizes *p = &sizes[t];
    unsigned char *d = dst + l->d + k / p->d_per * p->d;
    if (hone_scales_get(t)) {
        put_scales(dst + l->sub + k / 32 * p->sub, d, t, block, row);
    } else if (t == HONE_Q8_K) {
        memcpy(d + 4 * row, block, 4);
    } else if (t == HONE_MXFP4) {
        d[row] = block[0];
    } else {
        memcpy(d + 2 * row, block + p->d_at, 2);
        if (p->d == 64) memcpy(d + 32 + 2 * row, block + p->d_at + 2, 2);
    }
}

static void pack_row(const hone_panel_layout *l, unsigned char *dst, hone_dtype t,
                     const unsigned char *src, size_t K, int row)
{
    const hone_dtype_info *info = hone_dtype_get(t);
    const plane_sizes *p = &sizes[t];
    span s;
    for (size_t k = 0; k < K; k += SPAN) {
        const size_t n = K - k < SPAN ? K - k : SPAN;
        if (p->codes_at < 0) read_codes(&s, t, src, n);
        for (size_t i = 0; i < n; i += 32) {
            const size_t at = (k + i) / 32;
            unsigned char *code = dst + l->code + at * p->code;
            const unsigned char *block = src + i / info->block * info->bytes;
            if (p->codes_at >= 0) {
                copy_codes(code, block + p->codes_at + i % info->block / 2, row);
            } else {
                put_codes(code, dst + l->high + at * p->high, p, s.word + i / 4, row);
            }
            if (i % info->block == 0) put_block_scales(l, dst, t, block, k + i, row);
        }
        src += n / info->block * info->bytes;
    }
}

void hone_panel_pack(unsigned char *dst, const hone_matrix *w, int panel)
{
    hone_panel_layout l;
    const bool fits = hone_panel_layout_init(&l, w->dtype, (size_t)w->n_col);
    HONE_ASSERT(fits && (uintptr_t)dst % HONE_CACHE_LINE == 0);
    const int row0 = panel * HONE_PANEL_ROWS;
    const int n_row =
        w->n_row - row0 < HONE_PANEL_ROWS ? w->n_row - row0 : HONE_PANEL_ROWS;
    const bool plain = !hone_dtype_is_quantized(w->dtype);
    if (n_row < HONE_PANEL_ROWS || plain) memset(dst, 0, l.bytes);
    if (plain) {
        pack_float(dst, w, row0, n_row);
        return;
    }
    for (int r = 0; r < n_row; r++) {
        pack_row(&l, dst, w->dtype, w->data + (size_t)(row0 + r) * w->row_bytes,
                 (size_t)w->n_col, r);
    }
}
