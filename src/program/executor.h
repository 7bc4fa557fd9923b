/* executor.h - run a program on the threads of a pool.
 *
 *     hone_executor *e;
 *     HONE_TRY(hone_executor_new(&e, program, kernels, pack, pool, layout, &limits,
 *                                err));
 *     hone_executor_run(e, &step);
 *     const float *logits = hone_executor_value(e, hone_program_logits(program));
 *     hone_executor_free(e);
 *
 * All memory of a step is planned and taken here: a step allocates nothing and cannot
 * fail.  Threads: owned by one thread; the pool's threads work inside run(). */
#ifndef HONE_PROGRAM_EXECUTOR_H
#define HONE_PROGRAM_EXECUTOR_H

#include "base/pool.h"
#include "program/lora.h"
#include "program/pack.h"
#include "program/program.h"

/* What the memory of a step is sized for. */
typedef struct hone_step_limits {
    int n_thread; /* of the pool */
    int n_row;    /* rows of a step */
    int n_out;    /* of them with outputs */
    int n_ctx;    /* positions of a sequence */
} hone_step_limits;

/* One execution: rows (tokens) of any number of sequences.  Rows of one sequence stand
 * together, in order of position.  All pointers are borrowed for the call. */
typedef struct hone_step {
    int n_row;                 /* 1 .. limits.n_row */
    const int32_t *token;      /* [n_row], below the vocabulary */
    const int32_t *position;   /* [n_row], below limits.n_ctx */
    const int32_t *sequence;   /* [n_row], index into pages */
    int n_out;                 /* 0 .. limits.n_out */
    const int32_t *out_row;    /* [n_out], ascending row numbers */
    void *const *const *pages; /* [sequence]: page table that covers every position */
    const hone_lora *const *lora; /* [sequence], NULL for none; NULL: nobody has one */
} hone_step;

/* What one op cost so far. */
typedef struct hone_op_trace {
    const char *name; /* kind and written value: "norm_linear layer.0.q" */
    double seconds;
    double weight_bytes; /* read once a step */
    uint64_t n_run;
} hone_op_trace;

typedef struct hone_executor hone_executor;

/* Everything is borrowed and must outlive the executor; the pack was made for the same
 * program and kernels. */
HONE_MUST_CHECK hone_status
hone_executor_new(hone_executor **out, const hone_program *p, const hone_kernels *k,
                  const hone_pack *pack, hone_pool *pool, const hone_kv_layout *kv,
                  const hone_step_limits *limits, hone_error *err);
void hone_executor_free(hone_executor *e); /* NULL is fine */

/* Bytes of the step's memory for these limits, without making an executor: what
 * `hone plan` shows.  E_LIMIT when they do not fit. */
HONE_MUST_CHECK hone_status hone_executor_plan(const hone_program *p,
                                               const hone_kernels *k,
                                               const hone_kv_layout *kv,
                                               const hone_step_limits *limits,
                                               size_t *bytes, hone_error *err);

/* Take the memory that steps with this adapter need; before the first of them.  E_NOMEM,
 * E_LIMIT. */
HONE_MUST_CHECK hone_status hone_executor_fit(hone_executor *e, const hone_lora *l,
                                              hone_error *err);

void hone_executor_run(hone_executor *e, const hone_step *step);

/* Steps of few rows run from now on with as many of the pool's threads as are fastest
 * (thread_tuner.h), instead of all. */
void hone_executor_tune(hone_executor *e);

/* Rows of a value after run(): valid for the program's outputs until the next run. */
const float *hone_executor_value(const hone_executor *e, hone_value v);

/* Called after each op of a run with every value it wrote, before anything overwrites
 * them.  Slower: ops run one by one.  NULL stops it. */
typedef void hone_watch_fn(void *ctx, const char *name, const float *data, int n_row,
                           int width);
void hone_executor_watch(hone_executor *e, hone_watch_fn *fn, void *ctx);

/* Time every op from here on, from zero (ops run one by one), and what it gave: entry i
 * is op i.  The array is the executor's; *n its length. */
void hone_executor_trace(hone_executor *e, bool on);
const hone_op_trace *hone_executor_trace_get(const hone_executor *e, int *n);

#endif
