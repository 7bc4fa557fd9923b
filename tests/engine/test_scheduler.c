/* test_scheduler.c - many requests at once answer what each answers alone, whatever
 * happens to them on the way. */
#include "check.h"

#include <math.h>
#include <pthread.h>
#include <unistd.h>

#include "base/file.h"
#include "hone/hone.h"

enum {
    N_TOKEN = 120,
    N_VOCAB = 61,
    N_MAX = 40,
    N_MANY = 12,
    PAGE_LEN = 8
};

static hone_model *model;
static hone_engine *engine;
static hone_scheduler *scheduler;
static int32_t token[N_TOKEN];

static int open_model(void **state)
{
    hone_error err;
    (void)state;
    assert_ok(hone_model_open(&model, data_path("models/qwen3"), 0, &err));
    for (int i = 0; i < N_TOKEN; i++) {
        token[i] = (int32_t)(hone_rng_u32(test_rng()) % N_VOCAB);
    }
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    hone_model_close(model);
    return 0;
}

/* Bytes of n pages. */
static uint64_t pages(int n)
{
    hone_error err;
    hone_engine *e;
    const hone_engine_options o = {.page_len = PAGE_LEN, .n_ctx = PAGE_LEN};
    assert_ok(hone_engine_new(&e, model, &o, &err));
    const uint64_t bytes = hone_engine_get_info(e).kv_bytes;
    hone_engine_free(e);
    return (uint64_t)n * bytes;
}

static void start(hone_engine_options e, const hone_scheduler_options *o)
{
    hone_error err;
    e.page_len = PAGE_LEN;
    e.n_thread = 2;
    if (e.n_ctx == 0) e.n_ctx = 200;
    if (e.n_batch == 0) e.n_batch = 64;
    if (e.n_sequence == 0) e.n_sequence = 16;
    if (e.n_output == 0) e.n_output = 48;
    e.cache = true;
    assert_ok(hone_engine_new(&engine, model, &e, &err));
    assert_ok(hone_scheduler_new(&scheduler, engine, o, &err));
}

static void stop(void)
{
    hone_scheduler_free(scheduler);
    assert_int_equal(hone_engine_get_info(engine).kv_bytes_used, 0);
    hone_engine_free(engine);
}

/* -- what a request gave ---------------------------------------------------------- */

typedef struct answer {
    int32_t id[N_MAX];
    float logprob[N_MAX];
    size_t n, n_told;
    bool ended;
    hone_finish finish;
} answer;

typedef struct result {
    answer answer[4];
    float prompt[N_TOKEN]; /* logprobs by position */
    size_t n_prompt;
    float embedding[64];
    size_t n_embedding;
    int n_start, n_end, n_step;
    hone_status status;
    char text[HONE_ERROR_TEXT_SIZE];
    hone_request_stats stats;
} result;

static void collect(void *ctx, const hone_event *e)
{
    result *r = ctx;
    assert_int_equal(r->n_end, 0);
    r->stats = *e->stats;
    answer *a = &r->answer[e->answer];
    switch (e->kind) {
    case HONE_EVENT_START:
        r->n_start++;
        break;
    case HONE_EVENT_PROMPT:
        assert_int_equal(e->position, r->n_prompt + 1);
        r->prompt[++r->n_prompt] = e->piece->logprob;
        break;
    case HONE_EVENT_PIECE:
        assert_false(a->ended);
        assert_true(a->n < N_MAX);
        a->id[a->n] = e->piece->id;
        a->logprob[a->n++] = e->piece->logprob;
        break;
    case HONE_EVENT_ANSWER:
        a->ended = true;
        a->finish = e->finish;
        a->n_told = e->n_generated;
        break;
    case HONE_EVENT_EMBEDDING:
        assert_true(e->n_embedding <= 64);
        r->n_embedding = e->n_embedding;
        memcpy(r->embedding, e->embedding, e->n_embedding * sizeof(float));
        break;
    case HONE_EVENT_STEP:
        r->n_step++;
        break;
    case HONE_EVENT_END:
        r->n_end++;
        r->status = e->status;
        if (e->error) snprintf(r->text, sizeof r->text, "%s", e->error->text);
        break;
    }
}

static uint64_t submit(const hone_request *q, result *r)
{
    hone_error err;
    uint64_t id;
    memset(r, 0, sizeof *r);
    assert_ok(hone_scheduler_submit(scheduler, q, collect, r, &id, &err));
    return id;
}

static void run(void)
{
    int idle = 0;
    while (idle < 2) {
        idle = hone_scheduler_step(scheduler) ? 0 : idle + 1;
    }
}

/* -- what it should give ---------------------------------------------------------- */

typedef struct expected {
    int32_t id[N_MAX];
    float logprob[N_MAX];
    size_t n;
} expected;

static bool expect_piece(void *ctx, const hone_piece *p)
{
    expected *x = ctx;
    if (p->id < 0) return true;
    x->id[x->n] = p->id;
    x->logprob[x->n++] = p->logprob;
    return true;
}

/* The request alone, in an engine of its own, with hone_generate. */
static void alone(const hone_request *q, int i, expected *x)
{
    hone_error err;
    hone_engine *e;
    hone_sequence *s;
    hone_generation g = {0};
    hone_generate_options o = q->generate;
    const hone_engine_options eo = {.page_len = PAGE_LEN, .n_ctx = 200};
    o.sampling.seed += (uint64_t)i;
    *x = (expected){0};
    assert_ok(hone_engine_new(&e, model, &eo, &err));
    assert_ok(hone_sequence_new(&s, e, &err));
    assert_ok(hone_generate(s, q->prompt, q->n_prompt, &o, expect_piece, x, &g, &err));
    hone_generation_release(&g);
    hone_sequence_free(s);
    hone_engine_free(e);
}

static void assert_answer(const hone_request *q, const result *r, int i)
{
    expected x;
    const answer *a = &r->answer[i];
    alone(q, i, &x);
    assert_true(a->ended);
    assert_int_equal(a->n, x.n);
    assert_int_equal(a->n_told, x.n);
    assert_memory_equal(a->id, x.id, x.n * sizeof *x.id);
    assert_memory_equal(a->logprob, x.logprob, x.n * sizeof *x.logprob);
}

/* Requests of many kinds; the prompts of some begin alike. */
static hone_request any_request(int i)
{
    hone_request q = hone_request_default();
    q.prompt = token + (i % 3 == 0 ? 0 : i);
    q.n_prompt = (size_t)(3 + 7 * i);
    q.generate.n_max = 5 + 3 * (i % 10);
    q.generate.n_logprob = 0;
    q.generate.ignore_end = true;
    q.generate.sampling.temperature = i % 2 ? 0.0f : 0.9f;
    if (i % 4 == 0) q.generate.sampling.repeat_penalty = 1.1f;
    if (i % 6 == 0) q.generate.sampling.top_k = 0;
    q.generate.sampling.seed = (uint64_t)(100 + i);
    return q;
}

static void assert_all_as_alone(const hone_request *q, const result *r, int n)
{
    for (int i = 0; i < n; i++) {
        assert_int_equal(r[i].n_start, 1);
        assert_int_equal(r[i].n_end, 1);
        assert_int_equal(r[i].status, HONE_OK);
        assert_answer(&q[i], &r[i], 0);
    }
}

/* -- tests ------------------------------------------------------------------------ */

static void company_changes_nothing(void **state)
{
    static result r[N_MANY];
    hone_request q[N_MANY];
    (void)state;
    static const hone_engine_options options[] = {{0}, {.n_batch = 16, .n_output = 16}};
    for (int o = 0; o < 2; o++) {
        start(options[o], NULL);
        for (int i = 0; i < N_MANY; i++) {
            q[i] = any_request(i);
            (void)submit(&q[i], &r[i]);
            if (i % 3 == 2) (void)hone_scheduler_step(scheduler);
        }
        run();
        assert_all_as_alone(q, r, N_MANY);
        const hone_scheduler_stats s = hone_scheduler_get_stats(scheduler);
        assert_int_equal(s.n_running + s.n_waiting, 0);
        assert_true(s.n_reused > 0);
        stop();
    }
}

static void pages_that_run_out_change_nothing(void **state)
{
    static result r[N_MANY];
    hone_request q[N_MANY];
    (void)state;
    start((hone_engine_options){.n_ctx = 120, .kv_bytes = pages(15)}, NULL);
    for (int i = 0; i < N_MANY; i++) {
        q[i] = any_request(i);
        q[i].priority = i % 2;
        (void)submit(&q[i], &r[i]);
    }
    run();
    assert_all_as_alone(q, r, N_MANY);
    assert_true(hone_scheduler_get_stats(scheduler).n_preempted > 0);
    stop();
}

static void three_pages_are_enough(void **state)
{
    static result r[6];
    hone_request q[6];
    (void)state;
    start((hone_engine_options){.n_ctx = 3 * PAGE_LEN, .kv_bytes = pages(3)}, NULL);
    for (int i = 0; i < 6; i++) {
        q[i] = any_request(i);
        q[i].n_prompt = (size_t)(3 + i);
        q[i].generate.n_max = 15;
        (void)submit(&q[i], &r[i]);
    }
    run();
    assert_all_as_alone(q, r, 6);
    stop();
}

static void answers_of_one_prompt_share_it(void **state)
{
    static result r;
    (void)state;
    start((hone_engine_options){0}, NULL);
    hone_request q = any_request(10);
    q.n_answer = 4;
    q.generate.n_max = 9;
    (void)submit(&q, &r);
    run();
    for (int i = 0; i < 4; i++) {
        assert_answer(&q, &r, i);
    }
    assert_int_equal(r.n_end, 1);
    assert_int_equal(r.stats.n_generated, 36);
    /* 73 tokens once, then what is behind the last full page three times */
    const hone_scheduler_stats s = hone_scheduler_get_stats(scheduler);
    assert_true(s.n_row <= 73 + 3 * PAGE_LEN + 36 * 9);
    stop();
}

static void equal_beginnings_run_once(void **state)
{
    static result r[8];
    hone_request q[8];
    static int32_t prompt[8][100];
    const hone_scheduler_options o = {.n_draft = -1};
    (void)state;
    start((hone_engine_options){.kv_bytes = 1 << 22}, &o);
    for (int i = 0; i < 8; i++) {
        memcpy(prompt[i], token, 96 * sizeof(int32_t));
        prompt[i][96] = i;
        q[i] = any_request(1);
        q[i].prompt = prompt[i];
        q[i].n_prompt = 97;
        q[i].generate.n_max = 4;
        (void)submit(&q[i], &r[i]);
    }
    run();
    assert_all_as_alone(q, r, 8);
    const hone_scheduler_stats s = hone_scheduler_get_stats(scheduler);
    assert_int_equal(s.n_prompt, 8 * 97);
    assert_int_equal(s.n_reused, 7 * 96);
    assert_int_equal(s.n_row, 97 + 7 + 8 * 3); /* the last tokens are not run */
    stop();
}

static void guesses_change_nothing(void **state)
{
    static result r[N_MANY];
    hone_request q[N_MANY];
    hone_engine *draft;
    hone_error err;
    static int32_t again[N_TOKEN];
    (void)state;
    for (int i = 0; i < N_TOKEN; i++) {
        again[i] = token[i % 7];
    }
    const hone_engine_options eo = {.n_ctx = 200, .n_sequence = N_MANY, .cache = true};
    assert_ok(hone_engine_new(&draft, model, &eo, &err));
    const hone_scheduler_options options[] = {{.n_draft = 6},
                                              {.n_draft = 4, .draft = draft}};
    for (int o = 0; o < 2; o++) {
        start((hone_engine_options){0}, &options[o]);
        for (int i = 0; i < N_MANY; i++) {
            q[i] = any_request(i);
            q[i].prompt = again;
            (void)submit(&q[i], &r[i]);
        }
        run();
        assert_all_as_alone(q, r, N_MANY);
        const hone_scheduler_stats s = hone_scheduler_get_stats(scheduler);
        assert_true(s.n_draft > 0);
        /* a model guesses its own most likely tokens; only the end of an answer cuts */
        for (int i = 1; o == 1 && i < N_MANY; i += 2) {
            assert_true(r[i].stats.n_accepted > 0);
            assert_true(r[i].stats.n_draft - r[i].stats.n_accepted <= 4);
        }
        stop();
    }
    hone_engine_free(draft);
}

typedef struct scores {
    float logprob[N_TOKEN];
    double sum[64], last[64];
} scores;

static void take_score(void *ctx, size_t position, const float *logits,
                       const float *hidden)
{
    scores *s = ctx;
    double total = 0.0;
    for (int i = 0; i < N_VOCAB; i++) {
        total += exp((double)logits[i]);
    }
    if (position + 1 < N_TOKEN)
        s->logprob[position + 1] =
            (float)((double)logits[token[position + 1]] - log(total));
    for (int i = 0; i < 64; i++) {
        s->sum[i] += (double)hidden[i];
        s->last[i] = (double)hidden[i];
    }
}

static void assert_direction(const result *r, const double *want, int d)
{
    double dot = 0.0, a = 0.0, b = 0.0;
    assert_int_equal(r->n_embedding, d);
    for (int i = 0; i < d; i++) {
        dot += (double)r->embedding[i] * want[i];
        a += (double)r->embedding[i] * (double)r->embedding[i];
        b += want[i] * want[i];
    }
    assert_true(fabs(a - 1.0) < 1e-5);
    assert_true(fabs(dot / sqrt(b) - 1.0) < 1e-5);
}

static void prompts_are_scored_and_embedded(void **state)
{
    static result r, mean, last, text;
    static scores want;
    hone_error err;
    hone_sequence *s;
    (void)state;
    start((hone_engine_options){.n_output = 16}, NULL);
    const int d = hone_model_get_info(model)->d_model;
    assert_true(d <= 64);
    hone_request q = any_request(0);
    q.prompt = token;
    q.n_prompt = 50;
    q.generate.n_max = 3;
    (void)submit(&q, &text); /* leaves the prompt in the cache */
    run();
    q.n_prompt_logprob = 2;
    (void)submit(&q, &r);
    q.n_prompt_logprob = -1;
    q.embed = HONE_POOLING_MEAN;
    (void)submit(&q, &mean);
    q.embed = HONE_POOLING_LAST;
    (void)submit(&q, &last);
    run();
    q.embed = HONE_POOLING_NONE;
    assert_answer(&q, &r, 0);
    assert_int_equal(r.n_prompt, 49);
    assert_ok(hone_sequence_new(&s, engine, &err));
    assert_ok(hone_sequence_score(s, token, 50, take_score, &want, &err));
    hone_sequence_free(s);
    for (int i = 1; i < 50; i++) {
        assert_true(fabsf(r.prompt[i] - want.logprob[i]) < 1e-4f);
    }
    assert_direction(&mean, want.sum, d);
    assert_direction(&last, want.last, d);
    assert_int_equal(mean.n_end + last.n_end, 2);

    q.generate.n_max = 0;
    q.n_prompt_logprob = 0;
    (void)submit(&q, &r);
    run();
    assert_int_equal(r.n_prompt, 49);
    assert_int_equal(r.answer[0].n, 0);
    assert_int_equal(r.answer[0].finish, HONE_FINISH_LENGTH);
    stop();
}

static void requests_end_when_asked(void **state)
{
    static result r[4];
    hone_request q = any_request(1);
    (void)state;
    const hone_scheduler_options o = {.n_draft = -1};
    start((hone_engine_options){0}, &o);
    q.generate.n_max = 30;
    const uint64_t gone = submit(&q, &r[0]);
    const uint64_t held = submit(&q, &r[1]);
    q.deadline_s = 1e-9;
    (void)submit(&q, &r[2]);
    q.deadline_s = 0;
    (void)submit(&q, &r[3]);
    for (int i = 0; i < 4; i++) {
        (void)hone_scheduler_step(scheduler);
    }
    assert_int_equal(r[2].status, HONE_E_CANCELLED);
    assert_non_null(strstr(r[2].text, "deadline"));
    hone_scheduler_cancel(scheduler, gone);
    hone_scheduler_cancel(scheduler, 12345);
    hone_scheduler_pause(scheduler, held, true);
    (void)hone_scheduler_step(scheduler);
    assert_int_equal(r[0].n_end, 1);
    assert_int_equal(r[0].status, HONE_E_CANCELLED);
    const size_t n = r[1].answer[0].n;
    run();
    assert_int_equal(r[1].answer[0].n, n);
    assert_answer(&q, &r[3], 0);
    hone_scheduler_pause(scheduler, held, false);
    run();
    assert_answer(&q, &r[1], 0);
    /* those that are left when the scheduler ends are told */
    (void)submit(&q, &r[0]);
    (void)submit(&q, &r[1]);
    (void)hone_scheduler_step(scheduler);
    (void)submit(&q, &r[2]);
    stop();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r[i].n_end, 1);
        assert_int_equal(r[i].status, HONE_E_CANCELLED);
    }
}

static void faults_are_named(void **state)
{
    static result r, other;
    hone_error err;
    hone_request q = any_request(1);
    const hone_scheduler_options o = {.n_queue = 2};
    (void)state;
    start((hone_engine_options){0}, &o);
#define REFUSED(code, part)                                                            \
    assert_fails(hone_scheduler_submit(scheduler, &q, collect, &r, NULL, &err), code,  \
                 part)
    q.n_prompt = 0;
    REFUSED(HONE_E_INVALID, "no tokens");
    static int32_t many[300];
    q.prompt = many;
    q.n_prompt = 200;
    REFUSED(HONE_E_LIMIT, "at most 199 tokens (the context length is 200), found 200");
    q = any_request(1);
    const int32_t bad[] = {1, N_VOCAB};
    q.prompt = bad;
    q.n_prompt = 2;
    REFUSED(HONE_E_INVALID, "token 1: expected 0 to 60, found 61");
    q = any_request(1);
    q.n_answer = 129;
    REFUSED(HONE_E_INVALID, "answers");
    q = any_request(1);
    q.generate.sampling.top_p = 2.0f;
    REFUSED(HONE_E_INVALID, "top_p");
    q = any_request(1);
    q.session = "a";
    REFUSED(HONE_E_INVALID, "no folder");
    q = any_request(1);
    (void)submit(&q, &r);
    (void)submit(&q, &other);
    REFUSED(HONE_E_LIMIT, "queue: full");
#undef REFUSED
    assert_int_equal(hone_scheduler_get_stats(scheduler).n_rejected, 1);
    hone_scheduler_free(scheduler);
    hone_engine_free(engine);
    hone_engine_options eo = {.n_sequence = 2, .n_ctx = 50};
    assert_ok(hone_engine_new(&engine, model, &eo, &err));
    hone_scheduler_options bad_o = {.n_running = 3};
    assert_fails(hone_scheduler_new(&scheduler, engine, &bad_o, &err), HONE_E_INVALID,
                 "1 to 2, found 3");
    hone_engine_free(engine);
}

static void a_session_survives_the_engine(void **state)
{
    static result r;
    char dir[] = "/tmp/hone-session-XXXXXX", path[128];
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/chat-1.session", dir);
    const hone_scheduler_options o = {.session_dir = dir};
    hone_request q = any_request(9);
    q.session = "chat-1";
    start((hone_engine_options){0}, &o);
    (void)submit(&q, &r);
    run();
    assert_answer(&q, &r, 0);
    assert_int_equal(r.stats.n_reused, 0);
    stop();

    start((hone_engine_options){0}, &o);
    (void)submit(&q, &r);
    run();
    assert_answer(&q, &r, 0);
    assert_int_equal(r.stats.n_reused, q.n_prompt - 1);
    stop();

    /* a damaged file is as good as none, and is replaced */
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, 200, SEEK_SET);
    const int c = fgetc(f);
    fseek(f, 200, SEEK_SET);
    fputc(c ^ 1, f);
    fclose(f);
    for (int i = 0; i < 2; i++) {
        start((hone_engine_options){0}, &o);
        (void)submit(&q, &r);
        run();
        assert_answer(&q, &r, 0);
        assert_int_equal(r.stats.n_reused, i == 0 ? 0 : q.n_prompt - 1);
        stop();
    }
    hone_error err;
    hone_sequence *s;
    start((hone_engine_options){.kv_type = "f32"}, &o);
    assert_ok(hone_sequence_new(&s, engine, &err));
    assert_fails(hone_sequence_load(s, path, &err), HONE_E_FORMAT, "another model");
    assert_int_equal(truncate(path, 300), 0);
    assert_fails(hone_sequence_load(s, path, &err), HONE_E_FORMAT, "another model");
    hone_sequence_free(s);
    stop();
    start((hone_engine_options){0}, &o);
    assert_ok(hone_sequence_new(&s, engine, &err));
    assert_fails(hone_sequence_load(s, path, &err), HONE_E_FORMAT, "cut short");
    assert_fails(hone_sequence_load(s, "/tmp/no-such-file", &err), HONE_E_NOT_FOUND,
                 "no-such-file");
    hone_sequence_free(s);
    /* nowhere to save is a warning */
    unlink(path);
    rmdir(dir);
    (void)submit(&q, &r);
    run();
    assert_answer(&q, &r, 0);
    assert_int_equal(r.status, HONE_OK);
    assert_non_null(strstr(r.text, "session 'chat-1'"));
    stop();
}

static void *run_thread(void *ctx)
{
    hone_scheduler_run(ctx);
    return NULL;
}

static void note_call(void *ctx)
{
    ++*(int *)ctx;
}

/* Submits and cancels from several threads while the engine's thread runs. */
typedef struct client {
    pthread_t thread;
    int number;
    result r[8];
} client;

static void *run_client(void *ctx)
{
    client *c = ctx;
    for (int i = 0; i < 8; i++) {
        hone_error err;
        uint64_t id;
        const hone_request q = any_request((c->number * 5 + i) % N_MANY);
        assert_ok(hone_scheduler_submit(scheduler, &q, collect, &c->r[i], &id, &err));
        if (i % 3 == 1) hone_scheduler_cancel(scheduler, id);
        if (i % 3 == 2) {
            hone_scheduler_pause(scheduler, id, true);
            usleep(500);
            hone_scheduler_pause(scheduler, id, false);
        }
        (void)hone_scheduler_get_stats(scheduler);
    }
    return NULL;
}

static void threads_may_submit_at_once(void **state)
{
    static client c[3];
    pthread_t engine_thread;
    hone_error err;
    int n_call = 0;
    (void)state;
    start((hone_engine_options){0}, NULL);
    assert_int_equal(pthread_create(&engine_thread, NULL, run_thread, scheduler), 0);
    for (int i = 0; i < 3; i++) {
        c[i].number = i;
        assert_int_equal(pthread_create(&c[i].thread, NULL, run_client, &c[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(c[i].thread, NULL);
    }
    assert_ok(hone_scheduler_call(scheduler, note_call, &n_call, &err));
    for (;;) {
        const hone_scheduler_stats s = hone_scheduler_get_stats(scheduler);
        if (s.n_running + s.n_waiting == 0) break;
        usleep(1000);
    }
    hone_scheduler_stop(scheduler);
    pthread_join(engine_thread, NULL);
    stop();
    assert_int_equal(n_call, 1);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 8; j++) {
            const hone_request q = any_request((i * 5 + j) % N_MANY);
            assert_int_equal(c[i].r[j].n_end, 1);
            if (c[i].r[j].status == HONE_OK) assert_answer(&q, &c[i].r[j], 0);
            assert_true(j % 3 == 1 || c[i].r[j].status == HONE_OK);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(company_changes_nothing),
        cmocka_unit_test(pages_that_run_out_change_nothing),
        cmocka_unit_test(three_pages_are_enough),
        cmocka_unit_test(answers_of_one_prompt_share_it),
        cmocka_unit_test(equal_beginnings_run_once),
        cmocka_unit_test(guesses_change_nothing),
        cmocka_unit_test(prompts_are_scored_and_embedded),
        cmocka_unit_test(requests_end_when_asked),
        cmocka_unit_test(faults_are_named),
        cmocka_unit_test(a_session_survives_the_engine),
        cmocka_unit_test(threads_may_submit_at_once),
    };
    return cmocka_run_group_tests_name("scheduler", tests, open_model, close_model);
}
