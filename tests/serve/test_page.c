/* test_page.c - the files of the page: types, headers, tags, and that they need no key. */
#include <pthread.h>

#include "get.h"

#include "serve/page.h"

static http_server *server;
static pthread_t thread;
static void *run(void *ctx)
{
    http_server_run(ctx);
    return NULL;
}

/* A server of the page alone, which has a key. */
static int start(void **state)
{
    (void)state;
    hone_error err;
    const char *const keys[] = {"secret"};
    const http_options o = {.key = keys, .n_key = 1};
    assert_ok(
        http_server_new(&server, &o, hone_page_routes, hone_n_page_route, NULL, &err));
    assert_int_equal(pthread_create(&thread, NULL, run, server), 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_server_stop(server, 0);
    pthread_join(thread, NULL);
    http_server_free(server);
    return 0;
}

static int ask(const char *what, const char *header)
{
    return get_status(http_server_url(server), what, header);
}

#define assert_says(part)                                                              \
    do {                                                                               \
        if (!strstr(reply, part)) fail_msg("no '%s' in '%.2000s'", part, reply);       \
    } while (0)

static void files_have_types_and_are_whole(void **state)
{
    (void)state;
    static const struct {
        const char *path, *type, *begin, *end;
    } files[] = {
        {"GET /", "text/html; charset=utf-8", "<!DOCTYPE html>\n", "</html>\n"},
        {"GET /web/style.css", "text/css; charset=utf-8", "/* style.css - ", "}\n"},
        {"GET /web/app.js", "text/javascript; charset=utf-8", "/* app.js - ",
         "loadModels();\n"},
        {"GET /web/icon.svg", "image/svg+xml", "<svg ", "</svg>\n"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char line[80];
        assert_int_equal(ask(files[i].path, ""), 200);
        snprintf(line, sizeof line, "\r\nContent-Type: %s\r\n", files[i].type);
        assert_says(line);
        const char *body = strstr(reply, "\r\n\r\n") + 4;
        assert_int_equal(strncmp(body, files[i].begin, strlen(files[i].begin)), 0);
        const size_t n = strlen(body), n_end = strlen(files[i].end);
        assert_string_equal(body + n - n_end, files[i].end);
        snprintf(line, sizeof line, "\r\nContent-Length: %zu\r\n", n);
        assert_says(line);
    }
}

static void every_reply_has_the_policy(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; style-src "
        "'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
        "form-action "
        "'none'; frame-ancestors 'none'; ",
        "\r\nX-Content-Type-Options: nosniff\r\n",
        "\r\nReferrer-Policy: no-referrer\r\n",
        "\r\nCache-Control: no-cache\r\n",
    };
    static const char *const paths[] = {"GET /", "HEAD /", "GET /web/markdown.js"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(ask(paths[i], ""), 200);
        for (size_t k = 0; k < sizeof lines / sizeof lines[0]; k++)
            assert_says(lines[k]);
    }
    assert_null(strstr(reply, "unsafe-inline"));
}

static void known_files_are_not_sent_again(void **state)
{
    (void)state;
    char tag[32], header[128];
    assert_int_equal(ask("GET /web/app.js", ""), 200);
    assert_int_equal(sscanf(strstr(reply, "\r\nETag: "), "\r\nETag: %31s", tag), 1);
    assert_int_equal(strlen(tag), 18);
    assert_true(tag[0] == '"' && tag[17] == '"');
    static const char *const before[] = {"", "W/", "\"other\", ", "*"};
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        snprintf(header, sizeof header, "If-None-Match: %s%s\r\n", before[i],
                 before[i][0] == '*' ? "" : tag);
        assert_int_equal(ask("GET /web/app.js", header), 304);
        assert_says("Content-Security-Policy: ");
        assert_says(tag);
        assert_null(strstr(reply, "Content-Length"));
        assert_string_equal(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
    }
    assert_int_equal(ask("GET /web/api.js", "If-None-Match: \"other\"\r\n"), 200);
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", tag);
    assert_int_equal(ask("GET /web/api.js", header), 200); /* another file's tag */
}

static void other_paths_are_not_there(void **state)
{
    (void)state;
    assert_int_equal(ask("GET /web/no.js", ""), 404);
    assert_int_equal(ask("GET /web/../server.c", ""), 404);
    assert_int_equal(ask("GET /web/%2e%2e%2fserver.c", ""), 404);
    assert_int_equal(ask("POST /", ""), 405);
    assert_int_equal(ask("GET /v1/models", ""),
                     401); /* the key still protects the rest */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_have_types_and_are_whole),
        cmocka_unit_test(every_reply_has_the_policy),
        cmocka_unit_test(known_files_are_not_sent_again),
        cmocka_unit_test(other_paths_are_not_there),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
