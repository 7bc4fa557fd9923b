/* test_kernel.c - every entry of every tier against f64: odd sizes, unaligned starts,
 * guard words, and the same sums whatever the tile. */
#include "check.h"

#include <math.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "kernel/panel.h"
#include "tensor/dequant.h"

enum {
    GUARD = 16
};
#define GUARD_VALUE 1234.5f

static float uniform(void)
{
    return (float)(hone_rng_f64(test_rng()) * 2.0 - 1.0);
}

/* n floats between guards. */
static float *guarded(size_t n)
{
    float *p = malloc((n + 2 * GUARD) * sizeof *p);
    for (size_t i = 0; i < n + 2 * GUARD; i++) {
        p[i] = GUARD_VALUE;
    }
    return p + GUARD;
}

static void free_guarded(float *p, size_t n)
{
    for (size_t i = 0; i < GUARD; i++) {
        assert_true(p[-1 - (ptrdiff_t)i] == GUARD_VALUE && p[n + i] == GUARD_VALUE);
    }
    free(p - GUARD);
}

static void each_tier(void (*check)(const hone_kernels *k))
{
    const char *tier;
    for (int i = 0; (tier = hone_kernels_tier(i)) != NULL; i++) {
        unsigned flags;
        hone_kernels k;
        if (!hone_kernels_flags(tier, hone_cpu_flags(), &flags)) {
            fprintf(stderr, "# skipped: tier %s, which this CPU lacks\n", tier);
            continue;
        }
        hone_kernels_init(&k, flags);
        assert_string_equal(k.tier, tier);
        check(&k);
    }
}

/* -- linear ----------------------------------------------------------------------- */

/* Random bytes whose 2-byte fields, read as halves, are finite and small. */
static void random_weight(unsigned char *w, size_t n, hone_dtype t)
{
    for (size_t i = 0; i < n; i++) {
        w[i] = (unsigned char)hone_rng_u32(test_rng());
        if (i % 2 == 1) w[i] &= 0xB3; /* exponent below that of 1 */
    }
    const bool f32 = t == HONE_F32, q8k = t == HONE_Q8_K;
    for (size_t i = 0; i + 4 <= n; i += q8k ? 292 : 4) {
        const float f = uniform() * 0.1f;
        if (f32 || q8k) memcpy(w + i, &f, sizeof f);
    }
    for (size_t i = 0; t == HONE_MXFP4 && i < n; i += 17) {
        w[i] = (unsigned char)(118 + w[i] % 10);
    }
}

typedef struct linear_case {
    hone_matrix rows, m; /* as in the file, and as the tier reads it */
    unsigned char *weight, *panels;
    float *x, *decoded;
    hone_acts acts;
    int T, N, K;
} linear_case;

/* Arrays end where kernels may read to, so that sanitizers see more. */
static hone_acts make_acts(const hone_kernels *k, hone_act_form form, const float *x,
                           int T, int K)
{
    const size_t n = (size_t)T * (size_t)(K + 1), spare = HONE_ACT_SPARE;
    hone_acts a = {.T = T, .K = K};
    a.f = calloc(n * sizeof(float) + spare, 1);
    a.h = calloc(n * sizeof(uint16_t) + spare, 1);
    a.q = calloc(n + spare, 1);
    a.scale = calloc(n / 8 + 4 + spare, 1);
    a.minus = calloc(n / 8 + 4 + spare, 1);
    for (int t = 0; t < T; t++) {
        for (int g = 0; g < hone_acts_n_group(&a); g++) {
            const float *from = x + (ptrdiff_t)t * K + (ptrdiff_t)g * HONE_ACT_GROUP;
            const size_t width = (size_t)hone_acts_width(&a, g);
            memcpy(hone_acts_f(&a, t, g), from, width * sizeof(float));
            k->narrow[HONE_BF16](hone_acts_h(&a, t, g), from, width);
        }
        if (form == HONE_FORM_Q8) k->quantize(&a, t, x + (ptrdiff_t)t * K);
    }
    return a;
}

static void free_acts(hone_acts *a)
{
    free(a->f);
    free(a->h);
    free(a->q);
    free(a->scale);
    free(a->minus);
}

/* What the kernel reads for element i of row t. */
static double act_value(const hone_acts *a, hone_act_form form, int t, int i)
{
    const int g = i / HONE_ACT_GROUP, at = i % HONE_ACT_GROUP;
    if (form == HONE_FORM_F32) return (double)hone_acts_f(a, t, g)[at];
    if (form == HONE_FORM_BF16)
        return (double)hone_bf16_to_f32(hone_acts_h(a, t, g)[at]);
    return (double)hone_acts_q(a, t, g)[at] *
           (double)hone_acts_scale(a, t, g)[at / HONE_ACT_BLOCK];
}

static void make_case(linear_case *c, const hone_kernels *k, hone_dtype t, int T, int N,
                      int K)
{
    size_t row;
    *c = (linear_case){.T = T, .N = N, .K = K};
    assert_true(hone_dtype_row_bytes(t, (size_t)K, &row));
    c->weight = malloc((size_t)N * row + 1);
    random_weight(c->weight + 1, (size_t)N * row, t); /* starts unaligned */
    c->rows = c->m = (hone_matrix){c->weight + 1, row, N, K, t, false, NULL};
    if (k->packs) {
        hone_panel_layout l;
        const int n_panel = (N + HONE_PANEL_ROWS - 1) / HONE_PANEL_ROWS;
        assert_true(hone_panel_layout_init(&l, t, (size_t)K));
        c->panels = hone_alloc_aligned((size_t)n_panel, l.bytes);
        memset(c->panels, 0xFF,
               (size_t)n_panel * l.bytes); /* packing writes all of it */
        for (int i = 0; i < n_panel; i++) {
            hone_panel_pack(c->panels + (size_t)i * l.bytes, &c->rows, i);
        }
        c->m = (hone_matrix){c->panels, l.bytes, N, K, t, true, NULL};
    }
    c->x = malloc((size_t)(T * K) * sizeof(float));
    c->decoded = malloc((size_t)(N * K) * sizeof(float));
    for (int i = 0; i < T * K; i++) {
        c->x[i] = uniform();
    }
    c->acts = make_acts(k, k->form[t], c->x, T, K);
    for (int i = 0; i < N; i++) {
        hone_dequantize(c->decoded + i * K, c->rows.data + (size_t)i * row, t,
                        (size_t)K);
    }
}

static void free_case(linear_case *c)
{
    free(c->weight);
    hone_free(c->panels);
    free(c->x);
    free(c->decoded);
    free_acts(&c->acts);
}

/* The f64 result over the activations that the kernel reads, and the sum of magnitudes. */
static double exact(const linear_case *c, hone_act_form form, int t, int n,
                    double *size)
{
    double sum = 0.0;
    *size = 0.0;
    for (int i = 0; i < c->K; i++) {
        const double p =
            act_value(&c->acts, form, t, i) * (double)c->decoded[n * c->K + i];
        sum += p;
        *size += fabs(p);
    }
    return sum;
}

/* The same bits when any rows are computed alone. */
static void check_alone(const hone_kernels *k, const linear_case *c, const float *y,
                        size_t ldy)
{
    float alone[HONE_PANEL_ROWS];
    for (int n0 = 0; n0 < c->N; n0 += HONE_PANEL_ROWS) {
        const int n = c->N - n0 < HONE_PANEL_ROWS ? c->N - n0 : HONE_PANEL_ROWS;
        for (int t = 0; t < c->T; t++) {
            k->linear[c->m.dtype](alone, HONE_PANEL_ROWS, &c->m, n0, n, &c->acts, t, 1);
            assert_memory_equal(alone, y + (size_t)t * ldy + n0,
                                (size_t)n * sizeof *alone);
        }
    }
}

static void check_linear_case(const hone_kernels *k, hone_dtype t, int T, int N, int K)
{
    linear_case c;
    make_case(&c, k, t, T, N, K);
    const size_t ldy = (size_t)N + 3;
    float *y = guarded(ldy * (size_t)T);
    k->linear[t](y, ldy, &c.m, 0, N, &c.acts, 0, T);
    for (int i = 0; i < T; i++) {
        for (int n = 0; n < N; n++) {
            double size;
            const double want = exact(&c, k->form[t], i, n, &size);
            const float got = y[(size_t)i * ldy + (size_t)n];
            if (!(fabs((double)got - want) <= 4e-6 * size + 1e-7)) {
                fail_msg("%s %s T=%d N=%d K=%d [%d,%d]: %.9g, expected %.9g", k->tier,
                         hone_dtype_get(t)->name, T, N, K, i, n, (double)got, want);
            }
        }
        for (size_t n = (size_t)N; n < ldy; n++) {
            assert_true(y[(size_t)i * ldy + n] == GUARD_VALUE);
        }
    }
    check_alone(k, &c, y, ldy);
    free_guarded(y, ldy * (size_t)T);
    free_case(&c);
}

static void check_linear(const hone_kernels *k)
{
    /* rows of activations and weights: every tile shape and its tails */
    static const int sizes[][2] = {{1, 1},  {1, 5},   {2, 16}, {3, 17}, {4, 33},
                                   {5, 9},  {8, 48},  {9, 64}, {6, 70}, {13, 81},
                                   {33, 2}, {40, 36}, {7, 65}, {21, 32}};
    for (int t = 0; t < HONE_N_DTYPE; t++) {
        if (!k->linear[t]) continue;
        const int block = (int)hone_dtype_get((hone_dtype)t)->block;
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            const int many = 1 + (int)i * 7 % 19; /* 1 .. 19, in no order */
            const int K = block == 1    ? many * 29
                          : block == 32 ? many * 32
                                        : 256 * (1 + many % 3);
            check_linear_case(k, (hone_dtype)t, sizes[i][0], sizes[i][1], K);
        }
    }
}

static void linear_matches_f64_for_every_type(void **state)
{
    (void)state;
    each_tier(check_linear);
}

/* Products of one random case by every tier that packs must be the same bits. */
static void quantized_linear_is_the_same_in_every_tier(void **state)
{
    (void)state;
    enum {
        T = 19,
        N = 50,
        K = 512
    };
    for (int t = 0; t < HONE_N_DTYPE; t++) {
        if (!hone_dtype_is_quantized((hone_dtype)t)) continue;
        float first[T * N], y[T * N];
        linear_case c = {0};
        bool have = false;
        const char *tier;
        for (int i = 0; (tier = hone_kernels_tier(i)) != NULL; i++) {
            unsigned flags;
            hone_kernels k;
            if (!hone_kernels_flags(tier, hone_cpu_flags(), &flags)) continue;
            hone_kernels_init(&k, flags);
            if (!k.packs) continue;
            if (!have) make_case(&c, &k, (hone_dtype)t, T, N, K);
            k.linear[t](have ? y : first, N, &c.m, 0, N, &c.acts, 0, T);
            if (have) assert_memory_equal(first, y, sizeof y);
            have = true;
        }
        if (have) free_case(&c);
    }
}

/* Sums of the largest products of bytes, of either sign, are exact. */
static void check_extreme(const hone_kernels *k)
{
    enum {
        T = 11,
        N = 16,
        K = 64,
        BLOCK = 34 /* bytes for 32 elements: a half, then bytes */
    };
    const uint16_t one = hone_f32_to_f16(1.0f);
    unsigned char w[N * K / 32 * BLOCK];
    for (size_t i = 0; i < sizeof w; i++) {
        w[i] = 0x80; /* -128 */
    }
    for (size_t i = 0; i < sizeof w; i += BLOCK) {
        memcpy(w + i, &one, sizeof one);
    }
    _Alignas(64) unsigned char panel[N * K / 32 * BLOCK];
    hone_matrix m = {w, K / 32 * BLOCK, N, K, HONE_Q8_0, false, NULL};
    if (k->packs) {
        hone_panel_pack(panel, &m, 0);
        m = (hone_matrix){panel, sizeof panel, N, K, HONE_Q8_0, true, NULL};
    }
    float x[T * K], y[T * N];
    for (int i = 0; i < T * K; i++) {
        x[i] = i / K % 2 ? 127.0f : -127.0f;
    }
    hone_acts a = make_acts(k, HONE_FORM_Q8, x, T, K);
    for (int t = 1; t <= T; t++) {
        k->linear[HONE_Q8_0](y, N, &m, 0, N, &a, 0, t);
        for (int i = 0; i < t * N; i++) {
            assert_true(y[i] == (i / N % 2 ? -128.0f : 128.0f) * 127.0f * (float)K);
        }
    }
    free_acts(&a);
}

static void extreme_bytes_multiply_exactly(void **state)
{
    (void)state;
    each_tier(check_extreme);
}

/* -- rows ------------------------------------------------------------------------- */

static void check_rmsnorm(const hone_kernels *k)
{
    for (int K = 1; K <= 200; K += 1 + K / 7) {
        float *x = guarded((size_t)K), *w = guarded((size_t)K), *y = guarded((size_t)K);
        double sum = 0.0;
        for (int i = 0; i < K; i++) {
            x[i] = 3.0f * uniform();
            w[i] = uniform();
            sum += (double)x[i] * (double)x[i];
        }
        const double scale = 1.0 / sqrt(sum / K + 1e-5);
        k->rmsnorm(y, x, w, K, 1e-5f);
        for (int i = 0; i < K; i++) {
            const double want = (double)x[i] * (double)w[i] * scale;
            assert_true(fabs((double)y[i] - want) <= 1e-5 * fabs(want) + 1e-7);
        }
        k->rmsnorm(x, x, w, K, 1e-5f); /* in place */
        assert_memory_equal(x, y, (size_t)K * sizeof *x);
        free_guarded(x, (size_t)K);
        free_guarded(w, (size_t)K);
        free_guarded(y, (size_t)K);
    }
}

static void rmsnorm_matches_f64(void **state)
{
    (void)state;
    each_tier(check_rmsnorm);
}

static void check_quantize(const hone_kernels *k)
{
    enum {
        K = 352 /* a whole stripe and a part of one */
    };
    float x[2 * K];
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 2 * K; i++) {
            x[i] = uniform() * (round % 3 ? 1.0f : 1e-20f);
            if (i < 32 && round % 5 == 0) x[i] = 0.0f;
        }
        hone_acts a = make_acts(k, HONE_FORM_Q8, x, 2, K);
        for (int i = 0; i < 2 * K; i++) {
            const int t = i / K, g = i % K / 256, at = i % K % 256;
            const double scale = (double)hone_acts_scale(&a, t, g)[at / 32];
            const int8_t *q = hone_acts_q(&a, t, g);
            assert_true(q[at] >= -127);
            assert_true(fabs((double)x[i] - q[at] * scale) <= 0.501 * scale);
            int sum = 0;
            for (int j = 0; j < 16; j++) {
                sum += q[at / 16 * 16 + j];
            }
            assert_int_equal(hone_acts_minus(&a, t, g)[at / 16], -sum);
        }
        free_acts(&a);
    }
}

static void quantize_rounds_to_nearest(void **state)
{
    (void)state;
    each_tier(check_quantize);
}

static void check_exp_sum(const hone_kernels *k)
{
    for (int n = 1; n < 4097; n += n < 80 ? 1 : 401) {
        float *x = guarded((size_t)n);
        double want = 0.0;
        for (int i = 0; i < n; i++) {
            x[i] = i % 17 == 5 ? -INFINITY : 40.0f * uniform();
            const float at = (x[i] - 20.0f) * 0.8f;
            if (at > -87.0f) want += exp((double)at);
        }
        assert_true(fabs((double)k->exp_sum(x, n, 20.0f, 0.8f) - want) <= 1e-6 * want);
        free_guarded(x, (size_t)n);
    }
}

static void exp_sum_matches_f64(void **state)
{
    (void)state;
    each_tier(check_exp_sum);
}

static void check_gate(const hone_kernels *k)
{
    for (int n = 1; n < 40; n += 3) {
        float *g = guarded((size_t)n), *u = guarded((size_t)n), *y = guarded((size_t)n);
        for (int i = 0; i < n; i++) {
            g[i] = i == 0 ? 100.0f : i == 1 ? -100.0f : 12.0f * uniform();
            u[i] = uniform();
        }
        k->gate[HONE_ACT_SILU](y, g, u, n);
        for (int i = 0; i < n; i++) {
            const double want =
                (double)g[i] / (1.0 + exp(-(double)g[i])) * (double)u[i];
            assert_true(fabs((double)y[i] - want) <= 2e-6 * fabs(want) + 1e-7);
        }
        free_guarded(g, (size_t)n);
        free_guarded(u, (size_t)n);
        free_guarded(y, (size_t)n);
    }
}

static void gate_matches_f64(void **state)
{
    (void)state;
    each_tier(check_gate);
}

static void check_conversions(const hone_kernels *k)
{
    static const hone_dtype types[] = {HONE_F32, HONE_F16, HONE_BF16};
    for (int t = 0; t < 3; t++) {
        const size_t size = hone_dtype_get(types[t])->bytes;
        for (size_t n = 1; n < 30; n += 4) {
            float x[32], back[32], want[32];
            unsigned char bytes[32 * 4];
            for (size_t i = 0; i < n; i++) {
                x[i] = 100.0f * uniform();
            }
            k->narrow[types[t]](bytes, x, n);
            k->widen[types[t]](back, bytes, n);
            for (size_t i = 0; i < n; i++) {
                want[i] = types[t] == HONE_F32 ? x[i]
                          : types[t] == HONE_F16
                              ? hone_f16_to_f32(hone_f32_to_f16(x[i]))
                              : hone_bf16_to_f32(hone_f32_to_bf16(x[i]));
            }
            assert_memory_equal(back, want, n * sizeof *want);
            (void)size;
        }
    }
}

static void conversions_round_alike(void **state)
{
    (void)state;
    each_tier(check_conversions);
}

static void check_rope_case(const hone_kernels *k, int n_rot, bool pairs)
{
    const int half = n_rot / 2, d = n_rot + 3; /* a head may be wider than it turns */
    float *x = guarded((size_t)d), *y = guarded((size_t)d),
          *cs = guarded((size_t)n_rot);
    for (int i = 0; i < d; i++) {
        x[i] = y[i] = uniform();
    }
    for (int i = 0; i < half; i++) {
        const double a = 3.0 * (double)uniform();
        cs[i] = (float)cos(a);
        cs[half + i] = (float)sin(a);
    }
    k->rope(y, cs, n_rot, pairs);
    for (int i = 0; i < half; i++) {
        const int a = pairs ? 2 * i : i, b = pairs ? 2 * i + 1 : i + half;
        const double c = (double)cs[i], s = (double)cs[half + i];
        assert_true(fabs((double)y[a] - ((double)x[a] * c - (double)x[b] * s)) < 1e-6);
        assert_true(fabs((double)y[b] - ((double)x[a] * s + (double)x[b] * c)) < 1e-6);
    }
    assert_memory_equal(y + n_rot, x + n_rot, 3 * sizeof *x);
    free_guarded(x, (size_t)d);
    free_guarded(y, (size_t)d);
    free_guarded(cs, (size_t)n_rot);
}

static void check_rope(const hone_kernels *k)
{
    for (int n_rot = 2; n_rot <= 140; n_rot += 2 + n_rot / 5 * 2) {
        check_rope_case(k, n_rot, false);
        check_rope_case(k, n_rot, true);
    }
}

static void rope_turns_pairs(void **state)
{
    (void)state;
    each_tier(check_rope);
}

/* -- attention -------------------------------------------------------------------- */

enum {
    MAX_D = 80,
    MAX_POSITIONS = 1200
};

/* A sequence of random keys and values in pages, and the same as the tier reads them. */
typedef struct attention_case {
    hone_dtype k_type, v_type;
    int d_k, d_v, n_q, page_len, n;
    void *page[MAX_POSITIONS];
    size_t v_offset;
    float *keys, *values, *q; /* q: [n, n_q, d_k] */
} attention_case;

/* Bytes, and scales, of a position of width d. */
static int code_bytes(hone_dtype t, int d)
{
    const int rest = d % 32 < 16 ? d % 32 : 16;
    return t == HONE_Q8_0   ? d
           : t == HONE_Q4_0 ? d / 32 * 16 + rest
                            : d * (int)hone_dtype_get(t)->bytes;
}

static int n_scale(hone_dtype t, int d)
{
    return t == HONE_Q8_0 || t == HONE_Q4_0 ? (d + 31) / 32 : 0;
}

/* A random key or value of width d to `slot`, as kv_page.h draws it: elements or codes lie
 * `step` of them apart.  What a kernel reads goes to `read`. */
static void put_random(const hone_kernels *k, unsigned char *head, hone_dtype t,
                       int stride, int slot, size_t first, size_t step, int d,
                       float *read)
{
    const size_t size = hone_dtype_get(t)->bytes;
    const int blocks = n_scale(t, d);
    unsigned char *code = head + (size_t)(2 * blocks * stride);
    for (int i = 0; i < d && blocks == 0; i++) {
        unsigned char bytes[4];
        const float x = uniform() * 2.0f;
        k->narrow[t](bytes, &x, 1);
        memcpy(head + (first + (size_t)i * step) * size, bytes, size);
        k->widen[t](read + i, bytes, 1);
    }
    for (int i = 0; i < code_bytes(t, d) && blocks > 0; i++) {
        code[first + (size_t)i * step] = (unsigned char)hone_rng_u32(test_rng());
    }
    for (int b = 0; b < blocks; b++) {
        const uint16_t h = hone_f32_to_f16(uniform() / (t == HONE_Q8_0 ? 64.0f : 4.0f));
        memcpy(head + 2 * (b * stride + slot), &h, 2);
        for (int i = 32 * b; i < d && i < 32 * b + 32; i++) {
            const int byte = t == HONE_Q8_0 ? i : 16 * b + i % 16;
            const int c = code[first + (size_t)byte * step];
            const int q =
                t == HONE_Q8_0 ? (c ^ 128) - 128 : (i % 32 < 16 ? c & 15 : c >> 4) - 8;
            read[i] = hone_f16_to_f32(h) * (float)q;
        }
    }
}

/* Positions before `first` hold NaN: nothing may see them. */
static void make_attention(attention_case *c, const hone_kernels *k, int first)
{
    const int stride = hone_page_stride(c->page_len);
    const size_t key_bytes = (size_t)(stride * (2 * n_scale(c->k_type, c->d_k) +
                                                code_bytes(c->k_type, c->d_k)));
    const size_t value_bytes = (size_t)(stride * 2 * n_scale(c->v_type, c->d_v) +
                                        c->page_len * code_bytes(c->v_type, c->d_v));
    c->v_offset = (key_bytes + 63) / 64 * 64;
    for (int p = 0; p <= (c->n - 1) / c->page_len; p++) {
        c->page[p] = hone_alloc_aligned(c->v_offset + value_bytes, 1);
        /* NaN where nothing is written */
        memset(c->page[p], 0xFF, c->v_offset + value_bytes);
    }
    c->keys = calloc((size_t)(c->n * c->d_k), sizeof(float));
    c->values = calloc((size_t)(c->n * c->d_v), sizeof(float));
    c->q = calloc((size_t)(c->n * c->n_q * c->d_k), sizeof(float));
    const bool blocks = n_scale(c->v_type, c->d_v) > 0;
    const int row = blocks ? code_bytes(c->v_type, c->d_v) : c->d_v;
    for (int j = first; j < c->n; j++) {
        unsigned char *page = c->page[j / c->page_len];
        const int slot = j % c->page_len;
        put_random(k, page, c->k_type, stride, slot, (size_t)slot, (size_t)stride,
                   c->d_k, c->keys + j * c->d_k);
        put_random(k, page + c->v_offset, c->v_type, stride, slot, (size_t)(slot * row),
                   1, c->d_v, c->values + j * c->d_v);
    }
    for (int i = 0; i < c->n * c->n_q * c->d_k; i++) {
        c->q[i] = uniform() * 2.0f;
    }
}

static void free_attention(attention_case *c)
{
    for (int p = 0; p <= (c->n - 1) / c->page_len; p++) {
        hone_free(c->page[p]);
    }
    free(c->keys);
    free(c->values);
    free(c->q);
}

/* Rows row .. row+n-1 into out [n, n_q, d_v]; split as in hone_attention_args, with the
 * states left in *state. */
static void run_attention(const attention_case *c, const hone_kernels *k, int row,
                          int n, int window, int split, float softcap, float *out,
                          float *state)
{
    const size_t scratch = hone_attention_scratch(c->d_k, c->d_v, c->page_len);
    float *memory = hone_alloc_aligned(scratch, sizeof *memory);
    const hone_attention_args a = {
        .out = out,
        .q = c->q + (ptrdiff_t)row * c->n_q * c->d_k,
        .ldo = (size_t)(c->n_q * c->d_v),
        .ldq = (size_t)(c->n_q * c->d_k),
        .page = c->page,
        .v_offset = c->v_offset,
        .k_type = c->k_type,
        .v_type = c->v_type,
        .n_row = n,
        .n_q = c->n_q,
        .d_k = c->d_k,
        .d_v = c->d_v,
        .page_len = c->page_len,
        .position = row,
        .window = window,
        .split = split,
        .scale = 0.7f,
        .softcap = softcap,
        .state = state,
        .scratch = memory,
    };
    k->attention(&a);
    hone_free(memory);
}

/* One output value in f64. */
static void exact_attention(const attention_case *c, int row, int head, int window,
                            float softcap, double *out)
{
    static double s[MAX_POSITIONS];
    const float *q = c->q + ((ptrdiff_t)row * c->n_q + head) * c->d_k;
    const int first = window > 0 && row >= window ? row - window + 1 : 0;
    double max = -INFINITY, total = 0.0;
    for (int j = first; j <= row; j++) {
        s[j] = 0.0;
        for (int i = 0; i < c->d_k; i++) {
            s[j] += (double)q[i] * (double)c->keys[j * c->d_k + i];
        }
        s[j] *= (double)0.7f;
        if (softcap > 0) s[j] = (double)softcap * tanh(s[j] / (double)softcap);
        max = fmax(max, s[j]);
    }
    for (int i = 0; i < c->d_v; i++) {
        out[i] = 0.0;
    }
    for (int j = first; j <= row; j++) {
        const double p = exp(s[j] - max);
        total += p;
        for (int i = 0; i < c->d_v; i++) {
            out[i] += p * (double)c->values[j * c->d_v + i];
        }
    }
    for (int i = 0; i < c->d_v; i++) {
        out[i] /= total;
    }
}

/* Rows row .. row+n-1 together against f64, and the same bits row by row, and as splits
 * that are merged. */
static void check_attention_case(const hone_kernels *k, attention_case c, int row,
                                 int n, int window, float softcap)
{
    const int first = window > 0 && row >= window ? row - window + 1 : 0;
    const int split_len = hone_split_pages(c.page_len) * c.page_len;
    const int len = hone_state_len(c.d_v), width = c.n_q * c.d_v;
    c.n = row + n;
    assert_true(c.n <= MAX_POSITIONS && c.d_k <= MAX_D && c.d_v <= MAX_D);
    make_attention(&c, k, first);
    float *out = guarded((size_t)(n * width));
    float *state = hone_alloc_aligned((size_t)(2 * n * c.n_q * len), sizeof *state);
    float *part = hone_alloc_aligned((size_t)(2 * c.n_q * len), sizeof *part);
    run_attention(&c, k, row, n, window, -1, softcap, out, state);
    for (int r = 0; r < n; r++) {
        float alone[4 * MAX_D], merged[4 * MAX_D];
        const float *got = out + r * width;
        for (int h = 0; h < c.n_q; h++) {
            double want[MAX_D];
            exact_attention(&c, row + r, h, window, softcap, want);
            for (int i = 0; i < c.d_v; i++) {
                if (!(fabs((double)got[h * c.d_v + i] - want[i]) <= 4e-5)) {
                    fail_msg("%s attention %s,%s d=%d,%d row %d of %d: %g, expected %g",
                             k->tier, hone_dtype_get(c.k_type)->name,
                             hone_dtype_get(c.v_type)->name, c.d_k, c.d_v, r, n,
                             (double)got[h * c.d_v + i], want[i]);
                }
            }
        }
        run_attention(&c, k, row + r, 1, window, -1, softcap, alone, state);
        assert_memory_equal(alone, got, (size_t)width * sizeof *alone);
        if (!k->packs) continue; /* the reference does not split */
        const int last = row + r;
        const int from = window > 0 && last >= window ? last - window + 1 : 0;
        for (int s = from / split_len; s <= last / split_len; s++) {
            const bool begins = s == from / split_len;
            run_attention(&c, k, last, 1, window, s, softcap, NULL,
                          begins ? state : part);
            for (int h = 0; !begins && h < c.n_q; h++) {
                k->merge(state + h * len, part + h * len, c.d_v);
            }
        }
        for (int h = 0; h < c.n_q; h++) {
            k->finish(merged + h * c.d_v, state + h * len, c.d_v);
        }
        assert_memory_equal(merged, got, (size_t)width * sizeof *merged);
    }
    free_guarded(out, (size_t)(n * width));
    hone_free(state);
    hone_free(part);
    free_attention(&c);
}

static void check_attention(const hone_kernels *k)
{
    /* each type of keys and of values, together and apart */
    static const hone_dtype types[][2] = {
        {HONE_F32, HONE_F32},   {HONE_F16, HONE_F16},   {HONE_BF16, HONE_BF16},
        {HONE_Q8_0, HONE_Q8_0}, {HONE_Q4_0, HONE_Q4_0}, {HONE_Q8_0, HONE_F16},
        {HONE_BF16, HONE_Q4_0}, {HONE_F32, HONE_Q8_0},  {HONE_Q4_0, HONE_BF16}};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        const hone_dtype kt = types[t][0], vt = types[t][1];
        for (int d = 1; d <= 40; d += 1 + d / 2) {
            attention_case c = {
                .k_type = kt, .v_type = vt, .d_k = d, .d_v = d, .n_q = 1 + d % 4};
            c.page_len = 16;
            check_attention_case(k, c, 25, 16, 0, 0);
            c.page_len = 5;
            check_attention_case(k, c, 27, 7, 9, 0);
            c.page_len = 1;
            check_attention_case(k, c, 9, 1, 0, 0);
            c.page_len = 32;
            check_attention_case(k, c, 0, 1, 0, 5.0f);
            c.d_v = 41 - d;
            check_attention_case(k, c, 60, 20, 33, 0);
        }
        /* several splits */
        attention_case c = {.k_type = kt, .v_type = vt, .d_k = 16, .d_v = 20, .n_q = 2};
        c.page_len = 32;
        check_attention_case(k, c, 1050, 4, 0, 0);
        check_attention_case(k, c, 510, 5, 0, 0);
        c.d_k = 64;
        c.d_v = 80; /* more than a block, the last one short */
        check_attention_case(k, c, 70, 5, 0, 0);
        c.d_k = 16;
        c.d_v = 20;
        c.page_len = 256;
        check_attention_case(k, c, 1100, 3, 600, 0);
    }
}

static void attention_matches_f64_and_stays_in_its_window(void **state)
{
    (void)state;
    each_tier(check_attention);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_matches_f64_for_every_type),
        cmocka_unit_test(quantized_linear_is_the_same_in_every_tier),
        cmocka_unit_test(extreme_bytes_multiply_exactly),
        cmocka_unit_test(rmsnorm_matches_f64),
        cmocka_unit_test(quantize_rounds_to_nearest),
        cmocka_unit_test(exp_sum_matches_f64),
        cmocka_unit_test(gate_matches_f64),
        cmocka_unit_test(conversions_round_alike),
        cmocka_unit_test(rope_turns_pairs),
        cmocka_unit_test(attention_matches_f64_and_stays_in_its_window),
    };
    return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
