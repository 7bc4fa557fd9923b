/* bench_cost.h - private to the engine: bytes and operations of a benchmark case.
 *
 * What a perfect implementation would have to move and compute, counted from the model's
 * shapes; fractions of the machine's limits rest on it.  Pure; any thread. */
#ifndef HONE_ENGINE_BENCH_COST_H
#define HONE_ENGINE_BENCH_COST_H

#include "hone/bench.h"

typedef struct hone_bench_cost {
    double body_bytes, head_bytes;    /* weights of the layers, of the head */
    double body_macs, head_macs;      /* of a row */
    double attention_macs;            /* of a query row and one position it sees, over
                                          the layers that see all */
    double window_macs;               /* the same over layers with a window */
    double kv_bytes, kv_window_bytes; /* of a position, over the same layers */
    double kv_position_bytes; /* what a position takes in the pages, rounded up */
    int window;
    const char *arithmetic; /* "int8", "bf16" or "f32": what most weights call for */
} hone_bench_cost;

typedef struct hone_bench_work {
    double bytes, ops;
} hone_bench_work;

/* E_UNSUPPORTED for a model without weights; E_INVALID for the type. */
HONE_MUST_CHECK hone_status hone_bench_cost_init(hone_bench_cost *cost,
                                                 const hone_model *m,
                                                 const char *kv_type, hone_error *err);

/* One repetition of a case with steps of at most n_batch rows. */
hone_bench_work hone_bench_work_of(const hone_bench_cost *cost,
                                   const hone_bench_case *c, int n_batch);

/* The measured peak by its name. */
double hone_bench_peak(const hone_machine_speed *v, const char *arithmetic);

#endif
