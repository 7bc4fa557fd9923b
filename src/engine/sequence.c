/* sequence.c - a timeline of tokens and the pages that hold its keys and values. */
#include <string.h>

#include "base/mem.h"
#include "engine/engine_internal.h"

hone_status hone_sequence_new(hone_sequence **out, hone_engine *e, hone_error *err)
{
    hone_sequence *s = hone_alloc_zero(1, sizeof *s);
    if (!s) return hone_fail(err, HONE_E_NOMEM, "sequence: out of memory");
    s->engine = e;
    *out = s;
    return HONE_OK;
}

void hone_sequence_free(hone_sequence *s)
{
    if (!s) return;
    hone_sequence_publish(s, true);
    hone_sequence_truncate(s, 0);
    hone_engine_adapter_release(s->engine, s->adapter);
    hone_free(s->page);
    hone_tokens_release(&s->tokens);
    hone_free(s);
}

void hone_sequence_set_adapter(hone_sequence *s, hone_adapter *a)
{
    HONE_ASSERT(s->tokens.len == 0);
    hone_adapter_acquire(a);
    hone_engine_adapter_release(s->engine, s->adapter);
    s->adapter = a;
}

hone_adapter *hone_sequence_adapter(const hone_sequence *s)
{
    return s->adapter;
}

hone_engine *hone_sequence_engine(const hone_sequence *s)
{
    return s->engine;
}

const int32_t *hone_sequence_tokens(const hone_sequence *s, size_t *n)
{
    *n = s->tokens.len;
    return s->tokens.id;
}

/* -- pages ------------------------------------------------------------------------ */

static size_t page_len(const hone_sequence *s)
{
    return (size_t)s->engine->options.page_len;
}

void hone_sequence_trim(hone_sequence *s)
{
    const size_t keep = (s->tokens.len + page_len(s) - 1) / page_len(s);
    while (s->n_page > keep) {
        hone_kv_pool_unref(s->engine->kv, s->page[--s->n_page]);
    }
}

void hone_sequence_truncate(hone_sequence *s, size_t n)
{
    s->in_step = 0;
    if (n < s->tokens.len) s->tokens.len = n;
    while (s->n_cached > s->tokens.len / page_len(s)) {
        s->node = hone_prefix_parent(s->node);
        s->n_cached--;
    }
    hone_sequence_trim(s);
}

/* Room in the lists for n tokens in all. */
static hone_status grow(hone_sequence *s, size_t n, hone_error *err)
{
    const size_t pages = (n + page_len(s) - 1) / page_len(s);
    if (hone_grow((void **)&s->page, &s->page_cap, pages, sizeof *s->page) ||
        hone_grow((void **)&s->tokens.id, &s->tokens.cap, n, sizeof *s->tokens.id)) {
        return hone_fail(err, HONE_E_NOMEM, "sequence: out of memory");
    }
    return HONE_OK;
}

/* The page that is written next, if it has tokens already, must not be seen by others. */
static bool own_last_page(hone_sequence *s)
{
    hone_engine *e = s->engine;
    const size_t i = s->tokens.len / page_len(s);
    if (s->tokens.len % page_len(s) == 0) return true;
    if (hone_kv_pool_n_ref(e->kv, s->page[i]) == 1) return true;
    void *copy = hone_engine_acquire_page(e);
    if (!copy) return false;
    memcpy(copy, s->page[i], e->layout.page_bytes);
    hone_kv_pool_unref(e->kv, s->page[i]);
    s->page[i] = copy;
    return true;
}

hone_status hone_sequence_reserve(hone_sequence *s, size_t n, hone_error *err)
{
    hone_engine *e = s->engine;
    const size_t n_ctx = (size_t)e->options.n_ctx;
    if (n > n_ctx - s->tokens.len) {
        return hone_fail(err, HONE_E_LIMIT,
                         "context length: expected at most %zu tokens, found %zu",
                         n_ctx, s->tokens.len + n);
    }
    const size_t all = s->tokens.len + n;
    const size_t need = (all + page_len(s) - 1) / page_len(s);
    HONE_TRY(grow(s, all, err));
    bool enough = own_last_page(s);
    size_t fit = enough ? s->n_page * page_len(s) - s->tokens.len : 0;
    while (enough && s->n_page < need) {
        void *page = hone_engine_acquire_page(e);
        enough = page != NULL;
        if (!page) break;
        s->page[s->n_page++] = page;
        fit += page_len(s);
    }
    if (enough) return HONE_OK;
    hone_sequence_trim(s);
    return hone_fail(err, HONE_E_LIMIT,
                     "kv cache: full, %zu of %zu tokens fit; a larger budget helps",
                     fit, n);
}

hone_status hone_sequence_fork(hone_sequence **out, const hone_sequence *s, size_t n,
                               hone_error *err)
{
    hone_sequence *f;
    HONE_TRY(hone_sequence_new(&f, s->engine, err));
    if (n > s->tokens.len) n = s->tokens.len;
    const hone_status status = grow(f, n, err);
    if (status) {
        hone_sequence_free(f);
        return status;
    }
    f->adapter = hone_adapter_acquire(s->adapter);
    f->uncached = s->uncached;
    f->n_page = (n + page_len(s) - 1) / page_len(s);
    for (size_t i = 0; i < f->n_page; i++) {
        f->page[i] = s->page[i];
        hone_kv_pool_ref(s->engine->kv, f->page[i]);
    }
    if (n) memcpy(f->tokens.id, s->tokens.id, n * sizeof *f->tokens.id);
    f->tokens.len = s->tokens.len; /* as if it had all, then cut */
    f->node = s->node;
    f->n_cached = s->n_cached;
    hone_sequence_truncate(f, n);
    *out = f;
    return HONE_OK;
}

/* -- the prefix cache ------------------------------------------------------------- */

/* The node's page, from disk if need be; NULL if that does not go. */
static void *page_of_node(hone_engine *e, hone_prefix_node *x)
{
    void *page = hone_prefix_page(x);
    if (page) return page;
    hone_prefix_pin(e->cache, x);
    page = hone_engine_acquire_page(e);
    hone_prefix_pin(e->cache, NULL);
    return page && hone_prefix_warm(e->cache, x, page) ? page : NULL;
}

size_t hone_sequence_attach(hone_sequence *s, const int32_t *id, size_t n)
{
    hone_engine *e = s->engine;
    HONE_ASSERT(s->tokens.len == 0);
    if (!e->cache || s->uncached) return 0;
    if (n > (size_t)e->options.n_ctx) n = (size_t)e->options.n_ctx;
    while (s->tokens.len < n && grow(s, s->tokens.len + page_len(s), NULL) == HONE_OK) {
        const size_t at = s->tokens.len;
        size_t same;
        hone_prefix_node *x = hone_prefix_find(e->cache, hone_adapter_id(s->adapter),
                                               s->node, id + at, n - at, &same);
        if (!x) break;
        void *page = page_of_node(e, x);
        if (!page) break;
        hone_kv_pool_ref(e->kv, page);
        s->page[s->n_page++] = page;
        memcpy(s->tokens.id + at, id + at, same * sizeof *id);
        s->tokens.len += same;
        if (same < page_len(s)) break;
        s->node = x;
        s->n_cached++;
    }
    return s->tokens.len;
}

size_t hone_sequence_keep(hone_sequence *s, const int32_t *id, size_t n)
{
    const size_t same = hone_prefix_common(s->tokens.id, s->tokens.len, id, n);
    hone_sequence_truncate(s, same);
    return same ? same : hone_sequence_attach(s, id, n);
}

void hone_sequence_publish(hone_sequence *s, bool tail)
{
    hone_engine *e = s->engine;
    if (!e->cache || s->uncached) return;
    for (;;) {
        const size_t at = s->n_cached * page_len(s), left = s->tokens.len - at;
        const size_t n = left < page_len(s) ? left : page_len(s);
        if (n == 0 || (n < page_len(s) && !tail)) return;
        hone_prefix_node *x =
            hone_prefix_insert(e->cache, hone_adapter_id(s->adapter), s->node,
                               s->tokens.id + at, n, s->page[s->n_cached]);
        if (!x || n < page_len(s)) return;
        /* another sequence may have brought the same page: one copy is enough */
        void *page = hone_prefix_page(x);
        if (page != s->page[s->n_cached]) {
            hone_kv_pool_ref(e->kv, page);
            hone_kv_pool_unref(e->kv, s->page[s->n_cached]);
            s->page[s->n_cached] = page;
        }
        s->node = x;
        s->n_cached++;
    }
}
