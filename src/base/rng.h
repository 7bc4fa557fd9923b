/* rng.h - reproducible random numbers for sampling, and a seed from the system.
 *
 * PCG32 (64-bit state, 32-bit output): the same seed gives the same numbers on
 * every machine.  Source: O'Neill 2014, "PCG: A Family of Simple Fast Space-Efficient
 * Statistically Good Algorithms for Random Number Generation", sec. 6.3 (XSH-RR).
 * Not for secrets.  Each hone_rng is owned by one thread. */
#ifndef HONE_BASE_RNG_H
#define HONE_BASE_RNG_H

#include <stdint.h>

typedef struct hone_rng {
    uint64_t state;
} hone_rng;

void hone_rng_init(hone_rng *r, uint64_t seed);
uint32_t hone_rng_u32(hone_rng *r);
double hone_rng_f64(hone_rng *r); /* uniform in [0, 1), 53 bits */

/* From the system's entropy, or from clock and address where there is none. */
uint64_t hone_random_seed(void);

#endif
