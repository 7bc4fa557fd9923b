/* engine.c - a model with its threads, its pages and its sequences. */
#include "hone/engine.h"

#include <string.h>

#include "base/cpu.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/pool.h"
#include "engine/kv_pool.h"
#include "hone/hone.h"
#include "model/model.h"
#include "program/executor.h"

enum {
    N_BATCH = 512,
    PAGE_LEN = 32,
    N_SCORE = 8 /* rows a step whose logits are wanted, at most */
};

struct hone_engine {
    const hone_model *model; /* borrowed */
    hone_kernels kernels;
    hone_pool *pool;
    hone_kv_layout layout;
    hone_kv_pool *kv;
    hone_pack *pack;
    hone_executor *executor;
    hone_engine_options options; /* defaults filled in */
    uint64_t step_bytes;
    int32_t *position, *sequence; /* [n_batch] of the step being prepared */
    const hone_sequence *last;    /* whose logits the executor holds, or NULL */
};

struct hone_sequence {
    hone_engine *engine;
    hone_tokens tokens;
    void **page; /* [n_page] */
    size_t n_page, page_cap;
};

const char *hone_version(void)
{
    return HONE_VERSION;
}

/* -- engine ----------------------------------------------------------------------- */

static hone_status choose_kernels(hone_engine *e, const char *tier, hone_error *err)
{
    unsigned flags = hone_cpu_flags();
    if (tier && !hone_kernels_flags(tier, flags, &flags)) {
        return hone_fail(
            err, HONE_E_INVALID,
            "kernels '%s': not a tier this machine has; 'ref' always works", tier);
    }
    hone_kernels_init(&e->kernels, flags);
    return HONE_OK;
}

static hone_status in_range(const char *name, int value, int lo, int hi,
                            hone_error *err)
{
    if (value >= lo && value <= hi) return HONE_OK;
    return hone_fail(err, HONE_E_INVALID, "%s: expected %d to %d, found %d", name, lo,
                     hi, value);
}

/* Context length and page budget, each from the other where only one is given. */
static hone_status choose_budget(hone_engine *e, hone_error *err)
{
    hone_engine_options *o = &e->options;
    const hone_spec *spec = hone_model_spec(e->model);
    const uint64_t page = e->layout.page_bytes;
    const bool ctx_given = o->n_ctx != 0;
    if (!ctx_given) o->n_ctx = spec->n_ctx;
    const uint64_t len = (uint64_t)o->page_len;
    const uint64_t pages = ((uint64_t)o->n_ctx + len - 1) / len;
    if (o->kv_bytes == 0) {
        o->kv_bytes = pages * page;
        const uint64_t half = hone_machine_available_bytes() / 2;
        if (!ctx_given && o->kv_bytes > half) o->kv_bytes = half > page ? half : page;
    }
    const uint64_t fit = o->kv_bytes / page * len;
    if (fit < (uint64_t)o->n_ctx) {
        if (ctx_given) {
            return hone_fail(err, HONE_E_LIMIT,
                             "kv cache: a context of %d needs %llu bytes, found %llu",
                             o->n_ctx, (unsigned long long)(pages * page),
                             (unsigned long long)o->kv_bytes);
        }
        o->n_ctx = (int)fit;
    }
    return hone_kv_pool_new(&e->kv, e->layout.page_bytes, o->kv_bytes, err);
}

static hone_status fill_options(hone_engine *e, const hone_engine_options *given,
                                hone_error *err)
{
    hone_engine_options *o = &e->options;
    if (given) *o = *given;
    if (o->n_thread == 0) o->n_thread = hone_machine_threads();
    if (o->n_batch == 0) o->n_batch = N_BATCH;
    if (o->page_len == 0) o->page_len = PAGE_LEN;
    if (!o->kv_type) o->kv_type = "f16";
    HONE_TRY(in_range("threads", o->n_thread, 1, HONE_POOL_MAX_THREADS, err));
    HONE_TRY(in_range("batch", o->n_batch, 1, 1 << 16, err));
    HONE_TRY(in_range("page length", o->page_len, 1, HONE_PAGE_MAX, err));
    HONE_TRY(in_range("context length", o->n_ctx, 0, INT32_MAX / 2, err));
    return choose_kernels(e, o->kernels, err);
}

static hone_status build(hone_engine *e, const hone_engine_options *given,
                         hone_error *err)
{
    const hone_program *program = hone_model_program(e->model);
    if (!program) {
        return hone_fail(err, HONE_E_UNSUPPORTED,
                         "the model was opened without weights");
    }
    HONE_TRY(fill_options(e, given, err));
    hone_dtype type;
    if (!hone_dtype_from_name(e->options.kv_type, &type)) {
        return hone_fail(err, HONE_E_INVALID, "kv type '%s': expected f32, f16 or bf16",
                         e->options.kv_type);
    }
    HONE_TRY(hone_kv_layout_init(&e->layout, program, type, e->options.page_len, err));
    HONE_TRY(choose_budget(e, err));
    hone_engine_options *o = &e->options;
    if (o->n_batch > o->n_ctx) o->n_batch = o->n_ctx;
    const int n_out = o->n_batch < N_SCORE ? o->n_batch : N_SCORE;
    e->position = hone_alloc((size_t)o->n_batch, sizeof *e->position);
    e->sequence = hone_alloc_zero((size_t)o->n_batch, sizeof *e->sequence);
    if (!e->position || !e->sequence)
        return hone_fail(err, HONE_E_NOMEM, "out of memory");
    HONE_TRY(hone_pool_new(&e->pool, o->n_thread, err));
    size_t bytes;
    const hone_step_limits limits = {o->n_thread, o->n_batch, n_out, o->n_ctx};
    HONE_TRY(
        hone_executor_plan(program, &e->kernels, &e->layout, &limits, &bytes, err));
    e->step_bytes = bytes;
    HONE_TRY(hone_pack_new(&e->pack, program, &e->kernels, e->pool, NULL, NULL, err));
    return hone_executor_new(&e->executor, program, &e->kernels, e->pack, e->pool,
                             &e->layout, &limits, err);
}

hone_status hone_engine_new(hone_engine **out, const hone_model *model,
                            const hone_engine_options *options, hone_error *err)
{
    hone_engine *e = hone_alloc_zero(1, sizeof *e);
    if (!e) return hone_fail(err, HONE_E_NOMEM, "engine: out of memory");
    e->model = model;
    const hone_status s = build(e, options, err);
    if (s) {
        hone_engine_free(e);
        return hone_error_wrap(err, s, "start engine");
    }
    *out = e;
    return HONE_OK;
}

void hone_engine_free(hone_engine *e)
{
    if (!e) return;
    hone_executor_free(e->executor);
    hone_pack_free(e->pack);
    hone_pool_free(e->pool);
    hone_kv_pool_free(e->kv);
    hone_kv_layout_release(&e->layout);
    hone_free(e->position);
    hone_free(e->sequence);
    hone_free(e);
}

hone_engine_info hone_engine_get_info(const hone_engine *e)
{
    const size_t used = hone_kv_pool_n_page(e->kv) - hone_kv_pool_n_free(e->kv);
    return (hone_engine_info){
        .kernels = e->kernels.tier,
        .n_thread = e->options.n_thread,
        .n_ctx = e->options.n_ctx,
        .n_batch = e->options.n_batch,
        .page_len = e->options.page_len,
        .kv_bytes = e->options.kv_bytes,
        .kv_bytes_used = (uint64_t)used * e->layout.page_bytes,
        .step_bytes = e->step_bytes,
    };
}

const hone_model *hone_engine_model(const hone_engine *e)
{
    return e->model;
}

void hone_engine_watch(hone_engine *e, hone_value_fn *fn, void *ctx)
{
    hone_executor_watch(e->executor, fn, ctx);
}

/* -- sequences -------------------------------------------------------------------- */

hone_status hone_sequence_new(hone_sequence **out, hone_engine *e, hone_error *err)
{
    hone_sequence *s = hone_alloc_zero(1, sizeof *s);
    if (!s) return hone_fail(err, HONE_E_NOMEM, "sequence: out of memory");
    s->engine = e;
    *out = s;
    return HONE_OK;
}

void hone_sequence_free(hone_sequence *s)
{
    if (!s) return;
    hone_sequence_truncate(s, 0);
    hone_free(s->page);
    hone_tokens_release(&s->tokens);
    hone_free(s);
}

hone_engine *hone_sequence_engine(const hone_sequence *s)
{
    return s->engine;
}

const int32_t *hone_sequence_tokens(const hone_sequence *s, size_t *n)
{
    *n = s->tokens.len;
    return s->tokens.id;
}

void hone_sequence_truncate(hone_sequence *s, size_t n)
{
    if (s->engine->last == s) s->engine->last = NULL;
    if (n < s->tokens.len) s->tokens.len = n;
    const size_t len = (size_t)s->engine->options.page_len;
    const size_t keep = (s->tokens.len + len - 1) / len;
    while (s->n_page > keep) {
        hone_kv_pool_unref(s->engine->kv, s->page[--s->n_page]);
    }
}

/* Pages for n more tokens. */
static hone_status reserve(hone_sequence *s, size_t n, hone_error *err)
{
    const hone_engine *e = s->engine;
    const size_t len = (size_t)e->options.page_len, n_ctx = (size_t)e->options.n_ctx;
    if (n > n_ctx - s->tokens.len) {
        return hone_fail(err, HONE_E_LIMIT,
                         "context length: expected at most %zu tokens, found %zu",
                         n_ctx, s->tokens.len + n);
    }
    const size_t need = (s->tokens.len + n + len - 1) / len;
    if (hone_grow((void **)&s->page, &s->page_cap, need, sizeof *s->page)) {
        return hone_fail(err, HONE_E_NOMEM, "sequence: out of memory");
    }
    while (s->n_page < need) {
        void *page = hone_kv_pool_acquire(e->kv);
        if (!page) {
            return hone_fail(
                err, HONE_E_LIMIT,
                "kv cache: full, %zu of %zu tokens fit; a larger budget helps",
                s->n_page * len - s->tokens.len, n);
        }
        s->page[s->n_page++] = page;
    }
    return HONE_OK;
}

static hone_status check_tokens(const hone_sequence *s, const int32_t *id, size_t n,
                                hone_error *err)
{
    const int n_vocab = hone_model_spec(s->engine->model)->n_vocab;
    for (size_t i = 0; i < n; i++) {
        if (id[i] < 0 || id[i] >= n_vocab) {
            return hone_fail(err, HONE_E_INVALID,
                             "token %zu: expected 0 to %d, found %d", i, n_vocab - 1,
                             id[i]);
        }
    }
    return HONE_OK;
}

/* One step over n <= n_batch tokens; the last n_out rows give outputs. */
static hone_status run_step(hone_sequence *s, const int32_t *id, int n, int n_out,
                            hone_error *err)
{
    hone_engine *e = s->engine;
    const hone_engine_options *o = &e->options;
    if (o->interrupt && o->interrupt(o->interrupt_ctx)) {
        return hone_fail(err, HONE_E_CANCELLED, "interrupted");
    }
    int32_t out_row[N_SCORE];
    for (int i = 0; i < n; i++) {
        e->position[i] = (int32_t)s->tokens.len + i;
    }
    for (int i = 0; i < n_out; i++) {
        out_row[i] = n - n_out + i;
    }
    void *const *pages = s->page;
    const hone_step step = {
        .n_row = n,
        .token = id,
        .position = e->position,
        .sequence = e->sequence,
        .n_out = n_out,
        .out_row = out_row,
        .pages = &pages,
    };
    HONE_TRY(hone_tokens_append(&s->tokens, id, (size_t)n, err));
    hone_executor_run(e->executor, &step);
    return HONE_OK;
}

hone_status hone_sequence_append(hone_sequence *s, const int32_t *id, size_t n,
                                 hone_error *err)
{
    hone_engine *e = s->engine;
    HONE_TRY(check_tokens(s, id, n, err));
    HONE_TRY(reserve(s, n, err));
    e->last = NULL;
    for (size_t i = 0; i < n;) {
        const size_t batch = (size_t)e->options.n_batch;
        const size_t take = n - i < batch ? n - i : batch;
        const bool end = i + take == n;
        HONE_TRY(run_step(s, id + i, (int)take, end ? 1 : 0, err));
        i += take;
        if (end) e->last = s;
    }
    return HONE_OK;
}

const float *hone_sequence_logits(const hone_sequence *s)
{
    const hone_engine *e = s->engine;
    if (e->last != s) return NULL;
    return hone_executor_value(e->executor,
                               hone_program_logits(hone_model_program(e->model)));
}

hone_status hone_sequence_score(hone_sequence *s, const int32_t *id, size_t n,
                                hone_score_fn *fn, void *ctx, hone_error *err)
{
    hone_engine *e = s->engine;
    const hone_program *p = hone_model_program(e->model);
    const size_t n_vocab = (size_t)hone_model_spec(e->model)->n_vocab;
    const size_t d_model = (size_t)hone_model_spec(e->model)->d_model;
    const size_t batch =
        e->options.n_batch < N_SCORE ? (size_t)e->options.n_batch : N_SCORE;
    HONE_TRY(check_tokens(s, id, n, err));
    HONE_TRY(reserve(s, n, err));
    e->last = NULL;
    for (size_t i = 0; i < n;) {
        const size_t take = n - i < batch ? n - i : batch;
        const size_t position = s->tokens.len;
        HONE_TRY(run_step(s, id + i, (int)take, (int)take, err));
        const float *logits = hone_executor_value(e->executor, hone_program_logits(p));
        const float *hidden = hone_executor_value(e->executor, hone_program_hidden(p));
        for (size_t r = 0; r < take; r++) {
            fn(ctx, position + r, logits + r * n_vocab, hidden + r * d_model);
        }
        i += take;
    }
    return HONE_OK;
}
