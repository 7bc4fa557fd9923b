/* step.c - rows of several sequences through the model: one step, or as many as an append
 * takes. */
#include <string.h>

#include "engine/engine_internal.h"

/* -- one step --------------------------------------------------------------------- */

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
    hone_step_rows *r = &e->rows;
    HONE_ASSERT(r->n_row + (int)n <= e->options.n_batch);
    HONE_ASSERT(r->n_out + (int)n_out <= e->options.n_output);
    s->out_first = r->n_out;
    s->n_output = (int)n_out;
    s->in_step = n_out ? e->n_step + 1 : 0;
    for (size_t i = 0; i < n; i++) {
        if (i + n_out >= n) r->out_row[r->n_out++] = r->n_row;
        r->token[r->n_row] = id[i];
        r->position[r->n_row] = (int32_t)s->tokens.len;
        r->sequence[r->n_row++] = r->n_sequence;
        s->tokens.id[s->tokens.len++] = id[i];
    }
    r->lora[r->n_sequence] = hone_adapter_weights(s->adapter);
    r->pages[r->n_sequence++] = s->page;
}

static void run_step(hone_engine *e)
{
    const hone_step_rows *r = &e->rows;
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
static hone_status prepare_items(hone_engine *e, const hone_step_item *item,
                                 size_t n_item, hone_error *err)
{
    e->n_call++;
    for (size_t i = 0; i < n_item; i++) {
        hone_sequence *s = item[i].sequence;
        HONE_ASSERT(s->engine == e);
        if (item[i].n == 0) {
            return hone_fail(err, HONE_E_INVALID, "step: item %zu: no tokens", i);
        }
        if (s->in_call == e->n_call) {
            return hone_fail(err, HONE_E_INVALID, "step: item %zu: a sequence twice",
                             i);
        }
        s->in_call = e->n_call;
        HONE_TRY(hone_engine_check_tokens(e, item[i].id, item[i].n, err));
    }
    for (size_t i = 0; i < n_item; i++) {
        const hone_status s = hone_sequence_reserve(item[i].sequence, item[i].n, err);
        if (!s) continue;
        while (i-- > 0) {
            hone_sequence_trim(item[i].sequence);
        }
        return s;
    }
    return HONE_OK;
}

static hone_status check_size(const hone_engine *e, const hone_step_item *item,
                              size_t n_item, hone_error *err)
{
    size_t n = 0, n_out = 0;
    const size_t rows = (size_t)e->options.n_batch;
    const size_t outputs = (size_t)e->options.n_output;
    for (size_t i = 0; i < n_item && n <= rows && n_out <= outputs; i++) {
        HONE_ASSERT(item[i].n_out <= item[i].n);
        n += item[i].n;
        n_out += item[i].n_out;
    }
    if (n > rows) {
        return hone_fail(err, HONE_E_LIMIT, "step: expected at most %zu rows", rows);
    }
    if (n_out > outputs) {
        return hone_fail(err, HONE_E_LIMIT, "step: expected at most %zu outputs",
                         outputs);
    }
    return HONE_OK;
}

static void publish_items(const hone_step_item *item, size_t n_item)
{
    for (size_t i = 0; i < n_item; i++) {
        hone_sequence_publish(item[i].sequence, false);
    }
}

static void trim_items(const hone_step_item *item, size_t n_item)
{
    for (size_t i = 0; i < n_item; i++) {
        hone_sequence_trim(item[i].sequence);
    }
}

hone_status hone_engine_step(hone_engine *e, const hone_step_item *item, size_t n_item,
                             hone_error *err)
{
    if (n_item == 0) return HONE_OK;
    HONE_TRY(check_size(e, item, n_item, err));
    HONE_TRY(prepare_items(e, item, n_item, err));
    const hone_status s = begin_step(e, err);
    if (s) {
        trim_items(item, n_item);
        return s;
    }
    for (size_t i = 0; i < n_item; i++) {
        add_rows(e, item[i].sequence, item[i].id, item[i].n, item[i].n_out);
    }
    run_step(e);
    publish_items(item, n_item);
    return HONE_OK;
}

const float *hone_sequence_output(const hone_sequence *s, size_t i,
                                  const float **hidden)
{
    const hone_engine *e = s->engine;
    if (s->in_step == 0 || s->in_step != e->n_step || i >= (size_t)s->n_output)
        return NULL;
    const hone_program *p = hone_model_program(e->model);
    const hone_spec *spec = hone_model_spec(e->model);
    const size_t row = (size_t)s->out_first + i;
    if (hidden) {
        *hidden = hone_executor_value(e->executor, hone_program_hidden(p)) +
                  row * (size_t)spec->d_model;
    }
    return hone_executor_value(e->executor, hone_program_logits(p)) +
           row * (size_t)spec->n_vocab;
}

const float *hone_sequence_logits(const hone_sequence *s)
{
    return s->n_output ? hone_sequence_output(s, (size_t)s->n_output - 1, NULL) : NULL;
}

/* -- appends ---------------------------------------------------------------------- */

/* Rows of an item from where it stands. */
static void add_item(hone_engine *e, const hone_step_item *it, size_t n, size_t n_out)
{
    hone_sequence *s = it->sequence;
    add_rows(e, s, it->id + it->n - s->n_left, n, n_out);
    s->n_left -= n;
}

/* A step of everything but last tokens, from the first items on.  Returns its rows. */
static size_t add_slices(hone_engine *e, const hone_step_item *item, size_t n_item)
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
static hone_status run_items(hone_engine *e, const hone_step_item *item, size_t n_item,
                             hone_error *err)
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

hone_status hone_engine_append(hone_engine *e, const hone_step_item *item,
                               size_t n_item, hone_error *err)
{
    if (n_item == 0) return HONE_OK;
    if (n_item > (size_t)e->options.n_sequence) {
        return hone_fail(err, HONE_E_LIMIT, "append: expected at most %d, found %zu",
                         e->options.n_sequence, n_item);
    }
    HONE_TRY(prepare_items(e, item, n_item, err));
    const hone_status s = run_items(e, item, n_item, err);
    if (s) trim_items(item, n_item);
    publish_items(item, n_item);
    return s;
}

hone_status hone_sequence_append(hone_sequence *s, const int32_t *id, size_t n,
                                 hone_error *err)
{
    const hone_step_item item = {s, id, n, 1};
    s->in_step = 0;
    return n ? hone_engine_append(s->engine, &item, 1, err) : HONE_OK;
}

hone_status hone_sequence_score(hone_sequence *s, const int32_t *id, size_t n,
                                hone_score_fn *fn, void *ctx, hone_error *err)
{
    hone_engine *e = s->engine;
    const size_t batch = (size_t)e->options.n_output;
    HONE_TRY(hone_engine_check_tokens(e, id, n, err));
    HONE_TRY(hone_sequence_reserve(s, n, err));
    for (size_t i = 0; i < n;) {
        const size_t take = n - i < batch ? n - i : batch;
        const size_t position = s->tokens.len;
        const hone_status status = begin_step(e, err);
        if (status) {
            hone_sequence_trim(s);
            return status;
        }
        add_rows(e, s, id + i, take, take);
        run_step(e);
        for (size_t r = 0; r < take; r++) {
            const float *hidden, *logits = hone_sequence_output(s, r, &hidden);
            fn(ctx, position + r, logits, hidden);
        }
        i += take;
    }
    s->in_step = 0;
    hone_sequence_publish(s, false);
    return HONE_OK;
}
