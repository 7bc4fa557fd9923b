#include "base/rng.h"

#include <sys/random.h>

#include "base/clock.h"

#define PCG_INCREMENT 1442695040888963407u

uint32_t hone_rng_u32(hone_rng *r)
{
    const uint64_t s = r->state;
    r->state = s * 6364136223846793005u + PCG_INCREMENT;
    const uint32_t x = (uint32_t)((s >> 18 ^ s) >> 27);
    const unsigned rot = (unsigned)(s >> 59);
    return x >> rot | x << (-rot & 31);
}

void hone_rng_init(hone_rng *r, uint64_t seed)
{
    r->state = 0;
    (void)hone_rng_u32(r);
    r->state += seed;
    (void)hone_rng_u32(r);
}

double hone_rng_f64(hone_rng *r)
{
    const uint64_t hi = hone_rng_u32(r), lo = hone_rng_u32(r);
    return (double)((hi << 32 | lo) >> 11) * 0x1p-53;
}

uint64_t hone_random_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed)
        return seed;
    return (uint64_t)hone_clock_ns() * 0x9E3779B97F4A7C15u ^ (uint64_t)(uintptr_t)&seed;
}
