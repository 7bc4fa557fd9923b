/* lora_step.c - adapters in a step.
 *
 * Neighbouring rows with the same adapter are a run, cut so that every thread finds one.
 * In stage 0 of a linear op a thread takes a run: it norms the rows and multiplies them
 * with the A of all the op's linears, into u; with fewer runs than threads, with a part
 * of the rows of A.  In stage 1 who computes a tile of a linear adds B u to it, run by
 * run.  Every product is the linear kernel's, whose sums depend on row and column alone:
 * what a row gets does not depend on its run. */
#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "kernel/panel.h"
#include "program/op_internal.h"

_Static_assert(HONE_TILE_COLS % HONE_RUN_ROWS == 0, "runs are cut where tiles are");

/* Bytes of n floats and what kernels may read behind them, whole cache lines. */
static bool float_bytes(size_t n, size_t m, size_t *out)
{
    return hone_mul_size(n, m, out) && hone_mul_size(*out, sizeof(float), out) &&
           hone_add_size(*out, HONE_ACT_SPARE, out) &&
           hone_align_size(*out, HONE_CACHE_LINE, out);
}

hone_status hone_executor_fit(hone_executor *e, const hone_lora *l, hone_error *err)
{
    hone_lora_room *room = &e->lora;
    const size_t n_row = (size_t)e->n_row_max, width = (size_t)l->width;
    const size_t n_thread = (size_t)hone_pool_n_thread(e->pool);
    const size_t widest = (size_t)hone_program_widest(e->program);
    size_t u, x, y, bytes;
    if (room->memory && l->width <= room->width) return HONE_OK;
    if (!float_bytes(n_row, width, &u) || !float_bytes(HONE_RUN_ROWS, widest, &x) ||
        !float_bytes(HONE_RUN_ROWS, width, &y) || !hone_add_size(x, y, &bytes) ||
        !hone_mul_size(bytes, n_thread, &bytes) || !hone_add_size(bytes, u, &bytes)) {
        return hone_fail(err, HONE_E_LIMIT, "adapter: products of %d rows do not fit",
                         e->n_row_max);
    }
    unsigned char *memory = hone_alloc_aligned(bytes, 1);
    hone_lora_run *run = hone_alloc(n_row, sizeof *run);
    if (!memory || !run) {
        hone_free(memory);
        hone_free(run);
        return hone_fail(err, HONE_E_NOMEM, "adapter: cannot get %zu bytes", bytes);
    }
    hone_lora_room_release(room);
    *room = (hone_lora_room){.width = l->width, .memory = memory, .run = run};
    room->u = (float *)(void *)memory;
    room->x = (float *)(void *)(memory + u);
    room->y = (float *)(void *)(memory + u + n_thread * x);
    room->x_len = x / sizeof(float);
    room->y_len = y / sizeof(float);
    return HONE_OK;
}

void hone_lora_room_release(hone_lora_room *room)
{
    hone_free(room->memory);
    hone_free(room->run);
    *room = (hone_lora_room){0};
}

/* Rows of a run at most: enough runs for all threads, but not more than that. */
static int run_rows(const hone_executor *e)
{
    const int n = (e->step->n_row - 1) / hone_pool_n_thread(e->pool) + 1;
    return n < HONE_RUN_ROWS ? n : HONE_RUN_ROWS;
}

void hone_lora_begin(hone_executor *e)
{
    hone_lora_room *room = &e->lora;
    const hone_step *step = e->step;
    const int most = run_rows(e);
    room->n_run = 0;
    for (int r = 0; step->lora && r < step->n_row; r++) {
        const hone_lora *l = step->lora[step->sequence[r]];
        if (!l) continue;
        HONE_ASSERT(room->memory && l->width <= room->width);
        hone_lora_run *last = room->n_run ? &room->run[room->n_run - 1] : NULL;
        if (last && last->lora == l && last->row + last->n == r && last->n < most &&
            r % HONE_TILE_COLS != 0) {
            last->n++;
        } else {
            room->run[room->n_run++] = (hone_lora_run){l, r, 1};
        }
    }
}

static const hone_lora_op *of_run(const hone_executor *e, const hone_op *op,
                                  const hone_lora_run *run)
{
    return &run->lora->op[op - e->program->op];
}

/* Chunks that a run is cut into. */
static int parts(const hone_executor *e)
{
    return (hone_pool_n_thread(e->pool) - 1) / e->lora.n_run + 1;
}

int hone_lora_chunks(const hone_executor *e, const hone_op *op)
{
    for (int i = 0; i < e->lora.n_run; i++) {
        if (of_run(e, op, &e->lora.run[i])->rank > 0) return e->lora.n_run * parts(e);
    }
    return 0;
}

/* Where u of a linear lies for the rows of a run. */
static hone_acts product_of(const hone_executor *e, const hone_lora_run *run,
                            const hone_lora_linear *l)
{
    const size_t at = (size_t)run->row * (size_t)e->lora.width;
    return (hone_acts){.T = run->n,
                       .K = l->rank,
                       .f = e->lora.u + at + (size_t)run->n * (size_t)l->first};
}

/* The op's input for the rows of a run, normed: in x, or where it lies. */
static hone_acts input_of(const hone_executor *e, const hone_op *op,
                          const hone_lora_run *run, float *x, hone_scratch *s)
{
    const hone_kernels *k = e->kernels;
    const int K = e->program->value[op->in[0]].width;
    const float *gain = hone_widen_vector(k, &op->norm.gain, s->gain);
    hone_acts a = {.T = run->n, .K = K, .f = x};
    if (run->n == 1) { /* stripes of a single row are the row */
        float *row = hone_value_row(e, op->in[0], run->row);
        if (gain)
            k->rmsnorm(x, row, gain, K, op->norm.eps);
        else
            a.f = row;
        return a;
    }
    for (int t = 0; t < run->n; t++) {
        const float *row = hone_value_row(e, op->in[0], run->row + t);
        if (gain) {
            k->rmsnorm(s->row, row, gain, K, op->norm.eps);
            row = s->row;
        }
        for (int g = 0; g < hone_acts_n_group(&a); g++) {
            memcpy(hone_acts_f(&a, t, g), row + (size_t)g * HONE_ACT_GROUP,
                   (size_t)hone_acts_width(&a, g) * sizeof *row);
        }
    }
    return a;
}

/* Products y with rows from .. to-1 of A, scaled, to where those of each linear lie. */
static void scale_products(const hone_executor *e, const hone_op *op,
                           const hone_lora_run *run, const float *y, int from, int to)
{
    const hone_lora_op *o = of_run(e, op, run);
    for (int j = 0; j < op->n_linear; j++) {
        const hone_lora_linear *l = &o->linear[j];
        const hone_acts u = product_of(e, run, l);
        const int lo = from > l->first ? from : l->first;
        const int hi = to < l->first + l->rank ? to : l->first + l->rank;
        for (int t = 0; t < run->n; t++) {
            for (int i = lo; i < hi; i++) {
                const int r = i - l->first;
                hone_acts_f(&u, t, r / HONE_ACT_GROUP)[r % HONE_ACT_GROUP] =
                    y[t * o->rank + i] * o->scale[i];
            }
        }
    }
}

void hone_lora_down(hone_executor *e, const hone_op *op, int chunk, int thread)
{
    const int n_part = parts(e), part = chunk % n_part;
    const hone_lora_run *run = &e->lora.run[chunk / n_part];
    const hone_lora_op *o = of_run(e, op, run);
    const int n_panel = (o->rank + HONE_PANEL_ROWS - 1) / HONE_PANEL_ROWS;
    const int from = n_panel * part / n_part * HONE_PANEL_ROWS;
    const int end = n_panel * (part + 1) / n_part * HONE_PANEL_ROWS;
    const int to = end < o->rank ? end : o->rank;
    if (from >= to) return;
    float *x = e->lora.x + (size_t)thread * e->lora.x_len;
    float *y = e->lora.y + (size_t)thread * e->lora.y_len;
    const hone_acts in = input_of(e, op, run, x, &e->scratch[thread]);
    e->kernels->linear[o->a.dtype](y + from, (size_t)o->rank, &o->a, from, to - from,
                                   &in, 0, run->n);
    scale_products(e, op, run, y, from, to);
}

void hone_lora_fetch(const hone_executor *e, const hone_op *op, int i, int n0, int n,
                     int t0, int t)
{
    for (int at = 0; at < e->lora.n_run; at++) {
        const hone_lora_run *run = &e->lora.run[at];
        const hone_matrix *b = &of_run(e, op, run)->linear[i].b;
        if (run->row < t0 || run->row >= t0 + t || !b->packed) continue;
        if (at > 0 && run[-1].lora == run->lora) continue; /* the same panels */
        const size_t from = (size_t)(n0 / HONE_PANEL_ROWS) * b->row_bytes;
        const size_t to = (size_t)((n0 + n - 1) / HONE_PANEL_ROWS + 1) * b->row_bytes;
        for (size_t line = from; line < to; line += HONE_CACHE_LINE) {
            __builtin_prefetch(b->data + line);
        }
    }
}

void hone_lora_up(const hone_executor *e, const hone_op *op, int i, float *tile, int n0,
                  int n, int t0, int t)
{
    float delta[HONE_RUN_ROWS * HONE_TILE_ROWS];
    for (int at = 0; at < e->lora.n_run; at++) {
        const hone_lora_run *run = &e->lora.run[at];
        const hone_lora_linear *l = &of_run(e, op, run)->linear[i];
        if (run->row < t0 || run->row >= t0 + t || l->rank == 0) continue;
        const hone_acts u = product_of(e, run, l);
        e->kernels->linear[l->b.dtype](delta, HONE_TILE_ROWS, &l->b, n0, n, &u, 0,
                                       run->n);
        for (int j = 0; j < run->n; j++) {
            float *y = tile + (run->row - t0 + j) * HONE_TILE_ROWS;
            for (int r = 0; r < n; r++) {
                y[r] += delta[j * HONE_TILE_ROWS + r];
            }
        }
    }
}
