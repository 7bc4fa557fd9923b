/* dequant.h - reference decoding of every dtype to f32, and half formats both ways.
 *
 * This is the specification of the block formats: short loops, no tricks.  Kernels
 * are tested against it. */
#ifndef HONE_TENSOR_DEQUANT_H
#define HONE_TENSOR_DEQUANT_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

/* dst[0..n) = the n elements whose bytes start at src (any alignment, little-endian).
 * n is a multiple of the dtype's block.  F64 and integers are converted with rounding
 * to nearest.  Exact: each value is computed as the format defines it, in f32. */
void hone_dequantize(float *dst, const void *src, hone_dtype t, size_t n);

float hone_f16_to_f32(uint16_t h);
uint16_t hone_f32_to_f16(float f); /* round to nearest even; NaN stays NaN */
float hone_bf16_to_f32(uint16_t h);
uint16_t hone_f32_to_bf16(float f); /* round to nearest even; NaN stays NaN */

#endif
