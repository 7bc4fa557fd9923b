/* engine.c - a model with its threads, its pages and its sequences. */
#include "hone/engine.h"

#include <string.h>

#include "base/file.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/size.h"
#include "engine/adapter_list.h"
#include "engine/kv_pool.h"
#include "hone/hone.h"
#include "model/model.h"
#include "program/executor.h"

enum {
    N_BATCH = 512,
    PAGE_LEN = 32,
    N_SEQUENCE = 8,
    N_SCORE = 8 /* rows of a step whose logits are wanted in score(), at most */
};

/* The step being prepared: rows of one sequence are neighbours. */
typedef struct step_rows {
    int32_t *token, *position, *sequence; /* [n_batch] */
    int32_t *out_row;                     /* [n_out_max] */
    void *const **pages;                  /* [n_batch], of each sequence */
    const hone_lora **lora;               /* the same; NULL: the base */
    int n_row, n_out, n_sequence;
} step_rows;

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
    step_rows rows;
    hone_adapter_list adapters;
    int n_out_max;
    uint64_t n_step; /* steps run so far, for whose logits the executor holds */
};

struct hone_sequence {
    hone_engine *engine;
    hone_adapter *adapter; /* held; NULL: the base */
    hone_tokens tokens;
    void **page; /* [n_page] */
    size_t n_page, page_cap;
    size_t n_left;    /* tokens of the append in progress that have not run */
    uint64_t in_step; /* its logits are row out_row of this step; 0: none */
    int out_row;
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

static int min_int(int a, int b)
{
    return a < b ? a : b;
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
    HONE_TRY(in_range("page length", o->page_len, 1, HONE_PAGE_MAX, err));
    HONE_TRY(in_range("context length", o->n_ctx, 0, INT32_MAX / 2, err));
    return hone_kernels_choose(&e->kernels, o->kernels, err);
}

static hone_status new_rows(step_rows *r, int n_batch, int n_out, hone_error *err)
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

static void release_rows(step_rows *r)
{
    hone_free(r->token);
    hone_free(r->position);
    hone_free(r->sequence);
    hone_free((void *)r->pages);
    hone_free((void *)r->lora);
    hone_free(r->out_row);
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
    hone_engine_options *o = &e->options;
    const int n_full = given && given->n_sequence ? given->n_sequence : 1;
    HONE_TRY(choose_budget(e, n_full, err));
    const int64_t most = (int64_t)o->n_ctx * n_full; /* rows there can be */
    if (o->n_batch > most) o->n_batch = (int)most;
    o->n_sequence = min_int(o->n_sequence, o->n_batch);
    const int n_out = o->n_sequence > N_SCORE ? o->n_sequence : N_SCORE;
    e->n_out_max = min_int(o->n_batch, n_out);
    HONE_TRY(new_rows(&e->rows, o->n_batch, e->n_out_max, err));
    HONE_TRY(hone_pool_new(&e->pool, o->n_thread, err));
    size_t bytes;
    const hone_step_limits limits = {o->n_thread, o->n_batch, e->n_out_max, o->n_ctx};
    HONE_TRY(
        hone_executor_plan(program, &e->kernels, &e->layout, &limits, &bytes, err));
    e->step_bytes = bytes;
    HONE_TRY(hone_pack_new(&e->pack, program, &e->kernels, e->pool, forget, NULL, err));
    HONE_TRY(hone_executor_new(&e->executor, program, &e->kernels, e->pack, e->pool,
                               &e->layout, &limits, err));
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
    hone_kv_pool_free(e->kv);
    hone_kv_layout_release(&e->layout);
    release_rows(&e->rows);
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
        .n_sequence = e->options.n_sequence,
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
    hone_adapter_unref(s->adapter);
    hone_free(s->page);
    hone_tokens_release(&s->tokens);
    hone_free(s);
}

void hone_sequence_set_adapter(hone_sequence *s, hone_adapter *a)
{
    HONE_ASSERT(s->tokens.len == 0);
    hone_adapter_acquire(a);
    hone_adapter_unref(s->adapter);
    s->adapter = a;
}

hone_adapter *hone_sequence_adapter(const hone_sequence *s)
{
    return s->adapter;
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

/* Give back the pages behind the last token. */
static void trim_pages(hone_sequence *s)
{
    const size_t len = (size_t)s->engine->options.page_len;
    const size_t keep = (s->tokens.len + len - 1) / len;
    while (s->n_page > keep) {
        hone_kv_pool_unref(s->engine->kv, s->page[--s->n_page]);
    }
}

void hone_sequence_truncate(hone_sequence *s, size_t n)
{
    s->in_step = 0;
    if (n < s->tokens.len) s->tokens.len = n;
    trim_pages(s);
}

/* Pages and room for n more tokens, so that nothing of an append can fail later. */
static hone_status reserve(hone_sequence *s, size_t n, hone_error *err)
{
    const hone_engine *e = s->engine;
    const size_t len = (size_t)e->options.page_len, n_ctx = (size_t)e->options.n_ctx;
    if (n > n_ctx - s->tokens.len) {
        return hone_fail(err, HONE_E_LIMIT,
                         "context length: expected at most %zu tokens, found %zu",
                         n_ctx, s->tokens.len + n);
    }
    const size_t all = s->tokens.len + n, need = (all + len - 1) / len;
    if (hone_grow((void **)&s->page, &s->page_cap, need, sizeof *s->page) ||
        hone_grow((void **)&s->tokens.id, &s->tokens.cap, all, sizeof *s->tokens.id)) {
        return hone_fail(err, HONE_E_NOMEM, "sequence: out of memory");
    }
    while (s->n_page < need) {
        void *page = hone_kv_pool_acquire(e->kv);
        if (!page) {
            const size_t fit = s->n_page * len - s->tokens.len;
            trim_pages(s);
            return hone_fail(err, HONE_E_LIMIT,
                             "kv cache: full, %zu of %zu tokens fit; a larger budget "
                             "helps",
                             fit, n);
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

/* -- steps ------------------------------------------------------------------------ */

static hone_status begin_step(hone_engine *e, hone_error *err)
{
    const hone_engine_options *o = &e->options;
    e->rows.n_row = e->rows.n_out = e->rows.n_sequence = 0;
    if (o->interrupt && o->interrupt(o->interrupt_ctx)) {
        return hone_fail(err, HONE_E_CANCELLED, "interrupted");
    }
    return HONE_OK;
}

/* Put n tokens of s into the step; the last n_out of them give outputs. */
static void add_rows(hone_engine *e, hone_sequence *s, const int32_t *id, size_t n,
                     size_t n_out)
{
    step_rows *r = &e->rows;
    HONE_ASSERT(r->n_row + (int)n <= e->options.n_batch);
    HONE_ASSERT(r->n_out + (int)n_out <= e->n_out_max);
    for (size_t i = 0; i < n; i++) {
        if (i + n_out >= n) r->out_row[r->n_out++] = r->n_row;
        r->token[r->n_row] = id[i];
        r->position[r->n_row] = (int32_t)s->tokens.len;
        r->sequence[r->n_row++] = r->n_sequence;
        s->tokens.id[s->tokens.len++] = id[i];
    }
    r->lora[r->n_sequence] = hone_adapter_weights(s->adapter);
    r->pages[r->n_sequence++] = s->page;
    s->out_row = r->n_out - 1;
    s->in_step = n_out ? e->n_step + 1 : 0;
}

static void run_step(hone_engine *e)
{
    const step_rows *r = &e->rows;
    const hone_step step = {
        .n_row = r->n_row,
        .token = r->token,
        .position = r->position,
        .sequence = r->sequence,
        .n_out = r->n_out,
        .out_row = r->out_row,
        .pages = r->pages,
        .lora = r->lora,
    };
    e->n_step++;
    hone_executor_run(e->executor, &step);
}

/* Everything that can be wrong with the items, and all their memory. */
static hone_status prepare_items(hone_engine *e, const hone_append_item *item,
                                 size_t n_item, hone_error *err)
{
    if (n_item > (size_t)e->options.n_sequence) {
        return hone_fail(err, HONE_E_LIMIT, "append: expected at most %d, found %zu",
                         e->options.n_sequence, n_item);
    }
    for (size_t i = 0; i < n_item; i++) {
        HONE_ASSERT(item[i].sequence->engine == e);
        if (item[i].n == 0) {
            return hone_fail(err, HONE_E_INVALID, "append: item %zu: no tokens", i);
        }
        for (size_t j = 0; j < i; j++) {
            if (item[j].sequence != item[i].sequence) continue;
            return hone_fail(err, HONE_E_INVALID,
                             "append: items %zu and %zu: the same sequence", j, i);
        }
        HONE_TRY(check_tokens(item[i].sequence, item[i].id, item[i].n, err));
    }
    for (size_t i = 0; i < n_item; i++) {
        const hone_status s = reserve(item[i].sequence, item[i].n, err);
        if (!s) continue;
        while (i-- > 0) {
            trim_pages(item[i].sequence);
        }
        return s;
    }
    return HONE_OK;
}

/* Rows of an item from where it stands. */
static void add_item(hone_engine *e, const hone_append_item *it, size_t n, size_t n_out)
{
    hone_sequence *s = it->sequence;
    add_rows(e, s, it->id + it->n - s->n_left, n, n_out);
    s->n_left -= n;
}

/* A step of everything but last tokens, from the first items on.  Returns its rows. */
static size_t add_slices(hone_engine *e, const hone_append_item *item, size_t n_item)
{
    const size_t batch = (size_t)e->options.n_batch;
    size_t n = 0;
    for (size_t i = 0; i < n_item && n < batch; i++) {
        const size_t body = item[i].sequence->n_left - 1;
        const size_t take = body < batch - n ? body : batch - n;
        if (take) add_item(e, &item[i], take, 0);
        n += take;
    }
    return n;
}

/* All logits are of the last step, so every item keeps its last token for it. */
static hone_status run_items(hone_engine *e, const hone_append_item *item,
                             size_t n_item, hone_error *err)
{
    size_t bodies = 0;
    for (size_t i = 0; i < n_item; i++) {
        item[i].sequence->n_left = item[i].n;
        item[i].sequence->in_step = 0;
        bodies += item[i].n - 1;
    }
    while (bodies > (size_t)e->options.n_batch - n_item) {
        HONE_TRY(begin_step(e, err));
        bodies -= add_slices(e, item, n_item);
        run_step(e);
    }
    HONE_TRY(begin_step(e, err));
    for (size_t i = 0; i < n_item; i++) {
        if (item[i].sequence->n_left == 1) add_item(e, &item[i], 1, 1);
    }
    for (size_t i = 0; i < n_item; i++) {
        const size_t left = item[i].sequence->n_left;
        if (left) add_item(e, &item[i], left, 1);
    }
    run_step(e);
    return HONE_OK;
}

hone_status hone_engine_append(hone_engine *e, const hone_append_item *item,
                               size_t n_item, hone_error *err)
{
    if (n_item == 0) return HONE_OK;
    HONE_TRY(prepare_items(e, item, n_item, err));
    const hone_status s = run_items(e, item, n_item, err);
    for (size_t i = 0; s && i < n_item; i++) {
        trim_pages(item[i].sequence);
    }
    return s;
}

hone_status hone_sequence_append(hone_sequence *s, const int32_t *id, size_t n,
                                 hone_error *err)
{
    const hone_append_item item = {s, id, n};
    s->in_step = 0;
    return n ? hone_engine_append(s->engine, &item, 1, err) : HONE_OK;
}

const float *hone_sequence_logits(const hone_sequence *s)
{
    const hone_engine *e = s->engine;
    if (s->in_step == 0 || s->in_step != e->n_step) return NULL;
    const size_t n_vocab = (size_t)hone_model_spec(e->model)->n_vocab;
    const float *logits = hone_executor_value(
        e->executor, hone_program_logits(hone_model_program(e->model)));
    return logits + (size_t)s->out_row * n_vocab;
}

hone_status hone_sequence_score(hone_sequence *s, const int32_t *id, size_t n,
                                hone_score_fn *fn, void *ctx, hone_error *err)
{
    hone_engine *e = s->engine;
    const hone_program *p = hone_model_program(e->model);
    const size_t n_vocab = (size_t)hone_model_spec(e->model)->n_vocab;
    const size_t d_model = (size_t)hone_model_spec(e->model)->d_model;
    const size_t batch = (size_t)min_int(N_SCORE, e->n_out_max);
    HONE_TRY(check_tokens(s, id, n, err));
    HONE_TRY(reserve(s, n, err));
    for (size_t i = 0; i < n;) {
        const size_t take = n - i < batch ? n - i : batch;
        const size_t position = s->tokens.len;
        const hone_status status = begin_step(e, err);
        if (status) {
            trim_pages(s);
            return status;
        }
        add_rows(e, s, id + i, take, take);
        run_step(e);
        const float *logits = hone_executor_value(e->executor, hone_program_logits(p));
        const float *hidden = hone_executor_value(e->executor, hone_program_hidden(p));
        for (size_t r = 0; r < take; r++) {
            fn(ctx, position + r, logits + r * n_vocab, hidden + r * d_model);
        }
        i += take;
    }
    s->in_step = 0;
    return HONE_OK;
}
