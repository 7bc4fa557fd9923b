/* pack.h - the weights of a program in the layout that kernels read.
 *
 *     hone_pack *p;
 *     HONE_TRY(hone_pack_new(&p, program, kernels, pool, forget, ctx, err));
 *     const hone_matrix *w = hone_pack_get(p, op, i);
 *     hone_pack_free(p);
 *
 * Kernels that read rows of the file get the program's own matrices.  For those that
 * read panels every weight is rearranged once, by all threads, into one block of memory;
 * what was read of the file is let go on the way, so that one copy is resident.
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

/* forget may be NULL.  The program's weights must outlive the pack.  E_NOMEM says how
 * much. */
HONE_MUST_CHECK hone_status hone_pack_new(hone_pack **out, const hone_program *p,
                                          const hone_kernels *k, hone_pool *pool,
                                          hone_forget_fn *forget, void *ctx,
                                          hone_error *err);
void hone_pack_free(hone_pack *p); /* NULL is fine */

/* The weight of linear i of op number `op`. */
const hone_matrix *hone_pack_get(const hone_pack *p, size_t op, int i);

/* Bytes of the block that hone_pack_new takes for these kernels; 0 where nothing is
 * rearranged. */
HONE_MUST_CHECK hone_status hone_pack_plan(const hone_program *p, const hone_kernels *k,
                                           size_t *bytes, hone_error *err);

#endif
