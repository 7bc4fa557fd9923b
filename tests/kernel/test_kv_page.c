/* test_kv_page.c - keys and values as they are stored: GGUF's rounding, the layout, and
 * bounds of the error. */
#include "check.h"

#include <math.h>

#include "kernel/kv_page.h"
#include "tensor/dequant.h"

enum {
    PAGE_LEN = 20,
    STRIDE = 32,
    MAX_D = 130,
    MAX_BYTES = MAX_D * STRIDE * 4 + 1024
};

static const hone_dtype types[] = {HONE_F32, HONE_F16, HONE_BF16, HONE_Q8_0, HONE_Q4_0};
static const int widths[] = {1,  5,  15, 16, 17, 20,  31, 32,
                             33, 47, 48, 64, 80, 128, 130};
enum {
    N_TYPE = sizeof types / sizeof types[0],
    N_WIDTH = sizeof widths / sizeof widths[0]
};

/* Element i of `slot`, read by the drawing in kv_page.h; its scale, 0 for floats. */
static float stored(const unsigned char *p, hone_dtype t, bool key, int slot, int i,
                    int d, float *scale)
{
    *scale = 0.0f;
    if (t == HONE_F32 || t == HONE_F16 || t == HONE_BF16) {
        const int at = key ? i * STRIDE + slot : slot * d + i;
        float f;
        uint16_t h;
        memcpy(&f, p + (t == HONE_F32 ? 4 * at : 0), 4);
        memcpy(&h, p + 2 * at, 2);
        return t == HONE_F32   ? f
               : t == HONE_F16 ? hone_f16_to_f32(h)
                               : hone_bf16_to_f32(h);
    }
    const int blocks = (d + 31) / 32, b = i / 32, rest = d % 32;
    const int bytes = t == HONE_Q8_0 ? d : d / 32 * 16 + (rest < 16 ? rest : 16);
    const int byte = t == HONE_Q8_0 ? i : b * 16 + i % 16;
    uint16_t h;
    memcpy(&h, p + 2 * (b * STRIDE + slot), 2);
    const int c =
        p[2 * blocks * STRIDE + (key ? byte * STRIDE + slot : slot * bytes + byte)];
    *scale = hone_f16_to_f32(h);
    if (t == HONE_Q8_0) return *scale * (float)(c < 128 ? c : c - 256);
    return *scale * (float)((i % 32 < 16 ? c % 16 : c / 16) - 8);
}

static void put(void *p, hone_dtype t, bool key, int slot, const float *x, int d)
{
    hone_kernels k;
    hone_kernels_init(&k, 0);
    (key ? hone_kv_put_key : hone_kv_put_value)(&k, p, t, PAGE_LEN, slot, x, d);
}

static void random_row(float *x, int d)
{
    for (int i = 0; i < d; i++) {
        x[i] = (float)(hone_rng_f64(test_rng()) * 8.0 - 4.0);
    }
}

/* All slots of a page, then every element within the type's bound. */
static void check_round_trip(hone_dtype t, bool key, int d)
{
    static _Alignas(64) unsigned char page[MAX_BYTES];
    static float x[PAGE_LEN][MAX_D];
    const size_t bytes =
        key ? hone_kv_key_bytes(t, d, PAGE_LEN) : hone_kv_value_bytes(t, d, PAGE_LEN);
    assert_true(bytes < sizeof page && bytes % 64 == 0);
    memset(page, 0xAA, sizeof page);
    for (int s = 0; s < PAGE_LEN; s++) {
        random_row(x[s], d);
        put(page, t, key, s, x[s], d);
    }
    for (size_t i = bytes; i < sizeof page; i++) {
        assert_int_equal(page[i], 0xAA);
    }
    for (int s = 0; s < PAGE_LEN; s++) {
        for (int i = 0; i < d; i++) {
            float scale;
            const float got = stored(page, t, key, s, i, d, &scale);
            const double bound = t == HONE_F32    ? 0.0
                                 : t == HONE_F16  ? 4.0 / 2048
                                 : t == HONE_BF16 ? 4.0 / 256
                                 : t == HONE_Q8_0 ? 0.57 * (double)scale
                                                  : 1.01 * fabs((double)scale);
            assert_true(fabs((double)got - (double)x[s][i]) <= bound);
            assert_true(fabs((double)scale) <= 4.0 / (t == HONE_Q8_0 ? 126.9 : 7.99));
        }
    }
}

static void what_is_stored_is_within_the_bounds(void **state)
{
    (void)state;
    for (int t = 0; t < N_TYPE; t++) {
        for (int w = 0; w < N_WIDTH; w++) {
            check_round_trip(types[t], true, widths[w]);
            check_round_trip(types[t], false, widths[w]);
        }
    }
}

/* Threads store neighbours at the same time: bytes that one changes, no other writes. */
static void slots_share_no_byte(void **state)
{
    static _Alignas(64) unsigned char a[MAX_BYTES], b[MAX_BYTES];
    static unsigned char owner[MAX_BYTES];
    (void)state;
    for (int n = 0; n < 2 * N_TYPE * N_WIDTH; n++) {
        const hone_dtype t = types[n % N_TYPE];
        const int d = widths[n / N_TYPE % N_WIDTH];
        const bool key = n < N_TYPE * N_WIDTH;
        float x[MAX_D];
        memset(owner, 0, sizeof owner);
        for (int s = 0; s < PAGE_LEN; s++) {
            memset(a, 0x00, sizeof a);
            memset(b, 0xFF, sizeof b);
            random_row(x, d);
            put(a, t, key, s, x, d);
            put(b, t, key, s, x, d);
            for (size_t i = 0; i < sizeof a; i++) {
                if (a[i] != b[i]) continue; /* written: the same over zeros and ones */
                assert_int_equal(owner[i], 0);
                owner[i] = 1;
            }
        }
    }
}

static void codes_round_as_in_gguf(void **state)
{
    /* the scale is 1; halves go away from zero, whatever is even */
    static const float x8[] = {127.0f, 0.5f,  -0.5f,       1.5f,
                               2.5f,   -2.5f, 0.49999997f, -64.5f};
    static const int code8[] = {127, 1, -1, 2, 3, -3, 0, -65};
    /* -8 is the largest: x + 8.5 is cut, and 8.2 ends at 15 */
    static const float x4[] = {-8.0f, 7.9f, 7.4f, 0.0f, 0.49f, 0.5f, -0.51f, -7.51f};
    static const int code4[] = {0, 15, 15, 8, 8, 9, 7, 0};
    /* a positive largest value has a negative scale */
    static const float up4[] = {8.0f, -7.9f, -7.4f, 0.0f, -0.49f, -0.5f, 0.51f, 7.51f};
    _Alignas(64) unsigned char page[2048];
    float scale;
    (void)state;
    put(page, HONE_Q8_0, false, 3, x8, 8);
    for (int i = 0; i < 8; i++) {
        assert_true(stored(page, HONE_Q8_0, false, 3, i, 8, &scale) == (float)code8[i]);
        assert_true(scale == 1.0f);
    }
    put(page, HONE_Q4_0, true, 3, x4, 8);
    for (int i = 0; i < 8; i++) {
        assert_true(stored(page, HONE_Q4_0, true, 3, i, 8, &scale) ==
                    (float)(code4[i] - 8));
        assert_true(scale == 1.0f);
    }
    put(page, HONE_Q4_0, true, 3, up4, 8);
    for (int i = 0; i < 8; i++) {
        assert_true(stored(page, HONE_Q4_0, true, 3, i, 8, &scale) ==
                    (float)(8 - code4[i]));
        assert_true(scale == -1.0f);
    }
}

/* Zeros are exact, and numbers that are none still give a code. */
static void odd_numbers_are_stored(void **state)
{
    static const float zero[40] = {0.0f};
    const float odd[] = {NAN,     INFINITY, -INFINITY, 1e-42f,
                         -1e-42f, 3e38f,    -3e38f,    0.0f};
    _Alignas(64) unsigned char page[4096];
    float scale;
    (void)state;
    for (int t = 3; t < N_TYPE; t++) {
        put(page, types[t], true, 0, zero, 40);
        for (int i = 0; i < 40; i++) {
            assert_true(stored(page, types[t], true, 0, i, 40, &scale) == 0.0f);
        }
        for (int n = 1; n <= 8; n++) {
            put(page, types[t], false, 1, odd, n);
            put(page, types[t], false, 1, odd + 8 - n, n);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_stored_is_within_the_bounds),
        cmocka_unit_test(slots_share_no_byte),
        cmocka_unit_test(codes_round_as_in_gguf),
        cmocka_unit_test(odd_numbers_are_stored),
    };
    return cmocka_run_group_tests_name("kv_page", tests, NULL, NULL);
}
