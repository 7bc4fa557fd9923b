/* executor.c - a program on CPU threads.
 *
 * Every op has two stages of chunks; the pool's threads walk the stages of all ops in
 * one go.  Watching and tracing walk op by op instead. */
#include "program/executor.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/size.h"
#include "kernel/panel.h"
#include "program/op_internal.h"

enum {
    STAGES = 2 /* of every op */
};

float *hone_value_row(const hone_executor *e, hone_value v, int row)
{
    const size_t width = (size_t)e->program->value[v].width;
    float *base = (float *)(void *)(e->memory + e->plan.offset[v]);
    return base + (size_t)row * width;
}

int hone_value_n_row(const hone_executor *e, hone_value v)
{
    return e->program->value[v].rows == HONE_ROWS_STEP ? e->step->n_row
                                                       : e->step->n_out;
}

const float *hone_widen_vector(const hone_kernels *k, const hone_matrix *v,
                               float *scratch)
{
    if (!v->data) return NULL;
    if (v->dtype == HONE_F32 && (uintptr_t)v->data % sizeof(float) == 0) {
        return (const float *)(const void *)v->data;
    }
    k->widen[v->dtype](scratch, v->data, (size_t)v->n_col);
    return scratch;
}

/* -- memory ----------------------------------------------------------------------- */

/* Which forms of activations the program's linears read. */
static void forms_needed(const hone_program *p, const hone_kernels *k,
                         bool form[HONE_N_FORM])
{
    memset(form, 0, HONE_N_FORM * sizeof *form);
    for (size_t i = 0; i < p->n_op; i++) {
        for (int j = 0; j < p->op[i].n_linear; j++) {
            form[k->form[p->op[i].linear[j].w.dtype]] = true;
        }
    }
}

typedef struct part_sizes {
    size_t f, h, q, scale, minus; /* bytes of an hone_acts, each a whole cache line */
    size_t row, tile, query, state, page;
    size_t acts, scratch; /* of one hone_acts, of one thread */
    size_t parts;         /* states of decode splits, of all threads */
} part_sizes;

static bool line_bytes(size_t n, size_t size, size_t *out)
{
    return hone_mul_size(n, size, out) && hone_align_size(*out, HONE_CACHE_LINE, out);
}

/* The same with what kernels may read behind it; nothing where it is not wanted. */
static bool array_bytes(bool wanted, size_t n, size_t size, size_t *out)
{
    *out = 0;
    return !wanted ||
           (line_bytes(n, size, out) && hone_add_size(*out, HONE_ACT_SPARE, out));
}

/* Sizes of activations for n_row rows. */
static bool acts_sizes(const hone_program *p, const hone_kernels *k, int n_row,
                       part_sizes *s)
{
    bool form[HONE_N_FORM];
    forms_needed(p, k, form);
    const size_t rows = (size_t)n_row;
    const bool q = form[HONE_FORM_Q8];
    size_t n, sum = 0;
    if (!hone_mul_size((size_t)hone_program_widest(p) + 1, rows, &n)) return false;
    return array_bytes(form[HONE_FORM_F32], n, sizeof(float), &s->f) &&
           array_bytes(form[HONE_FORM_BF16], n, sizeof(uint16_t), &s->h) &&
           array_bytes(q, n, 1, &s->q) &&
           array_bytes(q, n / HONE_ACT_BLOCK + 1, sizeof(float), &s->scale) &&
           array_bytes(q, n / 16 + 1, sizeof(int16_t), &s->minus) &&
           hone_add_size(s->f, s->h, &sum) && hone_add_size(sum, s->q, &sum) &&
           hone_add_size(sum, s->scale, &sum) && hone_add_size(sum, s->minus, &s->acts);
}

/* What attention wants of a thread, and of all together, over the program's ops. */
static bool attention_sizes(const hone_program *p, const hone_kv_layout *kv,
                            int n_split, part_sizes *s)
{
    s->query = s->state = s->page = s->parts = 0;
    for (size_t i = 0; i < p->n_op; i++) {
        if (p->op[i].kind != HONE_OP_ATTENTION) continue;
        const hone_attention *a = &p->op[i].attention;
        const size_t group = (size_t)(a->n_head / a->n_head_kv);
        const size_t len = (size_t)hone_state_len(a->d_v);
        const size_t page = hone_attention_scratch(a->d_k, a->d_v, kv->page_len);
        size_t query, state, all, parts;
        if (!line_bytes(group * (size_t)a->d_k, sizeof(float), &query) ||
            !line_bytes(2 * HONE_BLOCK_ROWS * group * len, sizeof(float), &state) ||
            !line_bytes(page, sizeof(float), &all) ||
            !hone_mul_size((size_t)n_split, HONE_SPLIT_ROWS * (size_t)a->n_head * len,
                           &parts) ||
            !line_bytes(parts, sizeof(float), &parts)) {
            return false;
        }
        if (query > s->query) s->query = query;
        if (state > s->state) s->state = state;
        if (all > s->page) s->page = all;
        if (parts > s->parts) s->parts = parts;
    }
    return true;
}

static bool scratch_sizes(const hone_program *p, const hone_kernels *k,
                          const hone_kv_layout *kv, int n_split, part_sizes *s)
{
    if (!acts_sizes(p, k, HONE_SMALL_STEP, s)) return false;
    if (!attention_sizes(p, kv, n_split, s)) return false;
    return line_bytes((size_t)hone_program_widest(p), sizeof(float), &s->row) &&
           line_bytes(HONE_TILE_ROWS * HONE_TILE_COLS, sizeof(float), &s->tile) &&
           hone_add_size(s->acts, 2 * s->row + 2 * s->tile, &s->scratch) &&
           hone_add_size(s->scratch, s->query + s->state, &s->scratch) &&
           hone_add_size(s->scratch, s->page, &s->scratch);
}

/* Splits of the longest sequence. */
static int split_max(const hone_kv_layout *kv, int n_ctx)
{
    const int len = hone_split_pages(kv->page_len) * kv->page_len;
    return (n_ctx - 1) / len + 1;
}

static unsigned char *take(unsigned char **at, size_t bytes)
{
    unsigned char *p = *at;
    *at += bytes;
    return p;
}

static hone_acts place_acts(unsigned char **at, const part_sizes *s)
{
    hone_acts a = {0};
    a.f = (float *)(void *)take(at, s->f);
    a.h = (uint16_t *)(void *)take(at, s->h);
    a.q = (int8_t *)take(at, s->q);
    a.scale = (float *)(void *)take(at, s->scale);
    a.minus = (int16_t *)(void *)take(at, s->minus);
    return a;
}

static hone_status step_bytes(const hone_program *p, const hone_kernels *k,
                              const hone_kv_layout *kv, const hone_step_limits *limits,
                              size_t plan_bytes, size_t *bytes, hone_error *err)
{
    part_sizes shared, own;
    size_t threads;
    if (!acts_sizes(p, k, limits->n_row, &shared) ||
        !scratch_sizes(p, k, kv, split_max(kv, limits->n_ctx), &own) ||
        !hone_mul_size(own.scratch, (size_t)limits->n_thread, &threads) ||
        !hone_add_size(plan_bytes, shared.acts, bytes) ||
        !hone_add_size(*bytes, own.parts, bytes) ||
        !hone_add_size(*bytes, threads, bytes)) {
        return hone_fail(err, HONE_E_LIMIT, "step: memory of %d rows does not fit",
                         limits->n_row);
    }
    return HONE_OK;
}

hone_status hone_executor_plan(const hone_program *p, const hone_kernels *k,
                               const hone_kv_layout *kv, const hone_step_limits *limits,
                               size_t *bytes, hone_error *err)
{
    hone_plan plan;
    HONE_TRY(hone_plan_init(&plan, p, limits->n_row, limits->n_out, err));
    const size_t n = plan.bytes;
    hone_plan_release(&plan);
    return step_bytes(p, k, kv, limits, n, bytes, err);
}

/* One block for everything: values, shared activations, each thread's scratch. */
static hone_status place_all(hone_executor *e, const hone_step_limits *limits,
                             hone_error *err)
{
    size_t bytes = 0;
    part_sizes shared, own;
    HONE_TRY(
        step_bytes(e->program, e->kernels, e->kv, limits, e->plan.bytes, &bytes, err));
    e->memory = hone_alloc_aligned(bytes, 1);
    e->scratch = hone_alloc_zero((size_t)limits->n_thread, sizeof *e->scratch);
    e->block = hone_alloc((size_t)limits->n_row, sizeof *e->block);
    if (!e->memory || !e->scratch || !e->block) {
        return hone_fail(err, HONE_E_NOMEM, "step: cannot get %zu bytes", bytes);
    }
    e->n_split_max = split_max(e->kv, limits->n_ctx);
    HONE_ASSERT(acts_sizes(e->program, e->kernels, limits->n_row, &shared));
    HONE_ASSERT(scratch_sizes(e->program, e->kernels, e->kv, e->n_split_max, &own));
    unsigned char *at = e->memory + e->plan.bytes;
    e->acts = place_acts(&at, &shared);
    e->parts = (float *)(void *)take(&at, own.parts);
    for (int i = 0; i < limits->n_thread; i++) {
        hone_scratch *s = &e->scratch[i];
        s->acts = place_acts(&at, &own);
        s->row = (float *)(void *)take(&at, own.row);
        s->gain = (float *)(void *)take(&at, own.row);
        s->tile = (float *)(void *)take(&at, 2 * own.tile);
        s->query = (float *)(void *)take(&at, own.query);
        s->state = (float *)(void *)take(&at, own.state);
        s->page = (float *)(void *)take(&at, own.page);
    }
    HONE_ASSERT(at == e->memory + bytes);
    return HONE_OK;
}

static hone_status name_ops(hone_executor *e, hone_error *err)
{
    const hone_program *p = e->program;
    e->trace = hone_alloc_zero(p->n_op, sizeof *e->trace);
    e->n_chunk = hone_alloc_zero(p->n_op * STAGES, sizeof *e->n_chunk);
    if (!e->trace || !e->n_chunk)
        return hone_fail(err, HONE_E_NOMEM, "step: out of memory");
    for (size_t i = 0; i < p->n_op; i++) {
        e->trace[i].name = p->op[i].name;
        for (int j = 0; j < p->op[i].n_linear; j++) {
            const hone_matrix *w = hone_pack_get(e->pack, i, j);
            const int rows = w->packed ? HONE_PANEL_ROWS : 1; /* of row_bytes */
            e->trace[i].weight_bytes +=
                (double)w->row_bytes * ((w->n_row - 1) / rows + 1);
        }
    }
    return HONE_OK;
}

hone_status hone_executor_new(hone_executor **out, const hone_program *p,
                              const hone_kernels *k, const hone_pack *pack,
                              hone_pool *pool, const hone_kv_layout *kv,
                              const hone_step_limits *limits, hone_error *err)
{
    HONE_ASSERT(p->finished && limits->n_row > 0 && limits->n_out > 0);
    HONE_ASSERT(limits->n_thread == hone_pool_n_thread(pool) && limits->n_ctx > 0);
    hone_executor *e = hone_alloc_zero(1, sizeof *e);
    if (!e) return hone_fail(err, HONE_E_NOMEM, "step: out of memory");
    e->program = p;
    e->kernels = k;
    e->pack = pack;
    e->pool = pool;
    e->kv = kv;
    e->n_row_max = limits->n_row;
    e->n_out_max = limits->n_out;
    hone_status s = hone_plan_init(&e->plan, p, limits->n_row, limits->n_out, err);
    if (!s) s = place_all(e, limits, err);
    if (!s) s = name_ops(e, err);
    if (s) {
        hone_executor_free(e);
        return s;
    }
    *out = e;
    return HONE_OK;
}

void hone_executor_free(hone_executor *e)
{
    if (!e) return;
    hone_plan_release(&e->plan);
    hone_free(e->memory);
    hone_free(e->scratch);
    hone_free(e->block);
    hone_lora_room_release(&e->lora);
    hone_free(e->n_chunk);
    hone_free(e->trace);
    hone_free(e);
}

/* -- running ---------------------------------------------------------------------- */

static void run_stage(void *ctx, int stage, int chunk, int thread)
{
    hone_executor *e = ctx;
    const hone_op *op = &e->program->op[stage / STAGES];
    hone_op_class_get(op->kind)->run(e, op, stage % STAGES, chunk, thread);
}

/* The same for one op at a time: its number is in single_op. */
typedef struct single {
    hone_executor *e;
    int op;
} single;

static void run_single(void *ctx, int stage, int chunk, int thread)
{
    const single *s = ctx;
    run_stage(s->e, s->op * STAGES + stage, chunk, thread);
}

static void report(hone_executor *e, const hone_op *op)
{
    for (int i = 0; i < 4 && op->out[i] >= 0; i++) {
        const hone_value v = op->out[i];
        e->watch(e->watch_ctx, e->program->value[v].name, hone_value_row(e, v, 0),
                 hone_value_n_row(e, v), e->program->value[v].width);
    }
}

static void run_apart(hone_executor *e)
{
    for (size_t i = 0; i < e->program->n_op; i++) {
        single s = {e, (int)i};
        const int64_t start = hone_clock_ns();
        hone_pool_walk(e->pool, e->n_chunk + i * STAGES, STAGES, run_single, &s);
        e->trace[i].seconds += (double)(hone_clock_ns() - start) * 1e-9;
        e->trace[i].n_run++;
        if (e->watch) report(e, &e->program->op[i]);
    }
}

static void run_together(hone_executor *e)
{
    const int n_stage = (int)e->program->n_op * STAGES;
    const bool small = e->tuned && e->step->n_row <= HONE_SMALL_STEP;
    const bool timed = small && e->step->n_row == 1; /* those with more take longer */
    const int64_t start = timed ? hone_clock_ns() : 0;
    int n = hone_pool_n_thread(e->pool);
    if (small) n = timed ? hone_thread_tuner_next(&e->tuner) : e->tuner.n;
    hone_pool_set_active(e->pool, n);
    hone_pool_walk(e->pool, e->n_chunk, n_stage, run_stage, e);
    hone_pool_set_active(e->pool, hone_pool_n_thread(e->pool));
    if (timed)
        hone_thread_tuner_note(&e->tuner, n, (double)(hone_clock_ns() - start) * 1e-9);
}

/* Cut the step into blocks of rows that follow one another in a sequence.  `apart`: no
 * sequence has two rows. */
static void find_blocks(hone_executor *e)
{
    const hone_step *step = e->step;
    e->n_block = 0;
    e->apart = true;
    for (int r = 0; r < step->n_row; r++) {
        hone_block *b = e->n_block > 0 ? &e->block[e->n_block - 1] : NULL;
        const bool same = b && step->sequence[r] == step->sequence[r - 1];
        if (same) e->apart = false;
        if (same && b->n < HONE_BLOCK_ROWS &&
            step->position[r] == step->position[r - 1] + 1) {
            b->n++;
        } else {
            e->block[e->n_block++] = (hone_block){r, 1};
        }
    }
}

void hone_executor_run(hone_executor *e, const hone_step *step)
{
    HONE_ASSERT(step->n_row > 0 && step->n_row <= e->n_row_max);
    HONE_ASSERT(step->n_out >= 0 && step->n_out <= e->n_out_max);
    e->step = step;
    e->run++;
    find_blocks(e);
    hone_lora_begin(e);
    for (size_t i = 0; i < e->program->n_op; i++) {
        const hone_op *op = &e->program->op[i];
        hone_op_class_get(op->kind)->chunks(e, op, e->n_chunk + i * STAGES);
    }
    if (e->watch || e->tracing) {
        run_apart(e);
    } else {
        run_together(e);
    }
}

void hone_executor_tune(hone_executor *e)
{
    e->tuned = true;
    hone_thread_tuner_init(&e->tuner, hone_pool_n_thread(e->pool));
}

const float *hone_executor_value(const hone_executor *e, hone_value v)
{
    return hone_value_row(e, v, 0);
}

void hone_executor_watch(hone_executor *e, hone_watch_fn *fn, void *ctx)
{
    e->watch = fn;
    e->watch_ctx = ctx;
}

void hone_executor_trace(hone_executor *e, bool on)
{
    for (size_t i = 0; on && i < e->program->n_op; i++) {
        e->trace[i].seconds = 0.0;
        e->trace[i].n_run = 0;
    }
    e->tracing = on;
}

const hone_op_trace *hone_executor_trace_get(const hone_executor *e, int *n)
{
    *n = (int)e->program->n_op;
    return e->trace;
}
