/* pack_file.h - a block of packed weights on disk, so that the next start maps it.
 *
 *     the block, as kernels read it       (at 0, so that huge pages can hold it)
 *     8 bytes   "HONEPAK1"
 *     8         key: what the block is made of
 *     8         bytes of the block
 *     8         sum over the block
 *     8         sum over the four before
 *
 * Numbers are those of the machine; a file from another one has another sum.
 *
 * Threads: one at a time; several processes may write the same path, one of them wins. */
#ifndef HONE_PROGRAM_PACK_FILE_H
#define HONE_PROGRAM_PACK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct hone_pack_file {
    unsigned char *block; /* mapped, read-only; NULL when released */
    size_t bytes;         /* of the block */
    uint64_t sum;         /* that the block should have */
} hone_pack_file;

/* Map the block; its sum is the caller's to check.  E_NOT_FOUND no such file, E_FORMAT
 * another key, cut short or damaged, E_IO. */
HONE_MUST_CHECK hone_status hone_pack_file_map(hone_pack_file *f, const char *path,
                                               uint64_t key, size_t bytes,
                                               hone_error *err);
/* Whether most of the mapping would be in huge pages; touches some places. */
bool hone_pack_file_in_huge_pages(const hone_pack_file *f);
void hone_pack_file_release(hone_pack_file *f); /* zeroed is fine */

/* Write the file whole or not at all, in place of an old one. */
HONE_MUST_CHECK hone_status hone_pack_file_write(const char *path, uint64_t key,
                                                 const void *block, size_t bytes,
                                                 uint64_t sum, hone_error *err);

/* Sum of one part of a block; the block's is the sum of its parts', which makes it
 * independent of who adds which when.  number tells parts apart. */
uint64_t hone_pack_file_sum(const void *part, size_t bytes, uint64_t number);

#endif
