/* sum.h - a 64-bit sum of bytes, against accidents and not against attackers.
 *
 * FNV-1a over 64-bit words with one more mixing step.  Source: Fowler, Noll, Vo, "The FNV
 * Non-Cryptographic Hash Algorithm" (draft-eastlake-fnv).  Depends on the byte order of
 * the machine.  Threads: any. */
#ifndef HONE_BASE_SUM_H
#define HONE_BASE_SUM_H

#include <stddef.h>
#include <stdint.h>

#define HONE_SUM_START 0xcbf29ce484222325u

/* The sum goes on over n more bytes; a part that is no multiple of 8 counts as filled with
 * zeros. */
uint64_t hone_sum64(uint64_t sum, const void *data, size_t n);

#endif
