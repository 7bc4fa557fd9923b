/* answer.c - the way of a request through the scheduler and back.
 *
 * Events come on the engine's thread and are copied into a list; one post to the loop
 * takes all that have gathered.  The run lives until every one of its requests has
 * ended, also when its client is gone. */
#include "serve/answer.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/trace.h"

typedef struct run run;

/* A copy of a scheduler's event. */
typedef struct run_event {
    struct run_event *next;
    size_t prompt;
    int64_t time_ns;
    hone_event e;
    hone_piece piece;
    hone_request_stats stats;
    hone_error error;
} run_event; /* alternatives, text or the embedding follow */

typedef struct run_request {
    run *run;
    size_t prompt;
    uint64_t id;
    bool submitted, started, ended;
    run_event end; /* the last event always has room */
} run_request;

struct run {
    hone_server *server;
    http_exchange *x; /* NULL once it has its reply */
    ask ask;
    reply reply;
    run_request *request; /* [ask.n_prompt] */
    trace *trace;         /* NULL: none is wanted */
    size_t n_open;        /* requests that have not ended */
    api_error error;      /* of the first request that failed */
    pthread_mutex_t lock; /* the three below */
    run_event *first, **last;
    bool posted, lost; /* lost: an event could not be copied */
};

/* -- replies ----------------------------------------------------------------------- */

void hone_answer_json(http_exchange *x, int status, const hone_buf *body)
{
    static const char broken[] = "{\"error\":{\"message\":\"out of memory\",\"type\":"
                                 "\"server_error\",\"param\":null,\"code\":"
                                 "\"server_error\"}}";
    if (body->failed)
        http_reply(x, 500, "application/json", broken, sizeof broken - 1);
    else
        http_reply(x, status, "application/json", body->data, body->len);
}

void hone_answer_error(http_exchange *x, const dialect *d, const api_error *e)
{
    hone_buf b;
    hone_buf_init(&b, 1 << 16);
    d->put_error(&b, e);
    if (e->status == 429 || e->status == 503) http_set_header(x, "Retry-After", "1");
    hone_answer_json(x, e->status, &b);
    hone_buf_release(&b);
}

/* Send what the writer has put into the buffer. */
static void flush(run *r)
{
    hone_buf *b = &r->reply.out;
    if (r->x && b->len) http_stream_write(r->x, b->data, b->len);
    hone_buf_reset(b);
}

static void cancel_all(run *r)
{
    for (size_t i = 0; i < r->ask.n_prompt; i++) {
        if (r->request[i].submitted && !r->request[i].ended)
            hone_scheduler_cancel(r->server->scheduler, r->request[i].id);
    }
}

/* The reply ends here with an error; what still runs is cancelled. */
static void fail(run *r, const api_error *e)
{
    http_exchange *x = r->x;
    if (!r->error.status) r->error = *e;
    cancel_all(r);
    if (!x) return;
    if (http_stream_begun(x)) {
        flush(r);
        hone_reply_fail(&r->reply, e);
        flush(r);
        http_stream_end(x);
    } else {
        hone_answer_error(x, r->reply.dialect, e);
    }
    r->x = NULL;
}

static void release(run *r)
{
    pthread_mutex_destroy(&r->lock);
    hone_trace_keep(r->server->traces, r->trace);
    hone_reply_release(&r->reply);
    hone_ask_release(&r->ask);
    hone_free(r->request);
    hone_free(r);
}

/* Every request has ended. */
static void finish(run *r)
{
    api_error e;
    if (r->x && !r->error.status) {
        hone_reply_end(&r->reply);
        if (r->reply.failed) {
            hone_field_no_memory(&e);
            hone_buf_reset(&r->reply.out);
            fail(r, &e);
        }
    }
    http_exchange *x = r->x;
    if (x && http_stream_begun(x)) {
        flush(r);
        http_stream_end(x);
    } else if (x) {
        hone_answer_json(x, 200, &r->reply.out);
    }
    release(r);
}

/* How the answers of a request ended, for the metrics. */
static metrics_finish finish_of(const run *r, size_t prompt, hone_status s)
{
    const int n = r->reply.n_answer;
    if (s == HONE_E_CANCELLED) return METRICS_ABORT;
    if (s) return METRICS_ERROR;
    for (int i = 0; i < n && !r->ask.request.embed; i++) {
        const reply_choice *c = &r->reply.choice[prompt * (size_t)n + (size_t)i];
        if (!c->ended || c->finish == HONE_FINISH_LENGTH) return METRICS_LENGTH;
    }
    return METRICS_STOP;
}

/* -- events ------------------------------------------------------------------------ */

/* Requests of an adapter that wait and that run. */
static void count_adapter(const run *r, int waiting, int running)
{
    const char *name = r->ask.request.adapter;
    if (name) hone_metrics_adapter(r->server->metrics, name, waiting, running);
}

static void request_ended(run *r, const run_event *v)
{
    /* one that ended by its stop tokens was cancelled, and is done */
    const bool done =
        v->e.status == HONE_OK ||
        (!r->ask.request.embed && hone_reply_prompt_ended(&r->reply, v->prompt));
    const hone_generate_options *g = &r->ask.request.generate;
    r->request[v->prompt].ended = true;
    r->n_open--;
    count_adapter(r, r->request[v->prompt].started ? 0 : -1,
                  r->request[v->prompt].started ? -1 : 0);
    if (r->x)
        hone_server_note(r->server, r->x, &v->stats,
                         finish_of(r, v->prompt, done ? HONE_OK : v->e.status),
                         r->ask.request.n_answer, g->n_max);
    if (done) {
        if (v->e.error) hone_server_warn(r->server, v->error.text);
        return;
    }
    api_error e;
    hone_api_fail_status(&e, v->e.status, NULL, &v->error);
    if (v->e.status == HONE_E_NOT_FOUND) e.code = "model_not_found"; /* unloaded */
    fail(r, &e);
}

/* A token came. */
static void measure_gap(run *r, const run_event *v)
{
    const size_t n = (size_t)r->reply.n_answer;
    reply_choice *c = &r->reply.choice[v->prompt * n + (size_t)v->e.answer];
    if (v->piece.id < 0) return;
    if (c->piece_ns)
        hone_metrics_gap(r->server->metrics, (double)(v->time_ns - c->piece_ns) * 1e-9);
    c->piece_ns = v->time_ns;
}

static void apply(run *r, const run_event *v)
{
    switch (v->e.kind) {
    case HONE_EVENT_START:
        hone_reply_start(&r->reply, v->prompt, &v->stats);
        break;
    case HONE_EVENT_PROMPT:
        hone_reply_prompt_token(&r->reply, v->prompt, &v->piece);
        break;
    case HONE_EVENT_PIECE:
        measure_gap(r, v);
        hone_reply_piece(&r->reply, v->prompt, v->e.answer, &v->piece);
        if (r->ask.n_stop_id && hone_reply_prompt_ended(&r->reply, v->prompt))
            hone_scheduler_cancel(r->server->scheduler, r->request[v->prompt].id);
        break;
    case HONE_EVENT_ANSWER:
        hone_reply_answer(&r->reply, v->prompt, v->e.answer, v->e.finish, v->e.stop,
                          v->e.n_generated);
        break;
    case HONE_EVENT_EMBEDDING:
        hone_reply_embedding(&r->reply, v->prompt, v->e.embedding, v->e.n_embedding);
        break;
    case HONE_EVENT_STEP:
        break;
    case HONE_EVENT_END:
        request_ended(r, v);
        break;
    }
}

static void trace_event(run *r, const run_event *v)
{
    hone_event e = v->e;
    if (e.piece) e.piece = &v->piece;
    if (e.error) e.error = &v->error;
    e.stats = &v->stats;
    hone_trace_event(r->trace, v->prompt, v->time_ns, &e);
}

/* On the loop: everything that has come. */
static void handle(void *arg)
{
    run *r = arg;
    pthread_mutex_lock(&r->lock);
    run_event *v = r->first;
    r->first = NULL;
    r->last = &r->first;
    r->posted = false;
    const bool lost = r->lost;
    pthread_mutex_unlock(&r->lock);
    for (run_event *next; v; v = next) {
        next = v->next;
        const bool end = v->e.kind == HONE_EVENT_END;
        if (v->e.kind == HONE_EVENT_START) {
            r->request[v->prompt].started = true;
            count_adapter(r, -1, 1);
        }
        if (r->trace) trace_event(r, v);
        if (r->x || end) apply(r, v);
        if (!end) hone_free(v);
    }
    if ((lost || r->reply.failed) && r->x) {
        api_error e;
        hone_field_no_memory(&e);
        fail(r, &e);
    }
    if (r->x && r->ask.stream) flush(r);
    if (r->n_open == 0) finish(r);
}

/* The copy of a borrowed event, or NULL. */
static run_event *copy(const hone_event *e, size_t prompt)
{
    const hone_piece *p = e->piece;
    const size_t top = p ? p->n_top * sizeof *p->top : 0;
    const size_t text = (p ? p->len : 0) + (e->stop ? strlen(e->stop) : 0) + 1;
    const size_t embedding = e->n_embedding * sizeof *e->embedding;
    run_event *v = hone_alloc(1, sizeof *v + top + embedding + text);
    if (!v) return NULL;
    *v = (run_event){.prompt = prompt, .time_ns = hone_clock_ns(), .e = *e};
    char *data = (char *)(v + 1);
    if (top) v->piece.top = memcpy(data, p->top, top);
    data += top;
    if (embedding) v->e.embedding = memcpy(data, e->embedding, embedding);
    data += embedding;
    if (p) {
        const hone_logprob *tops = v->piece.top;
        v->piece = *p;
        v->piece.top = tops;
        v->piece.text = p->len ? memcpy(data, p->text, p->len) : "";
        data += p->len;
    }
    if (e->stop) {
        memcpy(data, e->stop, strlen(e->stop) + 1);
        v->e.stop = data;
    }
    if (e->stats) v->stats = *e->stats;
    return v;
}

/* On the engine's thread. */
static void on_event(void *ctx, const hone_event *e)
{
    run_request *q = ctx;
    run *r = q->run;
    run_event *v = &q->end;
    if (e->kind == HONE_EVENT_END) {
        *v = (run_event){.prompt = q->prompt, .time_ns = hone_clock_ns(), .e = *e};
        if (e->stats) v->stats = *e->stats;
        if (e->error) v->error = *e->error;
    } else {
        v = copy(e, q->prompt);
    }
    pthread_mutex_lock(&r->lock);
    if (v) {
        *r->last = v;
        r->last = &v->next;
    } else {
        r->lost = true;
    }
    const bool post = !r->posted;
    if (post) r->posted = http_post(r->server->http, handle, r, NULL) == HONE_OK;
    pthread_mutex_unlock(&r->lock);
}

/* -- the client -------------------------------------------------------------------- */

static void on_gone(void *ctx, http_exchange *x)
{
    (void)x;
    cancel_all(ctx);
}

static void on_full(void *ctx, http_exchange *x, bool full)
{
    run *r = ctx;
    (void)x;
    for (size_t i = 0; i < r->ask.n_prompt; i++) {
        if (!r->request[i].ended)
            hone_scheduler_pause(r->server->scheduler, r->request[i].id, full);
    }
}

/* -- begin ------------------------------------------------------------------------- */

static bool submit(run *r, size_t i, api_error *e)
{
    hone_request q = r->ask.request;
    run_request *own = &r->request[i];
    hone_error err;
    q.prompt = r->ask.prompt[i].tokens.id;
    q.n_prompt = r->ask.prompt[i].tokens.len;
    *own = (run_request){.run = r, .prompt = i};
    const hone_status s =
        hone_scheduler_submit(r->server->scheduler, &q, on_event, own, &own->id, &err);
    if (s == HONE_E_LIMIT)
        return hone_api_fail(e, 429, "queue_full", NULL, "%s", err.text);
    if (s == HONE_E_NOT_FOUND)
        return hone_api_fail(e, 404, "model_not_found", "model", "%s", err.text);
    if (s) return hone_api_fail_status(e, s, NULL, &err);
    own->submitted = true;
    r->n_open++;
    count_adapter(r, 1, 0);
    return true;
}

/* Where a later prompt is refused the earlier ones are cancelled; the run waits for their
 * ends. */
static void submit_all(run *r)
{
    const http_watch watch = {on_gone, on_full, r};
    api_error e;
    http_keep(r->x, &watch);
    for (size_t i = 0; i < r->ask.n_prompt; i++) {
        if (submit(r, i, &e)) continue;
        fail(r, &e);
        if (r->n_open == 0) release(r);
        return;
    }
    if (!r->ask.stream) return;
    http_set_header(r->x, "Cache-Control", "no-cache");
    http_stream_begin(r->x, 200, "text/event-stream");
    http_stream_ping(r->x, r->server->options.ping_s, ": ping\n\n");
}

static run *new_run(hone_server *s, http_exchange *x, const dialect *d, ask *a,
                    api_error *e)
{
    run *r = hone_alloc_zero(1, sizeof *r);
    run_request *q = hone_alloc_zero(a->n_prompt, sizeof *q);
    if (r) r->ask = *a;
    if (r && q && hone_reply_init(&r->reply, d, &r->ask, s, e)) {
        r->server = s;
        r->x = x;
        r->request = q;
        r->last = &r->first;
        pthread_mutex_init(&r->lock, NULL);
        return r;
    }
    if (!r || !q) hone_field_no_memory(e);
    hone_free(q);
    hone_free(r);
    return NULL;
}

void hone_answer(hone_server *s, http_exchange *x, const dialect *d)
{
    api_error e = {0};
    ask a;
    size_t len;
    const char *body = http_get_body(x, &len);
    if (!d->ask(&a, s, body, len, &e)) {
        hone_answer_error(x, d, &e);
        return;
    }
    run *r = new_run(s, x, d, &a, &e);
    if (r) {
        r->trace = hone_trace_new(s, x, &r->ask);
        r->ask.request.trace = r->trace != NULL;
        submit_all(r);
        return;
    }
    hone_ask_release(&a);
    hone_answer_error(x, d, &e);
}
