/* vec_avx2.h - the vectors of vec.h as pairs of AVX2 registers.
 *
 * VEC_VNNI256 (set by the file that includes this) takes AVX-VNNI's dot product instead
 * of vpmaddubsw and vpmaddwd. */
#ifndef HONE_KERNEL_X86_VEC_AVX2_H
#define HONE_KERNEL_X86_VEC_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC_INLINE static inline __attribute__((always_inline))
#if VEC_VNNI256
#define VEC_TIER(name) name##_avxvnni
#define VEC_BIAS       128 /* the left operand of vpdpbusd is unsigned */
#else
#define VEC_TIER(name) name##_avx2
#define VEC_BIAS       0
#endif

typedef struct vf {
    __m256 lo, hi;
} vf;
typedef struct vi {
    __m256i lo, hi;
} vi;
typedef vi vb;

enum {
    VEC_NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC,
    VEC_FULL_BIAS = VEC_BIAS,
    VEC_GEMV_COLS = 4,
    VEC_TILE_COLS = 2,
    VEC_TILE_COLS_16 = 2,
    VEC_TILE_PANELS = 1,
    VEC_FLOAT_PANELS = 2,
    VEC_FLOAT_COLS = 2,
    VEC_QUERY_COLS = 2,
    VEC_QUERY_VECS = 2
};

VEC_INLINE vf vf_zero(void)
{
    return (vf){_mm256_setzero_ps(), _mm256_setzero_ps()};
}
VEC_INLINE vf vf_set1(float x)
{
    return (vf){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
VEC_INLINE vf vf_load(const float *p)
{
    return (vf){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
VEC_INLINE void vf_store(float *p, vf v)
{
    _mm256_storeu_ps(p, v.lo);
    _mm256_storeu_ps(p + 8, v.hi);
}
/* Lanes below n (any int) all ones, the rest zero. */
VEC_INLINE __m256i vec_mask(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
VEC_INLINE vf vf_load_n(const float *p, int n)
{
    return (vf){_mm256_maskload_ps(p, vec_mask(n)),
                _mm256_maskload_ps(p + 8, vec_mask(n - 8))};
}
VEC_INLINE void vf_store_n(float *p, vf v, int n)
{
    _mm256_maskstore_ps(p, vec_mask(n), v.lo);
    _mm256_maskstore_ps(p + 8, vec_mask(n - 8), v.hi);
}
/* Elements 0, 2, .. (odd 0) or 1, 3, .. (odd 1) of a and b. */
VEC_INLINE __m256 vec_every_other(__m256 a, __m256 b, int odd)
{
    const __m256 v =
        odd ? _mm256_shuffle_ps(a, b, 0xDD) : _mm256_shuffle_ps(a, b, 0x88);
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(v), 0xD8));
}
VEC_INLINE void vf_load_pairs(const float *p, vf *even, vf *odd)
{
    const vf a = vf_load(p), b = vf_load(p + 16);
    *even = (vf){vec_every_other(a.lo, a.hi, 0), vec_every_other(b.lo, b.hi, 0)};
    *odd = (vf){vec_every_other(a.lo, a.hi, 1), vec_every_other(b.lo, b.hi, 1)};
}
VEC_INLINE void vec_store_pairs(float *p, __m256 even, __m256 odd)
{
    const __m256 lo = _mm256_unpacklo_ps(even, odd), hi = _mm256_unpackhi_ps(even, odd);
    _mm256_storeu_ps(p, _mm256_permute2f128_ps(lo, hi, 0x20));
    _mm256_storeu_ps(p + 8, _mm256_permute2f128_ps(lo, hi, 0x31));
}
VEC_INLINE void vf_store_pairs(float *p, vf even, vf odd)
{
    vec_store_pairs(p, even.lo, odd.lo);
    vec_store_pairs(p + 16, even.hi, odd.hi);
}
VEC_INLINE vf vf_load_f16(const void *p)
{
    const __m128i *h = (const __m128i *)p;
    return (vf){_mm256_cvtph_ps(_mm_loadu_si128(h)),
                _mm256_cvtph_ps(_mm_loadu_si128(h + 1))};
}
VEC_INLINE __m256 vec_bf16x8(__m128i h)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}
VEC_INLINE vf vf_load_bf16(const void *p)
{
    const __m128i *h = (const __m128i *)p;
    return (vf){vec_bf16x8(_mm_loadu_si128(h)), vec_bf16x8(_mm_loadu_si128(h + 1))};
}
VEC_INLINE void vf_store_f16(void *p, vf v)
{
    __m128i *h = (__m128i *)p;
    _mm_storeu_si128(h, _mm256_cvtps_ph(v.lo, VEC_NEAREST));
    _mm_storeu_si128(h + 1, _mm256_cvtps_ph(v.hi, VEC_NEAREST));
}
VEC_INLINE vf vf_add(vf a, vf b)
{
    return (vf){_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
VEC_INLINE vf vf_sub(vf a, vf b)
{
    return (vf){_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
VEC_INLINE vf vf_mul(vf a, vf b)
{
    return (vf){_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
VEC_INLINE vf vf_div(vf a, vf b)
{
    return (vf){_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
VEC_INLINE vf vf_min(vf a, vf b)
{
    return (vf){_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
VEC_INLINE vf vf_max(vf a, vf b)
{
    return (vf){_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
VEC_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return (vf){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
VEC_INLINE vf vf_abs(vf a)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (vf){_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
VEC_INLINE vf vf_round(vf a)
{
    return (vf){_mm256_round_ps(a.lo, VEC_NEAREST), _mm256_round_ps(a.hi, VEC_NEAREST)};
}
VEC_INLINE vf vf_keep_ge(vf v, vf a, vf b)
{
    return (vf){_mm256_and_ps(v.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_GE_OQ)),
                _mm256_and_ps(v.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_GE_OQ))};
}
/* Halves first, so that a sum has the same order in every width of vector. */
VEC_INLINE float vf_sum(vf v)
{
    const __m256 a = _mm256_add_ps(v.lo, v.hi);
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
}
VEC_INLINE float vf_greatest(vf v)
{
    const __m256 a = _mm256_max_ps(v.lo, v.hi);
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    s = _mm_max_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
}
VEC_INLINE vf vf_from_i(vi v)
{
    return (vf){_mm256_cvtepi32_ps(v.lo), _mm256_cvtepi32_ps(v.hi)};
}
VEC_INLINE vi vi_from_f(vf v)
{
    return (vi){_mm256_cvtps_epi32(v.lo), _mm256_cvtps_epi32(v.hi)};
}
VEC_INLINE vf vf_cast(vi v)
{
    return (vf){_mm256_castsi256_ps(v.lo), _mm256_castsi256_ps(v.hi)};
}

VEC_INLINE vi vi_zero(void)
{
    return (vi){_mm256_setzero_si256(), _mm256_setzero_si256()};
}
VEC_INLINE vi vi_set1(int32_t x)
{
    return (vi){_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
VEC_INLINE vi vi_load(const void *p)
{
    const __m256i *v = (const __m256i *)p;
    return (vi){_mm256_loadu_si256(v), _mm256_loadu_si256(v + 1)};
}
VEC_INLINE vi vi_add(vi a, vi b)
{
    return (vi){_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
VEC_INLINE vi vi_max(vi a, vi b)
{
    return (vi){_mm256_max_epi32(a.lo, b.lo), _mm256_max_epi32(a.hi, b.hi)};
}
VEC_INLINE vi vi_and(vi a, vi b)
{
    return (vi){_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}
VEC_INLINE vi vi_sll(vi a, int n)
{
    return (vi){_mm256_slli_epi32(a.lo, n), _mm256_slli_epi32(a.hi, n)};
}
VEC_INLINE vi vi_srl(vi a, int n)
{
    return (vi){_mm256_srli_epi32(a.lo, n), _mm256_srli_epi32(a.hi, n)};
}
VEC_INLINE vi vi_sra(vi a, int n)
{
    return (vi){_mm256_srai_epi32(a.lo, n), _mm256_srai_epi32(a.hi, n)};
}
VEC_INLINE vi vi_load_i16(const void *p)
{
    const __m128i *h = (const __m128i *)p;
    return (vi){_mm256_cvtepi16_epi32(_mm_loadu_si128(h)),
                _mm256_cvtepi16_epi32(_mm_loadu_si128(h + 1))};
}
VEC_INLINE vi vi_load_u8(const void *p)
{
    const __m128i b = _mm_loadu_si128((const __m128i *)p);
    return (vi){_mm256_cvtepu8_epi32(b), _mm256_cvtepu8_epi32(_mm_srli_si128(b, 8))};
}
VEC_INLINE vi vi_load_i8(const void *p)
{
    const __m128i b = _mm_loadu_si128((const __m128i *)p);
    return (vi){_mm256_cvtepi8_epi32(b), _mm256_cvtepi8_epi32(_mm_srli_si128(b, 8))};
}
/* packs works inside 128-bit lanes; the permutation restores the order */
VEC_INLINE void vi_store_i8(void *p, vi v)
{
    const __m256i h = _mm256_packs_epi32(v.lo, v.hi);
    const __m256i b = _mm256_permutevar8x32_epi32(
        _mm256_packs_epi16(h, h), _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5));
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(b));
}

VEC_INLINE vb vb_load(const void *p)
{
    return vi_load(p);
}
VEC_INLINE void vb_store(void *p, vb v)
{
    __m256i *to = (__m256i *)p;
    _mm256_storeu_si256(to, v.lo);
    _mm256_storeu_si256(to + 1, v.hi);
}
VEC_INLINE vb vb_set1(int8_t x)
{
    return (vb){_mm256_set1_epi8(x), _mm256_set1_epi8(x)};
}
VEC_INLINE vb vb_and(vb a, vb b)
{
    return (vb){_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}
VEC_INLINE vb vb_or(vb a, vb b)
{
    return (vb){_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
VEC_INLINE vb vb_sub(vb a, vb b)
{
    return (vb){_mm256_sub_epi8(a.lo, b.lo), _mm256_sub_epi8(a.hi, b.hi)};
}
VEC_INLINE vb vb_srl(vb a, int n)
{
    return (vb){_mm256_srli_epi16(a.lo, n), _mm256_srli_epi16(a.hi, n)};
}
VEC_INLINE vb vb_sll(vb a, int n)
{
    return (vb){_mm256_slli_epi16(a.lo, n), _mm256_slli_epi16(a.hi, n)};
}
VEC_INLINE vb vb_table(const int8_t *table, vb index)
{
    const __m256i t =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
    return (vb){_mm256_shuffle_epi8(t, index.lo), _mm256_shuffle_epi8(t, index.hi)};
}
VEC_INLINE vb vb_bcast4(const int8_t *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return vi_set1(x);
}

#if VEC_VNNI256
VEC_INLINE vb vb_full(vb v)
{
    const __m256i top = _mm256_set1_epi8(-128);
    return (vb){_mm256_xor_si256(v.lo, top), _mm256_xor_si256(v.hi, top)};
}
/* Inline assembly: GCC 12 copies the accumulators of the intrinsic. */
VEC_INLINE vi vi_dot_full(vi acc, vb w, vb x)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc.lo) : "x"(w.lo), "x"(x.lo));
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc.hi) : "x"(w.hi), "x"(x.hi));
    return acc;
}
VEC_INLINE vi vi_dot_small(vi acc, vb w, vb x)
{
    return vi_dot_full(acc, w, x);
}
#else
VEC_INLINE vb vb_full(vb v)
{
    return v;
}
VEC_INLINE __m256i vec_dot8(__m256i acc, __m256i u8, __m256i s8)
{
    const __m256i pairs = _mm256_maddubs_epi16(u8, s8);
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
/* |w| times x with w's sign: a pair is at most 2 * 128 * 127 = 32512, no saturation. */
VEC_INLINE vi vi_dot_full(vi acc, vb w, vb x)
{
    return (vi){vec_dot8(acc.lo, _mm256_abs_epi8(w.lo), _mm256_sign_epi8(x.lo, w.lo)),
                vec_dot8(acc.hi, _mm256_abs_epi8(w.hi), _mm256_sign_epi8(x.hi, w.hi))};
}
VEC_INLINE vi vi_dot_small(vi acc, vb w, vb x)
{
    return (vi){vec_dot8(acc.lo, w.lo, x.lo), vec_dot8(acc.hi, w.hi, x.hi)};
}
#endif

VEC_INLINE void vec_prefetch(const void *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T0);
}

VEC_INLINE void vec_prefetch_far(const void *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T1);
}

#endif
