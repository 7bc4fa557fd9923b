/* test_thread_tuner.c - the number of threads that is fastest is found, and kept, on
 * machines whose steps take what a function says. */
#include "check.h"

#include "program/thread_tuner.h"

enum {
    MOST = 24
};

typedef double cost_fn(int n);

/* Arithmetic alone: every thread helps. */
static double all_help(int n)
{
    return 1.0 / n;
}

/* Memory that four threads use up, and waiting that grows with their number. */
static double four_are_enough(int n)
{
    return 1.0 / (n < 4 ? n : 4) + 0.01 * n;
}

/* Two cores that are one. */
static double no_gain(int n)
{
    return 1.0 + 0.05 * n;
}

/* n_step steps; returns how many of them ran with another number than it settled on. */
static int settle(hone_thread_tuner *t, cost_fn *cost, int n_step, double noise)
{
    hone_rng *rng = test_rng();
    int n_other = 0;
    for (int i = 0; i < n_step; i++) {
        const int n = hone_thread_tuner_next(t);
        assert_in_range(n, 1, t->most);
        hone_thread_tuner_note(t, n, cost(n) * (1.0 + noise * hone_rng_f64(rng)));
        if (n != t->n) n_other++;
    }
    return n_other;
}

static void all_threads_stay_where_all_help(void **state)
{
    hone_thread_tuner t;
    (void)state;
    hone_thread_tuner_init(&t, MOST);
    assert_int_equal(hone_thread_tuner_next(&t), MOST);
    assert_in_range(settle(&t, all_help, 200, 0.0), 1, 3); /* trials cost little */
    assert_int_equal(t.n, MOST);
}

static void fewer_are_found(void **state)
{
    hone_thread_tuner t;
    (void)state;
    hone_thread_tuner_init(&t, MOST);
    settle(&t, four_are_enough, 2000, 0.0);
    assert_int_equal(t.n, 4);
    hone_thread_tuner_init(&t, 2);
    settle(&t, no_gain, 100, 0.0);
    assert_int_equal(t.n, 1);
}

static void noise_is_withstood(void **state)
{
    hone_thread_tuner t;
    (void)state;
    hone_thread_tuner_init(&t, MOST);
    settle(&t, all_help, 20000, 0.1);
    assert_int_equal(t.n, MOST);
    hone_thread_tuner_init(&t, MOST);
    settle(&t, four_are_enough, 20000, 0.1);
    assert_in_range(t.n, 2, 8);
}

/* What was right becomes wrong: another program gives cores back. */
static void a_change_is_noticed(void **state)
{
    hone_thread_tuner t;
    (void)state;
    hone_thread_tuner_init(&t, 8);
    settle(&t, no_gain, 1000, 0.0);
    assert_int_equal(t.n, 1);
    settle(&t, all_help, 300000, 0.0);
    assert_int_equal(t.n, 8);
}

static void one_thread_is_left_alone(void **state)
{
    hone_thread_tuner t;
    (void)state;
    hone_thread_tuner_init(&t, 1);
    assert_int_equal(settle(&t, all_help, 1000, 0.5), 0);
    assert_int_equal(t.n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_threads_stay_where_all_help),
        cmocka_unit_test(fewer_are_found),
        cmocka_unit_test(noise_is_withstood),
        cmocka_unit_test(a_change_is_noticed),
        cmocka_unit_test(one_thread_is_left_alone),
    };
    return cmocka_run_group_tests_name("thread_tuner", tests, NULL, NULL);
}
