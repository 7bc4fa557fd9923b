/* candidates.h - tokens that may be chosen, best first, without sorting the vocabulary.
 *
 * One work area serves any number of samplers of a vocabulary, one after the other.
 * Owned by one thread at a time. */
#ifndef HONE_ENGINE_CANDIDATES_H
#define HONE_ENGINE_CANDIDATES_H

#include "kernel/kernel.h"

typedef struct hone_candidate {
    int32_t id;
    float logit;
    double p; /* probability, where a function says so */
} hone_candidate;

typedef struct hone_sampler_work {
    int n_vocab;
    hone_exp_sum_fn *exp_sum;
    float *logits;     /* [n_vocab] to be changed; -INFINITY: not allowed */
    hone_candidate *c; /* [n_vocab] */
    double *spread;    /* [n_vocab] */
    int32_t *count;    /* [n_vocab], zero between calls */
    uint32_t *mask;    /* [n_word], for a grammar */
    size_t n_word;
} hone_sampler_work;

/* n_token: bits of a mask, if the tokenizer has more tokens than the model. */
HONE_MUST_CHECK hone_status hone_sampler_work_init(hone_sampler_work *w,
                                                   const hone_kernels *k, int n_vocab,
                                                   int n_token, hone_error *err);
void hone_sampler_work_release(hone_sampler_work *w); /* zeroed is fine */

/* w->logits from logits: NaN and tokens outside the mask (NULL: none) become -INFINITY. */
void hone_sampler_take(hone_sampler_work *w, const float *logits, const uint32_t *mask);

/* The greatest of logits, -INFINITY if there is none; the first id that has it in *id. */
float hone_logits_max(const float *logits, int n, int32_t *id);

/* sum_i exp((logit - max) * scale) over all tokens. */
double hone_logits_mass(const hone_sampler_work *w, float max, float scale);

/* The token at which the running sum of exp((logit - max) * scale), by id, passes `at`;
 * 0 <= at < mass. */
int32_t hone_logits_at(const hone_sampler_work *w, float max, float scale, double at);

/* Fill w->c, sorted by logit, ties by id; return how many: the k best, all that are
 * allowed, all with at least that logit. */
size_t hone_candidates_best(hone_sampler_work *w, size_t k);
size_t hone_candidates_all(hone_sampler_work *w);
size_t hone_candidates_above(hone_sampler_work *w, float least);

void hone_candidates_sort(hone_candidate *c, size_t n);

#endif
