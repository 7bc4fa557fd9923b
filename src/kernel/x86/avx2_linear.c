/* avx2_linear.c - AVX2 linear layers and activation quantization.
 *
 * Float weights: tiles of 4 rows by 2 columns, one accumulator a value.  Quantized
 * weights: one row is unpacked to signed bytes, 256 elements at a time, and multiplied
 * with all columns before the next, so that the cost of unpacking is shared; Q4_0, Q4_1
 * and Q8_0 unpack inside a register instead.  The chain of additions behind one value is
 * the same in every tile shape. */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kernel/kernel_tiers.h"
#include "kernel/x86/avx2_math.h"
#include "tensor/unpack.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    COLS = 32 /* columns that share one unpacked row */
};

/* -- float weights ---------------------------------------------------------------- */

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

/* R rows by C columns, constants at every call. */
INLINE void float_tile(float *y, size_t ldy, const hone_matrix *w, int n0,
                       const hone_acts *x, int t0, int R, int C, load_fn *load,
                       int size)
{
    const int K = x->K;
    __m256 acc[4][2];
    for (int r = 0; r < R; r++) {
        for (int c = 0; c < C; c++) {
            acc[r][c] = _mm256_setzero_ps();
        }
    }
    const unsigned char *wr = w->data + (size_t)n0 * w->row_bytes;
    const float *xc = x->f + (size_t)t0 * (size_t)K;
    int k = 0;
    for (; k + 8 <= K; k += 8) {
        __m256 xv[2];
        for (int c = 0; c < C; c++) {
            xv[c] = _mm256_loadu_ps(xc + (size_t)c * (size_t)K + (size_t)k);
        }
        for (int r = 0; r < R; r++) {
            const __m256 wv = load(wr + (size_t)r * w->row_bytes + (size_t)(k * size));
            for (int c = 0; c < C; c++) {
                acc[r][c] = _mm256_fmadd_ps(wv, xv[c], acc[r][c]);
            }
        }
    }
    if (k < K) {
        const size_t rest = (size_t)(K - k);
        for (int r = 0; r < R; r++) {
            unsigned char wt[32] = {0};
            memcpy(wt, wr + (size_t)r * w->row_bytes + (size_t)(k * size),
                   rest * (size_t)size);
            const __m256 wv = load(wt);
            for (int c = 0; c < C; c++) {
                float xt[8] = {0};
                memcpy(xt, xc + (size_t)c * (size_t)K + (size_t)k, rest * sizeof *xt);
                acc[r][c] = _mm256_fmadd_ps(wv, _mm256_loadu_ps(xt), acc[r][c]);
            }
        }
    }
    for (int r = 0; r < R; r++) {
        for (int c = 0; c < C; c++) {
            y[(size_t)c * ldy + (size_t)r] = hsum_avx2(acc[r][c]);
        }
    }
}

#define FLOAT_LINEAR(name, load, size)                                                 \
    static void linear_##name##_avx2(float *y, size_t ldy, const hone_matrix *w,       \
                                     int n0, int n, const hone_acts *x, int t0, int t) \
    {                                                                                  \
        for (int r = 0; r < n; r += 4) {                                               \
            const int R = n - r < 4 ? 1 : 4;                                           \
            for (int i = 0; R == 1 && i < n - r; i++) {                                \
                for (int c = 0; c < t; c++) {                                          \
                    float_tile(y + (size_t)c * ldy + (size_t)(r + i), ldy, w,          \
                               n0 + r + i, x, t0 + c, 1, 1, load, size);               \
                }                                                                      \
            }                                                                          \
            for (int c = 0; R == 4 && c < t; c += 2) {                                 \
                float *yt = y + (size_t)c * ldy + (size_t)r;                           \
                if (t - c >= 2) {                                                      \
                    float_tile(yt, ldy, w, n0 + r, x, t0 + c, 4, 2, load, size);       \
                } else {                                                               \
                    float_tile(yt, ldy, w, n0 + r, x, t0 + c, 4, 1, load, size);       \
                }                                                                      \
            }                                                                          \
        }                                                                              \
    }
FLOAT_LINEAR(f32, load_f32, 4)
FLOAT_LINEAR(f16, load_f16, 2)
FLOAT_LINEAR(bf16, load_bf16, 2)
#undef FLOAT_LINEAR

/* -- quantized weights ------------------------------------------------------------ */

/* Eight sums of four products each.  Signed bytes: |w| times x with w's sign; a pair is
 * at most 2 * 128 * 127 = 32512 and does not saturate. */
INLINE __m256i dot_signed(__m256i w, __m256i x)
{
    const __m256i p =
        _mm256_maddubs_epi16(_mm256_sign_epi8(w, w), _mm256_sign_epi8(x, w));
    return _mm256_madd_epi16(p, _mm256_set1_epi16(1));
}

/* The same for w in 0 .. 127. */
INLINE __m256i dot_unsigned(__m256i w, __m256i x)
{
    return _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1));
}

INLINE __m256i nibbles_avx2(const unsigned char *p)
{
    const __m128i b = _mm_loadu_si128((const __m128i *)p);
    const __m256i v = _mm256_set_m128i(_mm_srli_epi16(b, 4), b);
    return _mm256_and_si256(v, _mm256_set1_epi8(15));
}

/* One block of 32: its bytes, scale and offset. */
typedef struct block {
    __m256i q;
    float scale, offset;
} block;

INLINE block block_q4_0(const unsigned char *p)
{
    const __m256i q = _mm256_sub_epi8(nibbles_avx2(p + 2), _mm256_set1_epi8(8));
    return (block){q, f16_scalar_avx2(p), 0.0f};
}

INLINE block block_q4_1(const unsigned char *p)
{
    return (block){nibbles_avx2(p + 4), f16_scalar_avx2(p), f16_scalar_avx2(p + 2)};
}

INLINE block block_q8_0(const unsigned char *p)
{
    return (block){_mm256_loadu_si256((const __m256i *)(p + 2)), f16_scalar_avx2(p),
                   0.0f};
}

typedef block block_fn(const unsigned char *p);
typedef __m256i dot_fn(__m256i w, __m256i x);

/* R rows by C columns of a type with blocks of 32; R, C and has_offset are constants. */
INLINE void block_tile(float *y, size_t ldy, const hone_matrix *w, int n0,
                       const hone_acts *x, int t0, int R, int C, block_fn *get,
                       dot_fn *dot, int bytes, int has_offset)
{
    const size_t K = (size_t)x->K, n_block = K / 32;
    __m256 acc[2][4];
    float off[2][4];
    for (int r = 0; r < R; r++) {
        for (int c = 0; c < C; c++) {
            acc[r][c] = _mm256_setzero_ps();
            off[r][c] = 0.0f;
        }
    }
    const unsigned char *wr = w->data + (size_t)n0 * w->row_bytes;
    const int8_t *q = x->q + (size_t)t0 * K;
    const float *scale = x->scale + (size_t)t0 * n_block;
    const float *sum = x->sum + (size_t)t0 * n_block * 2;
    for (size_t b = 0; b < n_block; b++) {
        for (int r = 0; r < R; r++) {
            const unsigned char *p = wr + (size_t)r * w->row_bytes + b * (size_t)bytes;
            const block wb = get(p);
            for (int c = 0; c < C; c++) {
                const size_t at = (size_t)c * n_block + b;
                const __m256i xq =
                    _mm256_loadu_si256((const __m256i *)(q + (size_t)c * K + 32 * b));
                const __m256 s = _mm256_set1_ps(wb.scale * scale[at]);
                acc[r][c] =
                    _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot(wb.q, xq)), s, acc[r][c]);
                if (has_offset)
                    off[r][c] += wb.offset * (sum[2 * at] + sum[2 * at + 1]);
            }
        }
    }
    for (int r = 0; r < R; r++) {
        for (int c = 0; c < C; c++) {
            y[(size_t)c * ldy + (size_t)r] = hsum_avx2(acc[r][c]) + off[r][c];
        }
    }
}

#define BLOCK_TILE(R, C, get, dot, bytes, off)                                         \
    block_tile(y + (size_t)c * ldy + (size_t)r, ldy, w, n0 + r, x, t0 + c, R, C, get,  \
               dot, bytes, off)

#define BLOCK_LINEAR(name, get, dot, bytes, off)                                       \
    static void linear_##name##_avx2(float *y, size_t ldy, const hone_matrix *w,       \
                                     int n0, int n, const hone_acts *x, int t0, int t) \
    {                                                                                  \
        for (int r = 0; r < n; r += 2) {                                               \
            int c = 0;                                                                 \
            if (n - r >= 2) {                                                          \
                for (; c + 4 <= t; c += 4)                                             \
                    BLOCK_TILE(2, 4, get, dot, bytes, off);                            \
                for (; c < t; c++)                                                     \
                    BLOCK_TILE(2, 1, get, dot, bytes, off);                            \
            } else {                                                                   \
                for (; c + 4 <= t; c += 4)                                             \
                    BLOCK_TILE(1, 4, get, dot, bytes, off);                            \
                for (; c < t; c++)                                                     \
                    BLOCK_TILE(1, 1, get, dot, bytes, off);                            \
            }                                                                          \
        }                                                                              \
    }
BLOCK_LINEAR(q4_0, block_q4_0, dot_signed, 18, 0)
BLOCK_LINEAR(q4_1, block_q4_1, dot_unsigned, 20, 1)
BLOCK_LINEAR(q8_0, block_q8_0, dot_signed, 34, 0)
#undef BLOCK_LINEAR
#undef BLOCK_TILE

/* Add `len` unpacked elements of one row, from element k0 on, times column t. */
static void add_unpacked(float *acc, float *off, const hone_unpacked *u, int len,
                         const hone_acts *x, int t, int k0)
{
    const size_t K = (size_t)x->K;
    const size_t b0 = ((size_t)t * K + (size_t)k0) / 32;
    __m256 a = _mm256_loadu_ps(acc);
    float o = *off;
    for (size_t b = 0; b < (size_t)len / 32; b++) {
        const __m256i wq = _mm256_load_si256((const __m256i *)(u->q + 32 * b));
        const __m256i xq = _mm256_loadu_si256((const __m256i *)(x->q + 32 * (b0 + b)));
        const __m256 s = _mm256_mul_ps(_mm256_set_m128(_mm_set1_ps(u->scale[2 * b + 1]),
                                                       _mm_set1_ps(u->scale[2 * b])),
                                       _mm256_set1_ps(x->scale[b0 + b]));
        a = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot_signed(wq, xq)), s, a);
        const float *sum = x->sum + 2 * (b0 + b);
        o += u->offset[2 * b] * sum[0] + u->offset[2 * b + 1] * sum[1];
    }
    _mm256_storeu_ps(acc, a);
    *off = o;
}

static void linear_unpacked_avx2(float *y, size_t ldy, const hone_matrix *w, int n0,
                                 int n, const hone_acts *x, int t0, int t)
{
    hone_unpack_fn *unpack = hone_unpack_get(w->dtype);
    const hone_dtype_info *info = hone_dtype_get(w->dtype);
    const int block_len = (int)info->block;
    float acc[COLS][8], off[COLS];
    hone_unpacked u;

    for (int c0 = 0; c0 < t; c0 += COLS) {
        const int cols = t - c0 < COLS ? t - c0 : COLS;
        for (int r = 0; r < n; r++) {
            const unsigned char *p = w->data + (size_t)(n0 + r) * w->row_bytes;
            memset(acc, 0, sizeof acc);
            memset(off, 0, sizeof off);
            for (int k = 0; k < x->K;) {
                int len = 0;
                for (; len < HONE_UNPACK_MAX && k + len < x->K; len += block_len) {
                    unpack(&u, (size_t)len, p);
                    p += info->bytes;
                }
                for (int c = 0; c < cols; c++) {
                    add_unpacked(acc[c], &off[c], &u, len, x, t0 + c0 + c, k);
                }
                k += len;
            }
            for (int c = 0; c < cols; c++) {
                y[(size_t)(c0 + c) * ldy + (size_t)r] =
                    hsum_avx2(_mm256_loadu_ps(acc[c])) + off[c];
            }
        }
    }
}

/* -- activations ------------------------------------------------------------------ */

static void quantize_avx2(int8_t *q, float *scale, float *sum, const float *x, int K)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256i ones8 = _mm256_set1_epi8(1), ones16 = _mm256_set1_epi16(1);
    for (int b = 0; b < K / 32; b++, x += 32, q += 32) {
        __m256 v[4], max = _mm256_setzero_ps();
        for (int i = 0; i < 4; i++) {
            v[i] = _mm256_loadu_ps(x + 8 * i);
            max = _mm256_max_ps(max, _mm256_andnot_ps(sign, v[i]));
        }
        __m128 m =
            _mm_max_ps(_mm256_castps256_ps128(max), _mm256_extractf128_ps(max, 1));
        m = _mm_max_ps(m, _mm_movehl_ps(m, m));
        m = _mm_max_ss(m, _mm_movehdup_ps(m));
        const float d = _mm_cvtss_f32(m) / 127.0f;
        const __m256 inverse = _mm256_set1_ps(d > 0.0f ? 1.0f / d : 0.0f);
        __m256i n[4];
        for (int i = 0; i < 4; i++) {
            n[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));
        }
        /* packs works inside 128-bit lanes; the permutation restores the order */
        const __m256i lo = _mm256_packs_epi32(n[0], n[1]);
        const __m256i hi = _mm256_packs_epi32(n[2], n[3]);
        __m256i bytes = _mm256_packs_epi16(lo, hi);
        bytes = _mm256_permutevar8x32_epi32(bytes,
                                            _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        bytes = _mm256_max_epi8(bytes, _mm256_set1_epi8(-127));
        _mm256_storeu_si256((__m256i *)q, bytes);

        const __m256i s4 =
            _mm256_madd_epi16(_mm256_maddubs_epi16(ones8, bytes), ones16);
        int part[8];
        _mm256_storeu_si256((__m256i *)part, s4);
        scale[b] = d;
        sum[2 * b] = d * (float)(part[0] + part[1] + part[2] + part[3]);
        sum[2 * b + 1] = d * (float)(part[4] + part[5] + part[6] + part[7]);
    }
}

void hone_kernels_init_avx2_linear(hone_kernels *k)
{
    for (int t = 0; t < HONE_N_DTYPE; t++) {
        if (hone_unpack_get((hone_dtype)t)) k->linear[t] = linear_unpacked_avx2;
    }
    k->linear[HONE_F32] = linear_f32_avx2;
    k->linear[HONE_F16] = linear_f16_avx2;
    k->linear[HONE_BF16] = linear_bf16_avx2;
    k->linear[HONE_Q4_0] = linear_q4_0_avx2;
    k->linear[HONE_Q4_1] = linear_q4_1_avx2;
    k->linear[HONE_Q8_0] = linear_q8_0_avx2;
    k->quantize = quantize_avx2;
}
