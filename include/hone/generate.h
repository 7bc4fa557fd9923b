/* generate.h - choose tokens: sampling, stop strings, log probabilities, streaming.
 *
 *     hone_generate_options o = hone_generate_options_default();
 *     o.n_max = 100;
 *     hone_generation g = {0};
 *     hone_generate(sequence, ids, n, &o, print_piece, NULL, &g, &err);
 *     hone_generation_release(&g);
 *
 * Threads: as the sequence. */
#ifndef HONE_GENERATE_H
#define HONE_GENERATE_H

#include "hone/engine.h"
#include "hone/grammar.h"

typedef struct hone_logit_bias {
    int32_t id;
    float bias; /* added to the logit; -INFINITY forbids */
} hone_logit_bias;

/* The chain, in order; each part does nothing at its neutral value.  What parts mean:
 * docs/sampling.md. */
typedef struct hone_sampling {
    const hone_logit_bias *bias; /* borrowed */
    size_t n_bias;
    float repeat_penalty;           /* > 0; 1: off */
    float presence_penalty;         /* 0: off */
    float frequency_penalty;        /* 0: off */
    int penalty_last_n;             /* tokens looked back; -1: all, 0: off */
    float dry_multiplier;           /* 0: off */
    float dry_base;                 /* >= 1 */
    int dry_allowed_length;         /* repetitions shorter than this are free */
    int dry_last_n;                 /* -1: all */
    const char *const *dry_breaker; /* strings that end a repetition, borrowed */
    size_t n_dry_breaker;
    int top_k;             /* 0: off */
    float typical_p;       /* 1: off */
    float top_p;           /* 1: off */
    float min_p;           /* 0: off */
    float xtc_probability; /* 0: off */
    float xtc_threshold;   /* above 0.5: off */
    float temperature;     /* 0: the most likely token */
    int mirostat;          /* 0: off, 2: version 2, in place of the truncations above */
    float mirostat_tau, mirostat_eta;
    uint64_t seed;
} hone_sampling;

/* Temperature 0.8, top_k 40, top_p 0.95, min_p 0.05, everything else off, seed 0; what
 * the model's authors recommend replaces these if m is not NULL. */
HONE_API hone_sampling hone_sampling_default(const hone_model *m);

/* E_INVALID names the field that is out of its range. */
HONE_API HONE_MUST_CHECK hone_status hone_sampling_check(const hone_sampling *s,
                                                         int n_vocab, hone_error *err);

typedef enum hone_finish {
    HONE_FINISH_STOP,      /* an end token or a stop string */
    HONE_FINISH_LENGTH,    /* n_max or the context length */
    HONE_FINISH_CANCELLED, /* the callback or the interrupt said so */
} hone_finish;

/* How the hidden states of a text become one vector. */
typedef enum hone_pooling {
    HONE_POOLING_NONE,
    HONE_POOLING_MEAN,
    HONE_POOLING_LAST
} hone_pooling;

typedef struct hone_logprob {
    int32_t id;
    float logprob; /* natural logarithm, of the model's own distribution */
} hone_logprob;

enum {
    HONE_MAX_MARK = 2
};

typedef struct hone_generate_options {
    hone_sampling sampling;
    int n_max;               /* tokens at most; -1: up to the context length */
    const char *const *stop; /* strings that end the answer; not part of it; borrowed */
    size_t n_stop;
    bool ignore_end;   /* go on past end tokens */
    bool show_special; /* special tokens are part of the text */
    int n_logprob; /* best alternatives reported for each token, 0 .. 64; -1: none */
    int n_min;     /* end tokens are not chosen before so many tokens */
    hone_grammar *grammar;       /* the answer keeps to it; borrowed; NULL: none */
    int32_t mark[HONE_MAX_MARK]; /* special tokens that a grammar takes for their text,
                                    while others are never allowed: [n_mark] */
    int n_mark;
} hone_generate_options;
HONE_API hone_generate_options hone_generate_options_default(void);

/* One token, as it is chosen.  Text trails tokens where a character or a possible stop
 * string is open. */
typedef struct hone_piece {
    int32_t id;       /* -1 for the text that was held back to the end */
    const char *text; /* whole characters, maybe none; borrowed for the call */
    size_t len;
    float logprob;           /* of id; 0 unless logprobs were asked for */
    const hone_logprob *top; /* [n_top], most likely first */
    size_t n_top;
} hone_piece;

/* Returns true to go on. */
typedef bool hone_piece_fn(void *ctx, const hone_piece *piece);

/* All that was generated; zero-initialise, release with hone_generation_release. */
typedef struct hone_generation {
    hone_tokens tokens; /* the end token is not among them */
    char *text;         /* NUL-terminated */
    size_t text_len;
    hone_finish finish;
    size_t n_prompt;            /* tokens of the prompt */
    size_t n_reused;            /* of them, already in the sequence */
    double prefill_s, decode_s; /* seconds in each phase */
    double first_token_s;       /* from the call to the first token */
} hone_generation;
HONE_API void hone_generation_release(hone_generation *g);

/* Bring the sequence to `prompt` (pages of a common beginning are kept, the rest is cut
 * off) and generate.  fn may be NULL.  The prompt must hold a token at least.
 * E_LIMIT when it does not fit n_ctx: the message has both numbers. */
HONE_API HONE_MUST_CHECK hone_status hone_generate(hone_sequence *s,
                                                   const int32_t *prompt, size_t n,
                                                   const hone_generate_options *options,
                                                   hone_piece_fn *fn, void *ctx,
                                                   hone_generation *out,
                                                   hone_error *err);

#endif
