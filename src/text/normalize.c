/* normalize.c - normalizer steps on UTF-8 text. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/chars.h"
#include "text/tokenizer_internal.h"

/* Replace the contents of b. */
static void set(hone_buf *b, const char *text, size_t len)
{
    hone_buf_reset(b);
    hone_buf_append(b, text, len);
}

static hone_status unicode_form(hone_buf *b, utf8proc_option_t options, hone_error *err)
{
    utf8proc_uint8_t *out = NULL;
    const utf8proc_ssize_t n =
        utf8proc_map((const utf8proc_uint8_t *)b->data, (utf8proc_ssize_t)b->len, &out,
                     (utf8proc_option_t)(options | UTF8PROC_STABLE));
    if (n < 0) {
        return hone_fail(err, n == UTF8PROC_ERROR_NOMEM ? HONE_E_NOMEM : HONE_E_FORMAT,
                         "normalize: %s", utf8proc_errmsg(n));
    }
    set(b, (const char *)out, (size_t)n);
    free(out);
    return HONE_OK;
}

/* Rebuild b character by character; fn appends what a character becomes.  True if the
 * first becomes nothing. */
static bool each_char(const hone_buf *b, hone_buf *out,
                      void (*fn)(hone_buf *out, uint32_t cp))
{
    bool front_lost = false;
    for (size_t at = 0; at < b->len;) {
        uint32_t cp;
        int n = hone_utf8_decode(b->data + at, b->len - at, &cp);
        if (n <= 0) n = 1;
        fn(out, cp);
        if (at == 0) front_lost = out->len == 0;
        at += (size_t)n;
    }
    return front_lost;
}

static void lower_char(hone_buf *out, uint32_t cp)
{
    hone_buf_append_utf8(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp));
    if (cp == 0x130) hone_buf_append_utf8(out, 0x307); /* the only one that grows */
}

static void drop_mark(hone_buf *out, uint32_t cp)
{
    if (!hone_char_is_mark(cp)) hone_buf_append_utf8(out, cp);
}

static void drop_nonspacing(hone_buf *out, uint32_t cp)
{
    if (!hone_char_is_nonspacing(cp)) hone_buf_append_utf8(out, cp);
}

/* Source: huggingface/tokenizers, src/normalizers/unicode.rs, do_nmt. */
static void nmt_char(hone_buf *out, uint32_t cp)
{
    const bool drop = (cp >= 1 && cp <= 8) || cp == 0xB || (cp >= 0xE && cp <= 0x1F) ||
                      cp == 0x7F || cp == 0x8F || cp == 0x9F;
    const bool space = cp == 9 || cp == 0xA || cp == 0xC || cp == 0xD || cp == 0x1680 ||
                       (cp >= 0x200B && cp <= 0x200F) || cp == 0x2028 || cp == 0x2029 ||
                       cp == 0x2581 || cp == 0xFEFF || cp == 0xFFFD;
    if (!drop) hone_buf_append_utf8(out, space ? ' ' : cp);
}

/* Source: huggingface/tokenizers, src/normalizers/bert.rs; also the ranges below. */
static void clean_char(hone_buf *out, uint32_t cp)
{
    const bool space = hone_char_is_space(cp);
    const bool kept = cp == '\t' || cp == '\n' || cp == '\r';
    if (cp == 0 || cp == 0xFFFD || (hone_char_is_other(cp) && !kept)) return;
    hone_buf_append_utf8(out, space ? ' ' : cp);
}

static void space_cjk(hone_buf *out, uint32_t cp)
{
    static const uint32_t range[][2] = {
        {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
        {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
    bool ideograph = false;
    for (size_t i = 0; i < sizeof range / sizeof range[0]; i++) {
        ideograph |= cp >= range[i][0] && cp <= range[i][1];
    }
    if (ideograph) hone_buf_append_char(out, ' ');
    hone_buf_append_utf8(out, cp);
    if (ideograph) hone_buf_append_char(out, ' ');
}

/* True if something went from the front. */
static bool strip(const hone_step *s, const hone_buf *b, hone_buf *out)
{
    size_t from = 0, to = b->len;
    uint32_t cp;
    while (s->left && from < to) {
        const int n = hone_utf8_decode(b->data + from, to - from, &cp);
        if (n <= 0 || !hone_char_is_space(cp)) break;
        from += (size_t)n;
    }
    while (s->right && to > from) {
        size_t last = to - 1;
        while (last > from && ((unsigned char)b->data[last] & 0xC0) == 0x80) {
            last--;
        }
        if (hone_utf8_decode(b->data + last, to - last, &cp) <= 0) break;
        if (!hone_char_is_space(cp)) break;
        to = last;
    }
    hone_buf_append(out, b->data + from, to - from);
    return from > 0;
}

typedef struct replacing {
    const hone_step *s;
    const hone_buf *in;
    hone_buf *out;
    size_t done;
} replacing;

static hone_status on_match(void *ctx, size_t from, size_t to, hone_error *err)
{
    replacing *r = ctx;
    (void)err;
    hone_buf_append(r->out, r->in->data + r->done, from - r->done);
    hone_buf_append(r->out, r->s->text, r->s->text_len);
    r->done = to;
    return HONE_OK;
}

static hone_status replace(const hone_step *s, hone_buf *b, hone_buf *out,
                           hone_error *err)
{
    replacing r = {s, b, out, 0};
    HONE_TRY(hone_regex_each(s->regex, b->data, b->len, on_match, &r, err));
    hone_buf_append(out, b->data + r.done, b->len - r.done);
    return HONE_OK;
}

/* SentencePiece's remove_extra_whitespaces. */
static void squeeze(hone_buf *b, hone_buf *out)
{
    size_t end = b->len;
    for (;;) { /* at the end the mark of a space counts as one */
        if (end > 0 && b->data[end - 1] == ' ')
            end--;
        else if (end >= 3 && memcmp(b->data + end - 3, "\xE2\x96\x81", 3) == 0)
            end -= 3;
        else
            break;
    }
    for (size_t i = 0; i < end; i++) {
        const bool space = b->data[i] == ' ';
        if (space && (out->len == 0 || out->data[out->len - 1] == ' ')) continue;
        hone_buf_append_char(out, b->data[i]);
    }
}

/* The bytes of the character at s; text was made valid before. */
static size_t char_len(const char *s, size_t len, uint32_t *cp)
{
    const int n = hone_utf8_decode(s, len, cp);
    return n > 0 ? (size_t)n : 1;
}

/* SentencePiece: the longest beginning that has a replacement, or one character. */
static void map_longest(const hone_step *s, const hone_buf *b, hone_buf *out)
{
    for (size_t at = 0; at < b->len;) {
        const char *p = b->data + at;
        const size_t left = b->len - at;
        const size_t kept =
            s->keep ? hone_added_match(s->keep, &s->keep->normalized, p, left) : 0;
        hone_replacement r;
        uint32_t cp;
        if (!kept && hone_charsmap_longest(s->charsmap, p, left, &r)) {
            hone_buf_append(out, r.text, r.len);
            at += r.n_replaced;
        } else {
            const size_t n = kept ? kept : char_len(p, left, &cp);
            hone_buf_append(out, p, n);
            at += n;
        }
    }
}

/* A stretch that becomes the replacement of its shortest beginning, all of it. */
static bool map_whole(const hone_charsmap *m, const char *s, size_t len, hone_buf *out)
{
    hone_replacement r;
    if (!hone_charsmap_shortest(m, s, len, &r)) return false;
    hone_buf_append(out, r.text, r.len);
    return true;
}

/* Hugging Face: whole graphemes of less than six bytes, else character by character.
 * Source: huggingface/tokenizers, src/normalizers/precompiled.rs. */
static void map_graphemes(const hone_charsmap *m, const hone_buf *b, hone_buf *out)
{
    for (size_t at = 0; at < b->len;) {
        uint32_t cp, next;
        utf8proc_int32_t state = 0;
        size_t end = at + char_len(b->data + at, b->len - at, &cp);
        while (end < b->len) {
            const size_t n = char_len(b->data + end, b->len - end, &next);
            if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)cp,
                                                 (utf8proc_int32_t)next, &state))
                break;
            end += n;
            cp = next;
        }
        const size_t len = end - at;
        if (len < 6 && map_whole(m, b->data + at, len, out)) at = end;
        while (at < end) {
            const size_t n = char_len(b->data + at, end - at, &cp);
            if (!map_whole(m, b->data + at, n, out))
                hone_buf_append(out, b->data + at, n);
            at += n;
        }
    }
}

static hone_status run(const hone_step *s, hone_buf *b, hone_buf *out, bool *front_lost,
                       hone_error *err)
{
    switch (s->kind) {
    case HONE_NORM_LOWERCASE:
        (void)each_char(b, out, lower_char);
        break;
    case HONE_NORM_STRIP_ACCENTS:
        *front_lost = each_char(b, out, drop_mark);
        break;
    case HONE_NORM_STRIP_NONSPACING:
        *front_lost = each_char(b, out, drop_nonspacing);
        break;
    case HONE_NORM_NMT:
        *front_lost = each_char(b, out, nmt_char);
        break;
    case HONE_NORM_CLEAN:
        *front_lost = each_char(b, out, clean_char);
        break;
    case HONE_NORM_SPACE_CJK:
        (void)each_char(b, out, space_cjk);
        break;
    case HONE_NORM_CHARSMAP:
        map_graphemes(s->charsmap, b, out);
        break;
    case HONE_NORM_CHARSMAP_SP:
        map_longest(s, b, out);
        break;
    case HONE_NORM_STRIP:
        *front_lost = strip(s, b, out);
        break;
    case HONE_NORM_REPLACE:
        HONE_TRY(replace(s, b, out, err));
        break;
    case HONE_NORM_PREPEND:
        if (b->len || s->to_empty) hone_buf_append(out, s->text, s->text_len);
        hone_buf_append(out, b->data, b->len);
        break;
    case HONE_NORM_BYTE_LEVEL:
        hone_byte_level_encode(out, b->data, b->len);
        break;
    default:
        HONE_ASSERT(s->kind == HONE_NORM_SQUEEZE);
        squeeze(b, out);
        break;
    }
    HONE_TRY(hone_buf_status(out, "normalize", err));
    set(b, out->data, out->len);
    return hone_buf_status(b, "normalize", err);
}

static hone_status run_step(const hone_step *s, hone_buf *b, bool *front_lost,
                            hone_error *err)
{
    switch (s->kind) {
    case HONE_NORM_NFC:
        return unicode_form(b, UTF8PROC_COMPOSE, err);
    case HONE_NORM_NFD:
        return unicode_form(b, UTF8PROC_DECOMPOSE, err);
    case HONE_NORM_NFKC:
        return unicode_form(b, (utf8proc_option_t)(UTF8PROC_COMPOSE | UTF8PROC_COMPAT),
                            err);
    case HONE_NORM_NFKD:
        return unicode_form(
            b, (utf8proc_option_t)(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT), err);
    default:
        break;
    }
    hone_buf out;
    hone_buf_init(&out, HONE_TOKENIZER_MAX_TEXT);
    const hone_status st = run(s, b, &out, front_lost, err);
    hone_buf_release(&out);
    return st;
}

hone_status hone_normalize(const hone_steps *steps, hone_buf *b, bool *front_lost,
                           hone_error *err)
{
    bool any = false;
    for (size_t i = 0; i < steps->n; i++) {
        bool lost = false;
        HONE_TRY(run_step(&steps->step[i], b, &lost, err));
        any |= lost;
    }
    if (front_lost) *front_lost = any;
    return HONE_OK;
}
