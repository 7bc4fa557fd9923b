/* op_attention.c - keys and values into pages, and attention over them.
 *
 * Stage 0 writes the pages of a step in which a sequence has several rows; stage 1
 * attends.  When every row belongs to another sequence, the thread that attends for a
 * K/V head writes that head's new key and value itself, and stage 0 has no chunks. */
#include <string.h>

#include "program/op_internal.h"

static void chunks(const hone_executor *e, const hone_op *op, int n_chunk[2])
{
    n_chunk[0] = e->apart ? 0 : e->step->n_row;
    n_chunk[1] = e->step->n_row * op->attention.n_head_kv;
}

/* Norm and rotate `n` heads of width d, in place. */
static void prepare_heads(const hone_executor *e, const hone_op *op, float *x, int n,
                          int d, const hone_norm *norm, int row, hone_scratch *s)
{
    const hone_attention *a = &op->attention;
    const float *gain = hone_widen_vector(e->kernels, &norm->gain, s->gain);
    const float *cs = a->cos_sin >= 0 ? hone_value_row(e, a->cos_sin, row) : NULL;
    for (int h = 0; h < n; h++) {
        float *head = x + (size_t)h * (size_t)d;
        if (gain) e->kernels->rmsnorm(head, head, gain, d, norm->eps);
        if (cs) e->kernels->rope(head, cs, a->n_rot, a->interleaved);
    }
}

/* Prepare query heads and the key of K/V head g of a row, and store key and value. */
static void write_head(const hone_executor *e, const hone_op *op, int row, int g,
                       hone_scratch *s)
{
    const hone_attention *a = &op->attention;
    const hone_kv_slot *slot = &e->kv->slot[op->kv_slot];
    const int group = a->n_head / a->n_head_kv;
    const int position = e->step->position[row], page_len = e->kv->page_len;
    float *q = hone_value_row(e, op->in[0], row) + (size_t)g * (size_t)(group * a->d_k);
    float *k = hone_value_row(e, op->in[1], row) + (size_t)g * (size_t)a->d_k;
    const float *v = hone_value_row(e, op->in[2], row) + (size_t)g * (size_t)a->d_v;
    prepare_heads(e, op, q, group, a->d_k, &a->q_norm, row, s);
    prepare_heads(e, op, k, 1, a->d_k, &a->k_norm, row, s);

    unsigned char *page = e->step->pages[e->step->sequence[row]][position / page_len];
    const size_t at = (size_t)g * (size_t)page_len + (size_t)(position % page_len);
    const size_t k_size = hone_dtype_get(e->kv->k_type)->bytes * (size_t)a->d_k;
    const size_t v_size = hone_dtype_get(e->kv->v_type)->bytes * (size_t)a->d_v;
    e->kernels->narrow[e->kv->k_type](page + slot->k_offset + at * k_size, k,
                                      (size_t)a->d_k);
    e->kernels->narrow[e->kv->v_type](page + slot->v_offset + at * v_size, v,
                                      (size_t)a->d_v);
}

static void attend(const hone_executor *e, const hone_op *op, int row, int g)
{
    const hone_attention *a = &op->attention;
    const hone_kv_slot *slot = &e->kv->slot[op->kv_slot];
    const int group = a->n_head / a->n_head_kv, page_len = e->kv->page_len;
    const size_t k_size = hone_dtype_get(e->kv->k_type)->bytes * (size_t)a->d_k;
    const size_t v_size = hone_dtype_get(e->kv->v_type)->bytes * (size_t)a->d_v;
    const size_t head = (size_t)g * (size_t)page_len;
    const int last = e->step->position[row];
    const hone_attention_args args = {
        .out =
            hone_value_row(e, op->out[0], row) + (size_t)g * (size_t)(group * a->d_v),
        .q = hone_value_row(e, op->in[0], row) + (size_t)g * (size_t)(group * a->d_k),
        .ldo = (size_t)a->d_v,
        .ldq = (size_t)a->d_k,
        .page = e->step->pages[e->step->sequence[row]],
        .k_offset = slot->k_offset + head * k_size,
        .v_offset = slot->v_offset + head * v_size,
        .n_q = group,
        .d_k = a->d_k,
        .d_v = a->d_v,
        .page_len = page_len,
        .first = a->window > 0 && last >= a->window ? last - a->window + 1 : 0,
        .last = last,
        .scale = a->scale,
        .softcap = a->softcap,
    };
    e->kernels->attention[e->kv->k_type](&args);
}

static void run(hone_executor *e, const hone_op *op, int stage, int chunk, int thread)
{
    hone_scratch *s = &e->scratch[thread];
    const int n_head_kv = op->attention.n_head_kv;
    if (stage == 0) {
        for (int g = 0; g < n_head_kv; g++) {
            write_head(e, op, chunk, g, s);
        }
        return;
    }
    const int row = chunk / n_head_kv, g = chunk % n_head_kv;
    if (e->apart) write_head(e, op, row, g, s);
    attend(e, op, row, g);
}

const hone_op_class hone_op_class_attention = {"attention", chunks, run};
