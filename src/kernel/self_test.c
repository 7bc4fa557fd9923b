#include "kernel/self_test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "tensor/dequant.h"

enum {
    K = 512,
    N = 5,
    T = 3,
    POSITIONS = 20,
    HEAD = 20
};

typedef struct test {
    const hone_kernels *k, *ref;
    hone_rng rng;
    void (*fail)(void *ctx, const char *name);
    void *ctx;
    int n_failed;
} test;

static float uniform(test *t)
{
    return (float)(hone_rng_f64(&t->rng) * 2.0 - 1.0);
}

static void report(test *t, const char *what, const char *which)
{
    char name[64];
    snprintf(name, sizeof name, "%s %s", what, which);
    if (t->fail) t->fail(t->ctx, name);
    t->n_failed++;
}

/* NaN differs from everything. */
static bool close_to(const float *a, const float *b, size_t n, double bound)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabs((double)a[i] - (double)b[i]) <= bound)) return false;
    }
    return true;
}

/* Random bytes with scales that are small finite halves: every 2-byte field that could be
 * one is kept below 2. */
static void random_weights(test *t, unsigned char *w, size_t n, hone_dtype type)
{
    const bool wide = type == HONE_F32 || type == HONE_Q8_K;
    for (size_t i = 0; i < n; i++) {
        w[i] = (unsigned char)hone_rng_u32(&t->rng);
        if (!wide && i % 2 == 1) w[i] &= 0xBF; /* no huge halves */
    }
    for (size_t i = 0; wide && i + 4 <= n; i += 4) {
        const float f = uniform(t);
        memcpy(w + i, &f, sizeof f);
    }
}

static void test_linear(test *t, hone_dtype type)
{
    static _Alignas(64) unsigned char w[N * K * 4];
    static float x[T * K], got[T * N], want[T * N], scale[T * K / 32], sum[T * K / 16];
    static int8_t q[T * K];
    if (!t->k->linear[type]) return;
    hone_matrix m = {.data = w, .n_row = N, .n_col = K, .dtype = type};
    if (!hone_dtype_row_bytes(type, K, &m.row_bytes)) return;
    random_weights(t, w, N * m.row_bytes, type);
    for (int i = 0; i < T * K; i++) {
        x[i] = uniform(t);
    }
    for (int i = 0; i < T; i++) {
        t->ref->quantize(q + i * K, scale + i * K / 32, sum + i * K / 16, x + i * K, K);
    }
    const hone_acts acts = {x, q, scale, sum, K};
    t->k->linear[type](got, N, &m, 0, N, &acts, 0, T);
    t->ref->linear[type](want, N, &m, 0, N, &acts, 0, T);
    double size = 1.0;
    for (int i = 0; i < T * N; i++) {
        size = fmax(size, fabs((double)want[i]));
    }
    if (!close_to(got, want, T * N, size * 1e-3)) {
        report(t, "linear", hone_dtype_get(type)->name);
    }
}

static void test_attention(test *t, hone_dtype type)
{
    static _Alignas(64) unsigned char page[2][2 * 16 * HEAD * 4];
    static float q[2 * HEAD], got[2 * HEAD], want[2 * HEAD], row[HEAD];
    if (!t->k->attention[type]) return;
    const size_t size = hone_dtype_get(type)->bytes;
    for (int i = 0; i < 2 * HEAD; i++) {
        q[i] = uniform(t);
    }
    for (int j = 0; j < 2 * 2 * 16; j++) {
        for (int i = 0; i < HEAD; i++) {
            row[i] = uniform(t);
        }
        t->ref->narrow[type](page[j / 32] + (size_t)(j % 32) * HEAD * size, row, HEAD);
    }
    void *const pages[2] = {page[0], page[1]};
    hone_attention_args a = {.out = got,
                             .q = q,
                             .ldo = HEAD,
                             .ldq = HEAD,
                             .page = pages,
                             .v_offset = 16 * HEAD * size,
                             .n_q = 2,
                             .d_k = HEAD,
                             .d_v = HEAD,
                             .page_len = 16,
                             .first = 3,
                             .last = POSITIONS - 1,
                             .scale = 0.3f};
    t->k->attention[type](&a);
    a.out = want;
    t->ref->attention[type](&a);
    if (!close_to(got, want, 2 * HEAD, 1e-4)) {
        report(t, "attention", hone_dtype_get(type)->name);
    }
}

static void test_rows(test *t)
{
    enum {
        LEN = 96 + 5
    };
    float x[LEN], w[LEN], got[LEN], want[LEN];
    for (int i = 0; i < LEN; i++) {
        x[i] = 3.0f * uniform(t);
        w[i] = uniform(t);
    }
    t->k->rmsnorm(got, x, w, LEN, 1e-5f);
    t->ref->rmsnorm(want, x, w, LEN, 1e-5f);
    if (!close_to(got, want, LEN, 1e-4)) report(t, "rmsnorm", "");
    for (int a = 0; a < HONE_N_ACT; a++) {
        t->k->gate[a](got, x, w, LEN);
        t->ref->gate[a](want, x, w, LEN);
        if (!close_to(got, want, LEN, 1e-4)) report(t, "gate", "");
    }
    int8_t q[2][96];
    float scale[2][3], sum[2][6];
    t->k->quantize(q[0], scale[0], sum[0], x, 96);
    t->ref->quantize(q[1], scale[1], sum[1], x, 96);
    if (memcmp(q[0], q[1], sizeof q[0]) != 0 ||
        !close_to(scale[0], scale[1], 3, 1e-6)) {
        report(t, "quantize", "");
    }
    memcpy(got, x, sizeof got);
    memcpy(want, x, sizeof want);
    t->k->rope(got, w, 40, false);
    t->ref->rope(want, w, 40, false);
    if (!close_to(got, want, LEN, 1e-5)) report(t, "rope", "");
}

int hone_kernels_self_test(const hone_kernels *k,
                           void (*fail)(void *ctx, const char *name), void *ctx)
{
    hone_kernels ref;
    hone_kernels_init(&ref, 0);
    test t = {.k = k, .ref = &ref, .fail = fail, .ctx = ctx};
    hone_rng_init(&t.rng, 1);
    for (int type = 0; type < HONE_N_DTYPE; type++) {
        test_linear(&t, (hone_dtype)type);
        test_attention(&t, (hone_dtype)type);
    }
    test_rows(&t);
    return t.n_failed;
}
