/* vec_avx512.h - the vectors of vec.h in AVX-512 registers, VNNI dot products. */
#ifndef HONE_KERNEL_X86_VEC_AVX512_H
#define HONE_KERNEL_X86_VEC_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC_INLINE     static inline __attribute__((always_inline))
#define VEC_TIER(name) name##_avx512

typedef __m512 vf;
typedef __m512i vi;
typedef __m512i vb;

enum {
    VEC_FULL_BIAS = 128, /* the left operand of vpdpbusd is unsigned */
    VEC_GEMV_COLS = 8,
    VEC_TILE_COLS = 6,
    VEC_TILE_COLS_16 = 4,
    VEC_TILE_PANELS = 2,
    VEC_FLOAT_PANELS = 4,
    VEC_FLOAT_COLS = 4,
    VEC_QUERY_COLS = 6,
    VEC_QUERY_VECS = 4
};

VEC_INLINE vf vf_zero(void)
{
    return _mm512_setzero_ps();
}
VEC_INLINE vf vf_set1(float x)
{
    return _mm512_set1_ps(x);
}
VEC_INLINE vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
VEC_INLINE void vf_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}
VEC_INLINE vf vf_load_n(const float *p, int n)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
VEC_INLINE void vf_store_n(float *p, vf v, int n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
}
VEC_INLINE void vf_load_pairs(const float *p, vf *even, vf *odd)
{
    const __m512i e =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i o = _mm512_add_epi32(e, _mm512_set1_epi32(1));
    const __m512 a = _mm512_loadu_ps(p), b = _mm512_loadu_ps(p + 16);
    *even = _mm512_permutex2var_ps(a, e, b);
    *odd = _mm512_permutex2var_ps(a, o, b);
}
VEC_INLINE void vf_store_pairs(float *p, vf even, vf odd)
{
    const __m512i lo =
        _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i hi = _mm512_add_epi32(lo, _mm512_set1_epi32(8));
    _mm512_storeu_ps(p, _mm512_permutex2var_ps(even, lo, odd));
    _mm512_storeu_ps(p + 16, _mm512_permutex2var_ps(even, hi, odd));
}
VEC_INLINE vf vf_load_f16(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
VEC_INLINE vf vf_load_bf16(const void *p)
{
    const __m512i w = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(w, 16));
}
VEC_INLINE void vf_store_f16(void *p, vf v)
{
    const __m256i h = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm256_storeu_si256((__m256i *)p, h);
}
VEC_INLINE vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
VEC_INLINE vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
VEC_INLINE vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
VEC_INLINE vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
VEC_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
VEC_INLINE vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
VEC_INLINE vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
VEC_INLINE vf vf_abs(vf a)
{
    return _mm512_abs_ps(a);
}
VEC_INLINE vf vf_round(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
VEC_INLINE vf vf_keep_ge(vf v, vf a, vf b)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_GE_OQ), v);
}
/* Halves first, so that a sum has the same order in every width of vector. */
VEC_INLINE float vf_sum(vf v)
{
    const __m256 a =
        _mm256_add_ps(_mm512_castps512_ps256(v),
                      _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1)));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
}
VEC_INLINE float vf_greatest(vf v)
{
    return _mm512_reduce_max_ps(v);
}
VEC_INLINE vf vf_from_i(vi v)
{
    return _mm512_cvtepi32_ps(v);
}
VEC_INLINE vi vi_from_f(vf v)
{
    return _mm512_cvtps_epi32(v);
}
VEC_INLINE vf vf_cast(vi v)
{
    return _mm512_castsi512_ps(v);
}

VEC_INLINE vi vi_zero(void)
{
    return _mm512_setzero_si512();
}
VEC_INLINE vi vi_set1(int32_t x)
{
    return _mm512_set1_epi32(x);
}
VEC_INLINE vi vi_load(const void *p)
{
    return _mm512_loadu_si512(p);
}
VEC_INLINE vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}
VEC_INLINE vi vi_max(vi a, vi b)
{
    return _mm512_max_epi32(a, b);
}
VEC_INLINE vi vi_and(vi a, vi b)
{
    return _mm512_and_si512(a, b);
}
VEC_INLINE vi vi_sll(vi a, int n)
{
    return _mm512_slli_epi32(a, (unsigned)n);
}
VEC_INLINE vi vi_srl(vi a, int n)
{
    return _mm512_srli_epi32(a, (unsigned)n);
}
VEC_INLINE vi vi_sra(vi a, int n)
{
    return _mm512_srai_epi32(a, (unsigned)n);
}
VEC_INLINE vi vi_load_i16(const void *p)
{
    return _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)p));
}
VEC_INLINE vi vi_load_u8(const void *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
VEC_INLINE vi vi_load_i8(const void *p)
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p));
}
VEC_INLINE void vi_store_i8(void *p, vi v)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtsepi32_epi8(v));
}

VEC_INLINE vb vb_load(const void *p)
{
    return _mm512_loadu_si512(p);
}
VEC_INLINE void vb_store(void *p, vb v)
{
    _mm512_storeu_si512(p, v);
}
VEC_INLINE vb vb_set1(int8_t x)
{
    return _mm512_set1_epi8(x);
}
VEC_INLINE vb vb_and(vb a, vb b)
{
    return _mm512_and_si512(a, b);
}
VEC_INLINE vb vb_or(vb a, vb b)
{
    return _mm512_or_si512(a, b);
}
VEC_INLINE vb vb_sub(vb a, vb b)
{
    return _mm512_sub_epi8(a, b);
}
VEC_INLINE vb vb_srl(vb a, int n)
{
    return _mm512_srli_epi16(a, (unsigned)n);
}
VEC_INLINE vb vb_sll(vb a, int n)
{
    return _mm512_slli_epi16(a, (unsigned)n);
}
VEC_INLINE vb vb_table(const int8_t *table, vb index)
{
    const __m512i t = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table));
    return _mm512_shuffle_epi8(t, index);
}
VEC_INLINE vb vb_full(vb v)
{
    return _mm512_xor_si512(v, _mm512_set1_epi8(-128));
}
VEC_INLINE vb vb_bcast4(const int8_t *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x);
}

/* Inline assembly: GCC 12 copies and spills the accumulators of the intrinsic, which
 * halves the speed of a tile. */
VEC_INLINE vi vi_dot_full(vi acc, vb w, vb x)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(w), "v"(x));
    return acc;
}
VEC_INLINE vi vi_dot_small(vi acc, vb w, vb x)
{
    return vi_dot_full(acc, w, x);
}

VEC_INLINE void vec_prefetch(const void *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T0);
}

VEC_INLINE void vec_prefetch_far(const void *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T1);
}

#endif
