/* amx_tiles.h - private to the AMX tier: what its two files share.
 *
 * A tile register holds 16 rows of 64 bytes.  Products take T activation rows as left
 * operand (rows of a stripe as they lie) and one panel as right operand (whose groups
 * of four bytes or pairs of BF16 are already what the unit wants), and leave a tile of
 * 16 activation rows by 16 weight rows.
 * Source: Intel SDM vol. 1, ch. 18 (tiles), vol. 2 (TDPBSSD, TDPBF16PS). */
#ifndef HONE_KERNEL_X86_AMX_TILES_H
#define HONE_KERNEL_X86_AMX_TILES_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

/* Configure and zero all tiles for this thread: 0 .. 3 results of 16 rows, 4 and 5
 * activations of x_bytes a row, 6 and 7 weights of w_rows rows.  _tile_release() ends it:
 * a thread that sleeps with tiles in use makes the system save 8 KB. */
static inline void amx_begin(int x_bytes, int w_rows)
{
    struct {
        uint8_t palette, start_row, zero[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config;
    memset(&config, 0, sizeof config);
    config.palette = 1;
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = (uint16_t)(i == 4 || i == 5 ? x_bytes : 64);
        config.rows[i] = (uint8_t)(i >= 6 ? w_rows : 16);
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
}

/* GCC 12's intrinsics do not say that they read memory, so stores before them may come
 * too late; these do.  r is a number of a register. */
#define AMX_LOAD(r, from, stride)                                                      \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #r                                   \
                     :                                                                 \
                     : "r"(from), "r"((size_t)(stride))                                \
                     : "memory")
#define AMX_STORE(r, to) _tile_stored(r, to, 64)

#endif
