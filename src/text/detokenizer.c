/* detokenizer.c - text from ids one by one, never ending inside a character.
 *
 * Ids since the last safe place are decoded together with an anchor, the id before them,
 * so that rules for the beginning of a text (a stripped space) act on the anchor and not
 * on new text.  A place is safe when the text does not end in U+FFFD, which an open
 * character looks like, and the last token is no byte token, whose run may go on.
 *
 * That is right for decoders that look at one token after the other.  Where the last token
 * is treated apart it is held until the next one comes; where a decoder looks at the whole
 * text all of it is held until the flush. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"

typedef enum mode {
    LOCAL,
    HOLD_ONE,
    HOLD_ALL
} mode;

struct hone_detokenizer {
    const hone_tokenizer *tok; /* borrowed */
    mode mode;
    unsigned flags;
    hone_tokens window; /* the anchor, if any, then ids not yet safe */
    size_t n_anchor;    /* 0 or 1 */
    size_t n_shown;     /* bytes of the window's new text that were given out */
    hone_buf anchor_text, text;
};

/* Once tokens are joined, few decoders still act on one token's part alone. */
static mode mode_of(const hone_steps *s)
{
    bool joined = false, last = false, plain = true;
    for (size_t i = 0; i < s->n; i++) {
        const hone_step *d = &s->step[i];
        const bool joins = d->kind == HONE_DEC_BYTE_LEVEL || d->kind == HONE_DEC_FUSE;
        const bool strips = d->kind == HONE_DEC_STRIP;
        if (d->kind == HONE_DEC_CTC) return HOLD_ALL;
        if (strips && (d->n_right > 0 || (joined && d->n_left > 1))) return HOLD_ALL;
        if (joined && !strips && d->kind != HONE_DEC_FUSE) return HOLD_ALL;
        last |= d->kind == HONE_DEC_BPE_SUFFIX;
        plain &= d->kind == HONE_DEC_BPE_SUFFIX || d->kind == HONE_DEC_FUSE;
        joined |= joins;
    }
    return !last ? LOCAL : plain ? HOLD_ONE : HOLD_ALL;
}

hone_status hone_detokenizer_new(hone_detokenizer **out, const hone_tokenizer *tok,
                                 unsigned flags, hone_error *err)
{
    hone_detokenizer *d = hone_alloc_zero(1, sizeof *d);
    if (!d) return hone_fail(err, HONE_E_NOMEM, "decode: out of memory");
    d->tok = tok;
    d->mode = mode_of(&tok->decoder);
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

/* What the token before `id` is, now that it is not the last. */
static hone_status show_held(hone_detokenizer *d, int32_t id, const char **text,
                             size_t *len, hone_error *err)
{
    hone_buf_reset(&d->anchor_text);
    HONE_TRY(hone_decode(d->tok, &id, 1, d->flags, &d->anchor_text, err));
    HONE_TRY(hone_tokens_append(&d->window, &id, 1, err));
    hone_buf_reset(&d->text);
    HONE_TRY(hone_decode(d->tok, d->window.id, d->window.len, d->flags, &d->text, err));
    *text = d->text.data;
    *len = d->text.len > d->anchor_text.len ? d->text.len - d->anchor_text.len : 0;
    d->window.id[0] = id;
    d->window.len = 1;
    return HONE_OK;
}

hone_status hone_detokenizer_push(hone_detokenizer *d, int32_t id, const char **text,
                                  size_t *len, hone_error *err)
{
    size_t from;
    *text = "";
    *len = 0;
    if (!is_shown(d, id)) return HONE_OK; /* decoding leaves it out as well */
    if (d->mode == HOLD_ONE) return show_held(d, id, text, len, err);
    HONE_TRY(hone_tokens_append(&d->window, &id, 1, err));
    if (d->mode == HOLD_ALL) return HONE_OK;
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
    if (d->mode != LOCAL) hone_buf_reset(&d->anchor_text); /* nothing was shown of it */
    if (d->window.len > d->n_anchor) {
        HONE_TRY(decode_window(d, &from, err));
        const size_t shown = from + d->n_shown;
        *text = d->text.data + (shown < d->text.len ? shown : d->text.len);
        *len = shown < d->text.len ? d->text.len - shown : 0;
    }
    d->window.len = 0;
    d->n_anchor = 0;
    d->n_shown = 0;
    hone_buf_reset(&d->anchor_text);
    return HONE_OK;
}
