/* test_pool.c - every chunk runs once, in order of stages, with any number of threads. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/pool.h"

enum {
    STAGES = 300,
    CHUNKS = 7
};

typedef struct record {
    _Atomic int n_run[STAGES][CHUNKS];
    _Atomic int finished[STAGES]; /* chunks of a stage that are done */
    const int *n_chunk;
    _Atomic int n_early; /* chunks that ran before the stage in front was done */
    _Atomic int busy[64];
    _Atomic int n_shared; /* chunks that ran on a thread number in use */
} record;

static void run_chunk(void *ctx, int stage, int chunk, int thread)
{
    record *r = ctx;
    if (atomic_fetch_add(&r->busy[thread], 1)) atomic_fetch_add(&r->n_shared, 1);
    if (stage > 0 && atomic_load(&r->finished[stage - 1]) != r->n_chunk[stage - 1]) {
        atomic_fetch_add(&r->n_early, 1);
    }
    atomic_fetch_add(&r->n_run[stage][chunk], 1);
    atomic_fetch_add(&r->finished[stage], 1);
    atomic_fetch_sub(&r->busy[thread], 1);
}

static void check_walks(int n_thread, int n_walk)
{
    hone_pool *p;
    hone_error err;
    static record r;
    int n_chunk[STAGES];
    assert_ok(hone_pool_new(&p, n_thread, &err));
    for (int i = 0; i < STAGES; i++) {
        n_chunk[i] = i % (CHUNKS + 1); /* some stages are empty */
    }
    for (int w = 0; w < n_walk; w++) {
        memset(&r, 0, sizeof r);
        r.n_chunk = n_chunk;
        hone_pool_walk(p, n_chunk, STAGES, run_chunk, &r);
        for (int s = 0; s < STAGES; s++) {
            for (int c = 0; c < CHUNKS; c++) {
                assert_int_equal(atomic_load(&r.n_run[s][c]), c < n_chunk[s]);
            }
        }
        assert_int_equal(atomic_load(&r.n_early), 0);
        assert_int_equal(atomic_load(&r.n_shared), 0);
    }
    hone_pool_free(p);
}

static void one_thread_runs_everything(void **state)
{
    (void)state;
    check_walks(1, 5);
}

static void two_threads_share(void **state)
{
    (void)state;
    check_walks(2, 200);
}

static void more_threads_than_cores_share(void **state)
{
    (void)state;
    check_walks(9, 40);
}

typedef struct seen {
    _Atomic int n_run[64]; /* chunks of each thread */
} seen;

static void note_thread(void *ctx, int stage, int chunk, int thread)
{
    (void)stage;
    (void)chunk;
    atomic_fetch_add(&((seen *)ctx)->n_run[thread], 1);
}

static void only_active_threads_take_chunks(void **state)
{
    enum {
        MOST = 6,
        N = 50
    };
    static const int active[] = {6, 1, 2, 3, 4, 5, 6, 2, 6};
    hone_pool *p;
    hone_error err;
    int n_chunk[N];
    (void)state;
    for (int i = 0; i < N; i++) {
        n_chunk[i] = 12;
    }
    assert_ok(hone_pool_new(&p, MOST, &err));
    assert_int_equal(hone_pool_n_active(p), MOST);
    for (int round = 0; round < 40; round++) {
        const int n = active[round % 9];
        seen s = {0};
        int sum = 0;
        hone_pool_set_active(p, n);
        hone_pool_walk(p, n_chunk, N, note_thread, &s);
        for (int i = 0; i < MOST; i++) {
            const int ran = atomic_load(&s.n_run[i]);
            if (i >= n) assert_int_equal(ran, 0);
            sum += ran;
        }
        assert_int_equal(sum, N * 12);
    }
    hone_pool_free(p);
}

static void *run_forever(void *arg)
{
    while (!atomic_load((_Atomic int *)arg)) {
    }
    return NULL;
}

/* Threads lose their cores in the middle of chunks, and trade them. */
static void busy_cores_change_nothing(void **state)
{
    enum {
        BUSY = 3
    };
    pthread_t busy[BUSY];
    _Atomic int stop = 0;
    cpu_set_t before, after;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    for (int i = 0; i < BUSY; i++) {
        assert_int_equal(pthread_create(&busy[i], NULL, run_forever, &stop), 0);
    }
    check_walks(2, 60);
    atomic_store(&stop, 1);
    for (int i = 0; i < BUSY; i++) {
        pthread_join(busy[i], NULL);
    }
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
}

static void count(void *ctx, int stage, int chunk, int thread)
{
    (void)stage;
    (void)chunk;
    (void)thread;
    atomic_fetch_add((_Atomic int *)ctx, 1);
}

static void long_walks_are_cut(void **state)
{
    static int n_chunk[10000];
    hone_pool *p;
    hone_error err;
    _Atomic int n = 0;
    (void)state;
    for (int i = 0; i < 10000; i++) {
        n_chunk[i] = 1;
    }
    assert_ok(hone_pool_new(&p, 2, &err));
    hone_pool_walk(p, n_chunk, 10000, count, &n);
    assert_int_equal(atomic_load(&n), 10000);
    hone_pool_free(p);
}

static void absurd_counts_are_refused(void **state)
{
    hone_pool *p;
    hone_error err;
    (void)state;
    assert_fails(hone_pool_new(&p, 0, &err), HONE_E_INVALID, "expected 1 to");
    assert_fails(hone_pool_new(&p, 1 << 20, &err), HONE_E_INVALID, "expected 1 to");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_runs_everything),
        cmocka_unit_test(two_threads_share),
        cmocka_unit_test(more_threads_than_cores_share),
        cmocka_unit_test(only_active_threads_take_chunks),
        cmocka_unit_test(busy_cores_change_nothing),
        cmocka_unit_test(long_walks_are_cut),
        cmocka_unit_test(absurd_counts_are_refused),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
