/* engine.c - a model with its threads, its pages and its sequences. */
#include "hone/engine.h"

#include <string.h>

#include "base/file.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/size.h"
#include "engine/engine_internal.h"
#include "hone/hone.h"

enum {
    N_BATCH = 512,
    PAGE_LEN = 32,
    N_SEQUENCE = 8,
    N_OUTPUT = 8
};

const char *hone_version(void)
{
    return HONE_VERSION;
}

/* -- engine ----------------------------------------------------------------------- */

/* The weights of an open model are mapped files. */
static void forget(void *ctx, const void *data, size_t bytes)
{
    (void)ctx;
    hone_file_forget(data, bytes);
}

static hone_status in_range(const char *name, int value, int lo, int hi,
                            hone_error *err)
{
    if (value >= lo && value <= hi) return HONE_OK;
    return hone_fail(err, HONE_E_INVALID, "%s: expected %d to %d, found %d", name, lo,
                     hi, value);
}

/* Context length and page budget, each from the other where only one is given; the
 * default budget holds n_full sequences. */
static hone_status choose_budget(hone_engine *e, int n_full, hone_error *err)
{
    hone_engine_options *o = &e->options;
    const hone_spec *spec = hone_model_spec(e->model);
    const uint64_t page = e->layout.page_bytes;
    const bool ctx_given = o->n_ctx != 0;
    if (!ctx_given) o->n_ctx = spec->n_ctx;
    const uint64_t len = (uint64_t)o->page_len;
    const uint64_t pages = ((uint64_t)o->n_ctx + len - 1) / len;
    if (o->kv_bytes == 0) {
        size_t bytes;
        if (!hone_mul_size(pages * page, (size_t)n_full, &bytes)) bytes = SIZE_MAX / 2;
        o->kv_bytes = bytes;
        /* one sequence of the length that was asked for is always taken at its word */
        const uint64_t half = hone_machine_available_bytes() / 2;
        const uint64_t least = ctx_given ? pages * page : page;
        if (o->kv_bytes > half) o->kv_bytes = half > least ? half : least;
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

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
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
    if (o->n_sequence == 0) o->n_sequence = min_int(N_SEQUENCE, o->n_batch);
    HONE_TRY(in_range("sequences of a step", o->n_sequence, 1, o->n_batch, err));
    if (o->n_output == 0)
        o->n_output = max_int(o->n_sequence, min_int(N_OUTPUT, o->n_batch));
    HONE_TRY(
        in_range("outputs of a step", o->n_output, o->n_sequence, o->n_batch, err));
    HONE_TRY(in_range("page length", o->page_len, 1, HONE_PAGE_MAX, err));
    HONE_TRY(in_range("context length", o->n_ctx, 0, INT32_MAX / 2, err));
    return hone_kernels_choose(&e->kernels, o->kernels, err);
}

static hone_status new_rows(hone_step_rows *r, int n_batch, int n_out, hone_error *err)
{
    const size_t n = (size_t)n_batch;
    r->token = hone_alloc(n, sizeof *r->token);
    r->position = hone_alloc(n, sizeof *r->position);
    r->sequence = hone_alloc(n, sizeof *r->sequence);
    r->pages = hone_alloc(n, sizeof *r->pages);
    r->lora = hone_alloc(n, sizeof *r->lora);
    r->out_row = hone_alloc((size_t)n_out, sizeof *r->out_row);
    if (r->token && r->position && r->sequence && r->pages && r->lora && r->out_row)
        return HONE_OK;
    return hone_fail(err, HONE_E_NOMEM, "out of memory");
}

static void release_rows(hone_step_rows *r)
{
    hone_free(r->token);
    hone_free(r->position);
    hone_free(r->sequence);
    hone_free((void *)r->pages);
    hone_free((void *)r->lora);
    hone_free(r->out_row);
}

static hone_status new_cache(hone_engine *e, hone_error *err)
{
    const hone_engine_options *o = &e->options;
    if (o->disk_dir) {
        HONE_TRY(hone_page_store_new(&e->store, o->disk_dir, o->disk_bytes,
                                     e->layout.page_bytes, err));
    }
    return hone_prefix_tree_new(&e->cache, e->kv, e->store, (size_t)o->page_len, err);
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
    HONE_TRY(hone_kv_layout_init(&e->layout, program, e->options.kv_type,
                                 e->options.page_len, err));
    hone_engine_options *o = &e->options;
    const int n_full = given && given->n_sequence ? given->n_sequence : 1;
    HONE_TRY(choose_budget(e, n_full, err));
    const int64_t most = (int64_t)o->n_ctx * n_full; /* rows there can be */
    if (o->n_batch > most) o->n_batch = (int)most;
    o->n_sequence = min_int(o->n_sequence, o->n_batch);
    o->n_output = min_int(o->n_output, o->n_batch);
    if (o->cache) {
        HONE_TRY(new_cache(e, err));
    }
    HONE_TRY(new_rows(&e->rows, o->n_batch, o->n_output, err));
    HONE_TRY(hone_pool_new(&e->pool, o->n_thread, err));
    size_t bytes;
    const hone_step_limits limits = {o->n_thread, o->n_batch, o->n_output, o->n_ctx};
    HONE_TRY(
        hone_executor_plan(program, &e->kernels, &e->layout, &limits, &bytes, err));
    e->step_bytes = bytes;
    const hone_pack_options po = {.forget = forget,
                                  .file = o->packed_file,
                                  .stamp =
                                      hone_source_stamp(hone_model_source(e->model))};
    HONE_TRY(hone_pack_new(&e->pack, program, &e->kernels, e->pool, &po, err));
    HONE_TRY(hone_executor_new(&e->executor, program, &e->kernels, e->pack, e->pool,
                               &e->layout, &limits, err));
    if (!given || given->n_thread == 0) hone_executor_tune(e->executor);
    e->adapters = (hone_adapter_list){
        .model = e->model, .kernels = &e->kernels, .executor = e->executor};
    return HONE_OK;
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
    hone_adapter_list_release(&e->adapters);
    hone_executor_free(e->executor);
    hone_pack_free(e->pack);
    hone_pool_free(e->pool);
    for (int i = 0; i < e->n_work; i++) {
        hone_sampler_work_release(&e->work[i]);
    }
    hone_free(e->work);
    hone_grammar_vocab_free(e->vocab);
    hone_prefix_tree_free(e->cache);
    hone_page_store_free(e->store);
    hone_kv_pool_free(e->kv);
    hone_kv_layout_release(&e->layout);
    release_rows(&e->rows);
    hone_free(e);
}

hone_engine_info hone_engine_get_info(const hone_engine *e)
{
    const size_t idle = hone_kv_pool_n_idle(e->kv);
    const size_t used = hone_kv_pool_n_page(e->kv) - hone_kv_pool_n_free(e->kv) - idle;
    return (hone_engine_info){
        .kernels = e->kernels.tier,
        .n_thread = e->options.n_thread,
        .n_ctx = e->options.n_ctx,
        .n_batch = e->options.n_batch,
        .n_sequence = e->options.n_sequence,
        .n_output = e->options.n_output,
        .page_len = e->options.page_len,
        .kv_bytes = e->options.kv_bytes,
        .kv_bytes_used = (uint64_t)used * e->layout.page_bytes,
        .kv_bytes_cached = (uint64_t)idle * e->layout.page_bytes,
        .disk_bytes_used =
            e->store ? (uint64_t)hone_page_store_n_used(e->store) * e->layout.page_bytes
                     : 0,
        .step_bytes = e->step_bytes,
        .packed_kept = hone_pack_kept(e->pack),
        .packed_warning = hone_pack_warning(e->pack),
    };
}

const hone_model *hone_engine_model(const hone_engine *e)
{
    return e->model;
}

hone_adapter_list *hone_engine_adapters(const hone_engine *e)
{
    return &((hone_engine *)(uintptr_t)e)->adapters;
}

void hone_engine_watch(hone_engine *e, hone_value_fn *fn, void *ctx)
{
    hone_executor_watch(e->executor, fn, ctx);
}

void hone_engine_trace(hone_engine *e, bool on)
{
    hone_executor_trace(e->executor, on);
}

bool hone_engine_trace_get(const hone_engine *e, int i, hone_op_time *out)
{
    int n;
    const hone_op_trace *t = hone_executor_trace_get(e->executor, &n);
    if (i < 0 || i >= n) return false;
    *out = (hone_op_time){t[i].name, t[i].seconds, t[i].weight_bytes};
    return true;
}

/* -- what answers need ------------------------------------------------------------ */

hone_status hone_engine_vocab(hone_engine *e, hone_grammar_vocab **v, hone_error *err)
{
    const hone_tokenizer *tok = hone_model_tokenizer(e->model);
    if (!e->vocab) {
        size_t n;
        const int32_t *end = hone_model_end_tokens(e->model, &n);
        if (!tok) {
            return hone_fail(err, HONE_E_INVALID,
                             "grammar: the model has no tokenizer");
        }
        HONE_TRY(hone_grammar_vocab_new(&e->vocab, tok, end, n, err));
    }
    *v = e->vocab;
    return HONE_OK;
}

hone_status hone_engine_work(hone_engine *e, int n, hone_sampler_work **w,
                             hone_error *err)
{
    const hone_tokenizer *tok = hone_model_tokenizer(e->model);
    const int n_token = tok ? hone_tokenizer_n_vocab(tok) : 0;
    if (e->n_work < n) {
        hone_sampler_work *more = hone_realloc(e->work, (size_t)n, sizeof *more);
        if (!more) return hone_fail(err, HONE_E_NOMEM, "sampling: out of memory");
        e->work = more;
    }
    for (; e->n_work < n; e->n_work++) {
        HONE_TRY(hone_sampler_work_init(&e->work[e->n_work], &e->kernels,
                                        hone_model_spec(e->model)->n_vocab, n_token,
                                        err));
    }
    *w = e->work;
    return HONE_OK;
}

/* -- pages ------------------------------------------------------------------------ */

void *hone_engine_acquire_page(hone_engine *e)
{
    void *page = hone_kv_pool_acquire(e->kv);
    while (!page && e->cache && hone_prefix_evict(e->cache)) {
        page = hone_kv_pool_acquire(e->kv);
    }
    return page;
}

size_t hone_engine_n_available(const hone_engine *e)
{
    return hone_kv_pool_n_free(e->kv) + hone_kv_pool_n_idle(e->kv);
}

hone_status hone_engine_check_tokens(const hone_engine *e, const int32_t *id, size_t n,
                                     hone_error *err)
{
    const int n_vocab = hone_model_spec(e->model)->n_vocab;
    for (size_t i = 0; i < n; i++) {
        if (id[i] < 0 || id[i] >= n_vocab) {
            return hone_fail(err, HONE_E_INVALID,
                             "token %zu: expected 0 to %d, found %d", i, n_vocab - 1,
                             id[i]);
        }
    }
    return HONE_OK;
}
