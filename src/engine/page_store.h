/* page_store.h - pages of K/V on disk, for beginnings that were not used for a while.
 *
 * One file without a name: the system removes it when the process ends, however that
 * happens.  Owned by the engine's thread. */
#ifndef HONE_ENGINE_PAGE_STORE_H
#define HONE_ENGINE_PAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct hone_page_store hone_page_store;
typedef int64_t hone_page_slot; /* negative: none */

/* A file in folder `dir` that grows to `bytes` at most.
 *   E_LIMIT    bytes hold no page
 *   E_IO       the folder does not exist or cannot be written */
HONE_MUST_CHECK hone_status hone_page_store_new(hone_page_store **out, const char *dir,
                                                uint64_t bytes, size_t page_bytes,
                                                hone_error *err);
void hone_page_store_free(hone_page_store *s); /* NULL is fine */

/* Write a page; -1 when all slots are taken or the disk is full. */
hone_page_slot hone_page_store_put(hone_page_store *s, const void *page);
bool hone_page_store_is_full(const hone_page_store *s);
/* Read a page back; false if the disk refuses.  The slot stays taken. */
bool hone_page_store_get(const hone_page_store *s, hone_page_slot slot, void *page);
void hone_page_store_drop(hone_page_store *s, hone_page_slot slot);
size_t hone_page_store_n_used(const hone_page_store *s);

#endif
