/* engine.h - run a model: sequences of tokens, their K/V pages, logits.
 *
 *     hone_engine *e;
 *     hone_sequence *s;
 *     hone_engine_options o = {.n_ctx = 4096};
 *     hone_engine_new(&e, model, &o, &err);
 *     hone_sequence_new(&s, e, &err);
 *     hone_sequence_append(s, ids, n, &err);
 *     const float *logits = hone_sequence_logits(s);
 *     ...
 *     hone_sequence_free(s);
 *     hone_engine_free(e);
 *
 * Logits of a sequence do not depend, bit for bit, on the number of threads, on how its
 * tokens were divided into calls, or on what else the engine runs.
 *
 * Threads: an engine and its sequences are owned by one thread at a time; several
 * engines may share a model.  The engine's own threads work inside its calls. */
#ifndef HONE_ENGINE_H
#define HONE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hone/model.h"

typedef struct hone_engine hone_engine;
typedef struct hone_sequence hone_sequence;

typedef struct hone_engine_options { /* zero: the default */
    int n_thread;        /* default: what cgroup, affinity and cores grant; small steps
                            take as many of them as turn out to be fastest */
    int n_ctx;           /* longest sequence; default: what the model declares, or less
                            if kv_bytes holds less */
    uint64_t kv_bytes;   /* budget of K/V pages; default: n_sequence sequences of n_ctx,
                            one if n_sequence is not given; at most half of the
                            available memory, but a given n_ctx once; pages are taken
                            when used */
    const char *kv_type; /* of keys and values: "f32", "f16", "bf16", "q8_0", "q4_0", or
                            apart, "q8_0,f16" for keys as q8_0; default f16 */
    const char *kernels; /* "ref", "avx2", "neon", ...; default: the best */
    int n_batch;         /* rows a step takes at most; default 512 */
    int n_sequence;      /* sequences that may have logits at once, at most n_batch;
                            default 8, or n_batch if that is less */
    int n_output; /* rows of a step that may have logits; default n_sequence, or 8
                            if that is more; each takes n_vocab floats */
    bool cache;   /* keep full pages of all sequences in a prefix cache, the least
                            recently used give way to pages that are needed */
    const char
        *disk_dir; /* with cache: pages that give way go to a file in this folder,
                             up to disk_bytes, and come back without being computed */
    uint64_t disk_bytes;
    int page_len; /* positions of a page; default 32 */
    /* Where to keep the weights as the kernels read them, about as large as the model's
     * file: written at the first start, taken from there at later ones; replaced when the
     * model has changed, not used when it is damaged. */
    const char *packed_file;
    /* Asked between steps; true ends the call with HONE_E_CANCELLED.  May be NULL. */
    bool (*interrupt)(void *ctx);
    void *interrupt_ctx;
} hone_engine_options;

/*   E_INVALID    an option out of range, an unknown type or tier
 *   E_UNSUPPORTED  the model was opened for its text only
 *   E_NOMEM      memory; the message says how much
 * The model must outlive the engine. */
HONE_API HONE_MUST_CHECK hone_status hone_engine_new(hone_engine **out,
                                                     const hone_model *model,
                                                     const hone_engine_options *options,
                                                     hone_error *err);
HONE_API void hone_engine_free(hone_engine *e); /* after its sequences; NULL is fine */

typedef struct hone_engine_info {
    const char *kernels; /* the tier in use */
    int n_thread, n_ctx, n_batch, n_sequence, n_output, page_len;
    uint64_t kv_bytes;      /* budget */
    uint64_t kv_bytes_used; /* pages of sequences */
    uint64_t
        kv_bytes_cached; /* pages of the prefix cache alone, given up when needed */
    uint64_t disk_bytes_used; /* cached pages on disk */
    uint64_t step_bytes;
    bool packed_kept;           /* the packed weights came from packed_file */
    const char *packed_warning; /* why they could not be written there, or NULL */
} hone_engine_info;
HONE_API hone_engine_info hone_engine_get_info(const hone_engine *e);
HONE_API const hone_model *hone_engine_model(const hone_engine *e);

HONE_API HONE_MUST_CHECK hone_status hone_sequence_new(hone_sequence **out,
                                                       hone_engine *e, hone_error *err);
HONE_API void hone_sequence_free(hone_sequence *s); /* NULL is fine */

HONE_API hone_engine *hone_sequence_engine(const hone_sequence *s);

/* Tokens so far, borrowed until the next change. */
HONE_API const int32_t *hone_sequence_tokens(const hone_sequence *s, size_t *n);

/* Tokens to run behind those that a sequence has. */
typedef struct hone_step_item {
    hone_sequence *sequence;
    const int32_t *id;
    size_t n;     /* > 0 */
    size_t n_out; /* the last n_out of them give logits, 0 .. n */
} hone_step_item;

/* Run all rows of the items in a single step: at most n_batch rows, n_output of them with
 * logits.  The sequences are different ones of this engine.
 *   E_INVALID    a token outside the vocabulary, no tokens, a sequence twice
 *   E_LIMIT      too many rows or outputs; more tokens than n_ctx; no free page, with how
 *                many tokens fit
 *   E_NOMEM
 *   E_CANCELLED  the interrupt callback said so
 * On failure nothing has run. */
HONE_API HONE_MUST_CHECK hone_status hone_engine_step(hone_engine *e,
                                                      const hone_step_item *item,
                                                      size_t n_item, hone_error *err);

/* Output i < n_out of this sequence in the engine's last step: logits [n_vocab], and the
 * last hidden state after the final norm [d_model] if `hidden` is not NULL.  Borrowed
 * until the engine runs again; NULL if there is none. */
HONE_API const float *hone_sequence_output(const hone_sequence *s, size_t i,
                                           const float **hidden);

/* Run the tokens of several sequences together, in steps of up to n_batch rows: the
 * weights are read once a step and not once a sequence.  Afterwards every item's sequence
 * has logits of its last token, whatever n_out says.  The last token of every item is in
 * the last step, there the single tokens come first; steps before it take what longer
 * items have to run ahead of that.  Errors as hone_engine_step, and E_LIMIT for more items
 * than n_sequence; what ran before E_CANCELLED stays. */
HONE_API HONE_MUST_CHECK hone_status hone_engine_append(hone_engine *e,
                                                        const hone_step_item *item,
                                                        size_t n_item, hone_error *err);

/* The same for one sequence; n may be 0, which leaves it without logits. */
HONE_API HONE_MUST_CHECK hone_status hone_sequence_append(hone_sequence *s,
                                                          const int32_t *id, size_t n,
                                                          hone_error *err);

/* Logits [n_vocab] after the last token; borrowed until the engine runs again.  NULL
 * when the engine's last call did not append to this sequence. */
HONE_API const float *hone_sequence_logits(const hone_sequence *s);

/* Keep the first n tokens. */
HONE_API void hone_sequence_truncate(hone_sequence *s, size_t n);

/* A second sequence with the first n tokens of s.  Pages are shared until one of them
 * writes into one.  E_NOMEM. */
HONE_API HONE_MUST_CHECK hone_status hone_sequence_fork(hone_sequence **out,
                                                        const hone_sequence *s,
                                                        size_t n, hone_error *err);

/* Give an empty sequence what the prefix cache has of the beginning of id[0..n); returns
 * the tokens it has now. */
HONE_API size_t hone_sequence_attach(hone_sequence *s, const int32_t *id, size_t n);

/* Write the tokens and pages of s to a file, and back into an empty sequence of an engine
 * with the same model, K/V type and page length.  The file appears whole or not at all.
 *   E_IO, E_NOMEM
 *   E_FORMAT   broken, or of another model or layout
 *   E_LIMIT    no free page, or longer than n_ctx */
HONE_API HONE_MUST_CHECK hone_status hone_sequence_save(const hone_sequence *s,
                                                        const char *path,
                                                        hone_error *err);
HONE_API HONE_MUST_CHECK hone_status hone_sequence_load(hone_sequence *s,
                                                        const char *path,
                                                        hone_error *err);

/* As append, handing each token's results to fn: logits [n_vocab] and the last hidden
 * state after the final norm [d_model], both borrowed for the call. */
typedef void hone_score_fn(void *ctx, size_t position, const float *logits,
                           const float *hidden);
HONE_API HONE_MUST_CHECK hone_status hone_sequence_score(hone_sequence *s,
                                                         const int32_t *id, size_t n,
                                                         hone_score_fn *fn, void *ctx,
                                                         hone_error *err);

/* Every intermediate value of later calls, op by op, as the model's layers name them
 * ("layer.3.q"): [n_row, width], borrowed for the call.  For comparison with an oracle;
 * slow.  NULL ends it. */
typedef void hone_value_fn(void *ctx, const char *name, const float *data, int n_row,
                           int width);
HONE_API void hone_engine_watch(hone_engine *e, hone_value_fn *fn, void *ctx);

/* What each op of the model's program took since the trace was switched on, and the
 * bytes of weights it reads a step.  Steps are slower while it is on: every op waits for
 * all threads. */
typedef struct hone_op_time {
    const char *name; /* "layer.3.q", of the first value it writes; the engine's */
    double seconds;
    double weight_bytes;
} hone_op_time;
HONE_API void hone_engine_trace(hone_engine *e, bool on);
/* Op i in order of execution; false behind the last. */
HONE_API bool hone_engine_trace_get(const hone_engine *e, int i, hone_op_time *out);

#endif
