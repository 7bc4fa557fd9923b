/* op_attention.c - keys and values into pages, and attention over them.
 *
 * Decode steps, in which every row belongs to another sequence: in stage 0 each thread
 * takes a row, a K/V head and a split of its positions; who has the last split writes
 * the new key and value first.  Stage 1 merges the splits.  Other steps: stage 0 writes
 * all keys and values, stage 1 takes blocks of rows that follow one another in a
 * sequence. */
#include <string.h>

#include "kernel/kv_page.h"
#include "program/op_internal.h"

static int group_of(const hone_attention *a)
{
    return a->n_head / a->n_head_kv;
}

static int split_len(const hone_executor *e)
{
    return hone_split_pages(e->kv->page_len) * e->kv->page_len;
}

/* The splits that a row sees something of: *first .. returned value. */
static int split_range(const hone_executor *e, const hone_attention *a, int row,
                       int *first)
{
    const int position = e->step->position[row];
    const bool cut = a->window > 0 && position >= a->window;
    *first = cut ? (position - a->window + 1) / split_len(e) : 0;
    return position / split_len(e);
}

/* Splits that each row of a decode step is taken in; 1: each row whole. */
static int n_split(const hone_executor *e)
{
    if (e->step->n_row > HONE_SPLIT_ROWS) return 1;
    int n = 1;
    for (int r = 0; r < e->step->n_row; r++) {
        const int here = e->step->position[r] / split_len(e) + 1;
        if (here > n) n = here;
    }
    return n;
}

static void chunks(const hone_executor *e, const hone_op *op, int n_chunk[2])
{
    const int n_head_kv = op->attention.n_head_kv, n_row = e->step->n_row;
    if (e->apart) {
        const int splits = n_split(e);
        n_chunk[0] = n_row * n_head_kv * splits;
        n_chunk[1] = splits > 1 ? n_row * n_head_kv : 0;
    } else {
        /* whole blocks: keys of neighbours share the lines of a page */
        n_chunk[0] = e->n_block;
        n_chunk[1] = e->n_block * n_head_kv;
    }
}

/* Norm and rotate n heads of width d, in place. */
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

/* Where the keys of K/V head g begin in a page, and its values. */
static size_t k_offset(const hone_kv_layout *kv, const hone_kv_slot *slot, int g)
{
    return slot->k_offset +
           (size_t)g * hone_kv_key_bytes(kv->k_type, slot->d_k, kv->page_len);
}

static size_t v_offset(const hone_kv_layout *kv, const hone_kv_slot *slot, int g)
{
    return slot->v_offset +
           (size_t)g * hone_kv_value_bytes(kv->v_type, slot->d_v, kv->page_len);
}

/* Prepare the key of K/V head g of a row, and store key and value. */
static void write_head(const hone_executor *e, const hone_op *op, int row, int g,
                       hone_scratch *s)
{
    const hone_attention *a = &op->attention;
    const hone_kv_layout *kv = e->kv;
    const hone_kv_slot *slot = &kv->slot[op->kv_slot];
    const int position = e->step->position[row], at = position % kv->page_len;
    float *k = hone_value_row(e, op->in[1], row) + (size_t)g * (size_t)a->d_k;
    const float *v = hone_value_row(e, op->in[2], row) + (size_t)g * (size_t)a->d_v;
    prepare_heads(e, op, k, 1, a->d_k, &a->k_norm, row, s);

    unsigned char *page =
        e->step->pages[e->step->sequence[row]][position / kv->page_len];
    hone_kv_put_key(e->kernels, page + k_offset(kv, slot, g), kv->k_type, kv->page_len,
                    at, k, a->d_k);
    hone_kv_put_value(e->kernels, page + v_offset(kv, slot, g), kv->v_type,
                      kv->page_len, at, v, a->d_v);
}

/* Attention of K/V head g for n rows from `row` on; q is [n, group * d_k], rows ldq
 * apart. */
static void attend(const hone_executor *e, const hone_op *op, int row, int n, int g,
                   const float *q, size_t ldq, int split, float *state, hone_scratch *s)
{
    const hone_attention *a = &op->attention;
    const hone_kv_slot *slot = &e->kv->slot[op->kv_slot];
    const int group = group_of(a);
    const hone_attention_args args = {
        .out =
            hone_value_row(e, op->out[0], row) + (size_t)g * (size_t)(group * a->d_v),
        .q = q,
        .ldo = (size_t)(a->n_head * a->d_v),
        .ldq = ldq,
        .page = e->step->pages[e->step->sequence[row]],
        .k_offset = k_offset(e->kv, slot, g),
        .v_offset = v_offset(e->kv, slot, g),
        .k_type = e->kv->k_type,
        .v_type = e->kv->v_type,
        .n_row = n,
        .n_q = group,
        .d_k = a->d_k,
        .d_v = a->d_v,
        .page_len = e->kv->page_len,
        .position = e->step->position[row],
        .window = a->window,
        .split = split,
        .scale = a->scale,
        .softcap = a->softcap,
        .state = state,
        .scratch = s->page,
    };
    e->kernels->attention(&args);
}

/* The state of a query head's split in a decode step. */
static float *part(const hone_executor *e, const hone_attention *a, int row, int head,
                   int split)
{
    const size_t n = (size_t)e->n_split_max;
    const size_t i = ((size_t)row * (size_t)a->n_head + (size_t)head) +
                     (size_t)split * HONE_SPLIT_ROWS * (size_t)a->n_head;
    HONE_ASSERT((size_t)split < n);
    return e->parts + i * (size_t)hone_state_len(a->d_v);
}

/* Stage 0 of a decode step: one split of one row and K/V head. */
static void decode_split(hone_executor *e, const hone_op *op, int chunk,
                         hone_scratch *s)
{
    const hone_attention *a = &op->attention;
    const int splits = n_split(e), split = chunk % splits;
    const int g = chunk / splits % a->n_head_kv, row = chunk / splits / a->n_head_kv;
    int first;
    const int last = split_range(e, a, row, &first);
    if (splits > 1 && (split > last || split < first)) return;
    if (splits == 1 || split == last) write_head(e, op, row, g, s);

    const int group = group_of(a);
    const size_t len = (size_t)(group * a->d_k);
    const float *from = hone_value_row(e, op->in[0], row) + (size_t)g * len;
    memcpy(s->query, from, len * sizeof *from);
    prepare_heads(e, op, s->query, group, a->d_k, &a->q_norm, row, s);
    attend(e, op, row, 1, g, s->query, len, splits > 1 ? split : -1,
           splits > 1 ? part(e, a, row, g * group, split) : s->state, s);
}

/* Stage 1: the splits of one row and K/V head together. */
static void decode_merge(hone_executor *e, const hone_op *op, int chunk)
{
    const hone_attention *a = &op->attention;
    const int g = chunk % a->n_head_kv, row = chunk / a->n_head_kv;
    int first;
    const int last = split_range(e, a, row, &first);
    for (int i = 0; i < group_of(a); i++) {
        const int head = g * group_of(a) + i;
        float *sum = part(e, a, row, head, first);
        for (int split = first + 1; split <= last; split++) {
            e->kernels->merge(sum, part(e, a, row, head, split), a->d_v);
        }
        e->kernels->finish(hone_value_row(e, op->out[0], row) +
                               (size_t)head * (size_t)a->d_v,
                           sum, a->d_v);
    }
}

/* Stage 0 of other steps: one row's keys, values and queries. */
static void write_row(hone_executor *e, const hone_op *op, int row, hone_scratch *s)
{
    const hone_attention *a = &op->attention;
    for (int g = 0; g < a->n_head_kv; g++) {
        write_head(e, op, row, g, s);
    }
    prepare_heads(e, op, hone_value_row(e, op->in[0], row), a->n_head, a->d_k,
                  &a->q_norm, row, s);
}

static void run(hone_executor *e, const hone_op *op, int stage, int chunk, int thread)
{
    const hone_attention *a = &op->attention;
    hone_scratch *s = &e->scratch[thread];
    if (e->apart) {
        if (stage == 0)
            decode_split(e, op, chunk, s);
        else
            decode_merge(e, op, chunk);
        return;
    }
    if (stage == 0) {
        for (int i = 0; i < e->block[chunk].n; i++) {
            write_row(e, op, e->block[chunk].row + i, s);
        }
        return;
    }
    const int g = chunk % a->n_head_kv;
    /* late blocks see most and take longest: first */
    const hone_block *b = &e->block[e->n_block - 1 - chunk / a->n_head_kv];
    const float *q = hone_value_row(e, op->in[0], b->row) +
                     (size_t)g * (size_t)(group_of(a) * a->d_k);
    attend(e, op, b->row, b->n, g, q, (size_t)(a->n_head * a->d_k), -1, s->state, s);
}

const hone_op_class hone_op_class_attention = {"attention", chunks, run};
