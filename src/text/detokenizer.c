/* detokenizer.c - text from ids one by one, never ending inside a character.
 *
 * Ids since the last safe place are decoded together with an anchor, the id before them,
 * so that rules for the beginning of a text (a stripped space) act on the anchor and not
 * on new text.  A place is safe when the text does not end in U+FFFD, which an open
 * character looks like, and the last token is no byte token, whose run may go on. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"

struct hone_detokenizer {
    const hone_tokenizer *tok; /* borrowed */
    unsigned flags;
    hone_tokens window; /* the anchor, if any, then ids not yet safe */
    size_t n_anchor;    /* 0 or 1 */
    size_t n_shown;     /* bytes of the window's new text that were given out */
    hone_buf anchor_text, text;
};

hone_status hone_detokenizer_new(hone_detokenizer **out, const hone_tokenizer *tok,
                                 unsigned flags, hone_error *err)
{
    hone_detokenizer *d = hone_alloc_zero(1, sizeof *d);
    if (!d) return hone_fail(err, HONE_E_NOMEM, "decode: out of memory");
    d->tok = tok;
    d->flags = flags;
    hone_buf_init(&d->anchor_text, HONE_TOKENIZER_MAX_TEXT);
    hone_buf_init(&d->text, HONE_TOKENIZER_MAX_TEXT);
    *out = d;
    return HONE_OK;
}

void hone_detokenizer_free(hone_detokenizer *d)
{
    if (!d) return;
    hone_tokens_release(&d->window);
    hone_buf_release(&d->anchor_text);
    hone_buf_release(&d->text);
    hone_free(d);
}

void hone_detokenizer_reset(hone_detokenizer *d)
{
    d->window.len = 0;
    d->n_anchor = 0;
    d->n_shown = 0;
    hone_buf_reset(&d->anchor_text);
    hone_buf_reset(&d->text);
}

/* Bytes at the end of s that are U+FFFD. */
static size_t open_tail(const char *s, size_t len)
{
    size_t n = 0;
    while (len - n >= 3 && memcmp(s + len - n - 3, "\xEF\xBF\xBD", 3) == 0) {
        n += 3;
    }
    return n;
}

static bool is_byte_run(const hone_detokenizer *d, int32_t id)
{
    for (int i = 0; i < 256; i++) {
        if (d->tok->bpe.byte_id[i] == id) return d->tok->bpe.byte_fallback;
    }
    return false;
}

/* Decode the window; *from is where its new text begins. */
static hone_status decode_window(hone_detokenizer *d, size_t *from, hone_error *err)
{
    hone_buf_reset(&d->text);
    HONE_TRY(hone_decode(d->tok, d->window.id, d->window.len, d->flags, &d->text, err));
    *from = d->anchor_text.len <= d->text.len ? d->anchor_text.len : d->text.len;
    return HONE_OK;
}

/* The last id becomes the anchor. */
static hone_status make_safe(hone_detokenizer *d, hone_error *err)
{
    d->window.id[0] = d->window.id[d->window.len - 1];
    d->window.len = 1;
    d->n_anchor = 1;
    d->n_shown = 0;
    hone_buf_reset(&d->anchor_text);
    return hone_decode(d->tok, d->window.id, 1, d->flags, &d->anchor_text, err);
}

static bool is_shown(const hone_detokenizer *d, int32_t id)
{
    if (id < 0 || id >= d->tok->n_vocab || !d->tok->piece[id].text) return false;
    return !(d->tok->piece[id].hidden && (d->flags & HONE_DECODE_NO_SPECIAL));
}

hone_status hone_detokenizer_push(hone_detokenizer *d, int32_t id, const char **text,
                                  size_t *len, hone_error *err)
{
    size_t from;
    *text = "";
    *len = 0;
    if (!is_shown(d, id)) return HONE_OK; /* decoding leaves it out as well */
    HONE_TRY(hone_tokens_append(&d->window, &id, 1, err));
    HONE_TRY(decode_window(d, &from, err));
    const size_t end = d->text.len - open_tail(d->text.data + from, d->text.len - from);
    const bool run = is_byte_run(d, id);
    if (run || end < from + d->n_shown) return HONE_OK;
    *text = d->text.data + from + d->n_shown;
    *len = end - from - d->n_shown;
    d->n_shown = end - from;
    /* an empty spelling could not take the anchor's part */
    if (end == d->text.len && *len > 0) return make_safe(d, err);
    return HONE_OK;
}

hone_status hone_detokenizer_flush(hone_detokenizer *d, const char **text, size_t *len,
                                   hone_error *err)
{
    size_t from;
    *text = "";
    *len = 0;
    if (d->window.len > d->n_anchor) {
        HONE_TRY(decode_window(d, &from, err));
        *text = d->text.data + from + d->n_shown;
        *len = d->text.len - from - d->n_shown;
    }
    d->window.len = 0;
    d->n_anchor = 0;
    d->n_shown = 0;
    hone_buf_reset(&d->anchor_text);
    return HONE_OK;
}
