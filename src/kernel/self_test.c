#include "kernel/self_test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernel/kv_page.h"
#include "kernel/panel.h"
#include "tensor/dequant.h"

enum {
    K = 512,
    N = 5,
    T = 21, /* more than any product of few rows takes */
    POSITIONS = 20,
    HEAD = 20,
    PART = 16 * HEAD * 4 /* bytes of keys or values of a page of 16, at most */
};

/* Memory of one set of activations of T rows of K. */
typedef struct acts_memory {
    float f[T * K + HONE_ACT_SPARE / 4], scale[T * K / 32 + HONE_ACT_SPARE / 4];
    uint16_t h[T * K + HONE_ACT_SPARE / 2];
    int16_t minus[T * K / 16 + HONE_ACT_SPARE / 2];
    int8_t q[T * K + HONE_ACT_SPARE];
} acts_memory;

typedef struct memory {
    _Alignas(64) unsigned char panels[HONE_PANEL_ROWS * K * 4];
    _Alignas(64) unsigned char weight[N * K * 4];
    _Alignas(64) unsigned char page[2][2 * PART];
    _Alignas(64) float scratch[16 * (HEAD + 32)];
    _Alignas(64) float state[2 * 4 * (16 + 32)];
    acts_memory acts[2];
} memory;

typedef struct test {
    const hone_kernels *k, *ref;
    memory *m;
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
    const size_t block = hone_dtype_get(type)->bytes; /* exponents of moderate size */
    for (size_t i = 0; type == HONE_MXFP4 && i < n; i += block) {
        w[i] = (unsigned char)(118 + w[i] % 10);
    }
}

static hone_acts acts_in(acts_memory *m)
{
    return (hone_acts){T, K, m->f, m->h, m->q, m->scale, m->minus};
}

/* All forms of random activations. */
static void random_acts(test *t, const hone_acts *a)
{
    float x[K];
    for (int i = 0; i < T; i++) {
        for (int j = 0; j < K; j++) {
            x[j] = uniform(t);
        }
        t->ref->quantize(a, i, x);
        for (int g = 0; g < hone_acts_n_group(a); g++) {
            const float *from = x + g * HONE_ACT_GROUP;
            t->ref->narrow[HONE_BF16](hone_acts_h(a, i, g), from, HONE_ACT_GROUP);
            /* F32 and BF16 hold the same values, so that tiers may read either */
            t->ref->widen[HONE_BF16](hone_acts_f(a, i, g), hone_acts_h(a, i, g),
                                     HONE_ACT_GROUP);
        }
    }
}

static void test_linear(test *t, hone_dtype type)
{
    unsigned char *w = t->m->weight, *panels = t->m->panels;
    float got[T * N], want[T * N];
    hone_panel_layout l;
    hone_matrix m = {.data = w, .n_row = N, .n_col = K, .dtype = type};
    if (!t->k->linear[type] || !hone_dtype_row_bytes(type, K, &m.row_bytes)) return;
    random_weights(t, w, N * m.row_bytes, type);
    const hone_acts acts = acts_in(&t->m->acts[0]);
    random_acts(t, &acts);
    t->ref->linear[type](want, N, &m, 0, N, &acts, 0, T);
    if (t->k->packs && hone_panel_layout_init(&l, type, K)) {
        hone_panel_pack(panels, &m, 0);
        m = (hone_matrix){panels, l.bytes, N, K, type, true, NULL};
    }
    t->k->linear[type](got, N, &m, 0, N, &acts, 0, T);
    double size = 1.0;
    for (int i = 0; i < T * N; i++) {
        size = fmax(size, fabs((double)want[i]));
    }
    if (!close_to(got, want, T * N, size * 1e-3)) {
        report(t, "linear", hone_dtype_get(type)->name);
    }
}

/* Two rows of two heads behind POSITIONS - 2 others. */
static void test_attention(test *t, hone_dtype type)
{
    enum {
        ROWS = 2,
        HEADS = 2,
        LEN = ROWS * HEADS * HEAD
    };
    unsigned char(*page)[2 * PART] = t->m->page;
    float q[LEN], got[LEN], want[LEN];
    for (int i = 0; i < LEN; i++) {
        q[i] = uniform(t);
    }
    for (int i = 0; i < 2 * 16; i++) {
        float k[HEAD], v[HEAD];
        for (int j = 0; j < HEAD; j++) {
            k[j] = uniform(t);
            v[j] = uniform(t);
        }
        hone_kv_put_key(t->ref, page[i / 16], type, 16, i % 16, k, HEAD);
        hone_kv_put_value(t->ref, page[i / 16] + PART, type, 16, i % 16, v, HEAD);
    }
    void *const pages[2] = {page[0], page[1]};
    hone_attention_args a = {.out = got,
                             .q = q,
                             .ldo = HEADS * HEAD,
                             .ldq = HEADS * HEAD,
                             .page = pages,
                             .v_offset = PART,
                             .k_type = type,
                             .v_type = type,
                             .n_row = ROWS,
                             .n_q = HEADS,
                             .d_k = HEAD,
                             .d_v = HEAD,
                             .page_len = 16,
                             .position = POSITIONS - ROWS,
                             .window = 7,
                             .split = -1,
                             .scale = 0.3f,
                             .state = t->m->state,
                             .scratch = t->m->scratch};
    t->k->attention(&a);
    a.out = want;
    t->ref->attention(&a);
    if (!close_to(got, want, LEN, 1e-4)) {
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
    for (int act = 0; act < HONE_N_ACT; act++) {
        t->k->gate[act](got, x, w, LEN);
        t->ref->gate[act](want, x, w, LEN);
        if (!close_to(got, want, LEN, 1e-4)) report(t, "gate", "");
    }
    got[0] = t->k->exp_sum(x, LEN, 3.0f, 0.7f);
    want[0] = t->ref->exp_sum(x, LEN, 3.0f, 0.7f);
    if (!close_to(got, want, 1, 1e-4)) report(t, "exp_sum", "");
    acts_memory *m = t->m->acts;
    memset(m, 0, 2 * sizeof *m);
    const hone_acts a = acts_in(&m[0]), b = acts_in(&m[1]);
    float row[K];
    for (int i = 0; i < K; i++) {
        row[i] = uniform(t);
    }
    t->k->quantize(&a, 1, row);
    t->ref->quantize(&b, 1, row);
    if (memcmp(a.q, b.q, sizeof m->q) != 0 ||
        memcmp(a.minus, b.minus, sizeof m->minus) != 0 ||
        !close_to(a.scale, b.scale, T * K / 32, 1e-6)) {
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
    t.m = hone_alloc_aligned(1, sizeof *t.m);
    if (!t.m) {
        if (fail) fail(ctx, "memory for the self-test");
        return 1;
    }
    memset(t.m, 0, sizeof *t.m);
    hone_rng_init(&t.rng, 1);
    for (int type = 0; type < HONE_N_DTYPE; type++) {
        test_linear(&t, (hone_dtype)type);
        if (hone_kv_type((hone_dtype)type)) test_attention(&t, (hone_dtype)type);
    }
    test_rows(&t);
    hone_free(t.m);
    return t.n_failed;
}
