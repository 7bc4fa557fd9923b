/* panel.h - weights rearranged for the fast linear kernels: 16 rows side by side.
 *
 * A vector of 64 bytes holds four consecutive columns ("group") of 16 rows, so that
 * a product sums along a row inside each 32-bit lane, and 16 results come out together
 * without a horizontal sum.  A panel keeps the bits of the file's blocks and
 * changes their order; nothing is rounded.
 *
 * Quantized types: for each 32 columns a "sub-block".  A panel is up to four planes,
 * each sequential in the columns and starting on a cache line:
 *
 *   code  4-bit types: 4 vectors; vector j holds group j in the low nibbles and
 *           group j+4 in the high ones                              256 bytes
 *         2-bit and 3-bit types: 2 vectors; vector v holds groups 4v .. 4v+3, two
 *           bits each, the lowest first                             128 bytes
 *         8-bit types: 8 vectors of signed bytes                    512 bytes
 *   high  5-bit and 3-bit types: 1 vector; bit j of a byte is the code's next bit
 *           in group j                                               64 bytes
 *         6-bit types: 2 vectors, two bits a code as in 2-bit types 128 bytes
 *   sub   types with two levels of scales: 16 bytes of scales for each 32 or
 *           2 x 16 for each 16 columns, then 16 bytes of minimums; Q2_K: 2 x 16
 *           bytes of scale | minimum << 4
 *   d     16 halves (Q8_K: floats; MXFP4: exponent bytes), then 16 halves of minimums
 *           where the type has them; once for each 32 or 256 columns
 *
 * F32 and F16: column after column, 16 rows each.  BF16: pairs of columns, [K/2][16][2].
 * An odd last column is followed by one of zeros.
 *
 * Rows past the matrix are zeros.  Bits a weight stay the file's, plus 1/8 for types
 * with 6-bit scales, which take a byte here; TQ1_0 takes the two bits of TQ2_0. */
#ifndef HONE_KERNEL_PANEL_H
#define HONE_KERNEL_PANEL_H

#include "kernel/kernel.h"

#define HONE_PANEL_ROWS    16
#define HONE_PANEL_VERSION 1 /* goes up when any byte of a panel changes its meaning */

/* Byte offsets from the start of a panel. */
typedef struct hone_panel_layout {
    size_t code, high, sub, d;
    size_t bytes; /* of a panel: a multiple of 64 */
} hone_panel_layout;

/* Layout of panels of K columns; K is whole blocks of the type.  False when sizes
 * overflow or the type has no panels (integers, F64). */
bool hone_panel_layout_init(hone_panel_layout *l, hone_dtype type, size_t K);

/* Write panel `panel`, rows 16*panel .. +15 of w, whose rows are as in the file.  dst
 * is 64-byte aligned. */
void hone_panel_pack(unsigned char *dst, const hone_matrix *w, int panel);

/* The planes of one panel, for kernels. */
typedef struct hone_planes {
    const unsigned char *code, *high, *sub, *d;
} hone_planes;

static inline hone_planes hone_panel_planes(const hone_matrix *w,
                                            const hone_panel_layout *l, int panel)
{
    const unsigned char *p = w->data + (size_t)panel * w->row_bytes;
    return (hone_planes){p + l->code, p + l->high, p + l->sub, p + l->d};
}

#endif
