/* lora.c - the pairs of an adapter, gathered by op in the layout that kernels read.
 *
 * The A of all linears of an op, which read the same rows, are one matrix: a step walks it
 * once.  Each linear has its B, whose columns are the ranks of all its pairs. */
#include "program/lora.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/size.h"
#include "kernel/panel.h"
#include "program/op_internal.h"
#include "tensor/dequant.h"

enum {
    HUGE_PAGE = 1 << 21,
    HALF_TOP = 14 /* BF16 vectors are moved so that their largest is at least 2^14 */
};

const hone_matrix *hone_program_find_linear(const hone_program *p,
                                            const unsigned char *data, size_t *op,
                                            int *linear)
{
    for (size_t i = 0; i < p->n_op; i++) {
        for (int j = 0; j < p->op[i].n_linear; j++) {
            if (p->op[i].linear[j].w.data != data) continue;
            *op = i;
            *linear = j;
            return &p->op[i].linear[j].w;
        }
    }
    return NULL;
}

/* What is being built, with room for one row of any matrix. */
typedef struct build {
    hone_lora *lora;
    const hone_kernels *kernels;
    const hone_lora_pair *pair;
    size_t n_pair;
    float *row, *most; /* [widest] */
    hone_error *err;
} build;

static hone_status no_memory(hone_error *err)
{
    return hone_fail(err, HONE_E_NOMEM, "adapter: out of memory");
}

static hone_dtype stored_as(hone_dtype t)
{
    return t == HONE_F16 || t == HONE_BF16 ? HONE_F16 : HONE_F32;
}

/* Rows of a matrix to be filled, of n columns. */
static hone_status new_rows(hone_matrix *m, hone_dtype type, int n_row, int n_col,
                            hone_error *err)
{
    size_t bytes;
    *m = (hone_matrix){.n_row = n_row, .n_col = n_col, .dtype = type};
    if (!hone_dtype_row_bytes(type, (size_t)n_col, &m->row_bytes) ||
        !hone_mul_size(m->row_bytes, (size_t)n_row, &bytes)) {
        return hone_fail(err, HONE_E_LIMIT, "adapter: %d x %d does not fit", n_row,
                         n_col);
    }
    m->data = hone_alloc_zero(bytes, 1);
    return m->data ? HONE_OK : no_memory(err);
}

static void store(const hone_matrix *m, int row, int col, const float *x, int n)
{
    unsigned char *to =
        (unsigned char *)(uintptr_t)m->data + (size_t)row * m->row_bytes;
    if (m->dtype == HONE_F32) {
        memcpy(to + (size_t)col * sizeof *x, x, (size_t)n * sizeof *x);
        return;
    }
    for (int i = 0; i < n; i++) {
        const uint16_t half = hone_f32_to_f16(x[i]);
        memcpy(to + (size_t)(col + i) * sizeof half, &half, sizeof half);
    }
}

/* Give m to the adapter: as panels where the kernels read those. */
static hone_status keep(build *b, hone_matrix *m)
{
    hone_panel_layout l;
    size_t bytes = m->row_bytes * (size_t)m->n_row;
    if (b->kernels->packs) {
        const int n = (m->n_row - 1) / HONE_PANEL_ROWS + 1;
        if (!hone_panel_layout_init(&l, m->dtype, (size_t)m->n_col) ||
            !hone_mul_size(l.bytes, (size_t)n, &bytes)) {
            return hone_fail(b->err, HONE_E_LIMIT, "adapter: %d x %d does not fit",
                             m->n_row, m->n_col);
        }
        unsigned char *panels = hone_alloc_aligned(bytes, 1);
        if (!panels) return no_memory(b->err);
        for (int i = 0; i < n; i++) {
            hone_panel_pack(panels + (size_t)i * l.bytes, m, i);
        }
        hone_free((void *)(uintptr_t)m->data);
        m->data = panels;
        m->row_bytes = l.bytes;
        m->packed = true;
    }
    return hone_align_size(bytes, HONE_CACHE_LINE, &bytes) &&
                   hone_add_size(b->lora->bytes, bytes, &b->lora->bytes)
               ? HONE_OK
               : hone_fail(b->err, HONE_E_LIMIT, "adapter: sizes do not fit");
}

/* Matrix i of an op in the order in which a step reads them. */
static hone_matrix *matrix_of(hone_lora_op *o, int i)
{
    return i == 0 ? &o->a : &o->linear[i - 1].b;
}

/* Move all matrices into one block, in huge pages where the system gives them: a step
 * reads a little of each, which costs a look-up of every small page. */
static hone_status settle(build *b)
{
    hone_lora *l = b->lora;
    if (!hone_align_size(l->bytes, HUGE_PAGE, &l->block_bytes))
        return no_memory(b->err);
    void *block = mmap(NULL, l->block_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED) {
        return hone_fail(b->err, HONE_E_NOMEM, "adapter: cannot get %zu bytes",
                         l->block_bytes);
    }
    madvise(block, l->block_bytes, MADV_HUGEPAGE); /* a hint */
    unsigned char *at = l->block = block;
    for (size_t i = 0; i < l->n_op; i++) {
        for (int j = 0; j <= HONE_OP_MAX_LINEAR; j++) {
            hone_matrix *m = matrix_of(&l->op[i], j);
            if (!m->data) continue;
            const int rows = m->packed ? HONE_PANEL_ROWS : 1; /* of row_bytes */
            const size_t bytes = m->row_bytes * (size_t)((m->n_row - 1) / rows + 1);
            memcpy(at, m->data, bytes);
            hone_free((void *)(uintptr_t)m->data);
            m->data = at;
            at += (bytes + HONE_CACHE_LINE - 1) & ~(size_t)(HONE_CACHE_LINE - 1);
        }
    }
    return HONE_OK;
}

/* The row of a file's B that is row n of the model's. */
static int turned(const hone_lora_pair *p, int n)
{
    const int half = p->d_head / 2;
    if (p->turn == HONE_TURN_NONE) return n;
    const int head = n / p->d_head * p->d_head, at = n % p->d_head;
    if (p->turn == HONE_TURN_TO_PAIRS) return head + at % 2 * half + at / 2;
    return head + at % half * 2 + at / half;
}

static void read_row(float *to, const hone_matrix *m, int row)
{
    hone_dequantize(to, m->data + (size_t)row * m->row_bytes, m->dtype,
                    (size_t)m->n_col);
}

/* The exponent by which a vector with this largest magnitude moves to become halves. */
static int shift_of(const hone_matrix *from, const hone_matrix *to, float most)
{
    if (from->dtype != HONE_BF16 || to->dtype != HONE_F16) return 0;
    if (!(most > 0.0f) || !isfinite(most)) return 0;
    return HALF_TOP - ilogbf(most);
}

static float largest(const float *x, int n)
{
    float most = 0.0f;
    for (int i = 0; i < n; i++) {
        most = fmaxf(most, fabsf(x[i]));
    }
    return most;
}

/* Rows of one pair's A into the op's, from row `at` on. */
static void add_a(build *b, const hone_lora_op *o, const hone_lora_pair *p, int at)
{
    for (int r = 0; r < p->a.n_row; r++) {
        read_row(b->row, &p->a, r);
        const int shift = shift_of(&p->a, &o->a, largest(b->row, p->a.n_col));
        for (int i = 0; shift && i < p->a.n_col; i++) {
            b->row[i] = ldexpf(b->row[i], shift);
        }
        store(&o->a, at + r, 0, b->row, p->a.n_col);
        o->scale[at + r] = ldexpf(p->scale, -shift);
    }
}

/* Columns of one pair's B into its linear's, from column `at` on; `scale` is theirs. */
static void add_b(build *b, const hone_matrix *to, const hone_lora_pair *p, int at,
                  float *scale)
{
    const int rank = p->b.n_col;
    for (int r = 0; r < rank; r++) {
        b->most[r] = 0.0f;
    }
    for (int n = 0; p->b.dtype == HONE_BF16 && n < p->b.n_row; n++) {
        read_row(b->row, &p->b, n);
        for (int r = 0; r < rank; r++) {
            b->most[r] = fmaxf(b->most[r], fabsf(b->row[r]));
        }
    }
    for (int n = 0; n < p->b.n_row; n++) {
        read_row(b->row, &p->b, turned(p, n));
        for (int r = 0; r < rank; r++) {
            const int shift = shift_of(&p->b, to, b->most[r]);
            if (shift) b->row[r] = ldexpf(b->row[r], shift);
        }
        store(to, n, at, b->row, rank);
    }
    for (int r = 0; r < rank; r++) {
        scale[r] = ldexpf(scale[r], -shift_of(&p->b, to, b->most[r]));
    }
}

static bool is_of(const hone_lora_pair *p, size_t op, int linear)
{
    return p->op == op && p->linear == linear;
}

/* Ranks of op i, and the types that hold all its matrices. */
static hone_status count(build *b, const hone_program *p, size_t i, hone_dtype *a_type,
                         hone_dtype b_type[HONE_OP_MAX_LINEAR])
{
    hone_lora_op *o = &b->lora->op[i];
    *a_type = HONE_F16;
    for (int j = 0; j < p->op[i].n_linear; j++) {
        const hone_matrix *w = &p->op[i].linear[j].w;
        hone_lora_linear *l = &o->linear[j];
        l->first = o->rank;
        b_type[j] = HONE_F16;
        for (size_t n = 0; n < b->n_pair; n++) {
            const hone_lora_pair *pair = &b->pair[n];
            if (!is_of(pair, i, j)) continue;
            HONE_ASSERT(pair->a.n_col == w->n_col && pair->b.n_row == w->n_row);
            HONE_ASSERT(pair->a.n_row == pair->b.n_col && pair->a.n_row > 0);
            HONE_ASSERT(p->value[p->op[i].in[0]].rows == HONE_ROWS_STEP);
            if (pair->a.n_row > HONE_LORA_MAX_RANK - l->rank) {
                return hone_fail(b->err, HONE_E_LIMIT,
                                 "adapter: rank: expected at most %d, found %lld",
                                 HONE_LORA_MAX_RANK,
                                 (long long)pair->a.n_row + l->rank);
            }
            l->rank += pair->a.n_row;
            if (stored_as(pair->a.dtype) == HONE_F32) *a_type = HONE_F32;
            if (stored_as(pair->b.dtype) == HONE_F32) b_type[j] = HONE_F32;
        }
        o->rank += l->rank;
        if (l->rank > b->lora->rank) b->lora->rank = l->rank;
    }
    if (o->rank > b->lora->width) b->lora->width = o->rank;
    return HONE_OK;
}

static hone_status build_op(build *b, const hone_program *p, size_t i)
{
    hone_lora_op *o = &b->lora->op[i];
    hone_dtype a_type, b_type[HONE_OP_MAX_LINEAR];
    HONE_TRY(count(b, p, i, &a_type, b_type));
    if (o->rank == 0) return HONE_OK;
    o->scale = hone_alloc((size_t)o->rank, sizeof *o->scale);
    if (!o->scale) return no_memory(b->err);
    HONE_TRY(new_rows(&o->a, a_type, o->rank, p->op[i].linear[0].w.n_col, b->err));
    for (int j = 0; j < p->op[i].n_linear; j++) {
        hone_lora_linear *l = &o->linear[j];
        int at = 0;
        if (l->rank == 0) continue;
        const int n_row = p->op[i].linear[j].w.n_row;
        HONE_TRY(new_rows(&l->b, b_type[j], n_row, l->rank, b->err));
        for (size_t n = 0; n < b->n_pair; n++) {
            const hone_lora_pair *pair = &b->pair[n];
            if (!is_of(pair, i, j)) continue;
            add_a(b, o, pair, l->first + at);
            add_b(b, &l->b, pair, at, o->scale + l->first + at);
            at += pair->a.n_row;
        }
        HONE_TRY(keep(b, &l->b));
    }
    return keep(b, &o->a);
}

hone_status hone_lora_new(hone_lora **out, const hone_program *p, const hone_kernels *k,
                          const hone_lora_pair *pair, size_t n_pair, hone_error *err)
{
    HONE_ASSERT(p->finished && k->form[HONE_F16] == HONE_FORM_F32);
    build b = {.kernels = k, .pair = pair, .n_pair = n_pair, .err = err};
    size_t widest = HONE_LORA_MAX_RANK;
    for (size_t i = 0; i < n_pair; i++) {
        if ((size_t)pair[i].a.n_col > widest) widest = (size_t)pair[i].a.n_col;
        if ((size_t)pair[i].b.n_col > widest) widest = (size_t)pair[i].b.n_col;
    }
    b.lora = hone_alloc_zero(1, sizeof *b.lora);
    b.row = hone_alloc(widest, sizeof *b.row);
    b.most = hone_alloc(widest, sizeof *b.most);
    hone_status s = HONE_OK;
    if (b.lora) b.lora->op = hone_alloc_zero(p->n_op, sizeof *b.lora->op);
    if (!b.lora || !b.lora->op || !b.row || !b.most) s = no_memory(err);
    if (!s) b.lora->n_op = p->n_op;
    for (size_t i = 0; !s && i < p->n_op; i++) {
        s = build_op(&b, p, i);
    }
    if (!s && b.lora->bytes) s = settle(&b);
    hone_free(b.row);
    hone_free(b.most);
    if (s) {
        hone_lora_free(b.lora);
        return s;
    }
    *out = b.lora;
    return HONE_OK;
}

void hone_lora_free(hone_lora *l)
{
    if (!l) return;
    for (size_t i = 0; i < l->n_op; i++) {
        hone_free(l->op[i].scale);
        for (int j = 0; j <= HONE_OP_MAX_LINEAR && !l->block; j++) {
            hone_free((void *)(uintptr_t)matrix_of(&l->op[i], j)->data);
        }
    }
    if (l->block) munmap(l->block, l->block_bytes);
    hone_free(l->op);
    hone_free(l);
}

int hone_lora_rank(const hone_lora *l)
{
    return l->rank;
}

size_t hone_lora_bytes(const hone_lora *l)
{
    return l->bytes;
}
