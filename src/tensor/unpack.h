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

#endif
