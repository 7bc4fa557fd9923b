/* mem.h - allocation with checked sizes.
 *
 * NULL means the memory is not there or count * size overflows; callers turn it
 * into HONE_E_NOMEM.  A request for zero bytes returns a block that can be freed.
 * Threads: any. */
#ifndef HONE_BASE_MEM_H
#define HONE_BASE_MEM_H

#include <stddef.h>

#define HONE_CACHE_LINE 64

void *hone_alloc(size_t count, size_t size);      /* contents undefined */
void *hone_alloc_zero(size_t count, size_t size); /* zeroed */

/* As realloc: on NULL the old block is untouched. */
void *hone_realloc(void *p, size_t count, size_t size);

/* HONE_CACHE_LINE aligned, contents undefined; release with hone_free. */
void *hone_alloc_aligned(size_t count, size_t size);

char *hone_strdup(const char *s);
/* Copy of len bytes with a terminator added; s may hold NULs. */
char *hone_strndup(const char *s, size_t len);

void hone_free(void *p); /* NULL is fine */

/* Make room for at least `need` elements in a growing array, doubling.
 * *items and *cap are updated on success.  Returns 0, or -1 when out of memory. */
int hone_grow(void **items, size_t *cap, size_t need, size_t size);

#endif
