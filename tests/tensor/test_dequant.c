/* test_dequant.c - decoding of every block format, by hand and against the gguf package. */
#include "check.h"

#include <math.h>

#include "base/file.h"
#include "base/mem.h"
#include "tensor/dequant.h"

/* tests/data/dequant.bin is written by tools/oracle/dequant_vectors.py. */
static void decodes_what_the_gguf_package_decodes(void **state)
{
    hone_error err;
    char *file;
    size_t size, at = 0;
    int n_type = 0;
    (void)state;
    assert_ok(hone_file_read(&file, &size, data_path("dequant.bin"), 1 << 24, &err));
    while (at < size) {
        int32_t head[3];
        hone_dtype t;
        memcpy(head, file + at, sizeof head);
        at += sizeof head;
        assert_true(hone_dtype_from_gguf((uint32_t)head[0], &t));
        float *got = hone_alloc((size_t)head[2], sizeof *got);
        hone_dequantize(got, file + at, t, (size_t)head[2]);
        at += (size_t)head[1];
        for (int i = 0; i < head[2]; i++) {
            float want;
            memcpy(&want, file + at + 4 * (size_t)i, sizeof want);
            if (!(got[i] == want)) {
                fail_msg("%s: value %d: %.9g, expected %.9g", hone_dtype_get(t)->name,
                         i, (double)got[i], (double)want);
            }
        }
        at += 4 * (size_t)head[2];
        hone_free(got);
        n_type++;
    }
    assert_int_equal(n_type, 17);
    hone_free(file);
}

static void check(hone_dtype t, const unsigned char *block, size_t n, const float *want,
                  const size_t *where, size_t n_where)
{
    float got[256];
    hone_dequantize(got, block, t, n);
    for (size_t i = 0; i < n_where; i++) {
        if (got[where[i]] != want[i]) {
            fail_msg("%s: element %zu: %g, expected %g", hone_dtype_get(t)->name,
                     where[i], (double)got[where[i]], (double)want[i]);
        }
    }
}

/* f16 1.0 is 0x3C00, 0.5 is 0x3800, 2.0 is 0x4000: bytes are written low first. */
static void blocks_of_32_worked_out_by_hand(void **state)
{
    (void)state;
    const size_t w[] = {0, 1, 16, 31};
    /* Q4_0, d = 2: byte 0 = 0xF1: element 0 is (1-8)*2, element 16 is (15-8)*2 */
    unsigned char q4_0[18] = {0x00, 0x40, 0xF1, 0x08};
    check(HONE_Q4_0, q4_0, 32, (float[]){-14, 0, 14, -16}, w, 4);
    /* Q4_1, d = 0.5, m = 1: 0xF1 gives 1*0.5+1 and 15*0.5+1 */
    unsigned char q4_1[20] = {0x00, 0x38, 0x00, 0x3C, 0xF1, 0x08};
    check(HONE_Q4_1, q4_1, 32, (float[]){1.5f, 5, 8.5f, 1}, w, 4);
    /* Q5_0, d = 1: bit 0 of qh adds 16 to element 0, bit 16 to element 16 */
    unsigned char q5_0[22] = {0x00, 0x3C, 0x01, 0x00, 0x01, 0x00, 0x21};
    check(HONE_Q5_0, q5_0, 32, (float[]){1, -16, 2, -16}, w, 4);
    /* Q5_1, d = 1, m = 0.5 */
    unsigned char q5_1[24] = {0x00, 0x3C, 0x00, 0x38, 0x01, 0x00, 0x01, 0x00, 0x21};
    check(HONE_Q5_1, q5_1, 32, (float[]){17.5f, 0.5f, 18.5f, 0.5f}, w, 4);
    /* Q8_0, d = 0.5: bytes are signed */
    unsigned char q8_0[34] = {0x00, 0x38, 0x7F, 0x80};
    check(HONE_Q8_0, q8_0, 32, (float[]){63.5f, -64, 0, 0}, w, 4);
    /* IQ4_NL, d = 1: level 0 is -127, level 8 is 1, level 15 is 113 */
    unsigned char iq4[18] = {0x00, 0x3C, 0xF8, 0x00};
    check(HONE_IQ4_NL, iq4, 32, (float[]){1, -127, 113, -127}, w, 4);
    /* MXFP4, e = 128: scale 2; code 2 is 1.0, code 15 is -6, code 1 is 0.5 */
    unsigned char mx[17] = {128, 0xF2, 0x01};
    check(HONE_MXFP4, mx, 32, (float[]){2, 1, -12, 0}, w, 4);
}

static void blocks_of_256_worked_out_by_hand(void **state)
{
    (void)state;
    /* Q8_K, d = 0.25 (f32) */
    unsigned char q8[292] = {0x00, 0x00, 0x80, 0x3E, 0x04, 0xFC};
    check(HONE_Q8_K, q8, 256, (float[]){1, -1, 0}, (size_t[]){0, 1, 255}, 3);
    /* Q2_K, d = 1, dmin = 0.5: scales[0] = 0x32: scale 2, min 3; qs[0] = 0b11100100:
     * elements 0, 32, 64, 96 are 0, 1, 2, 3; scales[2], [4], [6] are 0x01 */
    unsigned char q2[84] = {0x32, 0, 0x01, 0, 0x01, 0, 0x01};
    q2[16] = 0xE4, q2[80] = 0x00, q2[81] = 0x3C, q2[82] = 0x00, q2[83] = 0x38;
    check(HONE_Q2_K, q2, 256, (float[]){-1.5f, 1, 2, 3}, (size_t[]){0, 32, 64, 96}, 4);
    /* Q3_K, d = 1: scale 0 is low nibble 1 with high bits 2: 33 - 32 = 1; qs[0] = 3 with
     * the mask bit set is 3, without it 3 - 4 */
    unsigned char q3[110] = {0x01};
    q3[32] = 0x03, q3[33] = 0x03, q3[96] = 0x01, q3[104] = 0x02, q3[108] = 0x00,
    q3[109] = 0x3C;
    check(HONE_Q3_K, q3, 256, (float[]){3, -1, -4}, (size_t[]){0, 1, 2}, 3);
    /* Q4_K, d = 1, dmin = 1: pair 0: scale 2, min 1; pair 4: scale 0x3 | 1<<4 = 19, min
     * 0x5 | 2<<4 = 37 (high bits from bytes 0 and 4) */
    unsigned char q4[144] = {0x00, 0x3C, 0x00, 0x3C, 0x42, 0,   0,
                             0,    0x81, 0,    0,    0,    0x53};
    q4[16] = 0x0A, q4[16 + 64] = 0x0A;
    check(HONE_Q4_K, q4, 256, (float[]){2 * 10 - 1, 19 * 10 - 37}, (size_t[]){0, 128},
          2);
    /* Q5_K: the same scales; bit 0 of qh[0] adds 16 to element 0 */
    unsigned char q5[176] = {0x00, 0x3C, 0x00, 0x3C, 0x42, 0,   0,
                             0,    0x81, 0,    0,    0,    0x53};
    q5[16] = 0x01, q5[48] = 0x0A;
    check(HONE_Q5_K, q5, 256, (float[]){2 * 26 - 1, 0 - 0}, (size_t[]){0, 32}, 2);
    /* Q6_K, d = 0.5: ql[0] = 0x21, qh[0] = 0b11: element 0 is 1 + 48 - 32 = 17, element 64
     * is 2 - 32; scales 2 */
    unsigned char q6[210] = {0x21};
    q6[128] = 0x03, q6[192] = 2, q6[196] = 2, q6[208] = 0x00, q6[209] = 0x38;
    check(HONE_Q6_K, q6, 256, (float[]){17, -30}, (size_t[]){0, 64}, 2);
    /* IQ4_XS, d = 1: scale 0 is 5 | 2<<4 = 37 - 32 = 5; level 8 is 1 */
    unsigned char xs[136] = {0x00, 0x3C, 0x02, 0x00, 0x05, 0, 0, 0, 0x08};
    check(HONE_IQ4_XS, xs, 256, (float[]){5, 5 * -127}, (size_t[]){0, 1}, 2);
    /* TQ2_0, d = 2: two bits minus one */
    unsigned char tq2[66] = {0x02};
    tq2[64] = 0x00, tq2[65] = 0x40;
    check(HONE_TQ2_0, tq2, 256, (float[]){2, -2}, (size_t[]){0, 1}, 2);
    /* TQ1_0, d = 1: the digits 2 0 1 0 0 make 2*81 + 9 = 171; ceil(171 * 256 / 243) = 181 */
    unsigned char tq1[54] = {181};
    tq1[52] = 0x00, tq1[53] = 0x3C;
    check(HONE_TQ1_0, tq1, 256, (float[]){1, -1, 0, -1, -1},
          (size_t[]){0, 32, 64, 96, 128}, 5);
}

static void halves_survive_the_round_trip(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        const float f = hone_f16_to_f32((uint16_t)h);
        const uint32_t exponent = h >> 10 & 31, fraction = h & 1023;
        if (exponent == 31 && fraction) {
            assert_true(isnan(f) && isnan(hone_f16_to_f32(hone_f32_to_f16(f))));
            continue;
        }
        /* the value by the definition of the format */
        double want = exponent == 31 ? (double)INFINITY
                      : exponent     ? ldexp(1024.0 + fraction, (int)exponent - 25)
                                     : ldexp((double)fraction, -24);
        if (h & 0x8000) want = -want;
        assert_true((double)f == want);
        assert_int_equal(hone_f32_to_f16(f), h);
    }
}

static void narrowing_rounds_to_nearest_even(void **state)
{
    (void)state;
    assert_int_equal(hone_f32_to_f16(1.0f + 0x1p-11f), 0x3C00);     /* tie: even */
    assert_int_equal(hone_f32_to_f16(1.0f + 3 * 0x1p-11f), 0x3C02); /* tie: even */
    assert_int_equal(hone_f32_to_f16(1.0f + 0x1p-11f + 0x1p-20f), 0x3C01); /* above */
    assert_int_equal(hone_f32_to_f16(65519.0f), 0x7BFF);
    assert_int_equal(hone_f32_to_f16(65520.0f), 0x7C00);
    assert_int_equal(hone_f32_to_f16(0x1p-25f), 0x0000);
    assert_int_equal(hone_f32_to_f16(0x1.8p-25f), 0x0001);
    assert_int_equal(hone_f32_to_bf16(1.0f + 0x1p-8f), 0x3F80);
    assert_int_equal(hone_f32_to_bf16(1.0f + 3 * 0x1p-8f), 0x3F82);
    assert_int_equal(hone_f32_to_bf16(INFINITY), 0x7F80);
    assert_true(isnan(hone_bf16_to_f32(hone_f32_to_bf16(NAN))));
}

static void rows_are_whole_blocks(void **state)
{
    size_t bytes;
    (void)state;
    assert_false(hone_dtype_row_bytes(HONE_Q4_0, 33, &bytes));
    assert_true(hone_dtype_row_bytes(HONE_Q4_K, 512, &bytes));
    assert_int_equal(bytes, 288);
    assert_false(hone_dtype_row_bytes(HONE_F64, SIZE_MAX / 2, &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_what_the_gguf_package_decodes),
        cmocka_unit_test(blocks_of_32_worked_out_by_hand),
        cmocka_unit_test(blocks_of_256_worked_out_by_hand),
        cmocka_unit_test(halves_survive_the_round_trip),
        cmocka_unit_test(narrowing_rounds_to_nearest_even),
        cmocka_unit_test(rows_are_whole_blocks),
    };
    return cmocka_run_group_tests_name("dequant", tests, NULL, NULL);
}
