/* program.c - appending ops, and what can be read off the list. */
#include "program/program.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/sum.h"
#include "program/op_internal.h"

const hone_op_class *hone_op_class_get(hone_op_kind kind)
{
    static const hone_op_class *const classes[HONE_N_OP] = {
        [HONE_OP_EMBED] = &hone_op_class_embed,
        [HONE_OP_POSITIONS] = &hone_op_class_positions,
        [HONE_OP_LINEAR] = &hone_op_class_linear,
        [HONE_OP_ATTENTION] = &hone_op_class_attention,
        [HONE_OP_SELECT] = &hone_op_class_select,
    };
    return classes[kind];
}

hone_status hone_program_new(hone_program **out, hone_error *err)
{
    hone_program *p = hone_alloc_zero(1, sizeof *p);
    if (!p) return hone_fail(err, HONE_E_NOMEM, "program: out of memory");
    p->hidden = p->logits = HONE_NO_VALUE;
    *out = p;
    return HONE_OK;
}

void hone_program_free(hone_program *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->n_op; i++) {
        hone_free(p->op[i].name);
        hone_free(p->op[i].inv_freq);
    }
    for (size_t i = 0; i < p->n_value; i++) {
        hone_free(p->value[i].name);
    }
    hone_free(p->op);
    hone_free(p->value);
    hone_free(p);
}

/* Out of memory is remembered and reported by finish; appends go on with value 0, which
 * no executor will see. */
static hone_value add_value(hone_program *p, const char *name, int width,
                            hone_rows rows)
{
    HONE_ASSERT(!p->finished && width > 0 && name);
    char *copy = hone_strdup(name);
    if (!copy || hone_grow((void **)&p->value, &p->value_cap, p->n_value + 1,
                           sizeof *p->value)) {
        hone_free(copy);
        p->failed = true;
        return HONE_NO_VALUE;
    }
    p->value[p->n_value] = (hone_value_info){copy, width, rows, (int)p->n_op, -1};
    return (hone_value)p->n_value++;
}

/* A zeroed op at the end of the list, or NULL when out of memory. */
static hone_op *add_op(hone_program *p, hone_op_kind kind, const char *name)
{
    HONE_ASSERT(!p->finished);
    char *copy = hone_strdup(name);
    if (!copy || hone_grow((void **)&p->op, &p->op_cap, p->n_op + 1, sizeof *p->op)) {
        hone_free(copy);
        p->failed = true;
        return NULL;
    }
    hone_op *op = &p->op[p->n_op++];
    *op = (hone_op){.kind = kind, .name = copy};
    for (int i = 0; i < 4; i++) {
        op->in[i] = op->out[i] = HONE_NO_VALUE;
    }
    return op;
}

static int width_of(const hone_program *p, hone_value v)
{
    return v < 0 ? 0 : p->value[v].width;
}

static hone_rows rows_of(const hone_program *p, hone_value v)
{
    return v < 0 ? HONE_ROWS_STEP : p->value[v].rows;
}

/* Note that the op about to be appended reads v. */
static void reads(hone_program *p, hone_value v)
{
    if (v >= 0) p->value[v].last_op = (int)p->n_op;
}

hone_value hone_op_embed(hone_program *p, const hone_matrix *table, float scale,
                         const char *name)
{
    const hone_value out = add_value(p, name, table->n_col, HONE_ROWS_STEP);
    hone_op *op = add_op(p, HONE_OP_EMBED, name);
    if (!op) return HONE_NO_VALUE;
    op->table = *table;
    op->scale = scale;
    op->out[0] = out;
    return out;
}

hone_value hone_op_positions(hone_program *p, const hone_rope *rope, const char *name)
{
    HONE_ASSERT(rope->n_rot > 0 && rope->n_rot % 2 == 0);
    const hone_value out = add_value(p, name, rope->n_rot, HONE_ROWS_STEP);
    hone_op *op = add_op(p, HONE_OP_POSITIONS, name);
    if (!op) return HONE_NO_VALUE;
    const size_t half = (size_t)rope->n_rot / 2;
    op->inv_freq = hone_alloc(half, sizeof *op->inv_freq);
    if (!op->inv_freq) {
        p->failed = true;
        return HONE_NO_VALUE;
    }
    memcpy(op->inv_freq, rope->inv_freq, half * sizeof *op->inv_freq);
    op->scale = rope->scale;
    op->out[0] = out;
    return out;
}

/* The shared part of everything that ends in linears. */
static hone_op *add_linears(hone_program *p, hone_value x, const hone_norm *norm, int n,
                            const hone_linear *lin, const char *name)
{
    HONE_ASSERT(n >= 1 && n <= HONE_OP_MAX_LINEAR);
    reads(p, x);
    hone_op *op = add_op(p, HONE_OP_LINEAR, name);
    if (!op) return NULL;
    op->in[0] = x;
    if (norm) op->norm = *norm;
    HONE_ASSERT(!op->norm.gain.data || p->failed ||
                op->norm.gain.n_col == width_of(p, x));
    op->n_linear = n;
    for (int i = 0; i < n; i++) {
        HONE_ASSERT(p->failed || lin[i].w.n_col == width_of(p, x));
        HONE_ASSERT(!lin[i].bias.data || lin[i].bias.n_col == lin[i].w.n_row);
        HONE_ASSERT(!hone_dtype_is_quantized(lin[i].w.dtype) ||
                    lin[i].w.n_col % HONE_ACT_BLOCK == 0);
        op->linear[i] = lin[i];
        op->linear[i].name = NULL;
    }
    return op;
}

void hone_op_norm_linear(hone_program *p, hone_value x, const hone_norm *norm, int n,
                         const hone_linear *lin, hone_value *out)
{
    for (int i = 0; i < n; i++) {
        out[i] = add_value(p, lin[i].name, lin[i].w.n_row, rows_of(p, x));
    }
    hone_op *op = add_linears(p, x, norm, n, lin, lin[0].name);
    for (int i = 0; op && i < n; i++) {
        op->out[i] = out[i];
    }
}

hone_value hone_op_linear_add(hone_program *p, hone_value x, const hone_linear *lin,
                              hone_value residual)
{
    const hone_value out = add_value(p, lin->name, lin->w.n_row, rows_of(p, x));
    reads(p, residual);
    hone_op *op = add_linears(p, x, NULL, 1, lin, lin->name);
    if (!op) return HONE_NO_VALUE;
    HONE_ASSERT(p->failed || width_of(p, residual) == lin->w.n_row);
    op->epilogue = HONE_EPILOGUE_ADD;
    op->in[1] = residual;
    op->out[0] = out;
    return out;
}

hone_value hone_op_norm_gated(hone_program *p, hone_value x, const hone_norm *norm,
                              const hone_linear *gate, const hone_linear *up,
                              hone_act act, const char *name)
{
    HONE_ASSERT(gate->w.n_row == up->w.n_row);
    const hone_value out = add_value(p, name, up->w.n_row, rows_of(p, x));
    const hone_linear both[2] = {*gate, *up};
    hone_op *op = add_linears(p, x, norm, 2, both, name);
    if (!op) return HONE_NO_VALUE;
    op->epilogue = HONE_EPILOGUE_GATE;
    op->act = act;
    op->out[0] = out;
    return out;
}

hone_value hone_op_attention(hone_program *p, hone_value q, hone_value k, hone_value v,
                             const hone_attention *a)
{
    HONE_ASSERT(a->n_head_kv > 0 && a->n_head % a->n_head_kv == 0);
    HONE_ASSERT(a->n_rot % 2 == 0 && a->n_rot <= a->d_k);
    HONE_ASSERT(p->failed || (width_of(p, q) == a->n_head * a->d_k &&
                              width_of(p, k) == a->n_head_kv * a->d_k &&
                              width_of(p, v) == a->n_head_kv * a->d_v));
    const hone_value out = add_value(p, a->name, a->n_head * a->d_v, HONE_ROWS_STEP);
    reads(p, q);
    reads(p, k);
    reads(p, v);
    reads(p, a->cos_sin);
    hone_op *op = add_op(p, HONE_OP_ATTENTION, a->name);
    if (!op) return HONE_NO_VALUE;
    op->in[0] = q;
    op->in[1] = k;
    op->in[2] = v;
    op->in[3] = a->cos_sin;
    op->out[0] = out;
    op->attention = *a;
    op->attention.name = NULL;
    op->kv_slot = p->n_kv_slot++;
    return out;
}

hone_value hone_op_select_norm(hone_program *p, hone_value x, const hone_norm *norm,
                               const char *name)
{
    const hone_value out =
        add_value(p, name, p->failed ? 1 : width_of(p, x), HONE_ROWS_OUT);
    reads(p, x);
    hone_op *op = add_op(p, HONE_OP_SELECT, name);
    if (!op) return HONE_NO_VALUE;
    op->in[0] = x;
    op->out[0] = out;
    if (norm) op->norm = *norm;
    return out;
}

void hone_program_set_outputs(hone_program *p, hone_value hidden, hone_value logits)
{
    HONE_ASSERT(!p->finished);
    p->hidden = hidden;
    p->logits = logits;
}

hone_status hone_program_finish(hone_program *p, hone_error *err)
{
    if (p->failed) return hone_fail(err, HONE_E_NOMEM, "program: out of memory");
    HONE_ASSERT(p->n_op > 0 && p->hidden >= 0);
    for (size_t i = 0; i < p->n_value; i++) {
        hone_value_info *v = &p->value[i];
        if (v->last_op < v->first_op) v->last_op = v->first_op;
    }
    p->value[p->hidden].last_op = (int)p->n_op;
    if (p->logits >= 0) p->value[p->logits].last_op = (int)p->n_op;
    p->finished = true;
    return HONE_OK;
}

int hone_program_n_value(const hone_program *p)
{
    return (int)p->n_value;
}

const char *hone_program_value_name(const hone_program *p, hone_value v)
{
    return p->value[v].name;
}

int hone_program_value_width(const hone_program *p, hone_value v)
{
    return p->value[v].width;
}

hone_rows hone_program_value_rows(const hone_program *p, hone_value v)
{
    return p->value[v].rows;
}

hone_value hone_program_hidden(const hone_program *p)
{
    return p->hidden;
}

hone_value hone_program_logits(const hone_program *p)
{
    return p->logits;
}

double hone_program_weight_bytes(const hone_program *p)
{
    double bytes = 0.0;
    for (size_t i = 0; i < p->n_op; i++) {
        for (int j = 0; j < p->op[i].n_linear; j++) {
            const hone_matrix *w = &p->op[i].linear[j].w;
            bytes += (double)w->row_bytes * w->n_row;
        }
    }
    return bytes;
}

double hone_program_row_macs(const hone_program *p)
{
    double macs = 0.0;
    for (size_t i = 0; i < p->n_op; i++) {
        for (int j = 0; j < p->op[i].n_linear; j++) {
            const hone_matrix *w = &p->op[i].linear[j].w;
            macs += (double)w->n_row * w->n_col;
        }
    }
    return macs;
}

int hone_program_widest(const hone_program *p)
{
    int widest = 1;
    for (size_t i = 0; i < p->n_value; i++) {
        if (p->value[i].width > widest && (int)i != p->logits)
            widest = p->value[i].width;
    }
    for (size_t i = 0; i < p->n_op; i++) {
        if (p->op[i].table.n_col > widest) widest = p->op[i].table.n_col;
    }
    return widest;
}

uint64_t hone_program_fingerprint(const hone_program *p)
{
    enum {
        HEAD = 64 /* bytes of a weight; reading all would take as long as loading */
    };
    uint64_t sum = HONE_SUM_START;
    for (size_t i = 0; i < p->n_op; i++) {
        for (int j = 0; j < p->op[i].n_linear; j++) {
            const hone_matrix *w = &p->op[i].linear[j].w;
            const int64_t shape[] = {w->n_row, w->n_col, (int64_t)w->dtype};
            const size_t bytes = (size_t)w->n_row * w->row_bytes;
            sum = hone_sum64(sum, shape, sizeof shape);
            sum = hone_sum64(sum, w->data, bytes < HEAD ? bytes : HEAD);
        }
    }
    return sum;
}
