#include "base/map.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

struct hone_map_entry {
    const char *key; /* NULL: free */
    uint32_t len;
    int32_t value;
    uint64_t hash;
};

/* A multiply-xor hash over 8-byte words, keyed by the seed. */
static uint64_t hash_bytes(const char *s, size_t len, uint64_t seed)
{
    uint64_t h = seed ^ (len * 0x9E3779B97F4A7C15u);
    while (len >= 8) {
        uint64_t w;
        memcpy(&w, s, 8);
        h = (h ^ w) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
        s += 8;
        len -= 8;
    }
    uint64_t w = 0;
    if (len) memcpy(&w, s, len);
    h = (h ^ w) * 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    return h ^ h >> 29;
}

static hone_map_entry *slot_of(hone_map_entry *entries, size_t cap, const char *key,
                               size_t len, uint64_t hash)
{
    size_t i = hash & (cap - 1);
    for (;;) {
        hone_map_entry *e = &entries[i];
        if (!e->key) return e;
        if (e->hash == hash && e->len == len && memcmp(e->key, key, len) == 0) return e;
        i = (i + 1) & (cap - 1);
    }
}

static hone_status grow(hone_map *m, size_t cap, hone_error *err)
{
    hone_map_entry *entries = hone_alloc_zero(cap, sizeof *entries);
    if (!entries) {
        return hone_fail(err, HONE_E_NOMEM, "map: cannot get %zu entries", cap);
    }
    for (size_t i = 0; i < m->cap; i++) {
        const hone_map_entry *e = &m->entries[i];
        if (e->key) *slot_of(entries, cap, e->key, e->len, e->hash) = *e;
    }
    hone_free(m->entries);
    m->entries = entries;
    m->cap = cap;
    return HONE_OK;
}

hone_status hone_map_init(hone_map *m, size_t n_expect, hone_error *err)
{
    *m = (hone_map){.seed = hone_random_seed()};
    if (n_expect > SIZE_MAX / 64) {
        return hone_fail(err, HONE_E_LIMIT, "map: %zu keys are too many", n_expect);
    }
    size_t cap = 16;
    while (cap < n_expect * 2) {
        cap *= 2;
    }
    return grow(m, cap, err);
}

void hone_map_release(hone_map *m)
{
    hone_free(m->entries);
    *m = (hone_map){0};
}

hone_status hone_map_put(hone_map *m, const char *key, size_t len, int32_t value,
                         int32_t *old, hone_error *err)
{
    HONE_ASSERT(value >= 0 && key);
    if (len > UINT32_MAX) return hone_fail(err, HONE_E_LIMIT, "map: key is too long");
    if (m->len * 2 >= m->cap) HONE_TRY(grow(m, m->cap * 2, err));

    const uint64_t hash = hash_bytes(key, len, m->seed);
    hone_map_entry *e = slot_of(m->entries, m->cap, key, len, hash);
    if (old) *old = e->key ? e->value : -1;
    if (!e->key) m->len++;
    *e = (hone_map_entry){key, (uint32_t)len, value, hash};
    return HONE_OK;
}

int32_t hone_map_find(const hone_map *m, const char *key, size_t len)
{
    if (m->len == 0) return -1;
    const uint64_t hash = hash_bytes(key, len, m->seed);
    const hone_map_entry *e = slot_of(m->entries, m->cap, key, len, hash);
    return e->key ? e->value : -1;
}

void hone_map_prefetch(const hone_map *m, const char *key, size_t len)
{
    if (m->len == 0) return;
    __builtin_prefetch(&m->entries[hash_bytes(key, len, m->seed) & (m->cap - 1)]);
}
