#include "engine/bench_cost.h"

#include <math.h>
#include <string.h>

#include "model/model.h"
#include "program/program.h"

/* -- weights ---------------------------------------------------------------------- */

static bool is_one_of(const char *name, const char *a, const char *b)
{
    return strcmp(name, a) == 0 || strcmp(name, b) == 0;
}

/* Bytes of the matrix that gives logits: the head, or the embedding where it is both. */
static double head_bytes(const hone_model *m)
{
    const size_t n = hone_model_get_info(m)->n_tensor;
    double embedding = 0.0;
    for (size_t i = 0; i < n; i++) {
        hone_tensor_info t;
        hone_model_get_tensor(m, i, &t);
        if (is_one_of(t.name, "output.weight", "lm_head.weight"))
            return (double)t.bytes;
        if (is_one_of(t.name, "token_embd.weight", "model.embed_tokens.weight"))
            embedding = (double)t.bytes;
    }
    return embedding;
}

/* The arithmetic of the type that most weights are stored in. */
static const char *arithmetic_of(const hone_model *m)
{
    const size_t n = hone_model_get_info(m)->n_tensor;
    double int8 = 0.0, bf16 = 0.0, f32 = 0.0;
    for (size_t i = 0; i < n; i++) {
        hone_tensor_info t;
        hone_model_get_tensor(m, i, &t);
        if (t.n_dims < 2) continue;
        const double len = (double)t.shape[0] * (double)t.shape[1] * (double)t.shape[2];
        if (strcmp(t.type, "BF16") == 0)
            bf16 += len;
        else if (is_one_of(t.type, "F32", "F16"))
            f32 += len;
        else
            int8 += len;
    }
    if (int8 >= bf16 && int8 >= f32) return "int8";
    return bf16 >= f32 ? "bf16" : "f32";
}

double hone_bench_peak(const hone_machine_speed *v, const char *arithmetic)
{
    if (strcmp(arithmetic, "int8") == 0) return v->int8_ops_per_s;
    return strcmp(arithmetic, "bf16") == 0 ? v->bf16_flops_per_s : v->f32_flops_per_s;
}

/* -- keys and values -------------------------------------------------------------- */

static double element_bytes(hone_dtype t)
{
    return (double)hone_dtype_get(t)->bytes / hone_dtype_get(t)->block;
}

static hone_status kv_cost(hone_bench_cost *cost, const hone_model *m,
                           const char *kv_type, hone_error *err)
{
    const hone_spec *s = hone_model_spec(m);
    enum {
        PAGE_LEN = 32 /* an engine's */
    };
    hone_kv_layout layout;
    HONE_TRY(
        hone_kv_layout_init(&layout, hone_model_program(m), kv_type, PAGE_LEN, err));
    cost->kv_position_bytes = ceil((double)layout.page_bytes / PAGE_LEN);
    const double element = element_bytes(layout.k_type) + element_bytes(layout.v_type);
    const double kv = element * s->n_head_kv * s->d_head;
    hone_kv_layout_release(&layout);
    const double macs = 2.0 * s->n_head * s->d_head;
    for (int i = 0; i < s->n_layer; i++) {
        const bool window = s->window > 0 && (s->layer[i] & HONE_LAYER_WINDOW);
        *(window ? &cost->window_macs : &cost->attention_macs) += macs;
        *(window ? &cost->kv_window_bytes : &cost->kv_bytes) += kv;
    }
    cost->window = s->window;
    return HONE_OK;
}

hone_status hone_bench_cost_init(hone_bench_cost *cost, const hone_model *m,
                                 const char *kv_type, hone_error *err)
{
    const hone_program *p = hone_model_program(m);
    const hone_spec *s = hone_model_spec(m);
    *cost = (hone_bench_cost){0};
    if (!p) {
        return hone_fail(err, HONE_E_UNSUPPORTED,
                         "the model was opened without weights");
    }
    cost->head_bytes = head_bytes(m);
    cost->head_macs = (double)s->n_vocab * s->d_model;
    cost->body_bytes = hone_program_weight_bytes(p) - cost->head_bytes;
    cost->body_macs = hone_program_row_macs(p) - cost->head_macs;
    cost->arithmetic = arithmetic_of(m);
    return kv_cost(cost, m, kv_type, err);
}

/* -- cases ------------------------------------------------------------------------ */

static double seen(double position, double window)
{
    return window > 0.0 && position + 1.0 > window ? window : position + 1.0;
}

/* A sequence's rows at `position` .. position+n-1 in one step: each row attends, what any
 * of them sees is read once, their own keys and values are written. */
static void add_rows(hone_bench_work *w, const hone_bench_cost *c, int position, int n)
{
    double all = 0.0, near = 0.0;
    for (int i = 0; i < n; i++) {
        all += seen(position + i, 0.0);
        near += seen(position + i, c->window);
    }
    w->ops += 2.0 * (all * c->attention_macs + near * c->window_macs);
    w->ops += 2.0 * n * c->body_macs;
    const double end = (double)position + n;
    const double reach = c->window > 0 ? c->window + n - 1.0 : end;
    w->bytes += (end + n) * c->kv_bytes;
    w->bytes += ((reach < end ? reach : end) + n) * c->kv_window_bytes;
}

static void add_step(hone_bench_work *w, const hone_bench_cost *c, int n_out)
{
    w->bytes += c->body_bytes + (n_out ? c->head_bytes : 0.0);
    w->ops += 2.0 * n_out * c->head_macs;
}

hone_bench_work hone_bench_work_of(const hone_bench_cost *cost,
                                   const hone_bench_case *c, int n_batch)
{
    hone_bench_work w = {0.0, 0.0};
    if (c->test == HONE_BENCH_DECODE) {
        for (int i = 0; i < c->n; i++) {
            add_step(&w, cost, c->batch);
            for (int s = 0; s < c->batch; s++) {
                add_rows(&w, cost, c->depth + i, 1);
            }
        }
        return w;
    }
    /* as hone_engine_append divides it, but that a step's rows are taken to be of one
     * sequence: where sequences share a step the difference is a few keys */
    double rows = (double)c->n * c->batch;
    for (; rows > n_batch; rows -= n_batch) {
        add_step(&w, cost, 0);
    }
    add_step(&w, cost, c->batch);
    for (int s = 0; s < c->batch; s++) {
        for (int at = 0; at < c->n; at += n_batch) {
            add_rows(&w, cost, c->depth + at,
                     c->n - at < n_batch ? c->n - at : n_batch);
        }
    }
    return w;
}
