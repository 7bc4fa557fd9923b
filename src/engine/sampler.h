/* sampler.h - one token from logits, by a chain of filters.
 *
 *     hone_sampler *p;
 *     HONE_TRY(hone_sampler_new(&p, &sampling, tokenizer, n_vocab, err));
 *     int32_t id = hone_sampler_sample(p, &work, logits, NULL, history, n);
 *     hone_sampler_free(p);
 *
 * The same seed, logits and history give the same tokens on every machine whose libm
 * agrees.  All memory is taken by new and by the work area.  Owned by one thread. */
#ifndef HONE_ENGINE_SAMPLER_H
#define HONE_ENGINE_SAMPLER_H

#include "engine/candidates.h"
#include "hone/generate.h"

typedef struct hone_sampler hone_sampler;

/* Copies what the chain needs.  tok may be NULL if there are no DRY breakers. */
HONE_MUST_CHECK hone_status hone_sampler_new(hone_sampler **out, const hone_sampling *s,
                                             const hone_tokenizer *tok, int n_vocab,
                                             hone_error *err);
void hone_sampler_free(hone_sampler *p); /* NULL is fine */

/* The next token after history[0..n), prompt included, of those in the mask (NULL: all).
 * Logits are read only; those that are NaN count as -INFINITY.  -1 if the mask leaves
 * nothing that has a finite logit. */
int32_t hone_sampler_sample(hone_sampler *p, hone_sampler_work *w, const float *logits,
                            const uint32_t *mask, const int32_t *history, size_t n);

/* Log probability of `id`, and the n_top <= 64 most likely tokens in order, ties by id. */
float hone_logprobs(const float *logits, int n_vocab, int32_t id, hone_logprob *top,
                    size_t n_top);

#endif
