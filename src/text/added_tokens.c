/* added_tokens.c - tokens that are found in the text before anything else.
 *
 * At each place the longest content wins; matches do not overlap.  A match may be
 * refused (single_word, special tokens that are to stay text), and then what it covered
 * is not searched again, as in the reference (Aho-Corasick, leftmost longest). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/chars.h"
#include "text/tokenizer_internal.h"

hone_status hone_added_add(hone_tokenizer *t, const hone_added_token *a,
                           hone_error *err)
{
    hone_added_token *p = hone_realloc(t->added, t->n_added + 1, sizeof *p);
    if (!p) return hone_fail(err, HONE_E_NOMEM, "added tokens: out of memory");
    t->added = p;
    p[t->n_added] = *a;
    p[t->n_added].content = hone_strndup(a->content, a->len);
    if (!p[t->n_added].content)
        return hone_fail(err, HONE_E_NOMEM, "added tokens: out of memory");
    t->n_added++;
    t->piece[a->id].added = (int32_t)t->n_added;
    if (a->special) t->piece[a->id].special = 1;
    return HONE_OK;
}

static int longest_first(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static hone_status index_set(hone_tokenizer *t, hone_added_set *set, bool normalized,
                             hone_error *err)
{
    HONE_TRY(hone_map_init(&set->map, t->n_added, err));
    set->length = hone_alloc(t->n_added, sizeof *set->length);
    if (!set->length)
        return hone_fail(err, HONE_E_NOMEM, "added tokens: out of memory");
    /* of two that are spelled alike once normalized the special one, then the first */
    for (size_t k = 0; k < t->n_added * 2; k++) {
        const size_t i = k % t->n_added;
        const hone_added_token *a = &t->added[i];
        if (a->special != (k < t->n_added)) continue;
        if (a->normalized != normalized || a->len == 0) continue;
        if (hone_map_find(&set->map, a->content, a->len) >= 0) continue;
        HONE_TRY(hone_map_put(&set->map, a->content, a->len, (int32_t)i, NULL, err));
        const unsigned char first = (unsigned char)a->content[0];
        set->first[first / 8] |= (unsigned char)(1u << (first % 8));
        set->length[set->n_length++] = a->len;
    }
    qsort(set->length, set->n_length, sizeof *set->length, longest_first);
    size_t n = 0;
    for (size_t i = 0; i < set->n_length; i++) {
        if (n == 0 || set->length[n - 1] != set->length[i])
            set->length[n++] = set->length[i];
    }
    set->n_length = n;
    return HONE_OK;
}

/* A normalized token is searched by what the normalizer makes of its content. */
static hone_status normalize_contents(hone_tokenizer *t, hone_error *err)
{
    hone_buf b;
    hone_buf_init(&b, 1 << 20);
    hone_status s = HONE_OK;
    for (size_t i = 0; i < t->n_added && t->normalizer.n && !s; i++) {
        hone_added_token *a = &t->added[i];
        if (!a->normalized || a->ready) continue;
        hone_buf_reset(&b);
        hone_buf_append(&b, a->content, a->len);
        s = hone_normalize(&t->normalizer, &b, NULL, err);
        if (s) break;
        const size_t len = b.len;
        char *content = hone_buf_take(&b);
        if (!content) {
            s = hone_fail(err, HONE_E_NOMEM, "added tokens: out of memory");
            break;
        }
        hone_free(a->content);
        a->content = content;
        a->len = len;
    }
    hone_buf_release(&b);
    return s;
}

hone_status hone_added_index(hone_tokenizer *t, hone_error *err)
{
    HONE_TRY(normalize_contents(t, err));
    HONE_TRY(index_set(t, &t->raw, false, err));
    return index_set(t, &t->normalized, true, err);
}

void hone_added_release(hone_tokenizer *t)
{
    for (size_t i = 0; i < t->n_added; i++) {
        hone_free(t->added[i].content);
    }
    hone_free(t->added);
    hone_map_release(&t->raw.map);
    hone_map_release(&t->normalized.map);
    hone_free(t->raw.length);
    hone_free(t->normalized.length);
}

static const hone_added_token *
match_at(const hone_tokenizer *t, const hone_added_set *set, const char *p, size_t left)
{
    const unsigned char first = (unsigned char)*p;
    if (!(set->first[first / 8] >> (first % 8) & 1)) return NULL;
    for (size_t i = 0; i < set->n_length; i++) {
        if (set->length[i] > left) continue;
        const int32_t k = hone_map_find(&set->map, p, set->length[i]);
        if (k >= 0) return &t->added[k];
    }
    return NULL;
}

size_t hone_added_match(const hone_tokenizer *t, const hone_added_set *set,
                        const char *text, size_t len)
{
    const hone_added_token *a =
        len && set->n_length ? match_at(t, set, text, len) : NULL;
    return a ? a->len : 0;
}

/* The character that ends before `at`, or 0 at the start. */
static uint32_t char_before(const char *text, size_t at)
{
    uint32_t cp = 0;
    size_t from = at;
    while (from > 0) {
        from--;
        if (((unsigned char)text[from] & 0xC0) != 0x80) break;
    }
    if (from < at) (void)hone_utf8_decode(text + from, at - from, &cp);
    return cp;
}

static uint32_t char_at(const char *text, size_t at, size_t len)
{
    uint32_t cp = 0;
    if (at < len) (void)hone_utf8_decode(text + at, len - at, &cp);
    return cp;
}

static bool is_single_word(const char *text, size_t from, size_t to, size_t len)
{
    const bool left = from > 0 && hone_char_is_word(char_before(text, from));
    const bool right = to < len && hone_char_is_word(char_at(text, to, len));
    return !left && !right;
}

static size_t back_over_spaces(const char *text, size_t at)
{
    while (at > 0 && hone_char_is_space(char_before(text, at))) {
        at--;
        while (((unsigned char)text[at] & 0xC0) == 0x80) {
            at--;
        }
    }
    return at;
}

static size_t over_spaces(const char *text, size_t at, size_t len)
{
    uint32_t cp;
    while (at < len) {
        const int n = hone_utf8_decode(text + at, len - at, &cp);
        if (n <= 0 || !hone_char_is_space(cp)) break;
        at += (size_t)n;
    }
    return at;
}

hone_status hone_added_split(const hone_tokenizer *t, const hone_added_set *set,
                             const char *text, size_t len, bool no_special,
                             hone_stretch_fn *fn, void *ctx, hone_error *err)
{
    size_t done = 0; /* up to here everything was handed out */
    for (size_t at = 0; at < len && set->n_length;) {
        const hone_added_token *a = match_at(t, set, text + at, len - at);
        if (!a) {
            at++;
            continue;
        }
        size_t from = at, to = at + a->len;
        at = to;
        if (no_special && a->special) continue;
        if (a->single_word && !is_single_word(text, from, to, len)) continue;
        if (a->lstrip) {
            from = back_over_spaces(text, from);
            if (from < done) from = done;
        }
        if (a->rstrip) to = over_spaces(text, to, len);
        if (to <= from) continue; /* the spaces of the match before covered all of it */
        if (done < from) HONE_TRY(fn(ctx, -1, text + done, from - done, err));
        HONE_TRY(fn(ctx, a->id, text + from, to - from, err));
        done = to;
    }
    return done < len ? fn(ctx, -1, text + done, len - done, err) : HONE_OK;
}
