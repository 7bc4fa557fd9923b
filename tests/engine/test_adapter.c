/* test_adapter.c - adapters against PEFT, mixed in batches, and hostile files.
 *
 * tests/data/lora is written by tools/oracle/lora.py. */
#include "check.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "hone/hone.h"
#include "model/adapter_file.h"

#if defined(__aarch64__)
#define FAST "neon"
#else
#define FAST "avx2"
#endif

enum {
    N_VOCAB = 61,
    MAX_PART = 2
};

/* -- against PEFT ----------------------------------------------------------------- */

typedef struct combination {
    const char *model, *logits;
    struct {
        const char *path;
        float scale;
    } part[MAX_PART];
} combination;

/* Folders and GGUF files on both sides: q and k are permuted in Llama's GGUF files. */
static const combination combinations[] = {
    {"llama", "llama_all/logits.bin", {{"llama_all", 1}}},
    {"llama.gguf", "llama_all/logits.bin", {{"llama_all", 1}}},
    {"llama", "llama_all/logits.bin", {{"llama_all.gguf", 1}}},
    {"llama.gguf", "llama_all/logits.bin", {{"llama_all.gguf", 1}}},
    {"llama", "llama_some/logits.bin", {{"llama_some", 1}}},
    {"llama.gguf", "llama_some/logits.bin", {{"llama_some.gguf", 1}}},
    {"llama", "llama_patterns/logits.bin", {{"llama_patterns", 1}}},
    {"llama.gguf", "llama_patterns/logits.bin", {{"llama_patterns", 1}}},
    {"qwen2", "qwen2_all/logits.bin", {{"qwen2_all", 1}}},
    {"qwen2.gguf", "qwen2_all/logits.bin", {{"qwen2_all", 1}}},
    {"qwen2", "qwen2_all/logits.bin", {{"qwen2_all.gguf", 1}}},
    {"qwen2", "qwen2_half/logits.bin", {{"qwen2_half", 1}}},
    {"llama", "sum.bin", {{"llama_all", 0.5f}, {"llama_some", 0.75f}}},
    {"llama.gguf", "sum.bin", {{"llama_some.gguf", 0.75f}, {"llama_all", 0.5f}}},
};
enum {
    N_COMBINATION = sizeof combinations / sizeof combinations[0]
};

typedef struct expected {
    char *bytes;
    int32_t n, n_vocab;
    const int32_t *id;
    const float *logits; /* [n, n_vocab] */
    double worst;
} expected;

static void load_expected(expected *e, const char *name)
{
    hone_error err;
    char file[256];
    size_t len;
    snprintf(file, sizeof file, "lora/%s", name);
    assert_ok(hone_file_read(&e->bytes, &len, data_path(file), 1 << 24, &err));
    memcpy(&e->n, e->bytes, 4);
    memcpy(&e->n_vocab, e->bytes + 4, 4);
    assert_int_equal(len, 8 + 4 * (size_t)e->n * (1 + (size_t)e->n_vocab));
    e->id = (const int32_t *)(const void *)(e->bytes + 8);
    e->logits = (const float *)(const void *)(e->bytes + 8 + 4 * e->n);
    e->worst = 0.0;
}

static void compare(void *ctx, size_t position, const float *logits,
                    const float *hidden)
{
    expected *e = ctx;
    (void)hidden;
    for (int i = 0; i < e->n_vocab; i++) {
        const size_t at = position * (size_t)e->n_vocab + (size_t)i;
        const double d = fabs((double)logits[i] - (double)e->logits[at]);
        if (!(d <= e->worst)) e->worst = d;
    }
}

/* Load one of tests/data/lora, or the sum of several. */
static hone_adapter *load_as(hone_engine *e, const char *as, const combination *c)
{
    hone_error err;
    hone_adapter_part part[MAX_PART];
    char path[MAX_PART][4096], name[256];
    size_t n = 0;
    for (; n < MAX_PART && c->part[n].path; n++) {
        snprintf(name, sizeof name, "lora/%s", c->part[n].path);
        snprintf(path[n], sizeof path[n], "%s", data_path(name));
        part[n] = (hone_adapter_part){path[n], c->part[n].scale};
    }
    assert_ok(hone_engine_adapter_load(e, as, part, n, &err));
    return hone_engine_adapter_find(e, as);
}

/* The same under the name of the first. */
static hone_adapter *load(hone_engine *e, const combination *c)
{
    return load_as(e, c->part[0].path, c);
}

static void run(const combination *c, const char *tier, int n_batch)
{
    hone_error err;
    hone_model *m;
    hone_engine *e;
    hone_sequence *s;
    expected want;
    char file[256];
    snprintf(file, sizeof file, "models/%s", c->model);
    load_expected(&want, c->logits);
    assert_ok(hone_model_open(&m, data_path(file), 0, &err));
    const hone_engine_options o = {
        .kernels = tier, .kv_type = "f32", .n_thread = 2, .n_batch = n_batch};
    const hone_status st = hone_engine_new(&e, m, &o, &err);
    if (st == HONE_E_INVALID && strstr(err.text, "not a tier")) {
        fprintf(stderr, "# skipped: tier %s on this CPU\n", tier);
    } else {
        assert_ok(st);
        assert_ok(hone_sequence_new(&s, e, &err));
        hone_sequence_set_adapter(s, load(e, c));
        assert_ok(
            hone_sequence_score(s, want.id, (size_t)want.n, compare, &want, &err));
        if (!(want.worst <= 1e-4)) {
            fail_msg("%s with %s, %s: largest error %g, expected at most 1e-4",
                     c->model, c->part[0].path, tier, want.worst);
        }
        hone_sequence_free(s);
        hone_engine_free(e);
    }
    hone_model_close(m);
    hone_free(want.bytes);
}

static void adapters_agree_with_peft(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMBINATION; i++) {
        run(&combinations[i], "ref", 0);
        run(&combinations[i], FAST, 0);
        run(&combinations[i], NULL, 1 + (int)i % 3);
    }
}

/* -- batches ---------------------------------------------------------------------- */

enum {
    N_SEQ = 6,
    N_TOKEN = 45
};

/* Which adapter each sequence has; NULL: the base.  Neighbours share one. */
static const combination *const mix[N_SEQ] = {
    NULL, &combinations[0], &combinations[0], &combinations[4],
    NULL, &combinations[12]};

static int32_t token[N_SEQ][N_TOKEN];

static void make_tokens(void)
{
    for (int i = 0; i < N_SEQ * N_TOKEN; i++) {
        token[i / N_TOKEN][i % N_TOKEN] = (int32_t)(hone_rng_u32(test_rng()) % N_VOCAB);
    }
}

/* Logits of the sequences from .. to-1 after `call` tokens at a time. */
static void run_mixed(const hone_model *m, hone_engine_options o, int from, int to,
                      size_t call, float out[][N_VOCAB])
{
    hone_error err;
    hone_engine *e;
    hone_sequence *s[N_SEQ];
    o.n_ctx = 64;
    o.n_sequence = o.n_batch ? 0 : N_SEQ;
    o.kv_bytes = 1 << 20;
    assert_ok(hone_engine_new(&e, m, &o, &err));
    for (int i = from; i < to; i++) {
        assert_ok(hone_sequence_new(&s[i], e, &err));
        if (!mix[i]) continue;
        char as[16];
        snprintf(as, sizeof as, "%d", (int)(mix[i] - combinations));
        hone_adapter *a = hone_engine_adapter_find(e, as);
        hone_sequence_set_adapter(s[i], a ? a : load_as(e, as, mix[i]));
    }
    for (size_t at = 0; at < N_TOKEN; at += call) {
        hone_step_item item[N_SEQ];
        for (int i = from; i < to; i++) {
            const size_t n = N_TOKEN - at < call ? N_TOKEN - at : call;
            item[i] = (hone_step_item){s[i], token[i] + at, n, 1};
        }
        assert_ok(hone_engine_append(e, item + from, (size_t)(to - from), &err));
    }
    for (int i = from; i < to; i++) {
        memcpy(out[i], hone_sequence_logits(s[i]), sizeof out[i]);
        hone_sequence_free(s[i]);
    }
    hone_engine_free(e);
}

static void a_sequence_does_not_feel_its_batch(void **state)
{
    static const hone_engine_options options[] = {{.n_thread = 1},
                                                  {.n_thread = 2, .n_batch = 7},
                                                  {.n_thread = 5},
                                                  {.n_thread = 3, .n_batch = 100}};
    static const size_t calls[] = {1, 5, 20, N_TOKEN};
    static float alone[N_SEQ][N_VOCAB], together[N_SEQ][N_VOCAB];
    hone_error err;
    hone_model *m;
    (void)state;
    make_tokens();
    assert_ok(hone_model_open(&m, data_path("models/llama"), 0, &err));
    for (int i = 0; i < N_SEQ; i++) {
        run_mixed(m, (hone_engine_options){.n_thread = 1}, i, i + 1, N_TOKEN, alone);
    }
    for (size_t o = 0; o < sizeof options / sizeof options[0]; o++) {
        for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++) {
            run_mixed(m, options[o], 0, N_SEQ, calls[c], together);
            assert_memory_equal(alone, together, sizeof alone);
        }
    }
    assert_memory_not_equal(alone[0], alone[1], sizeof alone[0]);
    hone_model_close(m);
}

/* -- life ------------------------------------------------------------------------- */

static void names_ids_and_lists(void **state)
{
    hone_error err;
    hone_model *m;
    hone_engine *e;
    const hone_adapter_part none = {"/nowhere/at/all", 1.0f};
    (void)state;
    assert_ok(hone_model_open(&m, data_path("models/llama"), 0, &err));
    assert_ok(hone_engine_new(&e, m, NULL, &err));
    assert_null(hone_engine_adapter_at(e, 0));
    hone_adapter *a = load(e, &combinations[0]), *b = load(e, &combinations[4]);
    assert_ptr_equal(hone_engine_adapter_at(e, 0), a);
    assert_ptr_equal(hone_engine_adapter_at(e, 1), b);
    assert_null(hone_engine_adapter_at(e, 2));
    assert_int_equal(hone_adapter_id(NULL), 0);
    assert_int_equal(hone_adapter_id(a), 1);
    assert_int_equal(hone_adapter_id(b), 2);
    const hone_adapter_info info = hone_adapter_get_info(b);
    assert_string_equal(info.name, "llama_some");
    assert_int_equal(info.rank, 4);
    assert_int_equal(info.n_part, 1);
    assert_true(info.bytes > 0);
    assert_fails(hone_engine_adapter_load(e, "llama_all", &none, 1, &err),
                 HONE_E_INVALID, "'llama_all' is taken");
    assert_fails(hone_engine_adapter_load(e, "x", &none, 0, &err), HONE_E_INVALID,
                 "parts");
    assert_fails(hone_engine_adapter_load(e, "x", &none, 1, &err), HONE_E_NOT_FOUND,
                 "/nowhere/at/all");
    assert_fails(hone_engine_adapter_unload(e, "x", &err), HONE_E_NOT_FOUND, "no 'x'");
    assert_ok(hone_engine_adapter_unload(e, "llama_all", &err));
    assert_null(hone_engine_adapter_find(e, "llama_all"));
    assert_int_equal(hone_adapter_id(load(e, &combinations[0])), 3);
    hone_engine_free(e);
    hone_model_close(m);
}

static void an_unloaded_adapter_lives_with_its_sequences(void **state)
{
    hone_error err;
    hone_model *m;
    hone_engine *e;
    hone_sequence *s, *whole;
    float want[N_VOCAB];
    (void)state;
    make_tokens();
    assert_ok(hone_model_open(&m, data_path("models/llama"), 0, &err));
    assert_ok(hone_engine_new(&e, m, NULL, &err));
    assert_ok(hone_sequence_new(&s, e, &err));
    assert_ok(hone_sequence_new(&whole, e, &err));
    hone_adapter *a = load(e, &combinations[0]);
    hone_sequence_set_adapter(s, a);
    hone_sequence_set_adapter(whole, a);
    assert_ok(hone_sequence_append(whole, token[0], 20, &err));
    memcpy(want, hone_sequence_logits(whole), sizeof want);
    hone_sequence_free(whole);
    assert_ok(hone_sequence_append(s, token[0], 10, &err));
    assert_ok(hone_engine_adapter_unload(e, "llama_all", &err));
    /* another of more rank takes its name and new memory for products */
    (void)load(e, &combinations[12]);
    assert_ok(hone_sequence_append(s, token[0] + 10, 10, &err));
    assert_memory_equal(want, hone_sequence_logits(s), sizeof want);
    assert_ptr_equal(hone_sequence_adapter(s), a);
    hone_sequence_truncate(s, 0);
    hone_sequence_set_adapter(s, NULL);
    assert_null(hone_sequence_adapter(s));
    hone_sequence_free(s);
    hone_engine_free(e);
    hone_model_close(m);
}

/* -- a quantized base ------------------------------------------------------------- */

enum {
    D = 576, /* SmolLM2-135M */
    N_V = 192,
    RANK = 260, /* past a stripe of activations */
    N_ROW = 7
};

static char dir[] = "/tmp/hone-adapter-XXXXXX";

static void put(const char *name, const void *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

/* A header of safetensors in front of zeros, or of `data`; returns its bytes. */
static size_t safetensors(unsigned char *out, size_t size, const char *header,
                          const float *data, size_t data_bytes)
{
    const uint64_t len = strlen(header);
    assert_true(8 + len + data_bytes <= size);
    memcpy(out, &len, 8);
    memcpy(out + 8, header, len);
    memset(out + 8 + len, 0, data_bytes);
    if (data) memcpy(out + 8 + len, data, data_bytes);
    return 8 + (size_t)len + data_bytes;
}

/* An adapter of layer 0's values, random, in a PEFT folder. */
static void write_adapter(const float *ab)
{
    static unsigned char file[1 << 20];
    static const char config[] =
        "{\"peft_type\":\"LORA\",\"r\":260,\"lora_alpha\":390}";
    const size_t a = RANK * D * sizeof(float), b = N_V * RANK * sizeof(float);
    char header[1024];
    snprintf(header, sizeof header,
             "{\"base_model.model.model.layers.0.self_attn.v_proj.lora_A.weight\":"
             "{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[0,%zu]},"
             "\"base_model.model.model.layers.0.self_attn.v_proj.lora_B.weight\":"
             "{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[%zu,%zu]}}",
             RANK, D, a, N_V, RANK, a, a + b);
    put("adapter_config.json", config, sizeof config - 1);
    put("adapter_model.safetensors", file,
        safetensors(file, sizeof file, header, ab, a + b));
}

typedef struct seen {
    float embed[N_ROW][D], v[N_ROW][N_V];
} seen;

static void look(void *ctx, const char *name, const float *data, int n_row, int width)
{
    seen *s = ctx;
    assert_true(n_row <= N_ROW);
    const size_t bytes = (size_t)n_row * (size_t)width * sizeof *data;
    if (strcmp(name, "embed") == 0) memcpy(s->embed, data, bytes);
    if (strcmp(name, "layer.0.v") == 0) memcpy(s->v, data, bytes);
}

/* B (A x) * alpha / r in f64 from the normed row. */
static void expect_row(const float *embed, const float *gain, const float *ab,
                       double *out)
{
    double norm = 0.0, u[RANK];
    for (int i = 0; i < D; i++) {
        norm += (double)embed[i] * (double)embed[i];
    }
    norm = 1.0 / sqrt(norm / D + 1e-5);
    for (int r = 0; r < RANK; r++) {
        u[r] = 0.0;
        for (int i = 0; i < D; i++) {
            u[r] += (double)ab[r * D + i] * (double)embed[i] * norm * (double)gain[i];
        }
    }
    for (int n = 0; n < N_V; n++) {
        out[n] = 0.0;
        for (int r = 0; r < RANK; r++) {
            out[n] += 1.5 * (double)ab[RANK * D + n * RANK + r] * u[r];
        }
    }
}

static void check_rows(hone_engine *e, hone_adapter *a, const float *gain,
                       const float *ab, int n_row)
{
    static seen base, with;
    hone_error err;
    hone_sequence *s;
    assert_ok(hone_sequence_new(&s, e, &err));
    hone_engine_watch(e, look, &base);
    assert_ok(hone_sequence_append(s, token[0], (size_t)n_row, &err));
    hone_sequence_truncate(s, 0);
    hone_sequence_set_adapter(s, a);
    hone_engine_watch(e, look, &with);
    assert_ok(hone_sequence_append(s, token[0], (size_t)n_row, &err));
    for (int t = 0; t < n_row; t++) {
        double want[N_V];
        expect_row(base.embed[t], gain, ab, want);
        for (int n = 0; n < N_V; n++) {
            const double got = (double)with.v[t][n] - (double)base.v[t][n];
            if (!(fabs(got - want[n]) <= 3e-5))
                fail_msg("row %d of %d, v %d: adds %g, expected %g", t, n_row, n, got,
                         want[n]);
        }
    }
    hone_engine_watch(e, NULL, NULL);
    hone_sequence_free(s);
}

static void a_quantized_layer_gets_the_product_of_the_unquantized_row(void **state)
{
    static float ab[RANK * D + N_V * RANK];
    hone_error err;
    hone_model *m;
    hone_engine *e;
    float *gain;
    hone_tensor_info info;
    char path[128];
    (void)state;
    make_tokens();
    for (size_t i = 0; i < sizeof ab / sizeof ab[0]; i++) {
        ab[i] = (float)((double)hone_rng_u32(test_rng()) / 4294967296.0 - 0.5) * 0.2f;
    }
    snprintf(path, sizeof path, "%s/m.gguf", dir);
    const hone_synth_options so = {
        .preset = "smollm2-135m", .type = "Q4_0", .n_layer = 1};
    assert_ok(hone_synth(path, &so, NULL, &err));
    write_adapter(ab);
    assert_ok(hone_model_open(&m, path, 0, &err));
    assert_ok(hone_model_read_tensor(m, "blk.0.attn_norm.weight", &gain, &info, &err));
    const hone_engine_options o = {.n_thread = 2, .n_ctx = 16};
    assert_ok(hone_engine_new(&e, m, &o, &err));
    const hone_adapter_part part = {dir, 1.0f};
    assert_ok(hone_engine_adapter_load(e, "v", &part, 1, &err));
    for (int n = 1; n <= N_ROW; n += 3) {
        check_rows(e, hone_engine_adapter_find(e, "v"), gain, ab, n);
    }
    hone_engine_free(e);
    hone_model_close(m);
    hone_data_free(gain);
}

/* -- hostile files ---------------------------------------------------------------- */

#define CONFIG(more) "{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":2" more "}"
#define Q            "base_model.model.model.layers.0.self_attn.q_proj."
#define TENSOR(name, r, c, from, to)                                                   \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":[" #r "," #c                            \
    "],\"data_offsets\":[" #from "," #to "]}"
#define A_OK TENSOR(Q "lora_A.weight", 2, 32, 0, 256)
#define B_OK TENSOR(Q "lora_B.weight", 32, 2, 256, 512)

/* Weights are 512 zero bytes behind the header; d_model is 32, 4 heads of 8, 2 for k. */
static const struct {
    const char *config, *header;
    hone_status code;
    const char *message;
} hostile[] = {
    {CONFIG(""), "{" A_OK "," B_OK "}", HONE_OK, ""},
    {"[]", "{}", HONE_E_FORMAT, "not an object"},
    {"{\"r\":2}", "{}", HONE_E_UNSUPPORTED, "'peft_type': expected LORA, found ''"},
    {"{\"peft_type\":\"LOHA\"}", "{}", HONE_E_UNSUPPORTED, "found 'LOHA'"},
    {CONFIG(",\"bias\":\"all\""), "{}", HONE_E_UNSUPPORTED,
     "'bias': expected none, found 'all'"},
    {CONFIG(",\"use_dora\":true"), "{}", HONE_E_UNSUPPORTED, "'use_dora'"},
    {CONFIG(",\"modules_to_save\":[\"lm_head\"]"), "{}", HONE_E_UNSUPPORTED,
     "'modules_to_save'"},
    {CONFIG(",\"fan_in_fan_out\":true"), "{}", HONE_E_UNSUPPORTED, "'fan_in_fan_out'"},
    {CONFIG(",\"init_lora_weights\":\"pissa_niter_4\""), "{}", HONE_E_UNSUPPORTED,
     "changes the base"},
    {"{\"peft_type\":\"LORA\",\"r\":5000}", "{" A_OK "," B_OK "}", HONE_E_LIMIT,
     "expected 1 to 4096, found 5000"},
    {"{\"peft_type\":\"LORA\",\"r\":0}", "{" A_OK "," B_OK "}", HONE_E_FORMAT,
     "expected 1 to 4096, found 0"},
    {"{\"peft_type\":\"LORA\",\"r\":\"2\"}", "{" A_OK "," B_OK "}", HONE_E_FORMAT,
     "'r'"},
    {"{\"peft_type\":\"LORA\",\"r\":3}", "{" A_OK "," B_OK "}", HONE_E_FORMAT,
     "q_proj.lora_A.weight': expected shape [3, 32], found [2, 32]"},
    {CONFIG(",\"rank_pattern\":{\"q_proj\":\"x\"}"), "{" A_OK "," B_OK "}",
     HONE_E_FORMAT, "'rank_pattern': 'q_proj': expected a number"},
    {CONFIG(",\"rank_pattern\":{\"(q_proj\":1}"), "{" A_OK "," B_OK "}",
     HONE_E_UNSUPPORTED, "'rank_pattern'"},
    {CONFIG(",\"rank_pattern\":[1]"), "{" A_OK "," B_OK "}", HONE_E_FORMAT,
     "'rank_pattern': expected an object"},
    {CONFIG(",\"alpha_pattern\":{\"q_proj\":1e60}"), "{" A_OK "," B_OK "}",
     HONE_E_FORMAT, "scale is not finite"},
    {CONFIG(""), "{}", HONE_E_FORMAT, "no weights"},
    {CONFIG(""), "{" TENSOR(Q "lora_A.weight", 2, 64, 0, 512) "}", HONE_E_FORMAT,
     "lora_A.weight' has no"},
    {CONFIG(""), "{" TENSOR(Q "lora_B.weight", 64, 2, 0, 512) "}", HONE_E_FORMAT,
     "lora_B.weight' has no"},
    {CONFIG(""),
     "{" TENSOR(Q "lora_A.weight", 2, 16, 0, 128) "," TENSOR(Q "lora_B.weight", 48, 2,
                                                             128, 512) "}",
     HONE_E_FORMAT, "expected shape [2, 32], found [2, 16]"},
    {CONFIG(""), "{" A_OK "," TENSOR(Q "lora_B.weight", 16, 4, 256, 512) "}",
     HONE_E_FORMAT, "expected shape [32, 2], found [16, 4]"},
    {CONFIG(""),
     "{" TENSOR("base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight", 2, 32,
                0, 256) "," TENSOR("base_model.model.model.layers.9.self_attn.q_proj."
                                   "lora_B.weight",
                                   32, 2, 256, 512) "}",
     HONE_E_UNSUPPORTED, "no linear layer 'blk.9.attn_q'"},
    {CONFIG(""),
     "{" TENSOR("base_model.model.model.layers.0.mixer.in_proj.lora_A.weight", 2, 32, 0,
                256) "," TENSOR("base_model.model.model.layers.0.mixer.in_proj.lora_B."
                                "weight",
                                32, 2, 256, 512) "}",
     HONE_E_UNSUPPORTED, "mixer.in_proj.lora_A.weight': no layer that hone knows"},
    {CONFIG(""),
     "{" TENSOR("base_model.model.lm_head.lora_A.weight", 2, 32, 0, 256) "," TENSOR(
         "base_model.model.lm_head.lora_B.weight", 32, 2, 256, 512) "}",
     HONE_E_UNSUPPORTED, "the embedding and the head take no adapter"},
    {CONFIG(""),
     "{" TENSOR("base_model.model.model.embed_tokens.lora_embedding_A", 2, 64, 0,
                512) "}",
     HONE_E_UNSUPPORTED, "the embedding and the head take no adapter"},
    {CONFIG(""), "{" TENSOR(Q "lora_magnitude_vector", 2, 64, 0, 512) "}",
     HONE_E_UNSUPPORTED, "DoRA"},
    {CONFIG(""),
     "{" TENSOR("base_model.model.model.layers.0.input_layernorm.lora_A.weight", 2, 32,
                0, 256) "," TENSOR("base_model.model.model.layers.0.input_layernorm."
                                   "lora_B.weight",
                                   32, 2, 256, 512) "}",
     HONE_E_UNSUPPORTED, "no linear layer 'blk.0.attn_norm'"},
    {CONFIG(""),
     "{\"" Q "lora_A.weight\":{\"dtype\":\"I32\",\"shape\":[2,32],\"data_offsets\":"
     "[0,256]}," B_OK "}",
     HONE_E_UNSUPPORTED, "expected type F32, F16 or BF16, found"},
};

static void hostile_folders_are_refused_by_name(void **state)
{
    hone_error err;
    hone_model *m;
    unsigned char file[4096];
    (void)state;
    assert_ok(hone_model_open(&m, data_path("models/llama"), 0, &err));
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        const bool empty = strcmp(hostile[i].header, "{}") == 0;
        const size_t size =
            safetensors(file, sizeof file, hostile[i].header, NULL, empty ? 0 : 512);
        hone_adapter_files f = {0};
        const hone_status s = hone_adapter_files_add_memory(
            &f, m, hostile[i].config, strlen(hostile[i].config), file, size, &err);
        if (s != hostile[i].code || (s && !strstr(err.text, hostile[i].message)))
            fail_msg("case %zu: status %d '%s', expected %d '%s'", i, (int)s,
                     s ? err.text : "", (int)hostile[i].code, hostile[i].message);
        hone_adapter_files_release(&f);
    }
    hone_model_close(m);
}

static void a_gguf_adapter_must_be_one_of_this_model(void **state)
{
    static const struct {
        const char *model, *path;
        hone_status code;
        const char *message;
    } cases[] = {
        {"llama", "models/llama.gguf", HONE_E_UNSUPPORTED,
         "'general.type': expected 'adapter'"},
        {"qwen2", "lora/llama_all.gguf", HONE_E_INVALID,
         "expected the model's, 'qwen2', found 'llama'"},
        {"llama_odd", "lora/llama_all.gguf", HONE_E_FORMAT, "expected shape"},
        {"llama_odd", "lora/llama_all", HONE_E_FORMAT, "expected shape"},
        {"llama", "lora", HONE_E_NOT_FOUND, "adapter_config.json"},
    };
    hone_error err;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hone_model *m;
        hone_adapter_files f = {0};
        char file[256];
        snprintf(file, sizeof file, "models/%s", cases[i].model);
        assert_ok(hone_model_open(&m, data_path(file), 0, &err));
        assert_fails(
            hone_adapter_files_add(&f, m, data_path(cases[i].path), 1.0f, &err),
            cases[i].code, cases[i].message);
        hone_adapter_files_release(&f);
        hone_model_close(m);
    }
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    static const char *const names[] = {"m.gguf", "adapter_config.json",
                                        "adapter_model.safetensors"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adapters_agree_with_peft),
        cmocka_unit_test(a_sequence_does_not_feel_its_batch),
        cmocka_unit_test(names_ids_and_lists),
        cmocka_unit_test(an_unloaded_adapter_lives_with_its_sequences),
        cmocka_unit_test(a_quantized_layer_gets_the_product_of_the_unquantized_row),
        cmocka_unit_test(hostile_folders_are_refused_by_name),
        cmocka_unit_test(a_gguf_adapter_must_be_one_of_this_model),
    };
    return cmocka_run_group_tests_name("adapter", tests, make_dir, remove_dir);
}
