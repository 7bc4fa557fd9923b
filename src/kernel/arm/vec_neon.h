/* vec_neon.h - the vectors of vec.h as four NEON registers each.
 *
 * VEC_DOTPROD (set by the file that includes this) takes sdot for dot products instead of
 * widening multiplies.  Both operands of either are signed, so full codes need no bias.
 * Every operation is of ARMv8.0; conversions of halves are, their arithmetic is not. */
#ifndef HONE_KERNEL_ARM_VEC_NEON_H
#define HONE_KERNEL_ARM_VEC_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC_INLINE static inline __attribute__((always_inline))
#if VEC_DOTPROD
#define VEC_TIER(name) name##_dotprod
#else
#define VEC_TIER(name) name##_neon
#endif

typedef struct vf {
    float32x4_t q[4];
} vf;
typedef struct vi {
    int32x4_t q[4];
} vi;
typedef vi vb;

/* Of 32 registers a column of a tile takes 8 (dots, sums), 12 where scales come by 16, and
 * a panel 4. */
enum {
    VEC_FULL_BIAS = 0,
    VEC_GEMV_COLS = 4,
    VEC_TILE_COLS = 3,
    VEC_TILE_COLS_16 = 2,
    VEC_TILE_PANELS = 1,
    VEC_FLOAT_PANELS = 2,
    VEC_FLOAT_COLS = 2,
    VEC_QUERY_COLS = 2,
    VEC_QUERY_VECS = 2
};

/* An operation on each of the four registers; written out, since an array that a loop
 * walks may end up in memory. */
#define VEC_1(op, a)                                                                   \
    {                                                                                  \
        op(a.q[0]), op(a.q[1]), op(a.q[2]), op(a.q[3])                                 \
    }
#define VEC_2(op, a, b)                                                                \
    {                                                                                  \
        op(a.q[0], b.q[0]), op(a.q[1], b.q[1]), op(a.q[2], b.q[2]), op(a.q[3], b.q[3]) \
    }

/* -- floats ----------------------------------------------------------------------- */

VEC_INLINE vf vf_set1(float x)
{
    const float32x4_t v = vdupq_n_f32(x);
    return (vf){{v, v, v, v}};
}
VEC_INLINE vf vf_zero(void)
{
    return vf_set1(0.0f);
}
VEC_INLINE vf vf_load(const float *p)
{
    return (vf){{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}
VEC_INLINE void vf_store(float *p, vf v)
{
    vst1q_f32(p, v.q[0]);
    vst1q_f32(p + 4, v.q[1]);
    vst1q_f32(p + 8, v.q[2]);
    vst1q_f32(p + 12, v.q[3]);
}
VEC_INLINE vf vf_load_n(const float *p, int n)
{
    if (n >= 16) return vf_load(p);
    float some[16] = {0};
    memcpy(some, p, (size_t)n * sizeof *p);
    return vf_load(some);
}
VEC_INLINE void vf_store_n(float *p, vf v, int n)
{
    float all[16];
    if (n >= 16) {
        vf_store(p, v);
        return;
    }
    vf_store(all, v);
    memcpy(p, all, (size_t)n * sizeof *p);
}
VEC_INLINE void vf_load_pairs(const float *p, vf *even, vf *odd)
{
    const float32x4x2_t a = vld2q_f32(p), b = vld2q_f32(p + 8);
    const float32x4x2_t c = vld2q_f32(p + 16), d = vld2q_f32(p + 24);
    *even = (vf){{a.val[0], b.val[0], c.val[0], d.val[0]}};
    *odd = (vf){{a.val[1], b.val[1], c.val[1], d.val[1]}};
}
VEC_INLINE void vf_store_pairs(float *p, vf even, vf odd)
{
    vst2q_f32(p, (float32x4x2_t){{even.q[0], odd.q[0]}});
    vst2q_f32(p + 8, (float32x4x2_t){{even.q[1], odd.q[1]}});
    vst2q_f32(p + 16, (float32x4x2_t){{even.q[2], odd.q[2]}});
    vst2q_f32(p + 24, (float32x4x2_t){{even.q[3], odd.q[3]}});
}
/* Eight halves at p, which may have any alignment. */
VEC_INLINE uint16x8_t vec_halves(const void *p)
{
    return vreinterpretq_u16_u8(vld1q_u8(p));
}
VEC_INLINE float32x4_t vec_widen_low(uint16x8_t h)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(h)));
}
VEC_INLINE float32x4_t vec_widen_high(uint16x8_t h)
{
    return vcvt_high_f32_f16(vreinterpretq_f16_u16(h));
}
VEC_INLINE vf vf_load_f16(const void *p)
{
    const uint16x8_t a = vec_halves(p), b = vec_halves((const char *)p + 16);
    return (vf){
        {vec_widen_low(a), vec_widen_high(a), vec_widen_low(b), vec_widen_high(b)}};
}
VEC_INLINE vf vf_load_bf16(const void *p)
{
    const uint16x8_t a = vec_halves(p), b = vec_halves((const char *)p + 16);
    return (vf){{vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(a), 16)),
                 vreinterpretq_f32_u32(vshll_high_n_u16(a, 16)),
                 vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(b), 16)),
                 vreinterpretq_f32_u32(vshll_high_n_u16(b, 16))}};
}
VEC_INLINE void vf_store_f16(void *p, vf v)
{
    const float16x8_t a = vcvt_high_f16_f32(vcvt_f16_f32(v.q[0]), v.q[1]);
    const float16x8_t b = vcvt_high_f16_f32(vcvt_f16_f32(v.q[2]), v.q[3]);
    vst1q_u8(p, vreinterpretq_u8_f16(a));
    vst1q_u8((uint8_t *)p + 16, vreinterpretq_u8_f16(b));
}
VEC_INLINE vf vf_add(vf a, vf b)
{
    return (vf){VEC_2(vaddq_f32, a, b)};
}
VEC_INLINE vf vf_sub(vf a, vf b)
{
    return (vf){VEC_2(vsubq_f32, a, b)};
}
VEC_INLINE vf vf_mul(vf a, vf b)
{
    return (vf){VEC_2(vmulq_f32, a, b)};
}
VEC_INLINE vf vf_div(vf a, vf b)
{
    return (vf){VEC_2(vdivq_f32, a, b)};
}
VEC_INLINE vf vf_min(vf a, vf b)
{
    return (vf){VEC_2(vminq_f32, a, b)};
}
VEC_INLINE vf vf_max(vf a, vf b)
{
    return (vf){VEC_2(vmaxq_f32, a, b)};
}
VEC_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return (vf){{vfmaq_f32(c.q[0], a.q[0], b.q[0]), vfmaq_f32(c.q[1], a.q[1], b.q[1]),
                 vfmaq_f32(c.q[2], a.q[2], b.q[2]), vfmaq_f32(c.q[3], a.q[3], b.q[3])}};
}
VEC_INLINE vf vf_abs(vf a)
{
    return (vf){VEC_1(vabsq_f32, a)};
}
VEC_INLINE vf vf_round(vf a)
{
    return (vf){VEC_1(vrndnq_f32, a)};
}
VEC_INLINE float32x4_t vec_keep_ge(float32x4_t v, float32x4_t a, float32x4_t b)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), vcgeq_f32(a, b)));
}
VEC_INLINE vf vf_keep_ge(vf v, vf a, vf b)
{
    return (vf){
        {vec_keep_ge(v.q[0], a.q[0], b.q[0]), vec_keep_ge(v.q[1], a.q[1], b.q[1]),
         vec_keep_ge(v.q[2], a.q[2], b.q[2]), vec_keep_ge(v.q[3], a.q[3], b.q[3])}};
}
VEC_INLINE float vf_sum(vf v)
{
    const float32x4_t a = vaddq_f32(v.q[0], v.q[2]), b = vaddq_f32(v.q[1], v.q[3]);
    const float32x4_t s = vaddq_f32(a, b);
    return vpadds_f32(vadd_f32(vget_low_f32(s), vget_high_f32(s)));
}
VEC_INLINE float vf_greatest(vf v)
{
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(v.q[0], v.q[2]), vmaxq_f32(v.q[1], v.q[3])));
}
VEC_INLINE vf vf_from_i(vi v)
{
    return (vf){VEC_1(vcvtq_f32_s32, v)};
}
VEC_INLINE vi vi_from_f(vf v)
{
    return (vi){VEC_1(vcvtnq_s32_f32, v)};
}
VEC_INLINE vf vf_cast(vi v)
{
    return (vf){VEC_1(vreinterpretq_f32_s32, v)};
}

/* -- integers --------------------------------------------------------------------- */

VEC_INLINE vi vi_set1(int32_t x)
{
    const int32x4_t v = vdupq_n_s32(x);
    return (vi){{v, v, v, v}};
}
VEC_INLINE vi vi_zero(void)
{
    return vi_set1(0);
}
VEC_INLINE int32x4_t vec_load16(const unsigned char *p)
{
    return vreinterpretq_s32_u8(vld1q_u8(p));
}
VEC_INLINE vi vi_load(const void *p)
{
    const unsigned char *b = p;
    return (vi){
        {vec_load16(b), vec_load16(b + 16), vec_load16(b + 32), vec_load16(b + 48)}};
}
VEC_INLINE vi vi_add(vi a, vi b)
{
    return (vi){VEC_2(vaddq_s32, a, b)};
}
VEC_INLINE vi vi_max(vi a, vi b)
{
    return (vi){VEC_2(vmaxq_s32, a, b)};
}
VEC_INLINE vi vi_and(vi a, vi b)
{
    return (vi){VEC_2(vandq_s32, a, b)};
}
/* Shifts by operators: a constant becomes part of the instruction, where the intrinsics
 * that take a variable would not let it. */
VEC_INLINE vi vi_sll(vi a, int n)
{
    return (vi){{a.q[0] << n, a.q[1] << n, a.q[2] << n, a.q[3] << n}};
}
VEC_INLINE vi vi_sra(vi a, int n)
{
    return (vi){{a.q[0] >> n, a.q[1] >> n, a.q[2] >> n, a.q[3] >> n}};
}
VEC_INLINE int32x4_t vec_srl(int32x4_t v, int n)
{
    return vreinterpretq_s32_u32(vreinterpretq_u32_s32(v) >> (unsigned)n);
}
VEC_INLINE vi vi_srl(vi a, int n)
{
    return (vi){{vec_srl(a.q[0], n), vec_srl(a.q[1], n), vec_srl(a.q[2], n),
                 vec_srl(a.q[3], n)}};
}
VEC_INLINE vi vi_load_i16(const void *p)
{
    const int16x8_t a = vreinterpretq_s16_u16(vec_halves(p));
    const int16x8_t b = vreinterpretq_s16_u16(vec_halves((const char *)p + 16));
    return (vi){{vmovl_s16(vget_low_s16(a)), vmovl_high_s16(a),
                 vmovl_s16(vget_low_s16(b)), vmovl_high_s16(b)}};
}
VEC_INLINE vi vi_load_i8(const void *p)
{
    const int8x16_t v = vld1q_s8(p);
    const int16x8_t a = vmovl_s8(vget_low_s8(v)), b = vmovl_high_s8(v);
    return (vi){{vmovl_s16(vget_low_s16(a)), vmovl_high_s16(a),
                 vmovl_s16(vget_low_s16(b)), vmovl_high_s16(b)}};
}
VEC_INLINE vi vi_load_u8(const void *p)
{
    const uint8x16_t v = vld1q_u8(p);
    const int16x8_t a = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(v)));
    const int16x8_t b = vreinterpretq_s16_u16(vmovl_high_u8(v));
    return (vi){{vmovl_s16(vget_low_s16(a)), vmovl_high_s16(a),
                 vmovl_s16(vget_low_s16(b)), vmovl_high_s16(b)}};
}
VEC_INLINE void vi_store_i8(void *p, vi v)
{
    const int16x8_t a = vqmovn_high_s32(vqmovn_s32(v.q[0]), v.q[1]);
    const int16x8_t b = vqmovn_high_s32(vqmovn_s32(v.q[2]), v.q[3]);
    vst1q_s8(p, vqmovn_high_s16(vqmovn_s16(a), b));
}

/* -- bytes ------------------------------------------------------------------------ */

VEC_INLINE int8x16_t vec_bytes(int32x4_t v)
{
    return vreinterpretq_s8_s32(v);
}
VEC_INLINE vb vb_load(const void *p)
{
    return vi_load(p);
}
VEC_INLINE void vb_store(void *p, vb v)
{
    int8_t *to = p;
    vst1q_s8(to, vec_bytes(v.q[0]));
    vst1q_s8(to + 16, vec_bytes(v.q[1]));
    vst1q_s8(to + 32, vec_bytes(v.q[2]));
    vst1q_s8(to + 48, vec_bytes(v.q[3]));
}
VEC_INLINE vb vb_set1(int8_t x)
{
    const int32x4_t v = vreinterpretq_s32_s8(vdupq_n_s8(x));
    return (vb){{v, v, v, v}};
}
VEC_INLINE vb vb_and(vb a, vb b)
{
    return vi_and(a, b);
}
VEC_INLINE vb vb_or(vb a, vb b)
{
    return (vb){VEC_2(vorrq_s32, a, b)};
}
VEC_INLINE int32x4_t vec_sub8(int32x4_t a, int32x4_t b)
{
    return vreinterpretq_s32_s8(vsubq_s8(vec_bytes(a), vec_bytes(b)));
}
VEC_INLINE vb vb_sub(vb a, vb b)
{
    return (vb){VEC_2(vec_sub8, a, b)};
}
VEC_INLINE int32x4_t vec_srl16(int32x4_t v, int n)
{
    return vreinterpretq_s32_u16(vreinterpretq_u16_s32(v) >> (uint16_t)n);
}
VEC_INLINE int32x4_t vec_sll16(int32x4_t v, int n)
{
    return vreinterpretq_s32_u16(vreinterpretq_u16_s32(v) << (uint16_t)n);
}
VEC_INLINE vb vb_srl(vb a, int n)
{
    return (vb){{vec_srl16(a.q[0], n), vec_srl16(a.q[1], n), vec_srl16(a.q[2], n),
                 vec_srl16(a.q[3], n)}};
}
VEC_INLINE vb vb_sll(vb a, int n)
{
    return (vb){{vec_sll16(a.q[0], n), vec_sll16(a.q[1], n), vec_sll16(a.q[2], n),
                 vec_sll16(a.q[3], n)}};
}
VEC_INLINE int32x4_t vec_table(int8x16_t table, int32x4_t index)
{
    return vreinterpretq_s32_s8(vqtbl1q_s8(table, vreinterpretq_u8_s32(index)));
}
VEC_INLINE vb vb_table(const int8_t *table, vb index)
{
    const int8x16_t t = vld1q_s8(table);
    return (vb){{vec_table(t, index.q[0]), vec_table(t, index.q[1]),
                 vec_table(t, index.q[2]), vec_table(t, index.q[3])}};
}
VEC_INLINE vb vb_bcast4(const int8_t *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return vi_set1(x);
}
VEC_INLINE vb vb_full(vb v)
{
    return v;
}

/* -- dot products ----------------------------------------------------------------- */

#if VEC_DOTPROD
VEC_INLINE int32x4_t vec_dot4(int32x4_t acc, int32x4_t w, int32x4_t x)
{
    return vdotq_s32(acc, vec_bytes(w), vec_bytes(x));
}
#else
/* Two products are at most 2 * 128 * 127 = 32512, which 16 bits hold. */
VEC_INLINE int32x4_t vec_dot4(int32x4_t acc, int32x4_t w, int32x4_t x)
{
    const int8x16_t a = vec_bytes(w), b = vec_bytes(x);
    const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    return vpadalq_s16(acc, vpaddq_s16(low, vmull_high_s8(a, b)));
}
#endif
VEC_INLINE vi vi_dot_full(vi acc, vb w, vb x)
{
    return (vi){{vec_dot4(acc.q[0], w.q[0], x.q[0]), vec_dot4(acc.q[1], w.q[1], x.q[1]),
                 vec_dot4(acc.q[2], w.q[2], x.q[2]),
                 vec_dot4(acc.q[3], w.q[3], x.q[3])}};
}
VEC_INLINE vi vi_dot_small(vi acc, vb w, vb x)
{
    return vi_dot_full(acc, w, x);
}

VEC_INLINE void vec_prefetch(const void *p)
{
    __builtin_prefetch(p);
}

VEC_INLINE void vec_prefetch_far(const void *p)
{
    __builtin_prefetch(p, 0, 2);
}

#endif
