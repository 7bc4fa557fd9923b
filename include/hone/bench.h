/* bench.h - how fast a model runs here, and how near that is to what the machine can do.
 *
 *     hone_bench_case c[2] = {{.test = HONE_BENCH_PREFILL, .n = 512},
 *                             {.test = HONE_BENCH_DECODE, .n = 128}};
 *     hone_bench_result r[2];
 *     if (hone_bench_run(model, c, 2, NULL, r, &err)) ...
 *     printf("%.1f tokens/s\n", r[1].tokens_per_s.median);
 *
 * Tokens are random.  Every case runs once to warm up; repetitions then go round all
 * cases, so that another process on the machine slows all of them alike.  The machine's
 * own speed is measured before and after, the better value counts.
 *
 * Threads: one call at a time a model; each number of threads has its own engine. */
#ifndef HONE_BENCH_H
#define HONE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hone/engine.h"
#include "hone/machine.h"
#include "hone/model.h"

typedef enum hone_bench_test {
    HONE_BENCH_PREFILL, /* n tokens of each sequence in one call */
    HONE_BENCH_DECODE,  /* n calls with one token of each sequence */
} hone_bench_test;

/* "prefill", "decode"; constant. */
HONE_API const char *hone_bench_test_name(hone_bench_test t);

typedef struct hone_bench_case {
    hone_bench_test test;
    int n;        /* timed tokens of a sequence, >= 1 */
    int depth;    /* tokens that each sequence holds before, >= 0 */
    int batch;    /* sequences that run together; 0: one */
    int n_thread; /* 0: what the machine grants */
} hone_bench_case;

typedef struct hone_bench_spread {
    double median, min, max;
} hone_bench_spread;

/* Rates are per second of the median repetition.  Bytes: every weight once a step, keys
 * and values as far as they are seen once a step and sequence, and those written.
 * Operations: linears and attention, a multiply and an add are two. */
typedef struct hone_bench_result {
    hone_bench_case c;              /* defaults filled in */
    int n_rep;                      /* fewer than asked, even 0, if interrupted */
    hone_bench_spread tokens_per_s; /* of all sequences together */
    double bytes_per_s, ops_per_s;
    double fraction_of_read;       /* bytes_per_s of the measured read bandwidth */
    double fraction_of_arithmetic; /* ops_per_s of the peak for the weights' type */
    double fraction_of_limit;      /* decode: of_read, prefill: of_arithmetic */
    const char *arithmetic;        /* whose peak: "int8", "bf16" or "f32" */
    const char *kernels;           /* the tier in use */
    hone_machine_speed machine;    /* with this many threads */
} hone_bench_result;

typedef struct hone_bench_options {              /* zero: the default */
    const char *kv_type, *kernels, *packed_file; /* as hone_engine_options */
    int n_rep;                                   /* default 5 */
    const char *const *lora; /* [n_lora] adapters: sequence i of a case has number
                                i % n_lora */
    size_t n_lora;
    /* Before a case runs: `done` of `all` runs are behind.  May be NULL. */
    void (*progress)(void *ctx, const hone_bench_case *c, int done, int all);
    void *progress_ctx;
    /* After the repetitions every case runs once more under a trace; called for each op,
     * in order.  May be NULL. */
    void (*op)(void *ctx, const hone_bench_case *c, const hone_op_time *t);
    void *op_ctx;
    bool (*interrupt)(void *ctx); /* true ends the call with what was measured */
    void *interrupt_ctx;
} hone_bench_options;

/* Measure n cases into out[n].  options may be NULL.
 *   E_INVALID  a case or an option out of range, an unknown type or tier
 *   E_NOMEM    with the bytes that keys and values of the cases take
 *   E_UNSUPPORTED  the model was opened for its text only */
HONE_API HONE_MUST_CHECK hone_status hone_bench_run(const hone_model *m,
                                                    const hone_bench_case *c, size_t n,
                                                    const hone_bench_options *options,
                                                    hone_bench_result *out,
                                                    hone_error *err);

#endif
