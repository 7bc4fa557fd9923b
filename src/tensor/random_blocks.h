/* random_blocks.h - random weights in any format that weights come in.
 *
 *     hone_random_blocks g;
 *     hone_random_blocks_init(&g, HONE_Q4_K, 0.02f);
 *     hone_random_blocks_fill(&g, dst, n, &rng);
 *
 * Blocks are drawn directly, bits and scales, and not quantized from numbers: fast, and
 * every block is one that the format allows.  Decoded, elements have mean 0 and the given
 * deviation; float formats are near normal, the others as even as their levels.
 *
 * Immutable once made; the generator of random numbers is the caller's. */
#ifndef HONE_TENSOR_RANDOM_BLOCKS_H
#define HONE_TENSOR_RANDOM_BLOCKS_H

#include "base/rng.h"
#include "tensor/dtype.h"

#define HONE_RANDOM_LEVELS (4 * 255 + 1)

typedef struct hone_random_blocks {
    hone_dtype dtype;
    float scale;                        /* of a block */
    unsigned exponent;                  /* MXFP4: the lower of the two in use */
    uint32_t upper;                     /* MXFP4: of 2^32 blocks, with the upper one */
    uint32_t level[HONE_RANDOM_LEVELS]; /* float formats: bits by sum of four bytes */
} hone_random_blocks;

/* Float formats and blocks: what a weight matrix may be stored in. */
bool hone_random_blocks_has(hone_dtype t);

/* Sets *g for a type that has() knows and a deviation above 0. */
void hone_random_blocks_init(hone_random_blocks *g, hone_dtype t, float deviation);

/* n elements, whole blocks. */
void hone_random_blocks_fill(const hone_random_blocks *g, void *dst, size_t n,
                             hone_rng *rng);

#endif
