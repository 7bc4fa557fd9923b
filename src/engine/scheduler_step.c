/* scheduler_step.c - what runs next: admission, the rows of a step, its results. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/sampler.h"
#include "engine/scheduler_internal.h"

enum {
    MIN_SLICE = 8, /* prompt rows of a step beside answers, at least */
    MAX_HASTE = 8
};

static double seconds(int64_t from, int64_t to)
{
    return (double)(to - from) * 1e-9;
}

/* -- lists ------------------------------------------------------------------------ */

/* Who comes first: priority, then time of arrival. */
static bool is_before(const hone_task *a, const hone_task *b)
{
    const hone_job *x = a->job, *y = b->job;
    if (x->r.priority != y->r.priority) return x->r.priority < y->r.priority;
    if (x->id != y->id) return x->id < y->id;
    return a->index < b->index;
}

static void insert(hone_task **list, hone_task *t)
{
    while (*list && is_before(*list, t)) {
        list = &(*list)->next;
    }
    t->next = *list;
    *list = t;
}

static bool take_out(hone_task **list, const hone_task *t)
{
    for (; *list; list = &(*list)->next) {
        if (*list != t) continue;
        *list = t->next;
        return true;
    }
    return false;
}

static size_t length(const hone_task *t)
{
    size_t n;
    (void)hone_sequence_tokens(t->sequence, &n);
    return n;
}

/* Tokens that have not run. */
static size_t missing(const hone_task *t)
{
    return t->all.len - length(t);
}

static bool is_answering(const hone_task *t)
{
    return t->all.len > t->job->r.n_prompt && missing(t) <= 1 + HONE_MAX_FORCED;
}

/* Every row has to give an output. */
static bool wants_all_rows(const hone_task *t)
{
    const hone_request *r = &t->job->r;
    if (r->embed == HONE_POOLING_MEAN) return true;
    return r->n_prompt_logprob >= 0 && t->index == 0 && t->n_reported + 1 < r->n_prompt;
}

/* -- ends ------------------------------------------------------------------------- */

static void leave(hone_scheduler *s, hone_task *t)
{
    (void)take_out(&s->waiting, t);
    if (take_out(&s->running, t)) s->n_running--;
    hone_sequence_free(t->sequence);
    hone_sequence_free(t->draft);
    t->sequence = t->draft = NULL;
    t->in_step = false;
}

static void no_longer_waiting(hone_scheduler *s, hone_job *j)
{
    if (j->started) return;
    j->started = true;
    pthread_mutex_lock(&s->lock);
    s->n_waiting--;
    pthread_mutex_unlock(&s->lock);
}

void hone_scheduler_end(hone_scheduler *s, hone_job *j, hone_status status,
                        const hone_error *err)
{
    HONE_ASSERT(!j->ended);
    const int64_t now = hone_clock_ns();
    for (int i = 0; i < j->n_task; i++) {
        leave(s, &j->task[i]);
    }
    hone_job **at = &s->jobs;
    while (*at != j) {
        at = &(*at)->next;
    }
    *at = j->next;
    no_longer_waiting(s, j);
    j->ended = true;
    j->stats.total_s = seconds(j->submitted, now);
    if (j->first) j->stats.decode_s = seconds(j->first, now);
    hone_job_tell(j,
                  (hone_event){.kind = HONE_EVENT_END, .status = status, .error = err});
    j->next = s->ended; /* others may still look at its tasks in this step */
    s->ended = j;
}

void hone_scheduler_sweep(hone_scheduler *s)
{
    while (s->ended) {
        hone_job *j = s->ended;
        s->ended = j->next;
        hone_engine_adapter_release(s->engine, j->adapter);
        hone_job_free(j);
    }
}

/* Keep the state of the first answer under the request's name. */
static const hone_error *save_session(const hone_scheduler *s, const hone_task *t,
                                      hone_error *err)
{
    if (!t->job->r.session || t->index != 0) return NULL;
    return hone_session_save(s, t, err) ? err : NULL;
}

static void finish_task(hone_scheduler *s, hone_task *t)
{
    hone_job *j = t->job;
    hone_error err;
    hone_piece piece;
    if (t->answer && !hone_answer_flush(t->answer, &piece, &err)) {
        hone_task_show(t, &piece);
    }
    if (t->answer) {
        size_t n;
        (void)hone_answer_tokens(t->answer, &n);
        hone_job_tell(j, (hone_event){.kind = HONE_EVENT_ANSWER,
                                      .answer = t->index,
                                      .finish = hone_answer_finish(t->answer),
                                      .stop = hone_answer_stop(t->answer),
                                      .n_generated = n});
    }
    const hone_error *warning = save_session(s, t, &err);
    leave(s, t);
    t->done = true;
    if (++j->n_done == j->n_task) hone_scheduler_end(s, j, HONE_OK, warning);
}

/* -- orders ----------------------------------------------------------------------- */

static hone_job *find_job(const hone_scheduler *s, uint64_t id)
{
    hone_job *j = s->jobs;
    while (j && j->id != id) {
        j = j->next;
    }
    return j;
}

void hone_scheduler_enter(hone_scheduler *s, hone_job *j)
{
    hone_error err;
    j->next = s->jobs;
    s->jobs = j;
    if (j->r.adapter) {
        j->adapter =
            hone_adapter_acquire(hone_engine_adapter_find(s->engine, j->r.adapter));
        if (!j->adapter) {
            const hone_status status =
                hone_fail(&err, HONE_E_NOT_FOUND, "no adapter '%.100s'", j->r.adapter);
            hone_scheduler_end(s, j, status, &err);
            return;
        }
    }
    for (int i = 0; i < j->n_task; i++) {
        insert(&s->waiting, &j->task[i]);
    }
}

void hone_scheduler_obey(hone_scheduler *s, const hone_order *o)
{
    hone_error err;
    hone_job *j = find_job(s, o->id);
    switch (o->kind) {
    case HONE_ORDER_CALL:
        o->fn(o->ctx);
        return;
    case HONE_ORDER_PAUSE:
    case HONE_ORDER_RESUME:
        if (j) j->paused = o->kind == HONE_ORDER_PAUSE;
        return;
    case HONE_ORDER_CANCEL:
        if (!j) return;
        hone_scheduler_end(s, j, hone_fail(&err, HONE_E_CANCELLED, "cancelled"), &err);
        return;
    }
}

static void expire(hone_scheduler *s)
{
    const int64_t now = hone_clock_ns();
    for (hone_job *j = s->jobs; j;) {
        hone_job *next = j->next;
        if (j->deadline && j->deadline <= now) {
            hone_error err;
            const hone_status status =
                hone_fail(&err, HONE_E_CANCELLED, "deadline: %g seconds have passed",
                          j->r.deadline_s);
            hone_scheduler_end(s, j, status, &err);
        }
        j = next;
    }
}

/* -- admission -------------------------------------------------------------------- */

static size_t pages_of(const hone_scheduler *s, size_t n)
{
    const size_t len = (size_t)s->engine->options.page_len;
    return (n + len - 1) / len;
}

/* Pages that running tasks will take for what they have to run, and one token more. */
static size_t promised_pages(const hone_scheduler *s)
{
    size_t n = 0;
    for (const hone_task *t = s->running; t; t = t->next) {
        const size_t need = pages_of(s, t->all.len + 1);
        if (need > t->sequence->n_page) n += need - t->sequence->n_page;
    }
    return n;
}

/* How much of the task may come from the cache. */
static size_t reusable(const hone_task *t)
{
    const hone_request *r = &t->job->r;
    if (r->no_cache || r->embed == HONE_POOLING_MEAN) return 0;
    return wants_all_rows(t) ? t->n_reported : t->all.len - 1;
}

/* A running task is computing pages that this one begins with: it waits for them. */
static bool is_deferred(const hone_scheduler *s, const hone_task *t)
{
    const hone_engine *e = s->engine;
    const size_t most = reusable(t), len = (size_t)e->options.page_len;
    size_t have = SIZE_MAX;
    if (!e->cache || most < len) return false;
    for (const hone_task *o = s->running; o; o = o->next) {
        if (o->job->r.no_cache || o->job->paused || o->job->adapter != t->job->adapter)
            continue;
        size_t same = hone_prefix_common(t->all.id, t->all.len, o->all.id, o->all.len);
        same = (same < most ? same : most) / len * len;
        if (same <= length(o)) continue; /* computed by now, or different */
        if (have == SIZE_MAX)
            have = hone_prefix_match(e->cache, hone_adapter_id(t->job->adapter),
                                     t->all.id, most);
        if (same > have) return true;
    }
    return false;
}

static void tell_start(hone_scheduler *s, hone_task *t, size_t n_reused)
{
    hone_job *j = t->job;
    if (j->started) return;
    no_longer_waiting(s, j);
    j->admitted = hone_clock_ns();
    j->stats.n_reused = n_reused;
    j->stats.queue_s = seconds(j->submitted, j->admitted);
    s->total.n_prompt += j->stats.n_prompt;
    s->total.n_reused += n_reused;
    hone_job_tell(j, (hone_event){.kind = HONE_EVENT_START});
}

/* Give the task a sequence; false: its pages do not fit yet. */
static bool begin_task(hone_scheduler *s, hone_task *t, hone_error *err,
                       hone_status *status)
{
    hone_engine *e = s->engine;
    *status = hone_sequence_new(&t->sequence, e, err);
    if (*status) return true;
    t->sequence->uncached = t->job->r.no_cache;
    hone_sequence_set_adapter(t->sequence, t->job->adapter);
    hone_session_attach(s, t);
    const size_t have = hone_sequence_attach(t->sequence, t->all.id, reusable(t));
    const size_t need = pages_of(s, t->all.len + 1) + 1 - t->sequence->n_page;
    if (s->running && need + promised_pages(s) > hone_engine_n_available(e)) {
        hone_sequence_free(t->sequence);
        t->sequence = NULL;
        return false;
    }
    (void)take_out(&s->waiting, t);
    insert(&s->running, t);
    s->n_running++;
    tell_start(s, t, have);
    return true;
}

/* Nobody is let past one that waits for room; those that wait for a beginning are. */
static void admit(hone_scheduler *s)
{
    for (hone_task *t = s->waiting; t && s->n_running < s->o.n_running;) {
        hone_task *next = t->next;
        if (!t->job->paused && !is_deferred(s, t)) {
            hone_error err;
            hone_status status;
            if (!begin_task(s, t, &err, &status)) return;
            if (status) {
                hone_scheduler_end(s, t->job, status, &err);
                next = s->waiting; /* several tasks may have left */
            }
        }
        t = next;
    }
}

/* -- pages of a step -------------------------------------------------------------- */

/* Take the task's pages; what it has computed stays in the cache while there is room. */
static void preempt(hone_scheduler *s, hone_task *t)
{
    leave(s, t);
    if (t->sum) {
        memset(t->sum, 0,
               (size_t)hone_model_spec(s->engine->model)->d_model * sizeof *t->sum);
    }
    t->job->stats.n_preempted++;
    s->total.n_preempted++;
    insert(&s->waiting, t);
}

static void drop_item(hone_scheduler *s, const hone_task *t)
{
    for (size_t i = 0; i < s->n_item; i++) {
        if (s->item_task[i] != t) continue;
        s->n_row -= s->item[i].n;
        s->n_out -= s->item[i].n_out;
        s->n_item--;
        memmove(s->item + i, s->item + i + 1, (s->n_item - i) * sizeof *s->item);
        memmove(s->item_task + i, s->item_task + i + 1,
                (s->n_item - i) * sizeof *s->item_task);
        return;
    }
}

/* The last in turn of those that run. */
static hone_task *last_running(const hone_scheduler *s)
{
    hone_task *t = s->running;
    while (t->next) {
        t = t->next;
    }
    return t;
}

/* A task that has the pool for itself lacks a page: the page that it shares with the cache
 * would need a second copy, so what it has of that is computed again. */
static void make_room_alone(hone_scheduler *s, hone_task *t)
{
    hone_error err;
    const size_t len = (size_t)s->engine->options.page_len;
    s->again = true;
    if (length(t) % len != 0) {
        hone_sequence_truncate(t->sequence, length(t) / len * len);
        return;
    }
    const hone_status status = hone_sequence_reserve(t->sequence, missing(t), &err);
    if (status) hone_scheduler_end(s, t->job, status, &err);
}

/* Pages for n more tokens of t, taken from tasks behind it if need be; false if t itself
 * had to go. */
static bool ensure_pages(hone_scheduler *s, hone_task *t, size_t n)
{
    while (hone_sequence_reserve(t->sequence, n, NULL)) {
        hone_task *victim = last_running(s);
        if (victim == s->running) {
            make_room_alone(s, t);
            return false;
        }
        drop_item(s, victim);
        preempt(s, victim);
        if (victim == t) return false;
    }
    return true;
}

static bool add(hone_scheduler *s, hone_task *t, size_t n, size_t n_out)
{
    const hone_engine_options *o = &s->engine->options;
    if (n == 0 || s->n_row + n > (size_t)o->n_batch ||
        s->n_out + n_out > (size_t)o->n_output)
        return false;
    if (!ensure_pages(s, t, n)) return false;
    t->in_step = true;
    t->n_guess = 0;
    s->item[s->n_item] = (hone_step_item){t->sequence, t->all.id + length(t), n, n_out};
    s->item_task[s->n_item++] = t;
    s->n_row += n;
    s->n_out += n_out;
    return true;
}

/* -- rows of a step --------------------------------------------------------------- */

static void add_answers(hone_scheduler *s)
{
    for (hone_task *t = s->running, *next; t; t = next) {
        next = t->next;
        if (t->job->paused || !is_answering(t)) continue;
        (void)add(s, t, missing(t), 1);
        /* a task behind this one may have gone */
        if (next && !next->sequence) next = NULL;
    }
}

/* Factor to the time that prompts may add to a step: twice the prompts that wait for each
 * answer that they slow down, in bounds, since a prompt waits for many steps. */
static double haste(const hone_scheduler *s)
{
    const double n_answer = (double)s->n_item;
    const double ratio = 2.0 * ((double)s->n_running - n_answer) / n_answer;
    return ratio < 1.0 ? 1.0 : ratio > MAX_HASTE ? MAX_HASTE : ratio;
}

static void keep_slice_in_bounds(hone_scheduler *s)
{
    const double most = (double)s->engine->options.n_batch;
    if (s->slice < MIN_SLICE) s->slice = MIN_SLICE;
    if (s->slice > most) s->slice = most;
}

/* Prompt rows beside answers: as many as stretch the step by the factor wanted. */
static size_t prompt_budget(hone_scheduler *s)
{
    const size_t free = (size_t)s->engine->options.n_batch - s->n_row;
    const bool begins = s->haste == 0.0;
    s->haste = 0.0;
    if (s->n_item == 0) return free;
    if (begins && s->alone_s > 0.0 && s->row_s > 0.0) {
        s->slice = (s->o.stretch - 1.0) * s->alone_s / s->row_s;
        keep_slice_in_bounds(s);
    }
    s->haste = haste(s);
    const size_t slice = (size_t)(s->slice * s->haste);
    return slice < free ? slice : free;
}

static void add_prompts(hone_scheduler *s)
{
    const size_t n_output = (size_t)s->engine->options.n_output;
    size_t budget = prompt_budget(s);
    for (hone_task *t = s->running, *next; t && budget > 0; t = next) {
        next = t->next;
        if (t->job->paused || t->in_step || is_answering(t)) continue;
        const size_t left = missing(t), outputs = n_output - s->n_out;
        size_t n = left < budget ? left : budget;
        if (wants_all_rows(t) && n > outputs) n = outputs;
        if (n == left && outputs == 0) n--;
        const size_t n_out = wants_all_rows(t) ? n : n == left;
        if (add(s, t, n, n_out)) budget -= n;
        if (next && !next->sequence) next = NULL;
    }
    if (budget > 0) s->haste = 0.0; /* tells nothing about the slice */
}

static void build_step(hone_scheduler *s)
{
    s->n_item = s->n_row = s->n_out = 0;
    for (hone_task *t = s->running; t; t = t->next) {
        t->in_step = false;
    }
    add_answers(s);
    s->n_answer_row = s->n_row;
    if (s->n_item > 0) hone_scheduler_guess(s);
    const size_t before = s->n_row;
    add_prompts(s);
    s->n_prompt_row = s->n_row - before;
}

/* What steps cost: so that prompts beside answers are cut to size. */
static void learn_cost(hone_scheduler *s, double step_s)
{
    const bool answers = s->n_answer_row > 0;
    if (answers && s->n_prompt_row == 0)
        s->alone_s = s->alone_s > 0 ? 0.7 * s->alone_s + 0.3 * step_s : step_s;
    if (s->n_row >= 64) {
        const double row = step_s / (double)s->n_row;
        s->row_s = s->row_s > 0 ? 0.8 * s->row_s + 0.2 * row : row;
    }
    if (s->haste == 0.0 || s->alone_s == 0.0) return;
    const double wanted = s->haste * (s->o.stretch - 1.0) * s->alone_s;
    const double found = step_s - s->alone_s;
    s->slice *= wanted < 0.7 * found   ? 0.7
                : wanted > 1.4 * found ? 1.4
                                       : wanted / found;
    keep_slice_in_bounds(s);
}

/* -- results ---------------------------------------------------------------------- */

/* Token `position` of the sequence was run: its output, if it has one. */
static const float *output_of(const hone_task *t, size_t position, const float **hidden)
{
    const size_t first = length(t) - t->n_out;
    if (position < first || position >= length(t)) return NULL;
    return hone_sequence_output(t->sequence, position - first, hidden);
}

static void report_prompt(const hone_scheduler *s, hone_task *t)
{
    const hone_request *r = &t->job->r;
    if (r->n_prompt_logprob < 0 || t->index != 0) return;
    const int n_vocab = hone_model_spec(s->engine->model)->n_vocab;
    size_t n_top = (size_t)r->n_prompt_logprob;
    if (n_top > (size_t)n_vocab) n_top = (size_t)n_vocab;
    while (t->n_reported + 1 < r->n_prompt) {
        hone_logprob top[HONE_MAX_LOGPROB];
        const float *logits = output_of(t, t->n_reported, NULL);
        if (!logits) return;
        const int32_t id = t->all.id[++t->n_reported];
        hone_piece piece = {.id = id, .text = "", .top = top, .n_top = n_top};
        piece.logprob = hone_logprobs(logits, n_vocab, id, top, n_top);
        hone_job_tell(t->job, (hone_event){.kind = HONE_EVENT_PROMPT,
                                           .piece = &piece,
                                           .position = t->n_reported});
    }
}

static void add_hidden(const hone_scheduler *s, hone_task *t)
{
    const int d = hone_model_spec(s->engine->model)->d_model;
    for (size_t p = length(t) - t->n_out; p < length(t); p++) {
        const float *hidden = NULL;
        if (!output_of(t, p, &hidden)) continue;
        for (int i = 0; i < d; i++) {
            t->sum[i] += (double)hidden[i];
        }
    }
}

/* The sum to length 1: the mean has the same direction. */
static void tell_embedding(const hone_scheduler *s, hone_task *t)
{
    const int d = hone_model_spec(s->engine->model)->d_model;
    float *out = hone_alloc((size_t)d, sizeof *out);
    double square = 0.0;
    for (int i = 0; i < d; i++) {
        square += t->sum[i] * t->sum[i];
    }
    for (int i = 0; out && i < d; i++) {
        out[i] = square > 0.0 ? (float)(t->sum[i] / sqrt(square)) : 0.0f;
    }
    if (out) {
        hone_job_tell(t->job, (hone_event){.kind = HONE_EVENT_EMBEDDING,
                                           .embedding = out,
                                           .n_embedding = (size_t)d});
    }
    hone_free(out);
}

static hone_status choose(const hone_scheduler *s, hone_task *t, int thread,
                          hone_error *err)
{
    const float *logits = output_of(t, t->all.len - 1, NULL);
    HONE_ASSERT(logits);
    return hone_answer_choose(t->answer, &s->engine->work[thread], logits, t->all.id,
                              t->all.len, err);
}

static bool is_choosing(const hone_task *t)
{
    return t->answer && !t->job->ended && t->all.len <= length(t) &&
           t->job->r.generate.n_max != 0;
}

static void choose_one(void *ctx, int stage, int chunk, int thread)
{
    const hone_scheduler *s = ctx;
    hone_task *t = s->item_task[chunk];
    (void)stage;
    if (is_choosing(t)) t->choice = choose(s, t, thread, &t->choice_error);
}

/* The first choice of every answer; sampling reads the whole vocabulary, so threads share
 * the work. */
static void choose_all(hone_scheduler *s)
{
    const int n = (int)s->n_item;
    if (n == 1)
        choose_one(s, 0, 0, 0);
    else
        hone_pool_walk(s->engine->pool, &n, 1, choose_one, s);
}

/* A token of the answer: into the list, to the owner. */
static hone_status note(hone_scheduler *s, hone_task *t, const hone_piece *piece,
                        hone_error *err)
{
    hone_job *j = t->job;
    if (piece->id < 0) return HONE_OK;
    HONE_TRY(hone_tokens_append(&t->all, &piece->id, 1, err));
    if (!j->first) {
        j->first = hone_clock_ns();
        j->stats.prefill_s = seconds(j->admitted, j->first);
        j->stats.first_token_s = seconds(j->submitted, j->first);
    }
    j->stats.n_generated++;
    s->total.n_generated++;
    t->n_since++;
    hone_task_show(t, piece);
    return HONE_OK;
}

static void end_if_full(const hone_scheduler *s, hone_task *t)
{
    size_t n;
    const int n_max = t->job->r.generate.n_max;
    (void)hone_answer_tokens(t->answer, &n);
    const bool long_enough = n_max >= 0 && n >= (size_t)n_max;
    /* the last token of a full context is shown and not run */
    if (long_enough || t->all.len > (size_t)s->engine->options.n_ctx)
        hone_answer_end(t->answer, HONE_FINISH_LENGTH);
}

static hone_status take_forced(hone_scheduler *s, hone_task *t, hone_error *err)
{
    int32_t id[HONE_MAX_FORCED];
    const size_t n =
        hone_answer_ended(t->answer) ? 0 : hone_answer_forced(t->answer, id);
    for (size_t i = 0; i < n && !hone_answer_ended(t->answer); i++) {
        hone_piece piece;
        HONE_TRY(hone_answer_force(t->answer, id[i], &piece, err));
        HONE_TRY(note(s, t, &piece, err));
        t->job->stats.n_forced++;
        s->total.n_forced++;
        end_if_full(s, t);
    }
    return HONE_OK;
}

/* Take the chosen token, and as long as guesses were right choose the next one from the
 * same step. */
static hone_status take_tokens(hone_scheduler *s, hone_task *t, hone_error *err)
{
    const size_t before = t->all.len;
    size_t n, same;
    const int32_t *id = hone_sequence_tokens(t->sequence, &n); /* guesses included */
    for (;;) {
        hone_piece piece;
        HONE_TRY(hone_answer_take(t->answer, &piece, err));
        HONE_TRY(note(s, t, &piece, err));
        if (!hone_answer_ended(t->answer)) end_if_full(s, t);
        HONE_TRY(take_forced(s, t, err));
        same = before + hone_prefix_common(id + before, n - before, t->all.id + before,
                                           t->all.len - before);
        if (hone_answer_ended(t->answer) || same < t->all.len) break;
        HONE_TRY(choose(s, t, 0, err));
    }
    hone_scheduler_judge(s, t, same - before);
    hone_sequence_truncate(t->sequence, same < t->all.len ? same : t->all.len - 1);
    return HONE_OK;
}

static void take_result(hone_scheduler *s, hone_task *t, double step_s)
{
    hone_job *j = t->job;
    if (j->ended) return;
    if (j->r.trace) {
        hone_job_tell(j, (hone_event){.kind = HONE_EVENT_STEP,
                                      .answer = t->index,
                                      .n_row = t->n_row,
                                      .n_step_row = s->n_row,
                                      .step_s = step_s});
    }
    report_prompt(s, t);
    if (t->sum) add_hidden(s, t);
    if (t->all.len > length(t)) return;
    if (t->sum) {
        tell_embedding(s, t);
        finish_task(s, t);
        return;
    }
    if (j->r.generate.n_max == 0) {
        hone_answer_end(t->answer, HONE_FINISH_LENGTH);
        finish_task(s, t);
        return;
    }
    hone_error err;
    hone_status status = t->choice;
    if (status)
        err = t->choice_error;
    else
        status = take_tokens(s, t, &err);
    if (status)
        hone_scheduler_end(s, j, status, &err);
    else if (hone_answer_ended(t->answer))
        finish_task(s, t);
}

/* -- the step --------------------------------------------------------------------- */

static void count_step(hone_scheduler *s)
{
    int bucket = 0;
    while (bucket + 1 < HONE_STEP_BUCKETS && ((size_t)1 << bucket) < s->n_row) {
        bucket++;
    }
    s->total.step_rows[bucket]++;
    s->total.n_step++;
    s->total.n_row += s->n_row;
}

static void run_step(hone_scheduler *s)
{
    hone_error err;
    const int64_t start = hone_clock_ns();
    for (size_t i = 0; i < s->n_item; i++) {
        s->item_task[i]->n_row = s->item[i].n;
        s->item_task[i]->n_out = s->item[i].n_out;
    }
    const hone_status status = hone_engine_step(s->engine, s->item, s->n_item, &err);
    for (size_t i = 0; status && i < s->n_item; i++) {
        if (!s->item_task[i]->job->ended)
            hone_scheduler_end(s, s->item_task[i]->job, status, &err);
    }
    if (status) return;
    choose_all(s);
    const double step_s = seconds(start, hone_clock_ns());
    for (size_t i = 0; i < s->n_item; i++) {
        take_result(s, s->item_task[i], step_s);
    }
    learn_cost(s, step_s);
    count_step(s);
}

static void publish_stats(hone_scheduler *s)
{
    const hone_engine_info i = hone_engine_get_info(s->engine);
    s->total.n_running = 0;
    for (const hone_job *j = s->jobs; j; j = j->next) {
        if (j->started) s->total.n_running++;
    }
    s->total.kv_bytes = i.kv_bytes;
    s->total.kv_bytes_used = i.kv_bytes_used;
    s->total.kv_bytes_cached = i.kv_bytes_cached;
    pthread_mutex_lock(&s->lock);
    const uint64_t n_rejected = s->stats.n_rejected;
    s->stats = s->total;
    s->stats.n_rejected = n_rejected;
    pthread_mutex_unlock(&s->lock);
}

bool hone_scheduler_work(hone_scheduler *s)
{
    expire(s);
    admit(s);
    s->again = false;
    build_step(s);
    const bool some = s->n_item > 0 || s->again;
    if (s->n_item > 0) run_step(s);
    hone_scheduler_sweep(s);
    publish_stats(s);
    return some;
}
