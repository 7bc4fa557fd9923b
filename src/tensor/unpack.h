/* unpack.h - block formats as small integers with scales.
 *
 * Every quantized dtype is, for each 16 consecutive elements,
 *
 *     value = scale * q + offset,   q a signed byte
 *
 * This is the one place that knows how the bits of a block become q: dequant.c and the
 * kernels build on it. */
#ifndef HONE_TENSOR_UNPACK_H
#define HONE_TENSOR_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

#define HONE_UNPACK_MAX 256 /* elements: the largest block */
#define HONE_UNPACK_SUB 16  /* elements that share scale and offset */

typedef struct hone_unpacked {
    _Alignas(64) int8_t q[HONE_UNPACK_MAX];
    float scale[HONE_UNPACK_MAX / HONE_UNPACK_SUB];
    float offset[HONE_UNPACK_MAX / HONE_UNPACK_SUB];
} hone_unpacked;

/* Unpack one block (hone_dtype_get(t)->block elements) from src, any alignment, into
 * elements at .. of *u and their scales; at is a multiple of the block. */
typedef void hone_unpack_fn(hone_unpacked *u, size_t at, const unsigned char *src);

/* The function of a quantized dtype; NULL for the others. */
hone_unpack_fn *hone_unpack_get(hone_dtype t);

/* The two levels of scales of a 256-element block, where there are two:
 *
 *     scale = d * scale[s],  offset = -(d_min * min[s])
 *
 * for sub-block s of 256 / n elements.  Both products are exact in f32. */
typedef struct hone_scales {
    uint16_t d, d_min; /* halves as stored; d_min 0 where there is none */
    int n;             /* sub-blocks: 8 or 16 */
    int8_t scale[HONE_UNPACK_MAX / HONE_UNPACK_SUB];
    uint8_t min[HONE_UNPACK_MAX / HONE_UNPACK_SUB]; /* 0 where there is none */
} hone_scales;

typedef void hone_scales_fn(hone_scales *s, const unsigned char *block);

/* The function of Q2_K, Q3_K, Q4_K, Q5_K, Q6_K and IQ4_XS; NULL for the others. */
hone_scales_fn *hone_scales_get(hone_dtype t);

/* The sixteen levels that 4-bit codes of IQ4_NL and IQ4_XS, or of MXFP4 (doubled, so
 * that they are whole numbers), stand for. */
extern const int8_t hone_iq4_levels[16], hone_mxfp4_levels[16];

#endif
