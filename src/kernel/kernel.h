/* kernel.h - the compute kernels, as one table of function pointers.
 *
 * Every kernel has a portable reference in ref_*.c: short, obviously right, kept for
 * good.  Faster versions live in x86/, one file a tier and subject, named
 * <kernel>_<tier>.  hone_kernels_init() fills the table with references, then lets each
 * tier the CPU has overwrite its entries.  tests/kernel/ runs every entry of every tier
 * against an f64 result.
 *
 * Shapes are written [rows, columns], row-major, last dimension contiguous.
 *   T  rows (tokens) of a step    N  rows of a weight    K  columns of a weight
 *   H  query heads                Dh width of a head
 *
 * Same answer everywhere: the sum behind one output value runs in an order that depends
 * on its own row, column and K alone, never on T, on tiling or on threads.
 * Tiers differ from each other within the bounds stated here.
 *
 * Threads: kernels are pure; the table is immutable once filled. */
#ifndef HONE_KERNEL_KERNEL_H
#define HONE_KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

/* A weight: N rows of K elements, each row row_bytes long.  data may have any
 * alignment and is borrowed. */
typedef struct hone_matrix {
    const unsigned char *data;
    size_t row_bytes;
    int n_row, n_col; /* N, K; a vector has n_row 1 */
    hone_dtype dtype;
} hone_matrix;

/* Elements of one activation block: the unit in which activations share a scale. */
#define HONE_ACT_BLOCK 32

/* T activation rows of K elements, ready for linear kernels.  Weights in F32, F16 and
 * BF16 read f; quantized weights read q, scale and sum, for which K is a multiple of
 * HONE_ACT_BLOCK.  Row t starts at f + t*K, q + t*K, scale + t*K/32, sum + t*K/16. */
typedef struct hone_acts {
    float *f;     /* [T, K] */
    int8_t *q;    /* [T, K], in -127 .. 127 */
    float *scale; /* [T, K/32]: x is about q * scale */
    float *sum;   /* [T, K/16]: scale times the sum of 16 q, for types with a minimum */
    int K;
} hone_acts;

/* dst[i] = src[i] as f32; n is a multiple of the dtype's block.  Exact. */
typedef void hone_widen_fn(float *dst, const void *src, size_t n);

/* dst[i] = src[i] rounded to nearest even.  For F32, F16 and BF16. */
typedef void hone_narrow_fn(void *dst, const float *src, size_t n);

/* Root-mean-square norm of one row:
 *
 *     y[i] = w[i] * x[i] / sqrt(mean_j x[j]^2 + eps)
 *
 *   y    [K]  out; may be x itself, must not overlap otherwise
 *   w    [K]  gain, or NULL for 1
 *   eps  >= 0, inside the root (1e-5 in Llama 2, 1e-6 in Qwen 3)
 *
 * Within 1e-5 relative of the f64 result for K <= 16384.
 * Source: Zhang and Sennrich 2019, arXiv:1910.07467, eq. 4. */
typedef void hone_rmsnorm_fn(float *y, const float *x, const float *w, int K,
                             float eps);

/* Quantize one activation row: for each block of 32, scale = max |x| / 127 and
 * q = x / scale rounded to nearest, ties to even; a block of zeros has scale 0.  Writes
 * q [K], scale [K/32], sum [K/16].  K is a multiple of 32.  |x - q*scale| <=
 * 0.501 * scale for finite x. */
typedef void hone_quantize_fn(int8_t *q, float *scale, float *sum, const float *x,
                              int K);

/* Linear layer: y[t, n] = sum_k w[n, k] * x[t, k], for rows n0 .. n0+n-1 of w and rows
 * t0 .. t0+t-1 of x.
 *
 *   y    y[0] is the value of (t0, n0); row stride ldy floats; must not overlap inputs
 *
 * F32, F16, BF16 weights: products and sums in f32, within K * 1e-6 * sum |w x| / sqrt(K)
 * of the f64 result.  Quantized weights: against the quantized x, integer products exact
 * inside a block, block sums in f32 within 2e-6 * sum over blocks of |block result|
 * * sqrt(K/32). */
typedef void hone_linear_fn(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                            const hone_acts *x, int t0, int t);

/* Rotary position for one head, in place, over its first n_rot elements:
 *
 *     (a, b) -> (a cos - b sin, a sin + b cos)
 *
 * for pairs (x[i], x[i + n_rot/2]), or (x[2i], x[2i+1]) if `interleaved`.
 *   cos_sin  [n_rot]: n_rot/2 cosines, then n_rot/2 sines
 * Source: Su et al. 2021, arXiv:2104.09864, sec. 3.2.2. */
typedef void hone_rope_fn(float *x, const float *cos_sin, int n_rot, bool interleaved);

/* Attention of the query heads that share one K/V head, for one token:
 *
 *     s[j] = scale * q . k[j],  p = softmax(s),  out = sum_j p[j] v[j]
 *
 * for positions first .. last.  Position j lies in page[j / page_len] at slot
 * j % page_len: its key starts k_offset + slot * d_k elements into the page, its value
 * v_offset + slot * d_v elements (offsets in bytes).
 *
 * One pass with a running maximum; pages are absorbed in order, so the result depends on
 * page borders and not on how tokens were batched.  Within 2e-5 * max |v| of f64 for f32
 * keys and values and |s| < 80.
 * Source: Dao et al. 2022, arXiv:2205.14135, sec. 3.1 (running softmax). */
typedef struct hone_attention_args {
    float *out;     /* [n_q, d_v], row stride ldo floats */
    const float *q; /* [n_q, d_k], row stride ldq floats */
    size_t ldo, ldq;
    void *const *page; /* page table of the sequence */
    size_t k_offset, v_offset;
    int n_q, d_k, d_v;
    int page_len;    /* positions a page, at most HONE_PAGE_MAX */
    int first, last; /* first <= last */
    float scale;
    float softcap; /* s = softcap * tanh(s / softcap) where > 0 */
} hone_attention_args;

#define HONE_PAGE_MAX 256

typedef void hone_attention_fn(const hone_attention_args *a);

/* Gated activation: y[i] = act(gate[i]) * up[i]; y may be gate or up. */
typedef void hone_gate_fn(float *y, const float *gate, const float *up, int n);

/* Activations of gated layers. */
typedef enum hone_act {
    HONE_ACT_SILU, /* x / (1 + exp(-x)); within 2e-6 relative + 1e-7 */
    HONE_N_ACT
} hone_act;

/* Arithmetic peaks: run about n_ops operations without memory traffic and return how
 * many were done (a multiply and an add are two).  For reports and limits. */
typedef double hone_peak_fn(double n_ops);

/* Sum over the 64-bit words of a buffer, to measure read bandwidth. */
typedef uint64_t hone_read_fn(const void *data, size_t bytes);

typedef struct hone_kernels {
    const char *tier; /* "ref", "avx2" */
    hone_widen_fn *widen[HONE_N_DTYPE];
    hone_narrow_fn *narrow[HONE_N_DTYPE];       /* NULL but for F32, F16, BF16 */
    hone_linear_fn *linear[HONE_N_DTYPE];       /* NULL for integers and F64 */
    hone_attention_fn *attention[HONE_N_DTYPE]; /* by K/V type; F32, F16, BF16 */
    hone_gate_fn *gate[HONE_N_ACT];
    hone_rmsnorm_fn *rmsnorm;
    hone_quantize_fn *quantize;
    hone_rope_fn *rope;
    hone_peak_fn *peak_int8, *peak_bf16, *peak_f32;
    hone_read_fn *read;
} hone_kernels;

/* Fill `k` for the given HONE_CPU_* flags.  Cannot fail: flags 0 is all reference. */
void hone_kernels_init(hone_kernels *k, unsigned cpu_flags);

/* Flags that make `tier` ("ref", "avx2") the highest used, of those in cpu_flags; false
 * when the name is unknown or the CPU lacks it. */
bool hone_kernels_flags(const char *tier, unsigned cpu_flags, unsigned *out);

/* Whether linear kernels of this weight type read quantized activations. */
static inline bool hone_linear_wants_q8(hone_dtype t)
{
    return hone_dtype_is_quantized(t);
}

#endif
