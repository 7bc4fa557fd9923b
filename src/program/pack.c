/* pack.c - rearranging a program's weights once, or finding them rearranged. */
#include "program/pack.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/size.h"
#include "base/sum.h"
#include "kernel/panel.h"
#include "program/op_internal.h"
#include "program/pack_file.h"
#include "program/page_trial.h"

enum {
    CHUNK_BYTES = 1 << 19, /* of a matrix that one thread packs at a time */
    TRIAL_FROM =
        1 << 29 /* bytes from which a trial of pages costs little beside packing */
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
    bool kept;          /* the block is the file's, mapped or copied */
    hone_error warning; /* why the file could not be written; else empty */
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

/* What a thread found out; only for a block that is kept in a file. */
typedef struct finding {
    uint64_t sum;         /* over its chunks */
    bool bad;             /* a panel of the file is not what packing gives */
    unsigned char *again; /* room for a panel */
} finding;

typedef struct pack_job {
    hone_pack *pack;
    const hone_kernels *kernels;
    const hone_pack_options *o;
    finding *found;            /* [n_thread], or NULL */
    const unsigned char *file; /* a block to look through instead of packing, or NULL */
    int n_thread;
} pack_job;

static void forget_rows(const pack_job *job, const packed *e, int from, int to)
{
    if (!job->o->forget) return;
    const size_t first = (size_t)from * HONE_PANEL_ROWS;
    size_t rows = (size_t)(to - from) * HONE_PANEL_ROWS;
    if (first + rows > (size_t)e->from->n_row) rows = (size_t)e->from->n_row - first;
    job->o->forget(job->o->forget_ctx, e->from->data + first * e->from->row_bytes,
                   rows * e->from->row_bytes);
}

/* Panels from .. to of the file: the first, the last and the middle panel of a weight have
 * to be what packing gives, which also shows a layout of another version. */
static void look_through(const pack_job *job, const packed *e, int from, int to,
                         finding *f)
{
    const int checked[] = {0, e->n_panel / 2, e->n_panel - 1};
    for (int i = 0; i < 3; i++) {
        if (checked[i] < from || checked[i] >= to) continue;
        hone_panel_pack(f->again, e->from, checked[i]);
        const unsigned char *panel =
            job->file + e->offset + (size_t)checked[i] * e->to.row_bytes;
        if (memcmp(f->again, panel, e->to.row_bytes) != 0) f->bad = true;
        /* the system maps more of the model's file than was read of it */
        forget_rows(job, e, 0, e->n_panel);
    }
}

/* A chunk is packed, or looked through and copied unless it stays where it is. */
static void run_chunk(void *ctx, int stage, int chunk, int thread)
{
    const pack_job *job = ctx;
    const packed *e = &job->pack->packed[stage];
    const int from = chunk * e->chunk_panels, left = e->n_panel - from;
    const int to = left < e->chunk_panels ? e->n_panel : from + e->chunk_panels;
    const size_t at = e->offset + (size_t)from * e->to.row_bytes;
    const size_t bytes = (size_t)(to - from) * e->to.row_bytes;
    unsigned char *dst = job->pack->block + at;
    if (job->file) {
        if (dst != job->file + at) memcpy(dst, job->file + at, bytes);
        look_through(job, e, from, to, &job->found[thread]);
    } else {
        for (int i = from; i < to; i++) {
            hone_panel_pack(dst + (size_t)(i - from) * e->to.row_bytes, e->from, i);
        }
        forget_rows(job, e, from, to);
    }
    if (job->found) {
        const uint64_t number = (uint64_t)stage << 32 | (uint64_t)chunk;
        job->found[thread].sum += hone_pack_file_sum(dst, bytes, number);
    }
}

/* All chunks by all threads; *sum and *bad as they found, where they look for it. */
static hone_status walk(pack_job *job, hone_pool *pool, uint64_t *sum, bool *bad,
                        hone_error *err)
{
    const hone_pack *p = job->pack;
    int *n_chunk = hone_alloc(p->n_packed, sizeof *n_chunk);
    if (!n_chunk) return hone_fail(err, HONE_E_NOMEM, "pack weights: out of memory");
    for (size_t i = 0; i < p->n_packed; i++) {
        const packed *e = &p->packed[i];
        n_chunk[i] = (e->n_panel - 1) / e->chunk_panels + 1;
    }
    hone_pool_walk(pool, n_chunk, (int)p->n_packed, run_chunk, job);
    hone_free(n_chunk);
    *sum = 0;
    *bad = false;
    for (int i = 0; job->found && i < job->n_thread; i++) {
        *sum += job->found[i].sum;
        *bad = *bad || job->found[i].bad;
        job->found[i].sum = 0;
        job->found[i].bad = false;
    }
    return HONE_OK;
}

/* In huge pages, unless a trial shows that they are slower here. */
static hone_status new_block(const pack_job *job, hone_pool *pool, hone_error *err)
{
    hone_pack *p = job->pack;
    if (p->block) return HONE_OK;
    const bool huge = p->bytes < TRIAL_FROM || hone_huge_pages_pay(job->kernels, pool);
    void *block = mmap(NULL, p->bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED) {
        return hone_fail(err, HONE_E_NOMEM, "pack weights: cannot get %zu bytes: %s",
                         p->bytes, strerror(errno));
    }
    p->block = block;
    madvise(block, p->bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE); /* a hint */
    return HONE_OK;
}

/* -- the file --------------------------------------------------------------------- */

/* What a block is made of, and how. */
static uint64_t key_of(const hone_pack *p, const hone_program *program, uint64_t stamp)
{
    const uint64_t parts[] = {HONE_PANEL_VERSION, stamp,
                              hone_program_fingerprint(program)};
    uint64_t key = hone_sum64(HONE_SUM_START, parts, sizeof parts);
    for (size_t i = 0; i < p->n_packed; i++) {
        const packed *e = &p->packed[i];
        const uint64_t place[] = {e->offset, e->to.row_bytes, (uint64_t)e->to.dtype,
                                  (uint64_t)e->to.n_row, (uint64_t)e->to.n_col};
        key = hone_sum64(key, place, sizeof place);
    }
    return key;
}

static hone_status new_findings(pack_job *job, hone_error *err)
{
    size_t most = 0;
    for (size_t i = 0; i < job->pack->n_packed; i++) {
        const size_t n = job->pack->packed[i].to.row_bytes;
        if (n > most) most = n;
    }
    bool all = true;
    job->found = hone_alloc_zero((size_t)job->n_thread, sizeof *job->found);
    for (int i = 0; job->found && i < job->n_thread; i++) {
        job->found[i].again = hone_alloc_aligned(1, most);
        all = all && job->found[i].again;
    }
    if (job->found && all) return HONE_OK;
    return hone_fail(err, HONE_E_NOMEM, "pack weights: out of memory");
}

static void release_findings(pack_job *job)
{
    for (int i = 0; job->found && i < job->n_thread; i++) {
        hone_free(job->found[i].again);
    }
    hone_free(job->found);
}

/* *found says whether the file's block was taken: mapped, where the system holds it in
 * huge pages, else copied into such. */
static hone_status take_file(pack_job *job, hone_pool *pool, uint64_t key, bool *found,
                             hone_error *err)
{
    hone_pack *p = job->pack;
    hone_pack_file file;
    hone_error unused;
    uint64_t sum;
    bool bad;
    *found = false;
    if (hone_pack_file_map(&file, job->o->file, key, p->bytes, &unused))
        return HONE_OK; /* most often there is none yet */
    const bool stays = hone_pack_file_in_huge_pages(&file);
    job->file = file.block;
    if (stays) p->block = file.block;
    hone_status s = new_block(job, pool, err);
    if (!s) s = walk(job, pool, &sum, &bad, err);
    job->file = NULL;
    *found = !s && !bad && sum == file.sum;
    if (stays && *found) return s; /* the mapping is the pack's */
    hone_pack_file_release(&file);
    if (stays) p->block = NULL;
    return s;
}

static hone_status pack_into_file(pack_job *job, const hone_program *program,
                                  hone_pool *pool, hone_error *err)
{
    hone_pack *p = job->pack;
    const uint64_t key = key_of(p, program, job->o->stamp);
    uint64_t sum;
    bool bad;
    HONE_TRY(take_file(job, pool, key, &p->kept, err));
    if (p->kept) return HONE_OK;
    HONE_TRY(new_block(job, pool, err));
    HONE_TRY(walk(job, pool, &sum, &bad, err));
    if (!hone_pack_file_write(job->o->file, key, p->block, p->bytes, sum, &p->warning))
        p->warning.text[0] = '\0';
    return HONE_OK;
}

static hone_status pack_all(hone_pack *p, const hone_program *program,
                            const hone_kernels *k, hone_pool *pool,
                            const hone_pack_options *o, hone_error *err)
{
    uint64_t sum;
    bool bad;
    pack_job job = {
        .pack = p, .kernels = k, .o = o, .n_thread = hone_pool_n_thread(pool)};
    if (!o->file) {
        HONE_TRY(new_block(&job, pool, err));
        return walk(&job, pool, &sum, &bad, err);
    }
    hone_status s = new_findings(&job, err);
    if (!s) s = pack_into_file(&job, program, pool, err);
    release_findings(&job);
    return s;
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
                          const hone_pack_options *o, hone_error *err)
{
    hone_pack *p = hone_alloc_zero(1, sizeof *p);
    if (!p) return hone_fail(err, HONE_E_NOMEM, "pack weights: out of memory");
    hone_status s = list_weights(p, program, k, err);
    if (!s && p->bytes > 0) s = pack_all(p, program, k, pool, o, err);
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
    if (p->block) munmap(p->block, p->bytes); /* mapped from a file or not */
    release_lists(p);
    hone_free(p);
}

bool hone_pack_kept(const hone_pack *p)
{
    return p->kept;
}

const char *hone_pack_warning(const hone_pack *p)
{
    return p->warning.text[0] ? p->warning.text : NULL;
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
