/* arena.h - memory with one common lifetime, in growing chunks up to a maximum.
 *
 *     hone_arena a;
 *     hone_arena_init(&a, 1 << 20);
 *     char *p = hone_arena_push(&a, 100);     (NULL: maximum reached or out of memory)
 *     hone_arena_release(&a);
 *
 * Not thread safe; each arena has one owner. */
#ifndef HONE_BASE_ARENA_H
#define HONE_BASE_ARENA_H

#include <stddef.h>

typedef struct hone_arena_chunk hone_arena_chunk;

typedef struct hone_arena {
    hone_arena_chunk *chunk; /* the newest, linked to older ones */
    size_t used;             /* bytes handed out so far */
    size_t max;
} hone_arena;

void hone_arena_init(hone_arena *a, size_t max);
void hone_arena_release(hone_arena *a);

/* `size` bytes aligned for any type, contents undefined; NULL past the maximum. */
void *hone_arena_push(hone_arena *a, size_t size);

#endif
