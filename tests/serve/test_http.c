/* test_http.c - HTTP from outside: raw sockets against a server in this process. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

#include "base/clock.h"
#include "base/mem.h"
#include "serve/http.h"

/* -- the server -------------------------------------------------------------------- */

typedef struct site {
    http_server *server;
    pthread_t thread;
    int port;
    atomic_int n_gone, n_full, n_resumed, n_done, last_status;
    atomic_size_t last_bytes;
    http_exchange *kept; /* of the loop's thread */
} site;

static void get_hello(void *ctx, http_exchange *x)
{
    (void)ctx;
    http_reply(x, 200, "text/plain", "hello", 5);
}

static void post_echo(void *ctx, http_exchange *x)
{
    (void)ctx;
    size_t len;
    const char *body = http_get_body(x, &len);
    http_reply(x, 200, "application/octet-stream", body, len);
}

static void get_path(void *ctx, http_exchange *x)
{
    (void)ctx;
    char text[512];
    const char *q = http_get_query(x, "q");
    snprintf(text, sizeof text, "[%s][%s]", http_get_path(x), q ? q : "none");
    http_reply(x, 200, "text/plain", text, strlen(text));
}

static void on_gone(void *ctx, http_exchange *x)
{
    site *s = ctx;
    atomic_fetch_add(&s->n_gone, 1);
    if (s->kept == x) s->kept = NULL;
    if (http_stream_begun(x))
        http_stream_end(x);
    else
        http_reply(x, 200, "text/plain", "late", 4);
}

/* Kept until it is released, or its client goes. */
static void get_wait(void *ctx, http_exchange *x)
{
    site *s = ctx;
    const http_watch watch = {.gone = on_gone, .ctx = s};
    s->kept = x;
    http_keep(x, &watch);
}

static void release_kept(void *ctx)
{
    site *s = ctx;
    http_exchange *x = s->kept;
    s->kept = NULL;
    if (x) http_reply(x, 200, "text/plain", "waited", 6);
}

static void get_stream(void *ctx, http_exchange *x)
{
    (void)ctx;
    http_stream_begin(x, 200, "text/event-stream");
    http_stream_write(x, "data: 1\n\n", 9);
    http_stream_write(x, "data: 2\n\n", 9);
    http_stream_end(x);
}

/* Writes while the output is not full, and never ends by itself. */
static void pump(site *s)
{
    static char block[65536];
    const int paused = atomic_load(&s->n_full);
    while (s->kept && paused == atomic_load(&s->n_full)) {
        http_stream_write(s->kept, block, sizeof block);
    }
}

static void on_full(void *ctx, http_exchange *x, bool full)
{
    (void)x;
    site *s = ctx;
    atomic_fetch_add(full ? &s->n_full : &s->n_resumed, 1);
    if (!full) pump(s);
}

static void get_flood(void *ctx, http_exchange *x)
{
    site *s = ctx;
    const http_watch watch = {.gone = on_gone, .full = on_full, .ctx = s};
    http_keep(x, &watch);
    s->kept = x;
    http_stream_begin(x, 200, "text/plain");
    pump(s);
}

static const http_route routes[] = {
    {HTTP_GET, "/hello", get_hello, true},
    {HTTP_GET, "/v1/secret", get_hello, false},
    {HTTP_POST, "/echo", post_echo, false},
    {HTTP_GET, "/path/*", get_path, false},
    {HTTP_GET, "/wait", get_wait, false},
    {HTTP_GET, "/stream", get_stream, false},
    {HTTP_GET, "/flood", get_flood, false},
    {HTTP_GET, "/both", get_hello, false},
    {HTTP_DELETE, "/both", get_hello, false},
    {HTTP_POST, "/v1/messages", post_echo, false},
};

static void on_done(void *ctx, const http_exchange *x, int status, size_t bytes,
                    double seconds)
{
    site *s = ctx;
    assert_non_null(http_get_id(x));
    assert_true(seconds >= 0);
    atomic_store(&s->last_status, status);
    atomic_store(&s->last_bytes, bytes);
    atomic_fetch_add(&s->n_done, 1);
}

static void *run_site(void *ctx)
{
    http_server_run(((site *)ctx)->server);
    return NULL;
}

static void open_site(site *s, http_options o)
{
    hone_error err;
    memset(s, 0, sizeof *s);
    o.done = on_done;
    assert_ok(http_server_new(&s->server, &o, routes, sizeof routes / sizeof *routes, s,
                              &err));
    const char *colon = strrchr(http_server_url(s->server), ':');
    s->port = atoi(colon + 1);
    assert_int_equal(pthread_create(&s->thread, NULL, run_site, s), 0);
}

static void close_site(site *s)
{
    http_server_stop(s->server, 0);
    pthread_join(s->thread, NULL);
    http_server_free(s->server);
}

static void post(site *s, void (*fn)(void *))
{
    hone_error err;
    assert_ok(http_post(s->server, fn, s, &err));
}

static void wait_for(const atomic_int *value, int at_least)
{
    for (int i = 0; i < 1000 && atomic_load(value) < at_least; i++) {
        usleep(10000);
    }
    assert_true(atomic_load(value) >= at_least);
}

/* -- the client -------------------------------------------------------------------- */

static int dial(const site *s)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)s->port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void say(int fd, const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        const ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL);
        if (n <= 0) return; /* refused half-way: the reply tells */
        at += (size_t)n;
    }
}

enum {
    MAX_REPLY = 1 << 20
};
static char reply[MAX_REPLY + 1];

/* Read until the end, or until `until` is there; ten seconds at most.  The length. */
static size_t hear(int fd, const char *until)
{
    size_t n = 0;
    reply[0] = '\0';
    while (n < MAX_REPLY && (!until || !strstr(reply, until))) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, 10000) <= 0) break;
        const ssize_t got = recv(fd, reply + n, MAX_REPLY - n, 0);
        if (got <= 0) break;
        n += (size_t)got;
        reply[n] = '\0';
    }
    return n;
}

static bool is_closed(int fd)
{
    char c;
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, 10000) == 1 && recv(fd, &c, 1, 0) <= 0;
}

/* One request of len bytes on a connection of its own, closed by the server or by the
 * text; the status. */
static int ask_n(const site *s, const char *text, size_t len, const char *until)
{
    const int fd = dial(s);
    assert_true(fd >= 0);
    say(fd, text, len);
    hear(fd, until);
    close(fd);
    return strncmp(reply, "HTTP/1.1 ", 9) == 0 ? atoi(reply + 9) : -1;
}

static int ask(const site *s, const char *text)
{
    return ask_n(s, text, strlen(text), NULL);
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (; (text = strstr(text, part)); text += strlen(part)) {
        n++;
    }
    return n;
}

#define assert_says(part)                                                              \
    do {                                                                               \
        if (!strstr(reply, part)) fail_msg("no '%s' in '%.2000s'", part, reply);       \
    } while (0)

#define REQUEST(text) text, sizeof(text) - 1
#define CLOSE         "Host: x\r\nConnection: close\r\n\r\n"

/* -- requests and replies ---------------------------------------------------------- */

static void reply_has_length_type_id_and_date(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    assert_int_equal(ask(&s, "GET /hello HTTP/1.1\r\n" CLOSE), 200);
    assert_says("\r\nContent-Length: 5\r\n");
    assert_says("\r\nContent-Type: text/plain\r\n");
    assert_says("\r\nx-request-id: req_");
    assert_says(" GMT\r\n");
    assert_says("\r\n\r\nhello");
    assert_null(strstr(reply, "Access-Control"));
    wait_for(&s.n_done, 1);
    assert_int_equal(s.last_status, 200);
    assert_int_equal(s.last_bytes, 5);
    close_site(&s);
}

static void request_id_is_echoed_if_harmless(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    ask(&s, "GET /hello HTTP/1.1\r\nX-Request-ID: my-1.a\r\n" CLOSE);
    assert_says("x-request-id: my-1.a\r\n");
    ask(&s, "GET /hello HTTP/1.1\r\nX-Request-ID: a b\"\r\n" CLOSE);
    assert_says("x-request-id: req_");
    close_site(&s);
}

static void path_and_query_are_decoded(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    ask(&s, "GET /path/a%20b%2Fc+d?x=1&q=%C3%A4+b&q=2 HTTP/1.1\r\n" CLOSE);
    assert_says("[/path/a b/c+d][\xC3\xA4 b]");
    ask(&s, "GET http://other/path/y?q HTTP/1.1\r\n" CLOSE);
    assert_says("[/path/y][]");
    assert_int_equal(ask(&s, "GET /path/ HTTP/1.1\r\n" CLOSE), 404);
    close_site(&s);
}

static void head_is_get_without_a_body(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    assert_int_equal(ask(&s, "HEAD /hello HTTP/1.1\r\n" CLOSE), 200);
    assert_says("Content-Length: 5\r\n");
    assert_null(strstr(reply, "hello"));
    assert_int_equal(ask(&s, "HEAD /stream HTTP/1.1\r\n" CLOSE), 200);
    assert_null(strstr(reply, "data"));
    close_site(&s);
}

static void wrong_method_and_path(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    assert_int_equal(ask(&s, "PUT /both HTTP/1.1\r\n" CLOSE), 405);
    assert_says("\r\nAllow: GET, HEAD, DELETE, OPTIONS\r\n");
    assert_int_equal(ask(&s, "FROB /both HTTP/1.1\r\n" CLOSE), 405);
    assert_int_equal(ask(&s, "GET /echo HTTP/1.1\r\n" CLOSE), 405);
    assert_says("\r\nAllow: POST, OPTIONS\r\n");
    assert_int_equal(ask(&s, "GET /nothing HTTP/1.1\r\n" CLOSE), 404);
    assert_says("{\"error\":{\"message\":\"no such path\",\"type\":\"not_found_error\","
                "\"param\":null,\"code\":null}}");
    assert_int_equal(ask(&s, "GET /v1/messages HTTP/1.1\r\n" CLOSE), 405);
    assert_says("{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",");
    assert_int_equal(ask(&s, "OPTIONS /both HTTP/1.1\r\n" CLOSE), 204);
    assert_says("\r\nAllow: GET, HEAD, DELETE, OPTIONS\r\n");
    assert_null(strstr(reply, "Content-Length"));
    close_site(&s);
}

static void http_1_0_closes_unless_asked(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    assert_int_equal(ask(&s, "GET /hello HTTP/1.0\r\n\r\n"), 200);
    assert_says("Connection: close\r\n");
    ask_n(&s, REQUEST("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
          "hello");
    assert_says("Connection: keep-alive\r\n");
    /* a stream without chunks ends with the connection */
    assert_int_equal(ask(&s, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
                     200);
    assert_says("\r\n\r\ndata: 1\n\ndata: 2\n\n");
    assert_null(strstr(reply, "chunked"));
    close_site(&s);
}

static void stream_is_chunked(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    assert_int_equal(ask(&s, "GET /stream HTTP/1.1\r\n" CLOSE), 200);
    assert_says("Transfer-Encoding: chunked\r\n");
    assert_says("\r\n\r\n9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n");
    wait_for(&s.n_done, 1);
    assert_int_equal(s.last_bytes, 18);
    close_site(&s);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    ask(&s, "GET /path/1 HTTP/1.1\r\nHost: x\r\n\r\n"
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\ntwo"
            "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
            "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
            "GET /path/5 HTTP/1.1\r\n" CLOSE);
    const char *const part[] = {"[/path/1]", "two", "data: 2", "no such path",
                                "[/path/5]"};
    const char *at = reply;
    for (int i = 0; i < 5; i++) {
        at = strstr(at, part[i]);
        if (!at) fail_msg("no '%s' in its place in '%s'", part[i], reply);
    }
    assert_int_equal(count(reply, "HTTP/1.1 "), 5);
    close_site(&s);
}

static void a_pipeline_waits_for_a_kept_exchange(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    const int fd = dial(&s);
    const char *text = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
                       "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
                       "GET /path/after HTTP/1.1\r\n" CLOSE;
    say(fd, text, strlen(text));
    hear(fd, "hello");
    post(&s, release_kept);
    hear(fd, NULL);
    const char *waited = strstr(reply, "waited");
    assert_non_null(waited);
    assert_non_null(strstr(waited, "[/path/after]"));
    close(fd);
    close_site(&s);
}

static void a_long_pipeline_is_bounded_and_answered(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){.max_output = 4096});
    const char one[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    enum {
        N = 3000
    };
    char *text = malloc(sizeof one * N + 100);
    text[0] = '\0';
    size_t at = 0;
    for (int i = 0; i < N - 1; i++) {
        memcpy(text + at, one, sizeof one);
        at += sizeof one - 1;
    }
    strcpy(text + at, "GET /hello HTTP/1.1\r\n" CLOSE);
    const int fd = dial(&s);
    say(fd, text, strlen(text));
    usleep(300000); /* not reading */
    hear(fd, NULL);
    assert_int_equal(count(reply, "HTTP/1.1 200"), N);
    close(fd);
    free(text);
    close_site(&s);
}

static void bytes_may_come_one_by_one(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    const char *text =
        "\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
        "3;ext=\"1\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
    const int fd = dial(&s);
    for (size_t i = 0; text[i]; i++) {
        say(fd, text + i, 1);
        if (i % 8 == 0) usleep(1000);
    }
    hear(fd, NULL);
    assert_says("\r\n\r\nabc0123456789");
    close(fd);
    close_site(&s);
}

static void expect_continue_is_answered(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){.max_body = 1000});
    const int fd = dial(&s);
    const char *head = "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\n"
                       "Content-Length: 4\r\n" CLOSE;
    say(fd, head, strlen(head));
    hear(fd, "\r\n\r\n");
    assert_string_equal(reply, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "body", 4);
    hear(fd, NULL);
    assert_says("\r\n\r\nbody");
    close(fd);
    /* what will be refused is refused before the body */
    assert_int_equal(ask(&s, "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\n"
                             "Content-Length: 1001\r\n" CLOSE),
                     413);
    assert_int_equal(ask(&s, "POST /hello HTTP/1.1\r\nExpect: 100-continue\r\n"
                             "Content-Length: 4\r\n" CLOSE),
                     405);
    assert_int_equal(ask(&s, "GET /hello HTTP/1.1\r\nExpect: 200\r\n" CLOSE), 417);
    close_site(&s);
}

/* -- what is refused --------------------------------------------------------------- */

static void malformed_requests_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        int status;
    } bad[] = {
        {REQUEST("GET /hello HTTP/1.1\r\n\r\n"), 400}, /* no Host */
        {REQUEST("GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400},
        {REQUEST("GET /hello HTTP/1.1\nHost: a\n\n"), 400},
        {REQUEST("GET /hello HTTP/1.1\r\nHost: a\rb\r\n\r\n"), 400},
        {REQUEST("GET /hello HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n"), 400},
        {REQUEST("GET /hello HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"), 400},
        {REQUEST("GET /hello HTTP/1.1\r\nHost: a\r\nX: a\001b\r\n\r\n"), 400},
        {REQUEST("GET /hello HTTP/1.1\r\nHost : a\r\n\r\n"), 400},
        {REQUEST("GET /hello HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"), 400},
        {REQUEST("GET /hello HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n"), 400},
        {REQUEST("GET  /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {REQUEST("GET /hel lo HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {REQUEST("GET /hello\r\n\r\n"), 400},
        {REQUEST("GET hello HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {REQUEST("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {REQUEST("GET /path/%zz HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {REQUEST("GET /path/%00 HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {REQUEST("GET /path/%4 HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {REQUEST("GET /path/\xC3 HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {REQUEST("GET /path/x?q=%0 HTTP/1.1\r\nHost: a\r\n\r\n"), 400},
        {REQUEST("GET /hello HTTP/2.0\r\nHost: a\r\n\r\n"), 505},
        {REQUEST("GET /hello http/1.1\r\nHost: a\r\n\r\n"), 400},
        {REQUEST("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
        {REQUEST("\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03"), 400},
        {REQUEST("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
         400},
        {REQUEST("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                 "Content-Length: 4\r\n\r\nabcd"),
         400},
        {REQUEST("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                 "Content-Length: 3\r\n\r\nabc"),
         400},
        {REQUEST("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc"),
         400},
        {REQUEST("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc"),
         400},
        {REQUEST("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc"),
         400},
        {REQUEST("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc"),
         400},
        {REQUEST("POST /echo HTTP/1.1\r\nHost: a\r\n"
                 "Content-Length: 18446744073709551617\r\n\r\nabc"),
         400},
        {REQUEST("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
         400},
        {REQUEST("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
         400},
        {REQUEST("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
         400},
#define CHUNKED "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        {REQUEST(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n"), 400},
        {REQUEST(CHUNKED "-3\r\nabc\r\n0\r\n\r\n"), 400},
        {REQUEST(CHUNKED "\r\nabc\r\n0\r\n\r\n"), 400},
        {REQUEST(CHUNKED "3\nabc\r\n0\r\n\r\n"), 400},
        {REQUEST(CHUNKED "3\r\nabcd\r\n0\r\n\r\n"), 400},
        {REQUEST(CHUNKED "3 \r\nabc\r\n0\r\n\r\n"), 400},
        {REQUEST(CHUNKED "fffffffffffffffff\r\nabc"), 413},
        {REQUEST(CHUNKED "3\r\nabc\r\n0\r\nX: \001\r\n\r\n"), 400},
    };
    site s;
    open_site(&s, (http_options){0});
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const int got = ask_n(&s, bad[i].text, bad[i].len, NULL);
        if (got != bad[i].status)
            fail_msg("'%s': %d, expected %d", bad[i].text, got, bad[i].status);
        assert_says("{\"error\":{\"message\":");
        assert_says("Connection: close\r\n");
    }
    close_site(&s);
}

static void heads_are_bounded(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    const size_t size = 1 << 20;
    char *text = malloc(size + 200);
    size_t at = (size_t)sprintf(text, "GET /hello HTTP/1.1\r\nHost: x\r\nX: ");
    memset(text + at, 'a', size);
    assert_int_equal(ask_n(&s, text, at + size, NULL), 431);
    memset(text, 'G', size); /* no line end at all */
    assert_int_equal(ask_n(&s, text, size, NULL), 431);
    at = (size_t)sprintf(text, "GET /hello HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 10000; i++) {
        at += (size_t)sprintf(text + at, "a: b\r\n");
    }
    assert_int_equal(ask_n(&s, text, at, NULL), 431);
    /* exactly a hundred are fine */
    at = (size_t)sprintf(text, "GET /hello HTTP/1.1\r\n");
    for (int i = 0; i < 98; i++) {
        at += (size_t)sprintf(text + at, "a: b\r\n");
    }
    strcpy(text + at, CLOSE);
    assert_int_equal(ask(&s, text), 200);
    memset(text, '\n', size);
    for (size_t i = 0; i < size; i += 2) {
        text[i] = '\r';
    }
    strcpy(text + 1000, "GET /hello HTTP/1.1\r\n" CLOSE);
    assert_int_equal(ask(&s, text), 200);
    free(text);
    close_site(&s);
}

static void bodies_are_bounded(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){.max_body = 1000});
    assert_int_equal(
        ask(&s, "POST /echo HTTP/1.1\r\nContent-Length: 99999999999\r\n" CLOSE "abc"),
        413);
    char text[8192];
    int at = sprintf(text, CHUNKED);
    for (int i = 0; i < 50; i++) {
        at += sprintf(text + at, "64\r\n%0100d\r\n", i);
    }
    assert_int_equal(ask_n(&s, text, (size_t)at, NULL), 413);
    at = sprintf(text,
                 "POST /echo HTTP/1.1\r\nContent-Length: 1000\r\n" CLOSE "%01000d", 7);
    assert_int_equal(ask(&s, text), 200);
    at = sprintf(text, CHUNKED "0\r\n");
    for (int i = 0; i < 7000; i++) {
        text[at++] = 'T';
    }
    text[at] = '\0';
    close_site(&s);
    /* a refused upload gets its answer although it goes on talking */
    open_site(&s, (http_options){0});
    const size_t size = 40 << 20;
    char *big = malloc(size);
    memset(big, 'x', size);
    const int n = sprintf(
        big, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", size);
    big[n] = 'x';
    assert_int_equal(ask_n(&s, big, size, NULL), 413);
    free(big);
    close_site(&s);
}

static void slow_and_silent_clients_are_dropped(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){.header_s = 1, .idle_s = 1});
    const int silent = dial(&s), head = dial(&s), body = dial(&s), idle = dial(&s);
    say(head, "GET /hel", 8);
    say(body,
        REQUEST("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"));
    say(idle, REQUEST("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
    hear(idle, "hello");
    assert_true(is_closed(silent));
    hear(head, NULL);
    assert_says("HTTP/1.1 408 ");
    hear(body, NULL);
    assert_says("HTTP/1.1 408 ");
    assert_true(is_closed(idle));
    close(silent);
    close(head);
    close(body);
    close(idle);
    close_site(&s);
}

static void connections_are_bounded(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){.max_connections = 2});
    const int a = dial(&s), b = dial(&s);
    say(a, REQUEST("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
    hear(a, "hello");
    say(b, REQUEST("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
    hear(b, "hello");
    const int c = dial(&s);
    hear(c, NULL);
    assert_says("HTTP/1.1 503 ");
    close(c);
    close(a);
    int status = -1;
    for (int i = 0; i < 100 && status != 200; i++) { /* until a's end was seen */
        usleep(10000);
        status = ask(&s, "GET /hello HTTP/1.1\r\n" CLOSE);
    }
    assert_int_equal(status, 200);
    close(b);
    close_site(&s);
}

static void keys_are_checked_before_the_body(void **state)
{
    (void)state;
    static const char *const keys[] = {"sk-one", "sk-two"};
    site s;
    open_site(&s, (http_options){.key = keys, .n_key = 2});
#define AUTH(line) "GET /v1/secret HTTP/1.1\r\n" line "\r\n" CLOSE
    assert_int_equal(ask(&s, AUTH("Authorization: Bearer sk-one")), 200);
    assert_int_equal(ask(&s, AUTH("authorization: bearer sk-two")), 200);
    assert_int_equal(ask(&s, AUTH("x-api-key: sk-two")), 200);
    assert_int_equal(ask(&s, AUTH("x-api-key: sk-tw")), 401);
    assert_int_equal(ask(&s, AUTH("x-api-key: sk-twoo")), 401);
    assert_int_equal(ask(&s, AUTH("x-api-key:")), 401);
    assert_int_equal(ask(&s, AUTH("Authorization: Basic sk-one")), 401);
    assert_int_equal(ask(&s, AUTH("A: b")), 401);
    assert_says("\"type\":\"authentication_error\",\"param\":null,"
                "\"code\":\"invalid_api_key\"}}");
    assert_says("WWW-Authenticate: Bearer\r\n");
    assert_int_equal(ask(&s, "GET /nothing HTTP/1.1\r\n" CLOSE), 401);
    assert_int_equal(ask(&s, "GET /hello HTTP/1.1\r\n" CLOSE), 200);
    assert_int_equal(ask(&s, "OPTIONS /v1/secret HTTP/1.1\r\n" CLOSE), 204);
    /* half a body: the answer does not wait for the rest */
    assert_int_equal(
        ask(&s,
            "POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"),
        401);
    assert_says("{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",");
    close_site(&s);
}

static void cors_names_the_configured_origin_alone(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){.cors_origin = "https://app.example"});
    ask(&s, "GET /hello HTTP/1.1\r\nOrigin: https://evil.example\r\n" CLOSE);
    assert_says("\r\nAccess-Control-Allow-Origin: https://app.example\r\n");
    assert_says("\r\nVary: Origin\r\n");
    assert_null(strstr(reply, "evil"));
    assert_int_equal(ask(&s,
                         "OPTIONS /echo HTTP/1.1\r\nOrigin: https://evil.example\r\n"
                         "Access-Control-Request-Method: POST\r\n" CLOSE),
                     204);
    assert_says("\r\nAccess-Control-Allow-Methods: POST, OPTIONS\r\n");
    assert_says("\r\nAccess-Control-Allow-Headers: Authorization, *\r\n");
    close_site(&s);
}

/* -- clients that leave, or do not read -------------------------------------------- */

static void a_client_that_leaves_is_noticed(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    const int fd = dial(&s);
    say(fd, REQUEST("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"));
    usleep(100000);
    assert_int_equal(s.n_gone, 0);
    close(fd);
    wait_for(&s.n_gone, 1);
    wait_for(&s.n_done, 1);
    assert_int_equal(s.last_status, HTTP_CLIENT_GONE);
    close_site(&s);
}

static void a_reader_that_stops_is_paused_then_dropped(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){.max_output = 100000, .stall_s = 1});
    const int fd = dial(&s);
    say(fd, REQUEST("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n"));
    wait_for(&s.n_full, 1);
    for (int i = 0; i < 200 && s.n_resumed < 3; i++) { /* reading: it goes on */
        hear(fd, NULL);
    }
    assert_true(s.n_resumed >= 3);
    wait_for(&s.n_gone, 1); /* not reading: it ends */
    close(fd);
    close_site(&s);
}

/* -- the end ----------------------------------------------------------------------- */

static void draining_finishes_what_runs(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    const int busy = dial(&s), idle = dial(&s);
    say(idle, REQUEST("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
    hear(idle, "hello");
    say(busy, REQUEST("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"));
    usleep(100000);
    http_server_stop(s.server, 60);
    int late = 0;
    for (int i = 0; i < 500 && (late = dial(&s)) >= 0;
         i++) { /* until it listens no more */
        close(late);
        usleep(10000);
    }
    assert_true(late < 0);
    say(idle, REQUEST("GET /path/x HTTP/1.1\r\nHost: x\r\n\r\n"));
    hear(idle, NULL);
    assert_says("HTTP/1.1 503 ");
    assert_says("Retry-After: ");
    post(&s, release_kept);
    hear(busy, NULL);
    assert_says("\r\n\r\nwaited");
    assert_says("Connection: close\r\n");
    pthread_join(s.thread, NULL); /* it ended by itself */
    http_server_free(s.server);
    close(busy);
    close(idle);
}

static void draining_ends_after_its_time(void **state)
{
    (void)state;
    site s;
    open_site(&s, (http_options){0});
    const int fd = dial(&s);
    say(fd, REQUEST("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"));
    usleep(100000);
    http_server_stop(s.server, 1);
    pthread_join(s.thread, NULL);
    assert_int_equal(s.n_gone, 1);
    http_server_free(s.server);
    close(fd);
}

/* -- other transports -------------------------------------------------------------- */

static void unix_sockets(void **state)
{
    (void)state;
    hone_error err;
    char host[200];
    snprintf(host, sizeof host, "unix:/tmp/hone-test-%d.sock", (int)getpid());
    site s;
    open_site(&s, (http_options){.host = host});
    assert_string_equal(http_server_url(s.server), host);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%.100s", host + 5);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    say(fd, REQUEST("GET /hello HTTP/1.1\r\n" CLOSE));
    hear(fd, NULL);
    assert_says("hello");
    close(fd);
    http_server *second = NULL;
    const http_options same = {.host = host};
    assert_fails(http_server_new(&second, &same, routes, 1, NULL, &err), HONE_E_IO,
                 "listen");
    close_site(&s);
    assert_int_not_equal(access(host + 5, F_OK), 0);
}

/* A certificate for localhost in dir, made by the openssl program; false without it. */
static bool make_certificate(const char *dir)
{
    char command[1024];
    snprintf(
        command, sizeof command,
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
        "-days 2 -subj /CN=localhost -keyout %s/key.pem -out %s/cert.pem 2>/dev/null",
        dir, dir);
    return system(command) == 0;
}

static void tls(void **state)
{
    (void)state;
    hone_error err;
    char dir[] = "/tmp/hone-tls-XXXXXX", cert[64], key[64], command[512];
    assert_non_null(mkdtemp(dir));
    if (!make_certificate(dir)) {
        rmdir(dir);
        skip();
    }
    snprintf(cert, sizeof cert, "%s/cert.pem", dir);
    snprintf(key, sizeof key, "%s/key.pem", dir);
    site s;
    open_site(&s, (http_options){.tls_cert = cert, .tls_key = key});
    assert_int_equal(strncmp(http_server_url(s.server), "https://127.0.0.1:", 18), 0);
    snprintf(command, sizeof command,
             "(printf 'GET /stream HTTP/1.1\\r\\nHost: x\\r\\nConnection: "
             "close\\r\\n\\r\\n'; "
             "sleep 2) | openssl s_client -quiet -verify_return_error -CAfile %s "
             "-connect 127.0.0.1:%d 2>/dev/null",
             cert, s.port);
    FILE *f = popen(command, "r");
    reply[fread(reply, 1, MAX_REPLY, f)] = '\0';
    pclose(f);
    assert_says("HTTP/1.1 200 OK");
    assert_says("data: 2");
    /* not TLS: no answer, no harm */
    assert_int_equal(ask(&s, "GET /hello HTTP/1.1\r\n" CLOSE), -1);
    close_site(&s);
    http_server *second = NULL;
    const http_options swapped = {.tls_cert = key, .tls_key = cert};
    assert_fails(http_server_new(&second, &swapped, routes, 1, NULL, &err),
                 HONE_E_INVALID, "certificate");
    unlink(cert);
    unlink(key);
    rmdir(dir);
}

static void options_are_checked(void **state)
{
    (void)state;
    hone_error err;
    http_server *s = NULL;
    static const char *const empty[] = {""};
    const http_options half = {.tls_cert = "x"}, port = {.port = 70000},
                       host = {.host = "no such host.invalid"},
                       origin = {.cors_origin = "a, b"},
                       key = {.key = empty, .n_key = 1}, path = {.host = "unix:"};
    assert_fails(http_server_new(&s, &half, routes, 1, NULL, &err), HONE_E_INVALID,
                 "TLS");
    assert_fails(http_server_new(&s, &port, routes, 1, NULL, &err), HONE_E_INVALID,
                 "port");
    assert_fails(http_server_new(&s, &host, routes, 1, NULL, &err), HONE_E_IO,
                 "listen on");
    assert_fails(http_server_new(&s, &origin, routes, 1, NULL, &err), HONE_E_INVALID,
                 "CORS");
    assert_fails(http_server_new(&s, &key, routes, 1, NULL, &err), HONE_E_INVALID,
                 "key");
    assert_fails(http_server_new(&s, &path, routes, 1, NULL, &err), HONE_E_INVALID,
                 "socket");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reply_has_length_type_id_and_date),
        cmocka_unit_test(request_id_is_echoed_if_harmless),
        cmocka_unit_test(path_and_query_are_decoded),
        cmocka_unit_test(head_is_get_without_a_body),
        cmocka_unit_test(wrong_method_and_path),
        cmocka_unit_test(http_1_0_closes_unless_asked),
        cmocka_unit_test(stream_is_chunked),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_pipeline_waits_for_a_kept_exchange),
        cmocka_unit_test(a_long_pipeline_is_bounded_and_answered),
        cmocka_unit_test(bytes_may_come_one_by_one),
        cmocka_unit_test(expect_continue_is_answered),
        cmocka_unit_test(malformed_requests_are_refused),
        cmocka_unit_test(heads_are_bounded),
        cmocka_unit_test(bodies_are_bounded),
        cmocka_unit_test(slow_and_silent_clients_are_dropped),
        cmocka_unit_test(connections_are_bounded),
        cmocka_unit_test(keys_are_checked_before_the_body),
        cmocka_unit_test(cors_names_the_configured_origin_alone),
        cmocka_unit_test(a_client_that_leaves_is_noticed),
        cmocka_unit_test(a_reader_that_stops_is_paused_then_dropped),
        cmocka_unit_test(draining_finishes_what_runs),
        cmocka_unit_test(draining_ends_after_its_time),
        cmocka_unit_test(unix_sockets),
        cmocka_unit_test(tls),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
