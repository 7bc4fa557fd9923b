/* test_synth.c - synthetic models: every type and preset opens and gives finite logits. */
#include "check.h"

#include <math.h>
#include <unistd.h>

#include "hone/hone.h"

static char dir[] = "/tmp/hone-synth-XXXXXX";
static char path[128];

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir)) return -1;
    snprintf(path, sizeof path, "%s/m.gguf", dir);
    return 0;
}

/* Fails where a test left a file behind. */
static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

/* Three tokens of the file at `path`; the logits must be finite and differ. */
static void run_model(const char *what)
{
    hone_error err;
    hone_model *m;
    hone_engine *e;
    hone_sequence *s;
    static const int32_t ids[3] = {5, 1234, 300};
    const hone_engine_options o = {.n_thread = 2, .n_ctx = 16};
    assert_ok(hone_model_open(&m, path, 0, &err));
    assert_ok(hone_engine_new(&e, m, &o, &err));
    assert_ok(hone_sequence_new(&s, e, &err));
    assert_ok(hone_sequence_append(s, ids, 3, &err));
    const float *logits = hone_sequence_logits(s);
    double sum = 0.0, squares = 0.0;
    const int n = hone_model_get_info(m)->n_vocab;
    for (int i = 0; i < n; i++) {
        if (!isfinite(logits[i])) fail_msg("%s: logit %d is not finite", what, i);
        sum += (double)logits[i];
        squares += (double)logits[i] * (double)logits[i];
    }
    const double deviation = sqrt(squares / n - sum / n * sum / n);
    if (deviation < 0.2 || deviation > 5.0)
        fail_msg("%s: deviation of logits %g, expected about 1", what, deviation);
    hone_sequence_free(s);
    hone_engine_free(e);
    hone_model_close(m);
}

static bool has_type(const hone_model *m, const char *type)
{
    for (size_t i = 0; i < hone_model_get_info(m)->n_tensor; i++) {
        hone_tensor_info t;
        hone_model_get_tensor(m, i, &t);
        if (strcmp(t.type, type) == 0) return true;
    }
    return false;
}

static void every_type_runs(void **state)
{
    (void)state;
    int n = 0;
    for (const char *type; (type = hone_synth_type(n)); n++) {
        hone_error err;
        hone_model *m;
        hone_synth_info info;
        const hone_synth_options o = {
            .preset = "smollm2-135m", .type = type, .n_layer = 1, .seed = 3};
        assert_ok(hone_synth(path, &o, &info, &err));
        assert_ok(hone_model_open(&m, path, 0, &err));
        assert_int_equal(hone_model_get_info(m)->n_params, info.n_params);
        assert_int_equal(hone_model_get_info(m)->weight_bytes, info.bytes);
        if (strlen(type) < 6) assert_true(has_type(m, type)); /* else a mix */
        hone_model_close(m);
        run_model(type);
    }
    assert_true(n > 20);
}

static void every_preset_opens(void **state)
{
    (void)state;
    for (int i = 0; hone_synth_preset(i); i++) {
        hone_error err;
        hone_model *m;
        hone_tokens ids = {0};
        char *text;
        size_t len;
        const char *preset = hone_synth_preset(i);
        const hone_synth_options o = {.preset = preset, .type = "TQ2_0", .n_layer = 2};
        assert_ok(hone_synth(path, &o, NULL, &err));
        const bool runs = strcmp(preset, "olmoe-1b-7b") != 0;
        if (runs)
            run_model(preset);
        else
            assert_fails(hone_model_open(&m, path, 0, &err), HONE_E_UNSUPPORTED,
                         "olmoe");
        assert_ok(hone_model_open(&m, path, HONE_OPEN_TEXT_ONLY, &err));
        const hone_tokenizer *tok = hone_model_tokenizer(m);
        assert_non_null(tok);
        assert_true(hone_tokenizer_n_vocab(tok) >= 49152);
        static const char say[] = "hello \xC3\xA9 world\n";
        assert_ok(hone_tokenizer_encode(tok, say, strlen(say), HONE_ENCODE_SPECIAL,
                                        &ids, &err));
        assert_true(ids.len > 4 && ids.len < strlen(say)); /* some merges apply */
        assert_ok(hone_tokenizer_decode(tok, ids.id, ids.len, 0, &text, &len, &err));
        assert_string_equal(text, say);
        hone_text_free(text);
        hone_tokens_release(&ids);
        hone_model_close(m);
    }
}

static void odd_widths_take_smaller_blocks(void **state)
{
    hone_error err;
    hone_synth_info info;
    (void)state;
    hone_synth_options o = {.preset = "smollm2-135m", .type = "Q4_K_M", .n_layer = 8};
    assert_ok(hone_synth(path, &o, &info, &err));
    /* 576 wide: the tied head; q, k, v, o, gate and up, of which values in the first,
     * fourth and last layer ask for Q6_K */
    assert_string_equal(info.replaced,
                        "Q6_K by Q8_0 (5 tensors), Q4_K by Q5_0 (44 tensors)");
    o.type = "q4_0";
    assert_ok(hone_synth(path, &o, &info, &err));
    assert_string_equal(info.replaced, "");
}

static void a_seed_repeats_itself(void **state)
{
    hone_error err;
    float *a, *b;
    (void)state;
    hone_synth_options o = {.preset = "smollm2-135m", .type = "Q8_0", .n_layer = 1};
    for (int seed = 0; seed < 2; seed++) {
        hone_model *m;
        hone_tensor_info t;
        o.seed = (uint64_t)seed;
        for (int i = 0; i < 2; i++) {
            assert_ok(hone_synth(path, &o, NULL, &err));
            assert_ok(hone_model_open(&m, path, 0, &err));
            assert_ok(hone_model_read_tensor(m, "blk.0.attn_k.weight", i ? &b : &a, &t,
                                             &err));
            hone_model_close(m);
        }
        assert_memory_equal(a, b, 192 * 576 * sizeof *a);
        hone_data_free(a);
        hone_data_free(b);
    }
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void faults_are_named(void **state)
{
    hone_error err;
    (void)state;
    unlink(path);
    hone_synth_options o = {.preset = "gpt-9", .type = "Q8_0"};
    assert_fails(hone_synth(path, &o, NULL, &err), HONE_E_INVALID,
                 "unknown preset 'gpt-9'; known are smollm2-135m");
    o.preset = "smollm2-135m";
    o.type = "I8";
    assert_fails(hone_synth(path, &o, NULL, &err), HONE_E_INVALID, "unknown type 'I8'");
    o.type = NULL;
    assert_fails(hone_synth(path, &o, NULL, &err), HONE_E_INVALID, "unknown type ''");
    o.type = "Q8_0";
    o.n_layer = -1;
    assert_fails(hone_synth(path, &o, NULL, &err), HONE_E_INVALID, "found -1");
    o.n_layer = 1;
    assert_fails(hone_synth("/nowhere/at/all.gguf", &o, NULL, &err), HONE_E_NOT_FOUND,
                 "synth: write /nowhere/at/all.gguf");
    o.interrupt = at_once;
    assert_fails(hone_synth(path, &o, NULL, &err), HONE_E_CANCELLED, "interrupted");
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_runs),
        cmocka_unit_test(every_preset_opens),
        cmocka_unit_test(odd_widths_take_smaller_blocks),
        cmocka_unit_test(a_seed_repeats_itself),
        cmocka_unit_test(faults_are_named),
    };
    return cmocka_run_group_tests_name("synth", tests, make_dir, remove_dir);
}
