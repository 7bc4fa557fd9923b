/* test_oracle.c - logits of tiny random models against Hugging Face transformers.
 *
 * tests/data/models is written by tools/oracle/models.py.  Every tier must agree within
 * 1e-4 absolute, with f32 keys and values; a failure names the first layer value that
 * differs.  Smaller keys and values must stay near. */
#include "check.h"

#include <math.h>

#include "base/file.h"
#include "base/mem.h"
#include "hone/hone.h"

/* the tier that the comparisons run on besides the reference */
#if defined(__aarch64__)
#define FAST "neon"
#else
#define FAST "avx2"
#endif

static const char *const names[] = {"llama",
                                    "llama_tied_mqa",
                                    "llama_mha_bias",
                                    "llama_linear",
                                    "llama_llama3",
                                    "llama_yarn",
                                    "llama_odd",
                                    "llama_bf16",
                                    "llama_f16",
                                    "mistral_window",
                                    "qwen2",
                                    "qwen2_window",
                                    "qwen3",
                                    "qwen3_yarn",
                                    "llama_nested",
                                    "smollm3",
                                    "smollm3_window",
                                    "llama.gguf",
                                    "llama_llama3.gguf",
                                    "qwen2.gguf",
                                    "qwen3.gguf",
                                    "smollm3.gguf"};

typedef struct expected {
    char *bytes;
    int32_t n, n_vocab;
    const int32_t *id;
    const float *logits; /* [n, n_vocab] */
    double worst;        /* difference */
    double error, size;  /* sums of squares of differences and of logits */
} expected;

static void load_expected(expected *e, const char *name)
{
    hone_error err;
    char file[256];
    size_t len;
    const char *dot = strstr(name, ".gguf");
    snprintf(file, sizeof file, "models/%.*s/logits.bin",
             (int)(dot ? (size_t)(dot - name) : strlen(name)), name);
    assert_ok(hone_file_read(&e->bytes, &len, data_path(file), 1 << 24, &err));
    memcpy(&e->n, e->bytes, 4);
    memcpy(&e->n_vocab, e->bytes + 4, 4);
    assert_int_equal(len, 8 + 4 * (size_t)e->n * (1 + (size_t)e->n_vocab));
    e->id = (const int32_t *)(const void *)(e->bytes + 8);
    e->logits = (const float *)(const void *)(e->bytes + 8 + 4 * e->n);
    e->worst = e->error = e->size = 0.0;
}

static void compare(void *ctx, size_t position, const float *logits,
                    const float *hidden)
{
    expected *e = ctx;
    (void)hidden;
    for (int i = 0; i < e->n_vocab; i++) {
        const double want =
            (double)e->logits[position * (size_t)e->n_vocab + (size_t)i];
        const double d = fabs((double)logits[i] - want);
        if (!(d <= e->worst)) e->worst = d;
        e->error += d * d;
        e->size += want * want;
    }
}

/* The residual stream against values.bin, [n_block, n, width]: block 0 the embedding,
 * 1 + 2N layer N after attention, 2 + 2N layer N's result. */
typedef struct search {
    char *bytes;
    size_t len;
    int n;
    int n_row[64];  /* rows compared so far, by block: a call may be run in pieces */
    char first[64]; /* the first value beyond 1e-3; empty when none is */
    double error;
} search;

static void look(void *ctx, const char *value, const float *data, int n_row, int width)
{
    search *s = ctx;
    int layer;
    char tail[32];
    size_t block;
    if (strcmp(value, "embed") == 0) {
        block = 0;
    } else if (sscanf(value, "layer.%d.%31s", &layer, tail) == 2 &&
               (strcmp(tail, "attn_out") == 0 || strcmp(tail, "out") == 0)) {
        block = 1 + 2 * (size_t)layer + (strcmp(tail, "out") == 0);
    } else {
        return;
    }
    assert_true(block < sizeof s->n_row / sizeof s->n_row[0]);
    const size_t row = block * (size_t)s->n + (size_t)s->n_row[block];
    const size_t count = (size_t)n_row * (size_t)width;
    s->n_row[block] += n_row;
    assert_true(s->n_row[block] <= s->n);
    assert_true((row * (size_t)width + count) * sizeof(float) <= s->len);
    const float *want = (const float *)(const void *)s->bytes + row * (size_t)width;
    for (size_t i = 0; i < count && s->first[0] == 0; i++) {
        const double d = fabs((double)data[i] - (double)want[i]);
        if (!(d <= 1e-3)) {
            snprintf(s->first, sizeof s->first, "%s", value);
            s->error = d;
        }
    }
}

static void load_search(search *s, const char *name, int n)
{
    hone_error err;
    char file[256];
    const char *dot = strstr(name, ".gguf");
    *s = (search){.n = n};
    snprintf(file, sizeof file, "models/%.*s/values.bin",
             (int)(dot ? (size_t)(dot - name) : strlen(name)), name);
    assert_ok(hone_file_read(&s->bytes, &s->len, data_path(file), 1 << 24, &err));
}

/* Score the oracle's tokens; false where this CPU lacks the tier.  found may be NULL. */
static bool score(const char *name, hone_engine_options o, expected *want,
                  search *found)
{
    hone_error err;
    hone_model *m;
    hone_engine *e;
    hone_sequence *s;
    char file[256];
    snprintf(file, sizeof file, "models/%s", name);
    load_expected(want, name);
    if (found) load_search(found, name, want->n);
    assert_ok(hone_model_open(&m, data_path(file), 0, &err));
    o.n_thread = 2;
    const hone_status st = hone_engine_new(&e, m, &o, &err);
    if (st == HONE_E_INVALID && strstr(err.text, "not a tier")) {
        fprintf(stderr, "# skipped: tier %s on this CPU\n", o.kernels);
    } else {
        assert_ok(st);
        assert_ok(hone_sequence_new(&s, e, &err));
        if (found) hone_engine_watch(e, look, found);
        assert_ok(
            hone_sequence_score(s, want->id, (size_t)want->n, compare, want, &err));
        for (int b = 0; found && b < 3; b++)
            assert_int_equal(found->n_row[b], want->n);
        hone_sequence_free(s);
        hone_engine_free(e);
    }
    hone_model_close(m);
    hone_free(want->bytes);
    return !st;
}

static void run(const char *name, const char *tier, int n_batch, int page_len)
{
    expected want;
    search found;
    const hone_engine_options o = {
        .kernels = tier, .kv_type = "f32", .n_batch = n_batch, .page_len = page_len};
    const bool ran = score(name, o, &want, &found);
    if (ran && found.first[0]) {
        fail_msg("%s, %s: %s is the first to differ, by %g", name, tier, found.first,
                 found.error);
    }
    if (ran && !(want.worst <= 1e-4)) {
        fail_msg("%s, %s: largest error %g, expected at most 1e-4", name, tier,
                 want.worst);
    }
    hone_free(found.bytes);
}

/* Root mean square errors, relative to the logits, of models whose random weights make
 * more of a rounding than trained ones do: bounds are twice what the worst of them showed
 * on either tier. */
static void small_keys_and_values_stay_near_transformers(void **state)
{
    static const struct {
        const char *kv_type;
        double bound;
    } types[] = {{"f16", 0.0022}, {"q8_0", 0.052}, {"q8_0,f16", 0.038}, {"q4_0", 0.7}};
    (void)state;
    for (size_t i = 0; i < 2 * (sizeof names / sizeof names[0]); i++) {
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
            const hone_engine_options o = {.kernels = i % 2 ? FAST : "ref",
                                           .kv_type = types[t].kv_type};
            expected want;
            if (!score(names[i / 2], o, &want, NULL)) continue;
            const double error = sqrt(want.error / want.size);
            if (!(error <= types[t].bound)) {
                fail_msg("%s, %s, %s: error %g of the logits, expected at most %g",
                         names[i / 2], o.kernels, o.kv_type, error, types[t].bound);
            }
        }
    }
}

static void reference_kernels_agree_with_transformers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        run(names[i], "ref", 0, 0);
    }
}

static void fast_kernels_agree_with_transformers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        run(names[i], FAST, 0, 0);
    }
}

static void tiny_pages_and_batches_agree_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        run(names[i], FAST, 1 + (int)i % 3, 1 + (int)i % 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_kernels_agree_with_transformers),
        cmocka_unit_test(fast_kernels_agree_with_transformers),
        cmocka_unit_test(tiny_pages_and_batches_agree_too),
        cmocka_unit_test(small_keys_and_values_stay_near_transformers),
    };
    return cmocka_run_group_tests_name("oracle", tests, NULL, NULL);
}
