/* pack.c - rearranging a program's weights once. */
#include "program/pack.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/size.h"
#include "kernel/panel.h"
#include "program/op_internal.h"

enum {
    CHUNK_BYTES = 1 << 19 /* of a matrix that one thread packs at a time */
};

/* A weight, and where it comes from. */
typedef struct packed {
    hone_matrix to;
    const hone_matrix *from;
    size_t offset; /* of its panels in the block */
    int n_panel, chunk_panels;
} packed;

struct hone_pack {
    hone_matrix *matrix; /* [n_op * HONE_OP_MAX_LINEAR] */
    size_t *which;       /* the same; index into packed where the matrix is */
    packed *packed;      /* [n_packed], distinct weights */
    size_t n_packed;
    unsigned char *block;
    size_t bytes;
};

static int panels(const hone_matrix *w)
{
    return (w->n_row - 1) / HONE_PANEL_ROWS + 1;
}

/* Bytes of a panel of w and of all its panels. */
static hone_status panel_bytes(const hone_matrix *w, size_t *one, size_t *all,
                               hone_error *err)
{
    hone_panel_layout l;
    if (!hone_panel_layout_init(&l, w->dtype, (size_t)w->n_col) ||
        !hone_mul_size(l.bytes, (size_t)panels(w), all)) {
        return hone_fail(err, HONE_E_LIMIT, "pack weights: %d x %d of %s do not fit",
                         w->n_row, w->n_col, hone_dtype_get(w->dtype)->name);
    }
    *one = l.bytes;
    return HONE_OK;
}

/* Note w as a weight to pack unless it is known; its index in *at. */
static hone_status add_weight(hone_pack *p, const hone_matrix *w, size_t *at,
                              hone_error *err)
{
    for (size_t i = 0; i < p->n_packed; i++) {
        const hone_matrix *f = p->packed[i].from;
        if (f->data == w->data && f->n_row == w->n_row && f->n_col == w->n_col) {
            *at = i;
            return HONE_OK;
        }
    }
    size_t one = 1, all = 0;
    HONE_TRY(panel_bytes(w, &one, &all, err));
    packed *e = &p->packed[p->n_packed];
    *e = (packed){.to = *w, .from = w, .offset = p->bytes, .n_panel = panels(w)};
    e->to.row_bytes = one;
    e->to.packed = true;
    const size_t some = CHUNK_BYTES / one;
    e->chunk_panels = some > 1 ? (int)some : 1;
    if (!hone_add_size(p->bytes, all, &p->bytes)) {
        return hone_fail(err, HONE_E_LIMIT, "pack weights: sizes do not fit");
    }
    *at = p->n_packed++;
    return HONE_OK;
}

/* Fill everything but the block; for kernels that pack, matrix[].data is to come. */
static hone_status list_weights(hone_pack *p, const hone_program *program,
                                const hone_kernels *k, hone_error *err)
{
    const size_t n = program->n_op * HONE_OP_MAX_LINEAR;
    p->matrix = hone_alloc_zero(n, sizeof *p->matrix);
    p->which = hone_alloc_zero(n, sizeof *p->which);
    p->packed = hone_alloc_zero(n, sizeof *p->packed);
    if (!p->matrix || !p->which || !p->packed) {
        return hone_fail(err, HONE_E_NOMEM, "pack weights: out of memory");
    }
    for (size_t i = 0; i < program->n_op; i++) {
        const hone_op *op = &program->op[i];
        for (int j = 0; j < op->n_linear; j++) {
            const size_t at = i * HONE_OP_MAX_LINEAR + (size_t)j;
            p->matrix[at] = op->linear[j].w;
            if (!k->packs) continue;
            HONE_TRY(add_weight(p, &op->linear[j].w, &p->which[at], err));
            p->matrix[at] = p->packed[p->which[at]].to;
        }
    }
    return HONE_OK;
}

typedef struct pack_job {
    hone_pack *pack;
    hone_forget_fn *forget;
    void *ctx;
} pack_job;

static void pack_chunk(void *ctx, int stage, int chunk, int thread)
{
    (void)thread;
    const pack_job *job = ctx;
    const packed *e = &job->pack->packed[stage];
    const int from = chunk * e->chunk_panels;
    const int to =
        e->n_panel - from < e->chunk_panels ? e->n_panel : from + e->chunk_panels;
    for (int i = from; i < to; i++) {
        unsigned char *dst = job->pack->block + e->offset + (size_t)i * e->to.row_bytes;
        hone_panel_pack(dst, e->from, i);
    }
    if (!job->forget) return;
    const size_t first = (size_t)from * HONE_PANEL_ROWS;
    size_t rows = (size_t)(to - from) * HONE_PANEL_ROWS;
    if (first + rows > (size_t)e->from->n_row) rows = (size_t)e->from->n_row - first;
    job->forget(job->ctx, e->from->data + first * e->from->row_bytes,
                rows * e->from->row_bytes);
}

static hone_status pack_all(hone_pack *p, hone_pool *pool, hone_forget_fn *forget,
                            void *ctx, hone_error *err)
{
    void *block = mmap(NULL, p->bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED) {
        return hone_fail(err, HONE_E_NOMEM, "pack weights: cannot get %zu bytes: %s",
                         p->bytes, strerror(errno));
    }
    p->block = block;
    madvise(block, p->bytes, MADV_HUGEPAGE); /* a hint: fewer misses of the TLB */
    int *n_chunk = hone_alloc(p->n_packed, sizeof *n_chunk);
    if (!n_chunk) return hone_fail(err, HONE_E_NOMEM, "pack weights: out of memory");
    for (size_t i = 0; i < p->n_packed; i++) {
        const packed *e = &p->packed[i];
        n_chunk[i] = (e->n_panel - 1) / e->chunk_panels + 1;
    }
    pack_job job = {p, forget, ctx};
    hone_pool_walk(pool, n_chunk, (int)p->n_packed, pack_chunk, &job);
    hone_free(n_chunk);
    return HONE_OK;
}

/* Point the matrices into the block. */
static void place_all(hone_pack *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        hone_matrix *m = &p->matrix[i];
        if (m->packed) m->data = p->block + p->packed[p->which[i]].offset;
    }
}

hone_status hone_pack_new(hone_pack **out, const hone_program *program,
                          const hone_kernels *k, hone_pool *pool,
                          hone_forget_fn *forget, void *ctx, hone_error *err)
{
    hone_pack *p = hone_alloc_zero(1, sizeof *p);
    if (!p) return hone_fail(err, HONE_E_NOMEM, "pack weights: out of memory");
    hone_status s = list_weights(p, program, k, err);
    if (!s && p->bytes > 0) s = pack_all(p, pool, forget, ctx, err);
    if (s) {
        hone_pack_free(p);
        return s;
    }
    place_all(p, program->n_op * HONE_OP_MAX_LINEAR);
    *out = p;
    return HONE_OK;
}

static void release_lists(hone_pack *p)
{
    hone_free(p->matrix);
    hone_free(p->which);
    hone_free(p->packed);
}

void hone_pack_free(hone_pack *p)
{
    if (!p) return;
    if (p->block) munmap(p->block, p->bytes);
    release_lists(p);
    hone_free(p);
}

const hone_matrix *hone_pack_get(const hone_pack *p, size_t op, int i)
{
    return &p->matrix[op * HONE_OP_MAX_LINEAR + (size_t)i];
}

hone_status hone_pack_plan(const hone_program *program, const hone_kernels *k,
                           size_t *bytes, hone_error *err)
{
    hone_pack p = {0};
    const hone_status s = list_weights(&p, program, k, err);
    *bytes = p.bytes;
    release_lists(&p);
    return s;
}
