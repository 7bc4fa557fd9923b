/* test_cores.c - threads without a core are told from those that sleep or run, and may run
 * afterwards where they might before. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/cores.h"

enum {
    TRIES = 2000 /* of what depends on the system's choices */
};

typedef struct worker {
    pthread_t thread;
    _Atomic int id;
    _Atomic bool sleeps, stop;
    int pipe[2]; /* what it sleeps on */
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    char byte;
    atomic_store(&w->id, hone_thread_id());
    while (!atomic_load(&w->stop)) {
        if (atomic_load(&w->sleeps) && read(w->pipe[0], &byte, 1) < 0) break;
    }
    return NULL;
}

static void start(worker *w, bool sleeps)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(pipe(w->pipe), 0);
    atomic_store(&w->sleeps, sleeps);
    assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
    while (!atomic_load(&w->id)) {
        sched_yield();
    }
}

static void stop(worker *w)
{
    atomic_store(&w->stop, true);
    assert_int_equal(write(w->pipe[1], "", 1), 1);
    pthread_join(w->thread, NULL);
    close(w->pipe[0]);
    close(w->pipe[1]);
}

static cpu_set_t mask_of(int id)
{
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(id, sizeof set, &set), 0);
    return set;
}

static cpu_set_t only(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    return set;
}

/* A core this thread is not on and may go to, -1 if there is none. */
static int other_core(void)
{
    const cpu_set_t own = mask_of(0);
    const int here = sched_getcpu();
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (i != here && CPU_ISSET((size_t)i, &own)) return i;
    }
    return -1;
}

static void a_sleeping_thread_lacks_nothing(void **state)
{
    worker w;
    int core;
    (void)state;
    start(&w, true);
    int n_still = 0; /* looks in a row; it falls asleep some time */
    for (int i = 0; i < TRIES && n_still < 20; i++) {
        usleep(1000);
        n_still = hone_thread_lacks_core(atomic_load(&w.id), &core) ? 0 : n_still + 1;
    }
    assert_int_equal(n_still, 20);
    stop(&w);
    bool gone = false; /* a thread is joined a little before it is */
    for (int i = 0; i < TRIES && !gone; i++) {
        gone = !hone_thread_lacks_core(atomic_load(&w.id), &core);
    }
    assert_true(gone);
}

/* While this thread runs, one that is tied to the same core waits for it. */
static void a_thread_behind_another_lacks_a_core(void **state)
{
    const cpu_set_t before = mask_of(0);
    worker w;
    bool seen = false;
    (void)state;
    start(&w, false);
    const int id = atomic_load(&w.id), here = sched_getcpu();
    const cpu_set_t one = only(here);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(sched_setaffinity(id, sizeof one, &one), 0);
    for (int i = 0; i < TRIES && !seen; i++) {
        int core = -1;
        seen = hone_thread_lacks_core(id, &core);
        if (seen) assert_int_equal(core, here);
    }
    assert_true(seen);
    stop(&w);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void those_who_trade_may_run_where_they_might(void **state)
{
    const cpu_set_t before = mask_of(0);
    worker w;
    (void)state;
    start(&w, false);
    for (int i = 0; i < 50; i++) {
        const int id = atomic_load(&w.id), core = other_core();
        assert_true(hone_thread_bring(id, false));
        if (core >= 0) hone_thread_go(core);
        const cpu_set_t its = mask_of(id), own = mask_of(0);
        assert_true(CPU_EQUAL(&its, &before));
        assert_true(CPU_EQUAL(&own, &before));
    }
    stop(&w);
}

static void a_thread_with_cores_of_its_own_is_left_there(void **state)
{
    worker w;
    (void)state;
    if (other_core() < 0) {
        fprintf(stderr, "# skipped: there is one core\n");
        skip();
    }
    start(&w, false);
    const int id = atomic_load(&w.id);
    const cpu_set_t its = only(other_core());
    assert_int_equal(sched_setaffinity(id, sizeof its, &its), 0);
    assert_false(hone_thread_bring(id, false));
    const cpu_set_t after = mask_of(id);
    assert_true(CPU_EQUAL(&after, &its));
    hone_thread_go(CPU_SETSIZE); /* there is no such core: nothing happens */
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sleeping_thread_lacks_nothing),
        cmocka_unit_test(a_thread_behind_another_lacks_a_core),
        cmocka_unit_test(those_who_trade_may_run_where_they_might),
        cmocka_unit_test(a_thread_with_cores_of_its_own_is_left_there),
    };
    return cmocka_run_group_tests_name("cores", tests, NULL, NULL);
}
