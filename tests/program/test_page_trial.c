/* test_page_trial.c - the trial of pages reads what it filled and gives its memory back. */
#include "check.h"

#include <stdatomic.h>

#include "program/page_trial.h"

/* Pages of address space of this process. */
static long space(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld", &pages), 1);
    fclose(f);
    return pages;
}

static _Atomic int n_read, n_empty; /* chunks; of them not filled before */

static uint64_t count_reads(const void *data, size_t bytes)
{
    const unsigned char *p = data;
    atomic_fetch_add(&n_read, 1);
    if (p[0] != 1 || p[bytes - 1] != 1) atomic_fetch_add(&n_empty, 1);
    return 0;
}

static void both_blocks_are_read_and_given_back(void **state)
{
    hone_pool *pool;
    hone_kernels k;
    hone_error err;
    (void)state;
    assert_ok(hone_kernels_choose(&k, NULL, &err));
    assert_ok(hone_pool_new(&pool, 2, &err));
    (void)hone_huge_pages_pay(&k, pool);
    const long before = space();
    for (int i = 0; i < 3; i++) {
        (void)hone_huge_pages_pay(&k, pool);
    }
    assert_in_range(space(), before - 256, before + 256);
    k.read = count_reads;
    (void)hone_huge_pages_pay(&k, pool);
    assert_true(atomic_load(&n_read) > 0);
    assert_int_equal(atomic_load(&n_read) % 8, 0); /* two blocks, four rounds */
    assert_int_equal(atomic_load(&n_empty), 0);
    hone_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_blocks_are_read_and_given_back),
    };
    return cmocka_run_group_tests_name("page_trial", tests, NULL, NULL);
}
