/* panel.c - from the rows of a file to panels. */
#include "kernel/panel.h"

#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "base/status.h"
#include "tensor/unpack.h"

enum {
    ROWS = HONE_PANEL_ROWS,
    SPAN = HONE_UNPACK_MAX /* columns packed at a time */
};

/* How a quantized type's bits are spread over planes: bytes for each 32 columns, or for
 * each d_per columns. */
typedef struct plane_sizes {
    unsigned short code, high, sub, d, d_per;
    short zero;     /* code = q + zero */
    short codes_at; /* where codes lie in a block in the order of a panel; or -1 */
    short d_at;     /* of halves in a block without second level; or -1 */
} plane_sizes;

static const plane_sizes sizes[HONE_N_DTYPE] = {
    [HONE_Q4_0] = {256, 0, 0, 32, 32, 8, 2, 0},
    [HONE_Q4_1] = {256, 0, 0, 64, 32, 0, 4, 0},
    [HONE_Q5_0] = {256, 64, 0, 32, 32, 16, -1, 0},
    [HONE_Q5_1] = {256, 64, 0, 64, 32, 0, -1, 0},
    [HONE_Q8_0] = {512, 0, 0, 32, 32, 0, 2, 0},
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
    [HONE_Q8_K] = {512, 0, 0, 64, 256, 0, 4, -1},
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

/* -- words of rows side by side ---------------------------------------------------- */

/* What is packed: 16 rows, of which n_row are there; those behind are the first again,
 * and their places in the panel are cleared. */
typedef struct source {
    const unsigned char *row[ROWS];
    int n_row;
} source;

static source rows_of(const hone_matrix *w, int panel)
{
    const int row0 = panel * ROWS, left = w->n_row - row0;
    source s = {.n_row = left < ROWS ? left : ROWS};
    for (int r = 0; r < ROWS; r++) {
        const int at = row0 + (r < s.n_row ? r : 0);
        s.row[r] = w->data + (size_t)at * w->row_bytes;
    }
    return s;
}

typedef uint32_t words __attribute__((vector_size(16)));

static words load4(const unsigned char *p)
{
    words w;
    memcpy(&w, p, sizeof w);
    return w;
}

/* Four words of four rows to their places in four lines. */
static void transpose4(unsigned char *line, words a, words b, words c, words d)
{
    const words ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const words ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const words cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const words cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    const words out[4] = {__builtin_shufflevector(ab0, cd0, 0, 1, 4, 5),
                          __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7),
                          __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5),
                          __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7)};
    for (size_t i = 0; i < 4; i++) {
        memcpy(line + i * 4 * ROWS, &out[i], sizeof out[i]);
    }
}

/* n words of each row, from `at` bytes on, to n lines of 16. */
static void side_by_side(unsigned char *line, const source *s, size_t at, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        for (size_t r = 0; r < ROWS; r += 4) {
            const unsigned char *const *row = s->row + r;
            const size_t from = at + i * 4;
            transpose4(line + i * 4 * ROWS + r * 4, load4(row[0] + from),
                       load4(row[1] + from), load4(row[2] + from),
                       load4(row[3] + from));
        }
    }
    for (; i < n; i++) {
        for (size_t r = 0; r < ROWS; r++) {
            memcpy(line + (i * ROWS + r) * 4, s->row[r] + at + i * 4, 4);
        }
    }
    for (i = 0; s->n_row < ROWS && i < n; i++) {
        memset(line + (i * ROWS + (size_t)s->n_row) * 4, 0,
               (size_t)(ROWS - s->n_row) * 4);
    }
}

/* -- float types ------------------------------------------------------------------ */

/* A line of 16 pairs to the first ones and the second ones. */
static void part_pairs(unsigned char *line)
{
    uint16_t pair[2 * ROWS], part[2 * ROWS];
    memcpy(pair, line, sizeof pair);
    for (int r = 0; r < ROWS; r++) {
        part[r] = pair[2 * r];
        part[ROWS + r] = pair[2 * r + 1];
    }
    memcpy(line, part, sizeof part);
}

/* Columns in words: one F32, or two of the others; zeros behind an odd one. */
static void pack_float(unsigned char *dst, const hone_matrix *w, const source *s)
{
    const size_t bytes = hone_dtype_get(w->dtype)->bytes * (size_t)w->n_col;
    const size_t n = bytes / 4;
    side_by_side(dst, s, 0, n);
    if (w->n_col % 2) {
        unsigned char *line = dst + n * 4 * ROWS;
        memset(line, 0, 4 * ROWS);
        for (int r = 0; r < s->n_row; r++) {
            memcpy(line + 4 * r, s->row[r] + n * 4, bytes % 4);
        }
    }
    for (size_t i = 0; w->dtype == HONE_F16 && i < (bytes + 3) / 4; i++) {
        part_pairs(dst + i * 4 * ROWS);
    }
}

/* -- quantized types -------------------------------------------------------------- */

/* Words of a row's span as its panel has them: of the plane code, then of `high`. */
typedef struct span {
    uint32_t code[SPAN / 4], high[SPAN / 32 * 2];
} span;

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

/* The codes of sub-block i, w, into the planes. */
static void put_codes(span *s, size_t i, const plane_sizes *p, const uint32_t *w)
{
    const size_t n_code = p->code / 64u, n_high = p->high / 64u;
    uint32_t *code = s->code + i * n_code, *high = s->high + i * n_high;
    const int low_bits = n_code == 2 ? 2 : 4;
    if (n_code == 4) {
        for (size_t j = 0; j < 4; j++) {
            code[j] = (w[j] & 0x0F0F0F0Fu) | (w[j + 4] & 0x0F0F0F0Fu) << 4;
        }
    } else {
        code[0] = two_bits(w, 0);
        code[1] = two_bits(w + 4, 0);
    }
    if (n_high == 1) {
        high[0] = one_bit(w, low_bits);
    } else if (n_high == 2) {
        high[0] = two_bits(w, low_bits);
        high[1] = two_bits(w + 4, low_bits);
    }
}

/* n columns of one row, whose blocks start at src. */
static void read_codes(span *s, hone_dtype t, const unsigned char *src, size_t n)
{
    const hone_dtype_info *info = hone_dtype_get(t);
    const plane_sizes *p = &sizes[t];
    uint32_t word[SPAN / 4];
    hone_unpacked u;
    for (size_t at = 0; at < n; at += info->block, src += info->bytes) {
        hone_unpack_get(t)(&u, at, src);
    }
    for (size_t i = 0; i < n; i++) {
        u.q[i] = (int8_t)(u.q[i] + p->zero);
    }
    memcpy(word, u.q, n);
    for (size_t i = 0; i < n / 32; i++) {
        put_codes(s, i, p, word + 8 * i);
    }
}

/* The planes of codes of n columns from k on, whose blocks are at `at` in each row. */
static void pack_codes(const hone_panel_layout *l, unsigned char *dst, hone_dtype t,
                       const source *s, size_t at, size_t k, size_t n)
{
    const hone_dtype_info *info = hone_dtype_get(t);
    const plane_sizes *p = &sizes[t];
    unsigned char *code = dst + l->code + k / 32 * p->code;
    unsigned char *high = dst + l->high + k / 32 * p->high;
    const size_t n_sub = n / 32, n_code = p->code / 64u, n_high = p->high / 64u;
    if (p->codes_at >= 0) {
        const size_t each = info->block / 32u * n_code; /* words of a block */
        for (size_t i = 0; i < n; i += info->block, at += info->bytes) {
            side_by_side(code, s, at + (size_t)p->codes_at, each);
            code += each * 64;
        }
        return;
    }
    span row[ROWS];
    source codes = {.n_row = s->n_row}, highs = codes;
    for (int r = 0; r < ROWS; r++) {
        if (r < s->n_row) read_codes(&row[r], t, s->row[r] + at, n);
        const span *from = &row[r < s->n_row ? r : 0];
        codes.row[r] = (const unsigned char *)from->code;
        highs.row[r] = (const unsigned char *)from->high;
    }
    side_by_side(code, &codes, 0, n_sub * n_code);
    side_by_side(high, &highs, 0, n_sub * n_high);
}

static void put_half(unsigned char *d, size_t i, uint16_t half)
{
    memcpy(d + 2 * i, &half, sizeof half);
}

/* Second-level scales of one block. */
static void put_scales(unsigned char *sub, unsigned char *d, const hone_scales *s,
                       bool has_min, int row)
{
    put_half(d, (size_t)row, s->d);
    if (has_min) put_half(d, 16 + (size_t)row, s->d_min);
    for (int i = 0; i < s->n; i++) {
        unsigned char *at = sub + (size_t)i * (s->n == 8 && has_min ? 32 : 16) + row;
        at[0] = (unsigned char)s->scale[i];
        if (has_min && s->n == 8) at[16] = s->min[i];
        if (has_min && s->n == 16) {
            at[0] = (unsigned char)(s->scale[i] | s->min[i] << 4);
        }
    }
}

/* The scales of blocks at `at` of all rows, of columns from k on. */
static void pack_scales(const hone_panel_layout *l, unsigned char *dst, hone_dtype t,
                        const source *s, size_t at, size_t k)
{
    const plane_sizes *p = &sizes[t];
    hone_scales_fn *second = hone_scales_get(t);
    unsigned char *d = dst + l->d + k / p->d_per * p->d;
    for (int r = 0; r < s->n_row; r++) {
        const unsigned char *block = s->row[r] + at;
        if (second) {
            hone_scales scales;
            second(&scales, block);
            put_scales(dst + l->sub + k / 32 * p->sub, d, &scales, p->d == 64, r);
        } else if (t == HONE_Q8_K) {
            memcpy(d + 4 * r, block, 4);
        } else if (t == HONE_MXFP4) {
            d[r] = block[0];
        } else {
            memcpy(d + 2 * r, block + p->d_at, 2);
            if (p->d == 64) memcpy(d + 32 + 2 * r, block + p->d_at + 2, 2);
        }
    }
}

void hone_panel_pack(unsigned char *dst, const hone_matrix *w, int panel)
{
    hone_panel_layout l;
    const size_t K = (size_t)w->n_col;
    const hone_dtype_info *info = hone_dtype_get(w->dtype);
    const bool fits = hone_panel_layout_init(&l, w->dtype, K);
    HONE_ASSERT(fits && (uintptr_t)dst % HONE_CACHE_LINE == 0);
    const source s = rows_of(w, panel);
    if (!hone_dtype_is_quantized(w->dtype)) {
        pack_float(dst, w, &s);
        return;
    }
    if (s.n_row < ROWS) memset(dst, 0, l.bytes);
    size_t at = 0;
    for (size_t k = 0; k < K; k += SPAN) {
        const size_t n = K - k < SPAN ? K - k : SPAN;
        pack_codes(&l, dst, w->dtype, &s, at, k, n);
        for (size_t i = 0; i < n; i += info->block, at += info->bytes) {
            pack_scales(&l, dst, w->dtype, &s, at, k + i);
        }
    }
}
