/* op_rows.c - ops that work on single rows: embedding, positions, selection. */
#include <math.h>
#include <string.h>

#include "program/op_internal.h"

enum {
    ROWS_A_CHUNK = 8
};

static int row_chunks(int n_row)
{
    return (n_row + ROWS_A_CHUNK - 1) / ROWS_A_CHUNK;
}

static void chunks_of_out(const hone_executor *e, const hone_op *op, int n_chunk[2])
{
    n_chunk[0] = row_chunks(hone_value_n_row(e, op->out[0]));
    n_chunk[1] = 0;
}

/* Rows of a chunk: *from .. returned value. */
static int chunk_rows(const hone_executor *e, const hone_op *op, int chunk, int *from)
{
    const int n = hone_value_n_row(e, op->out[0]);
    *from = chunk * ROWS_A_CHUNK;
    return *from + ROWS_A_CHUNK < n ? *from + ROWS_A_CHUNK : n;
}

static void run_embed(hone_executor *e, const hone_op *op, int stage, int chunk,
                      int thread)
{
    (void)stage;
    (void)thread;
    int r;
    const int end = chunk_rows(e, op, chunk, &r);
    for (; r < end; r++) {
        float *x = hone_value_row(e, op->out[0], r);
        const size_t token = (size_t)e->step->token[r];
        e->kernels->widen[op->table.dtype](
            x, op->table.data + token * op->table.row_bytes, (size_t)op->table.n_col);
        if (op->scale != 1.0f) {
            for (int i = 0; i < op->table.n_col; i++) {
                x[i] *= op->scale;
            }
        }
    }
}

const hone_op_class hone_op_class_embed = {"embed", chunks_of_out, run_embed};

/* The angle is rounded to f32 before cosine and sine, as the reference does. */
static void run_positions(hone_executor *e, const hone_op *op, int stage, int chunk,
                          int thread)
{
    (void)stage;
    (void)thread;
    int r;
    const int end = chunk_rows(e, op, chunk, &r);
    const int half = e->program->value[op->out[0]].width / 2;
    for (; r < end; r++) {
        float *cs = hone_value_row(e, op->out[0], r);
        const float position = (float)e->step->position[r];
        for (int i = 0; i < half; i++) {
            const float angle = position * op->inv_freq[i];
            cs[i] = cosf(angle) * op->scale;
            cs[half + i] = sinf(angle) * op->scale;
        }
    }
}

const hone_op_class hone_op_class_positions = {"positions", chunks_of_out,
                                               run_positions};

static void run_select(hone_executor *e, const hone_op *op, int stage, int chunk,
                       int thread)
{
    (void)stage;
    int i;
    const int end = chunk_rows(e, op, chunk, &i);
    const int width = e->program->value[op->out[0]].width;
    const float *gain =
        hone_widen_vector(e->kernels, &op->norm.gain, e->scratch[thread].gain);
    for (; i < end; i++) {
        float *y = hone_value_row(e, op->out[0], i);
        const float *x = hone_value_row(e, op->in[0], e->step->out_row[i]);
        if (gain)
            e->kernels->rmsnorm(y, x, gain, width, op->norm.eps);
        else
            memcpy(y, x, (size_t)width * sizeof *y);
    }
}

const hone_op_class hone_op_class_select = {"select_norm", chunks_of_out, run_select};
