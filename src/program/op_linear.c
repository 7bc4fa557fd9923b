/* op_linear.c - norm, linears that share its result, and what follows them.
 *
 * Stage 0 norms and quantizes the step's rows into activations that all threads share;
 * with few rows it does not and each thread prepares its own copy, which costs less than
 * waiting for one another.  Behind that it takes the first products of rows with
 * adapters (lora_step.c).  Stage 1 walks the rows of all the op's weights. */
#include <string.h>

#include "kernel/panel.h"
#include "program/op_internal.h"

enum {
    PREPARE_ROWS = 2,    /* step rows of a chunk of stage 0 */
    CHUNKS_A_THREAD = 6, /* of stage 1, at least, so that a slow thread costs little */
    TILE_PANELS = HONE_TILE_ROWS / HONE_PANEL_ROWS
};

static bool is_small(const hone_executor *e, const hone_op *op)
{
    return hone_value_n_row(e, op->in[0]) <= HONE_SMALL_STEP;
}

static int panels(const hone_linear *lin)
{
    return (lin->w.n_row - 1) / HONE_PANEL_ROWS + 1;
}

/* Panels of weight rows that are counted off into chunks: of one linear where a gate
 * pairs two, of all of them otherwise. */
static int all_panels(const hone_op *op)
{
    if (op->epilogue == HONE_EPILOGUE_GATE) return panels(&op->linear[0]);
    int n = 0;
    for (int i = 0; i < op->n_linear; i++) {
        n += panels(&op->linear[i]);
    }
    return n;
}

/* Panels of a chunk; an even number for larger steps, whose tiles take two. */
static int chunk_panels(const hone_executor *e, const hone_op *op)
{
    const int n = all_panels(op) / (CHUNKS_A_THREAD * hone_pool_n_thread(e->pool));
    if (n >= TILE_PANELS) return TILE_PANELS;
    if (!is_small(e, op)) return n < 4 ? 2 : n & ~1;
    return n < 1 ? 1 : n;
}

/* Chunks of stage 0 that prepare activations. */
static int prepare_chunks(const hone_executor *e, const hone_op *op)
{
    const int n_row = hone_value_n_row(e, op->in[0]);
    return is_small(e, op) ? 0 : (n_row + PREPARE_ROWS - 1) / PREPARE_ROWS;
}

static void chunks(const hone_executor *e, const hone_op *op, int n_chunk[2])
{
    const int n_row = hone_value_n_row(e, op->in[0]);
    const int len = chunk_panels(e, op);
    n_chunk[0] = prepare_chunks(e, op) + hone_lora_chunks(e, op);
    n_chunk[1] = n_row == 0 ? 0 : (all_panels(op) + len - 1) / len;
}

/* Row t of the activations from x, in every form that is wanted. */
static void prepare_row(const hone_kernels *k, const hone_acts *a, int t,
                        const float *x, const bool form[HONE_N_FORM])
{
    for (int g = 0; g < hone_acts_n_group(a); g++) {
        const float *from = x + (size_t)g * HONE_ACT_GROUP;
        const size_t n = (size_t)hone_acts_width(a, g);
        if (form[HONE_FORM_F32]) memcpy(hone_acts_f(a, t, g), from, n * sizeof *from);
        if (form[HONE_FORM_BF16]) {
            uint16_t *h = hone_acts_h(a, t, g);
            k->narrow[HONE_BF16](h, from, n);
            if (n % 2) h[n] = 0;
        }
    }
    if (form[HONE_FORM_Q8]) k->quantize(a, t, x);
}

/* Activations of rows from .. to-1 of the op's input. */
static void prepare(hone_executor *e, const hone_op *op, hone_acts *acts, int from,
                    int to, hone_scratch *s)
{
    const hone_kernels *k = e->kernels;
    bool form[HONE_N_FORM] = {false};
    for (int i = 0; i < op->n_linear; i++) {
        form[k->form[op->linear[i].w.dtype]] = true;
    }
    const float *gain = hone_widen_vector(k, &op->norm.gain, s->gain);
    for (int r = from; r < to; r++) {
        const float *x = hone_value_row(e, op->in[0], r);
        if (gain) {
            k->rmsnorm(s->row, x, gain, acts->K, op->norm.eps);
            x = s->row;
        }
        prepare_row(k, acts, r, x, form);
    }
}

/* The shared activations, or this thread's own for a small step. */
static const hone_acts *activations(hone_executor *e, const hone_op *op, int thread)
{
    if (!is_small(e, op)) return &e->acts;
    hone_scratch *s = &e->scratch[thread];
    const uint64_t tag =
        e->run * e->program->n_op + (uint64_t)(op - e->program->op) + 1;
    if (s->tag != tag) {
        s->acts.K = e->program->value[op->in[0]].width;
        s->acts.T = hone_value_n_row(e, op->in[0]);
        prepare(e, op, &s->acts, 0, s->acts.T, s);
        s->tag = tag;
    }
    return &s->acts;
}

static const hone_matrix *weight(const hone_executor *e, const hone_op *op, int i)
{
    return hone_pack_get(e->pack, (size_t)(op - e->program->op), i);
}

static const void *panel_at(const hone_matrix *w, int panel)
{
    return w->data + (size_t)panel * w->row_bytes;
}

/* Where the weights of a chunk of stage 1 begin; NULL behind the last chunk. */
static const void *chunk_weights(const hone_executor *e, const hone_op *op, int chunk)
{
    int panel = chunk * chunk_panels(e, op);
    for (int i = 0; i < op->n_linear; i++) {
        if (panel < panels(&op->linear[i])) return panel_at(weight(e, op, i), panel);
        if (op->epilogue == HONE_EPILOGUE_GATE) return NULL;
        panel -= panels(&op->linear[i]);
    }
    return NULL;
}

/* The weights that the thread which has this chunk most likely reads next: threads take
 * turns, and go on with the next product. */
static const void *next_weights(const hone_executor *e, const hone_op *op, int chunk)
{
    const hone_op *end = e->program->op + e->program->n_op;
    int n_chunk[2];
    chunks(e, op, n_chunk);
    chunk += hone_pool_n_active(e->pool);
    if (chunk < n_chunk[1]) return chunk_weights(e, op, chunk);
    const hone_op *next = op + 1;
    while (next < end && next->n_linear == 0) {
        next++;
    }
    return next < end ? chunk_weights(e, next, chunk - n_chunk[1]) : NULL;
}

/* Rows n0 .. n0+n-1 of linear i for t step rows from t0 on into a tile, what adapters add
 * and the bias included; `soon` as in hone_matrix.  A compact tile: rows of a value can
 * lie a power of two apart, where they would fight for the same lines of the cache. */
static void linear(const hone_executor *e, float *tile, const hone_op *op, int i,
                   int n0, int n, const void *soon, const hone_acts *x, int t0, int t)
{
    hone_matrix w = *weight(e, op, i);
    const hone_matrix *bias = &op->linear[i].bias;
    hone_lora_fetch(e, op, i, n0, n, t0, t);
    w.soon = soon;
    e->kernels->linear[w.dtype](tile, HONE_TILE_ROWS, &w, n0, n, x, t0, t);
    hone_lora_up(e, op, i, tile, n0, n, t0, t);
    if (!bias->data) return;
    float b[HONE_TILE_ROWS];
    const size_t size = hone_dtype_get(bias->dtype)->bytes;
    e->kernels->widen[bias->dtype](b, bias->data + (size_t)n0 * size, (size_t)n);
    for (int j = 0; j < t; j++) {
        for (int r = 0; r < n; r++) {
            tile[j * HONE_TILE_ROWS + r] += b[r];
        }
    }
}

/* What follows the product of row j of a tile, n columns, into y. */
static void finish_row(const hone_executor *e, const hone_op *op, float *y,
                       const float *tile, const float *up, const float *residual, int n)
{
    if (op->epilogue == HONE_EPILOGUE_GATE) {
        e->kernels->gate[op->act](y, tile, up, n);
    } else if (op->epilogue == HONE_EPILOGUE_ADD) {
        for (int r = 0; r < n; r++) {
            y[r] = tile[r] + residual[r];
        }
    } else {
        memcpy(y, tile, (size_t)n * sizeof *y);
    }
}

/* Panels from .. to-1 of linear i, for all step rows; a gate takes both its linears. */
static void run_panels(hone_executor *e, const hone_op *op, int i, const hone_acts *x,
                       int from, int to, const void *soon, float *tile)
{
    const bool gate = op->epilogue == HONE_EPILOGUE_GATE;
    const bool add = op->epilogue == HONE_EPILOGUE_ADD;
    const int n_row = hone_value_n_row(e, op->in[0]);
    const int n0 = from * HONE_PANEL_ROWS, N = op->linear[i].w.n_row;
    const int n = to * HONE_PANEL_ROWS < N ? (to - from) * HONE_PANEL_ROWS : N - n0;
    float *up = tile + HONE_TILE_ROWS * HONE_TILE_COLS;
    for (int t0 = 0; t0 < n_row; t0 += HONE_TILE_COLS) {
        const int t = n_row - t0 < HONE_TILE_COLS ? n_row - t0 : HONE_TILE_COLS;
        linear(e, tile, op, i, n0, n, gate ? panel_at(weight(e, op, 1), from) : soon, x,
               t0, t);
        if (gate) linear(e, up, op, 1, n0, n, soon, x, t0, t);
        for (int j = 0; j < t; j++) {
            finish_row(e, op, hone_value_row(e, op->out[i], t0 + j) + n0,
                       tile + j * HONE_TILE_ROWS, up + j * HONE_TILE_ROWS,
                       add ? hone_value_row(e, op->in[1], t0 + j) + n0 : NULL, n);
        }
    }
}

static void run(hone_executor *e, const hone_op *op, int stage, int chunk, int thread)
{
    hone_scratch *s = &e->scratch[thread];
    const int K = e->program->value[op->in[0]].width;
    const int n_row = hone_value_n_row(e, op->in[0]);
    if (stage == 0 && chunk >= prepare_chunks(e, op)) {
        hone_lora_down(e, op, chunk - prepare_chunks(e, op), thread);
        return;
    }
    if (stage == 0) {
        hone_acts acts = e->acts;
        acts.K = K;
        acts.T = n_row;
        const int from = chunk * PREPARE_ROWS;
        const int to = from + PREPARE_ROWS < n_row ? from + PREPARE_ROWS : n_row;
        prepare(e, op, &acts, from, to, s);
        return;
    }
    hone_acts x = *activations(e, op, thread);
    x.K = K;
    x.T = n_row;
    const int len = chunk_panels(e, op), from = chunk * len;
    const void *next = next_weights(e, op, chunk);
    int base = 0;
    for (int i = 0; i < op->n_linear; i++) {
        const int end = base + panels(&op->linear[i]);
        const int lo = from > base ? from : base;
        const int hi = from + len < end ? from + len : end;
        if (lo < hi) run_panels(e, op, i, &x, lo - base, hi - base, next, s->tile);
        if (op->epilogue == HONE_EPILOGUE_GATE) return; /* the pair is one walk */
        base = end;
    }
}

const hone_op_class hone_op_class_linear = {"linear", chunks, run};
