/* kernels.c - the speed of each kernel alone, on one thread.
 *
 *     bench_kernels [TIER [TYPE [ROWS] | attention]]
 *
 * Linear layers: multiply-adds per nanosecond and per clock cycle for some numbers of
 * activation rows against a matrix of 512 rows by 2048 columns, which stays in the
 * second-level cache, or of ROWS, which may be more than any cache holds; packing: bytes
 * of the file per nanosecond.  Attention: multiply-adds per nanosecond at a depth of
 * 2048.  Best of several rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kernel/kv_page.h"
#include "kernel/panel.h"

enum {
    FEW = 512, /* rows of a matrix */
    MANY = 1 << 20,
    K = 2048,
    CHUNK = 64, /* rows of a call, as the executor makes them */
    MAX_T = 512,
    DEPTH = 2048,
    HEAD = 64,
    PAGE = 32,
    ROUNDS = 7
};

/* Clock cycles a nanosecond: in a chain of rotations each takes one. */
static double clock_ghz(void)
{
    double best = 0.0;
    for (int round = 0; round < ROUNDS; round++) {
        const long n = 20000000;
        const int64_t start = hone_clock_ns();
        for (long i = 0, x = 0; i < n / 8; i++) {
            __asm__ volatile("" : "+r"(x));
#if defined(__x86_64__)
            __asm__ volatile("rol $1, %0\n rol $1, %0\n rol $1, %0\n rol $1, %0\n"
                             "rol $1, %0\n rol $1, %0\n rol $1, %0\n rol $1, %0"
                             : "+r"(x));
#elif defined(__aarch64__)
            __asm__ volatile("ror %0, %0, 1\n ror %0, %0, 1\n ror %0, %0, 1\n"
                             "ror %0, %0, 1\n ror %0, %0, 1\n ror %0, %0, 1\n"
                             "ror %0, %0, 1\n ror %0, %0, 1"
                             : "+r"(x));
#endif
        }
        const double rate = (double)n / (double)(hone_clock_ns() - start);
        if (rate > best) best = rate;
    }
    return best;
}

typedef struct bench {
    const hone_kernels *k;
    double ghz;
    int n_row; /* of the matrix */
    hone_acts acts;
    unsigned char *rows, *panels;
    float *y;
} bench;

/* Shortest time of fn(ctx) in nanoseconds, repeated inside until it is long enough. */
static double shortest(void (*fn)(void *ctx), void *ctx)
{
    double best = 1e30;
    fn(ctx);
    for (int round = 0; round < ROUNDS; round++) {
        int n = 0;
        const int64_t start = hone_clock_ns();
        do {
            fn(ctx);
            n++;
        } while (hone_clock_ns() - start < 4000000);
        const double each = (double)(hone_clock_ns() - start) / n;
        if (each < best) best = each;
    }
    return best;
}

typedef struct linear_run {
    const bench *b;
    hone_matrix m;
    int T;
} linear_run;

static void run_linear(void *ctx)
{
    const linear_run *r = ctx;
    for (int n = 0; n < r->b->n_row; n += CHUNK) {
        r->b->k->linear[r->m.dtype](r->b->y, CHUNK, &r->m, n, CHUNK, &r->b->acts, 0,
                                    r->T);
    }
}

static void run_pack(void *ctx)
{
    const linear_run *r = ctx;
    hone_panel_layout l;
    if (!hone_panel_layout_init(&l, r->m.dtype, K)) return;
    for (int i = 0; i < r->b->n_row / HONE_PANEL_ROWS; i++) {
        hone_panel_pack(r->b->panels + (size_t)i * l.bytes, &r->m, i);
    }
}

static void fill_acts(bench *b, int T)
{
    hone_rng rng;
    float x[K];
    hone_rng_init(&rng, 2);
    b->acts.T = T;
    for (int t = 0; t < T; t++) {
        for (int i = 0; i < K; i++) {
            x[i] = (float)hone_rng_f64(&rng) - 0.5f;
        }
        b->k->quantize(&b->acts, t, x);
        for (int g = 0; g < hone_acts_n_group(&b->acts); g++) {
            memcpy(hone_acts_f(&b->acts, t, g), x + (size_t)g * HONE_ACT_GROUP,
                   HONE_ACT_GROUP * sizeof *x);
            b->k->narrow[HONE_BF16](hone_acts_h(&b->acts, t, g),
                                    x + (size_t)g * HONE_ACT_GROUP, HONE_ACT_GROUP);
        }
    }
}

static void bench_type(bench *b, hone_dtype t)
{
    hone_panel_layout l;
    linear_run r = {b, {b->rows, 0, b->n_row, K, t, false, NULL}, 0};
    const double n = (double)b->n_row;
    if (!b->k->linear[t] || !hone_dtype_row_bytes(t, K, &r.m.row_bytes)) return;
    hone_rng rng;
    hone_rng_init(&rng, 1);
    /* ordinary floats and halves: denormals would be timed instead */
    for (size_t i = 0; i < (size_t)b->n_row * r.m.row_bytes; i++) {
        b->rows[i] = (unsigned char)(hone_rng_u32(&rng) & (i % 2 ? 0x33 : 0xFF));
        if (i % 2 == 1) b->rows[i] |= 0x30;
        if (t == HONE_MXFP4 && i % 17 == 0) b->rows[i] = 120;
    }
    printf("%-7s %-7s", b->k->tier, hone_dtype_get(t)->name);
    if (b->k->packs && hone_panel_layout_init(&l, t, K)) {
        const double ns = shortest(run_pack, &r);
        printf(" pack %5.2f", n * (double)r.m.row_bytes / ns);
        r.m = (hone_matrix){b->panels, l.bytes, b->n_row, K, t, true, NULL};
    }
    static const int rows[] = {1, 4, 8, 9, 12, 16, 32, 96, 512};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        r.T = rows[i];
        fill_acts(b, r.T);
        const double macs = n * K * r.T / shortest(run_linear, &r);
        printf("  T=%d %.0f (%.1f)", r.T, macs, macs / b->ghz);
    }
    printf("\n");
    fflush(stdout);
}

typedef struct attention_run {
    const bench *b;
    hone_attention_args a;
} attention_run;

static void run_attention(void *ctx)
{
    const attention_run *r = ctx;
    r->b->k->attention(&r->a);
}

static void bench_attention(bench *b, hone_dtype t, int n_row)
{
    enum {
        N_Q = 4
    };
    const size_t half = hone_kv_key_bytes(t, HEAD, PAGE);
    void *page[DEPTH / PAGE];
    float x[HEAD];
    float *q = hone_alloc_aligned((size_t)n_row * N_Q * HEAD, 2 * sizeof *q);
    float *state = hone_alloc_aligned((size_t)n_row * N_Q * 2 * (HEAD + 16), 4);
    float *scratch = hone_alloc_aligned(hone_attention_scratch(HEAD, HEAD, PAGE), 4);
    hone_rng rng;
    hone_rng_init(&rng, 3);
    if (!q || !state || !scratch) abort();
    for (int i = 0; i < n_row * N_Q * HEAD; i++) {
        q[i] = (float)hone_rng_f64(&rng) - 0.5f;
    }
    for (int p = 0; p < DEPTH / PAGE; p++) {
        unsigned char *to = hone_alloc_aligned(2 * half, 1);
        if (!to) abort();
        page[p] = to;
        for (int i = 0; i < 2 * PAGE; i++) {
            for (int j = 0; j < HEAD; j++) {
                x[j] = (float)hone_rng_f64(&rng) - 0.5f;
            }
            (i < PAGE ? hone_kv_put_key : hone_kv_put_value)(
                b->k, i < PAGE ? to : to + half, t, PAGE, i % PAGE, x, HEAD);
        }
    }
    attention_run r = {b,
                       {.out = q + (size_t)n_row * N_Q * HEAD,
                        .q = q,
                        .ldo = N_Q * HEAD,
                        .ldq = N_Q * HEAD,
                        .page = page,
                        .v_offset = half,
                        .k_type = t,
                        .v_type = t,
                        .n_row = n_row,
                        .n_q = N_Q,
                        .d_k = HEAD,
                        .d_v = HEAD,
                        .page_len = PAGE,
                        .position = DEPTH - n_row,
                        .split = -1,
                        .scale = 0.125f,
                        .state = state,
                        .scratch = scratch}};
    const double macs = 2.0 * n_row * N_Q * HEAD * DEPTH / shortest(run_attention, &r);
    printf("%-7s attention %-4s %2d rows of %d heads: %6.1f (%5.1f/cycle)\n",
           b->k->tier, hone_dtype_get(t)->name, n_row, N_Q, macs, macs / b->ghz);
    for (int p = 0; p < DEPTH / PAGE; p++) {
        hone_free(page[p]);
    }
    hone_free(q);
    hone_free(state);
    hone_free(scratch);
}

int main(int argc, char **argv)
{
    const size_t n = (size_t)MAX_T * K, spare = HONE_ACT_SPARE;
    const int n_row = argc > 3 ? atoi(argv[3]) / CHUNK * CHUNK : FEW;
    bench b = {.ghz = clock_ghz(), .n_row = n_row};
    if (n_row < CHUNK || n_row > MANY) {
        fprintf(stderr, "bench_kernels: rows: expected %d to %d\n", CHUNK, MANY);
        return 2;
    }
    b.acts = (hone_acts){.K = K,
                         .f = hone_alloc_aligned(n * 4 + spare, 1),
                         .h = hone_alloc_aligned(n * 2 + spare, 1),
                         .q = hone_alloc_aligned(n + spare, 1),
                         .scale = hone_alloc_aligned(n / 8 + spare, 1),
                         .minus = hone_alloc_aligned(n / 8 + spare, 1)};
    b.rows = hone_alloc_aligned((size_t)n_row * K, 4);
    b.panels = hone_alloc_aligned((size_t)n_row * K, 4);
    b.y = hone_alloc_aligned((size_t)MAX_T * CHUNK, 4);
    if (!b.rows || !b.panels || !b.y || !b.acts.f || !b.acts.minus) return 1;
    printf("clock %.2f GHz; multiply-adds a nanosecond (a cycle)\n", b.ghz);
    const bool attention = argc <= 2 || strcmp(argv[2], "attention") == 0;
    const char *tier;
    for (int i = 0; (tier = hone_kernels_tier(i)) != NULL; i++) {
        unsigned flags;
        hone_kernels k;
        if (argc > 1 ? strcmp(argv[1], tier) != 0 : strcmp("ref", tier) == 0) continue;
        if (!hone_kernels_flags(tier, hone_cpu_flags(), &flags)) continue;
        hone_kernels_init(&k, flags);
        b.k = &k;
        for (int t = 0; t < HONE_N_DTYPE; t++) {
            if (argc > 2 && strcasecmp(argv[2], hone_dtype_get(t)->name) != 0) continue;
            bench_type(&b, (hone_dtype)t);
        }
        for (int rows = 1; attention && rows <= 16; rows *= 16) {
            bench_attention(&b, HONE_F32, rows);
            bench_attention(&b, HONE_F16, rows);
            bench_attention(&b, HONE_Q8_0, rows);
            bench_attention(&b, HONE_Q4_0, rows);
        }
    }
    return 0;
}
