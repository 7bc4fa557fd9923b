/* kv_page.h - how the keys and values of one K/V head lie in a page.
 *
 * Keys are transposed, element by element, so that a vector of scores comes out of
 * neighbouring positions; values are rows.  With d the width of the head and `stride`
 * hone_page_stride(page_len):
 *
 *   F32, F16, BF16   keys    element i of the position in slot s: number i * stride + s
 *                    values  element i of slot s: number s * d + i
 *   Q8_0, Q4_0       scales  halves, that of block b of slot s: number b * stride + s
 *                    codes   behind them, C bytes a position:
 *                    keys    byte c of slot s: number c * stride + s
 *                    values  byte c of slot s: number s * C + c
 *
 * Blocks are 32 elements of a position, the last one may be shorter.  Q8_0: C = d, element
 * i is scale * (signed byte i).  Q4_0: a block of w elements has min(w, 16) bytes, byte c
 * of a block holds its element c in the low nibble, 16 + c in the high one if there is
 * such an element, and an element is scale * (nibble - 8).  No two positions share a
 * byte: threads write neighbours at once.
 *
 * Rounding is that of GGUF's blocks: Q8_0 scale = max |x| / 127, code = x / scale to
 * nearest, halves away from zero; Q4_0 scale = x of largest magnitude / -8, code =
 * x / scale + 8.5 cut to an integer, at most 15; the scale is then stored as a half.
 * |x - stored| <= 0.57 * scale for Q8_0, and <= 1.01 * |scale| for Q4_0, for finite x
 * whose scale is a normal half.
 *
 * Threads: pure functions. */
#ifndef HONE_KERNEL_KV_PAGE_H
#define HONE_KERNEL_KV_PAGE_H

#include "base/mem.h"
#include "kernel/kernel.h"

enum {
    HONE_KV_BLOCK = 32
};

/* Whether keys and values may be kept as t. */
static inline bool hone_kv_type(hone_dtype t)
{
    return t == HONE_F32 || t == HONE_F16 || t == HONE_BF16 || t == HONE_Q8_0 ||
           t == HONE_Q4_0;
}

/* Scales of a position; 0 where there are none. */
static inline int hone_kv_scales(hone_dtype t, int d)
{
    return hone_dtype_is_quantized(t) ? (d + HONE_KV_BLOCK - 1) / HONE_KV_BLOCK : 0;
}

/* Bytes of a position besides its scales. */
static inline int hone_kv_codes(hone_dtype t, int d)
{
    const int half = HONE_KV_BLOCK / 2, rest = d % HONE_KV_BLOCK;
    if (t == HONE_Q8_0) return d;
    if (t == HONE_Q4_0) return d / HONE_KV_BLOCK * half + (rest < half ? rest : half);
    return d * (t == HONE_F32 ? 4 : 2);
}

/* Bytes of the scales in front of the codes of a head; a multiple of 32. */
static inline size_t hone_kv_scale_bytes(hone_dtype t, int d, int page_len)
{
    return sizeof(uint16_t) * (size_t)hone_kv_scales(t, d) *
           (size_t)hone_page_stride(page_len);
}

/* Bytes of a head's keys, and of its values, in a page; multiples of HONE_CACHE_LINE.
 * They fit for d below 2^20. */
static inline size_t hone_kv_key_bytes(hone_dtype t, int d, int page_len)
{
    const size_t codes =
        (size_t)hone_kv_codes(t, d) * (size_t)hone_page_stride(page_len);
    const size_t line = HONE_CACHE_LINE;
    return (hone_kv_scale_bytes(t, d, page_len) + codes + line - 1) / line * line;
}

static inline size_t hone_kv_value_bytes(hone_dtype t, int d, int page_len)
{
    const size_t codes = (size_t)hone_kv_codes(t, d) * (size_t)page_len;
    const size_t line = HONE_CACHE_LINE;
    return (hone_kv_scale_bytes(t, d, page_len) + codes + line - 1) / line * line;
}

/* Store x [d] as the key, or the value, of `slot`; `keys` and `values` are where those
 * of the head begin.  The narrowing is k's; quantized types are the same bits in every
 * tier. */
void hone_kv_put_key(const hone_kernels *k, void *keys, hone_dtype t, int page_len,
                     int slot, const float *x, int d);
void hone_kv_put_value(const hone_kernels *k, void *values, hone_dtype t, int page_len,
                       int slot, const float *x, int d);

#endif
