/* server.h - what the handlers of all endpoints share.
 *
 * Two threads: the loop's (http.h), on which every handler runs, and the engine's, inside
 * hone_scheduler_run.  Handlers submit requests; the scheduler's events come on the
 * engine's thread, are copied and posted to the loop (http_post), and are written to the
 * client there. */
#ifndef HONE_SERVE_SERVER_H
#define HONE_SERVE_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "hone/hone.h"
#include "hone/serve.h"
#include "serve/http.h"
#include "serve/metrics.h"

typedef struct server_adapter {
    char *name, *path;
} server_adapter;

typedef struct trace_ring trace_ring; /* trace.h */

struct hone_server {
    const hone_model *model;         /* borrowed */
    const hone_tokenizer *tokenizer; /* the model's; NULL where it has none */
    hone_engine_info engine_info;    /* n_ctx and so on, fixed */
    hone_engine *engine, *draft_engine;
    hone_scheduler *scheduler;
    http_server *http;
    http_route *route; /* the server's own and those of api.h */
    metrics *metrics;
    trace_ring *traces;
    server_adapter *adapter; /* [n_adapter] that are loaded; the loop's (adapters.h) */
    size_t n_adapter, cap_adapter;
    hone_server_options options; /* strings borrowed from the caller */
    const char *name;            /* the model's on the wire */
    int64_t created;             /* seconds since 1970 */
    pthread_t engine_thread;
    bool has_thread;
    atomic_int n_stop; /* calls of hone_server_stop */
};

/* A request of x ended, before the reply does: for the metrics and the log line of x,
 * where several requests of one exchange add up.  n_answer and n_max as asked.  On the
 * loop's thread. */
void hone_server_note(hone_server *s, http_exchange *x, const hone_request_stats *stats,
                      metrics_finish finish, int n_answer, int n_max);

/* A line of the log: something went wrong that no reply tells. */
void hone_server_warn(const hone_server *s, const char *text);

#endif
