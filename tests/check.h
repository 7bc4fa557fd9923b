/* check.h - what every test program shares: cmocka in its order, data paths, random
 * numbers with a printed seed. */
#ifndef HONE_TESTS_CHECK_H
#define HONE_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"

/* The call must succeed; its message is printed if not.  Needs `hone_error err`. */
#define assert_ok(call)                                                                \
    do {                                                                               \
        if ((call) != HONE_OK) fail_msg("%s: %s", #call, err.text);                    \
    } while (0)

/* The call must fail with `code` and a message that contains `part`. */
#define assert_fails(call, want, part)                                                 \
    do {                                                                               \
        const hone_status got_ = (call);                                               \
        if (got_ != (want) || !strstr(err.text, part))                                 \
            fail_msg("%s: status %d '%s', expected %d '..%s..'", #call, (int)got_,     \
                     got_ ? err.text : "", (int)(want), part);                         \
    } while (0)

/* Path of a file in tests/data, in a static buffer. */
static inline const char *data_path(const char *name)
{
    static char path[4096];
    const char *dir = getenv("HONE_TEST_DATA");
    snprintf(path, sizeof path, "%s/%s", dir ? dir : "tests/data", name);
    return path;
}

/* Path of a file in the folder of shared test data beside the checkout, or NULL with a
 * printed reason where it is absent: call skip() then. */
static inline const char *shared_path(const char *name)
{
    static char path[4096];
    const char *dir = getenv("HONE_SHARED_DATA");
    snprintf(path, sizeof path, "%s/%s", dir ? dir : "../shared/data", name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "# skipped: no %s\n", path);
        return NULL;
    }
    fclose(f);
    return path;
}

/* Random numbers seeded by HONE_TEST_SEED (default 1), printed once. */
static inline hone_rng *test_rng(void)
{
    static hone_rng rng;
    static int ready;
    if (!ready) {
        const char *s = getenv("HONE_TEST_SEED");
        const uint64_t seed = s ? strtoull(s, NULL, 0) : 1;
        fprintf(stderr, "# seed %llu\n", (unsigned long long)seed);
        hone_rng_init(&rng, seed);
        ready = 1;
    }
    return &rng;
}

#endif
