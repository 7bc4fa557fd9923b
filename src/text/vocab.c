/* vocab.c - the table of pieces. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "text/tokenizer_internal.h"

hone_status hone_tokenizer_new(hone_tokenizer **out, size_t n_vocab, hone_error *err)
{
    if (n_vocab > HONE_TOKENIZER_MAX_VOCAB) {
        return hone_fail(err, HONE_E_LIMIT, "vocabulary: %zu tokens, at most %d",
                         n_vocab, HONE_TOKENIZER_MAX_VOCAB);
    }
    hone_tokenizer *t = hone_alloc_zero(1, sizeof *t);
    if (!t) return hone_fail(err, HONE_E_NOMEM, "tokenizer: out of memory");
    t->bpe.unk = -1;
    for (int i = 0; i < 256; i++) {
        t->bpe.byte_id[i] = -1;
    }
    for (int i = 0; i < HONE_TOKEN_N_ROLE; i++) {
        t->role[i] = -1;
    }
    hone_status s = hone_map_init(&t->map, n_vocab, err);
    if (!s) s = hone_vocab_grow(t, n_vocab, err);
    if (s)
        hone_tokenizer_free(t);
    else
        *out = t;
    return s;
}

hone_status hone_vocab_grow(hone_tokenizer *t, size_t n, hone_error *err)
{
    if (n <= (size_t)t->n_vocab) return HONE_OK;
    if (n > HONE_TOKENIZER_MAX_VOCAB) {
        return hone_fail(err, HONE_E_LIMIT, "vocabulary: id %zu, at most %d", n - 1,
                         HONE_TOKENIZER_MAX_VOCAB - 1);
    }
    hone_piece_entry *p = hone_realloc(t->piece, n, sizeof *p);
    if (!p) return hone_fail(err, HONE_E_NOMEM, "tokenizer: out of memory");
    memset(p + t->n_vocab, 0, (n - (size_t)t->n_vocab) * sizeof *p);
    t->piece = p;
    t->n_vocab = (int32_t)n;
    return HONE_OK;
}

hone_status hone_vocab_set(hone_tokenizer *t, int32_t id, const char *text, size_t len,
                           bool in_map, hone_error *err)
{
    HONE_ASSERT(id >= 0 && id < t->n_vocab);
    hone_piece_entry *p = &t->piece[id];
    if (p->text) {
        return hone_fail(err, HONE_E_FORMAT, "vocabulary: id %d: '%.40s' and '%.40s'",
                         id, p->text, text);
    }
    if (len > UINT32_MAX)
        return hone_fail(err, HONE_E_LIMIT, "vocabulary: id %d is too long", id);
    p->text = hone_strndup(text, len);
    if (!p->text) return hone_fail(err, HONE_E_NOMEM, "tokenizer: out of memory");
    p->len = (uint32_t)len;
    t->memory += len + 1;
    if (!in_map) return HONE_OK;
    int32_t old;
    HONE_TRY(hone_map_put(&t->map, p->text, len, id, &old, err));
    p->mapped = old < 0;
    /* of pieces with the same text the first is found */
    return old < 0 ? HONE_OK : hone_map_put(&t->map, p->text, len, old, NULL, err);
}

const char *hone_vocab_spelling(const hone_tokenizer *t, int32_t id, size_t *len)
{
    *len = 0;
    if (id < 0 || id >= t->n_vocab || !t->piece[id].text) return NULL;
    const hone_piece_entry *p = &t->piece[id];
    const hone_added_token *a = p->added ? &t->added[p->added - 1] : NULL;
    const bool normalized = a && a->normalized;
    *len = normalized ? a->len : p->len;
    return normalized ? a->content : p->text;
}

static bool has_step(const hone_steps *s, hone_step_kind kind)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->step[i].kind == kind) return true;
    }
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What a decoder chain makes of one token in the middle of a text. */
static void token_bytes(const hone_tokenizer *t, const hone_piece_entry *p,
                        hone_buf *out)
{
    const hone_steps *d = &t->decoder;
    if (p->added) {
        hone_buf_append(out, p->text, p->len);
        return;
    }
    if (t->bpe.whole_bytes) { /* tiktoken: spelled as they are */
        hone_buf_append(out, p->text, p->len);
        return;
    }
    if (has_step(d, HONE_DEC_BYTE_LEVEL)) {
        if (!hone_byte_level_decode(out, p->text, p->len)) {
            hone_buf_append(out, p->text, p->len);
        }
        return;
    }
    if (has_step(d, HONE_DEC_BYTE_FALLBACK) && p->len == 6 &&
        memcmp(p->text, "<0x", 3) == 0 && p->text[5] == '>') {
        const int hi = hex_digit(p->text[3]), lo = hex_digit(p->text[4]);
        if (hi >= 0 && lo >= 0) {
            hone_buf_append_char(out, (char)(hi * 16 + lo));
            return;
        }
    }
    static const char block[] = "\xE2\x96\x81"; /* U+2581 stands for a space */
    const bool spaces =
        has_step(d, HONE_DEC_REPLACE) || has_step(d, HONE_DEC_METASPACE);
    for (size_t at = 0; at < p->len;) {
        if (spaces && p->len - at >= 3 && memcmp(p->text + at, block, 3) == 0) {
            hone_buf_append_char(out, ' ');
            at += 3;
        } else {
            hone_buf_append_char(out, p->text[at++]);
        }
    }
}

/* As in the reference a token is hidden if its spelling, which may be normalized, is the
 * content of a special one. */
static hone_status find_hidden(hone_tokenizer *t, hone_error *err)
{
    hone_map special;
    HONE_TRY(hone_map_init(&special, t->n_added, err));
    hone_status s = HONE_OK;
    for (int32_t i = 0; i < t->n_vocab && !s; i++) {
        const hone_piece_entry *p = &t->piece[i];
        if (p->text && p->special)
            s = hone_map_put(&special, p->text, p->len, i, NULL, err);
    }
    for (int32_t i = 0; i < t->n_vocab && !s; i++) {
        size_t len;
        const char *text = hone_vocab_spelling(t, i, &len);
        t->piece[i].hidden = text && hone_map_find(&special, text, len) >= 0;
    }
    hone_map_release(&special);
    return s;
}

hone_status hone_vocab_fill_bytes(hone_tokenizer *t, hone_error *err)
{
    HONE_TRY(find_hidden(t, err));
    hone_buf b;
    hone_buf_init(&b, HONE_TOKENIZER_MAX_TEXT);
    hone_status s = HONE_OK;
    for (int32_t id = 0; id < t->n_vocab && !s; id++) {
        hone_piece_entry *p = &t->piece[id];
        if (!p->text) continue;
        hone_buf_reset(&b);
        token_bytes(t, p, &b);
        s = hone_buf_status(&b, "vocabulary", err);
        if (s) break;
        if (b.len == p->len && memcmp(b.data, p->text, b.len) == 0) {
            p->bytes = p->text;
        } else {
            p->bytes = hone_strndup(b.data, b.len);
            t->memory += b.len + 1;
            if (!p->bytes) s = hone_fail(err, HONE_E_NOMEM, "tokenizer: out of memory");
        }
        p->n_bytes = (uint32_t)b.len;
    }
    hone_buf_release(&b);
    t->memory += (size_t)t->n_vocab * (sizeof *t->piece + 32);
    return s;
}
