/* metrics.h - what a Prometheus server reads at /metrics.
 *
 * Names and buckets are vLLM's where it has such a series ("vllm:..."), so that its
 * dashboards and the Kubernetes gateway work; what only hone has is "hone:...".
 * docs/serving.md lists them.
 *
 * Threads: the loop's thread alone. */
#ifndef HONE_SERVE_METRICS_H
#define HONE_SERVE_METRICS_H

#include "base/buf.h"
#include "hone/scheduler.h"

typedef struct metrics metrics;

HONE_MUST_CHECK hone_status hone_metrics_new(metrics **out, const char *model_name,
                                             const hone_engine_info *engine,
                                             hone_error *err);
void hone_metrics_free(metrics *m); /* NULL is fine */

/* How a request ended, in vLLM's words: stop, length, abort, error. */
typedef enum metrics_finish {
    METRICS_STOP,
    METRICS_LENGTH,
    METRICS_ABORT,
    METRICS_ERROR,
    METRICS_N_FINISH
} metrics_finish;
metrics_finish hone_metrics_finish_of(hone_finish f);
const char *hone_metrics_finish_name(metrics_finish f); /* constant */

/* A request ended.  n_answer and n_max as it asked; n_max negative: no limit. */
void hone_metrics_request(metrics *m, const hone_request_stats *s, metrics_finish f,
                          int n_answer, int n_max);
/* Seconds between two tokens of an answer. */
void hone_metrics_gap(metrics *m, double seconds);
/* An HTTP reply ended. */
void hone_metrics_reply(metrics *m, int status);
/* Requests of an adapter: +1 or -1 that wait, that run.  Names past the 64th are not
 * counted. */
void hone_metrics_adapter(metrics *m, const char *name, int waiting, int running);

/* The page in Prometheus' text format 0.0.4.  Failure is in to->failed. */
void hone_metrics_render(const metrics *m, const hone_scheduler_stats *s, hone_buf *to);

#endif
