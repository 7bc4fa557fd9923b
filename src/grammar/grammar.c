/* grammar.c - the public calls: grammars, states, steps. */
#include "hone/grammar.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "grammar/chars.h"
#include "grammar/grammar_internal.h"
#include "grammar/pattern.h"
#include "grammar/schema.h"

enum {
    COLLECT_MIN = 300000, /* nodes */
    MAX_PATTERN = 1 << 20,
};

/* -- grammars --------------------------------------------------------------------- */

static hone_status new_grammar(hone_grammar **out, hone_error *err)
{
    hone_grammar *g = hone_alloc_zero(1, sizeof *g);
    if (!g) return hone_fail(err, HONE_E_NOMEM, "grammar: out of memory");
    const hone_status s = hone_exprs_init(&g->x, err);
    if (s) {
        hone_free(g);
        return s;
    }
    for (unsigned b = 0; b < 256; b++)
        g->x.kind_of[b] = hone_byte_kind(b);
    pthread_mutex_init(&g->lock, NULL);
    g->n_user = 1;
    g->collect_when = COLLECT_MIN;
    *out = g;
    return HONE_OK;
}

static void release(hone_grammar *g)
{
    hone_mask_cache_release(&g->cache);
    hone_exprs_release(&g->x);
    pthread_mutex_destroy(&g->lock);
    hone_free(g);
}

/* The last touch of every constructor. */
static hone_status finish(hone_grammar *g, hone_status s, const char *what,
                          hone_grammar **out, hone_error *err)
{
    if (!s && !hone_expr_alive(&g->x, g->start) && !g->x.failed)
        s = hone_fail(err, HONE_E_UNSUPPORTED, "%s: no text satisfies it", what);
    if (!s) s = hone_exprs_status(&g->x, what, err);
    if (s) {
        release(g);
        return s;
    }
    if (g->x.n_live * 2 > g->collect_when) g->collect_when = g->x.n_live * 2;
    *out = g;
    return HONE_OK;
}

hone_status hone_grammar_from_schema(hone_grammar **out, const char *text, size_t len,
                                     hone_error *err)
{
    hone_grammar *g = NULL;
    HONE_TRY(new_grammar(&g, err));
    const hone_status s = hone_schema_expr(&g->x, text, len, &g->start, err);
    return finish(g, s, "schema", out, err);
}

hone_status hone_grammar_from_json(hone_grammar **out, bool object, hone_error *err)
{
    const char *schema = object ? "{\"type\":\"object\"}" : "true";
    return hone_grammar_from_schema(out, schema, strlen(schema), err);
}

hone_status hone_grammar_from_regex(hone_grammar **out, const char *pattern, size_t len,
                                    hone_error *err)
{
    hone_grammar *g = NULL;
    if (len > MAX_PATTERN) {
        return hone_fail(err, HONE_E_LIMIT, "regex: %zu bytes, expected at most %d",
                         len, MAX_PATTERN);
    }
    HONE_TRY(new_grammar(&g, err));
    hone_status s =
        hone_pattern_expr(&g->x, pattern, len, HONE_SPELL_UTF8, false, &g->start, err);
    if (s) s = hone_error_wrap(err, s, "regex");
    if (!s) g->start = hone_expr_token(&g->x, g->start);
    return finish(g, s, "regex", out, err);
}

hone_status hone_grammar_from_choices(hone_grammar **out, const char *const *text,
                                      const size_t *len, size_t n, hone_error *err)
{
    hone_grammar *g = NULL;
    hone_word *word = hone_alloc(n + 1, sizeof *word);
    if (!word) return hone_fail(err, HONE_E_NOMEM, "choices: out of memory");
    for (size_t i = 0; i < n; i++) {
        word[i] = (hone_word){text[i], len[i]};
        if (hone_utf8_valid(text[i], len[i])) continue;
        hone_free(word);
        return hone_fail(err, HONE_E_FORMAT, "choices: choice %zu: invalid UTF-8", i);
    }
    hone_status s = new_grammar(&g, err);
    if (!s) {
        g->start = hone_chars_words(&g->x, word, n, HONE_SPELL_UTF8);
        s = finish(g, HONE_OK, "choices", out, err);
    }
    hone_free(word);
    return s;
}

hone_status hone_grammar_from_gbnf(hone_grammar **out, const char *text, size_t len,
                                   hone_error *err)
{
    hone_grammar *g = NULL;
    HONE_TRY(new_grammar(&g, err));
    const hone_status s = hone_gbnf_expr(&g->x, text, len, &g->start, err);
    return finish(g, s, "gbnf", out, err);
}

hone_status hone_grammar_from_parts(hone_grammar **out, const hone_grammar_part *root,
                                    hone_error *err)
{
    hone_grammar *g = NULL;
    HONE_TRY(new_grammar(&g, err));
    const hone_status s = hone_parts_expr(&g->x, root, &g->start, err);
    return finish(g, s, "grammar", out, err);
}

/* Give up one share of g; the lock is held, and released. */
static void leave(hone_grammar *g)
{
    const bool last = --g->n_user == 0;
    pthread_mutex_unlock(&g->lock);
    if (last) release(g);
}

void hone_grammar_free(hone_grammar *g)
{
    if (!g) return;
    pthread_mutex_lock(&g->lock);
    leave(g);
}

size_t hone_grammar_n_states(hone_grammar *g)
{
    pthread_mutex_lock(&g->lock);
    const size_t n = g->x.n_live;
    pthread_mutex_unlock(&g->lock);
    return n;
}

/* -- states ----------------------------------------------------------------------- */

static hone_status new_state(hone_grammar_state **out, hone_grammar *g,
                             const hone_grammar_state *from, hone_error *err)
{
    hone_grammar_state *s = hone_alloc_zero(1, sizeof *s);
    if (!s) return hone_fail(err, HONE_E_NOMEM, "grammar: out of memory");
    s->g = g;
    pthread_mutex_lock(&g->lock);
    s->e = from ? from->e : g->start;
    s->next = g->states;
    if (s->next) s->next->prev = s;
    g->states = s;
    g->n_user++;
    pthread_mutex_unlock(&g->lock);
    *out = s;
    return HONE_OK;
}

hone_status hone_grammar_state_new(hone_grammar_state **out, hone_grammar *g,
                                   hone_error *err)
{
    return new_state(out, g, NULL, err);
}

hone_status hone_grammar_state_clone(hone_grammar_state **out,
                                     const hone_grammar_state *s, hone_error *err)
{
    return new_state(out, s->g, s, err);
}

void hone_grammar_state_copy(hone_grammar_state *s, const hone_grammar_state *from)
{
    HONE_ASSERT(s->g == from->g);
    pthread_mutex_lock(&s->g->lock);
    s->e = from->e;
    pthread_mutex_unlock(&s->g->lock);
}

void hone_grammar_state_reset(hone_grammar_state *s)
{
    pthread_mutex_lock(&s->g->lock);
    s->e = s->g->start;
    pthread_mutex_unlock(&s->g->lock);
}

void hone_grammar_state_free(hone_grammar_state *s)
{
    if (!s) return;
    hone_grammar *g = s->g;
    pthread_mutex_lock(&g->lock);
    if (s->prev)
        s->prev->next = s->next;
    else
        g->states = s->next;
    if (s->next) s->next->prev = s->prev;
    hone_free(s);
    leave(g);
}

/* -- steps ------------------------------------------------------------------------ */

/* Expressions that no state needs any more make room. */
static void collect(hone_grammar *g)
{
    size_t n = 0;
    for (const hone_grammar_state *s = g->states; s; s = s->next)
        n++;
    hone_expr *root = hone_alloc(n + 1, sizeof *root);
    if (!root) return;
    n = 0;
    root[n++] = g->start;
    for (const hone_grammar_state *s = g->states; s; s = s->next)
        root[n++] = s->e;
    hone_mask_cache_release(&g->cache);
    hone_expr_collect(&g->x, root, n);
    hone_free(root);
    g->collect_when = g->x.n_live * 2 > COLLECT_MIN ? g->x.n_live * 2 : COLLECT_MIN;
}

static void begin(hone_grammar *g)
{
    pthread_mutex_lock(&g->lock);
    if (g->x.n_live > g->collect_when) collect(g);
    g->x.n_search = 0;
    g->x.n_interned = 0;
}

/* A step that failed leaves nothing behind: the next one starts clean. */
static hone_status end(hone_grammar *g, hone_status s, hone_error *err)
{
    if (g->x.failed) s = hone_exprs_status(&g->x, "grammar", err);
    g->x.failed = HONE_OK;
    g->x.n_work = 0;
    g->x.depth = 0;
    pthread_mutex_unlock(&g->lock);
    return s;
}

hone_status hone_grammar_mask(hone_grammar_state *s, hone_grammar_vocab *v,
                              uint32_t *mask, hone_error *err)
{
    begin(s->g);
    hone_status status = hone_mask_compute(&s->g->x, &s->g->cache, v, s->e, mask);
    if (status && !s->g->x.failed)
        status = hone_fail(err, status, "grammar: out of memory");
    return end(s->g, status, err);
}

/* Walk as many bytes as e allows; their number. */
static size_t advance(hone_exprs *x, hone_expr *e, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const hone_expr to = hone_expr_step_by(x, *e, (unsigned char)bytes[i]);
        if (to == HONE_EXPR_NONE) return i;
        *e = to;
    }
    return len;
}

hone_status hone_grammar_accept_bytes(hone_grammar_state *s, const char *bytes,
                                      size_t len, hone_error *err)
{
    hone_expr e = s->e;
    begin(s->g);
    const size_t n = advance(&s->g->x, &e, bytes, len);
    if (n == len) s->e = e;
    hone_status status = HONE_OK;
    if (n < len)
        status = hone_fail(err, HONE_E_INVALID, "grammar: byte %zu is not allowed", n);
    return end(s->g, status, err);
}

hone_status hone_grammar_accept(hone_grammar_state *s, const hone_grammar_vocab *v,
                                int32_t id, hone_error *err)
{
    size_t len;
    for (size_t i = 0; i < v->n_end; i++) {
        if (v->end_id[i] != id) continue;
        if (hone_grammar_can_end(s)) return HONE_OK;
        return hone_fail(err, HONE_E_INVALID, "grammar: the text may not end yet");
    }
    const char *bytes = hone_tokenizer_bytes(v->tok, id, &len);
    if (!bytes || len == 0 || hone_tokenizer_is_special(v->tok, id)) {
        return hone_fail(err, HONE_E_INVALID, "grammar: token %d is no text", id);
    }
    return hone_grammar_accept_bytes(s, bytes, len, err);
}

size_t hone_grammar_match(hone_grammar_state *s, const char *bytes, size_t len)
{
    hone_expr e = s->e;
    begin(s->g);
    const size_t n = advance(&s->g->x, &e, bytes, len);
    (void)end(s->g, HONE_OK, NULL);
    return n;
}

bool hone_grammar_can_end(const hone_grammar_state *s)
{
    pthread_mutex_lock(&s->g->lock);
    const bool yes = hone_expr_nullable(&s->g->x, s->e);
    pthread_mutex_unlock(&s->g->lock);
    return yes;
}

/* -- forced bytes ----------------------------------------------------------------- */

/* The bytes allowed at e, at most `most` of them; their number, or most + 1. */
static int allowed(hone_exprs *x, hone_expr e, unsigned char *byte, int most)
{
    hone_byteset border;
    hone_expr_borders(x, e, &border);
    int n = 0;
    hone_expr to = HONE_EXPR_NONE;
    for (unsigned b = 0; b < 256; b++) {
        if (hone_byteset_has(&border, b)) to = hone_expr_step_by(x, e, b);
        if (to == HONE_EXPR_NONE) continue;
        if (n == most) return most + 1;
        byte[n++] = (unsigned char)b;
    }
    return n;
}

/* True if a backslash at e can only spell the ASCII character b. */
static bool escapes_only(hone_exprs *x, hone_expr e, unsigned char b)
{
    static const char digit[] = "0123456789abcdef";
    const char want[5] = {'u', '0', '0', digit[b >> 4], digit[b & 15]};
    const hone_expr plain = hone_expr_step_by(x, e, b);
    e = hone_expr_step_by(x, e, '\\');
    for (int i = 0; i < 5 && e; i++) {
        unsigned char byte[2];
        const int n = allowed(x, e, byte, 2);
        for (int k = 0; k < n && k < 2; k++) {
            if ((byte[k] | 32) != want[i] && byte[k] != want[i]) return false;
        }
        if (n > 2 || n == 0) return false;
        e = hone_expr_step_by(x, e, (unsigned char)want[i]);
    }
    return e == plain;
}

size_t hone_grammar_forced(hone_grammar_state *s, char *buf, size_t cap)
{
    hone_exprs *x = &s->g->x;
    hone_expr e = s->e;
    size_t len = 0;
    begin(s->g);
    while (len < cap && !hone_expr_nullable(x, e)) {
        unsigned char byte[2];
        const int n = allowed(x, e, byte, 2);
        unsigned char b = byte[0];
        if (n == 2) {
            if (byte[1] == '\\' && byte[0] < 128)
                b = byte[0];
            else if (byte[0] == '\\' && byte[1] < 128)
                b = byte[1];
            else
                break;
            if (!escapes_only(x, e, b)) break;
        } else if (n != 1) {
            break;
        }
        e = hone_expr_step_by(x, e, b);
        if (!e) break;
        buf[len++] = (char)b;
    }
    const hone_status status = end(s->g, HONE_OK, NULL);
    return status ? 0 : len;
}
