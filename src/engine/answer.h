/* answer.h - one answer under way: chooses tokens from logits and turns them into text.
 *
 *     hone_answer *a;
 *     HONE_TRY(hone_answer_new(&a, engine, &options, err));
 *     while (!hone_answer_ended(a)) {
 *         int32_t id;
 *         HONE_TRY(hone_answer_choose(a, work, logits, history, n, &id, err));
 *         HONE_TRY(hone_answer_take(a, id, &piece, err));      (piece: to be shown)
 *     }
 *     HONE_TRY(hone_answer_flush(a, &piece, err));
 *     hone_answer_free(a);
 *
 * Where its tokens come from, and how many rows a step has, is up to the caller.  Owned by
 * one thread. */
#ifndef HONE_ENGINE_ANSWER_H
#define HONE_ENGINE_ANSWER_H

#include "engine/candidates.h"
#include "hone/generate.h"

enum {
    HONE_MAX_LOGPROB = 64,
    HONE_MAX_FORCED = 32 /* tokens that are appended without choosing, at once */
};

typedef struct hone_answer hone_answer;

/* Strings of the options are borrowed for the life of the answer; a grammar is kept alive.
 * vocab is needed with a grammar.  E_INVALID as hone_sampling_check, and for numbers of
 * logprobs and marks. */
HONE_MUST_CHECK hone_status hone_answer_new(hone_answer **out, const hone_model *m,
                                            const hone_generate_options *o,
                                            hone_grammar_vocab *vocab, hone_error *err);
void hone_answer_free(hone_answer *a); /* NULL is fine */

/* The token after history[0..n) by its logits; an end token ends the answer.  Any thread,
 * if nobody else uses a or the work area.  E_LIMIT, E_NOMEM from the grammar. */
HONE_MUST_CHECK hone_status hone_answer_choose(hone_answer *a, hone_sampler_work *w,
                                               const float *logits,
                                               const int32_t *history, size_t n,
                                               hone_error *err);

/* The token that choose found; it is taken by the next call.  -1: none. */
int32_t hone_answer_chosen(const hone_answer *a);

/* Take the chosen token: *piece holds what may be shown, borrowed until the next call.
 * No piece for an end token: *piece has id -1 and no text. */
HONE_MUST_CHECK hone_status hone_answer_take(hone_answer *a, hone_piece *piece,
                                             hone_error *err);

/* Tokens that must come next, by the grammar; choosing them needs no logits.  At most
 * HONE_MAX_FORCED into id; returns their number. */
size_t hone_answer_forced(hone_answer *a, int32_t *id);

/* Take a token that was not chosen but forced. */
HONE_MUST_CHECK hone_status hone_answer_force(hone_answer *a, int32_t id,
                                              hone_piece *piece, hone_error *err);

/* What the detokenizer and the stop strings still hold, at the end. */
HONE_MUST_CHECK hone_status hone_answer_flush(hone_answer *a, hone_piece *piece,
                                              hone_error *err);

/* End it for another reason: length, cancelled. */
void hone_answer_end(hone_answer *a, hone_finish why);
bool hone_answer_ended(const hone_answer *a);
hone_finish hone_answer_finish(const hone_answer *a);
const char *hone_answer_stop(const hone_answer *a); /* the stop string, or NULL */

/* Its tokens so far, without the end token. */
const int32_t *hone_answer_tokens(const hone_answer *a, size_t *n);

#endif
