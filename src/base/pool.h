/* pool.h - threads that walk a list of stages together.
 *
 *     hone_pool_walk(pool, n_chunk, n_stage, run, ctx);
 *
 * A walk is a list of stages; stage s consists of n_chunk[s] independent chunks.
 * Every thread of the pool, the caller included, walks the stages in order and takes
 * chunks from the current one until none is left; a stage begins when all chunks of
 * the one before are finished.  What counts is finished chunks and not arrived
 * threads: a thread that lost its core delays the others by at most the chunk it holds,
 * and one that comes late joins wherever the walk is.
 *
 * Waiting spins for some ten microseconds and then sleeps, which gives the core back; an
 * idle pool costs nothing.  Before it sleeps, a waiter trades cores with a thread that
 * holds a chunk and was put off its own (cores.h).
 *
 * Which thread runs a chunk is not defined, so results may depend on the chunk only.
 * Threads: one caller at a time; the caller's thread is thread 0. */
#ifndef HONE_BASE_POOL_H
#define HONE_BASE_POOL_H

#include "base/status.h"

#define HONE_POOL_MAX_THREADS 1024

typedef struct hone_pool hone_pool;

/* Run chunk `chunk` of stage `stage`; `thread` is 0 .. n_thread-1, and no two chunks
 * run on the same `thread` at once. */
typedef void hone_stage_fn(void *ctx, int stage, int chunk, int thread);

/* n_thread counts the caller: n_thread - 1 threads are started.
 *   E_INVALID  n_thread outside 1 .. HONE_POOL_MAX_THREADS
 *   E_NOMEM    the system gives no more threads */
HONE_MUST_CHECK hone_status hone_pool_new(hone_pool **out, int n_thread,
                                          hone_error *err);
void hone_pool_free(hone_pool *p); /* NULL is fine */
int hone_pool_n_thread(const hone_pool *p);

/* Threads that take part in walks from now on, 1 .. n_thread; all at first.  The others
 * sleep.  Between walks. */
void hone_pool_set_active(hone_pool *p, int n);
int hone_pool_n_active(const hone_pool *p);

/* Returns when every chunk of every stage is finished.  n_chunk[s] >= 0. */
void hone_pool_walk(hone_pool *p, const int *n_chunk, int n_stage, hone_stage_fn *run,
                    void *ctx);

#endif
