/* bench.c - hone/bench.h: cases, repetitions, and what each moves and computes. */
#include "hone/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/size.h"
#include "engine/bench_cost.h"
#include "hone/adapter.h"
#include "model/model.h"

enum {
    N_REP = 5,
    MAX_REP = 10000,
    MAX_BATCH = 512,
    MAX_TOKENS = 1 << 24,
    WARM_UP = 16 /* decode steps of the first, untimed run at most */
};
static const double MEASURE_S = 0.5; /* of the machine, before and after */

/* Sequences that hold `depth` tokens whenever no case runs. */
typedef struct group {
    int depth, n_sequence;
    hone_sequence **sequence; /* [n_sequence] */
    bool filled;
} group;

/* What all cases with one number of threads share. */
typedef struct lane {
    int n_thread;
    hone_engine *engine;
    hone_machine_speed speed;
    group *group; /* [n_group] */
    size_t n_group;
    int n_ctx, n_batch_max; /* over its cases */
} lane;

typedef struct run {
    lane *lane;
    group *group;
    double *seconds; /* [n_rep] */
} run;

typedef struct bench {
    const hone_model *model;
    const hone_bench_options *options;
    hone_bench_result *result; /* [n] */
    size_t n;
    int n_rep;
    run *run;   /* [n] */
    lane *lane; /* [n_lane], at most n */
    size_t n_lane;
    int32_t *token; /* random, as many as any case needs */
    hone_step_item *item;
    hone_bench_cost cost;
} bench;

const char *hone_bench_test_name(hone_bench_test t)
{
    return t == HONE_BENCH_PREFILL ? "prefill" : "decode";
}

static hone_status out_of_memory(hone_error *err)
{
    return hone_fail(err, HONE_E_NOMEM, "out of memory");
}

/* -- setting up ------------------------------------------------------------------- */

static hone_status in_range(const char *name, int value, int lo, int hi,
                            hone_error *err)
{
    if (value >= lo && value <= hi) return HONE_OK;
    return hone_fail(err, HONE_E_INVALID, "%s: expected %d to %d, found %d", name, lo,
                     hi, value);
}

static hone_status check_case(const hone_bench_case *c, hone_error *err)
{
    HONE_TRY(in_range("threads", c->n_thread, 1, 1024, err));
    HONE_TRY(in_range(hone_bench_test_name(c->test), c->n, 1, MAX_TOKENS, err));
    HONE_TRY(in_range("depth", c->depth, 0, MAX_TOKENS, err));
    return in_range("batch", c->batch, 1, MAX_BATCH, err);
}

static lane *lane_of(bench *b, int n_thread)
{
    for (size_t i = 0; i < b->n_lane; i++) {
        if (b->lane[i].n_thread == n_thread) return &b->lane[i];
    }
    b->lane[b->n_lane].n_thread = n_thread;
    return &b->lane[b->n_lane++];
}

static group *group_of(lane *l, int depth)
{
    for (size_t i = 0; i < l->n_group; i++) {
        if (l->group[i].depth == depth) return &l->group[i];
    }
    l->group[l->n_group].depth = depth;
    return &l->group[l->n_group++];
}

/* Lanes and groups that the cases fall into. */
static hone_status sort_cases(bench *b, const hone_bench_case *c, hone_error *err)
{
    for (size_t i = 0; i < b->n; i++) {
        hone_bench_result *r = &b->result[i];
        *r = (hone_bench_result){.c = c[i]};
        if (r->c.batch == 0) r->c.batch = 1;
        if (r->c.n_thread == 0) r->c.n_thread = hone_machine_threads();
        HONE_TRY(check_case(&r->c, err));
        lane *l = lane_of(b, r->c.n_thread);
        if (!l->group) l->group = hone_alloc_zero(b->n, sizeof *l->group);
        b->run[i].seconds = hone_alloc((size_t)b->n_rep, sizeof *b->run[i].seconds);
        if (!l->group || !b->run[i].seconds) return out_of_memory(err);
        group *g = group_of(l, r->c.depth);
        if (g->n_sequence < r->c.batch) g->n_sequence = r->c.batch;
        if (l->n_batch_max < r->c.batch) l->n_batch_max = r->c.batch;
        const int end = r->c.depth + r->c.n;
        if (l->n_ctx < end) l->n_ctx = end;
        b->run[i].lane = l;
        b->run[i].group = g;
    }
    return HONE_OK;
}

/* Random tokens for the longest case, each sequence beginning one further. */
static hone_status make_tokens(bench *b, hone_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_lane; i++) {
        const size_t need = (size_t)b->lane[i].n_ctx + MAX_BATCH;
        if (need > n) n = need;
    }
    hone_rng rng;
    hone_rng_init(&rng, 1);
    b->token = hone_alloc(n, sizeof *b->token);
    b->item = hone_alloc(MAX_BATCH, sizeof *b->item);
    if (!b->token || !b->item) return out_of_memory(err);
    const uint32_t n_vocab = (uint32_t)hone_model_spec(b->model)->n_vocab;
    for (size_t i = 0; i < n; i++) {
        b->token[i] = (int32_t)(hone_rng_u32(&rng) % n_vocab);
    }
    return HONE_OK;
}

/* Bytes of K/V that the lane's sequences may fill. */
static hone_status kv_budget(const bench *b, const lane *l, uint64_t *out,
                             hone_error *err)
{
    size_t sequences = 0, bytes, all;
    for (size_t i = 0; i < l->n_group; i++) {
        sequences += (size_t)l->group[i].n_sequence;
    }
    const size_t positions = (size_t)l->n_ctx + HONE_PAGE_MAX; /* pages are whole */
    const uint64_t available = hone_machine_available_bytes();
    if (!hone_mul_size((size_t)b->cost.kv_position_bytes, positions, &bytes) ||
        !hone_mul_size(bytes, sequences, &all) || all > available) {
        return hone_fail(err, HONE_E_NOMEM,
                         "keys and values of %zu sequences of %d tokens: expected at "
                         "most %llu bytes",
                         sequences, l->n_ctx, (unsigned long long)available);
    }
    *out = all;
    return HONE_OK;
}

/* Load the adapters, named by their numbers. */
static hone_status load_adapters(const bench *b, const lane *l, hone_error *err)
{
    for (size_t i = 0; i < b->options->n_lora; i++) {
        const hone_adapter_part part = {b->options->lora[i], 1.0f};
        char name[24];
        snprintf(name, sizeof name, "%zu", i);
        HONE_TRY(hone_engine_adapter_load(l->engine, name, &part, 1, err));
    }
    return HONE_OK;
}

static hone_status start_sequence(const bench *b, const lane *l, hone_sequence **s,
                                  int number, hone_error *err)
{
    const size_t n = b->options->n_lora;
    HONE_TRY(hone_sequence_new(s, l->engine, err));
    if (n) {
        hone_sequence_set_adapter(
            *s, hone_engine_adapter_at(l->engine, (size_t)number % n));
    }
    return HONE_OK;
}

static hone_status start_lane(bench *b, lane *l, hone_error *err)
{
    const hone_bench_options *given = b->options;
    hone_engine_options o = {
        .n_thread = l->n_thread,
        .n_ctx = l->n_ctx,
        .n_batch = l->n_batch_max > 512 ? l->n_batch_max : 512,
        .n_sequence = l->n_batch_max,
        .kv_type = given->kv_type,
        .kernels = given->kernels,
        .packed_file = given->packed_file,
        .interrupt = given->interrupt,
        .interrupt_ctx = given->interrupt_ctx,
    };
    HONE_TRY(kv_budget(b, l, &o.kv_bytes, err));
    HONE_TRY(hone_engine_new(&l->engine, b->model, &o, err));
    HONE_TRY(load_adapters(b, l, err));
    for (size_t i = 0; i < l->n_group; i++) {
        group *g = &l->group[i];
        g->sequence = hone_alloc_zero((size_t)g->n_sequence, sizeof *g->sequence);
        if (!g->sequence) return out_of_memory(err);
        for (int j = 0; j < g->n_sequence; j++) {
            HONE_TRY(start_sequence(b, l, &g->sequence[j], j, err));
        }
    }
    return HONE_OK;
}

static void release(bench *b)
{
    for (size_t i = 0; b->lane && i < b->n_lane; i++) {
        lane *l = &b->lane[i];
        for (size_t j = 0; j < l->n_group; j++) {
            for (int k = 0; l->group[j].sequence && k < l->group[j].n_sequence; k++) {
                hone_sequence_free(l->group[j].sequence[k]);
            }
            hone_free(l->group[j].sequence);
        }
        hone_free(l->group);
        hone_engine_free(l->engine);
    }
    for (size_t i = 0; b->run && i < b->n; i++) {
        hone_free(b->run[i].seconds);
    }
    hone_free(b->run);
    hone_free(b->lane);
    hone_free(b->token);
    hone_free(b->item);
}

/* -- running ---------------------------------------------------------------------- */

/* The first `batch` sequences take n tokens each, from token `at` on. */
static hone_status append(bench *b, const run *r, int batch, size_t at, size_t n,
                          hone_error *err)
{
    for (int i = 0; i < batch; i++) {
        b->item[i] = (hone_step_item){r->group->sequence[i], b->token + at + i, n, 1};
    }
    return hone_engine_append(r->lane->engine, b->item, (size_t)batch, err);
}

static hone_status fill_group(bench *b, const run *r, hone_error *err)
{
    group *g = r->group;
    if (g->filled || g->depth == 0) return HONE_OK;
    HONE_TRY(append(b, r, g->n_sequence, 0, (size_t)g->depth, err));
    g->filled = true;
    return HONE_OK;
}

static hone_status run_case(bench *b, size_t i, int n, double *seconds, hone_error *err)
{
    const run *r = &b->run[i];
    const hone_bench_case *c = &b->result[i].c;
    const size_t at = (size_t)c->depth;
    hone_status s = HONE_OK;
    const int64_t start = hone_clock_ns();
    if (c->test == HONE_BENCH_PREFILL) {
        s = append(b, r, c->batch, at, (size_t)n, err);
    } else {
        for (int j = 0; !s && j < n; j++) {
            s = append(b, r, c->batch, at + (size_t)j, 1, err);
        }
    }
    *seconds = (double)(hone_clock_ns() - start) * 1e-9;
    for (int j = 0; j < r->group->n_sequence; j++) {
        hone_sequence_truncate(r->group->sequence[j], at);
    }
    return s;
}

static hone_status measure_machine(bench *b, hone_error *err)
{
    for (size_t i = 0; i < b->n_lane; i++) {
        lane *l = &b->lane[i];
        hone_machine_speed now, *best = &l->speed;
        HONE_TRY(hone_machine_measure(&now, l->n_thread, b->options->kernels, MEASURE_S,
                                      err));
        if (now.read_bytes_per_s > best->read_bytes_per_s)
            best->read_bytes_per_s = now.read_bytes_per_s;
        if (now.int8_ops_per_s > best->int8_ops_per_s)
            best->int8_ops_per_s = now.int8_ops_per_s;
        if (now.bf16_flops_per_s > best->bf16_flops_per_s)
            best->bf16_flops_per_s = now.bf16_flops_per_s;
        if (now.f32_flops_per_s > best->f32_flops_per_s)
            best->f32_flops_per_s = now.f32_flops_per_s;
    }
    return HONE_OK;
}

static void tell(const bench *b, size_t i, int rep)
{
    const int n = (int)b->n, done = (rep + 1) * n + (int)i;
    if (!b->options->progress) return;
    b->options->progress(b->options->progress_ctx, &b->result[i].c, done,
                         (b->n_rep + 1) * n);
}

/* The warm-up, then every repetition of every case. */
static hone_status run_all(bench *b, hone_error *err)
{
    for (int rep = -1; rep < b->n_rep; rep++) {
        for (size_t i = 0; i < b->n; i++) {
            hone_bench_result *r = &b->result[i];
            double warm;
            int n = r->c.n;
            tell(b, i, rep);
            HONE_TRY(fill_group(b, &b->run[i], err));
            if (rep < 0 && r->c.test == HONE_BENCH_DECODE && n > WARM_UP) n = WARM_UP;
            HONE_TRY(run_case(b, i, n, rep < 0 ? &warm : &b->run[i].seconds[rep], err));
            if (rep >= 0) r->n_rep++;
        }
    }
    return HONE_OK;
}

/* Every case once more, op by op. */
static hone_status trace_all(bench *b, hone_error *err)
{
    for (size_t i = 0; b->options->op && i < b->n; i++) {
        hone_engine *e = b->run[i].lane->engine;
        double seconds;
        hone_op_time t;
        hone_engine_trace(e, true);
        const hone_status s = run_case(b, i, b->result[i].c.n, &seconds, err);
        for (int op = 0; !s && hone_engine_trace_get(e, op, &t); op++) {
            b->options->op(b->options->op_ctx, &b->result[i].c, &t);
        }
        hone_engine_trace(e, false);
        if (s) return s;
    }
    return HONE_OK;
}

/* -- results ---------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void summarize(bench *b, size_t i)
{
    hone_bench_result *r = &b->result[i];
    const lane *l = b->run[i].lane;
    double *s = b->run[i].seconds;
    const size_t n = (size_t)r->n_rep;
    r->machine = l->speed;
    r->arithmetic = b->cost.arithmetic;
    r->kernels = hone_engine_get_info(l->engine).kernels;
    if (n == 0) return;
    qsort(s, n, sizeof *s, by_value);
    const double tokens = (double)r->c.n * r->c.batch;
    const double median = n % 2 ? s[n / 2] : 0.5 * (s[n / 2 - 1] + s[n / 2]);
    r->tokens_per_s =
        (hone_bench_spread){tokens / median, tokens / s[n - 1], tokens / s[0]};
    const int n_batch = hone_engine_get_info(l->engine).n_batch;
    const hone_bench_work work = hone_bench_work_of(&b->cost, &r->c, n_batch);
    r->bytes_per_s = work.bytes / median;
    r->ops_per_s = work.ops / median;
    r->fraction_of_read = r->bytes_per_s / l->speed.read_bytes_per_s;
    r->fraction_of_arithmetic =
        r->ops_per_s / hone_bench_peak(&l->speed, b->cost.arithmetic);
    r->fraction_of_limit = r->c.test == HONE_BENCH_DECODE ? r->fraction_of_read
                                                          : r->fraction_of_arithmetic;
}

static hone_status measure(bench *b, const hone_bench_case *c, hone_error *err)
{
    const char *kv_type = b->options->kv_type ? b->options->kv_type : "f16";
    b->run = hone_alloc_zero(b->n, sizeof *b->run);
    b->lane = hone_alloc_zero(b->n, sizeof *b->lane);
    if (!b->run || !b->lane) return out_of_memory(err);
    HONE_TRY(in_range("repetitions", b->n_rep, 1, MAX_REP, err));
    HONE_TRY(hone_bench_cost_init(&b->cost, b->model, kv_type, err));
    HONE_TRY(sort_cases(b, c, err));
    HONE_TRY(make_tokens(b, err));
    for (size_t i = 0; i < b->n_lane; i++) {
        HONE_TRY(start_lane(b, &b->lane[i], err));
    }
    HONE_TRY(measure_machine(b, err));
    hone_status s = run_all(b, err);
    if (!s) s = trace_all(b, err);
    if (s && s != HONE_E_CANCELLED) return s;
    if (!s) HONE_TRY(measure_machine(b, err));
    for (size_t i = 0; i < b->n; i++) {
        summarize(b, i);
    }
    return HONE_OK;
}

hone_status hone_bench_run(const hone_model *m, const hone_bench_case *c, size_t n,
                           const hone_bench_options *options, hone_bench_result *out,
                           hone_error *err)
{
    static const hone_bench_options defaults = {0};
    bench b = {.model = m, .options = options ? options : &defaults, .n = n};
    if (n == 0) return HONE_OK;
    b.n_rep = b.options->n_rep ? b.options->n_rep : N_REP;
    b.result = hone_alloc_zero(n, sizeof *b.result);
    const hone_status s = b.result ? measure(&b, c, err) : out_of_memory(err);
    if (!s) memcpy(out, b.result, n * sizeof *out);
    release(&b);
    hone_free(b.result);
    return s ? hone_error_wrap(err, s, "bench") : HONE_OK;
}
