/* test_bench.c - the benchmark: which cases it runs, what it counts, what it refuses.
 * How fast anything is is not tested. */
#include "check.h"

#include "engine/bench_cost.h"
#include "hone/hone.h"

static hone_model *open_model(const char *name)
{
    hone_error err;
    hone_model *m;
    assert_ok(hone_model_open(&m, data_path(name), 0, &err));
    return m;
}

static void every_case_is_measured(void **state)
{
    hone_error err;
    (void)state;
    hone_model *m = open_model("models/qwen3");
    const hone_bench_case c[] = {
        {.test = HONE_BENCH_PREFILL, .n = 40, .n_thread = 1},
        {.test = HONE_BENCH_DECODE, .n = 5, .depth = 33, .n_thread = 2},
        {.test = HONE_BENCH_DECODE, .n = 20, .depth = 33, .batch = 4, .n_thread = 2},
        {.test = HONE_BENCH_PREFILL, .n = 600, .depth = 1, .batch = 3, .n_thread = 2}};
    hone_bench_result r[4];
    const hone_bench_options o = {.n_rep = 3, .kv_type = "bf16"};
    assert_ok(hone_bench_run(m, c, 4, &o, r, &err));
    for (int i = 0; i < 4; i++) {
        const hone_bench_spread *t = &r[i].tokens_per_s;
        assert_int_equal(r[i].n_rep, 3);
        assert_int_equal(r[i].c.n, c[i].n);
        assert_int_equal(r[i].c.batch, c[i].batch ? c[i].batch : 1);
        assert_true(t->min > 0.0 && t->min <= t->median && t->median <= t->max);
        assert_true(r[i].bytes_per_s > 0.0 && r[i].ops_per_s > 0.0);
        assert_true(r[i].fraction_of_limit > 0.0);
        assert_true(r[i].machine.read_bytes_per_s > 0.0);
        assert_string_equal(r[i].arithmetic, "f32");
    }
    assert_true(r[0].fraction_of_limit == r[0].fraction_of_arithmetic);
    assert_true(r[1].fraction_of_limit == r[1].fraction_of_read);
    hone_model_close(m);
}

static bool stop_soon(void *ctx)
{
    return --*(int *)ctx < 0;
}

static void an_interrupt_keeps_what_was_measured(void **state)
{
    hone_error err;
    (void)state;
    hone_model *m = open_model("models/qwen3");
    const hone_bench_case c[2] = {{.test = HONE_BENCH_PREFILL, .n = 10, .n_thread = 1},
                                  {.test = HONE_BENCH_DECODE, .n = 3, .n_thread = 1}};
    hone_bench_result r[2];
    int left = 1 + 3 + 1 + 3 + 1; /* steps of warm-up, one repetition, one prefill */
    const hone_bench_options o = {
        .n_rep = 5, .interrupt = stop_soon, .interrupt_ctx = &left};
    assert_ok(hone_bench_run(m, c, 2, &o, r, &err));
    assert_int_equal(r[0].n_rep, 2);
    assert_int_equal(r[1].n_rep, 1);
    left = 0;
    assert_ok(hone_bench_run(m, c, 2, &o, r, &err));
    assert_int_equal(r[0].n_rep, 0);
    hone_model_close(m);
}

static void faults_are_named(void **state)
{
    hone_error err;
    (void)state;
    hone_model *m = open_model("models/qwen3");
    hone_bench_case c = {.test = HONE_BENCH_DECODE, .n = 0, .n_thread = 1};
    hone_bench_options o = {0};
    hone_bench_result r = {.n_rep = 77};
    assert_fails(hone_bench_run(m, &c, 1, NULL, &r, &err), HONE_E_INVALID,
                 "bench: decode: expected 1 to");
    c.n = 1;
    c.depth = -1;
    assert_fails(hone_bench_run(m, &c, 1, NULL, &r, &err), HONE_E_INVALID, "depth");
    c.depth = 0;
    c.batch = 513;
    assert_fails(hone_bench_run(m, &c, 1, NULL, &r, &err), HONE_E_INVALID, "batch");
    c.batch = 512;
    c.n = 1 << 24;
    assert_fails(hone_bench_run(m, &c, 1, NULL, &r, &err), HONE_E_NOMEM,
                 "keys and values of 512 sequences");
    c = (hone_bench_case){.test = HONE_BENCH_DECODE, .n = 1, .n_thread = 1};
    o.kv_type = "q9";
    assert_fails(hone_bench_run(m, &c, 1, &o, &r, &err), HONE_E_INVALID, "q9");
    o = (hone_bench_options){.kernels = "sse9"};
    assert_fails(hone_bench_run(m, &c, 1, &o, &r, &err), HONE_E_INVALID, "sse9");
    o = (hone_bench_options){.n_rep = -1};
    assert_fails(hone_bench_run(m, &c, 1, &o, &r, &err), HONE_E_INVALID, "repetitions");
    assert_int_equal(r.n_rep, 77);
    hone_model_close(m);
}

/* Against sums made by hand from the shapes. */
static void work_is_counted_from_the_shapes(void **state)
{
    hone_error err;
    (void)state;
    hone_model *m = open_model("models/qwen3");
    const hone_model_info *i = hone_model_get_info(m);
    hone_bench_cost c;
    assert_ok(hone_bench_cost_init(&c, m, "f16", &err));
    const double q = i->n_head * i->d_head, kv = i->n_head_kv * i->d_head;
    const double layer = i->d_model * (2 * q + 2 * kv) + 3.0 * i->d_model * i->d_ff;
    assert_true(c.body_macs == i->n_layer * layer);
    assert_true(c.head_macs == (double)i->n_vocab * i->d_model);
    assert_true(c.body_bytes == 4 * c.body_macs && c.head_bytes == 4 * c.head_macs);
    assert_true(c.attention_macs == i->n_layer * 2 * q);
    assert_true(c.kv_bytes == i->n_layer * 2 * kv * 2);

    hone_bench_case d = {.test = HONE_BENCH_DECODE, .n = 2, .depth = 10, .batch = 3};
    hone_bench_work w = hone_bench_work_of(&c, &d, 512);
    assert_true(w.ops ==
                2 * 3 *
                    (2 * (c.body_macs + c.head_macs) + (11 + 12) * c.attention_macs));
    assert_true(w.bytes ==
                2 * (c.body_bytes + c.head_bytes) + 3 * (11 + 1 + 12 + 1) * c.kv_bytes);

    hone_bench_case p = {.test = HONE_BENCH_PREFILL, .n = 6, .depth = 1, .batch = 1};
    w = hone_bench_work_of(&c, &p, 4); /* steps of 4 and 2 rows */
    assert_true(w.ops == 2 * (6 * c.body_macs + c.head_macs +
                              (2 + 3 + 4 + 5 + 6 + 7) * c.attention_macs));
    assert_true(w.bytes ==
                2 * c.body_bytes + c.head_bytes + (5 + 4 + 7 + 2) * c.kv_bytes);
    hone_model_close(m);

    m = open_model("models/qwen2_window");
    assert_ok(hone_bench_cost_init(&c, m, "f16", &err));
    assert_true(c.window > 0 && c.window_macs > 0 && c.kv_window_bytes > 0);
    d = (hone_bench_case){.test = HONE_BENCH_DECODE, .n = 1, .depth = 500, .batch = 1};
    w = hone_bench_work_of(&c, &d, 512);
    assert_true(w.ops == 2 * (c.body_macs + c.head_macs + 501 * c.attention_macs +
                              c.window * c.window_macs));
    hone_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_is_measured),
        cmocka_unit_test(an_interrupt_keeps_what_was_measured),
        cmocka_unit_test(faults_are_named),
        cmocka_unit_test(work_is_counted_from_the_shapes),
    };
    return cmocka_run_group_tests_name("bench", tests, NULL, NULL);
}
