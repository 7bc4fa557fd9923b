#include "engine/answer.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/sampler.h"
#include "engine/stop.h"

struct hone_answer {
    const hone_model *model;         /* borrowed */
    const hone_tokenizer *tokenizer; /* the model's; NULL where it has none */
    hone_generate_options o;
    int n_vocab;
    hone_sampler *sampler;
    hone_detokenizer *detokenizer; /* NULL without tokenizer */
    hone_grammar_vocab *vocab;     /* borrowed */
    hone_grammar_state *grammar;   /* NULL: none */
    hone_stop stop;
    hone_tokens tokens;
    int32_t chosen; /* -1: none */
    bool ended;
    hone_finish finish;
    size_t n_shown; /* bytes at the front of stop.held that were handed out */
    float logprob;  /* of the chosen token */
    hone_logprob top[HONE_MAX_LOGPROB];
    size_t n_top;
};

static hone_status build(hone_answer *a, hone_error *err)
{
    const unsigned flags = a->o.show_special ? 0 : HONE_DECODE_NO_SPECIAL;
    HONE_TRY(
        hone_sampler_new(&a->sampler, &a->o.sampling, a->tokenizer, a->n_vocab, err));
    if (a->o.grammar) {
        HONE_TRY(hone_grammar_state_new(&a->grammar, a->o.grammar, err));
    }
    if (!a->tokenizer) return HONE_OK;
    return hone_detokenizer_new(&a->detokenizer, a->tokenizer, flags, err);
}

hone_status hone_answer_new(hone_answer **out, const hone_model *m,
                            const hone_generate_options *o, hone_grammar_vocab *vocab,
                            hone_error *err)
{
    HONE_ASSERT(vocab || !o->grammar);
    if (o->n_logprob < -1 || o->n_logprob > HONE_MAX_LOGPROB) {
        return hone_fail(err, HONE_E_INVALID, "logprobs: expected 0 to %d, found %d",
                         HONE_MAX_LOGPROB, o->n_logprob);
    }
    if (o->n_mark < 0 || o->n_mark > HONE_MAX_MARK) {
        return hone_fail(err, HONE_E_INVALID, "marks: expected 0 to %d, found %d",
                         HONE_MAX_MARK, o->n_mark);
    }
    hone_answer *a = hone_alloc_zero(1, sizeof *a);
    if (!a) return hone_fail(err, HONE_E_NOMEM, "generate: out of memory");
    a->model = m;
    a->tokenizer = hone_model_tokenizer(m);
    a->o = *o;
    a->n_vocab = hone_model_get_info(m)->n_vocab;
    a->vocab = vocab;
    a->chosen = -1;
    hone_stop_init(&a->stop, o->stop, o->n_stop);
    const hone_status s = build(a, err);
    if (s) {
        hone_answer_free(a);
        return s;
    }
    *out = a;
    return HONE_OK;
}

void hone_answer_free(hone_answer *a)
{
    if (!a) return;
    hone_sampler_free(a->sampler);
    hone_detokenizer_free(a->detokenizer);
    hone_grammar_state_free(a->grammar);
    hone_stop_release(&a->stop);
    hone_tokens_release(&a->tokens);
    hone_free(a);
}

/* -- choosing --------------------------------------------------------------------- */

static bool is_end(const hone_answer *a, int32_t id)
{
    size_t n;
    const int32_t *end = hone_model_end_tokens(a->model, &n);
    for (size_t i = 0; i < n; i++) {
        if (end[i] == id) return true;
    }
    return false;
}

static bool is_empty(const uint32_t *mask, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (mask[i]) return false;
    }
    return true;
}

/* Clear the end tokens, unless nothing else is left. */
static void forbid_end(const hone_answer *a, hone_sampler_work *w)
{
    size_t n;
    const int32_t *end = hone_model_end_tokens(a->model, &n);
    uint32_t was = 0; /* bit i: end token i was allowed */
    if (n > 32) n = 32;
    for (size_t i = 0; i < n; i++) {
        uint32_t *word = &w->mask[end[i] / 32];
        const uint32_t bit = (uint32_t)1 << (end[i] % 32);
        if (*word & bit) was |= (uint32_t)1 << i;
        *word &= ~bit;
    }
    if (!is_empty(w->mask, w->n_word)) return;
    for (size_t i = 0; i < n; i++) {
        if (was >> i & 1) w->mask[end[i] / 32] |= (uint32_t)1 << (end[i] % 32);
    }
}

static hone_status grammar_mask(hone_answer *a, hone_sampler_work *w, hone_error *err)
{
    HONE_TRY(hone_grammar_mask(a->grammar, a->vocab, w->mask, err));
    for (int i = 0; i < a->o.n_mark; i++) {
        const int32_t id = a->o.mark[i];
        size_t len;
        const char *bytes = hone_tokenizer_bytes(a->tokenizer, id, &len);
        if (bytes && hone_grammar_match(a->grammar, bytes, len) == len)
            w->mask[id / 32] |= (uint32_t)1 << (id % 32);
    }
    return HONE_OK;
}

static hone_status grammar_accept(hone_answer *a, int32_t id, hone_error *err)
{
    for (int i = 0; i < a->o.n_mark; i++) {
        size_t len;
        if (a->o.mark[i] != id) continue;
        const char *bytes = hone_tokenizer_bytes(a->tokenizer, id, &len);
        return hone_grammar_accept_bytes(a->grammar, bytes, len, err);
    }
    return hone_grammar_accept(a->grammar, a->vocab, id, err);
}

/* The tokens that may be chosen, or NULL where all may. */
static hone_status allowed(hone_answer *a, hone_sampler_work *w, const uint32_t **mask,
                           hone_error *err)
{
    const bool early =
        !a->o.ignore_end && a->tokens.len < (size_t)(a->o.n_min > 0 ? a->o.n_min : 0);
    *mask = NULL;
    if (!a->grammar && !early) return HONE_OK;
    memset(w->mask, a->grammar ? 0 : 0xff, w->n_word * sizeof *w->mask);
    if (a->grammar) HONE_TRY(grammar_mask(a, w, err));
    if (early) forbid_end(a, w);
    *mask = w->mask;
    return HONE_OK;
}

hone_status hone_answer_choose(hone_answer *a, hone_sampler_work *w,
                               const float *logits, const int32_t *history, size_t n,
                               hone_error *err)
{
    const uint32_t *mask;
    HONE_TRY(allowed(a, w, &mask, err));
    const int32_t id = hone_sampler_sample(a->sampler, w, logits, mask, history, n);
    if (id < 0) {
        return hone_fail(err, HONE_E_LIMIT,
                         "generate: the grammar allows no token that has a logit");
    }
    a->chosen = id;
    a->n_top = 0;
    if (a->o.n_logprob < 0) return HONE_OK;
    a->n_top = (size_t)a->o.n_logprob;
    if (a->n_top > (size_t)a->n_vocab) a->n_top = (size_t)a->n_vocab;
    a->logprob = hone_logprobs(logits, a->n_vocab, id, a->top, a->n_top);
    return HONE_OK;
}

int32_t hone_answer_chosen(const hone_answer *a)
{
    return a->chosen;
}

/* -- taking ----------------------------------------------------------------------- */

/* The first n bytes of what is held back are shown; they go at the next call. */
static void show(hone_answer *a, size_t n, hone_piece *piece)
{
    piece->text = a->stop.held.data;
    piece->len = n;
    a->n_shown = n;
}

static void forget_shown(hone_answer *a)
{
    hone_buf_drop(&a->stop.held, a->n_shown);
    a->n_shown = 0;
}

static hone_status take(hone_answer *a, int32_t id, hone_piece *piece, hone_error *err)
{
    const char *text = "";
    size_t len = 0, ready;
    forget_shown(a);
    piece->id = id;
    if (a->grammar) {
        HONE_TRY(grammar_accept(a, id, err));
    }
    HONE_TRY(hone_tokens_append(&a->tokens, &id, 1, err));
    if (a->detokenizer) {
        HONE_TRY(hone_detokenizer_push(a->detokenizer, id, &text, &len, err));
    }
    HONE_TRY(hone_stop_push(&a->stop, text, len, &ready, err));
    show(a, ready, piece);
    if (a->stop.found) hone_answer_end(a, HONE_FINISH_STOP);
    return HONE_OK;
}

hone_status hone_answer_take(hone_answer *a, hone_piece *piece, hone_error *err)
{
    const int32_t id = a->chosen;
    HONE_ASSERT(id >= 0 && !a->ended);
    *piece = (hone_piece){.id = -1, .text = ""};
    a->chosen = -1;
    /* a grammar allows an end token only where nothing can follow any more */
    if (is_end(a, id) && (!a->o.ignore_end || a->grammar)) {
        hone_answer_end(a, HONE_FINISH_STOP);
        return HONE_OK;
    }
    piece->logprob = a->n_top || a->o.n_logprob >= 0 ? a->logprob : 0.0f;
    piece->top = a->top;
    piece->n_top = a->n_top;
    return take(a, id, piece, err);
}

hone_status hone_answer_flush(hone_answer *a, hone_piece *piece, hone_error *err)
{
    const char *text = "";
    size_t len = 0, ready;
    forget_shown(a);
    *piece = (hone_piece){.id = -1, .text = ""};
    if (a->detokenizer) {
        HONE_TRY(hone_detokenizer_flush(a->detokenizer, &text, &len, err));
    }
    HONE_TRY(hone_stop_push(&a->stop, text, len, &ready, err));
    show(a, a->stop.held.len, piece);
    return HONE_OK;
}

/* -- forced tokens ---------------------------------------------------------------- */

size_t hone_answer_forced(hone_answer *a, int32_t *id)
{
    enum {
        MAX_BYTES = 256
    };
    char text[MAX_BYTES];
    size_t before = 0, n = 0;
    hone_tokens ids = {0};
    if (!a->grammar || a->o.n_logprob >= 0 || !a->tokenizer) return 0;
    /* the token before is encoded too, for a merge that would join it */
    if (a->tokens.len > 0) {
        const int32_t last = a->tokens.id[a->tokens.len - 1];
        const char *bytes = hone_tokenizer_bytes(a->tokenizer, last, &before);
        if (!bytes || before > MAX_BYTES / 2) return 0;
        memcpy(text, bytes, before);
    }
    const size_t len =
        hone_grammar_forced(a->grammar, text + before, MAX_BYTES - before);
    if (len < 2 || hone_tokenizer_encode(a->tokenizer, text, before + len,
                                         HONE_ENCODE_NO_PARSE, &ids, NULL)) {
        hone_tokens_release(&ids);
        return 0;
    }
    /* the last token might go on beyond what is forced */
    size_t at = 0;
    for (size_t i = 0; i + 1 < ids.len && n < HONE_MAX_FORCED; i++) {
        size_t size;
        const char *bytes = hone_tokenizer_bytes(a->tokenizer, ids.id[i], &size);
        const bool whole = bytes && size > 0 && at + size <= before + len &&
                           memcmp(bytes, text + at, size) == 0;
        if (!whole || hone_tokenizer_is_special(a->tokenizer, ids.id[i])) break;
        if (at < before && (at != 0 || size != before)) break;
        if (at >= before) id[n++] = ids.id[i];
        at += size;
    }
    hone_tokens_release(&ids);
    return n;
}

hone_status hone_answer_force(hone_answer *a, int32_t id, hone_piece *piece,
                              hone_error *err)
{
    *piece = (hone_piece){.text = ""};
    return take(a, id, piece, err);
}

/* -- state ------------------------------------------------------------------------ */

void hone_answer_end(hone_answer *a, hone_finish why)
{
    if (a->ended) return;
    a->ended = true;
    a->finish = why;
}

bool hone_answer_ended(const hone_answer *a)
{
    return a->ended;
}

hone_finish hone_answer_finish(const hone_answer *a)
{
    return a->finish;
}

const char *hone_answer_stop(const hone_answer *a)
{
    return a->stop.found ? a->stop.strings[a->stop.which] : NULL;
}

const int32_t *hone_answer_tokens(const hone_answer *a, size_t *n)
{
    *n = a->tokens.len;
    return a->tokens.id;
}
