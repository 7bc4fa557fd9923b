#include "base/sum.h"

#include <string.h>

uint64_t hone_sum64(uint64_t sum, const void *data, size_t n)
{
    const unsigned char *p = data;
    while (n > 0) {
        uint64_t word = 0;
        const size_t k = n < sizeof word ? n : sizeof word;
        memcpy(&word, p, k);
        sum = (sum ^ word) * 0x100000001b3u;
        sum ^= sum >> 29; /* words are wider than the prime spreads */
        p += k;
        n -= k;
    }
    return sum;
}
