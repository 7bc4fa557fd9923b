/* trace.h - what happened to a request, told to who asks for it: the prompt as the model
 * saw it, what the cache had, every step and token with its time.
 *
 * A request with the header "x-hone-trace: 1" is traced; GET /trace/ID, where ID is the
 * x-request-id of its reply, gives the trace once it has ended.  The last TRACE_KEPT are
 * kept.
 *
 * Threads: the loop's. */
#ifndef HONE_SERVE_TRACE_H
#define HONE_SERVE_TRACE_H

#include "serve/ask.h"

enum {
    TRACE_KEPT = 64
};

typedef struct trace trace;

struct trace_ring {
    trace *item[TRACE_KEPT];
    size_t next;
};

/* NULL where no trace is wanted, or memory is out. */
trace *hone_trace_new(const hone_server *s, const http_exchange *x, const ask *a);
void hone_trace_free(trace *t); /* NULL is fine */

/* An event of request `prompt` of the exchange, at now_ns of the clock. */
void hone_trace_event(trace *t, size_t prompt, int64_t now_ns, const hone_event *e);

/* The exchange has ended: t can be asked for from now on. */
void hone_trace_keep(trace_ring *r, trace *t);
void hone_trace_ring_release(trace_ring *r);

/* GET /trace/ID */
void hone_api_trace(void *ctx, http_exchange *x);

#endif
