/* kv_pool.h - the pages of the K/V cache, from one budget of bytes.
 *
 * Address space for the whole budget is reserved at once; memory is taken by the system
 * when a page is first written and kept until the pool is freed.  Pages are counted:
 * sequences may share one.  Owned by the engine's thread. */
#ifndef HONE_ENGINE_KV_POOL_H
#define HONE_ENGINE_KV_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct hone_kv_pool hone_kv_pool;

/* E_LIMIT when the budget holds no page, E_NOMEM when the system refuses the address
 * space. */
HONE_MUST_CHECK hone_status hone_kv_pool_new(hone_kv_pool **out, size_t page_bytes,
                                             uint64_t budget_bytes, hone_error *err);
void hone_kv_pool_free(hone_kv_pool *p); /* NULL is fine */

/* A page with one reference, contents undefined; NULL when none is free. */
void *hone_kv_pool_acquire(hone_kv_pool *p);
void hone_kv_pool_ref(hone_kv_pool *p, void *page);
void hone_kv_pool_unref(hone_kv_pool *p, void *page);

uint32_t hone_kv_pool_n_ref(const hone_kv_pool *p, const void *page);

/* One of the references is the prefix cache's: a page that has no other is idle. */
void hone_kv_pool_set_cached(hone_kv_pool *p, const void *page, bool cached);
bool hone_kv_pool_is_cached(const hone_kv_pool *p, const void *page);
size_t hone_kv_pool_n_idle(const hone_kv_pool *p);

size_t hone_kv_pool_n_page(const hone_kv_pool *p);
size_t hone_kv_pool_n_free(const hone_kv_pool *p);

#endif
