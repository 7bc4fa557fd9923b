/* decode.c - ids to text through a chain of decoders.
 *
 * As in the reference the chain works on a list of strings, one a token at first; some
 * decoders look at each string, some join them.  The strings lie one after the other in
 * a buffer; `end` marks their ends. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"

typedef struct strings {
    hone_buf text;
    size_t *end; /* [n] */
    size_t n, cap;
} strings;

static void strings_init(strings *s)
{
    *s = (strings){0};
    hone_buf_init(&s->text, HONE_TOKENIZER_MAX_TEXT);
}

static void strings_release(strings *s)
{
    hone_buf_release(&s->text);
    hone_free(s->end);
}

/* What was appended to s->text since the last call is one string. */
static hone_status close_string(strings *s, hone_error *err)
{
    if (hone_grow((void **)&s->end, &s->cap, s->n + 1, sizeof *s->end)) {
        return hone_fail(err, HONE_E_NOMEM, "decode: out of memory");
    }
    s->end[s->n++] = s->text.len;
    return hone_buf_status(&s->text, "decode", err);
}

static const char *string_at(const strings *s, size_t i, size_t *len)
{
    const size_t from = i ? s->end[i - 1] : 0;
    *len = s->end[i] - from;
    return s->text.data + from;
}

/* -- decoders --------------------------------------------------------------------- */

/* All tokens' bytes in one string; a token with other characters stands for itself. */
static hone_status byte_level(const strings *in, strings *out, hone_error *err)
{
    hone_buf bytes;
    hone_buf_init(&bytes, HONE_TOKENIZER_MAX_TEXT);
    for (size_t i = 0; i < in->n; i++) {
        size_t len;
        const char *s = string_at(in, i, &len);
        if (!hone_byte_level_decode(&bytes, s, len)) hone_buf_append(&bytes, s, len);
    }
    hone_status st = hone_buf_status(&bytes, "decode", err);
    if (!st) hone_append_lossy(&out->text, bytes.data, bytes.len);
    hone_buf_release(&bytes);
    return st ? st : close_string(out, err);
}

/* The byte of "<0xAB>", or -1. */
static int byte_token(const char *s, size_t len)
{
    if (len != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>') return -1;
    int value = 0;
    for (int i = 3; i < 5; i++) {
        const char c = s[i];
        const int d = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
        if (d < 0) return -1;
        value = value * 16 + d;
    }
    return value;
}

/* A run of byte tokens is their text, or one U+FFFD each if that is not UTF-8. */
static hone_status close_run(hone_buf *run, strings *out, hone_error *err)
{
    if (run->len == 0) return HONE_OK;
    const bool valid = hone_utf8_valid(run->data, run->len);
    const size_t n = run->len;
    if (valid) hone_buf_append(&out->text, run->data, n);
    if (valid) HONE_TRY(close_string(out, err));
    for (size_t i = 0; !valid && i < n; i++) {
        hone_buf_append_utf8(&out->text, HONE_UTF8_REPLACEMENT);
        HONE_TRY(close_string(out, err));
    }
    hone_buf_reset(run);
    return HONE_OK;
}

static hone_status byte_fallback(const strings *in, strings *out, hone_error *err)
{
    hone_buf run;
    hone_buf_init(&run, HONE_TOKENIZER_MAX_TEXT);
    hone_status st = HONE_OK;
    for (size_t i = 0; i < in->n && !st; i++) {
        size_t len;
        const char *s = string_at(in, i, &len);
        const int byte = byte_token(s, len);
        if (byte >= 0) {
            hone_buf_append_char(&run, (char)byte);
            st = hone_buf_status(&run, "decode", err);
            continue;
        }
        st = close_run(&run, out, err);
        hone_buf_append(&out->text, s, len);
        if (!st) st = close_string(out, err);
    }
    if (!st) st = close_run(&run, out, err);
    hone_buf_release(&run);
    return st;
}

/* At most n_left copies of the content from the left, n_right from the right. */
static void strip_string(const hone_step *d, const char *s, size_t len, hone_buf *out)
{
    size_t from = 0, to = len;
    for (int i = 0; i < d->n_left && to - from >= d->text_len; i++) {
        if (memcmp(s + from, d->text, d->text_len) != 0) break;
        from += d->text_len;
    }
    for (int i = 0; i < d->n_right && to - from >= d->text_len; i++) {
        if (memcmp(s + to - d->text_len, d->text, d->text_len) != 0) break;
        to -= d->text_len;
    }
    hone_buf_append(out, s + from, to - from);
}

typedef struct replacing {
    const hone_step *d;
    const char *text;
    size_t done;
    hone_buf *out;
} replacing;

static hone_status on_match(void *ctx, size_t from, size_t to, hone_error *err)
{
    replacing *r = ctx;
    (void)err;
    hone_buf_append(r->out, r->text + r->done, from - r->done);
    hone_buf_append(r->out, r->d->text, r->d->text_len);
    r->done = to;
    return HONE_OK;
}

static hone_status replace_string(const hone_step *d, const char *s, size_t len,
                                  hone_buf *out, hone_error *err)
{
    replacing r = {d, s, 0, out};
    HONE_TRY(hone_regex_each(d->regex, s, len, on_match, &r, err));
    hone_buf_append(out, s + r.done, len - r.done);
    return HONE_OK;
}

/* Replacements become spaces; in the first token they vanish. */
static void metaspace_string(const hone_step *d, const char *s, size_t len, bool first,
                             hone_buf *out)
{
    const bool drop = first && d->prepend != HONE_PREPEND_NEVER;
    for (size_t at = 0; at < len;) {
        if (d->text_len && len - at >= d->text_len &&
            memcmp(s + at, d->text, d->text_len) == 0) {
            if (!drop) hone_buf_append_char(out, ' ');
            at += d->text_len;
        } else {
            hone_buf_append_char(out, s[at++]);
        }
    }
}

/* Every suffix becomes a space, in the last token nothing. */
static void suffix_string(const hone_step *d, const char *s, size_t len, bool last,
                          hone_buf *out)
{
    for (size_t at = 0; at < len;) {
        if (d->text_len && len - at >= d->text_len &&
            memcmp(s + at, d->text, d->text_len) == 0) {
            if (!last) hone_buf_append_char(out, ' ');
            at += d->text_len;
        } else {
            hone_buf_append_char(out, s[at++]);
        }
    }
}

/* Append s with every `from` as `to`. */
static void replace_all(hone_buf *out, const char *s, size_t len, const char *from,
                        const char *to)
{
    const size_t n = strlen(from);
    for (size_t at = 0; at < len;) {
        if (n && len - at >= n && memcmp(s + at, from, n) == 0) {
            hone_buf_append_str(out, to);
            at += n;
        } else {
            hone_buf_append_char(out, s[at++]);
        }
    }
}

/* Spaces that English does not write.
 * Source: huggingface/tokenizers, src/decoders/wordpiece.rs, cleanup. */
static void clean_spaces(hone_buf *b, size_t from)
{
    static const char *const pair[][2] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    hone_buf old;
    hone_buf_init(&old, HONE_TOKENIZER_MAX_TEXT);
    for (size_t i = 0; i < sizeof pair / sizeof pair[0]; i++) {
        hone_buf_reset(&old);
        hone_buf_append(&old, b->data + from, b->len - from);
        b->len = from;
        replace_all(b, old.data, old.len, pair[i][0], pair[i][1]);
    }
    if (old.failed) b->failed = old.failed;
    hone_buf_release(&old);
}

/* Words are parted by a space; a prefix joins a token to the one before. */
static void wordpiece_string(const hone_step *d, const char *s, size_t len, bool first,
                             hone_buf *out)
{
    const size_t from = out->len;
    const bool joined = len >= d->text_len && memcmp(s, d->text, d->text_len) == 0;
    if (first || !joined) {
        if (!first) hone_buf_append_char(out, ' ');
        hone_buf_append(out, s, len);
    } else {
        hone_buf_append(out, s + d->text_len, len - d->text_len);
    }
    if (d->cleanup) clean_spaces(out, from);
}

/* Repetitions and padding vanish, and what is empty then. */
static hone_status ctc(const hone_step *d, const strings *in, strings *out,
                       hone_error *err)
{
    hone_buf b;
    hone_buf_init(&b, HONE_TOKENIZER_MAX_TEXT);
    hone_status st = HONE_OK;
    for (size_t i = 0; i < in->n && !st; i++) {
        size_t len, n = 0;
        const char *before = i ? string_at(in, i - 1, &n) : NULL;
        const char *s = string_at(in, i, &len);
        if (before && n == len && memcmp(before, s, len) == 0) continue;
        hone_buf_reset(&b);
        replace_all(&b, s, len, d->text, "");
        if (d->cleanup) clean_spaces(&b, 0);
        const size_t from = out->text.len;
        if (d->cleanup)
            replace_all(&out->text, b.data, b.len, d->delimiter, " ");
        else
            hone_buf_append(&out->text, b.data, b.len);
        st = hone_buf_status(&b, "decode", err);
        if (!st && out->text.len > from) st = close_string(out, err);
    }
    hone_buf_release(&b);
    return st;
}

static hone_status run_decoder(const hone_step *d, const strings *in, strings *out,
                               hone_error *err)
{
    if (d->kind == HONE_DEC_BYTE_LEVEL) return byte_level(in, out, err);
    if (d->kind == HONE_DEC_BYTE_FALLBACK) return byte_fallback(in, out, err);
    if (d->kind == HONE_DEC_CTC) return ctc(d, in, out, err);
    if (d->kind == HONE_DEC_FUSE) {
        hone_buf_append(&out->text, in->text.data, in->text.len);
        return close_string(out, err);
    }
    for (size_t i = 0; i < in->n; i++) {
        size_t len;
        const char *s = string_at(in, i, &len);
        switch (d->kind) {
        case HONE_DEC_STRIP:
            strip_string(d, s, len, &out->text);
            break;
        case HONE_DEC_REPLACE:
            HONE_TRY(replace_string(d, s, len, &out->text, err));
            break;
        case HONE_DEC_METASPACE:
            metaspace_string(d, s, len, i == 0, &out->text);
            break;
        case HONE_DEC_WORDPIECE:
            wordpiece_string(d, s, len, i == 0, &out->text);
            break;
        default:
            HONE_ASSERT(d->kind == HONE_DEC_BPE_SUFFIX);
            suffix_string(d, s, len, i + 1 == in->n, &out->text);
            break;
        }
        HONE_TRY(close_string(out, err));
    }
    return HONE_OK;
}

/* -- the chain -------------------------------------------------------------------- */

static hone_status spell(const hone_tokenizer *t, const int32_t *id, size_t n,
                         unsigned flags, strings *out, hone_error *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *text = hone_vocab_spelling(t, id[i], &len);
        const bool hide = flags & HONE_DECODE_NO_SPECIAL;
        if (!text || (hide && t->piece[id[i]].hidden)) continue;
        hone_buf_append(&out->text, text, len);
        HONE_TRY(close_string(out, err));
    }
    return HONE_OK;
}

static hone_status run_chain(const hone_tokenizer *t, strings *a, strings *b,
                             hone_error *err)
{
    for (size_t i = 0; i < t->decoder.n; i++) {
        HONE_TRY(run_decoder(&t->decoder.step[i], a, b, err));
        const strings swap = *a;
        *a = *b;
        *b = swap;
        hone_buf_reset(&b->text);
        b->n = 0;
    }
    return HONE_OK;
}

hone_status hone_decode(const hone_tokenizer *t, const int32_t *id, size_t n,
                        unsigned flags, hone_buf *out, hone_error *err)
{
    strings a, b;
    strings_init(&a);
    strings_init(&b);
    hone_status s = spell(t, id, n, flags, &a, err);
    if (!s && t->bpe.whole_bytes) {
        /* tiktoken: pieces are bytes */
        hone_append_lossy(out, a.text.data, a.text.len);
        s = hone_buf_status(out, "decode", err);
    } else {
        if (!s) s = run_chain(t, &a, &b, err);
        for (size_t i = 0; i < a.n && !s; i++) {
            size_t len;
            const char *text = string_at(&a, i, &len);
            if (i && !t->has_decoder) hone_buf_append_char(out, ' ');
            hone_buf_append(out, text, len);
        }
        if (!s) s = hone_buf_status(out, "decode", err);
    }
    strings_release(&a);
    strings_release(&b);
    return s;
}
