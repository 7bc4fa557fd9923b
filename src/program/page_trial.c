#include "program/page_trial.h"

#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"

enum {
    BLOCK = 16 << 20,
    CHUNK = 1 << 16, /* bytes that a thread takes at a time */
    N_CHUNK = BLOCK / CHUNK,
    ROUNDS = 4
};

static const double LOSS = 1.03;

typedef struct trial {
    const hone_kernels *kernels;
    unsigned char *block;
} trial;

static unsigned char *new_block(int advice)
{
    void *p =
        mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    madvise(p, BLOCK, advice);
    return p;
}

static void fill_chunk(void *ctx, int stage, int chunk, int thread)
{
    (void)stage;
    (void)thread;
    memset(((trial *)ctx)->block + (size_t)chunk * CHUNK, 1, CHUNK);
}

static void read_chunk(void *ctx, int stage, int chunk, int thread)
{
    const trial *t = ctx;
    (void)stage;
    (void)thread;
    (void)t->kernels->read(t->block + (size_t)chunk * CHUNK, CHUNK);
}

static int64_t time_reading(trial *t, hone_pool *pool)
{
    const int n = N_CHUNK;
    const int64_t start = hone_clock_ns();
    hone_pool_walk(pool, &n, 1, read_chunk, t);
    return hone_clock_ns() - start;
}

bool hone_huge_pages_pay(const hone_kernels *k, hone_pool *pool)
{
    trial t[2] = {{k, new_block(MADV_NOHUGEPAGE)}, {k, new_block(MADV_HUGEPAGE)}};
    int64_t best[2] = {INT64_MAX, INT64_MAX};
    const bool both = t[0].block && t[1].block;
    for (int i = 0; both && i < 2; i++) {
        const int n = N_CHUNK;
        hone_pool_walk(pool, &n, 1, fill_chunk, &t[i]);
    }
    for (int i = 0; both && i < 2 * ROUNDS; i++) {
        const int64_t ns = time_reading(&t[i % 2], pool);
        if (ns < best[i % 2]) best[i % 2] = ns;
    }
    for (int i = 0; i < 2; i++) {
        if (t[i].block) munmap(t[i].block, BLOCK);
    }
    return !both || (double)best[1] <= LOSS * (double)best[0];
}
