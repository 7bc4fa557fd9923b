/* generate.c - the loop from prompt to answer. */
#include "hone/generate.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/sampler.h"
#include "engine/stop.h"

enum {
    MAX_LOGPROB = 64
};
#define MAX_TEXT ((size_t)1 << 30)

hone_generate_options hone_generate_options_default(void)
{
    return (hone_generate_options){
        .sampling = hone_sampling_default(NULL),
        .n_max = -1,
        .n_logprob = -1,
    };
}

void hone_generation_release(hone_generation *g)
{
    hone_tokens_release(&g->tokens);
    hone_free(g->text);
    *g = (hone_generation){0};
}

/* One generation under way. */
typedef struct run {
    hone_sequence *sequence;
    const hone_generate_options *o;
    hone_sampler *sampler;
    hone_detokenizer *detokenizer; /* NULL for a model without tokenizer */
    hone_stop stop;
    hone_buf text;
    hone_piece_fn *fn;
    void *ctx;
    hone_generation *out;
    int n_vocab;
    bool cancelled;
} run;

/* Show the first n bytes of what is held back. */
static hone_status show(run *r, size_t n, hone_piece *piece, hone_error *err)
{
    piece->text = r->stop.held.data;
    piece->len = n;
    hone_buf_append(&r->text, piece->text, n);
    HONE_TRY(hone_buf_status(&r->text, "generate", err));
    if (r->fn && !r->fn(r->ctx, piece)) r->cancelled = true;
    hone_buf_drop(&r->stop.held, n);
    return HONE_OK;
}

static hone_status take_token(run *r, int32_t id, const float *logits, hone_error *err)
{
    hone_logprob top[MAX_LOGPROB];
    hone_piece piece = {.id = id, .top = top};
    const char *text = "";
    size_t len = 0, ready;
    if (r->o->n_logprob >= 0) {
        piece.n_top = (size_t)r->o->n_logprob;
        if (piece.n_top > (size_t)r->n_vocab) piece.n_top = (size_t)r->n_vocab;
        piece.logprob = hone_logprobs(logits, r->n_vocab, id, top, piece.n_top);
    }
    HONE_TRY(hone_tokens_append(&r->out->tokens, &id, 1, err));
    if (r->detokenizer) {
        HONE_TRY(hone_detokenizer_push(r->detokenizer, id, &text, &len, err));
    }
    HONE_TRY(hone_stop_push(&r->stop, text, len, &ready, err));
    return show(r, ready, &piece, err);
}

/* What the detokenizer and the stop strings still hold. */
static hone_status finish_text(run *r, hone_error *err)
{
    hone_piece piece = {.id = -1};
    const char *text = "";
    size_t len = 0, ready;
    if (r->detokenizer)
        HONE_TRY(hone_detokenizer_flush(r->detokenizer, &text, &len, err));
    HONE_TRY(hone_stop_push(&r->stop, text, len, &ready, err));
    if (r->stop.held.len == 0) return HONE_OK;
    return show(r, r->stop.held.len, &piece, err);
}

static bool is_end(const hone_model *m, int32_t id)
{
    size_t n;
    const int32_t *end = hone_model_end_tokens(m, &n);
    for (size_t i = 0; i < n; i++) {
        if (end[i] == id) return true;
    }
    return false;
}

static double seconds_since(int64_t start)
{
    return (double)(hone_clock_ns() - start) * 1e-9;
}

/* Bring the sequence to the prompt; the last token is always run, for its logits. */
static hone_status prefill(run *r, const int32_t *prompt, size_t n, hone_error *err)
{
    const int n_ctx = hone_engine_get_info(hone_sequence_engine(r->sequence)).n_ctx;
    if (n == 0) return hone_fail(err, HONE_E_INVALID, "prompt: no tokens");
    if (n > (size_t)n_ctx) {
        return hone_fail(
            err, HONE_E_LIMIT,
            "prompt: expected at most %d tokens (the context length), found %zu", n_ctx,
            n);
    }
    size_t have, same = 0;
    const int32_t *old = hone_sequence_tokens(r->sequence, &have);
    while (same < have && same + 1 < n && old[same] == prompt[same]) {
        same++;
    }
    hone_sequence_truncate(r->sequence, same);
    r->out->n_prompt = n;
    r->out->n_reused = same;
    return hone_sequence_append(r->sequence, prompt + same, n - same, err);
}

/* Tokens until something ends the answer. */
static hone_status decode(run *r, hone_error *err)
{
    const hone_engine *e = hone_sequence_engine(r->sequence);
    const size_t n_ctx = (size_t)hone_engine_get_info(e).n_ctx;
    r->out->finish = HONE_FINISH_LENGTH;
    while (r->o->n_max < 0 || r->out->tokens.len < (size_t)r->o->n_max) {
        size_t n;
        const int32_t *history = hone_sequence_tokens(r->sequence, &n);
        const float *logits = hone_sequence_logits(r->sequence);
        const int32_t id = hone_sampler_sample(r->sampler, logits, history, n);
        if (!r->o->ignore_end && is_end(hone_engine_model(e), id)) {
            r->out->finish = HONE_FINISH_STOP;
            return HONE_OK;
        }
        HONE_TRY(take_token(r, id, logits, err));
        if (r->stop.found) {
            r->out->finish = HONE_FINISH_STOP;
            return HONE_OK;
        }
        if (r->cancelled) {
            r->out->finish = HONE_FINISH_CANCELLED;
            return HONE_OK;
        }
        if (n >= n_ctx || r->out->tokens.len == (size_t)r->o->n_max) return HONE_OK;
        HONE_TRY(hone_sequence_append(r->sequence, &id, 1, err));
    }
    return HONE_OK;
}

static hone_status run_phases(run *r, const int32_t *prompt, size_t n, hone_error *err)
{
    const int64_t start = hone_clock_ns();
    hone_status s = prefill(r, prompt, n, err);
    r->out->prefill_s = seconds_since(start);
    const int64_t decode_start = hone_clock_ns();
    r->out->first_token_s = r->out->prefill_s;
    if (!s) s = decode(r, err);
    r->out->decode_s = seconds_since(decode_start);
    /* an interrupt is an answer that ends early */
    if (s == HONE_E_CANCELLED) {
        r->out->finish = HONE_FINISH_CANCELLED;
        s = HONE_OK;
    }
    if (!s) s = finish_text(r, err);
    return s;
}

hone_status hone_generate(hone_sequence *s, const int32_t *prompt, size_t n,
                          const hone_generate_options *options, hone_piece_fn *fn,
                          void *ctx, hone_generation *out, hone_error *err)
{
    const hone_model *m = hone_engine_model(hone_sequence_engine(s));
    const hone_tokenizer *tok = hone_model_tokenizer(m);
    const int n_vocab = hone_model_get_info(m)->n_vocab;
    hone_generation g = {0};
    run r = {.sequence = s,
             .o = options,
             .fn = fn,
             .ctx = ctx,
             .out = &g,
             .n_vocab = n_vocab};
    if (options->n_logprob < -1 || options->n_logprob > MAX_LOGPROB) {
        return hone_fail(err, HONE_E_INVALID, "logprobs: expected 0 to %d, found %d",
                         MAX_LOGPROB, options->n_logprob);
    }
    hone_stop_init(&r.stop, options->stop, options->n_stop);
    hone_buf_init(&r.text, MAX_TEXT);
    const unsigned flags = options->show_special ? 0 : HONE_DECODE_NO_SPECIAL;
    hone_status st =
        hone_sampler_new(&r.sampler, &options->sampling, tok, n_vocab, err);
    if (!st && tok) st = hone_detokenizer_new(&r.detokenizer, tok, flags, err);
    if (!st) st = run_phases(&r, prompt, n, err);
    if (!st) {
        g.text_len = r.text.len;
        g.text = hone_buf_take(&r.text);
        if (!g.text) st = hone_fail(err, HONE_E_NOMEM, "generate: out of memory");
    }
    hone_sampler_free(r.sampler);
    hone_detokenizer_free(r.detokenizer);
    hone_stop_release(&r.stop);
    hone_buf_release(&r.text);
    if (st)
        hone_generation_release(&g);
    else
        *out = g;
    return st;
}
