/* test_metrics.c - the page at /metrics, line by line. */
#include "check.h"

#include "serve/metrics.h"

static const hone_engine_info engine = {
    .kernels = "avx2", .n_thread = 2, .page_len = 32, .kv_bytes = 4096};

static metrics *make(const char *name)
{
    hone_error err;
    metrics *m = NULL;
    assert_ok(hone_metrics_new(&m, name, &engine, &err));
    return m;
}

static hone_buf render(const metrics *m, const hone_scheduler_stats *s)
{
    hone_buf b;
    hone_buf_init(&b, 1 << 20);
    hone_metrics_render(m, s, &b);
    assert_int_equal(b.failed, HONE_OK);
    return b;
}

/* The page has this whole line. */
static void has_line(const hone_buf *b, const char *line)
{
    char text[512];
    snprintf(text, sizeof text, "\n%s\n", line);
    if (!strstr(b->data, text)) fail_msg("no line '%s' in\n%s", line, b->data);
}

static void scheduler_numbers_are_read_at_the_scrape(void **state)
{
    (void)state;
    metrics *m = make("m");
    const hone_scheduler_stats s = {.n_running = 3,
                                    .n_waiting = 2,
                                    .kv_bytes = 4000,
                                    .kv_bytes_used = 1000,
                                    .kv_bytes_cached = 500,
                                    .n_step = 7,
                                    .step_rows = {[0] = 3, [4] = 1, [5] = 3},
                                    .n_row = 100,
                                    .n_prompt = 9007199254740993,
                                    .n_reused = 60,
                                    .n_generated = 40,
                                    .n_draft = 10,
                                    .n_accepted = 6,
                                    .n_forced = 4,
                                    .n_preempted = 1,
                                    .n_rejected = 5};
    hone_buf b = render(m, &s);
    has_line(&b, "# TYPE vllm:num_requests_running gauge");
    has_line(&b, "vllm:num_requests_running{model_name=\"m\"} 3");
    has_line(&b, "vllm:num_requests_waiting{model_name=\"m\"} 2");
    has_line(&b, "vllm:kv_cache_usage_perc{model_name=\"m\"} 0.25");
    has_line(&b, "# TYPE vllm:prefix_cache_hits_total counter");
    has_line(&b, "vllm:prefix_cache_hits_total{model_name=\"m\"} 60");
    has_line(&b, "vllm:generation_tokens_total{model_name=\"m\"} 40");
    has_line(&b, "vllm:num_preemptions_total{model_name=\"m\"} 1");
    has_line(&b, "hone:draft_tokens_total{model_name=\"m\"} 10");
    has_line(&b, "hone:accepted_tokens_total{model_name=\"m\"} 6");
    has_line(&b, "hone:forced_tokens_total{model_name=\"m\"} 4");
    has_line(&b, "hone:requests_rejected_total{model_name=\"m\"} 5");
    has_line(&b, "hone:kv_cached_bytes{model_name=\"m\"} 500");
    has_line(&b, "vllm:iteration_tokens_total_bucket{model_name=\"m\",le=\"16\"} 4");
    has_line(&b, "vllm:iteration_tokens_total_bucket{model_name=\"m\",le=\"32\"} 7");
    has_line(&b, "vllm:iteration_tokens_total_bucket{model_name=\"m\",le=\"+Inf\"} 7");
    has_line(&b, "vllm:iteration_tokens_total_sum{model_name=\"m\"} 100");
    has_line(&b, "vllm:cache_config_info{model_name=\"m\",block_size=\"32\","
                 "kv_cache_bytes=\"4096\",enable_prefix_caching=\"True\"} 1");
    hone_buf_release(&b);
    hone_metrics_free(m);
}

static void buckets_are_cumulative(void **state)
{
    (void)state;
    metrics *m = make("m");
    const hone_scheduler_stats none = {0};
    hone_metrics_gap(m, 0.25);
    hone_metrics_gap(m, 0.3); /* a bound belongs to its bucket */
    hone_metrics_gap(m, 0.5);
    hone_metrics_gap(m, 100);
    hone_buf b = render(m, &none);
    static const char *const name[] = {"inter_token_latency", "time_per_output_token"};
    for (int i = 0; i < 2; i++) {
        static const char *const tail[] = {"bucket{model_name=\"m\",le=\"0.2\"} 0",
                                           "bucket{model_name=\"m\",le=\"0.3\"} 2",
                                           "bucket{model_name=\"m\",le=\"0.4\"} 2",
                                           "bucket{model_name=\"m\",le=\"0.5\"} 3",
                                           "bucket{model_name=\"m\",le=\"80\"} 3",
                                           "bucket{model_name=\"m\",le=\"+Inf\"} 4",
                                           "sum{model_name=\"m\"} 101.05",
                                           "count{model_name=\"m\"} 4"};
        for (int k = 0; k < 8; k++) {
            char line[200];
            snprintf(line, sizeof line, "vllm:%s_seconds_%s", name[i], tail[k]);
            has_line(&b, line);
        }
    }
    hone_buf_release(&b);
    hone_metrics_free(m);
}

static void requests_fill_the_histograms(void **state)
{
    (void)state;
    metrics *m = make("m");
    const hone_scheduler_stats none = {0};
    const hone_request_stats r = {.n_prompt = 100,
                                  .n_generated = 22,
                                  .queue_s = 0.5,
                                  .prefill_s = 1.5,
                                  .decode_s = 5,
                                  .first_token_s = 2,
                                  .total_s = 7};
    hone_metrics_request(m, &r, METRICS_LENGTH, 2, 11);
    hone_metrics_request(m, &r, METRICS_ABORT, 2, 11); /* counted, not timed */
    hone_buf b = render(m, &none);
    has_line(&b,
             "vllm:request_success_total{model_name=\"m\",finished_reason=\"stop\"} 0");
    has_line(
        &b,
        "vllm:request_success_total{model_name=\"m\",finished_reason=\"length\"} 1");
    has_line(
        &b, "vllm:request_success_total{model_name=\"m\",finished_reason=\"abort\"} 1");
    has_line(&b, "vllm:time_to_first_token_seconds_sum{model_name=\"m\"} 2");
    has_line(&b, "vllm:e2e_request_latency_seconds_sum{model_name=\"m\"} 7");
    has_line(&b, "vllm:e2e_request_latency_seconds_count{model_name=\"m\"} 1");
    has_line(&b, "vllm:request_queue_time_seconds_sum{model_name=\"m\"} 0.5");
    has_line(&b, "vllm:request_inference_time_seconds_sum{model_name=\"m\"} 6.5");
    has_line(&b, "vllm:request_prefill_time_seconds_sum{model_name=\"m\"} 1.5");
    has_line(&b, "vllm:request_decode_time_seconds_sum{model_name=\"m\"} 5");
    has_line(&b, "vllm:request_prompt_tokens_bucket{model_name=\"m\",le=\"50\"} 0");
    has_line(&b, "vllm:request_prompt_tokens_bucket{model_name=\"m\",le=\"100\"} 1");
    has_line(&b, "vllm:request_generation_tokens_sum{model_name=\"m\"} 22");
    has_line(&b, "vllm:request_params_n_sum{model_name=\"m\"} 2");
    has_line(&b, "vllm:request_params_max_tokens_sum{model_name=\"m\"} 11");
    /* two answers of eleven tokens: ten gaps in five seconds */
    has_line(&b,
             "vllm:request_time_per_output_token_seconds_sum{model_name=\"m\"} 0.5");
    hone_buf_release(&b);
    hone_metrics_free(m);
}

static void labels_are_escaped(void **state)
{
    (void)state;
    metrics *m = make("a\"b\\c\nd");
    const hone_scheduler_stats none = {0};
    hone_metrics_adapter(m, "x\"", 1, 0);
    hone_metrics_adapter(m, "y", 0, 1);
    hone_metrics_adapter(m, "z", 1, 1);
    hone_metrics_adapter(m, "z", -1, 0);
    hone_buf b = render(m, &none);
    has_line(&b, "vllm:num_requests_running{model_name=\"a\\\"b\\\\c\\nd\"} 0");
    assert_non_null(strstr(b.data, "running_lora_adapters=\"y,z\","
                                   "waiting_lora_adapters=\"x\\\"\"} "));
    hone_buf_release(&b);
    hone_metrics_free(m);
}

static void replies_are_counted_by_status(void **state)
{
    (void)state;
    metrics *m = make("m");
    const hone_scheduler_stats none = {0};
    static const int status[] = {200, 429, 200, 0, 99, 600, -5};
    for (int i = 0; i < 7; i++) {
        hone_metrics_reply(m, status[i]);
    }
    hone_buf b = render(m, &none);
    has_line(&b, "hone:http_replies_total{model_name=\"m\",status=\"200\"} 2");
    has_line(&b, "hone:http_replies_total{model_name=\"m\",status=\"429\"} 1");
    assert_null(strstr(b.data, "status=\"404\""));
    const char *path = getenv("HONE_TEST_METRICS_PAGE"); /* for promtool */
    FILE *f = path ? fopen(path, "w") : NULL;
    if (f) {
        fwrite(b.data, 1, b.len, f);
        fclose(f);
    }
    hone_buf_release(&b);
    hone_metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scheduler_numbers_are_read_at_the_scrape),
        cmocka_unit_test(buckets_are_cumulative),
        cmocka_unit_test(requests_fill_the_histograms),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(replies_are_counted_by_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
