/* fake.h - a transport and a scheduler that only record, so that handlers run without
 * network and engine.  A test plays the scheduler's events itself. */
#ifndef HONE_TESTS_SERVE_FAKE_H
#define HONE_TESTS_SERVE_FAKE_H

#include "check.h"

#include "base/buf.h"
#include "hone/scheduler.h"
#include "serve/api.h"
#include "serve/trace.h"

enum {
    FAKE_MAX = 64
};

struct http_exchange {
    const char *path, *body;
    size_t len;
    int status; /* of the reply; 0: none yet */
    char type[40], retry[8];
    hone_buf out;
    bool stream, ended, kept;
    bool trace; /* it has the header x-hone-trace: 1 */
    size_t n_write;
    http_watch watch;
};

typedef struct fake_request {
    hone_request request; /* strings borrowed from the ask */
    int32_t prompt[4096];
    hone_event_fn *fn;
    void *ctx;
    uint64_t id;
    bool cancelled, paused;
} fake_request;

static struct {
    fake_request request[FAKE_MAX];
    size_t n_request;
    size_t room; /* submits that are accepted */
    hone_status refuse;
    void (*posted[FAKE_MAX])(void *);
    void *arg[FAKE_MAX];
    size_t n_posted;
    int waiting, running; /* requests of adapters */
} fake;

/* -- http.h ------------------------------------------------------------------------ */

const char *http_get_body(const http_exchange *x, size_t *len)
{
    *len = x->len;
    return x->body;
}

const char *http_get_path(const http_exchange *x)
{
    return x->path;
}

const char *http_get_header(const http_exchange *x, const char *name)
{
    return x->trace && strcmp(name, "x-hone-trace") == 0 ? "1" : NULL;
}

const char *http_get_id(const http_exchange *x)
{
    (void)x;
    return "req-1";
}

void http_set_header(http_exchange *x, const char *name, const char *value)
{
    if (strcmp(name, "Retry-After") == 0)
        snprintf(x->retry, sizeof x->retry, "%s", value);
}

void http_reply(http_exchange *x, int status, const char *type, const void *body,
                size_t len)
{
    assert_false(x->ended || x->stream);
    x->status = status;
    snprintf(x->type, sizeof x->type, "%s", type);
    hone_buf_append(&x->out, body, len);
    x->ended = true;
}

void http_stream_begin(http_exchange *x, int status, const char *type)
{
    assert_false(x->ended || x->stream);
    x->status = status;
    snprintf(x->type, sizeof x->type, "%s", type);
    x->stream = true;
}

void http_stream_write(http_exchange *x, const void *data, size_t len)
{
    assert_true(x->stream && !x->ended);
    hone_buf_append(&x->out, data, len);
    x->n_write++;
}

void http_stream_end(http_exchange *x)
{
    assert_true(x->stream && !x->ended);
    x->ended = true;
}

bool http_stream_begun(const http_exchange *x)
{
    return x->stream;
}

void http_stream_ping(http_exchange *x, int seconds, const char *text)
{
    assert_true(x->stream && seconds > 0 && *text == ':');
}

void http_keep(http_exchange *x, const http_watch *watch)
{
    x->kept = true;
    x->watch = *watch;
}

hone_status http_post(http_server *s, void (*fn)(void *), void *arg, hone_error *err)
{
    (void)s;
    (void)err;
    assert_true(fake.n_posted < FAKE_MAX);
    fake.posted[fake.n_posted] = fn;
    fake.arg[fake.n_posted++] = arg;
    return HONE_OK;
}

/* Run what was posted. */
static inline void fake_loop(void)
{
    for (size_t i = 0; i < fake.n_posted; i++)
        fake.posted[i](fake.arg[i]);
    fake.n_posted = 0;
}

/* -- server.h ---------------------------------------------------------------------- */

void hone_server_warn(const hone_server *s, const char *text)
{
    (void)s;
    (void)text;
}

void hone_server_note(hone_server *s, http_exchange *x, const hone_request_stats *stats,
                      metrics_finish finish, int n_answer, int n_max)
{
    (void)s;
    (void)x;
    (void)stats;
    (void)n_answer;
    (void)n_max;
    assert_true(finish < METRICS_N_FINISH);
}

void hone_metrics_gap(metrics *m, double seconds)
{
    (void)m;
    assert_true(seconds >= 0);
}

void hone_metrics_adapter(metrics *m, const char *name, int waiting, int running)
{
    (void)m;
    (void)name;
    fake.waiting += waiting;
    fake.running += running;
}

/* -- scheduler.h ------------------------------------------------------------------- */

hone_request hone_request_default(void)
{
    return (hone_request){.n_answer = 1,
                          .n_prompt_logprob = -1,
                          .generate = hone_generate_options_default()};
}

hone_status hone_scheduler_submit(hone_scheduler *s, const hone_request *r,
                                  hone_event_fn *fn, void *ctx, uint64_t *id,
                                  hone_error *err)
{
    (void)s;
    if (fake.refuse || fake.n_request == fake.room)
        return hone_fail(err, fake.refuse ? fake.refuse : HONE_E_LIMIT,
                         "queue: full, expected at most %zu", fake.room);
    fake_request *q = &fake.request[fake.n_request];
    *q = (fake_request){.request = *r, .fn = fn, .ctx = ctx, .id = ++fake.n_request};
    assert_true(r->n_prompt && r->n_prompt <= 4096);
    memcpy(q->prompt, r->prompt, r->n_prompt * sizeof *r->prompt);
    *id = q->id;
    return HONE_OK;
}

void hone_scheduler_cancel(hone_scheduler *s, uint64_t id)
{
    (void)s;
    fake.request[id - 1].cancelled = true;
}

void hone_scheduler_pause(hone_scheduler *s, uint64_t id, bool paused)
{
    (void)s;
    fake.request[id - 1].paused = paused;
}

hone_status hone_scheduler_call(hone_scheduler *s, void (*fn)(void *ctx), void *ctx,
                                hone_error *err)
{
    (void)s;
    (void)err;
    fn(ctx);
    return HONE_OK;
}

static inline void fake_event(size_t request, hone_event e, size_t n_reused)
{
    const fake_request *q = &fake.request[request];
    const hone_request_stats stats = {.n_prompt = q->request.n_prompt,
                                      .n_reused = n_reused};
    e.stats = &stats;
    q->fn(q->ctx, &e);
}

static inline void fake_start(size_t request, size_t n_reused)
{
    fake_event(request, (hone_event){.kind = HONE_EVENT_START}, n_reused);
}

static inline void fake_piece(size_t request, int answer, int32_t id, const char *text)
{
    const hone_logprob top[] = {{id, -0.5f}, {5, -1.5f}};
    const hone_piece p = {.id = id,
                          .text = text,
                          .len = strlen(text),
                          .logprob = -0.5f,
                          .top = top,
                          .n_top = 2};
    fake_event(request,
               (hone_event){.kind = HONE_EVENT_PIECE, .answer = answer, .piece = &p},
               0);
}

static inline void fake_answer(size_t request, int answer, hone_finish finish,
                               const char *stop, size_t n)
{
    fake_event(request,
               (hone_event){.kind = HONE_EVENT_ANSWER,
                            .answer = answer,
                            .finish = finish,
                            .stop = stop,
                            .n_generated = n},
               0);
}

static inline void fake_end(size_t request, hone_status status, const char *text)
{
    hone_error err;
    if (status) hone_fail(&err, status, "%s", text);
    fake_event(request,
               (hone_event){.kind = HONE_EVENT_END,
                            .status = status,
                            .error = status ? &err : NULL},
               0);
}

/* -- a server ---------------------------------------------------------------------- */

#define FAKE_TEMPLATE                                                                  \
    "{% for m in messages %}<{{m.role}}>{{m.content}}"                                 \
    "{% if m.tool_calls %}CALLS{{m.tool_calls|tojson}}{% endif %}{{'\\n'}}{% endfor "  \
    "%}"                                                                               \
    "{% if tools %}TOOLS{{tools|tojson}}{% endif %}"                                   \
    "{% if add_generation_prompt %}<assistant>{% endif %}"

/* A server over a vocabulary alone, with the template. */
static inline hone_server fake_server(const char *chat_template)
{
    static trace_ring traces;
    hone_error err;
    hone_model *m;
    fake.n_request = fake.n_posted = 0;
    fake.room = FAKE_MAX;
    fake.refuse = HONE_OK;
    assert_ok(
        hone_model_open(&m, data_path("tok_smollm.json"), HONE_OPEN_TEXT_ONLY, &err));
    return (hone_server){.model = m,
                         .tokenizer = hone_model_tokenizer(m),
                         .traces = &traces,
                         .name = "tiny",
                         .created = 1700000000,
                         .engine_info = {.n_ctx = 1000},
                         .options = {.chat_template = chat_template, .ping_s = 15}};
}

static inline void fake_server_release(hone_server *s)
{
    hone_trace_ring_release(s->traces);
    hone_model_close((hone_model *)(uintptr_t)s->model);
}

/* Let the handler of the path begin with a body of len bytes. */
static inline http_exchange *fake_go(hone_server *s, http_exchange *x, const char *path,
                                     const char *body, size_t len)
{
    x->path = path;
    x->body = body;
    x->len = len;
    hone_buf_init(&x->out, 1 << 26);
    for (size_t i = 0; i < hone_n_api_route; i++) {
        const char *route = hone_api_routes[i].path;
        const size_t n = strlen(route);
        const bool below = route[n - 1] == '*';
        if (below ? strncmp(route, path, n - 1) == 0 : strcmp(route, path) == 0) {
            hone_api_routes[i].handler(s, x);
            return x;
        }
    }
    fail_msg("no route %s", path);
    return x;
}

static inline http_exchange *fake_send(hone_server *s, const char *path,
                                       const char *body, size_t len)
{
    return fake_go(s, calloc(1, sizeof(http_exchange)), path, body, len);
}

static inline http_exchange *fake_post(hone_server *s, const char *path,
                                       const char *body)
{
    return fake_send(s, path, body, strlen(body));
}

static inline void fake_free(http_exchange *x)
{
    hone_buf_release(&x->out);
    free(x);
}

#endif
