#include "engine/kv_pool.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/size.h"

struct hone_kv_pool {
    unsigned char *base;
    size_t page_bytes, n_page;
    uint32_t *n_ref; /* [n_page] */
    bool *cached;    /* [n_page] */
    size_t n_idle;   /* cached pages with one reference */
    uint32_t *free;  /* [n_free] page numbers, the last first */
    size_t n_free;
    size_t n_touched; /* pages that were ever in use: 0 .. n_touched-1 */
};

hone_status hone_kv_pool_new(hone_kv_pool **out, size_t page_bytes,
                             uint64_t budget_bytes, hone_error *err)
{
    const uint64_t n = budget_bytes / page_bytes;
    size_t bytes;
    if (n == 0) {
        return hone_fail(
            err, HONE_E_LIMIT,
            "kv cache: expected at least one page of %zu bytes, found %llu", page_bytes,
            (unsigned long long)budget_bytes);
    }
    if (n > UINT32_MAX / 2 || !hone_mul_size((size_t)n, page_bytes, &bytes)) {
        return hone_fail(err, HONE_E_LIMIT, "kv cache: %llu bytes are too many",
                         (unsigned long long)budget_bytes);
    }
    hone_kv_pool *p = hone_alloc_zero(1, sizeof *p);
    if (!p) return hone_fail(err, HONE_E_NOMEM, "kv cache: out of memory");
    p->page_bytes = page_bytes;
    p->n_page = (size_t)n;
    p->n_ref = hone_alloc_zero(p->n_page, sizeof *p->n_ref);
    p->cached = hone_alloc_zero(p->n_page, sizeof *p->cached);
    p->free = hone_alloc(p->n_page, sizeof *p->free);
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const int e = errno;
    if (base != MAP_FAILED) {
        p->base = base;
        madvise(base, bytes, MADV_HUGEPAGE); /* a hint: fewer misses of the TLB */
    }
    if (!p->n_ref || !p->cached || !p->free || !p->base) {
        hone_kv_pool_free(p);
        return hone_fail(err, HONE_E_NOMEM, "kv cache: cannot get %zu bytes: %s", bytes,
                         strerror(e));
    }
    *out = p;
    return HONE_OK;
}

void hone_kv_pool_free(hone_kv_pool *p)
{
    if (!p) return;
    if (p->base) munmap(p->base, p->n_page * p->page_bytes);
    hone_free(p->n_ref);
    hone_free(p->cached);
    hone_free(p->free);
    hone_free(p);
}

void *hone_kv_pool_acquire(hone_kv_pool *p)
{
    size_t i;
    if (p->n_free > 0)
        i = p->free[--p->n_free];
    else if (p->n_touched < p->n_page)
        i = p->n_touched++;
    else
        return NULL;
    p->n_ref[i] = 1;
    return p->base + i * p->page_bytes;
}

static size_t index_of(const hone_kv_pool *p, const void *page)
{
    const size_t offset = (size_t)((const unsigned char *)page - p->base);
    HONE_ASSERT(offset % p->page_bytes == 0 && offset / p->page_bytes < p->n_touched);
    return offset / p->page_bytes;
}

void hone_kv_pool_ref(hone_kv_pool *p, void *page)
{
    const size_t i = index_of(p, page);
    HONE_ASSERT(p->n_ref[i] > 0);
    if (p->cached[i] && p->n_ref[i] == 1) p->n_idle--;
    p->n_ref[i]++;
}

void hone_kv_pool_unref(hone_kv_pool *p, void *page)
{
    const size_t i = index_of(p, page);
    HONE_ASSERT(p->n_ref[i] > 0);
    p->n_ref[i]--;
    if (p->cached[i] && p->n_ref[i] == 1) p->n_idle++;
    if (p->n_ref[i] == 0) p->free[p->n_free++] = (uint32_t)i;
}

uint32_t hone_kv_pool_n_ref(const hone_kv_pool *p, const void *page)
{
    return p->n_ref[index_of(p, page)];
}

void hone_kv_pool_set_cached(hone_kv_pool *p, const void *page, bool cached)
{
    const size_t i = index_of(p, page);
    HONE_ASSERT(p->cached[i] != cached && p->n_ref[i] > 0);
    p->cached[i] = cached;
    if (p->n_ref[i] > 1) return;
    if (cached)
        p->n_idle++;
    else
        p->n_idle--;
}

bool hone_kv_pool_is_cached(const hone_kv_pool *p, const void *page)
{
    return p->cached[index_of(p, page)];
}

size_t hone_kv_pool_n_idle(const hone_kv_pool *p)
{
    return p->n_idle;
}

size_t hone_kv_pool_n_page(const hone_kv_pool *p)
{
    return p->n_page;
}

size_t hone_kv_pool_n_free(const hone_kv_pool *p)
{
    return p->n_free + p->n_page - p->n_touched;
}
