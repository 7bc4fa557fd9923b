/* pack.h - the weights of a program in the layout that kernels read.
 *
 *     hone_pack *p;
 *     const hone_pack_options o = {.forget = forget};
 *     HONE_TRY(hone_pack_new(&p, program, kernels, pool, &o, err));
 *     const hone_matrix *w = hone_pack_get(p, op, i);
 *     hone_pack_free(p);
 *
 * Kernels that read rows of the file get the program's own matrices.  For those that
 * read panels every weight is rearranged once, by all threads, into one block of memory;
 * what was read of the file is let go on the way, so that one copy is resident.  It lies in
 * huge pages, for large models unless those are slower here (page_trial.h).
 *
 * With a file the block is kept there for the next start, which maps it where the system
 * holds it in huge pages, and copies it into such elsewhere.  It must have been made of
 * these weights: shapes, types, sizes and times of the model's files and the sum over the
 * block have to be right, and some panels of every weight are packed again and compared.
 * Otherwise the block is made anew and the file replaced.
 *
 * Threads: new and free from one thread; in between immutable. */
#ifndef HONE_PROGRAM_PACK_H
#define HONE_PROGRAM_PACK_H

#include "base/pool.h"
#include "program/program.h"

typedef struct hone_pack hone_pack;

/* Told that bytes of a weight were read and will not be read again soon; from any thread
 * of the pool. */
typedef void hone_forget_fn(void *ctx, const void *data, size_t bytes);

typedef struct hone_pack_options { /* zero: none of it */
    hone_forget_fn *forget;
    void *forget_ctx;
    const char *file; /* where the block is kept */
    uint64_t stamp;   /* with file: changes when the model's files do */
} hone_pack_options;

/* The program's weights must outlive the pack.  E_NOMEM says how much.  That the file
 * cannot be read or written is no failure. */
HONE_MUST_CHECK hone_status hone_pack_new(hone_pack **out, const hone_program *p,
                                          const hone_kernels *k, hone_pool *pool,
                                          const hone_pack_options *o, hone_error *err);
void hone_pack_free(hone_pack *p); /* NULL is fine */

/* Whether the block came from the file; why it could not be written there, NULL where it
 * was or was not to be. */
bool hone_pack_kept(const hone_pack *p);
const char *hone_pack_warning(const hone_pack *p);

/* The weight of linear i of op number `op`. */
const hone_matrix *hone_pack_get(const hone_pack *p, size_t op, int i);

/* Bytes of the block that hone_pack_new takes for these kernels; 0 where nothing is
 * rearranged. */
HONE_MUST_CHECK hone_status hone_pack_plan(const hone_program *p, const hone_kernels *k,
                                           size_t *bytes, hone_error *err);

#endif
