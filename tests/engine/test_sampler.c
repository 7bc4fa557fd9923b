/* test_sampler.c - what each part of the sampling chain keeps, and stop strings. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "engine/sampler.h"
#include "engine/stop.h"

enum {
    N = 6,
    DRAWS = 4000
};

/* Probabilities 0.4, 0.25, 0.15, 0.1, 0.07, 0.03 as logits. */
static const double prob[N] = {0.4, 0.25, 0.15, 0.1, 0.07, 0.03};
static float logits[N];
static hone_sampler_work work;

static int open_work(void **state)
{
    hone_error err;
    hone_kernels k;
    (void)state;
    assert_ok(hone_kernels_choose(&k, NULL, &err));
    assert_ok(hone_sampler_work_init(&work, &k, N, N, &err));
    return 0;
}

static int close_work(void **state)
{
    (void)state;
    hone_sampler_work_release(&work);
    return 0;
}

static hone_sampling neutral(void)
{
    hone_sampling s = hone_sampling_default(NULL);
    s.temperature = 1.0f;
    s.top_k = 0;
    s.top_p = 1.0f;
    s.min_p = 0.0f;
    s.penalty_last_n = -1;
    s.dry_last_n = -1;
    for (int i = 0; i < N; i++) {
        logits[i] = (float)log(prob[i]);
    }
    return s;
}

/* How often each token is drawn. */
static void draw(const hone_sampling *s, const int32_t *history, size_t n,
                 double freq[N])
{
    hone_error err;
    hone_sampler *p;
    assert_ok(hone_sampler_new(&p, s, NULL, N, &err));
    memset(freq, 0, N * sizeof *freq);
    for (int i = 0; i < DRAWS; i++) {
        freq[hone_sampler_sample(p, &work, logits, NULL, history, n)] += 1.0 / DRAWS;
    }
    hone_sampler_free(p);
}

/* Drawn as often as weights say, within four standard deviations. */
static void expect(const hone_sampling *s, const double weight[N])
{
    double freq[N], total = 0.0;
    draw(s, NULL, 0, freq);
    for (int i = 0; i < N; i++) {
        total += weight[i];
    }
    for (int i = 0; i < N; i++) {
        const double p = weight[i] / total, sd = sqrt(p * (1 - p) / DRAWS);
        if (fabs(freq[i] - p) > 4 * sd + 1e-9) {
            fail_msg("token %d: drawn %g, expected %g", i, freq[i], p);
        }
    }
}

static void temperature_reshapes(void **state)
{
    (void)state;
    hone_sampling s = neutral();
    expect(&s, prob);
    s.temperature = 0.5f;
    double squared[N];
    for (int i = 0; i < N; i++) {
        squared[i] = prob[i] * prob[i];
    }
    expect(&s, squared);
}

static void truncations_keep_what_they_should(void **state)
{
    (void)state;
    hone_sampling s = neutral();
    s.top_k = 2;
    expect(&s, (double[N]){0.4, 0.25});
    s = neutral();
    s.top_p = 0.7f; /* 0.4 + 0.25 is less, + 0.15 reaches it */
    expect(&s, (double[N]){0.4, 0.25, 0.15});
    s = neutral();
    s.min_p = 0.3f; /* at least 0.12 */
    expect(&s, (double[N]){0.4, 0.25, 0.15});
    s = neutral();
    s.typical_p =
        0.3f; /* entropy 1.53: 0.25 (surprise 1.39) is nearest, then 0.15 (1.90) */
    expect(&s, (double[N]){0, 0.25, 0.15});
    s = neutral();
    s.xtc_probability = 1.0f;
    s.xtc_threshold = 0.2f; /* 0.4 and 0.25 reach it: the more likely one goes */
    expect(&s, (double[N]){0, 0.25, 0.15, 0.1, 0.07, 0.03});
}

static void bias_and_penalties_change_logits(void **state)
{
    (void)state;
    hone_sampling s = neutral();
    const hone_logit_bias bias[] = {{0, -INFINITY}, {5, 2.0f}};
    s.bias = bias;
    s.n_bias = 2;
    expect(&s, (double[N]){0, 0.25, 0.15, 0.1, 0.07, 0.03 * exp(2.0)});
    s = neutral();
    s.presence_penalty = 1.0f;
    s.frequency_penalty = 0.5f;
    double freq[N];
    const int32_t history[] = {0, 0, 1};
    draw(&s, history, 3, freq);
    const double w0 = 0.4 * exp(-2.0), w1 = 0.25 * exp(-1.5);
    assert_true(fabs(freq[0] / freq[1] - w0 / w1) < 0.2);
    s = neutral();
    s.temperature = 0.0f;
    s.repeat_penalty = 10.0f;
    draw(&s, history, 3, freq); /* logits are negative: multiplied by 10 */
    assert_true(freq[2] > 0.9999);
    s.penalty_last_n = 0;
    draw(&s, history, 3, freq);
    assert_true(freq[0] > 0.9999);
}

/* History 3 4 0 3 4: token 0 would repeat two tokens. */
static void dry_forbids_repetition(void **state)
{
    (void)state;
    hone_sampling s = neutral();
    double freq[N];
    const int32_t history[] = {3, 4, 0, 3, 4};
    s.temperature = 0.0f;
    s.dry_multiplier = 0.8f;
    draw(&s, history, 5, freq);
    assert_true(freq[1] > 0.9999);
    s.dry_allowed_length = 3; /* a match of two is free */
    draw(&s, history, 5, freq);
    assert_true(freq[0] > 0.9999);
}

static void greedy_takes_the_first_best(void **state)
{
    hone_error err;
    hone_sampler *p;
    hone_sampling s = neutral();
    (void)state;
    s.temperature = 0.0f;
    const float tied[N] = {NAN, 1, 2, 2, -INFINITY, 0};
    assert_ok(hone_sampler_new(&p, &s, NULL, N, &err));
    assert_int_equal(hone_sampler_sample(p, &work, tied, NULL, NULL, 0), 2);
    hone_sampler_free(p);
}

static void a_seed_gives_the_same_tokens(void **state)
{
    hone_error err;
    hone_sampler *a, *b;
    hone_sampling s = neutral();
    (void)state;
    s.seed = 99;
    assert_ok(hone_sampler_new(&a, &s, NULL, N, &err));
    assert_ok(hone_sampler_new(&b, &s, NULL, N, &err));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(hone_sampler_sample(a, &work, logits, NULL, NULL, 0),
                         hone_sampler_sample(b, &work, logits, NULL, NULL, 0));
    }
    hone_sampler_free(a);
    hone_sampler_free(b);
}

static void a_mask_leaves_only_its_tokens(void **state)
{
    hone_error err;
    hone_sampler *p;
    hone_sampling s = neutral();
    const uint32_t mask = 1 << 2 | 1 << 5, none = 0;
    (void)state;
    for (int top_k = 0; top_k < 3; top_k++) {
        int n[N] = {0};
        s.top_k = top_k;
        assert_ok(hone_sampler_new(&p, &s, NULL, N, &err));
        for (int i = 0; i < 300; i++) {
            n[hone_sampler_sample(p, &work, logits, &mask, NULL, 0)]++;
        }
        assert_int_equal(n[2] + n[5], 300);
        assert_true(n[2] > 200); /* 0.15 of 0.18 */
        assert_true(top_k == 1 || n[5] > 0);
        assert_int_equal(hone_sampler_sample(p, &work, logits, &none, NULL, 0), -1);
        hone_sampler_free(p);
    }
    s.temperature = 0.0f;
    assert_ok(hone_sampler_new(&p, &s, NULL, N, &err));
    assert_int_equal(hone_sampler_sample(p, &work, logits, &mask, NULL, 0), 2);
    hone_sampler_free(p);
}

enum {
    N_BIG = 3000
};

static int descending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* The least logit that top-k, then top-p, then min-p keep, by sorting everything. */
static double least_kept(const hone_sampling *s, const float *x)
{
    static float sorted[N_BIG];
    memcpy(sorted, x, sizeof sorted);
    qsort(sorted, N_BIG, sizeof *sorted, descending);
    int n = s->top_k > 0 && s->top_k < N_BIG ? s->top_k : N_BIG;
    double total = 0.0, sum = 0.0;
    for (int i = 0; i < n; i++) {
        total += exp((double)sorted[i]);
    }
    for (int i = 0; i < n; i++) {
        sum += exp((double)sorted[i]);
        if (sum >= (double)s->top_p * total) n = i + 1;
    }
    while (n > 1 && exp((double)sorted[n - 1] - (double)sorted[0]) < (double)s->min_p) {
        n--;
    }
    return (double)sorted[n - 1];
}

static void a_large_vocabulary_is_cut_like_a_sorted_one(void **state)
{
    static float x[N_BIG];
    hone_error err;
    hone_kernels k;
    hone_sampler_work big;
    (void)state;
    assert_ok(hone_kernels_choose(&k, NULL, &err));
    assert_ok(hone_sampler_work_init(&big, &k, N_BIG, N_BIG, &err));
    for (int round = 0; round < 60; round++) {
        hone_sampling s = neutral();
        hone_sampler *p;
        const double width = hone_rng_f64(test_rng()) * 8.0;
        for (int i = 0; i < N_BIG; i++) {
            x[i] = (float)(width * (hone_rng_f64(test_rng()) - 0.5));
        }
        if (round % 2) s.top_k = 1 + (int)(hone_rng_u32(test_rng()) % 400);
        if (round % 3) s.top_p = (float)(0.05 + 0.94 * hone_rng_f64(test_rng()));
        if (round % 5 == 0) s.min_p = (float)(0.5 * hone_rng_f64(test_rng()));
        s.temperature = 1.5f;
        s.seed = (uint64_t)round;
        const double least = least_kept(&s, x);
        double lowest = INFINITY;
        assert_ok(hone_sampler_new(&p, &s, NULL, N_BIG, &err));
        for (int i = 0; i < 400; i++) {
            const int32_t id = hone_sampler_sample(p, &big, x, NULL, NULL, 0);
            if ((double)x[id] < lowest) lowest = (double)x[id];
        }
        assert_true(lowest >= least - 1e-4 * width);
        hone_sampler_free(p);
    }
    hone_sampler_work_release(&big);
}

/* Mirostat 2 steers the mean surprise to tau. */
static void mirostat_reaches_its_target(void **state)
{
    hone_error err;
    hone_sampler *p;
    hone_sampling s = neutral();
    (void)state;
    s.mirostat = 2;
    s.mirostat_tau = 1.5f;
    s.mirostat_eta = 0.1f;
    assert_ok(hone_sampler_new(&p, &s, NULL, N, &err));
    double surprise = 0.0;
    for (int i = 0; i < DRAWS; i++) {
        const int32_t id = hone_sampler_sample(p, &work, logits, NULL, NULL, 0);
        surprise -= log2(prob[id]) / DRAWS;
    }
    hone_sampler_free(p);
    assert_true(fabs(surprise - 1.5) < 0.5);
}

static void ranges_are_checked(void **state)
{
    hone_error err;
    hone_sampling s = neutral();
    (void)state;
    s.top_p = 1.5f;
    assert_fails(hone_sampling_check(&s, N, &err), HONE_E_INVALID,
                 "top_p: expected 0 to 1, found 1.5");
    s = neutral();
    const hone_logit_bias bias = {N, 0};
    s.bias = &bias;
    s.n_bias = 1;
    assert_fails(hone_sampling_check(&s, N, &err), HONE_E_INVALID, "token 6");
    s = neutral();
    s.mirostat = 1;
    assert_fails(hone_sampling_check(&s, N, &err), HONE_E_INVALID, "mirostat");
}

static void logprobs_are_normalized(void **state)
{
    hone_logprob top[3];
    (void)state;
    (void)neutral();
    for (int i = 0; i < N; i++) {
        logits[i] += 7.0f;
    }
    const float p = hone_logprobs(logits, N, 2, top, 3);
    assert_true(fabs((double)p - log(0.15)) < 1e-5);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(top[i].id, i);
        assert_true(fabs((double)top[i].logprob - log(prob[i])) < 1e-5);
    }
}

/* Text is given in pieces of every size; no part of a stop string is shown. */
static void stop_strings_are_found_across_borders(void **state)
{
    static const char *const stops[] = {"STOP", "\n\n", "STAR"};
    static const struct {
        const char *text, *shown;
        bool found;
    } cases[] = {{"abc STOP def", "abc ", true}, {"abc ST", "abc ST", false},
                 {"a\nb\n\nc", "a\nb", true},    {"STSTOP", "ST", true},
                 {"SSTAR", "S", true},           {"nothing", "nothing", false}};
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        for (size_t step = 1; step < 8; step++) {
            hone_stop s;
            hone_error err;
            char shown[64] = "";
            hone_stop_init(&s, stops, 3);
            const size_t len = strlen(cases[c].text);
            for (size_t at = 0; at < len; at += step) {
                size_t ready;
                const size_t n = len - at < step ? len - at : step;
                assert_ok(hone_stop_push(&s, cases[c].text + at, n, &ready, &err));
                strncat(shown, s.held.data, ready);
                hone_buf_drop(&s.held, ready);
            }
            if (!s.found) strncat(shown, s.held.data, s.held.len);
            assert_string_equal(shown, cases[c].shown);
            assert_int_equal(s.found, cases[c].found);
            hone_stop_release(&s);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(temperature_reshapes),
        cmocka_unit_test(truncations_keep_what_they_should),
        cmocka_unit_test(bias_and_penalties_change_logits),
        cmocka_unit_test(dry_forbids_repetition),
        cmocka_unit_test(greedy_takes_the_first_best),
        cmocka_unit_test(a_seed_gives_the_same_tokens),
        cmocka_unit_test(a_mask_leaves_only_its_tokens),
        cmocka_unit_test(a_large_vocabulary_is_cut_like_a_sorted_one),
        cmocka_unit_test(mirostat_reaches_its_target),
        cmocka_unit_test(ranges_are_checked),
        cmocka_unit_test(logprobs_are_normalized),
        cmocka_unit_test(stop_strings_are_found_across_borders),
    };
    return cmocka_run_group_tests_name("sampler", tests, open_work, close_work);
}
