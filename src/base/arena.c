#include "base/arena.h"

#include <stdint.h>

#include "base/mem.h"

enum {
    ALIGN = 16,
    CHUNK = 64 * 1024 /* bytes of an ordinary chunk */
};

struct hone_arena_chunk {
    hone_arena_chunk *older;
    size_t used, cap;
    _Alignas(ALIGN) unsigned char data[];
};

void hone_arena_init(hone_arena *a, size_t max)
{
    *a = (hone_arena){.max = max};
}

void hone_arena_release(hone_arena *a)
{
    while (a->chunk) {
        hone_arena_chunk *older = a->chunk->older;
        hone_free(a->chunk);
        a->chunk = older;
    }
    a->used = 0;
}

void *hone_arena_push(hone_arena *a, size_t size)
{
    if (size > a->max - a->used || size > SIZE_MAX / 2) return NULL;
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (!a->chunk || size > a->chunk->cap - a->chunk->used) {
        const size_t cap = size > CHUNK ? size : CHUNK;
        hone_arena_chunk *c = hone_alloc(1, sizeof *c + cap);
        if (!c) return NULL;
        *c = (hone_arena_chunk){.older = a->chunk, .cap = cap};
        a->chunk = c;
    }
    void *p = a->chunk->data + a->chunk->used;
    a->chunk->used += size;
    /* rounding may pass the maximum by less than one alignment */
    a->used = size < a->max - a->used ? a->used + size : a->max;
    return p;
}
