/* size.h - checked arithmetic for every size that comes from outside. */
#ifndef HONE_BASE_SIZE_H
#define HONE_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True and *out set if the result fits; false leaves *out undefined. */
static inline bool hone_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool hone_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* Smallest multiple of `align` (a power of two) that is >= n, if it fits. */
static inline bool hone_align_size(size_t n, size_t align, size_t *out)
{
    if (!hone_add_size(n, align - 1, out)) return false;
    *out &= ~(align - 1);
    return true;
}

#endif
