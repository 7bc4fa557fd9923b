/* avx2_attention.c - AVX2 attention over pages and rotary positions.
 *
 * A page is absorbed in three steps: scores of its positions for every query head,
 * their exponentials against the running maximum, and the weighted sum of its values.
 * Keys and values are read once for all heads that share them. */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kernel/kernel_tiers.h"
#include "kernel/x86/avx2_math.h"

#define INLINE static inline __attribute__((always_inline))

static __m256 load_f32(const unsigned char *p)
{
    return _mm256_loadu_ps((const float *)(const void *)p);
}

static __m256 load_f16(const unsigned char *p)
{
    return f16x8_avx2((const uint16_t *)(const void *)p);
}

static __m256 load_bf16(const unsigned char *p)
{
    return bf16x8_avx2((const uint16_t *)(const void *)p);
}

typedef __m256 load_fn(const unsigned char *p);

/* Eight elements, or the first n of them with zeros behind. */
INLINE __m256 load_some(const unsigned char *p, int n, load_fn *load, int size)
{
    if (n >= 8) return load(p);
    unsigned char tail[32] = {0};
    memcpy(tail, p, (size_t)(n * size));
    return load(tail);
}

INLINE float dot_key(const float *q, const unsigned char *k, int d, load_fn *load,
                     int size)
{
    __m256 acc = _mm256_setzero_ps();
    int i = 0;
    for (; i + 8 <= d; i += 8) {
        acc =
            _mm256_fmadd_ps(_mm256_loadu_ps(q + i), load(k + (size_t)(i * size)), acc);
    }
    if (i < d) {
        const __m256 qv = _mm256_maskload_ps(q + i, tail_mask_avx2(d - i));
        acc = _mm256_fmadd_ps(qv, load_some(k + (size_t)(i * size), d - i, load, size),
                              acc);
    }
    return hsum_avx2(acc);
}

/* Scores to exp(score - max) in place, n rounded up to 8 with zeros; returns the sum. */
static float exponentials(float *s, int n, float max)
{
    const __m256 m = _mm256_set1_ps(max);
    __m256 total = _mm256_setzero_ps();
    for (int i = 0; i < n; i += 8) {
        const __m256 keep = _mm256_castsi256_ps(tail_mask_avx2(n - i));
        __m256 v = _mm256_loadu_ps(s + i);
        v = _mm256_and_ps(exp_avx2(_mm256_sub_ps(v, m)), keep);
        _mm256_storeu_ps(s + i, v);
        total = _mm256_add_ps(total, v);
    }
    return hsum_avx2(total);
}

/* out = out * rescale + sum_j p[j] * v[j] for n values, eight columns at a time. */
INLINE void add_values(float *out, float rescale, const float *p, int n,
                       const unsigned char *v, int d, load_fn *load, int size)
{
    const size_t stride = (size_t)(d * size);
    const __m256 r = _mm256_set1_ps(rescale);
    for (int i = 0; i < d; i += 8) {
        const __m256i m = tail_mask_avx2(d - i);
        __m256 acc = _mm256_mul_ps(_mm256_maskload_ps(out + i, m), r);
        const unsigned char *column = v + (size_t)(i * size);
        for (int j = 0; j < n; j++) {
            const __m256 vv = load_some(column + (size_t)j * stride, d - i, load, size);
            acc = _mm256_fmadd_ps(_mm256_set1_ps(p[j]), vv, acc);
        }
        _mm256_maskstore_ps(out + i, m, acc);
    }
}

typedef struct head_state {
    float max, total;
} head_state;

/* Absorb positions from .. from+n-1 of one page for one head. */
INLINE void absorb(const hone_attention_args *a, int head, head_state *st,
                   const unsigned char *page, int from, int n, load_fn *load, int size)
{
    float s[HONE_PAGE_MAX + 8];
    const unsigned char *k = page + a->k_offset + (size_t)(from * a->d_k * size);
    const unsigned char *v = page + a->v_offset + (size_t)(from * a->d_v * size);
    const float *q = a->q + (size_t)head * a->ldq;
    float max = st->max;
    for (int j = 0; j < n; j++) {
        s[j] =
            a->scale * dot_key(q, k + (size_t)(j * a->d_k * size), a->d_k, load, size);
        if (a->softcap > 0.0f) s[j] = a->softcap * tanhf(s[j] / a->softcap);
        if (s[j] > max) max = s[j];
    }
    for (int j = n; j % 8; j++) {
        s[j] = max; /* masked out by exponentials() */
    }
    const float rescale = st->total > 0.0f ? expf(st->max - max) : 0.0f;
    const float sum = exponentials(s, n, max);
    st->total = st->total * rescale + sum;
    st->max = max;
    add_values(a->out + (size_t)head * a->ldo, rescale, s, n, v, a->d_v, load, size);
}

INLINE void attend(const hone_attention_args *a, load_fn *load, int size)
{
    enum {
        HEADS = 16 /* heads that walk the pages together */
    };
    for (int h0 = 0; h0 < a->n_q; h0 += HEADS) {
        const int n_h = a->n_q - h0 < HEADS ? a->n_q - h0 : HEADS;
        head_state st[HEADS];
        for (int h = 0; h < n_h; h++) {
            st[h] = (head_state){-INFINITY, 0.0f};
            memset(a->out + (size_t)(h0 + h) * a->ldo, 0,
                   (size_t)a->d_v * sizeof(float));
        }
        for (int j = a->first; j <= a->last;) {
            const int from = j % a->page_len;
            int n = a->page_len - from;
            if (n > a->last - j + 1) n = a->last - j + 1;
            const unsigned char *page = a->page[j / a->page_len];
            for (int h = 0; h < n_h; h++) {
                absorb(a, h0 + h, &st[h], page, from, n, load, size);
            }
            j += n;
        }
        for (int h = 0; h < n_h; h++) {
            float *out = a->out + (size_t)(h0 + h) * a->ldo;
            for (int i = 0; i < a->d_v; i++) {
                out[i] /= st[h].total;
            }
        }
    }
}

static void attention_f32_avx2(const hone_attention_args *a)
{
    attend(a, load_f32, 4);
}

static void attention_f16_avx2(const hone_attention_args *a)
{
    attend(a, load_f16, 2);
}

static void attention_bf16_avx2(const hone_attention_args *a)
{
    attend(a, load_bf16, 2);
}

void hone_kernels_init_avx2_attention(hone_kernels *k)
{
    k->attention[HONE_F32] = attention_f32_avx2;
    k->attention[HONE_F16] = attention_f16_avx2;
    k->attention[HONE_BF16] = attention_bf16_avx2;
}
