/* kernel.h - the compute kernels, as one table of function pointers.
 *
 * Every kernel has a portable reference in ref_*.c: short, obviously right, kept for
 * good.  Faster versions live in x86/ and arm/, one file a tier and subject, named
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

#include "base/status.h"
#include "tensor/dtype.h"

/* A weight: N rows of K elements, each row row_bytes long.  data may have any
 * alignment and is borrowed. */
typedef struct hone_matrix {
    const unsigned char *data;
    size_t row_bytes;
    int n_row, n_col; /* N, K; a vector has n_row 1 */
    hone_dtype dtype;
    bool packed; /* data holds panels (panel.h), 64-byte aligned, row_bytes each */
    /* What the caller most likely asks for after the rows of a call, for kernels that
     * fetch ahead; NULL: what lies behind these rows. */
    const void *soon;
} hone_matrix;

/* What linear kernels read of their input; which one depends on weight type and tier. */
typedef enum hone_act_form {
    HONE_FORM_F32,
    HONE_FORM_BF16, /* rounded to nearest even */
    HONE_FORM_Q8,   /* bytes with a scale for each HONE_ACT_BLOCK */
    HONE_N_FORM
} hone_act_form;

#define HONE_ACT_BLOCK 32  /* elements that share an activation scale */
#define HONE_ACT_GROUP 256 /* columns of a stripe */

/* T activation rows of K elements, ready for linear kernels, in stripes of
 * HONE_ACT_GROUP columns: stripe g holds columns 256 g .. of all rows, row after row, so
 * that what a tile reads together lies together.  Only the forms in use are there.  For
 * Q8, K is a multiple of HONE_ACT_BLOCK.  Kernels may read, and not use, up to
 * HONE_ACT_SPARE bytes behind each array. */
typedef struct hone_acts {
    int T, K;
    float *f;
    uint16_t *h;    /* rows of an odd width are followed by a zero */
    int8_t *q;      /* in -127 .. 127 */
    float *scale;   /* one a block: x is about q * scale */
    int16_t *minus; /* one for each 16: minus the sum of q */
} hone_acts;

/* Fifteen rows of a stripe in the widest form that is read by sixteens, BF16. */
#define HONE_ACT_SPARE 8192

static inline int hone_acts_n_group(const hone_acts *a)
{
    return (a->K + HONE_ACT_GROUP - 1) / HONE_ACT_GROUP;
}

/* Columns of stripe g. */
static inline int hone_acts_width(const hone_acts *a, int g)
{
    const int rest = a->K - g * HONE_ACT_GROUP;
    return rest < HONE_ACT_GROUP ? rest : HONE_ACT_GROUP;
}

/* Elements before row t of stripe g where each row has width / unit of them. */
static inline size_t hone_acts_at(const hone_acts *a, int t, int g, int unit)
{
    const size_t before = (size_t)g * (size_t)a->T * (size_t)(HONE_ACT_GROUP / unit);
    return before + (size_t)t * (size_t)(hone_acts_width(a, g) / unit);
}

static inline float *hone_acts_f(const hone_acts *a, int t, int g)
{
    return a->f + hone_acts_at(a, t, g, 1);
}

static inline uint16_t *hone_acts_h(const hone_acts *a, int t, int g)
{
    const size_t odd = (size_t)(hone_acts_width(a, g) % 2);
    return a->h + hone_acts_at(a, t, g, 1) + (size_t)t * odd;
}

static inline int8_t *hone_acts_q(const hone_acts *a, int t, int g)
{
    return a->q + hone_acts_at(a, t, g, 1);
}

static inline float *hone_acts_scale(const hone_acts *a, int t, int g)
{
    return a->scale + hone_acts_at(a, t, g, HONE_ACT_BLOCK);
}

static inline int16_t *hone_acts_minus(const hone_acts *a, int t, int g)
{
    return a->minus + hone_acts_at(a, t, g, 16);
}

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

/* Quantize x [K] into row t of a: for each block of 32, scale = max |x| / 127 and
 * q = x / scale rounded to nearest, ties to even; a block of zeros has scale 0.  Writes
 * q, scale and minus.  |x - q*scale| <= 0.501 * scale for finite x.  Same bits in every
 * tier. */
typedef void hone_quantize_fn(const hone_acts *a, int t, const float *x);

/* Linear layer: y[t, n] = sum_k w[n, k] * x[t, k], for rows n0 .. n0+n-1 of w and rows
 * t0 .. t0+t-1 of x.
 *
 *   y    y[0] is the value of (t0, n0); row stride ldy floats; must not overlap inputs
 *   w    rows of the file, or panels where the table says `packs`; then n0 is a
 *        multiple of 16, and so is n but at the end of the matrix
 *   t    at most HONE_LINEAR_MAX_ROWS
 *
 * F32, F16, BF16 weights with F32 activations: within K * 1e-6 * sum |w x| / sqrt(K)
 * of the f64 result; with BF16 activations the same against the rounded x.  Quantized
 * weights: against the quantized x, integer products exact inside a block, block sums in
 * f32 within 2e-6 * sum over blocks of |block result| * sqrt(K/32); the same bits in
 * every tier that packs. */
#define HONE_LINEAR_MAX_ROWS 512
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

/* Attention of the query heads that share one K/V head, for consecutive rows of one
 * sequence:
 *
 *     s[j] = scale * q . k[j],  p = softmax(s),  out = sum_j p[j] v[j]
 *
 * where row r, at position + r, sees the positions up to its own, the last `window` of
 * them if that is not 0.  Position j lies in page[j / page_len] at slot j % page_len.
 * kv_page.h says how keys and values of their types lie behind k_offset and v_offset
 * (bytes, multiples of HONE_CACHE_LINE); slots that hold no key are read and not used.
 *
 * Positions are absorbed page by page with a running maximum, in splits of
 * hone_split_pages() pages, whose states are merged in order: the result depends on the
 * sequence alone and not on what is computed with it.  Within 2e-5 * max |v| of f64 on
 * the keys and values as stored, for |s| < 80.
 *
 *   split    -1: all, into out; else only that split, into state, for a merge by others
 *   state    [n_row * n_q][hone_state_len(d_v)], twice that for split -1
 *   scratch  hone_attention_scratch() floats; both 64-byte aligned
 *
 * Source: Dao et al. 2022, arXiv:2205.14135, sec. 3.1 (running softmax); Dao et al.,
 * Flash-Decoding (splits over keys). */
typedef struct hone_attention_args {
    float *out;     /* [n_row, n_q, d_v], rows ldo floats apart */
    const float *q; /* [n_row, n_q, d_k], rows ldq floats apart */
    size_t ldo, ldq;
    void *const *page; /* page table of the sequence */
    size_t k_offset, v_offset;
    hone_dtype k_type, v_type; /* F32, F16, BF16, Q8_0 or Q4_0, each its own */
    int n_row, n_q, d_k, d_v;
    int page_len; /* positions a page, at most HONE_PAGE_MAX */
    int position; /* of row 0 */
    int window;
    int split;
    float scale;
    float softcap; /* s = softcap * tanh(s / softcap) where > 0 */
    float *state, *scratch;
} hone_attention_args;

#define HONE_PAGE_MAX  256
#define HONE_SPLIT_LEN 512 /* positions of a split, about */

typedef void hone_attention_fn(const hone_attention_args *a);

/* Merge one state into another; divide a state into its output [d_v]. */
typedef void hone_attention_merge_fn(float *into, const float *from, int d_v);
typedef void hone_attention_finish_fn(float *out, const float *state, int d_v);

/* Slots of a page to whole vectors: elements between the key rows of a page. */
static inline int hone_page_stride(int page_len)
{
    return (page_len + 15) & ~15;
}

static inline int hone_split_pages(int page_len)
{
    return page_len < HONE_SPLIT_LEN ? HONE_SPLIT_LEN / page_len : 1;
}

/* Floats of a state: maximum, sum, up to 14 unused, the output before division. */
static inline int hone_state_len(int d_v)
{
    return 16 + ((d_v + 15) & ~15);
}

static inline size_t hone_attention_scratch(int d_k, int d_v, int page_len)
{
    const size_t stride = (size_t)hone_page_stride(page_len);
    return stride * ((size_t)d_k + (size_t)((d_v + 15) & ~15));
}

/* Gated activation: y[i] = act(gate[i]) * up[i]; y may be gate or up. */
typedef void hone_gate_fn(float *y, const float *gate, const float *up, int n);

/* sum_i exp((x[i] - shift) * scale) for (x[i] - shift) * scale <= 88; what is below -87 and
 * -INFINITY count nothing.  Within 1e-6 relative of the f64 result for n <= 4096. */
typedef float hone_exp_sum_fn(const float *x, int n, float shift, float scale);

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
    const char *tier;                 /* "ref", "avx2", "neon", ... */
    bool packs;                       /* linear kernels read panels */
    hone_act_form form[HONE_N_DTYPE]; /* what linear reads beside a weight type */
    hone_widen_fn *widen[HONE_N_DTYPE];
    hone_narrow_fn *narrow[HONE_N_DTYPE]; /* NULL but for F32, F16, BF16 */
    hone_linear_fn *linear[HONE_N_DTYPE]; /* NULL for integers and F64 */
    hone_attention_fn *attention;
    hone_attention_merge_fn *merge;
    hone_attention_finish_fn *finish;
    hone_gate_fn *gate[HONE_N_ACT];
    hone_exp_sum_fn *exp_sum;
    hone_rmsnorm_fn *rmsnorm;
    hone_quantize_fn *quantize;
    hone_rope_fn *rope;
    hone_peak_fn *peak_int8, *peak_bf16, *peak_f32;
    hone_read_fn *read;
} hone_kernels;

/* Fill `k` for the given HONE_CPU_* flags.  Cannot fail: flags 0 is all reference. */
void hone_kernels_init(hone_kernels *k, unsigned cpu_flags);

/* Flags that make `tier` the highest used, of those in cpu_flags; false when the name is
 * unknown or the CPU lacks it. */
bool hone_kernels_flags(const char *tier, unsigned cpu_flags, unsigned *out);

/* The table of the tier with that name, NULL for the best this CPU has.  E_INVALID lists
 * those it has. */
HONE_MUST_CHECK hone_status hone_kernels_choose(hone_kernels *k, const char *tier,
                                                hone_error *err);

/* Name of tier i of this build, from "ref" upward; NULL behind the last. */
const char *hone_kernels_tier(int i);

#endif
