/* scheduler_job.c - a request becomes a job: copied, checked, with an answer for each of
 * its tasks. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/scheduler_internal.h"

enum {
    MAX_ANSWERS = 128
};

hone_request hone_request_default(void)
{
    return (hone_request){.generate = hone_generate_options_default(),
                          .n_answer = 1,
                          .n_prompt_logprob = -1};
}

/* -- copies ----------------------------------------------------------------------- */

static void *copy(const void *data, size_t n, size_t size, bool *failed)
{
    if (n == 0) return NULL;
    void *p = hone_alloc(n, size);
    if (p)
        memcpy(p, data, n * size);
    else
        *failed = true;
    return p;
}

static const char *copy_string(const char *s, bool *failed)
{
    if (!s) return NULL;
    char *c = hone_strdup(s);
    if (!c) *failed = true;
    return c;
}

static const char *const *copy_strings(const char *const *s, size_t n, bool *failed)
{
    if (n == 0) return NULL;
    char **c = hone_alloc_zero(n, sizeof *c);
    if (!c) {
        *failed = true;
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        c[i] = hone_strdup(s[i]);
        if (!c[i]) *failed = true;
    }
    return (const char *const *)c;
}

static void free_strings(const char *const *s, size_t n)
{
    for (size_t i = 0; s && i < n; i++) {
        hone_free((char *)s[i]);
    }
    hone_free((char **)s);
}

static bool copy_request(hone_job *j, const hone_request *r)
{
    bool failed = false;
    hone_request *to = &j->r;
    hone_generate_options *g = &to->generate;
    hone_sampling *s = &g->sampling;
    *to = *r;
    to->prompt = NULL; /* the tasks begin with it */
    to->adapter = copy_string(r->adapter, &failed);
    to->session = copy_string(r->session, &failed);
    g->stop = copy_strings(r->generate.stop, g->n_stop, &failed);
    s->bias = copy(r->generate.sampling.bias, s->n_bias, sizeof *s->bias, &failed);
    s->dry_breaker =
        copy_strings(r->generate.sampling.dry_breaker, s->n_dry_breaker, &failed);
    return !failed;
}

/* -- checks ----------------------------------------------------------------------- */

static hone_status check(const hone_scheduler *s, const hone_request *r,
                         hone_error *err)
{
    const size_t n_ctx = (size_t)s->engine->options.n_ctx;
    const bool answers = r->embed == HONE_POOLING_NONE && r->generate.n_max != 0;
    const size_t room = n_ctx - (answers ? 1 : 0);
    if (r->n_prompt == 0) return hone_fail(err, HONE_E_INVALID, "prompt: no tokens");
    if (r->n_prompt > room) {
        return hone_fail(err, HONE_E_LIMIT,
                         "prompt: expected at most %zu tokens (the context length is "
                         "%zu), found %zu",
                         room, n_ctx, r->n_prompt);
    }
    if (r->n_answer < 0 || r->n_answer > MAX_ANSWERS) {
        return hone_fail(err, HONE_E_INVALID, "answers: expected 1 to %d, found %d",
                         MAX_ANSWERS, r->n_answer);
    }
    if (r->n_prompt_logprob < -1 || r->n_prompt_logprob > HONE_MAX_LOGPROB) {
        return hone_fail(err, HONE_E_INVALID,
                         "logprobs of the prompt: expected 0 to %d, found %d",
                         HONE_MAX_LOGPROB, r->n_prompt_logprob);
    }
    if (!(r->deadline_s >= 0.0)) {
        return hone_fail(err, HONE_E_INVALID,
                         "deadline: expected 0 or more seconds, found %g",
                         r->deadline_s);
    }
    if (r->session && (!s->o.session_dir || !hone_session_name_ok(r->session))) {
        return hone_fail(err, HONE_E_INVALID, "session '%.128s': %s", r->session,
                         s->o.session_dir ? "expected letters, digits, -, _ and ."
                                          : "there is no folder for sessions");
    }
    if (r->generate.grammar && !s->vocab) {
        return hone_fail(err, HONE_E_INVALID, "grammar: the model has no tokenizer");
    }
    return hone_engine_check_tokens(s->engine, r->prompt, r->n_prompt, err);
}

/* -- jobs ------------------------------------------------------------------------- */

static hone_status new_task(hone_job *j, const hone_scheduler *s, int i,
                            const int32_t *prompt, hone_error *err)
{
    hone_task *t = &j->task[i];
    t->job = j;
    t->index = i;
    t->hit_rate = 0.5;
    HONE_TRY(hone_tokens_append(&t->all, prompt, j->r.n_prompt, err));
    if (j->r.embed) {
        t->sum = hone_alloc_zero((size_t)hone_model_spec(s->engine->model)->d_model,
                                 sizeof *t->sum);
        if (t->sum) return HONE_OK;
        return hone_fail(err, HONE_E_NOMEM, "request: out of memory");
    }
    hone_generate_options o = j->r.generate;
    o.sampling.seed += (uint64_t)i;
    return hone_answer_new(&t->answer, s->engine->model, &o, s->vocab, err);
}

static hone_status build(hone_job *j, const hone_scheduler *s, const hone_request *r,
                         hone_error *err)
{
    if (!copy_request(j, r))
        return hone_fail(err, HONE_E_NOMEM, "request: out of memory");
    const int n = r->embed || r->n_answer == 0 ? 1 : r->n_answer;
    j->task = hone_alloc_zero((size_t)n, sizeof *j->task);
    if (!j->task) return hone_fail(err, HONE_E_NOMEM, "request: out of memory");
    for (; j->n_task < n; j->n_task++) {
        const hone_status status = new_task(j, s, j->n_task, r->prompt, err);
        if (status) {
            j->n_task++; /* what it has is freed */
            return status;
        }
    }
    return HONE_OK;
}

hone_status hone_job_new(hone_job **out, const hone_scheduler *s, const hone_request *r,
                         hone_event_fn *fn, void *ctx, hone_error *err)
{
    HONE_TRY(check(s, r, err));
    hone_job *j = hone_alloc_zero(1, sizeof *j);
    if (!j) return hone_fail(err, HONE_E_NOMEM, "request: out of memory");
    const hone_status status = build(j, s, r, err);
    if (status) {
        hone_job_free(j);
        return status;
    }
    j->fn = fn;
    j->ctx = ctx;
    j->submitted = hone_clock_ns();
    if (r->deadline_s > 0.0 && r->deadline_s < 1e9)
        j->deadline = j->submitted + (int64_t)(r->deadline_s * 1e9);
    j->stats.n_prompt = r->n_prompt;
    *out = j;
    return HONE_OK;
}

void hone_job_free(hone_job *j)
{
    if (!j) return;
    for (int i = 0; j->task && i < j->n_task; i++) {
        hone_task *t = &j->task[i];
        hone_sequence_free(t->sequence);
        hone_sequence_free(t->draft);
        hone_answer_free(t->answer);
        hone_tokens_release(&t->all);
        hone_free(t->sum);
    }
    hone_free(j->task);
    hone_request *r = &j->r;
    hone_free((char *)r->adapter);
    hone_free((char *)r->session);
    hone_free((hone_logit_bias *)r->generate.sampling.bias);
    free_strings(r->generate.stop, r->generate.n_stop);
    free_strings(r->generate.sampling.dry_breaker, r->generate.sampling.n_dry_breaker);
    hone_free(j);
}

/* -- events ----------------------------------------------------------------------- */

void hone_job_tell(hone_job *j, hone_event e)
{
    e.stats = &j->stats;
    if (j->fn) j->fn(j->ctx, &e);
}

void hone_task_show(hone_task *t, const hone_piece *piece)
{
    if (piece->id < 0 && piece->len == 0) return;
    hone_job_tell(
        t->job,
        (hone_event){.kind = HONE_EVENT_PIECE, .answer = t->index, .piece = piece});
}
