/* test_server.c - the server around a tiny model: its own routes, its log, its end. */
#include <pthread.h>

#include "get.h"

#include "hone/serve.h"
#include "serve/server.h"

static char lines[8192];

static void keep_line(void *ctx, const char *line)
{
    (void)ctx;
    const size_t n = strlen(lines);
    snprintf(lines + n, sizeof lines - n, "%s\n", line);
}

static void *run(void *ctx)
{
    hone_server_run(ctx);
    return NULL;
}

static int ask(const hone_server *s, const char *what)
{
    return get_status(hone_server_url(s), what, "");
}

static void own_routes_and_log(void **state)
{
    (void)state;
    hone_error err;
    hone_model *m = NULL;
    hone_server *s = NULL;
    assert_ok(hone_model_open(&m, data_path("models/llama.gguf"), 0, &err));
    const hone_server_options o = {
        .alias = "tiny", .engine = {.n_ctx = 64}, .log = keep_line, .log_json = true};
    assert_ok(hone_server_new(&s, m, &o, &err));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, s), 0);
    assert_int_equal(ask(s, "GET /health"), 200);
    assert_int_equal(ask(s, "HEAD /ready"), 200);
    assert_int_equal(ask(s, "GET /version"), 200);
    assert_non_null(strstr(reply, "{\"version\":\"" HONE_VERSION "\"}"));
    assert_int_equal(ask(s, "POST /metrics"), 405);
    assert_int_equal(ask(s, "GET /a%0A%22b?secret=1"), 404);
    assert_int_equal(ask(s, "GET /metrics"), 200);
    assert_non_null(strstr(reply, "Content-Type: text/plain; version=0.0.4"));
    assert_non_null(
        strstr(reply, "\nvllm:num_requests_running{model_name=\"tiny\"} 0\n"));
    assert_non_null(strstr(
        reply, "\nhone:http_replies_total{model_name=\"tiny\",status=\"200\"} 3\n"));
    assert_int_equal(ask(s, "GET /"), 200);
    assert_non_null(strstr(reply, "Content-Type: text/html"));
    assert_int_equal(ask(s, "GET /web/app.js"), 200);
    hone_server_stop(s);
    pthread_join(thread, NULL);
    hone_server_free(s);
    hone_model_close(m);
    assert_non_null(
        strstr(lines, "\"method\":\"HEAD\",\"path\":\"/ready\",\"status\":200,"));
    assert_non_null(strstr(lines, "\"path\":\"/a??b\",\"status\":404,"));
    assert_null(strstr(lines, "secret"));
}

static void options_are_refused_with_a_line(void **state)
{
    (void)state;
    hone_error err;
    hone_model *m = NULL;
    hone_server *s = NULL;
    assert_ok(hone_model_open(&m, data_path("models/llama.gguf"), 0, &err));
    const hone_server_options port = {.port = -1}, type = {.engine = {.kv_type = "x"}};
    assert_fails(hone_server_new(&s, m, &port, &err), HONE_E_INVALID, "port");
    assert_fails(hone_server_new(&s, m, &type, &err), HONE_E_INVALID, "x");
    hone_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_routes_and_log),
        cmocka_unit_test(options_are_refused_with_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
