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

/* Rebuild b character by character; fn appends what a character becomes. */
static void each_char(hone_buf *b, hone_buf *out,
                      void (*fn)(hone_buf *out, uint32_t cp))
{
    for (size_t at = 0; at < b->len;) {
        uint32_t cp;
        int n = hone_utf8_decode(b->data + at, b->len - at, &cp);
        if (n <= 0) n = 1;
        fn(out, cp);
        at += (size_t)n;
    }
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

static void strip(const hone_step *s, hone_buf *b, hone_buf *out)
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

static hone_status run(const hone_step *s, hone_buf *b, hone_buf *out, hone_error *err)
{
    switch (s->kind) {
    case HONE_NORM_LOWERCASE:
        each_char(b, out, lower_char);
        break;
    case HONE_NORM_STRIP_ACCENTS:
        each_char(b, out, drop_mark);
        break;
    case HONE_NORM_STRIP:
        strip(s, b, out);
        break;
    case HONE_NORM_REPLACE:
        HONE_TRY(replace(s, b, out, err));
        break;
    case HONE_NORM_PREPEND:
        if (b->len) hone_buf_append(out, s->text, s->text_len);
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

static hone_status run_step(const hone_step *s, hone_buf *b, hone_error *err)
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
    const hone_status st = run(s, b, &out, err);
    hone_buf_release(&out);
    return st;
}

hone_status hone_normalize(const hone_steps *steps, hone_buf *b, hone_error *err)
{
    for (size_t i = 0; i < steps->n; i++) {
        HONE_TRY(run_step(&steps->step[i], b, err));
    }
    return HONE_OK;
}
