/* dequant.c - every dtype as f32.
 *
 * Quantized blocks are decoded by unpack.c; here their integers meet their scales. */
#include "tensor/dequant.h"

#include <string.h>

#include "base/status.h"
#include "tensor/unpack.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "model files are little-endian and read in place");

float hone_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    const uint32_t exponent = h >> 10 & 31, fraction = h & 0x3FF;
    uint32_t bits;
    if (exponent == 31) {
        bits = sign | 0x7F800000 | fraction << 13;
    } else if (exponent) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else { /* zero and subnormals: fraction * 2^-24, exact in f32 */
        const float f = (float)fraction * 0x1p-24f;
        memcpy(&bits, &f, sizeof bits);
        bits |= sign;
    }
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

uint16_t hone_f32_to_f16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000)
        return (uint16_t)(sign | 0x7E00 | (magnitude >> 13 & 0x1FF));
    if (magnitude >= 0x477FF000)
        return (uint16_t)(sign | 0x7C00); /* rounds past 65504 */
    if (magnitude < 0x38800000) {
        /* subnormal: adding 0.5 leaves fraction * 2^24, rounded to even, in the low bits */
        float m;
        memcpy(&m, &magnitude, sizeof m);
        m += 0.5f;
        uint32_t r;
        memcpy(&r, &m, sizeof r);
        return (uint16_t)(sign | (r - 0x3F000000));
    }
    const uint32_t rounded = magnitude + 0xFFF + (magnitude >> 13 & 1);
    return (uint16_t)(sign | (rounded - 0x38000000) >> 13);
}

float hone_bf16_to_f32(uint16_t h)
{
    const uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

uint16_t hone_f32_to_bf16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/* One value of a plain type. */
static float plain(const unsigned char *p, hone_dtype t)
{
    union {
        uint16_t h;
        float f;
        double d;
        int8_t i8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
    } u;
    memcpy(&u, p, hone_dtype_get(t)->bytes);
    switch (t) {
    case HONE_F32:
        return u.f;
    case HONE_F16:
        return hone_f16_to_f32(u.h);
    case HONE_BF16:
        return hone_bf16_to_f32(u.h);
    case HONE_F64:
        return (float)u.d;
    case HONE_I8:
        return u.i8;
    case HONE_I16:
        return u.i16;
    case HONE_I32:
        return (float)u.i32;
    default:
        HONE_ASSERT(t == HONE_I64);
        return (float)u.i64;
    }
}

void hone_dequantize(float *dst, const void *src, hone_dtype t, size_t n)
{
    const hone_dtype_info *info = hone_dtype_get(t);
    const unsigned char *p = src;
    hone_unpack_fn *unpack = hone_unpack_get(t);
    HONE_ASSERT(n % info->block == 0);
    for (size_t i = 0; i < n; i += info->block, p += info->bytes) {
        if (!unpack) {
            dst[i] = plain(p, t);
            continue;
        }
        hone_unpacked u;
        unpack(&u, 0, p);
        for (size_t j = 0; j < info->block; j++) {
            const size_t s = j / HONE_UNPACK_SUB;
            dst[i + j] = u.scale[s] * (float)u.q[j] + u.offset[s];
        }
    }
}
