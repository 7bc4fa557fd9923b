#include "text/charsmap.h"

#include <stdint.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"

struct hone_charsmap {
    unsigned char *data; /* owned: size of the trie, trie, replacements */
    size_t n_unit;
    const char *text;
    size_t text_len;
};

/* -- making ----------------------------------------------------------------------- */

static uint32_t read_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

/* Takes data. */
static hone_status adopt(hone_charsmap **out, unsigned char *data, size_t size,
                         hone_error *err)
{
    const size_t trie = size >= 4 ? read_u32(data) : 0;
    hone_charsmap *m = NULL;
    if (size < 4 || trie > size - 4 || trie < 4 || trie % 4) {
        hone_free(data);
        return hone_fail(err, HONE_E_FORMAT,
                         "compiled normalizer: a trie of %zu bytes in %zu", trie, size);
    }
    m = hone_alloc_zero(1, sizeof *m);
    if (!m) {
        hone_free(data);
        return hone_fail(err, HONE_E_NOMEM, "compiled normalizer: out of memory");
    }
    m->data = data;
    m->n_unit = trie / 4;
    m->text = (const char *)data + 4 + trie;
    m->text_len = size - 4 - trie;
    *out = m;
    return HONE_OK;
}

hone_status hone_charsmap_new(hone_charsmap **out, const void *data, size_t size,
                              hone_error *err)
{
    unsigned char *copy = hone_alloc(size + 1, 1);
    if (!copy)
        return hone_fail(err, HONE_E_NOMEM, "compiled normalizer: out of memory");
    memcpy(copy, data, size);
    return adopt(out, copy, size, err);
}

hone_status hone_charsmap_from_base64(hone_charsmap **out, const char *text, size_t len,
                                      hone_error *err)
{
    unsigned char *data = hone_alloc(hone_base64_bound(len) + 1, 1);
    if (!data)
        return hone_fail(err, HONE_E_NOMEM, "compiled normalizer: out of memory");
    const size_t size = hone_base64_decode(text, len, data);
    if (size == SIZE_MAX) {
        hone_free(data);
        return hone_fail(err, HONE_E_FORMAT, "compiled normalizer: no base64");
    }
    return adopt(out, data, size, err);
}

void hone_charsmap_free(hone_charsmap *m)
{
    if (!m) return;
    hone_free(m->data);
    hone_free(m);
}

/* -- walking ---------------------------------------------------------------------- */

static bool unit_at(const hone_charsmap *m, size_t i, uint32_t *unit)
{
    if (i >= m->n_unit) return false;
    *unit = read_u32(m->data + 4 + i * 4);
    return true;
}

/* Bits 10 and up, in steps of 256 where bit 9 says so. */
static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

static bool found(const hone_charsmap *m, uint32_t leaf, size_t n_replaced,
                  hone_replacement *out)
{
    const size_t from = leaf & 0x7FFFFFFFu;
    if (from >= m->text_len) return false;
    const char *end = memchr(m->text + from, '\0', m->text_len - from);
    out->text = m->text + from;
    out->len = end ? (size_t)(end - out->text) : m->text_len - from;
    out->n_replaced = n_replaced;
    return true;
}

static bool walk(const hone_charsmap *m, const char *s, size_t len, bool shortest,
                 hone_replacement *out)
{
    uint32_t unit, leaf;
    if (!unit_at(m, 0, &unit)) return false;
    size_t node = offset_of(unit);
    bool any = false;
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)s[i];
        node ^= c;
        if (!unit_at(m, node, &unit) || (unit & (1u << 31 | 0xFFu)) != c) break;
        node ^= offset_of(unit);
        if (!(unit >> 8 & 1) || !unit_at(m, node, &leaf)) continue;
        if (found(m, leaf, i + 1, out)) any = true;
        if (any && shortest) break;
    }
    return any;
}

bool hone_charsmap_longest(const hone_charsmap *m, const char *s, size_t len,
                           hone_replacement *out)
{
    return walk(m, s, len, false, out);
}

bool hone_charsmap_shortest(const hone_charsmap *m, const char *s, size_t len,
                            hone_replacement *out)
{
    return walk(m, s, len, true, out);
}
