/* machine.h - what this machine grants and how fast it is.
 *
 *     hone_machine m;
 *     hone_machine_get(&m);
 *     hone_machine_speed v;
 *     hone_machine_measure(&v, m.n_thread, NULL, 0.2, &err);
 *
 * Threads: any; measuring uses n_thread threads of its own. */
#ifndef HONE_MACHINE_H
#define HONE_MACHINE_H

#include <stddef.h>
#include <stdint.h>

#include "hone/model.h"
#include "hone/status.h"

enum {
    HONE_MACHINE_MAX_FEATURES = 16
};

typedef struct hone_machine {
    int n_thread;             /* what cgroup quota, affinity and physical cores grant */
    uint64_t total_bytes;     /* memory, cgroup limits applied */
    uint64_t available_bytes; /* of it, free to take */
    const char *kernels;      /* the best tier: "avx2" */
    const char *feature[HONE_MACHINE_MAX_FEATURES]; /* CPU features; constant */
    int n_feature;
} hone_machine;
HONE_API void hone_machine_get(hone_machine *out);

/* Largest resident set of this process so far, in bytes. */
HONE_API uint64_t hone_process_peak_bytes(void);

typedef struct hone_machine_speed {
    double read_bytes_per_s; /* over a buffer twice the largest cache, or as large as
                                a quarter of the free memory allows */
    double int8_ops_per_s;   /* a multiply and an add are two */
    double bf16_flops_per_s;
    double f32_flops_per_s;
} hone_machine_speed;

/* Measure for about `seconds` with n_thread threads and the kernels of `tier` (NULL: the
 * best); the best of several rounds counts.  E_INVALID, E_NOMEM. */
HONE_API HONE_MUST_CHECK hone_status hone_machine_measure(hone_machine_speed *out,
                                                          int n_thread,
                                                          const char *tier,
                                                          double seconds,
                                                          hone_error *err);

/* Run every kernel of every tier this CPU has against the reference.  fn is called for
 * each failure with its name; returns their number. */
HONE_API int hone_self_test(void (*fn)(void *ctx, const char *name), void *ctx);

/* Bytes that running a model takes, by kind. */
typedef struct hone_plan_info {
    uint64_t weights_bytes; /* packed, or mapped from the file */
    uint64_t kv_bytes;      /* for n_sequence sequences of n_ctx tokens, full */
    uint64_t step_bytes;    /* activations and scratch */
    uint64_t tokenizer_bytes;
    uint64_t total_bytes;
    double decode_bytes;   /* read for each token at an empty context */
    double macs_per_token; /* multiply-adds of the linear layers */
    int n_ctx;
} hone_plan_info;

/* n_ctx, n_thread 0: as for an engine; kv_type NULL: "f16".  Allocates next to nothing. */
HONE_API HONE_MUST_CHECK hone_status hone_plan_model(const hone_model *m, int n_ctx,
                                                     const char *kv_type,
                                                     int n_sequence, int n_thread,
                                                     hone_plan_info *out,
                                                     hone_error *err);

#endif
