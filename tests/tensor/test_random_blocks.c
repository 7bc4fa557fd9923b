/* test_random_blocks.c - random weights: mean, deviation, and blocks that are allowed. */
#include "check.h"

#include <math.h>

#include "tensor/dequant.h"
#include "tensor/random_blocks.h"

enum {
    N = 256 * 512
};

static void every_format_has_mean_zero_and_the_deviation(void **state)
{
    static float value[N];
    static unsigned char bytes[N * 4];
    static const float wanted[] = {1.0f, 0.0442f, 0.0083f};
    (void)state;
    for (int t = 0; t < HONE_N_DTYPE; t++) {
        if (!hone_random_blocks_has((hone_dtype)t)) continue;
        for (int w = 0; w < 3; w++) {
            hone_random_blocks g;
            double sum = 0.0, squares = 0.0;
            hone_random_blocks_init(&g, (hone_dtype)t, wanted[w]);
            hone_random_blocks_fill(&g, bytes, N, test_rng());
            hone_dequantize(value, bytes, (hone_dtype)t, N);
            for (int i = 0; i < N; i++) {
                assert_true(isfinite(value[i]));
                sum += (double)value[i];
                squares += (double)value[i] * (double)value[i];
            }
            const double deviation = sqrt(squares / N);
            if (fabs(sum / N) > 0.02 * (double)wanted[w] ||
                fabs(deviation / (double)wanted[w] - 1.0) > 0.05) {
                fail_msg("%s: mean %g, deviation %g, expected 0 and %g",
                         hone_dtype_get((hone_dtype)t)->name, sum / N, deviation,
                         (double)wanted[w]);
            }
        }
    }
}

static void integers_are_no_weights(void **state)
{
    (void)state;
    assert_false(hone_random_blocks_has(HONE_I8));
    assert_false(hone_random_blocks_has(HONE_I64));
    assert_false(hone_random_blocks_has(HONE_F64));
    assert_true(hone_random_blocks_has(HONE_F16));
    assert_true(hone_random_blocks_has(HONE_MXFP4));
}

static void a_seed_repeats_itself(void **state)
{
    unsigned char a[144 * 4], b[144 * 4];
    hone_random_blocks g;
    hone_rng r, s;
    (void)state;
    hone_rng_init(&r, 7);
    hone_rng_init(&s, 7);
    hone_random_blocks_init(&g, HONE_Q4_K, 0.1f);
    hone_random_blocks_fill(&g, a, 1024, &r);
    hone_random_blocks_fill(&g, b, 512, &s);
    hone_random_blocks_fill(&g, b + 288, 512, &s);
    assert_memory_equal(a, b, sizeof a);
}

/* Sums beside Q8_K's levels; digits of the ternary formats below 3. */
static void redundant_parts_agree(void **state)
{
    unsigned char p[292 * 8];
    hone_random_blocks g;
    (void)state;
    hone_random_blocks_init(&g, HONE_Q8_K, 0.1f);
    hone_random_blocks_fill(&g, p, 256 * 8, test_rng());
    for (int b = 0; b < 8; b++) {
        for (int i = 0; i < 16; i++) {
            int sum = 0;
            int16_t stored;
            for (int j = 0; j < 16; j++) {
                sum += (int8_t)p[292 * b + 4 + 16 * i + j];
            }
            memcpy(&stored, p + 292 * b + 260 + 2 * i, 2);
            assert_int_equal(stored, sum);
        }
    }
    hone_random_blocks_init(&g, HONE_TQ2_0, 0.1f);
    hone_random_blocks_fill(&g, p, 256 * 8, test_rng());
    for (int i = 0; i < 66 * 8; i++) {
        if (i % 66 < 64) assert_int_equal(p[i] & p[i] >> 1 & 0x55, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_has_mean_zero_and_the_deviation),
        cmocka_unit_test(integers_are_no_weights),
        cmocka_unit_test(a_seed_repeats_itself),
        cmocka_unit_test(redundant_parts_agree),
    };
    return cmocka_run_group_tests_name("random_blocks", tests, NULL, NULL);
}
