/* generate.c - the loop from prompt to answer. */
#include "hone/generate.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"

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
    hone_answer *answer;
    hone_sampler_work *work;
    hone_buf text;
    hone_piece_fn *fn;
    void *ctx;
    hone_generation *out;
} run;

/* A piece to the caller; false ends the answer. */
static hone_status show(run *r, const hone_piece *piece, hone_error *err)
{
    hone_buf_append(&r->text, piece->text, piece->len);
    HONE_TRY(hone_buf_status(&r->text, "generate", err));
    if (r->fn && !r->fn(r->ctx, piece))
        hone_answer_end(r->answer, HONE_FINISH_CANCELLED);
    return HONE_OK;
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
    const size_t same = hone_sequence_keep(r->sequence, prompt, n - 1);
    r->out->n_prompt = n;
    r->out->n_reused = same;
    return hone_sequence_append(r->sequence, prompt + same, n - same, err);
}

/* Show tokens that are forced, as far as there is room; their number. */
static hone_status take_forced(run *r, int32_t *id, size_t room, size_t *n,
                               hone_error *err)
{
    const size_t all = hone_answer_forced(r->answer, id);
    for (*n = 0; *n < all && *n < room && !hone_answer_ended(r->answer);) {
        hone_piece piece;
        HONE_TRY(hone_answer_force(r->answer, id[(*n)++], &piece, err));
        HONE_TRY(show(r, &piece, err));
    }
    return HONE_OK;
}

/* The next token, and those that are forced behind it, into id[0..*n). */
static hone_status next_tokens(run *r, int32_t *id, size_t room, size_t *n,
                               hone_error *err)
{
    size_t have, forced;
    hone_piece piece;
    const int32_t *history = hone_sequence_tokens(r->sequence, &have);
    const float *logits = hone_sequence_logits(r->sequence);
    HONE_TRY(hone_answer_choose(r->answer, r->work, logits, history, have, err));
    HONE_TRY(hone_answer_take(r->answer, &piece, err));
    *n = 0;
    if (piece.id < 0) return HONE_OK;
    id[(*n)++] = piece.id;
    HONE_TRY(show(r, &piece, err));
    HONE_TRY(take_forced(r, id + 1, room - 1, &forced, err));
    *n += forced;
    return HONE_OK;
}

/* Tokens until something ends the answer. */
static hone_status decode(run *r, hone_error *err)
{
    const hone_engine *e = hone_sequence_engine(r->sequence);
    const size_t n_ctx = (size_t)hone_engine_get_info(e).n_ctx;
    const size_t n_max = r->o->n_max < 0 ? SIZE_MAX : (size_t)r->o->n_max;
    for (;;) {
        int32_t id[1 + HONE_MAX_FORCED];
        size_t have, done, n;
        (void)hone_sequence_tokens(r->sequence, &have);
        (void)hone_answer_tokens(r->answer, &done);
        /* the last token of a full context is shown and not run */
        const size_t left = n_max - done, free = n_ctx - have;
        if (left == 0) break;
        HONE_TRY(next_tokens(r, id, left <= free ? left : free + 1, &n, err));
        if (hone_answer_ended(r->answer)) return HONE_OK;
        if (n == left || n > free) break;
        HONE_TRY(hone_sequence_append(r->sequence, id, n, err));
    }
    hone_answer_end(r->answer, HONE_FINISH_LENGTH);
    return HONE_OK;
}

static hone_status run_phases(run *r, const int32_t *prompt, size_t n, hone_error *err)
{
    const int64_t start = hone_clock_ns();
    hone_piece piece;
    hone_status s = prefill(r, prompt, n, err);
    r->out->prefill_s = seconds_since(start);
    const int64_t decode_start = hone_clock_ns();
    r->out->first_token_s = r->out->prefill_s;
    if (!s) s = decode(r, err);
    r->out->decode_s = seconds_since(decode_start);
    /* an interrupt is an answer that ends early */
    if (s == HONE_E_CANCELLED) {
        hone_answer_end(r->answer, HONE_FINISH_CANCELLED);
        s = HONE_OK;
    }
    if (s) return s;
    r->out->finish = hone_answer_finish(r->answer);
    HONE_TRY(hone_answer_flush(r->answer, &piece, err));
    return piece.len ? show(r, &piece, err) : HONE_OK;
}

static hone_status start(run *r, hone_error *err)
{
    hone_engine *e = hone_sequence_engine(r->sequence);
    hone_grammar_vocab *vocab = NULL;
    if (r->o->grammar) HONE_TRY(hone_engine_vocab(e, &vocab, err));
    HONE_TRY(hone_engine_work(e, 1, &r->work, err));
    return hone_answer_new(&r->answer, hone_engine_model(e), r->o, vocab, err);
}

/* Text and tokens of the answer into g. */
static hone_status collect(run *r, hone_generation *g, hone_error *err)
{
    size_t n;
    const int32_t *id = hone_answer_tokens(r->answer, &n);
    HONE_TRY(hone_tokens_append(&g->tokens, id, n, err));
    g->text_len = r->text.len;
    g->text = hone_buf_take(&r->text);
    if (!g->text) return hone_fail(err, HONE_E_NOMEM, "generate: out of memory");
    return HONE_OK;
}

hone_status hone_generate(hone_sequence *s, const int32_t *prompt, size_t n,
                          const hone_generate_options *options, hone_piece_fn *fn,
                          void *ctx, hone_generation *out, hone_error *err)
{
    hone_generation g = {0};
    run r = {.sequence = s, .o = options, .fn = fn, .ctx = ctx, .out = &g};
    hone_buf_init(&r.text, MAX_TEXT);
    hone_status st = start(&r, err);
    if (!st) st = run_phases(&r, prompt, n, err);
    if (!st) st = collect(&r, &g, err);
    hone_answer_free(r.answer);
    hone_buf_release(&r.text);
    if (st)
        hone_generation_release(&g);
    else
        *out = g;
    return st;
}
