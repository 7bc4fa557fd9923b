/* tensor.h - a named array inside a file: where its bytes are and what they mean.
 *
 * Shapes are [rows, columns] with the last dimension contiguous, as in PyTorch;
 * GGUF stores the reverse and its reader turns them round. */
#ifndef HONE_TENSOR_TENSOR_H
#define HONE_TENSOR_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

#define HONE_MAX_DIMS 4

typedef struct hone_tensor {
    const char *name; /* NUL-terminated; borrowed from the file's reader */
    hone_dtype dtype;
    int n_dims;                    /* 0 (a scalar) to HONE_MAX_DIMS */
    uint64_t shape[HONE_MAX_DIMS]; /* unused dimensions are 1 */
    const unsigned char *data;     /* borrowed from the mapping, any alignment */
    size_t bytes;                  /* checked to lie inside the file */
} hone_tensor;

/* Product of the shape; readers have checked that it fits. */
static inline uint64_t hone_tensor_len(const hone_tensor *t)
{
    return t->shape[0] * t->shape[1] * t->shape[2] * t->shape[3];
}

#endif
