/* random_blocks.c - one function a format; layouts as in unpack.c.
 *
 * Formats with a minimum get the one that centres their levels.  Where levels are not
 * symmetric about zero, half of the blocks have a negative scale. */
#include "tensor/random_blocks.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "tensor/dequant.h"

typedef void block_fn(unsigned char *p, const hone_random_blocks *g, hone_rng *rng);

static void fill(unsigned char *p, size_t n, hone_rng *rng)
{
    for (; n >= 4; n -= 4, p += 4) {
        const uint32_t x = hone_rng_u32(rng);
        memcpy(p, &x, 4);
    }
    for (uint32_t x = n ? hone_rng_u32(rng) : 0; n > 0; n--, x >>= 8) {
        *p++ = (unsigned char)x;
    }
}

/* Signed bytes without -128, which quantizers do not write. */
static void fill_signed(unsigned char *p, size_t n, hone_rng *rng)
{
    fill(p, n, rng);
    for (size_t i = 0; i < n; i++) {
        p[i] = (unsigned char)(p[i] + (p[i] == 0x80));
    }
}

static void put_half(unsigned char *p, float x)
{
    const uint16_t h = hone_f32_to_f16(x);
    p[0] = (unsigned char)h;
    p[1] = (unsigned char)(h >> 8);
}

static void put_half_of_any_sign(unsigned char *p, float x, hone_rng *rng)
{
    put_half(p, x);
    p[1] ^= (unsigned char)(hone_rng_u32(rng) & 0x80);
}

/* -- blocks of 32 ----------------------------------------------------------------- */

static void q4_0(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    put_half_of_any_sign(p, g->scale, rng);
    fill(p + 2, 16, rng);
}

static void q4_1(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    put_half(p, g->scale);
    put_half(p + 2, -7.5f * g->scale);
    fill(p + 4, 16, rng);
}

static void q5_0(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    put_half_of_any_sign(p, g->scale, rng);
    fill(p + 2, 20, rng);
}

static void q5_1(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    put_half(p, g->scale);
    put_half(p + 2, -15.5f * g->scale);
    fill(p + 4, 20, rng);
}

static void q8_0(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    put_half(p, g->scale);
    fill_signed(p + 2, 32, rng);
}

static void mxfp4(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    p[0] = (unsigned char)(g->exponent + (hone_rng_u32(rng) < g->upper));
    fill(p + 1, 16, rng);
}

/* -- blocks of 256 ---------------------------------------------------------------- */

/* Scale and minimum are the same number 8 .. 15; levels 0 .. 3 are centred by 1.5. */
static void q2_k(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    fill(p, 80, rng);
    for (int i = 0; i < 16; i++) {
        const unsigned scale = 8 + (p[i] & 7);
        p[i] = (unsigned char)(scale | scale << 4);
    }
    put_half(p + 80, g->scale);
    put_half(p + 82, 1.5f * g->scale);
}

static void q3_k(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    fill(p, 108, rng);
    put_half_of_any_sign(p + 108, g->scale, rng);
}

/* Eight 6-bit scales 32 .. 63 that are their own minimums. */
static void scales_k4(unsigned char *s, hone_rng *rng)
{
    unsigned v[8];
    const uint64_t x = (uint64_t)hone_rng_u32(rng) << 32 | hone_rng_u32(rng);
    for (int i = 0; i < 8; i++) {
        v[i] = 32 + (unsigned)(x >> (8 * i) & 31);
    }
    for (int i = 0; i < 4; i++) {
        s[i] = s[i + 4] = (unsigned char)(v[i] | (v[i + 4] >> 4) << 6);
        s[i + 8] = (unsigned char)((v[i + 4] & 15) * 17);
    }
}

static void q4_k(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    put_half(p, g->scale);
    put_half(p + 2, 7.5f * g->scale);
    scales_k4(p + 4, rng);
    fill(p + 16, 128, rng);
}

static void q5_k(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    put_half(p, g->scale);
    put_half(p + 2, 15.5f * g->scale);
    scales_k4(p + 4, rng);
    fill(p + 16, 160, rng);
}

static void q6_k(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    fill(p, 192, rng);
    fill_signed(p + 192, 16, rng);
    put_half(p + 208, g->scale);
}

/* Behind the levels stand the sums of sixteen of them. */
static void q8_k(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    memcpy(p, &g->scale, 4);
    fill_signed(p + 4, 256, rng);
    for (int i = 0; i < 16; i++) {
        int sum = 0;
        for (int j = 0; j < 16; j++) {
            sum += (int8_t)p[4 + 16 * i + j];
        }
        const int16_t s = (int16_t)sum;
        memcpy(p + 260 + 2 * i, &s, 2);
    }
}

static void iq4_xs(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    put_half_of_any_sign(p, g->scale, rng);
    fill(p + 2, 134, rng);
}

/* Bytes of five digits, then four bytes of four, which lack the last digit. */
static void tq1_0(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    fill(p, 52, rng);
    for (int i = 0; i < 52; i++) {
        const unsigned value = i < 48 ? p[i] * 243u >> 8 : (p[i] * 81u >> 8) * 3u;
        p[i] = (unsigned char)((value * 256 + 242) / 243);
    }
    put_half(p + 52, g->scale);
}

/* Digits 0 .. 2 in two bits: a 3 becomes the middle. */
static void tq2_0(unsigned char *p, const hone_random_blocks *g, hone_rng *rng)
{
    fill(p, 64, rng);
    for (int i = 0; i < 64; i++) {
        const unsigned both = p[i] & p[i] >> 1 & 0x55u;
        p[i] = (unsigned char)(p[i] & ~(both << 1));
    }
    put_half(p + 64, g->scale);
}

static block_fn *const block_of[HONE_N_DTYPE] = {
    [HONE_Q4_0] = q4_0,     [HONE_Q4_1] = q4_1,   [HONE_Q5_0] = q5_0,
    [HONE_Q5_1] = q5_1,     [HONE_Q8_0] = q8_0,   [HONE_Q2_K] = q2_k,
    [HONE_Q3_K] = q3_k,     [HONE_Q4_K] = q4_k,   [HONE_Q5_K] = q5_k,
    [HONE_Q6_K] = q6_k,     [HONE_Q8_K] = q8_k,   [HONE_IQ4_NL] = q4_0,
    [HONE_IQ4_XS] = iq4_xs, [HONE_TQ1_0] = tq1_0, [HONE_TQ2_0] = tq2_0,
    [HONE_MXFP4] = mxfp4,
};

/* -- all -------------------------------------------------------------------------- */

static bool is_float(hone_dtype t)
{
    return t == HONE_F32 || t == HONE_F16 || t == HONE_BF16;
}

bool hone_random_blocks_has(hone_dtype t)
{
    return is_float(t) || block_of[t];
}

/* Sums of four even bytes are nearly normal. */
static void init_levels(hone_random_blocks *g, float deviation)
{
    const float unit = deviation / sqrtf(4.0f * (256.0f * 256.0f - 1.0f) / 12.0f);
    for (int i = 0; i < HONE_RANDOM_LEVELS; i++) {
        const float x = (float)(i - HONE_RANDOM_LEVELS / 2) * unit;
        if (g->dtype == HONE_F32)
            memcpy(&g->level[i], &x, sizeof x);
        else
            g->level[i] =
                g->dtype == HONE_F16 ? hone_f32_to_f16(x) : hone_f32_to_bf16(x);
    }
}

/* Deviation of what the format decodes to at scale 1, from a sample. */
static float sample_deviation(hone_random_blocks *g)
{
    enum {
        N_BLOCK = 64
    };
    const hone_dtype_info *d = hone_dtype_get(g->dtype);
    unsigned char block[512];
    float value[256];
    double sum = 0.0;
    hone_rng rng;
    HONE_ASSERT(d->bytes <= sizeof block && d->block <= 256);
    hone_rng_init(&rng, 1);
    for (int i = 0; i < N_BLOCK; i++) {
        block_of[g->dtype](block, g, &rng);
        hone_dequantize(value, block, g->dtype, d->block);
        for (uint32_t j = 0; j < d->block; j++) {
            sum += (double)value[j] * (double)value[j];
        }
    }
    return (float)sqrt(sum / (N_BLOCK * d->block));
}

/* The two powers of two around the scale, mixed to its square. */
static void init_exponent(hone_random_blocks *g, float deviation)
{
    g->exponent = 127;
    g->upper = 0;
    const double scale = (double)deviation / (double)sample_deviation(g);
    const int low = (int)floor(log2(scale));
    const double ratio = scale / ldexp(1.0, low); /* 1 .. 2 */
    g->exponent = (unsigned)(127 + low);
    g->upper = (uint32_t)((ratio * ratio - 1.0) / 3.0 * 4294967295.0);
}

void hone_random_blocks_init(hone_random_blocks *g, hone_dtype t, float deviation)
{
    HONE_ASSERT(hone_random_blocks_has(t) && deviation > 0.0f);
    *g = (hone_random_blocks){.dtype = t, .scale = 1.0f};
    if (is_float(t))
        init_levels(g, deviation);
    else if (t == HONE_MXFP4)
        init_exponent(g, deviation);
    else
        g->scale = deviation / sample_deviation(g);
}

static uint32_t level(const hone_random_blocks *g, hone_rng *rng)
{
    const uint32_t x = hone_rng_u32(rng);
    return g->level[(x & 255) + (x >> 8 & 255) + (x >> 16 & 255) + (x >> 24)];
}

void hone_random_blocks_fill(const hone_random_blocks *g, void *dst, size_t n,
                             hone_rng *rng)
{
    unsigned char *p = dst;
    hone_rng r = *rng; /* a local state stays in a register */
    if (g->dtype == HONE_F32) {
        for (size_t i = 0; i < n; i++, p += 4) {
            const uint32_t x = level(g, &r);
            memcpy(p, &x, 4);
        }
    } else if (is_float(g->dtype)) {
        for (size_t i = 0; i < n; i++, p += 2) {
            const uint16_t x = (uint16_t)level(g, &r);
            memcpy(p, &x, 2);
        }
    } else {
        const hone_dtype_info *d = hone_dtype_get(g->dtype);
        block_fn *block = block_of[g->dtype];
        HONE_ASSERT(n % d->block == 0);
        for (size_t i = 0; i < n / d->block; i++, p += d->bytes) {
            block(p, g, &r);
        }
    }
    *rng = r;
}
