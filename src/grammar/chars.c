/* chars.c - code points to byte sequences.
 *
 * A range of code points is a range of numbers of fixed length in digits: 6-bit ones
 * behind a lead byte in UTF-8, hexadecimal ones behind \u.  range_digits splits such a
 * range into alternatives whose digits are independent. */
#include "grammar/chars.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

#define MAX_RANGES   ((size_t)1 << 16)
#define LAST_CHAR    0x10FFFFu
#define FIRST_HIGH   0xD800u
#define LAST_LOW     0xDFFFu
#define FIRST_ASTRAL 0x10000u

void hone_chars_release(hone_chars *c)
{
    hone_free(c->range);
    *c = (hone_chars){0};
}

void hone_chars_add(hone_chars *c, uint32_t lo, uint32_t hi)
{
    if (lo > hi) return;
    if (c->n >= MAX_RANGES ||
        hone_grow((void **)&c->range, &c->cap, c->n + 1, sizeof *c->range)) {
        c->failed = true;
        return;
    }
    c->range[c->n++] = (hone_chars_range){lo, hi};
}

void hone_chars_add_all(hone_chars *c, const hone_chars *other)
{
    for (size_t i = 0; i < other->n; i++) {
        hone_chars_add(c, other->range[i].lo, other->range[i].hi);
    }
}

static int by_lo(const void *p, const void *q)
{
    const hone_chars_range *a = p, *b = q;
    return (a->lo > b->lo) - (a->lo < b->lo);
}

/* Sorted, none touching another. */
static void normalize(hone_chars *c)
{
    if (c->n < 2) return;
    qsort(c->range, c->n, sizeof *c->range, by_lo);
    size_t keep = 0;
    for (size_t i = 1; i < c->n; i++) {
        if (c->range[i].lo <= c->range[keep].hi + 1) {
            if (c->range[i].hi > c->range[keep].hi) c->range[keep].hi = c->range[i].hi;
        } else {
            c->range[++keep] = c->range[i];
        }
    }
    c->n = keep + 1;
}

void hone_chars_negate(hone_chars *c)
{
    hone_chars out = {.failed = c->failed};
    uint32_t next = 0;
    normalize(c);
    for (size_t i = 0; i < c->n; i++) {
        if (c->range[i].lo > next) hone_chars_add(&out, next, c->range[i].lo - 1);
        next = c->range[i].hi + 1;
    }
    if (next <= LAST_CHAR) hone_chars_add(&out, next, LAST_CHAR);
    hone_chars_release(c);
    *c = out;
}

/* -- numbers in digits ------------------------------------------------------------ */

typedef struct digit {
    unsigned bits, base; /* the byte is base + value, or that as a hexadecimal digit */
    bool hex;
    const char *prefix; /* literal bytes before it */
} digit;

static const digit utf8_2[] = {{5, 0xC0, 0, ""}, {6, 0x80, 0, ""}};
static const digit utf8_3[] = {{4, 0xE0, 0, ""}, {6, 0x80, 0, ""}, {6, 0x80, 0, ""}};
static const digit utf8_4[] = {
    {3, 0xF0, 0, ""}, {6, 0x80, 0, ""}, {6, 0x80, 0, ""}, {6, 0x80, 0, ""}};
static const digit hex_4[] = {
    {4, 0, 1, ""}, {4, 0, 1, ""}, {4, 0, 1, ""}, {4, 0, 1, ""}};
/* a pair of surrogates holds 20 bits: \uD8..\uDB, then \uDC..\uDF */
static const digit pair[] = {{2, 8, 1, "d"},     {4, 0, 1, ""}, {4, 0, 1, ""},
                             {2, 12, 1, "\\ud"}, {4, 0, 1, ""}, {4, 0, 1, ""}};

static hone_expr digit_set(hone_exprs *x, const digit *d, unsigned lo, unsigned hi)
{
    if (!d->hex) return hone_expr_range(x, d->base + lo, d->base + hi);
    hone_byteset s = {0};
    for (unsigned v = d->base + lo; v <= d->base + hi; v++) {
        const unsigned c = (unsigned char)"0123456789abcdef"[v];
        hone_byteset_add(&s, c, c);
        if (v > 9) hone_byteset_add(&s, c - 32, c - 32);
    }
    return hone_expr_set(x, &s);
}

static hone_expr prefixed(hone_exprs *x, const digit *d, hone_expr e)
{
    for (size_t n = d->prefix[0] == 0 ? 0 : d->prefix[1] ? 3 : 1; n-- > 0;) {
        hone_byteset s = {0};
        const unsigned c = (unsigned char)d->prefix[n];
        hone_byteset_add(&s, c, c);
        if (c == 'd') hone_byteset_add(&s, 'D', 'D');
        e = hone_expr_cat(x, hone_expr_set(x, &s), e);
    }
    return e;
}

/* Numbers lo .. hi of n digits. */
static hone_expr range_digits(hone_exprs *x, const digit *d, size_t n, uint32_t lo,
                              uint32_t hi)
{
    if (n == 0) return HONE_EXPR_EMPTY;
    unsigned shift = 0;
    for (size_t i = 1; i < n; i++)
        shift += d[i].bits;
    const uint32_t low = ((uint32_t)1 << shift) - 1;
    unsigned a = lo >> shift, b = hi >> shift;
    hone_expr e = HONE_EXPR_NONE;
    if (a == b) {
        e = hone_expr_cat(x, digit_set(x, d, a, a),
                          range_digits(x, d + 1, n - 1, lo & low, hi & low));
        return prefixed(x, d, e);
    }
    if (lo & low) { /* the first value of the digit is not whole */
        e = hone_expr_cat(x, digit_set(x, d, a, a),
                          range_digits(x, d + 1, n - 1, lo & low, low));
        a++;
    }
    if ((hi & low) != low) { /* nor the last */
        const hone_expr last = hone_expr_cat(
            x, digit_set(x, d, b, b), range_digits(x, d + 1, n - 1, 0, hi & low));
        e = hone_expr_alt(x, e, last);
        b--;
    }
    if (a <= b) {
        const hone_expr whole = hone_expr_cat(x, digit_set(x, d, a, b),
                                              range_digits(x, d + 1, n - 1, 0, low));
        e = hone_expr_alt(x, e, whole);
    }
    return prefixed(x, d, e);
}

/* The part of lo..hi within from..to, less `minus`, in those digits. */
static hone_expr part(hone_exprs *x, const hone_chars_range *r, uint32_t from,
                      uint32_t to, uint32_t minus, const digit *d, size_t n)
{
    const uint32_t lo = r->lo > from ? r->lo : from, hi = r->hi < to ? r->hi : to;
    if (lo > hi) return HONE_EXPR_NONE;
    return range_digits(x, d, n, lo - minus, hi - minus);
}

/* -- spellings -------------------------------------------------------------------- */

static bool raw_in_json(unsigned c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static hone_expr utf8(hone_exprs *x, const hone_chars *c, hone_spelling how)
{
    hone_byteset ascii = {0};
    hone_expr e = HONE_EXPR_NONE;
    for (size_t i = 0; i < c->n; i++) {
        const hone_chars_range *r = &c->range[i];
        for (uint32_t v = r->lo; v <= r->hi && v < 0x80; v++) {
            if (how == HONE_SPELL_UTF8 || raw_in_json(v))
                hone_byteset_add(&ascii, v, v);
        }
        e = hone_expr_alt(x, e, part(x, r, 0x80, 0x7FF, 0, utf8_2, 2));
        e = hone_expr_alt(x, e, part(x, r, 0x800, FIRST_HIGH - 1, 0, utf8_3, 3));
        e = hone_expr_alt(x, e, part(x, r, LAST_LOW + 1, 0xFFFF, 0, utf8_3, 3));
        e = hone_expr_alt(x, e, part(x, r, FIRST_ASTRAL, LAST_CHAR, 0, utf8_4, 4));
    }
    return hone_expr_alt(x, e, hone_expr_set(x, &ascii));
}

static bool has(const hone_chars *c, uint32_t v)
{
    for (size_t i = 0; i < c->n; i++) {
        if (v >= c->range[i].lo && v <= c->range[i].hi) return true;
    }
    return false;
}

static hone_expr escapes(hone_exprs *x, const hone_chars *c)
{
    static const char letter[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    hone_byteset s = {0};
    for (int i = 0; letter[i]; i++) {
        const unsigned b = (unsigned char)letter[i];
        if (has(c, (unsigned char)means[i])) hone_byteset_add(&s, b, b);
    }
    hone_expr e = HONE_EXPR_NONE;
    for (size_t i = 0; i < c->n; i++) {
        const hone_chars_range *r = &c->range[i];
        e = hone_expr_alt(x, e, part(x, r, 0, FIRST_HIGH - 1, 0, hex_4, 4));
        e = hone_expr_alt(x, e, part(x, r, LAST_LOW + 1, 0xFFFF, 0, hex_4, 4));
        e = hone_expr_alt(x, e,
                          part(x, r, FIRST_ASTRAL, LAST_CHAR, FIRST_ASTRAL, pair, 6));
    }
    e = hone_expr_cat(x, hone_expr_range(x, 'u', 'u'), e);
    e = hone_expr_alt(x, hone_expr_set(x, &s), e);
    return hone_expr_cat(x, hone_expr_range(x, '\\', '\\'), e);
}

hone_expr hone_chars_expr(hone_exprs *x, hone_chars *c, hone_spelling how)
{
    if (c->failed) {
        x->failed = HONE_E_LIMIT;
        return HONE_EXPR_NONE;
    }
    normalize(c);
    const hone_expr raw = utf8(x, c, how);
    return how == HONE_SPELL_UTF8 ? raw : hone_expr_alt(x, raw, escapes(x, c));
}

static hone_expr one(hone_exprs *x, uint32_t v, hone_spelling how)
{
    hone_expr *known = how == HONE_SPELL_JSON && v < 128 ? &x->json_ascii[v] : NULL;
    if (known && *known) return *known;
    hone_chars_range r = {v, v};
    hone_chars c = {&r, 1, 1, false};
    const hone_expr e = hone_chars_expr(x, &c, how);
    if (known) *known = e;
    return e;
}

hone_expr hone_chars_any(hone_exprs *x, hone_spelling how)
{
    hone_chars_range r = {0, LAST_CHAR};
    hone_chars c = {&r, 1, 1, false};
    if (how == HONE_SPELL_UTF8) return hone_chars_expr(x, &c, how);
    if (!x->json_any) x->json_any = hone_chars_expr(x, &c, how);
    return x->json_any;
}

hone_expr hone_chars_all(hone_exprs *x, hone_spelling how)
{
    return hone_expr_repeat(x, hone_chars_any(x, how), 0, HONE_EXPR_MANY);
}

hone_expr hone_chars_text(hone_exprs *x, const char *s, size_t len, hone_spelling how,
                          hone_expr then)
{
    if (how == HONE_SPELL_UTF8) return hone_expr_bytes(x, s, len, then);
    while (len > 0) {
        size_t from = len - 1;
        while (from > 0 && ((unsigned char)s[from] & 0xC0) == 0x80)
            from--;
        uint32_t v;
        if (hone_utf8_decode(s + from, len - from, &v) <= 0) return HONE_EXPR_NONE;
        then = hone_expr_cat(x, one(x, v, how), then);
        len = from;
    }
    return then;
}

/* -- lists of texts --------------------------------------------------------------- */

enum {
    MAX_WORD_DEPTH = 1000
};

static int by_text(const void *p, const void *q)
{
    const hone_word *a = p, *b = q;
    const int d = memcmp(a->s, b->s, a->len < b->len ? a->len : b->len);
    return d ? d : (a->len > b->len) - (a->len < b->len);
}

/* Bytes that all of word[0..n), which are sorted, have in common from `at` on, in whole
 * characters. */
static size_t common(const hone_word *word, size_t n, size_t at)
{
    const hone_word *a = word, *b = word + n - 1;
    size_t k = at;
    while (k < a->len && k < b->len && a->s[k] == b->s[k])
        k++;
    while (k > at && k < b->len && ((unsigned char)b->s[k] & 0xC0) == 0x80)
        k--;
    while (k > at && k < a->len && ((unsigned char)a->s[k] & 0xC0) == 0x80)
        k--;
    return k - at;
}

static hone_expr words(hone_exprs *x, const hone_word *word, size_t n, size_t at,
                       hone_spelling how, int depth)
{
    const size_t shared = common(word, n, at), from = at + shared;
    hone_expr e = HONE_EXPR_NONE;
    size_t i = 0;
    if (x->failed) return e;
    while (i < n && word[i].len == from) {
        e = HONE_EXPR_EMPTY;
        i++;
    }
    while (i < n) {
        const hone_word *w = &word[i];
        size_t next = from + 1;
        while (next < w->len && ((unsigned char)w->s[next] & 0xC0) == 0x80)
            next++;
        size_t k = 1;
        while (i + k < n && depth < MAX_WORD_DEPTH && word[i + k].len >= next &&
               memcmp(word[i + k].s + from, w->s + from, next - from) == 0) {
            k++;
        }
        const hone_expr rest = k == 1 ? hone_chars_text(x, w->s + from, w->len - from,
                                                        how, HONE_EXPR_EMPTY)
                                      : words(x, w, k, from, how, depth + 1);
        e = hone_expr_alt(x, e, rest);
        i += k;
    }
    return hone_chars_text(x, word->s + at, shared, how, e);
}

hone_expr hone_chars_words(hone_exprs *x, hone_word *word, size_t n, hone_spelling how)
{
    if (n == 0) return HONE_EXPR_NONE;
    qsort(word, n, sizeof *word, by_text);
    return words(x, word, n, 0, how, 0);
}
