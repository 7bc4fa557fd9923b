/* scheduler.c - what other threads see of the scheduler: an inbox, a few orders, a copy of
 * the statistics. */
#include "hone/scheduler.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/scheduler_internal.h"

enum {
    N_QUEUE = 256,
    N_DRAFT = 8
};
#define STRETCH 2.5
#define SLICE   64.0 /* until steps have been measured */

/* -- life ------------------------------------------------------------------------- */

static hone_status check_draft(const hone_engine *e, const hone_engine *draft,
                               hone_error *err)
{
    const int n = hone_model_spec(e->model)->n_vocab;
    const int n_draft = hone_model_spec(draft->model)->n_vocab;
    if (n == n_draft) return HONE_OK;
    return hone_fail(err, HONE_E_INVALID,
                     "draft model: expected a vocabulary of %d, found %d", n, n_draft);
}

static hone_status fill_options(hone_scheduler *s, const hone_scheduler_options *o,
                                hone_error *err)
{
    if (o) s->o = *o;
    const int most = s->engine->options.n_sequence;
    if (s->o.n_queue == 0) s->o.n_queue = N_QUEUE;
    if (s->o.n_running == 0) s->o.n_running = most;
    if (s->o.n_draft == 0) s->o.n_draft = N_DRAFT;
    if (s->o.stretch == 0.0) s->o.stretch = STRETCH;
    if (s->o.n_queue < 0) {
        return hone_fail(err, HONE_E_INVALID, "queue: expected at least 1, found %d",
                         s->o.n_queue);
    }
    if (s->o.n_running < 1 || s->o.n_running > most) {
        return hone_fail(err, HONE_E_INVALID,
                         "running answers: expected 1 to %d, found %d", most,
                         s->o.n_running);
    }
    if (s->o.n_draft < -1 || s->o.n_draft > HONE_MAX_DRAFT) {
        return hone_fail(err, HONE_E_INVALID,
                         "guessed tokens: expected -1 to %d, found %d", HONE_MAX_DRAFT,
                         s->o.n_draft);
    }
    if (!(s->o.stretch >= 1.0 && s->o.stretch <= 1e6)) {
        return hone_fail(err, HONE_E_INVALID, "stretch: expected at least 1, found %g",
                         s->o.stretch);
    }
    return s->o.draft ? check_draft(s->engine, s->o.draft, err) : HONE_OK;
}

static hone_status build(hone_scheduler *s, const hone_scheduler_options *o,
                         hone_error *err)
{
    hone_engine *e = s->engine;
    const size_t n = (size_t)e->options.n_batch;
    hone_sampler_work *work;
    HONE_TRY(fill_options(s, o, err));
    if (hone_model_tokenizer(e->model)) HONE_TRY(hone_engine_vocab(e, &s->vocab, err));
    HONE_TRY(hone_engine_work(e, e->options.n_thread, &work, err));
    s->item = hone_alloc(n, sizeof *s->item);
    s->item_task = hone_alloc(n, sizeof *s->item_task);
    s->draft = hone_alloc(n, sizeof *s->draft);
    if (s->item && s->item_task && s->draft) return HONE_OK;
    return hone_fail(err, HONE_E_NOMEM, "scheduler: out of memory");
}

hone_status hone_scheduler_new(hone_scheduler **out, hone_engine *engine,
                               const hone_scheduler_options *options, hone_error *err)
{
    hone_scheduler *s = hone_alloc_zero(1, sizeof *s);
    if (!s) return hone_fail(err, HONE_E_NOMEM, "scheduler: out of memory");
    s->engine = engine;
    s->slice = SLICE;
    s->inbox_end = &s->inbox;
    s->order_end = &s->order;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
    const hone_status status = build(s, options, err);
    if (status) {
        hone_scheduler_free(s);
        return status;
    }
    *out = s;
    return HONE_OK;
}

/* Jobs and orders from the inbox into the hands of the engine's thread. */
static bool receive(hone_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    hone_job *j = s->inbox;
    hone_order *o = s->order;
    s->inbox = NULL;
    s->inbox_end = &s->inbox;
    s->order = NULL;
    s->order_end = &s->order;
    pthread_mutex_unlock(&s->lock);
    const bool some = j || o;
    while (j) {
        hone_job *next = j->next;
        hone_scheduler_enter(s, j);
        j = next;
    }
    while (o) {
        hone_order *next = o->next;
        hone_scheduler_obey(s, o);
        hone_free(o);
        o = next;
    }
    return some;
}

void hone_scheduler_free(hone_scheduler *s)
{
    if (!s) return;
    hone_scheduler_stop(s);
    (void)receive(s);
    hone_error err;
    while (s->jobs) {
        const hone_status status =
            hone_fail(&err, HONE_E_CANCELLED, "the scheduler was stopped");
        hone_scheduler_end(s, s->jobs, status, &err);
    }
    hone_scheduler_sweep(s);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    hone_free(s->item);
    hone_free(s->item_task);
    hone_free(s->draft);
    hone_free(s);
}

/* -- from any thread -------------------------------------------------------------- */

static hone_status enqueue(hone_scheduler *s, hone_job *j, hone_error *err)
{
    if (s->stopped) {
        return hone_fail(err, HONE_E_CANCELLED, "the scheduler was stopped");
    }
    if (s->n_waiting >= (size_t)s->o.n_queue) {
        s->stats.n_rejected++;
        return hone_fail(err, HONE_E_LIMIT,
                         "queue: full, expected at most %d requests that wait",
                         s->o.n_queue);
    }
    j->id = ++s->last_id;
    s->n_waiting++;
    *s->inbox_end = j;
    s->inbox_end = &j->next;
    pthread_cond_signal(&s->wake);
    return HONE_OK;
}

hone_status hone_scheduler_submit(hone_scheduler *s, const hone_request *r,
                                  hone_event_fn *fn, void *ctx, uint64_t *id,
                                  hone_error *err)
{
    hone_job *j;
    HONE_TRY(hone_job_new(&j, s, r, fn, ctx, err));
    pthread_mutex_lock(&s->lock);
    const hone_status status = enqueue(s, j, err);
    if (!status && id) *id = j->id;
    pthread_mutex_unlock(&s->lock);
    if (status) hone_job_free(j);
    return status;
}

static hone_status send(hone_scheduler *s, hone_order order, hone_error *err)
{
    hone_order *o = hone_alloc(1, sizeof *o);
    if (!o) return hone_fail(err, HONE_E_NOMEM, "scheduler: out of memory");
    *o = order;
    pthread_mutex_lock(&s->lock);
    const bool late = s->stopped;
    if (!late) {
        *s->order_end = o;
        s->order_end = &o->next;
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
    if (!late) return HONE_OK;
    hone_free(o);
    return hone_fail(err, HONE_E_CANCELLED, "the scheduler was stopped");
}

void hone_scheduler_cancel(hone_scheduler *s, uint64_t id)
{
    /* out of memory: the answer goes on to its end */
    (void)!send(s, (hone_order){.kind = HONE_ORDER_CANCEL, .id = id}, NULL);
}

void hone_scheduler_pause(hone_scheduler *s, uint64_t id, bool paused)
{
    const hone_order_kind kind = paused ? HONE_ORDER_PAUSE : HONE_ORDER_RESUME;
    (void)!send(s, (hone_order){.kind = kind, .id = id}, NULL);
}

hone_status hone_scheduler_call(hone_scheduler *s, void (*fn)(void *ctx), void *ctx,
                                hone_error *err)
{
    return send(s, (hone_order){.kind = HONE_ORDER_CALL, .fn = fn, .ctx = ctx}, err);
}

void hone_scheduler_stop(hone_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopped = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

hone_scheduler_stats hone_scheduler_get_stats(const hone_scheduler *cs)
{
    hone_scheduler *s = (hone_scheduler *)cs; /* the lock is not part of what is seen */
    pthread_mutex_lock(&s->lock);
    hone_scheduler_stats stats = s->stats;
    stats.n_waiting = s->n_waiting;
    pthread_mutex_unlock(&s->lock);
    return stats;
}

/* -- the engine's thread ---------------------------------------------------------- */

bool hone_scheduler_step(hone_scheduler *s)
{
    const bool some = receive(s);
    return hone_scheduler_work(s) || some;
}

static int64_t next_deadline(const hone_scheduler *s)
{
    int64_t first = INT64_MAX;
    for (const hone_job *j = s->jobs; j; j = j->next) {
        if (j->deadline && j->deadline < first) first = j->deadline;
    }
    return first;
}

/* Sleep until something comes in, or a deadline passes. */
static void sleep_a_while(hone_scheduler *s)
{
    const int64_t until = next_deadline(s);
    pthread_mutex_lock(&s->lock);
    while (!s->stopped && !s->inbox && !s->order) {
        if (until == INT64_MAX) {
            pthread_cond_wait(&s->wake, &s->lock);
            continue;
        }
        const struct timespec at = {until / 1000000000, until % 1000000000};
        if (pthread_cond_timedwait(&s->wake, &s->lock, &at) == ETIMEDOUT) break;
    }
    pthread_mutex_unlock(&s->lock);
}

static bool is_stopped(hone_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    const bool stopped = s->stopped;
    pthread_mutex_unlock(&s->lock);
    return stopped;
}

void hone_scheduler_run(hone_scheduler *s)
{
    while (!is_stopped(s)) {
        if (!hone_scheduler_step(s)) sleep_a_while(s);
    }
}
