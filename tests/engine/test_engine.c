/* test_engine.c - sequences: the same logits bit for bit however tokens are fed, budgets,
 * interrupts, reuse. */
#include "check.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "hone/hone.h"

enum {
    N_TOKEN = 70
};

static int32_t token[N_TOKEN];

static const char *const kv_types[] = {NULL, "f32", "bf16", "q8_0", "q4_0", "q8_0,f16"};

static hone_model *open_model(void)
{
    hone_error err;
    hone_model *m;
    assert_ok(hone_model_open(&m, data_path("models/qwen3"), 0, &err));
    for (int i = 0; i < N_TOKEN; i++) {
        token[i] = (int32_t)(hone_rng_u32(test_rng()) % 61);
    }
    return m;
}

/* Logits after all tokens, fed in calls of `call` tokens. */
static void final_logits(const hone_model *m, hone_engine_options o, size_t call,
                         float *out)
{
    hone_error err;
    hone_engine *e;
    hone_sequence *s;
    assert_ok(hone_engine_new(&e, m, &o, &err));
    assert_ok(hone_sequence_new(&s, e, &err));
    for (size_t at = 0; at < N_TOKEN; at += call) {
        const size_t n = N_TOKEN - at < call ? N_TOKEN - at : call;
        assert_ok(hone_sequence_append(s, token + at, n, &err));
    }
    memcpy(out, hone_sequence_logits(s), 61 * sizeof *out);
    hone_sequence_free(s);
    hone_engine_free(e);
}

static void logits_do_not_depend_on_threads_batches_or_calls(void **state)
{
    static const hone_engine_options options[] = {{.n_thread = 1},
                                                  {.n_thread = 2},
                                                  {.n_thread = 5},
                                                  {.n_thread = 2, .n_batch = 1},
                                                  {.n_thread = 2, .n_batch = 3},
                                                  {.n_thread = 3, .n_batch = 33}};
    static const size_t calls[] = {1, 2, 7, 33, N_TOKEN};
    hone_model *m = open_model();
    float first[61], other[61];
    (void)state;
    for (size_t t = 0; t < sizeof kv_types / sizeof kv_types[0]; t++) {
        hone_engine_options o = options[0];
        o.kv_type = kv_types[t];
        final_logits(m, o, N_TOKEN, first);
        for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
            for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++) {
                o = options[i];
                o.kv_type = kv_types[t];
                final_logits(m, o, calls[c], other);
                assert_memory_equal(first, other, sizeof first);
            }
        }
    }
    hone_model_close(m);
}

static void a_truncated_sequence_goes_on_as_if_new(void **state)
{
    hone_error err;
    hone_model *m = open_model();
    hone_engine *e;
    hone_sequence *a, *b;
    float want[61];
    (void)state;
    assert_ok(hone_engine_new(&e, m, NULL, &err));
    assert_ok(hone_sequence_new(&a, e, &err));
    assert_ok(hone_sequence_new(&b, e, &err));
    assert_ok(hone_sequence_append(a, token, 40, &err));
    assert_ok(
        hone_sequence_append(b, token + 20, 30, &err)); /* another one in between */
    hone_sequence_truncate(a, 10);
    assert_null(hone_sequence_logits(a));
    assert_ok(hone_sequence_append(a, token + 50, 20, &err));
    memcpy(want, hone_sequence_logits(a), sizeof want);
    hone_sequence_truncate(b, 0);
    assert_ok(hone_sequence_append(b, token, 10, &err));
    assert_ok(hone_sequence_append(b, token + 50, 20, &err));
    assert_memory_equal(want, hone_sequence_logits(b), sizeof want);
    hone_sequence_free(a);
    hone_sequence_free(b);
    assert_int_equal(hone_engine_get_info(e).kv_bytes_used, 0);
    hone_engine_free(e);
    hone_model_close(m);
}

static void limits_are_named(void **state)
{
    hone_error err;
    hone_model *m = open_model();
    hone_engine *e;
    hone_sequence *s;
    (void)state;
    hone_engine_options o = {.n_ctx = 20};
    assert_ok(hone_engine_new(&e, m, &o, &err));
    assert_ok(hone_sequence_new(&s, e, &err));
    assert_fails(hone_sequence_append(s, token, 21, &err), HONE_E_LIMIT,
                 "at most 20 tokens, found 21");
    const int32_t bad = 61;
    assert_fails(hone_sequence_append(s, &bad, 1, &err), HONE_E_INVALID,
                 "expected 0 to 60, found 61");
    assert_ok(hone_sequence_append(s, token, 20, &err));
    hone_sequence_free(s);
    hone_engine_free(e);
    static const char *const bad_types[] = {"q4_K", "q8_0,",    "q8_0,q8_0,q8_0", ",",
                                            "",     "f16,q4_1", "float"};
    for (size_t i = 0; i < sizeof bad_types / sizeof bad_types[0]; i++) {
        o = (hone_engine_options){.kv_type = bad_types[i]};
        assert_fails(hone_engine_new(&e, m, &o, &err), HONE_E_INVALID, "kv type");
    }
    o = (hone_engine_options){.kernels = "sse9"};
    assert_fails(hone_engine_new(&e, m, &o, &err), HONE_E_INVALID, "sse9");
    o = (hone_engine_options){.n_ctx = 100, .kv_bytes = 4096};
    assert_fails(hone_engine_new(&e, m, &o, &err), HONE_E_LIMIT, "needs");
    o = (hone_engine_options){.kv_bytes = 1};
    assert_fails(hone_engine_new(&e, m, &o, &err), HONE_E_LIMIT, "page");
    o = (hone_engine_options){.n_sequence = 9, .n_batch = 8};
    assert_fails(hone_engine_new(&e, m, &o, &err), HONE_E_INVALID, "1 to 8, found 9");
    o = (hone_engine_options){.n_thread = -1};
    assert_fails(hone_engine_new(&e, m, &o, &err), HONE_E_INVALID, "threads");
    hone_model_close(m);
}

static bool stop_soon(void *ctx)
{
    return --*(int *)ctx < 0;
}

static void an_interrupt_ends_the_call(void **state)
{
    hone_error err;
    hone_model *m = open_model();
    hone_engine *e;
    hone_sequence *s;
    int left = 3;
    size_t n;
    (void)state;
    const hone_engine_options o = {
        .n_batch = 4, .interrupt = stop_soon, .interrupt_ctx = &left};
    assert_ok(hone_engine_new(&e, m, &o, &err));
    assert_ok(hone_sequence_new(&s, e, &err));
    assert_fails(hone_sequence_append(s, token, 40, &err), HONE_E_CANCELLED,
                 "interrupted");
    (void)hone_sequence_tokens(s, &n);
    assert_int_equal(n, 12);
    hone_sequence_free(s);
    hone_engine_free(e);
    hone_model_close(m);
}

/* Logits of token[first .. first+n) alone. */
static void logits_alone(const hone_model *m, const char *kv_type, size_t first,
                         size_t n, float *out)
{
    const hone_engine_options o = {.kv_type = kv_type};
    hone_error err;
    hone_engine *e;
    hone_sequence *s;
    assert_ok(hone_engine_new(&e, m, &o, &err));
    assert_ok(hone_sequence_new(&s, e, &err));
    assert_ok(hone_sequence_append(s, token + first, n, &err));
    memcpy(out, hone_sequence_logits(s), 61 * sizeof *out);
    hone_sequence_free(s);
    hone_engine_free(e);
}

/* Sequence i holds token[7 i .. 7 i + length[i]). */
enum {
    N_TOGETHER = 5
};
static const size_t length[N_TOGETHER] = {1, 33, 2, 20, 7};

/* Feed all sequences in calls of at most `call` tokens each, together. */
static void append_together(hone_sequence **s, size_t call)
{
    hone_error err;
    size_t done = 0;
    while (done < 33) {
        hone_step_item item[N_TOGETHER];
        size_t n = 0;
        for (size_t i = 0; i < N_TOGETHER; i++) {
            if (length[i] <= done) continue;
            const size_t left = length[i] - done;
            item[n++] = (hone_step_item){s[i], token + 7 * i + done,
                                         left < call ? left : call, 1};
        }
        assert_ok(hone_engine_append(hone_sequence_engine(s[0]), item, n, &err));
        for (size_t i = 0; i < n; i++) {
            assert_non_null(hone_sequence_logits(item[i].sequence));
        }
        done += call;
    }
}

static void check_company(const hone_model *m, const char *kv_type)
{
    static const hone_engine_options options[] = {
        {.n_thread = 2},
        {.n_thread = 1, .n_batch = 5, .n_sequence = 5},
        {.n_thread = 3, .n_batch = 6, .n_sequence = 5},
        {.n_thread = 2, .n_batch = 20, .n_sequence = 16}};
    static const size_t calls[] = {1, 3, 33};
    float alone[N_TOGETHER][61], next[N_TOGETHER][61];
    for (size_t i = 0; i < N_TOGETHER; i++) {
        logits_alone(m, kv_type, 7 * i, length[i], alone[i]);
        logits_alone(m, kv_type, 7 * i, length[i] + 1, next[i]);
    }
    for (size_t o = 0; o < sizeof options / sizeof options[0]; o++) {
        for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++) {
            hone_error err;
            hone_engine *e;
            hone_sequence *s[N_TOGETHER];
            hone_step_item one[N_TOGETHER];
            hone_engine_options with = options[o];
            with.kv_type = kv_type;
            assert_ok(hone_engine_new(&e, m, &with, &err));
            for (size_t i = 0; i < N_TOGETHER; i++) {
                assert_ok(hone_sequence_new(&s[i], e, &err));
                one[i] = (hone_step_item){s[i], token + 7 * i + length[i], 1, 1};
            }
            append_together(s, calls[c]);
            if (calls[c] == 33) {
                for (size_t i = 0; i < N_TOGETHER; i++) {
                    assert_memory_equal(alone[i], hone_sequence_logits(s[i]),
                                        sizeof alone[i]);
                }
            }
            assert_ok(hone_engine_append(e, one, N_TOGETHER, &err));
            for (size_t i = 0; i < N_TOGETHER; i++) {
                assert_memory_equal(next[i], hone_sequence_logits(s[i]),
                                    sizeof next[i]);
                hone_sequence_free(s[i]);
            }
            assert_int_equal(hone_engine_get_info(e).kv_bytes_used, 0);
            hone_engine_free(e);
        }
    }
}

static void logits_do_not_depend_on_company(void **state)
{
    hone_model *m = open_model();
    (void)state;
    for (size_t t = 0; t < sizeof kv_types / sizeof kv_types[0]; t++) {
        check_company(m, kv_types[t]);
    }
    hone_model_close(m);
}

static uint64_t used(const hone_engine *e)
{
    return hone_engine_get_info(e).kv_bytes_used;
}

static void a_refused_append_has_run_nothing(void **state)
{
    hone_error err;
    hone_model *m = open_model();
    hone_engine *e;
    hone_sequence *a, *b, *c;
    size_t n;
    (void)state;
    const hone_engine_options o = {.n_ctx = 32, .page_len = 8, .n_sequence = 2};
    assert_ok(hone_engine_new(&e, m, &o, &err));
    assert_ok(hone_sequence_new(&a, e, &err));
    assert_ok(hone_sequence_new(&b, e, &err));
    assert_ok(hone_sequence_new(&c, e, &err));
    const int32_t bad = -1;
    hone_step_item item[3] = {{a, token, 10, 1}, {b, &bad, 1, 1}, {c, token, 1, 1}};
    assert_fails(hone_engine_append(e, item, 2, &err), HONE_E_INVALID, "found -1");
    assert_fails(hone_engine_append(e, item, 3, &err), HONE_E_LIMIT,
                 "at most 2, found 3");
    item[1] = (hone_step_item){b, token, 0, 1};
    assert_fails(hone_engine_append(e, item, 2, &err), HONE_E_INVALID,
                 "item 1: no tokens");
    item[1] = (hone_step_item){a, token, 1, 1};
    assert_fails(hone_engine_append(e, item, 2, &err), HONE_E_INVALID,
                 "a sequence twice");
    item[1] = (hone_step_item){b, token, 33, 1};
    assert_fails(hone_engine_append(e, item, 2, &err), HONE_E_LIMIT,
                 "at most 32 tokens, found 33");
    assert_int_equal(used(e), 0);

    assert_ok(hone_sequence_append(c, token, 32, &err));
    const uint64_t page = used(e) / 4;
    item[1] = (hone_step_item){b, token, 25, 1}; /* 2 + 4 of the 4 pages left */
    assert_fails(hone_engine_append(e, item, 2, &err), HONE_E_LIMIT, "16 of 25");
    assert_int_equal(used(e), 4 * page);
    (void)hone_sequence_tokens(a, &n);
    assert_int_equal(n, 0);
    assert_null(hone_sequence_logits(a));
    item[1].n = 16;
    assert_ok(hone_engine_append(e, item, 2, &err));
    assert_int_equal(used(e), 8 * page);
    assert_null(hone_sequence_logits(c));
    hone_sequence_truncate(c, 9);
    assert_int_equal(used(e), 6 * page);
    assert_non_null(hone_sequence_logits(a));
    hone_sequence_free(a);
    hone_sequence_free(b);
    hone_sequence_free(c);
    assert_int_equal(used(e), 0);
    hone_engine_free(e);
    hone_model_close(m);
}

static void an_interrupt_keeps_what_has_run(void **state)
{
    hone_error err;
    hone_model *m = open_model();
    hone_engine *e;
    hone_sequence *a, *b;
    int left = 2;
    size_t n_a, n_b;
    (void)state;
    const hone_engine_options o = {.n_batch = 8,
                                   .page_len = 8,
                                   .n_sequence = 2,
                                   .interrupt = stop_soon,
                                   .interrupt_ctx = &left};
    assert_ok(hone_engine_new(&e, m, &o, &err));
    assert_ok(hone_sequence_new(&a, e, &err));
    assert_ok(hone_sequence_new(&b, e, &err));
    const hone_step_item item[2] = {{a, token, 1, 1}, {b, token, 40, 1}};
    assert_fails(hone_engine_append(e, item, 2, &err), HONE_E_CANCELLED, "interrupted");
    (void)hone_sequence_tokens(a, &n_a);
    (void)hone_sequence_tokens(b, &n_b);
    assert_int_equal(n_a, 0);
    assert_int_equal(n_b, 16);
    assert_null(hone_sequence_logits(b));
    const uint64_t page = used(e) / 2;
    left = 100;
    assert_ok(hone_sequence_append(b, token, 1, &err));
    assert_int_equal(used(e), 3 * page);
    hone_sequence_free(a);
    hone_sequence_free(b);
    hone_engine_free(e);
    hone_model_close(m);
}

static void generation_reuses_a_common_beginning(void **state)
{
    hone_error err;
    hone_model *m = open_model();
    hone_engine *e;
    hone_sequence *s;
    hone_generation a = {0}, b = {0};
    (void)state;
    assert_ok(hone_engine_new(&e, m, NULL, &err));
    assert_ok(hone_sequence_new(&s, e, &err));
    hone_generate_options o = hone_generate_options_default();
    o.sampling.temperature = 0.0f;
    o.n_max = 8;
    o.n_logprob = 2;
    assert_ok(hone_generate(s, token, 30, &o, NULL, NULL, &a, &err));
    assert_int_equal(a.n_reused, 0);
    assert_int_equal(a.tokens.len, 8);
    assert_int_equal(a.finish, HONE_FINISH_LENGTH);
    assert_ok(hone_generate(s, token, 30, &o, NULL, NULL, &b, &err));
    assert_int_equal(b.n_reused, 29);
    assert_memory_equal(a.tokens.id, b.tokens.id, 8 * sizeof(int32_t));
    assert_fails(hone_generate(s, token, 0, &o, NULL, NULL, &b, &err), HONE_E_INVALID,
                 "no tokens");
    hone_generation_release(&a);
    hone_generation_release(&b);
    hone_sequence_free(s);
    hone_engine_free(e);
    hone_model_close(m);
}

/* A file goes on where its sequence ended, under the same types only: pages of "q8_0,f16"
 * and "f16,q8_0" are as long as each other. */
static void a_file_is_of_its_types(void **state)
{
    hone_error err;
    hone_model *m = open_model();
    char path[] = "/tmp/hone-sequence-XXXXXX";
    float want[61];
    static const char *const types[] = {"q8_0,f16", "f16,q8_0", "q8_0,f16"};
    const int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (int i = 0; i < 3; i++) {
        hone_engine *e;
        hone_sequence *s;
        const hone_engine_options o = {.kv_type = types[i]};
        assert_ok(hone_engine_new(&e, m, &o, &err));
        assert_ok(hone_sequence_new(&s, e, &err));
        if (i == 0) {
            assert_ok(hone_sequence_append(s, token, 40, &err));
            assert_ok(hone_sequence_save(s, path, &err));
            assert_ok(hone_sequence_append(s, token + 40, 5, &err));
            memcpy(want, hone_sequence_logits(s), sizeof want);
        } else if (i == 1) {
            assert_fails(hone_sequence_load(s, path, &err), HONE_E_FORMAT, "K/V type");
        } else {
            assert_ok(hone_sequence_load(s, path, &err));
            assert_ok(hone_sequence_append(s, token + 40, 5, &err));
            assert_memory_equal(want, hone_sequence_logits(s), sizeof want);
        }
        hone_sequence_free(s);
        hone_engine_free(e);
    }
    unlink(path);
    hone_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_do_not_depend_on_threads_batches_or_calls),
        cmocka_unit_test(a_truncated_sequence_goes_on_as_if_new),
        cmocka_unit_test(limits_are_named),
        cmocka_unit_test(an_interrupt_ends_the_call),
        cmocka_unit_test(logits_do_not_depend_on_company),
        cmocka_unit_test(a_refused_append_has_run_nothing),
        cmocka_unit_test(an_interrupt_keeps_what_has_run),
        cmocka_unit_test(generation_reuses_a_common_beginning),
        cmocka_unit_test(a_file_is_of_its_types),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
