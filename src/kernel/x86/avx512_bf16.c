/* avx512_bf16.c - AVX512_BF16: BF16 weights times BF16 activations with vdpbf16ps.
 *
 * A panel's pairs of columns are what the instruction multiplies, so nothing is unpacked:
 * a tile of panels by activation rows reads both from memory.  The chain behind one
 * result is one instruction a pair of columns, in order. */
#include "kernel/x86/vec_avx512.h"

#include "base/status.h"
#include "kernel/kernel_tiers.h"
#include "kernel/panel.h"

enum {
    ROWS = HONE_PANEL_ROWS,
    MAX_PANELS = 4,
    MAX_COLS = 6,
    CHAINS = 12, /* of the peak */
    FEW_ROWS = 8 /* activation rows up to which memory is read once, front to back */
};

/* acc + products of pairs of BF16; denormals count as zero.  Inline assembly: GCC 12
 * copies and spills the accumulators of the intrinsic.
 * Source: Intel SDM vol. 2, VDPBF16PS. */
VEC_INLINE vf vf_dot_bf16(vf acc, vb w, vb x)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(w), "v"(x));
    return acc;
}

/* P panels by C activation rows from t0 on, constants, over stripes g0 .. g1-1; n rows of
 * the weight count.  Sums begin with y unless g0 is 0. */
VEC_INLINE void tile(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                     const hone_acts *x, int t0, int g0, int g1, int P, int C)
{
    vf acc[MAX_PANELS * MAX_COLS];
    const unsigned char *p[MAX_PANELS];
    int rows[MAX_PANELS];
    for (int r = 0; r < P; r++) {
        p[r] = w->data + (size_t)(n0 / ROWS + r) * w->row_bytes;
        rows[r] = n - r * ROWS < ROWS ? n - r * ROWS : ROWS;
        for (int c = 0; c < C; c++) {
            const float *from = y + (size_t)c * ldy + (size_t)r * ROWS;
            acc[r * C + c] = g0 == 0 ? vf_zero() : vf_load_n(from, rows[r]);
        }
    }
    for (int g = g0; g < g1; g++) {
        const int8_t *h[MAX_COLS];
        for (int c = 0; c < C; c++) {
            h[c] = (const int8_t *)hone_acts_h(x, t0 + c, g);
        }
        const int pairs = (hone_acts_width(x, g) + 1) / 2;
        for (int i = 0; i < pairs; i++) {
            const size_t at = ((size_t)g * (HONE_ACT_GROUP / 2) + (size_t)i) * 64;
            vb wv[MAX_PANELS];
            for (int r = 0; r < P; r++) {
                wv[r] = vb_load(p[r] + at);
            }
            for (int c = 0; c < C; c++) {
                const vb xv = vb_bcast4(h[c] + (ptrdiff_t)4 * i);
                for (int r = 0; r < P; r++) {
                    acc[r * C + c] = vf_dot_bf16(acc[r * C + c], wv[r], xv);
                }
            }
        }
    }
    for (int r = 0; r < P; r++) {
        for (int c = 0; c < C; c++) {
            vf_store_n(y + (size_t)c * ldy + (size_t)r * ROWS, acc[r * C + c], rows[r]);
        }
    }
}

/* Few activation rows: every stripe at once, P panels at a time. */
VEC_INLINE void few(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                    const hone_acts *x, int t0, int P, int C)
{
    const int n_group = hone_acts_n_group(x);
    int r = 0;
    for (; r + P * ROWS <= n; r += P * ROWS) {
        tile(y + r, ldy, w, n0 + r, P * ROWS, x, t0, 0, n_group, P, C);
    }
    for (; r < n; r += ROWS) {
        tile(y + r, ldy, w, n0 + r, n - r, x, t0, 0, n_group, 1, C);
    }
}

/* Many: P panels of one stripe stay in the first-level cache for all activation rows. */
VEC_INLINE void many(float *y, size_t ldy, const hone_matrix *w, int n0, int n,
                     const hone_acts *x, int t0, int t, int P)
{
    for (int g = 0; g < hone_acts_n_group(x); g++) {
        int c = 0;
        for (; c + MAX_COLS <= t; c += MAX_COLS) {
            tile(y + (size_t)c * ldy, ldy, w, n0, n, x, t0 + c, g, g + 1, P, MAX_COLS);
        }
        for (; c + 2 <= t; c += 2) {
            tile(y + (size_t)c * ldy, ldy, w, n0, n, x, t0 + c, g, g + 1, P, 2);
        }
        for (; c < t; c++) {
            tile(y + (size_t)c * ldy, ldy, w, n0, n, x, t0 + c, g, g + 1, P, 1);
        }
    }
}

static void linear_bf16_avx512(float *y, size_t ldy, const hone_matrix *w, int n0,
                               int n, const hone_acts *x, int t0, int t)
{
    HONE_ASSERT(n0 % ROWS == 0);
    if (t > FEW_ROWS) {
        int r = 0;
        for (; r + 2 * ROWS <= n; r += 2 * ROWS) {
            many(y + r, ldy, w, n0 + r, 2 * ROWS, x, t0, t, 2);
        }
        for (; r < n; r += ROWS) {
            many(y + r, ldy, w, n0 + r, n - r, x, t0, t, 1);
        }
        return;
    }
    int c = 0;
    for (; t - c >= 4; c += 4) {
        few(y + (size_t)c * ldy, ldy, w, n0, n, x, t0 + c, 4, 4);
    }
    for (; t - c >= 2; c += 2) {
        few(y + (size_t)c * ldy, ldy, w, n0, n, x, t0 + c, 4, 2);
    }
    for (; c < t; c++) {
        few(y + (size_t)c * ldy, ldy, w, n0, n, x, t0 + c, 4, 1);
    }
}

/* Sixteen floats to BF16, nearest even; NaN stays NaN. */
static void narrow_bf16_avx512(void *dst, const float *src, size_t n)
{
    uint16_t *d = dst;
    for (size_t i = 0; i < n; i += 16) {
        const size_t left = n - i;
        const __mmask16 m = (__mmask16)(left < 16 ? (1u << left) - 1 : 0xFFFF);
        const __m512i v = _mm512_maskz_loadu_epi32(m, src + i);
        const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(v, 16), vi_set1(1));
        const __m512i up = _mm512_add_epi32(v, _mm512_add_epi32(odd, vi_set1(0x7FFF)));
        const __mmask16 nan = _mm512_cmp_ps_mask(_mm512_castsi512_ps(v),
                                                 _mm512_castsi512_ps(v), _CMP_UNORD_Q);
        const __m512i quiet = _mm512_or_si512(v, vi_set1(0x400000));
        const __m512i r = _mm512_srli_epi32(_mm512_mask_mov_epi32(up, nan, quiet), 16);
        _mm512_mask_cvtepi32_storeu_epi16(d + i, m, r);
    }
}

static double peak_bf16_avx512(double n_ops)
{
    vf acc[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        acc[i] = vf_set1((float)i);
    }
    const __m512i one = vi_set1(0x3F803F80);
    const long rounds = (long)(n_ops / (2 * 32 * CHAINS)) + 1;
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) {
            acc[i] = vf_dot_bf16(acc[i], one, one);
        }
    }
    for (int i = 1; i < CHAINS; i++) {
        acc[0] = vf_add(acc[0], acc[i]);
    }
    volatile float sink = vf_sum(acc[0]);
    (void)sink;
    return (double)rounds * 2 * 32 * CHAINS;
}

void hone_kernels_init_avx512_bf16(hone_kernels *k)
{
    k->tier = "avx512bf16";
    k->peak_bf16 = peak_bf16_avx512;
    k->linear[HONE_BF16] = linear_bf16_avx512;
    k->form[HONE_BF16] = HONE_FORM_BF16;
    k->narrow[HONE_BF16] = narrow_bf16_avx512;
}
