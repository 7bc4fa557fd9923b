/* dtype.h - element types and block formats: what one weight is made of.
 *
 * A block format stores `block` consecutive elements of a row in `bytes` bytes; rows
 * are whole blocks.  The layouts are drawn in blocks.h, decoded by dequant.c.
 * Format: ggml docs/gguf.md (type ids) and ggml-common.h (layouts). */
#ifndef HONE_TENSOR_DTYPE_H
#define HONE_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, GGUF type id, elements a block, bytes a block) */
#define HONE_DTYPE_LIST(X)                                                             \
    X(F32, 0, 1, 4)                                                                    \
    X(F16, 1, 1, 2)                                                                    \
    X(Q4_0, 2, 32, 18)                                                                 \
    X(Q4_1, 3, 32, 20)                                                                 \
    X(Q5_0, 6, 32, 22)                                                                 \
    X(Q5_1, 7, 32, 24)                                                                 \
    X(Q8_0, 8, 32, 34)                                                                 \
    X(Q2_K, 10, 256, 84)                                                               \
    X(Q3_K, 11, 256, 110)                                                              \
    X(Q4_K, 12, 256, 144)                                                              \
    X(Q5_K, 13, 256, 176)                                                              \
    X(Q6_K, 14, 256, 210)                                                              \
    X(Q8_K, 15, 256, 292)                                                              \
    X(IQ4_NL, 20, 32, 18)                                                              \
    X(IQ4_XS, 23, 256, 136)                                                            \
    X(I8, 24, 1, 1)                                                                    \
    X(I16, 25, 1, 2)                                                                   \
    X(I32, 26, 1, 4)                                                                   \
    X(I64, 27, 1, 8)                                                                   \
    X(F64, 28, 1, 8)                                                                   \
    X(BF16, 30, 1, 2)                                                                  \
    X(TQ1_0, 34, 256, 54)                                                              \
    X(TQ2_0, 35, 256, 66)                                                              \
    X(MXFP4, 39, 32, 17)

typedef enum hone_dtype {
#define X(name, id, block, bytes) HONE_##name,
    HONE_DTYPE_LIST(X)
#undef X
    HONE_N_DTYPE
} hone_dtype;

typedef struct hone_dtype_info {
    const char *name; /* "Q4_K" */
    uint32_t gguf_id;
    uint32_t block; /* elements, >= 1 */
    uint32_t bytes; /* of one block */
} hone_dtype_info;

/* `t` must be below HONE_N_DTYPE.  Immutable, any thread. */
const hone_dtype_info *hone_dtype_get(hone_dtype t);

/* False when the id is not one of the list; GGUF's type ids. */
bool hone_dtype_from_gguf(uint32_t id, hone_dtype *out);

/* By name, case ignored ("q8_0", "BF16"). */
bool hone_dtype_from_name(const char *name, hone_dtype *out);

/* A block of integers with scales: not F32, F16, BF16, F64 or plain integers. */
bool hone_dtype_is_quantized(hone_dtype t);

/* Bytes of a row of n elements; false when n is not whole blocks or overflows. */
bool hone_dtype_row_bytes(hone_dtype t, size_t n, size_t *bytes);

#endif
