/* map.h - byte strings to 32-bit numbers: vocabularies, tensor names, keys.
 *
 * Keys are borrowed: they must outlive the map and stay where they are; they may
 * hold any bytes, NUL included.  Open addressing with a keyed hash, so that a
 * hostile vocabulary cannot choose its collisions.
 * Threads: find from any thread once filled; put and release from one. */
#ifndef HONE_BASE_MAP_H
#define HONE_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct hone_map_entry hone_map_entry;

typedef struct hone_map {
    hone_map_entry *entries;
    size_t cap; /* a power of two, or 0 */
    size_t len;
    uint64_t seed;
} hone_map;

/* Room for n_expect keys before the first growth; HONE_E_NOMEM otherwise. */
HONE_MUST_CHECK hone_status hone_map_init(hone_map *m, size_t n_expect,
                                          hone_error *err);
void hone_map_release(hone_map *m);

/* Insert or replace.  *old, if not NULL, receives the value replaced, or -1.
 * HONE_E_NOMEM leaves the map as it was. */
HONE_MUST_CHECK hone_status hone_map_put(hone_map *m, const char *key, size_t len,
                                         int32_t value, int32_t *old, hone_error *err);

/* The value, or -1 when the key is absent (values are >= 0). */
int32_t hone_map_find(const hone_map *m, const char *key, size_t len);

/* Begin to fetch what a find of this key will read first.  In a large map a find waits
 * for memory; a loop that knows its next keys does not have to. */
void hone_map_prefetch(const hone_map *m, const char *key, size_t len);

#endif
