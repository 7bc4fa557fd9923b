/* test_prefix.c - pages shared between sequences: forks, the prefix cache, eviction; the
 * same logits bit for bit as without sharing. */
#include "check.h"

#include "hone/hone.h"

enum {
    N_TOKEN = 90,
    N_VOCAB = 61,
    PAGE_LEN = 8 /* sums of attention go page by page, so bits depend on it */
};

static int32_t token[N_TOKEN];
static hone_model *model;
static hone_engine *engine;
static const char *kv_type; /* NULL: the default */

static int open_all(void **state)
{
    hone_error err;
    (void)state;
    assert_ok(hone_model_open(&model, data_path("models/qwen3"), 0, &err));
    for (int i = 0; i < N_TOKEN; i++) {
        token[i] = (int32_t)(hone_rng_u32(test_rng()) % N_VOCAB);
    }
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    hone_model_close(model);
    return 0;
}

static void start(hone_engine_options o)
{
    hone_error err;
    o.page_len = PAGE_LEN;
    o.n_thread = 2;
    o.kv_type = kv_type;
    assert_ok(hone_engine_new(&engine, model, &o, &err));
}

static uint64_t used(void)
{
    return hone_engine_get_info(engine).kv_bytes_used;
}

static uint64_t cached(void)
{
    return hone_engine_get_info(engine).kv_bytes_cached;
}

static hone_sequence *new_sequence(void)
{
    hone_error err;
    hone_sequence *s;
    assert_ok(hone_sequence_new(&s, engine, &err));
    return s;
}

static void append(hone_sequence *s, const int32_t *id, size_t n)
{
    hone_error err;
    assert_ok(hone_sequence_append(s, id, n, &err));
}

/* Logits after the tokens in an engine that shares nothing. */
static void plain_logits(const int32_t *id, size_t n, float out[N_VOCAB])
{
    hone_error err;
    hone_engine *e;
    hone_sequence *s;
    const hone_engine_options o = {.page_len = PAGE_LEN, .kv_type = kv_type};
    assert_ok(hone_engine_new(&e, model, &o, &err));
    assert_ok(hone_sequence_new(&s, e, &err));
    assert_ok(hone_sequence_append(s, id, n, &err));
    memcpy(out, hone_sequence_logits(s), N_VOCAB * sizeof *out);
    hone_sequence_free(s);
    hone_engine_free(e);
}

/* s holds id[0..n) by now: going on gives what it gives without sharing. */
static void assert_same(hone_sequence *s, const int32_t *id, size_t n)
{
    float want[N_VOCAB];
    size_t have;
    const int32_t *tokens = hone_sequence_tokens(s, &have);
    assert_int_equal(have, n);
    assert_memory_equal(tokens, id, n * sizeof *id);
    plain_logits(id, n, want);
    assert_memory_equal(want, hone_sequence_logits(s), sizeof want);
}

static void forks_go_their_own_ways(void **state)
{
    hone_error err;
    (void)state;
    start((hone_engine_options){.kv_bytes = 1 << 20});
    int32_t other[N_TOKEN];
    memcpy(other, token, sizeof other);
    for (size_t n = 1; n <= 17; n += 4) {
        hone_sequence *a = new_sequence(), *b;
        append(a, token, 20);
        const uint64_t before = used();
        assert_ok(hone_sequence_fork(&b, a, n, &err));
        assert_int_equal(used(), before);
        for (size_t i = n; i < 40; i++) {
            other[i] = (token[i] + 7) % N_VOCAB;
        }
        append(b, other + n, 30 - n);
        append(a, token + 20, 9);
        assert_same(a, token, 29);
        append(b, other + 30, 5);
        assert_same(b, other, 35);
        memcpy(other, token, sizeof other);
        hone_sequence_free(a);
        hone_sequence_free(b);
    }
    assert_int_equal(used(), 0);
    hone_engine_free(engine);
}

static void a_beginning_is_computed_once(void **state)
{
    (void)state;
    start((hone_engine_options){.kv_bytes = 1 << 20, .cache = true});
    hone_sequence *a = new_sequence(), *b = new_sequence(), *c = new_sequence();
    append(a, token, 20);
    /* full pages are there while the first is still running */
    assert_int_equal(hone_sequence_attach(b, token, 40), 16);
    append(b, token + 16, 24);
    assert_same(b, token, 40);
    hone_sequence_free(a);
    /* the beginning of a page is found too */
    int32_t other[40];
    memcpy(other, token, sizeof other);
    other[29] = (other[29] + 1) % N_VOCAB;
    assert_int_equal(hone_sequence_attach(c, other, 40), 29);
    append(c, other + 29, 11);
    assert_same(c, other, 40);
    append(b, token + 40, 10);
    assert_same(b, token, 50);
    hone_sequence_free(b);
    hone_sequence_free(c);
    assert_int_equal(used(), 0);
    assert_true(cached() > 0);
    /* so is the open page of a sequence that ended */
    a = new_sequence();
    assert_int_equal(hone_sequence_attach(a, token, 60), 50);
    append(a, token + 50, 10);
    assert_same(a, token, 60);
    hone_sequence_free(a);
    hone_engine_free(engine);
}

static void two_that_compute_the_same_keep_one_copy(void **state)
{
    hone_error err;
    (void)state;
    start((hone_engine_options){.kv_bytes = 1 << 20, .cache = true});
    hone_sequence *a = new_sequence(), *b = new_sequence();
    const hone_step_item both[2] = {{a, token, 32, 1}, {b, token, 32, 1}};
    assert_ok(hone_engine_step(engine, both, 2, &err));
    const uint64_t four = used();
    hone_sequence_free(a);
    assert_int_equal(used(), four);
    append(b, token + 32, 3);
    assert_same(b, token, 35);
    hone_sequence_free(b);
    hone_engine_free(engine);
}

static void the_least_used_gives_way(void **state)
{
    hone_error err;
    (void)state;
    start((hone_engine_options){.n_ctx = 32, .cache = true});
    const uint64_t page = hone_engine_get_info(engine).kv_bytes / 4;
    hone_sequence *a = new_sequence();
    append(a, token, 16);
    hone_sequence_free(a);
    a = new_sequence();
    append(a, token + 40, 8);
    hone_sequence_free(a);
    assert_int_equal(cached(), 3 * page);
    a = new_sequence();
    assert_int_equal(hone_sequence_attach(a, token, 8), 8); /* used again */
    hone_sequence_truncate(a, 0);
    append(a, token + 60, 16); /* one free page, one evicted */
    hone_sequence_free(a);
    a = new_sequence();
    assert_int_equal(hone_sequence_attach(a, token, 16),
                     8); /* its end was the oldest */
    append(a, token + 8, 24);
    assert_same(a, token, 32);
    hone_sequence *b = new_sequence();
    assert_fails(hone_sequence_append(b, token + 60, 1, &err), HONE_E_LIMIT,
                 "0 of 1 tokens fit");
    hone_sequence_free(a);
    append(b, token + 60, 20);
    assert_same(b, token + 60, 20);
    hone_sequence_free(b);
    assert_int_equal(used(), 0);
    hone_engine_free(engine);
}

static void pages_come_back_from_disk(void **state)
{
    hone_error err;
    (void)state;
    hone_engine_options o = {.n_ctx = 32, .cache = true, .disk_dir = "/tmp"};
    o.page_len = PAGE_LEN;
    assert_fails(hone_engine_new(&engine, model, &o, &err), HONE_E_LIMIT, "found 0");
    o.disk_bytes = 1 << 20;
    o.disk_dir = "/no/such/folder";
    assert_fails(hone_engine_new(&engine, model, &o, &err), HONE_E_IO, "No such file");
    o.disk_dir = "/tmp";
    start(o);
    const uint64_t page = hone_engine_get_info(engine).kv_bytes / 4;
    for (int i = 0; i < 3; i++) { /* each takes the whole pool */
        hone_sequence *s = new_sequence();
        append(s, token + 20 * i, 32);
        hone_sequence_free(s);
    }
    assert_int_equal(hone_engine_get_info(engine).disk_bytes_used, 8 * page);
    for (int i = 0; i < 3; i++) {
        hone_sequence *s = new_sequence();
        assert_int_equal(hone_sequence_attach(s, token + 20 * i, 31), 31);
        hone_sequence_truncate(s, 24); /* room for a page of its own */
        append(s, token + 20 * i + 24, 8);
        assert_same(s, token + 20 * i, 32);
        hone_sequence_free(s);
    }
    hone_engine_free(engine);
    /* a store of two pages keeps the beginnings that were used last */
    o.disk_bytes = 2 * page;
    start(o);
    for (int i = 0; i < 3; i++) {
        hone_sequence *s = new_sequence();
        append(s, token + 20 * i, 32);
        hone_sequence_free(s);
    }
    assert_int_equal(hone_engine_get_info(engine).disk_bytes_used, 2 * page);
    hone_sequence *s = new_sequence();
    const size_t have = hone_sequence_attach(s, token + 20, 32);
    assert_true(have == 0 || have == 8 || have == 16);
    append(s, token + 20 + have, 32 - have);
    assert_same(s, token + 20, 32);
    hone_sequence_free(s);
    hone_engine_free(engine);
}

/* Random sequences that begin, fork, go on, are cut and end, in a pool that is too small
 * for all: tokens and logits are always what they are alone. */
static void share_at_random(hone_engine_options options)
{
    enum {
        N = 6
    };
    hone_error err;
    hone_sequence *s[N] = {0};
    int32_t id[N][N_TOKEN];
    size_t n[N] = {0};
    options.n_ctx = N_TOKEN;
    options.n_sequence = 2;
    options.cache = true;
    start(options);
    for (int round = 0; round < 400; round++) {
        const size_t i = hone_rng_u32(test_rng()) % N;
        const size_t j = hone_rng_u32(test_rng()) % N;
        const unsigned what = hone_rng_u32(test_rng()) % 8;
        if (!s[i]) {
            s[i] = new_sequence();
            n[i] = hone_sequence_attach(s[i], token, hone_rng_u32(test_rng()) % 60);
            memcpy(id[i], token, n[i] * sizeof(int32_t));
        } else if (what == 0) {
            hone_sequence_free(s[i]);
            s[i] = NULL;
        } else if (what == 1 && i != j && n[i] > 0) {
            hone_sequence_free(s[j]);
            n[j] = hone_rng_u32(test_rng()) % n[i];
            memcpy(id[j], id[i], n[j] * sizeof(int32_t));
            assert_ok(hone_sequence_fork(&s[j], s[i], n[j], &err));
        } else if (what == 2 && n[i] > 0) {
            n[i] = hone_rng_u32(test_rng()) % n[i];
            hone_sequence_truncate(s[i], n[i]);
        } else if (n[i] + 12 < N_TOKEN) {
            const size_t take = 1 + hone_rng_u32(test_rng()) % 12;
            for (size_t k = 0; k < take; k++) {
                const bool odd = hone_rng_u32(test_rng()) % 16 == 0;
                id[i][n[i] + k] = odd ? (int32_t)(hone_rng_u32(test_rng()) % N_VOCAB)
                                      : token[n[i] + k];
            }
            if (hone_sequence_append(s[i], id[i] + n[i], take, &err)) {
                assert_int_equal(err.code, HONE_E_LIMIT);
                hone_sequence_free(s[j]); /* room for the next */
                s[j] = NULL;
            } else {
                n[i] += take;
                assert_same(s[i], id[i], n[i]);
            }
        }
    }
    for (int i = 0; i < N; i++) {
        hone_sequence_free(s[i]);
    }
    assert_int_equal(used(), 0);
    hone_engine_free(engine);
}

static void sharing_changes_nothing(void **state)
{
    (void)state;
    share_at_random((hone_engine_options){0});
    share_at_random((hone_engine_options){.disk_dir = "/tmp", .disk_bytes = 1 << 16});
    share_at_random((hone_engine_options){.disk_dir = "/tmp", .disk_bytes = 1 << 24});
}

/* Pages of blocks are shared, kept, and come back like others. */
static void so_with_keys_and_values_in_blocks(void **state)
{
    kv_type = "q8_0,q4_0";
    forks_go_their_own_ways(state);
    pages_come_back_from_disk(state);
    sharing_changes_nothing(state);
    kv_type = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forks_go_their_own_ways),
        cmocka_unit_test(a_beginning_is_computed_once),
        cmocka_unit_test(two_that_compute_the_same_keep_one_copy),
        cmocka_unit_test(the_least_used_gives_way),
        cmocka_unit_test(pages_come_back_from_disk),
        cmocka_unit_test(sharing_changes_nothing),
        cmocka_unit_test(so_with_keys_and_values_in_blocks),
    };
    return cmocka_run_group_tests_name("prefix", tests, open_all, close_all);
}
