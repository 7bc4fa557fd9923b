/* server.c - serve.h: engines, scheduler, two threads and the routes that need neither. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "serve/adapters.h"
#include "serve/api.h"
#include "serve/metrics.h"
#include "serve/page.h"
#include "serve/request_log.h"
#include "serve/server.h"
#include "serve/trace.h"

/* -- routes ------------------------------------------------------------------------ */

static void reply_json(http_exchange *x, int status, const char *text)
{
    http_reply(x, status, "application/json", text, strlen(text));
}

static void get_health(void *ctx, http_exchange *x)
{
    (void)ctx;
    reply_json(x, 200, "{\"status\":\"ok\"}");
}

static void get_ready(void *ctx, http_exchange *x)
{
    const hone_server *s = ctx;
    if (http_server_is_draining(s->http)) {
        http_set_header(x, "Retry-After", "5");
        reply_json(x, 503, "{\"status\":\"draining\"}");
    } else {
        reply_json(x, 200, "{\"status\":\"ok\"}");
    }
}

static void get_version(void *ctx, http_exchange *x)
{
    (void)ctx;
    reply_json(x, 200, "{\"version\":\"" HONE_VERSION "\"}");
}

static void get_metrics(void *ctx, http_exchange *x)
{
    const hone_server *s = ctx;
    const hone_scheduler_stats stats = hone_scheduler_get_stats(s->scheduler);
    hone_buf page;
    hone_buf_init(&page, 1 << 20);
    hone_metrics_render(s->metrics, &stats, &page);
    if (page.failed)
        reply_json(x, 500,
                   "{\"error\":{\"message\":\"out of memory\",\"type\":"
                   "\"server_error\",\"param\":null,\"code\":null}}");
    else
        http_reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", page.data,
                   page.len);
    hone_buf_release(&page);
}

/* The key protects everything but the two probes and the page, which say nothing about
 * the model. */
static const http_route own_routes[] = {
    {HTTP_GET, "/health", get_health, true},
    {HTTP_GET, "/ready", get_ready, true},
    {HTTP_GET, "/version", get_version, false},
    {HTTP_GET, "/metrics", get_metrics, false},
};
enum {
    N_SEQUENCE = 16, /* answers at once */
    N_OUTPUT = 64,
    N_OWN_ROUTE = sizeof own_routes / sizeof own_routes[0]
};

/* -- what is recorded -------------------------------------------------------------- */

void hone_server_note(hone_server *s, http_exchange *x, const hone_request_stats *stats,
                      metrics_finish finish, int n_answer, int n_max)
{
    hone_metrics_request(s->metrics, stats, finish, n_answer, n_max);
    http_note *note = http_get_note(x);
    note->n_prompt += stats->n_prompt;
    note->n_cached += stats->n_reused;
    note->n_generated += stats->n_generated;
    note->finish = hone_metrics_finish_name(finish);
}

static void on_done(void *ctx, const http_exchange *x, int status, size_t bytes,
                    double seconds)
{
    hone_server *s = ctx;
    hone_metrics_reply(s->metrics, status);
    if (s->options.log)
        hone_log_reply(s->options.log, s->options.log_ctx, s->options.log_json, x,
                       status, bytes, seconds);
}

/* -- life -------------------------------------------------------------------------- */

void hone_server_warn(const hone_server *s, const char *text)
{
    const hone_server_options *o = &s->options;
    if (o->log) hone_log_warning(o->log, o->log_ctx, o->log_json, text);
}

static http_options http_options_of(const hone_server_options *o)
{
    return (http_options){
        .host = o->host,
        .port = o->port,
        .key = o->key,
        .n_key = o->n_key,
        .cors_origin = o->cors_origin,
        .tls_cert = o->tls_cert,
        .tls_key = o->tls_key,
        .max_header = o->max_header,
        .max_body = o->max_body,
        .max_output = o->max_output,
        .max_connections = o->max_connections,
        .header_s = o->header_s,
        .idle_s = o->idle_s,
        .stall_s = o->stall_s,
        .done = on_done,
    };
}

/* Many answers, their guesses, and prompts that are scored give outputs in one step. */
static void fill_engine_options(hone_engine_options *e)
{
    e->cache = true;
    if (e->n_sequence == 0) e->n_sequence = N_SEQUENCE;
    if (e->n_output == 0)
        e->n_output = e->n_sequence > N_OUTPUT / 2 ? 2 * e->n_sequence : N_OUTPUT;
}

static hone_status start_engines(hone_server *s, hone_error *err)
{
    hone_server_options *o = &s->options;
    fill_engine_options(&o->engine);
    HONE_TRY(hone_engine_new(&s->engine, s->model, &o->engine, err));
    const char *packed = hone_engine_get_info(s->engine).packed_warning;
    if (packed) hone_server_warn(s, packed);
    s->engine_info = hone_engine_get_info(s->engine);
    HONE_TRY(hone_adapters_start(s, err));
    if (o->draft) {
        const hone_engine_options draft = {.n_thread = o->engine.n_thread,
                                           .n_ctx = s->engine_info.n_ctx,
                                           .n_sequence = s->engine_info.n_sequence,
                                           .cache = true,
                                           .kernels = o->engine.kernels,
                                           .interrupt = o->engine.interrupt,
                                           .interrupt_ctx = o->engine.interrupt_ctx};
        const hone_status status =
            hone_engine_new(&s->draft_engine, o->draft, &draft, err);
        if (status) return hone_error_wrap(err, status, "draft model");
        o->scheduler.draft = s->draft_engine;
    }
    return hone_scheduler_new(&s->scheduler, s->engine, &o->scheduler, err);
}

static hone_status start_http(hone_server *s, hone_error *err)
{
    const size_t n_before = N_OWN_ROUTE + hone_n_page_route;
    const size_t n = n_before + hone_n_api_route;
    s->route = hone_alloc(n, sizeof *s->route);
    if (!s->route) return hone_fail(err, HONE_E_NOMEM, "serve: out of memory");
    memcpy(s->route, own_routes, sizeof own_routes);
    memcpy(s->route + N_OWN_ROUTE, hone_page_routes,
           hone_n_page_route * sizeof *s->route);
    memcpy(s->route + n_before, hone_api_routes, hone_n_api_route * sizeof *s->route);
    const http_options ho = http_options_of(&s->options);
    return http_server_new(&s->http, &ho, s->route, n, s, err);
}

static void *run_engine(void *ctx)
{
    hone_server *s = ctx;
    hone_scheduler_run(s->scheduler);
    return NULL;
}

/* With all signals blocked: they are for the program's own threads. */
static hone_status start_engine_thread(hone_server *s, hone_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&s->engine_thread, NULL, run_engine, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return hone_fail(err, HONE_E_NOMEM, "serve: start a thread: %s",
                         strerror(failed));
    s->has_thread = true;
    return HONE_OK;
}

hone_status hone_server_new(hone_server **out, const hone_model *model,
                            const hone_server_options *o, hone_error *err)
{
    hone_server *s = hone_alloc_zero(1, sizeof *s);
    if (!s) return hone_fail(err, HONE_E_NOMEM, "serve: out of memory");
    s->options = *o;
    if (!s->options.ping_s) s->options.ping_s = 15;
    if (!s->options.drain_s) s->options.drain_s = 30;
    if (s->options.pooling == HONE_POOLING_NONE) s->options.pooling = HONE_POOLING_MEAN;
    s->model = model;
    s->tokenizer = hone_model_tokenizer(model);
    s->name = o->alias ? o->alias : hone_model_get_info(model)->name;
    s->created = (int64_t)time(NULL);
    atomic_init(&s->n_stop, 0);
    s->traces = hone_alloc_zero(1, sizeof *s->traces);
    hone_status status = s->traces
                             ? start_engines(s, err)
                             : hone_fail(err, HONE_E_NOMEM, "serve: out of memory");
    if (!status) status = hone_metrics_new(&s->metrics, s->name, &s->engine_info, err);
    if (!status) status = start_http(s, err);
    if (!status) status = start_engine_thread(s, err);
    if (status) {
        hone_server_free(s);
        return status;
    }
    *out = s;
    return HONE_OK;
}

/* Requests end first: their last events are posted, and run inside http_server_free. */
void hone_server_free(hone_server *s)
{
    if (!s) return;
    if (s->has_thread) {
        hone_scheduler_stop(s->scheduler);
        pthread_join(s->engine_thread, NULL);
    }
    hone_scheduler_free(s->scheduler);
    http_server_free(s->http);
    if (s->traces) hone_trace_ring_release(s->traces);
    hone_free(s->traces);
    hone_metrics_free(s->metrics);
    hone_engine_free(s->draft_engine);
    hone_engine_free(s->engine);
    hone_adapters_release(s);
    hone_free(s->route);
    hone_free(s);
}

const char *hone_server_url(const hone_server *s)
{
    return http_server_url(s->http);
}

void hone_server_run(hone_server *s)
{
    http_server_run(s->http);
}

void hone_server_stop(hone_server *s)
{
    const bool again = atomic_fetch_add(&s->n_stop, 1) > 0;
    http_server_stop(s->http, again ? 0 : s->options.drain_s);
}
