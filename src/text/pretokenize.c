/* pretokenize.c - cutting normalized text into the pieces that BPE works on.
 *
 * Each step turns a list of pieces into another; pieces lie one after the other in a
 * buffer.  A piece remembers whether it begins the whole input, which is what Metaspace
 * asks for. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/chars.h"
#include "text/tokenizer_internal.h"

typedef struct piece {
    size_t from, len;
    bool at_start;
} piece;

typedef struct pieces {
    hone_buf text;
    piece *item;
    size_t n, cap;
} pieces;

static void pieces_init(pieces *p)
{
    *p = (pieces){0};
    hone_buf_init(&p->text, HONE_TOKENIZER_MAX_TEXT);
}

static void pieces_release(pieces *p)
{
    hone_buf_release(&p->text);
    hone_free(p->item);
}

/* The text of the piece is what was appended to p->text since `from`; empty ones are
 * dropped. */
static hone_status close_piece(pieces *p, size_t from, bool at_start, hone_error *err)
{
    if (p->text.len == from) return hone_buf_status(&p->text, "encode", err);
    if (hone_grow((void **)&p->item, &p->cap, p->n + 1, sizeof *p->item)) {
        return hone_fail(err, HONE_E_NOMEM, "encode: out of memory");
    }
    p->item[p->n++] = (piece){from, p->text.len - from, at_start};
    return hone_buf_status(&p->text, "encode", err);
}

/* -- splitting -------------------------------------------------------------------- */

/* A stretch that matches, or one between matches. */
typedef struct span {
    size_t from, to;
    bool match;
} span;

typedef struct spans {
    span *item;
    size_t n, cap;
    size_t done; /* up to here the text is covered */
} spans;

static hone_status add_span(spans *s, size_t from, size_t to, bool match,
                            hone_error *err)
{
    if (hone_grow((void **)&s->item, &s->cap, s->n + 1, sizeof *s->item)) {
        return hone_fail(err, HONE_E_NOMEM, "encode: out of memory");
    }
    s->item[s->n++] = (span){from, to, match};
    s->done = to;
    return HONE_OK;
}

static hone_status on_match(void *ctx, size_t from, size_t to, hone_error *err)
{
    spans *s = ctx;
    if (from > s->done) HONE_TRY(add_span(s, s->done, from, false, err));
    return add_span(s, from, to, true, err);
}

/* Merge neighbours as the behaviour says; spans that stay are moved to the front. */
static void merge_spans(spans *s, hone_split_behavior behavior)
{
    size_t n = 0;
    if (behavior == HONE_SPLIT_NEXT) {
        /* from the end: a match takes in the stretch behind it, unless that is one */
        for (size_t i = 0; i + 1 < s->n; i++) {
            if (s->item[i].match && !s->item[i + 1].match) {
                s->item[i + 1].from = s->item[i].from;
                s->item[i].to = s->item[i].from; /* empty: dropped below */
            }
        }
        for (size_t i = 0; i < s->n; i++) {
            if (s->item[i].to > s->item[i].from) s->item[n++] = s->item[i];
        }
        s->n = n;
        return;
    }
    bool previous_match = false;
    for (size_t i = 0; i < s->n; i++) {
        const span it = s->item[i];
        const bool joins = behavior == HONE_SPLIT_CONTIGUOUS
                               ? n > 0 && it.match == previous_match
                               : behavior == HONE_SPLIT_PREVIOUS && n > 0 && it.match &&
                                     !previous_match;
        if (behavior == HONE_SPLIT_REMOVED && it.match) {
            /* left out */
        } else if (joins) {
            s->item[n - 1].to = it.to;
        } else {
            s->item[n++] = it;
        }
        previous_match = it.match;
    }
    s->n = n;
}

/* Spans of characters that a predicate accepts, one each. */
static hone_status predicate_spans(spans *s, const char *text, size_t len,
                                   bool (*is)(const hone_step *, uint32_t),
                                   const hone_step *step, hone_error *err)
{
    for (size_t at = 0; at < len;) {
        uint32_t cp;
        int n = hone_utf8_decode(text + at, len - at, &cp);
        if (n <= 0) n = 1;
        if (is(step, cp)) HONE_TRY(on_match(s, at, at + (size_t)n, err));
        at += (size_t)n;
    }
    return HONE_OK;
}

static bool is_digit(const hone_step *s, uint32_t cp)
{
    (void)s;
    return hone_char_is_numeric(cp);
}

static bool is_punct(const hone_step *s, uint32_t cp)
{
    (void)s;
    return hone_char_is_punct(cp);
}

static bool is_space(const hone_step *s, uint32_t cp)
{
    (void)s;
    return hone_char_is_space(cp);
}

static bool is_delimiter(const hone_step *s, uint32_t cp)
{
    uint32_t want;
    return s->text_len && hone_utf8_decode(s->text, s->text_len, &want) > 0 &&
           cp == want;
}

static hone_status find_spans(const hone_step *step, const char *text, size_t len,
                              spans *s, hone_error *err)
{
    switch (step->kind) {
    case HONE_PRE_DIGITS:
        HONE_TRY(predicate_spans(s, text, len, is_digit, step, err));
        break;
    case HONE_PRE_PUNCTUATION:
        HONE_TRY(predicate_spans(s, text, len, is_punct, step, err));
        break;
    case HONE_PRE_WHITESPACE_SPLIT:
        HONE_TRY(predicate_spans(s, text, len, is_space, step, err));
        break;
    case HONE_PRE_CHAR_SPLIT:
        HONE_TRY(predicate_spans(s, text, len, is_delimiter, step, err));
        break;
    default:
        HONE_TRY(hone_regex_each(step->regex, text, len, on_match, s, err));
        break;
    }
    if (s->done < len) HONE_TRY(add_span(s, s->done, len, false, err));
    for (size_t i = 0; i < s->n && step->invert; i++) {
        s->item[i].match = !s->item[i].match;
    }
    return HONE_OK;
}

static hone_status split(const hone_step *step, const char *text, size_t len,
                         bool at_start, pieces *out, hone_error *err)
{
    spans s = {0};
    hone_status st = find_spans(step, text, len, &s, err);
    if (!st) merge_spans(&s, step->behavior);
    for (size_t i = 0; i < s.n && !st; i++) {
        const size_t from = out->text.len;
        hone_buf_append(&out->text, text + s.item[i].from,
                        s.item[i].to - s.item[i].from);
        st = close_piece(out, from, at_start && s.item[i].from == 0, err);
    }
    hone_free(s.item);
    return st;
}

/* -- byte level and metaspace ----------------------------------------------------- */

/* GPT-2's: an optional space in front, its pattern, then bytes as characters. */
static hone_status byte_level(const hone_step *step, const char *text, size_t len,
                              bool at_start, pieces *out, hone_error *err)
{
    hone_buf b;
    hone_buf_init(&b, HONE_TOKENIZER_MAX_TEXT);
    if (step->add_prefix_space && len && text[0] != ' ') hone_buf_append_char(&b, ' ');
    hone_buf_append(&b, text, len);
    hone_status st = hone_buf_status(&b, "encode", err);
    spans s = {0};
    if (!st && step->regex)
        st = hone_regex_each(step->regex, b.data, b.len, on_match, &s, err);
    if (!st && s.done < b.len) st = add_span(&s, s.done, b.len, false, err);
    for (size_t i = 0; i < s.n && !st; i++) {
        const size_t from = out->text.len;
        hone_byte_level_encode(&out->text, b.data + s.item[i].from,
                               s.item[i].to - s.item[i].from);
        st = close_piece(out, from, at_start && s.item[i].from == 0, err);
    }
    hone_free(s.item);
    hone_buf_release(&b);
    return st;
}

/* Spaces become the replacement; one may be put in front; each begins a piece. */
static hone_status metaspace(const hone_step *step, const char *text, size_t len,
                             bool at_start, pieces *out, hone_error *err)
{
    size_t from = out->text.len;
    const bool has = len >= step->text_len && step->text_len &&
                     memcmp(text, step->text, step->text_len) == 0;
    const bool prepend = step->prepend == HONE_PREPEND_ALWAYS ||
                         (step->prepend == HONE_PREPEND_FIRST && at_start);
    if (len && prepend && text[0] != ' ' && !has) {
        hone_buf_append(&out->text, step->text, step->text_len);
    }
    bool open = out->text.len > from; /* a replacement was just written */
    for (size_t at = 0; at < len;) {
        const bool marked = len - at >= step->text_len && step->text_len &&
                            memcmp(text + at, step->text, step->text_len) == 0;
        if (text[at] == ' ' || marked) {
            /* merged with next: each replacement begins a new piece */
            if (step->split && (open || out->text.len > from)) {
                HONE_TRY(close_piece(out, from, at_start, err));
                at_start = false;
                from = out->text.len;
            }
            hone_buf_append(&out->text, step->text, step->text_len);
            at += text[at] == ' ' ? 1 : step->text_len;
            open = true;
        } else {
            hone_buf_append_char(&out->text, text[at++]);
            open = false;
        }
    }
    return close_piece(out, from, at_start, err);
}

/* Pieces of so many characters, the last may be shorter. */
static hone_status fixed_length(const hone_step *step, const char *text, size_t len,
                                bool at_start, pieces *out, hone_error *err)
{
    for (size_t at = 0; at < len;) {
        const size_t from = out->text.len;
        const bool first = at_start && at == 0;
        for (int i = 0; i < step->length && at < len; i++) {
            uint32_t cp;
            int n = hone_utf8_decode(text + at, len - at, &cp);
            if (n <= 0) n = 1;
            hone_buf_append(&out->text, text + at, (size_t)n);
            at += (size_t)n;
        }
        HONE_TRY(close_piece(out, from, first, err));
    }
    return HONE_OK;
}

static hone_status run_step(const hone_step *step, const pieces *in, pieces *out,
                            hone_error *err)
{
    for (size_t i = 0; i < in->n; i++) {
        const piece *p = &in->item[i];
        const char *text = in->text.data + p->from;
        if (step->kind == HONE_PRE_BYTE_LEVEL) {
            HONE_TRY(byte_level(step, text, p->len, p->at_start, out, err));
        } else if (step->kind == HONE_PRE_METASPACE) {
            HONE_TRY(metaspace(step, text, p->len, p->at_start, out, err));
        } else if (step->kind == HONE_PRE_FIXED_LENGTH) {
            HONE_TRY(fixed_length(step, text, p->len, p->at_start, out, err));
        } else {
            HONE_TRY(split(step, text, p->len, p->at_start, out, err));
        }
    }
    return HONE_OK;
}

static hone_status run_all(const hone_steps *steps, pieces *a, pieces *b,
                           hone_error *err)
{
    for (size_t i = 0; i < steps->n; i++) {
        HONE_TRY(run_step(&steps->step[i], a, b, err));
        const pieces swap = *a;
        *a = *b;
        *b = swap;
        hone_buf_reset(&b->text);
        b->n = 0;
    }
    return HONE_OK;
}

hone_status hone_pretokenize(const hone_steps *steps, const char *text, size_t len,
                             bool at_start, hone_piece_text_fn *fn, void *ctx,
                             hone_error *err)
{
    if (steps->n == 0) return len ? fn(ctx, text, len, err) : HONE_OK;
    pieces a, b;
    pieces_init(&a);
    pieces_init(&b);
    hone_buf_append(&a.text, text, len);
    hone_status s = close_piece(&a, 0, at_start, err);
    if (!s) s = run_all(steps, &a, &b, err);
    for (size_t i = 0; i < a.n && !s; i++) {
        s = fn(ctx, a.text.data + a.item[i].from, a.item[i].len, err);
    }
    pieces_release(&a);
    pieces_release(&b);
    return s;
}
