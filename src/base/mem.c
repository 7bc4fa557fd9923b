#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

void *hone_alloc(size_t count, size_t size)
{
    size_t n;
    if (!hone_mul_size(count, size, &n)) return NULL;
    return malloc(n ? n : 1);
}

void *hone_alloc_zero(size_t count, size_t size)
{
    if (count == 0 || size == 0) return calloc(1, 1);
    return calloc(count, size);
}

void *hone_realloc(void *p, size_t count, size_t size)
{
    size_t n;
    if (!hone_mul_size(count, size, &n)) return NULL;
    return realloc(p, n ? n : 1);
}

void *hone_alloc_aligned(size_t count, size_t size)
{
    size_t n;
    if (!hone_mul_size(count, size, &n)) return NULL;
    if (!hone_align_size(n ? n : 1, HONE_CACHE_LINE, &n)) return NULL;
    return aligned_alloc(HONE_CACHE_LINE, n);
}

char *hone_strndup(const char *s, size_t len)
{
    size_t n;
    if (!hone_add_size(len, 1, &n)) return NULL;
    char *copy = malloc(n);
    if (!copy) return NULL;
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *hone_strdup(const char *s)
{
    return hone_strndup(s, strlen(s));
}

void hone_free(void *p)
{
    free(p);
}

int hone_grow(void **items, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap) return 0;
    size_t want = *cap ? *cap : 8;
    while (want < need) {
        if (!hone_mul_size(want, 2, &want)) return -1;
    }
    void *p = hone_realloc(*items, want, size);
    if (!p) return -1;
    *items = p;
    *cap = want;
    return 0;
}
