/* test_hub.c - pulling from a small server that behaves like the hub: redirects, resume,
 * checksums, a transfer that breaks. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "format/download.h"
#include "hone/hub.h"
#include "hone/tokenizer.h"

enum {
    BODY = 100000 /* bytes of the file that is served */
};

static unsigned char body[BODY];
static char body_sum[65];
static int port;
static pid_t server;
static char dir[64];

/* -- the server, in a process of its own ------------------------------------------ */

static void send_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        const ssize_t n = write(fd, p, len);
        if (n <= 0) return;
        p += n;
        len -= (size_t)n;
    }
}

static void send_head(int fd, int status, size_t length, const char *extra)
{
    char head[1024];
    const int n =
        snprintf(head, sizeof head,
                 "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n",
                 status, length, extra);
    send_all(fd, head, (size_t)n);
}

static void send_text(int fd, int status, const char *text)
{
    send_head(fd, status, strlen(text), "");
    send_all(fd, text, strlen(text));
}

/* The file from the offset a Range header asks for; cut: end the connection early. */
static void send_body(int fd, const char *request, const char *extra, size_t cut)
{
    const char *range = strstr(request, "Range: bytes=");
    const size_t from = range ? strtoul(range + 13, NULL, 10) : 0;
    if (from >= BODY) {
        send_head(fd, 416, 0, extra);
        return;
    }
    char head[768];
    snprintf(head, sizeof head, "%s%s", extra, range ? "" : "Accept-Ranges: bytes\r\n");
    if (range) {
        snprintf(head, sizeof head, "%sContent-Range: bytes %zu-%d/%d\r\n", extra, from,
                 BODY - 1, BODY);
    }
    send_head(fd, range ? 206 : 200, BODY - from, head);
    const size_t len = BODY - from;
    send_all(fd, body + from, cut && cut < len ? cut : len);
}

static void answer(int fd)
{
    char request[8192], extra[512];
    size_t n = 0;
    while (n + 1 < sizeof request) {
        const ssize_t k = read(fd, request + n, sizeof request - 1 - n);
        if (k <= 0) return;
        n += (size_t)k;
        request[n] = '\0';
        if (strstr(request, "\r\n\r\n")) break;
    }
    const bool token = strstr(request, "Authorization: Bearer secret") != NULL;
    if (strstr(request, "GET /api/models/org/folder ")) {
        send_text(fd, 200,
                  "{\"siblings\":[{\"rfilename\":\"config.json\"},{\"rfilename\":"
                  "\"model.safetensors\"},"
                  "{\"rfilename\":\"README.md\"},{\"rfilename\":\"../evil.json\"}]}");
    } else if (strstr(request, "GET /api/models/org/ggufs ")) {
        send_text(
            fd, 200,
            "{\"siblings\":[{\"rfilename\":\"a.gguf\"},{\"rfilename\":\"b.gguf\"}]}");
    } else if (strstr(request, "GET /api/models/org/one ")) {
        send_text(
            fd, 200,
            "{\"siblings\":[{\"rfilename\":\"good.gguf\"},{\"rfilename\":\"x.txt\"}]}");
    } else if (strstr(request, "/resolve/main/away.gguf ")) {
        /* the same server by another name; it must not see the token */
        snprintf(extra, sizeof extra, "Location: http://localhost:%d/cdn/away\r\n",
                 port);
        send_head(fd, token ? 302 : 401, 0, extra);
    } else if (strstr(request, "GET /cdn/away ")) {
        if (strstr(request, "Authorization"))
            send_head(fd, 400, 0, "");
        else
            send_body(fd, request, "", 0);
    } else if (strstr(request, "/resolve/main/circle.gguf ")) {
        send_head(fd, 302, 0, "Location: circle.gguf\r\n");
    } else if (strstr(request, "/resolve/main/file.gguf ")) {
        send_head(fd, 302, 0, "Location: file:///etc/passwd\r\n");
    } else if (strstr(request, "/resolve/main/busy.gguf ")) {
        send_head(fd, 503, 0, "");
    } else if (strstr(request, "/resolve/main/unchanged.gguf ")) {
        send_head(fd, 304, 0, "");
    } else if (strstr(request, "/resolve/main/a%20b%23%3F%25.gguf ")) {
        send_body(fd, request, "", 0);
    } else if (strstr(request, "/resolve/main/good.gguf ")) {
        /* as the hub does for large files: a redirect that names the sum */
        snprintf(extra, sizeof extra,
                 "Location: /cdn/good\r\nX-Linked-Etag: \"%s\"\r\n", body_sum);
        send_head(fd, 302, 0, extra);
    } else if (strstr(request, "GET /cdn/good ")) {
        send_body(fd, request, "", 0);
    } else if (strstr(request, "/resolve/main/broken.gguf ")) {
        snprintf(extra, sizeof extra, "X-Linked-Etag: \"%s\"\r\n", body_sum);
        send_body(fd, request, extra, 30000); /* every connection breaks after 30000 */
    } else if (strstr(request, "/resolve/main/wrong.gguf ")) {
        snprintf(extra, sizeof extra, "X-Linked-Etag: \"%064d\"\r\n", 7);
        send_body(fd, request, extra, 0);
    } else if (strstr(request, "/resolve/main/private.gguf ")) {
        if (token)
            send_body(fd, request, "", 0);
        else
            send_head(fd, 401, 0, "");
    } else if (strstr(request, "/resolve/main/config.json ") ||
               strstr(request, "/resolve/main/model.safetensors ")) {
        send_text(fd, 200, "{}");
    } else {
        send_head(fd, 404, 0, "");
    }
}

static int start_server(void **state)
{
    (void)state;
    for (int i = 0; i < BODY; i++) {
        body[i] = (unsigned char)(i * 7 + i / 251);
    }
    strcpy(dir, "/tmp/hone_hub_XXXXXX");
    assert_non_null(mkdtemp(dir));
    char *path = hone_path_join(dir, "body");
    FILE *f = fopen(path, "wb");
    assert_int_equal(fwrite(body, 1, BODY, f), BODY);
    fclose(f);
    assert_int_equal(hone_file_sha256(path, body_sum, NULL), HONE_OK);
    hone_free(path);

    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(listener, 16), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    port = ntohs(a.sin_port);
    server = fork();
    if (server == 0) {
        signal(SIGPIPE, SIG_IGN);
        for (;;) {
            const int fd = accept(listener, NULL, NULL);
            if (fd < 0) continue;
            answer(fd);
            close(fd);
        }
    }
    close(listener);
    return server < 0;
}

static int stop_server(void **state)
{
    char command[128];
    (void)state;
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0;
}

/* -- the tests -------------------------------------------------------------------- */

static hone_status pull(const char *name, const char *token, char **path,
                        hone_error *err)
{
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", port);
    const hone_pull_options o = {.dir = dir, .endpoint = endpoint, .token = token};
    *path = NULL;
    return hone_pull(name, &o, path, err);
}

static void expect_body(const char *path)
{
    hone_error err;
    char *got;
    size_t len;
    assert_ok(hone_file_read(&got, &len, path, BODY, &err));
    assert_int_equal(len, BODY);
    assert_memory_equal(got, body, BODY);
    hone_free(got);
}

static void follows_a_redirect_and_checks_the_sum(void **state)
{
    hone_error err;
    char *path;
    (void)state;
    assert_ok(pull("hf:org/repo:good.gguf", NULL, &path, &err));
    assert_non_null(strstr(path, "/org/repo/good.gguf"));
    expect_body(path);
    hone_text_free(path);
}

static void resumes_a_transfer_that_breaks(void **state)
{
    hone_error err;
    char *path;
    (void)state;
    assert_ok(
        pull("hf:org/repo:broken.gguf", NULL, &path, &err)); /* four connections */
    expect_body(path);
    hone_text_free(path);
}

static void goes_on_with_what_an_earlier_call_left(void **state)
{
    hone_error err;
    char *path, part[160];
    (void)state;
    snprintf(part, sizeof part, "%s/org/other", dir);
    assert_ok(hone_make_folders(part, &err));
    snprintf(part, sizeof part, "%s/org/other/good.gguf.part", dir);
    FILE *f = fopen(part, "wb");
    fwrite(body, 1, 40000, f);
    fclose(f);
    assert_ok(pull("hf:org/other:good.gguf", NULL, &path, &err));
    expect_body(path);
    assert_false(hone_file_exists(part));
    hone_text_free(path);
}

static void a_wrong_sum_keeps_nothing(void **state)
{
    hone_error err;
    char *path, part[160];
    (void)state;
    assert_fails(pull("hf:org/repo:wrong.gguf", NULL, &path, &err), HONE_E_FORMAT,
                 "SHA-256: expected");
    snprintf(part, sizeof part, "%s/org/repo/wrong.gguf.part", dir);
    assert_false(hone_file_exists(part));
}

static void a_token_opens_what_is_private(void **state)
{
    hone_error err;
    char *path;
    (void)state;
    assert_fails(pull("hf:org/repo:private.gguf", NULL, &path, &err), HONE_E_IO,
                 "access denied");
    assert_ok(pull("hf:org/repo:private.gguf", "secret", &path, &err));
    expect_body(path);
    hone_text_free(path);
}

static void a_folder_brings_what_a_model_is_made_of(void **state)
{
    hone_error err;
    char *path, file[160];
    (void)state;
    assert_ok(pull("hf:org/folder", NULL, &path, &err));
    snprintf(file, sizeof file, "%s/model.safetensors", path);
    assert_true(hone_file_exists(file));
    snprintf(file, sizeof file, "%s/README.md", path);
    assert_false(hone_file_exists(file));
    hone_text_free(path);
    assert_fails(pull("hf:org/ggufs", NULL, &path, &err), HONE_E_INVALID,
                 "2 GGUF files");
}

static void absent_things_are_named(void **state)
{
    hone_error err;
    char *path;
    (void)state;
    assert_fails(pull("hf:org/repo:none.gguf", NULL, &path, &err), HONE_E_NOT_FOUND,
                 "404");
    assert_fails(pull("hf:org/repo:../x", NULL, &path, &err), HONE_E_INVALID,
                 "expected hf:");
    assert_fails(pull("unknown", NULL, &path, &err), HONE_E_NOT_FOUND, "unknown");
    const int was = port;
    port = 1; /* nothing listens there */
    assert_fails(pull("hf:org/repo:new.gguf", NULL, &path, &err), HONE_E_IO,
                 "127.0.0.1");
    port = was;
}

static void a_redirect_elsewhere_does_not_get_the_token(void **state)
{
    hone_error err;
    char *path;
    (void)state;
    assert_ok(pull("hf:org/repo:away.gguf", "secret", &path, &err));
    expect_body(path);
    hone_text_free(path);
}

static void a_name_may_hold_any_character(void **state)
{
    hone_error err;
    char *path;
    (void)state;
    assert_ok(pull("hf:org/repo:a b#?%.gguf", NULL, &path, &err));
    assert_non_null(strstr(path, "/org/repo/a b#?%.gguf"));
    expect_body(path);
    hone_text_free(path);
}

static void the_only_gguf_of_a_repository_is_taken(void **state)
{
    hone_error err;
    char *path;
    (void)state;
    assert_ok(pull("hf:org/one", NULL, &path, &err));
    assert_non_null(strstr(path, "/org/one/good.gguf"));
    expect_body(path);
    hone_text_free(path);
}

/* Nothing but 200 and 206 brings a file. */
static void other_answers_are_errors(void **state)
{
    static const struct {
        const char *name, *text;
    } all[] = {
        {"hf:org/bad:circle.gguf", "redirects"},
        {"hf:org/bad:file.gguf", "file"},
        {"hf:org/bad:busy.gguf", "status 503"},
        {"hf:org/bad:unchanged.gguf", "status 304"},
    };
    hone_error err;
    char *path, file[160];
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_fails(pull(all[i].name, NULL, &path, &err), HONE_E_IO, all[i].text);
        snprintf(file, sizeof file, "%s/org/bad/%s", dir, strchr(all[i].name, ':') + 9);
        assert_false(hone_file_exists(file));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_a_redirect_and_checks_the_sum),
        cmocka_unit_test(resumes_a_transfer_that_breaks),
        cmocka_unit_test(goes_on_with_what_an_earlier_call_left),
        cmocka_unit_test(a_wrong_sum_keeps_nothing),
        cmocka_unit_test(a_token_opens_what_is_private),
        cmocka_unit_test(a_folder_brings_what_a_model_is_made_of),
        cmocka_unit_test(absent_things_are_named),
        cmocka_unit_test(a_redirect_elsewhere_does_not_get_the_token),
        cmocka_unit_test(a_name_may_hold_any_character),
        cmocka_unit_test(the_only_gguf_of_a_repository_is_taken),
        cmocka_unit_test(other_answers_are_errors),
    };
    return cmocka_run_group_tests_name("hub", tests, start_server, stop_server);
}
