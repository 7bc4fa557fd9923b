/* op_linear.c - norm, linears that share its result, and what follows them.
 *
 * Stage 0 norms and quantizes the step's rows into activations that all threads share;
 * with few rows it has no chunks and each thread prepares its own copy, which costs
 * less than waiting for one another.  Stage 1 walks the rows of all the op's weights. */
#include <string.h>

#include "program/op_internal.h"

enum {
    PREPARE_ROWS = 4,   /* step rows of a chunk of stage 0 */
    CHUNKS_A_THREAD = 4 /* of stage 1, at least, so that a slow thread costs little */
};

static bool is_small(const hone_executor *e, const hone_op *op)
{
    return hone_value_n_row(e, op->in[0]) <= HONE_SMALL_STEP;
}

/* Weight rows that are counted off into chunks: of one linear where a gate pairs two,
 * of all of them otherwise. */
static int weight_rows(const hone_op *op)
{
    if (op->epilogue == HONE_EPILOGUE_GATE) return op->linear[0].w.n_row;
    int n = 0;
    for (int i = 0; i < op->n_linear; i++) {
        n += op->linear[i].w.n_row;
    }
    return n;
}

/* Rows of a chunk: a multiple of 8, at most HONE_TILE_ROWS. */
static int chunk_len(const hone_executor *e, const hone_op *op)
{
    const int want = CHUNKS_A_THREAD * hone_pool_n_thread(e->pool);
    int n = (weight_rows(op) / want + 7) & ~7;
    if (n > HONE_TILE_ROWS) n = HONE_TILE_ROWS;
    return n < 8 ? 8 : n;
}

static void chunks(const hone_executor *e, const hone_op *op, int n_chunk[2])
{
    const int n_row = hone_value_n_row(e, op->in[0]);
    const int len = chunk_len(e, op);
    n_chunk[0] = is_small(e, op) ? 0 : (n_row + PREPARE_ROWS - 1) / PREPARE_ROWS;
    n_chunk[1] = n_row == 0 ? 0 : (weight_rows(op) + len - 1) / len;
}

/* Activations of rows from .. to-1 of the op's input. */
static void prepare(hone_executor *e, const hone_op *op, hone_acts *acts, int from,
                    int to, hone_scratch *s)
{
    const hone_kernels *k = e->kernels;
    const int K = e->program->value[op->in[0]].width;
    bool f = false, q = false;
    for (int i = 0; i < op->n_linear; i++) {
        *(hone_linear_wants_q8(op->linear[i].w.dtype) ? &q : &f) = true;
    }
    const float *gain = hone_widen_vector(k, &op->norm.gain, s->gain);
    for (int r = from; r < to; r++) {
        const size_t at = (size_t)r * (size_t)K;
        const float *x = hone_value_row(e, op->in[0], r);
        float *row = f ? acts->f + at : s->row;
        if (gain) {
            k->rmsnorm(row, x, gain, K, op->norm.eps);
            x = row;
        } else if (f) {
            memcpy(row, x, (size_t)K * sizeof *row);
        }
        if (q) {
            const size_t b = at / HONE_ACT_BLOCK;
            k->quantize(acts->q + at, acts->scale + b, acts->sum + 2 * b, x, K);
        }
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
        prepare(e, op, &s->acts, 0, hone_value_n_row(e, op->in[0]), s);
        s->tag = tag;
    }
    return &s->acts;
}

static void add_bias(const hone_executor *e, float *y, size_t ldy,
                     const hone_linear *lin, int n0, int n, int t)
{
    if (!lin->bias.data) return;
    float b[HONE_TILE_ROWS];
    const size_t size = hone_dtype_get(lin->bias.dtype)->bytes;
    e->kernels->widen[lin->bias.dtype](b, lin->bias.data + (size_t)n0 * size,
                                       (size_t)n);
    for (int j = 0; j < t; j++) {
        for (int i = 0; i < n; i++) {
            y[(size_t)j * ldy + (size_t)i] += b[i];
        }
    }
}

/* Rows n0 .. n0+n-1 of a linear for t step rows from t0 on, bias included. */
static void linear(const hone_executor *e, float *y, size_t ldy, const hone_linear *lin,
                   int n0, int n, const hone_acts *x, int t0, int t)
{
    e->kernels->linear[lin->w.dtype](y, ldy, &lin->w, n0, n, x, t0, t);
    add_bias(e, y, ldy, lin, n0, n, t);
}

static void run_gate(hone_executor *e, const hone_op *op, const hone_acts *x, int n0,
                     int n, int t0, int t, float *tile)
{
    float *gate = tile, *up = tile + HONE_TILE_ROWS * HONE_TILE_COLS;
    linear(e, gate, HONE_TILE_ROWS, &op->linear[0], n0, n, x, t0, t);
    linear(e, up, HONE_TILE_ROWS, &op->linear[1], n0, n, x, t0, t);
    for (int j = 0; j < t; j++) {
        float *y = hone_value_row(e, op->out[0], t0 + j) + n0;
        e->kernels->gate[op->act](y, gate + j * HONE_TILE_ROWS, up + j * HONE_TILE_ROWS,
                                  n);
    }
}

static void run_plain(hone_executor *e, const hone_op *op, int which,
                      const hone_acts *x, int n0, int n, int t0, int t)
{
    const size_t ldy = (size_t)op->linear[which].w.n_row;
    float *y = hone_value_row(e, op->out[which], t0) + n0;
    linear(e, y, ldy, &op->linear[which], n0, n, x, t0, t);
    if (op->epilogue != HONE_EPILOGUE_ADD) return;
    const float *residual = hone_value_row(e, op->in[1], t0) + n0;
    for (int j = 0; j < t; j++) {
        for (int i = 0; i < n; i++) {
            y[(size_t)j * ldy + (size_t)i] += residual[(size_t)j * ldy + (size_t)i];
        }
    }
}

/* Weight rows from .. to-1 in the count of weight_rows(). */
static void run_rows(hone_executor *e, const hone_op *op, const hone_acts *x, int from,
                     int to, float *tile)
{
    const int n_row = hone_value_n_row(e, op->in[0]);
    for (int t0 = 0; t0 < n_row; t0 += HONE_TILE_COLS) {
        const int t = n_row - t0 < HONE_TILE_COLS ? n_row - t0 : HONE_TILE_COLS;
        if (op->epilogue == HONE_EPILOGUE_GATE) {
            run_gate(e, op, x, from, to - from, t0, t, tile);
            continue;
        }
        int base = 0;
        for (int i = 0; i < op->n_linear; i++) {
            const int end = base + op->linear[i].w.n_row;
            const int lo = from > base ? from : base, hi = to < end ? to : end;
            if (lo < hi) run_plain(e, op, i, x, lo - base, hi - lo, t0, t);
            base = end;
        }
    }
}

static void run(hone_executor *e, const hone_op *op, int stage, int chunk, int thread)
{
    hone_scratch *s = &e->scratch[thread];
    if (stage == 0) {
        const int n_row = hone_value_n_row(e, op->in[0]);
        const int from = chunk * PREPARE_ROWS;
        const int to = from + PREPARE_ROWS < n_row ? from + PREPARE_ROWS : n_row;
        prepare(e, op, &e->acts, from, to, s);
        return;
    }
    hone_acts x = *activations(e, op, thread);
    x.K = e->program->value[op->in[0]].width;
    const int n = weight_rows(op), len = chunk_len(e, op);
    const int from = chunk * len;
    run_rows(e, op, &x, from, from + len < n ? from + len : n, s->tile);
}

const hone_op_class hone_op_class_linear = {"linear", chunks, run};
