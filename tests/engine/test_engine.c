/* test_engine.c - sequences: the same logits bit for bit however tokens are fed, budgets,
 * interrupts, reuse. */
#include "check.h"

#include "base/mem.h"
#include "hone/hone.h"

enum {
    N_TOKEN = 70
};

static int32_t token[N_TOKEN];

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
    final_logits(m, options[0], N_TOKEN, first);
    for (size_t o = 0; o < sizeof options / sizeof options[0]; o++) {
        for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++) {
            final_logits(m, options[o], calls[c], other);
            assert_memory_equal(first, other, sizeof first);
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
    o = (hone_engine_options){.kv_type = "q4_0"};
    assert_fails(hone_engine_new(&e, m, &o, &err), HONE_E_INVALID, "kv type");
    o = (hone_engine_options){.kernels = "sse9"};
    assert_fails(hone_engine_new(&e, m, &o, &err), HONE_E_INVALID, "sse9");
    o = (hone_engine_options){.n_ctx = 100, .kv_bytes = 4096};
    assert_fails(hone_engine_new(&e, m, &o, &err), HONE_E_LIMIT, "needs");
    o = (hone_engine_options){.kv_bytes = 1};
    assert_fails(hone_engine_new(&e, m, &o, &err), HONE_E_LIMIT, "page");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_do_not_depend_on_threads_batches_or_calls),
        cmocka_unit_test(a_truncated_sequence_goes_on_as_if_new),
        cmocka_unit_test(limits_are_named),
        cmocka_unit_test(an_interrupt_ends_the_call),
        cmocka_unit_test(generation_reuses_a_common_beginning),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
