/* unpack.c - the bits of every block format.
 *
 * Multi-byte fields are little-endian and unaligned, hence read byte by byte.
 * Format: ggml-common.h, ggml-quants.c. */
#include "tensor/unpack.h"

#include <string.h>

#include "tensor/dequant.h"

static uint16_t half_bits(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static float half_at(const unsigned char *p)
{
    return hone_f16_to_f32(half_bits(p));
}

/* The same scale and offset for n sub-blocks of 16. */
static void fill(hone_unpacked *u, size_t at, int n, float scale, float offset)
{
    for (int i = 0; i < n; i++) {
        u->scale[at / HONE_UNPACK_SUB + (size_t)i] = scale;
        u->offset[at / HONE_UNPACK_SUB + (size_t)i] = offset;
    }
}

/* Scales and offsets of a block with two levels of them. */
static void fill_scales(hone_unpacked *u, size_t at, const hone_scales *s)
{
    const float d = hone_f16_to_f32(s->d), d_min = hone_f16_to_f32(s->d_min);
    for (size_t i = 0; i < 16; i++) {
        const size_t sub = i * (size_t)s->n / 16;
        u->scale[at / 16 + i] = d * (float)s->scale[sub];
        u->offset[at / 16 + i] = -(d_min * (float)s->min[sub]);
    }
}

/* 32 elements from 16 bytes: low nibbles first, then high ones, minus `zero`. */
static void nibbles(int8_t *q, const unsigned char *p, int zero)
{
    for (int i = 0; i < 16; i++) {
        q[i] = (int8_t)((p[i] & 15) - zero);
        q[i + 16] = (int8_t)((p[i] >> 4) - zero);
    }
}

static void unpack_q4_0(hone_unpacked *u, size_t at, const unsigned char *p)
{
    fill(u, at, 2, half_at(p), 0.0f);
    nibbles(u->q + at, p + 2, 8);
}

static void unpack_q4_1(hone_unpacked *u, size_t at, const unsigned char *p)
{
    fill(u, at, 2, half_at(p), half_at(p + 2));
    nibbles(u->q + at, p + 4, 0);
}

/* The fifth bits of 32 elements: bit i belongs to element i. */
static void fifth_bits(int8_t *q, const unsigned char *high, const unsigned char *p,
                       int zero)
{
    for (int i = 0; i < 16; i++) {
        const int lo = high[i / 8] >> (i % 8) & 1;
        const int hi = high[2 + i / 8] >> (i % 8) & 1;
        q[i] = (int8_t)((p[i] & 15) + 16 * lo - zero);
        q[i + 16] = (int8_t)((p[i] >> 4) + 16 * hi - zero);
    }
}

static void unpack_q5_0(hone_unpacked *u, size_t at, const unsigned char *p)
{
    fill(u, at, 2, half_at(p), 0.0f);
    fifth_bits(u->q + at, p + 2, p + 6, 16);
}

static void unpack_q5_1(hone_unpacked *u, size_t at, const unsigned char *p)
{
    fill(u, at, 2, half_at(p), half_at(p + 2));
    fifth_bits(u->q + at, p + 4, p + 8, 0);
}

static void unpack_q8_0(hone_unpacked *u, size_t at, const unsigned char *p)
{
    fill(u, at, 2, half_at(p), 0.0f);
    memcpy(u->q + at, p + 2, 32);
}

/* Two-bit fields: byte i of a 32-byte half holds elements i, i+32, i+64, i+96. */
static void two_bits(int8_t *q, const unsigned char *p, int zero)
{
    for (int half = 0; half < 2; half++) {
        for (int shift = 0; shift < 4; shift++) {
            for (int i = 0; i < 32; i++) {
                q[half * 128 + shift * 32 + i] =
                    (int8_t)((p[half * 32 + i] >> (2 * shift) & 3) - zero);
            }
        }
    }
}

static void scales_q2_k(hone_scales *s, const unsigned char *p)
{
    *s = (hone_scales){.d = half_bits(p + 80), .d_min = half_bits(p + 82), .n = 16};
    for (int i = 0; i < 16; i++) {
        s->scale[i] = p[i] & 15;
        s->min[i] = p[i] >> 4;
    }
}

static void unpack_q2_k(hone_unpacked *u, size_t at, const unsigned char *p)
{
    hone_scales s;
    scales_q2_k(&s, p);
    fill_scales(u, at, &s);
    two_bits(u->q + at, p + 16, 0);
}

/* Sixteen 6-bit scales in 12 bytes: bytes 0..7 hold the low nibbles of scales 0..7 and,
 * above them, of 8..15; bytes 8..11 hold two high bits each for scales i, i+4, i+8,
 * i+12. */
static void scales_q3_k(hone_scales *s, const unsigned char *p)
{
    const unsigned char *six = p + 96;
    *s = (hone_scales){.d = half_bits(p + 108), .n = 16};
    for (int i = 0; i < 16; i++) {
        const int low = i < 8 ? six[i] & 15 : six[i - 8] >> 4;
        const int high = six[8 + i % 4] >> (2 * (i / 4)) & 3;
        s->scale[i] = (int8_t)((low | high << 4) - 32);
    }
}

static void unpack_q3_k(hone_unpacked *u, size_t at, const unsigned char *p)
{
    const unsigned char *mask = p;
    hone_scales s;
    scales_q3_k(&s, p);
    fill_scales(u, at, &s);
    int8_t *q = u->q + at;
    two_bits(q, p + 32, 4);
    for (int group = 0; group < 8; group++) { /* a set bit of the mask adds 4 */
        for (int i = 0; i < 32; i++) {
            q[group * 32 + i] =
                (int8_t)(q[group * 32 + i] + 4 * (mask[i] >> group & 1));
        }
    }
}

/* Eight pairs of 6-bit scale and minimum in 12 bytes, shared by Q4_K and Q5_K: pairs
 * 0..3 in the low 6 bits of bytes j and j+4; pairs 4..7 in the nibbles of byte j+4 with
 * their two high bits on top of bytes j-4 and j. */
static void scales_q4_k(hone_scales *s, const unsigned char *p)
{
    const unsigned char *six = p + 4;
    *s = (hone_scales){.d = half_bits(p), .d_min = half_bits(p + 2), .n = 8};
    for (int j = 0; j < 4; j++) {
        s->scale[j] = six[j] & 63;
        s->min[j] = six[j + 4] & 63;
        s->scale[j + 4] = (int8_t)((six[j + 8] & 15) | (six[j] >> 6) << 4);
        s->min[j + 4] = (uint8_t)(six[j + 8] >> 4 | (six[j + 4] >> 6) << 4);
    }
}

static void unpack_q4_k(hone_unpacked *u, size_t at, const unsigned char *p)
{
    hone_scales s;
    scales_q4_k(&s, p);
    fill_scales(u, at, &s);
    const unsigned char *qs = p + 16;
    for (int g = 0; g < 4; g++) { /* 32 bytes: elements of 64g .., then of 64g+32 .. */
        int8_t *q = u->q + at + 64 * (size_t)g;
        for (int i = 0; i < 32; i++) {
            q[i] = (int8_t)(qs[32 * g + i] & 15);
            q[i + 32] = (int8_t)(qs[32 * g + i] >> 4);
        }
    }
}

static void unpack_q5_k(hone_unpacked *u, size_t at, const unsigned char *p)
{
    hone_scales s;
    scales_q4_k(&s, p);
    fill_scales(u, at, &s);
    const unsigned char *high = p + 16, *qs = p + 48;
    for (int g = 0; g < 4; g++) {
        int8_t *q = u->q + at + 64 * (size_t)g;
        for (int i = 0; i < 32; i++) {
            const int lo = high[i] >> (2 * g) & 1, hi = high[i] >> (2 * g + 1) & 1;
            q[i] = (int8_t)((qs[32 * g + i] & 15) + 16 * lo);
            q[i + 32] = (int8_t)((qs[32 * g + i] >> 4) + 16 * hi);
        }
    }
}

static void scales_q6_k(hone_scales *s, const unsigned char *p)
{
    *s = (hone_scales){.d = half_bits(p + 208), .n = 16};
    memcpy(s->scale, p + 192, 16);
}

static void unpack_q6_k(hone_unpacked *u, size_t at, const unsigned char *p)
{
    hone_scales s;
    scales_q6_k(&s, p);
    fill_scales(u, at, &s);
    for (int half = 0; half < 2; half++) {
        const unsigned char *low = p + 64 * half, *high = p + 128 + 32 * half;
        int8_t *q = u->q + at + 128 * (size_t)half;
        for (int i = 0; i < 32; i++) {
            q[i] = (int8_t)((low[i] & 15) + ((high[i] & 3) << 4) - 32);
            q[i + 32] = (int8_t)((low[i + 32] & 15) + ((high[i] >> 2 & 3) << 4) - 32);
            q[i + 64] = (int8_t)((low[i] >> 4) + ((high[i] >> 4 & 3) << 4) - 32);
            q[i + 96] = (int8_t)((low[i + 32] >> 4) + ((high[i] >> 6) << 4) - 32);
        }
    }
}

static void unpack_q8_k(hone_unpacked *u, size_t at, const unsigned char *p)
{
    float d;
    memcpy(&d, p, sizeof d);
    fill(u, at, 16, d, 0.0f);
    memcpy(u->q + at, p + 4, 256);
}

const int8_t hone_iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                    1,    13,   25,  38,  53,  69,  89,  113};
/* E2M1 doubled; the scale is halved for it. */
const int8_t hone_mxfp4_levels[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                      0, -1, -2, -3, -4, -6, -8, -12};

static void levels(int8_t *q, const unsigned char *p, const int8_t *table)
{
    for (int i = 0; i < 16; i++) {
        q[i] = table[p[i] & 15];
        q[i + 16] = table[p[i] >> 4];
    }
}

static void unpack_iq4_nl(hone_unpacked *u, size_t at, const unsigned char *p)
{
    fill(u, at, 2, half_at(p), 0.0f);
    levels(u->q + at, p + 2, hone_iq4_levels);
}

static void scales_iq4_xs(hone_scales *s, const unsigned char *p)
{
    const int scales_high = half_bits(p + 2);
    *s = (hone_scales){.d = half_bits(p), .n = 8};
    for (int i = 0; i < 8; i++) {
        const int low = p[4 + i / 2] >> (4 * (i % 2)) & 15;
        const int high = scales_high >> (2 * i) & 3;
        s->scale[i] = (int8_t)((low | high << 4) - 32);
    }
}

static void unpack_iq4_xs(hone_unpacked *u, size_t at, const unsigned char *p)
{
    hone_scales sc;
    scales_iq4_xs(&sc, p);
    fill_scales(u, at, &sc);
    for (size_t s = 0; s < 8; s++) {
        levels(u->q + at + 32 * s, p + 8 + 16 * s, hone_iq4_levels);
    }
}

/* Half of 2^(e - 127), also where that is subnormal. */
static float e8m0_half(unsigned e)
{
    const uint32_t bits = e < 2 ? 0x00200000u << e : (e - 1) << 23;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static void unpack_mxfp4(hone_unpacked *u, size_t at, const unsigned char *p)
{
    fill(u, at, 2, e8m0_half(p[0]), 0.0f);
    levels(u->q + at, p + 1, hone_mxfp4_levels);
}

/* Digit n of a base-3 number of five digits, stored as ceil(value * 256 / 243): a
 * multiplication by 3^n brings the digit to the top. */
static int8_t trit(unsigned char byte, int n)
{
    static const unsigned char power[5] = {1, 3, 9, 27, 81};
    const unsigned char shifted = (unsigned char)(byte * power[n]);
    return (int8_t)((shifted * 3 >> 8) - 1);
}

static void unpack_tq1_0(hone_unpacked *u, size_t at, const unsigned char *p)
{
    const unsigned char *high = p + 48;
    int8_t *q = u->q + at;
    fill(u, at, 16, half_at(p + 52), 0.0f);
    for (int n = 0; n < 5; n++) {
        for (int i = 0; i < 32; i++) {
            q[32 * n + i] = trit(p[i], n);
        }
        for (int i = 0; i < 16; i++) {
            q[160 + 16 * n + i] = trit(p[32 + i], n);
        }
    }
    for (int n = 0; n < 4; n++) {
        for (int i = 0; i < 4; i++) {
            q[240 + 4 * n + i] = trit(high[i], n);
        }
    }
}

static void unpack_tq2_0(hone_unpacked *u, size_t at, const unsigned char *p)
{
    fill(u, at, 16, half_at(p + 64), 0.0f);
    two_bits(u->q + at, p, 1);
}

hone_unpack_fn *hone_unpack_get(hone_dtype t)
{
    static hone_unpack_fn *const table[HONE_N_DTYPE] = {
        [HONE_Q4_0] = unpack_q4_0,     [HONE_Q4_1] = unpack_q4_1,
        [HONE_Q5_0] = unpack_q5_0,     [HONE_Q5_1] = unpack_q5_1,
        [HONE_Q8_0] = unpack_q8_0,     [HONE_Q2_K] = unpack_q2_k,
        [HONE_Q3_K] = unpack_q3_k,     [HONE_Q4_K] = unpack_q4_k,
        [HONE_Q5_K] = unpack_q5_k,     [HONE_Q6_K] = unpack_q6_k,
        [HONE_Q8_K] = unpack_q8_k,     [HONE_IQ4_NL] = unpack_iq4_nl,
        [HONE_IQ4_XS] = unpack_iq4_xs, [HONE_MXFP4] = unpack_mxfp4,
        [HONE_TQ1_0] = unpack_tq1_0,   [HONE_TQ2_0] = unpack_tq2_0,
    };
    return table[t];
}

hone_scales_fn *hone_scales_get(hone_dtype t)
{
    static hone_scales_fn *const table[HONE_N_DTYPE] = {
        [HONE_Q2_K] = scales_q2_k, [HONE_Q3_K] = scales_q3_k,
        [HONE_Q4_K] = scales_q4_k, [HONE_Q5_K] = scales_q4_k,
        [HONE_Q6_K] = scales_q6_k, [HONE_IQ4_XS] = scales_iq4_xs,
    };
    return table[t];
}
