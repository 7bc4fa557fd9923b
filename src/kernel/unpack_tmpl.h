/* unpack_tmpl.h - panels of quantized types in registers; comes behind vec_<isa>.h.
 *
 * A pair of functions a type, and the table QUANTIZED of what kernels must know of it.
 * Layouts of planes: panel.h. */
#ifndef HONE_KERNEL_UNPACK_TMPL_H
#define HONE_KERNEL_UNPACK_TMPL_H

#include "kernel/panel.h"
#include "tensor/unpack.h"

/* Codes of groups j and j+4 of sub-block s, j in 0 .. 3. */
typedef void pair_fn(const hone_planes *p, size_t s, int j, vb *lo, vb *hi);
/* Scale of the first or second 16 elements of sub-block s, and the offset. */
typedef vf scale_fn(const hone_planes *p, size_t s, int half);

VEC_INLINE void pair_4bit(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    const vb v = vb_load(p->code + s * 256 + (size_t)j * 64), m = vb_set1(15);
    *lo = vb_and(v, m);
    *hi = vb_and(vb_srl(v, 4), m);
}

/* Move bits `from` and up of each byte to bit `to`; `mask` is what stays. */
VEC_INLINE vb field(vb v, int from, int to, int mask)
{
    const vb moved = from > to ? vb_srl(v, from - to) : vb_sll(v, to - from);
    return vb_and(moved, vb_set1((int8_t)mask));
}

VEC_INLINE void pair_5bit(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    const vb h = vb_load(p->high + s * 64);
    pair_4bit(p, s, j, lo, hi);
    *lo = vb_or(*lo, field(h, j, 4, 16));
    *hi = vb_or(*hi, field(h, j + 4, 4, 16));
}

VEC_INLINE void pair_6bit(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    pair_4bit(p, s, j, lo, hi);
    *lo = vb_or(*lo, field(vb_load(p->high + s * 128), 2 * j, 4, 48));
    *hi = vb_or(*hi, field(vb_load(p->high + s * 128 + 64), 2 * j, 4, 48));
}

VEC_INLINE void pair_2bit(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    *lo = field(vb_load(p->code + s * 128), 2 * j, 0, 3);
    *hi = field(vb_load(p->code + s * 128 + 64), 2 * j, 0, 3);
}

VEC_INLINE void pair_3bit(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    const vb h = vb_load(p->high + s * 64);
    pair_2bit(p, s, j, lo, hi);
    *lo = vb_or(*lo, field(h, j, 2, 4));
    *hi = vb_or(*hi, field(h, j + 4, 2, 4));
}

VEC_INLINE void pair_8bit(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    *lo = vb_full(vb_load(p->code + s * 512 + (size_t)j * 64));
    *hi = vb_full(vb_load(p->code + s * 512 + (size_t)j * 64 + 256));
}

VEC_INLINE void pair_iq4(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    pair_4bit(p, s, j, lo, hi);
    *lo = vb_full(vb_table(hone_iq4_levels, *lo));
    *hi = vb_full(vb_table(hone_iq4_levels, *hi));
}

VEC_INLINE void pair_mxfp4(const hone_planes *p, size_t s, int j, vb *lo, vb *hi)
{
    pair_4bit(p, s, j, lo, hi);
    *lo = vb_full(vb_table(hone_mxfp4_levels, *lo));
    *hi = vb_full(vb_table(hone_mxfp4_levels, *hi));
}

VEC_INLINE vf scale_half(const hone_planes *p, size_t s, int half)
{
    (void)half;
    return vf_load_f16(p->d + s * 32);
}

VEC_INLINE vf scale_half_min(const hone_planes *p, size_t s, int half)
{
    (void)half;
    return vf_load_f16(p->d + s * 64);
}

VEC_INLINE vf offset_half_min(const hone_planes *p, size_t s, int half)
{
    (void)half;
    return vf_load_f16(p->d + s * 64 + 32);
}

/* 2^(e-128), also where that is subnormal: max picks the right one of both forms. */
VEC_INLINE vf scale_e8m0(const hone_planes *p, size_t s, int half)
{
    (void)half;
    const vi e = vi_load_u8(p->d + s * 16);
    const vi normal = vi_sll(vi_add(e, vi_set1(-1)), 23);
    return vf_cast(vi_max(normal, vi_sll(vi_add(e, vi_set1(1)), 21)));
}

VEC_INLINE vf scale_f32(const hone_planes *p, size_t s, int half)
{
    (void)half;
    return vf_load((const float *)(const void *)(p->d + s / 8 * 64));
}

VEC_INLINE vf scale_one_half(const hone_planes *p, size_t s, int half)
{
    (void)half;
    return vf_load_f16(p->d + s / 8 * 32);
}

/* d times a byte scale for each 32 (Q4_K, Q5_K with minimums behind; IQ4_XS), or 16. */
VEC_INLINE vf scale_k4(const hone_planes *p, size_t s, int half)
{
    (void)half;
    const vf d = vf_load_f16(p->d + s / 8 * 64);
    return vf_mul(d, vf_from_i(vi_load_u8(p->sub + s * 32)));
}

VEC_INLINE vf offset_k4(const hone_planes *p, size_t s, int half)
{
    (void)half;
    const vf d = vf_load_f16(p->d + s / 8 * 64 + 32);
    const vf m = vf_from_i(vi_load_u8(p->sub + s * 32 + 16));
    return vf_sub(vf_zero(), vf_mul(d, m));
}

VEC_INLINE vf scale_iq4_xs(const hone_planes *p, size_t s, int half)
{
    (void)half;
    const vf d = vf_load_f16(p->d + s / 8 * 32);
    return vf_mul(d, vf_from_i(vi_load_i8(p->sub + s * 16)));
}

VEC_INLINE vf scale_k16(const hone_planes *p, size_t s, int half)
{
    const vf d = vf_load_f16(p->d + s / 8 * 32);
    return vf_mul(d, vf_from_i(vi_load_i8(p->sub + s * 32 + (size_t)half * 16)));
}

VEC_INLINE vf scale_q2_k(const hone_planes *p, size_t s, int half)
{
    const vf d = vf_load_f16(p->d + s / 8 * 64);
    const vi b = vi_load_u8(p->sub + s * 32 + (size_t)half * 16);
    return vf_mul(d, vf_from_i(vi_and(b, vi_set1(15))));
}

VEC_INLINE vf offset_q2_k(const hone_planes *p, size_t s, int half)
{
    const vf d = vf_load_f16(p->d + s / 8 * 64 + 32);
    const vi b = vi_load_u8(p->sub + s * 32 + (size_t)half * 16);
    return vf_sub(vf_zero(), vf_mul(d, vf_from_i(vi_srl(b, 4))));
}

/* What the templates know of a type; every field is a constant where they are used. */
typedef struct traits {
    pair_fn *pair;
    scale_fn *scale;
    scale_fn *offset; /* NULL: no minimum */
    int zero;         /* code = q + zero */
    bool full;        /* codes need vi_dot_full */
    bool by16;        /* scales are for 16 elements */
} traits;

/* Bytes of a sub-block in the plane `code`. */
VEC_INLINE size_t code_bytes(traits k)
{
    if (k.pair == pair_8bit) return 512;
    return k.pair == pair_2bit || k.pair == pair_3bit ? 128 : 256;
}

/* A dot below 2^22 that starts with the bits of the float 1.5 * 2^23 ends as the bits of
 * that number plus itself.  Scaling takes the start back in the same instruction, which
 * rounds once, as if the dot had been converted.  Needs a scale whose product with the
 * start is exact: any but a float of the file. */
#define FLOAT_START 0x4B400000

VEC_INLINE bool starts_float(traits k)
{
    return k.scale != scale_f32;
}

VEC_INLINE vf float_back(vf scale)
{
    return vf_mul(scale, vf_set1(-0x1.8p23f));
}

/* dot * scale, where `back` is float_back(scale) if dots start so. */
VEC_INLINE vf scaled(vi dot, vf scale, vf back, traits k)
{
    if (starts_float(k)) return vf_fma(vf_cast(dot), scale, back);
    return vf_mul(vf_from_i(dot), scale);
}

/* X(name, pair, scale, offset, zero, full, by16) */
#define QUANTIZED(X)                                                                   \
    X(Q4_0, pair_4bit, scale_half, NULL, 8, false, false)                              \
    X(Q4_1, pair_4bit, scale_half_min, offset_half_min, 0, false, false)               \
    X(Q5_0, pair_5bit, scale_half, NULL, 16, false, false)                             \
    X(Q5_1, pair_5bit, scale_half_min, offset_half_min, 0, false, false)               \
    X(Q8_0, pair_8bit, scale_half, NULL, 0, true, false)                               \
    X(Q2_K, pair_2bit, scale_q2_k, offset_q2_k, 0, false, true)                        \
    X(Q3_K, pair_3bit, scale_k16, NULL, 4, false, true)                                \
    X(Q4_K, pair_4bit, scale_k4, offset_k4, 0, false, false)                           \
    X(Q5_K, pair_5bit, scale_k4, offset_k4, 0, false, false)                           \
    X(Q6_K, pair_6bit, scale_k16, NULL, 32, false, true)                               \
    X(Q8_K, pair_8bit, scale_f32, NULL, 0, true, false)                                \
    X(IQ4_NL, pair_iq4, scale_half, NULL, 0, true, false)                              \
    X(IQ4_XS, pair_iq4, scale_iq4_xs, NULL, 0, true, false)                            \
    X(TQ1_0, pair_2bit, scale_one_half, NULL, 1, false, false)                         \
    X(TQ2_0, pair_2bit, scale_one_half, NULL, 1, false, false)                         \
    X(MXFP4, pair_mxfp4, scale_e8m0, NULL, 0, true, false)

#endif
