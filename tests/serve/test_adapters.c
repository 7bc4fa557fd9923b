/* test_adapters.c - adapters of a running server: at its start, loaded and unloaded by
 * clients. */
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

#include "hone/serve.h"

static void *run(void *ctx)
{
    hone_server_run(ctx);
    return NULL;
}

static char reply[1 << 16];

/* The status of a request whose connection is closed; its reply is in `reply`. */
static int ask(const hone_server *s, const char *line, const char *body)
{
    char text[16384];
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_port = htons((uint16_t)atoi(strrchr(hone_server_url(s), ':') + 1));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    const int len = snprintf(text, sizeof text,
                             "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                             "Content-Length: %zu\r\n\r\n%s",
                             line, strlen(body), body);
    assert_int_equal(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
    size_t n = 0;
    ssize_t got;
    while ((got = recv(fd, reply + n, sizeof reply - 1 - n, 0)) > 0)
        n += (size_t)got;
    reply[n] = '\0';
    close(fd);
    return n > 12 ? atoi(reply + 9) : -1;
}

/* The text of log probabilities of the reply: another model has others. */
static void logprobs(const hone_server *s, const char *model, char *out, size_t cap)
{
    char body[200];
    snprintf(body, sizeof body,
             "{\"model\":\"%s\",\"prompt\":[3,4,5],\"max_tokens\":0,\"echo\":true,"
             "\"logprobs\":0}",
             model);
    if (ask(s, "POST /v1/completions", body) != 200) fail_msg("%s", reply);
    const char *p = strstr(reply, "\"token_logprobs\":");
    assert_non_null(p);
    snprintf(out, cap, "%.*s", (int)strcspn(p, "]"), p);
}

static void adapters_come_and_go(void **state)
{
    hone_error err;
    hone_model *m = NULL;
    hone_server *s = NULL;
    char path[4096], body[8192], base[300], first[300], second[300];
    (void)state;
    assert_ok(hone_model_open(&m, data_path("models/llama"), 0, &err));
    snprintf(path, sizeof path, "%s", data_path("lora/llama_all"));
    const hone_server_adapter adapter = {.name = "first", .path = path};
    const hone_server_options o = {
        .alias = "tiny", .engine = {.n_ctx = 64}, .adapter = &adapter, .n_adapter = 1};
    assert_ok(hone_server_new(&s, m, &o, &err));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, s), 0);
    logprobs(s, "tiny", base, sizeof base);
    logprobs(s, "first", first, sizeof first);
    assert_string_not_equal(base, first);

    const char *load = "POST /v1/load_lora_adapter";
    const char *unload = "POST /v1/unload_lora_adapter";
    snprintf(body, sizeof body, "{\"lora_name\":\"second\",\"lora_path\":\"%s\"}",
             path);
    assert_int_equal(ask(s, load, body), 200);
    logprobs(s, "second", second, sizeof second);
    assert_string_equal(first, second);
    assert_int_equal(ask(s, "GET /v1/models", ""), 200);
    assert_non_null(strstr(reply, "{\"id\":\"second\",\"object\":\"model\""));
    assert_non_null(strstr(reply, "\"parent\":\"tiny\""));

    assert_int_equal(ask(s, load, body), 400); /* twice */
    assert_int_equal(ask(s, load, "{\"lora_name\":\"x\"}"), 400);
    assert_int_equal(ask(s, load, "{\"lora_name\":\"x\",\"lora_path\":\"/none\"}"),
                     404);
    assert_int_equal(ask(s, load, "{\"lora_name\":\"x\",\"lora_path\":\"/dev/null\"}"),
                     400);
    assert_int_equal(ask(s, load, "{\"lora_name\":\"tiny\",\"lora_path\":\"/none\"}"),
                     400);
    assert_int_equal(ask(s, unload, "{\"lora_name\":\"second\"}"), 200);
    assert_int_equal(ask(s, unload, "{\"lora_name\":\"second\"}"), 404);
    assert_int_equal(
        ask(s, "POST /v1/completions", "{\"model\":\"second\",\"prompt\":[3]}"), 404);
    assert_non_null(strstr(reply, "\"code\":\"model_not_found\""));
    logprobs(s, "tiny", second, sizeof second);
    assert_string_equal(base, second);
    hone_server_stop(s);
    pthread_join(thread, NULL);
    hone_server_free(s);
    hone_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(adapters_come_and_go)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
