/* http.c - http.h: the loop, its address, what other threads post to it, its end.
 *
 * The sockets, buffers and TLS are libevent's; the protocol is hone's (http_head.c,
 * http_body.c).  libevent 2.1's own evhttp takes lines without CR, folded headers, NULs
 * and two Content-Length lines, answers its own errors as HTML, reads a body whole before
 * it asks anyone, stops looking for a vanished client while a request is in work, and
 * queues output without bound. */
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/http_internal.h"

enum {
    TICK_US = 200000,
    BACKLOG = 512
};

struct http_posted {
    http_posted *next;
    void (*fn)(void *);
    void *arg;
};

/* -- other threads ----------------------------------------------------------------- */

static void wake(http_server *s)
{
    const uint64_t one = 1;
    (void)!write(s->wake_fd, &one, sizeof one);
}

hone_status http_post(http_server *s, void (*fn)(void *), void *arg, hone_error *err)
{
    http_posted *p = hone_alloc(1, sizeof *p);
    if (!p) return hone_fail(err, HONE_E_NOMEM, "serve: out of memory");
    *p = (http_posted){NULL, fn, arg};
    pthread_mutex_lock(&s->lock);
    const bool first = s->posted == NULL;
    *s->posted_end = p;
    s->posted_end = &p->next;
    pthread_mutex_unlock(&s->lock);
    if (first) wake(s);
    return HONE_OK;
}

static void run_posted(http_server *s)
{
    pthread_mutex_lock(&s->lock);
    http_posted *p = s->posted;
    s->posted = NULL;
    s->posted_end = &s->posted;
    pthread_mutex_unlock(&s->lock);
    while (p) {
        http_posted *next = p->next;
        p->fn(p->arg);
        hone_free(p);
        p = next;
    }
}

/* Only atomics and write(2): a signal handler may call it. */
void http_server_stop(http_server *s, int drain_s)
{
    const int error = errno;
    atomic_store(&s->stop_s, drain_s < 0 ? 0 : drain_s);
    wake(s);
    errno = error;
}

/* -- draining ---------------------------------------------------------------------- */

bool http_server_is_draining(const http_server *s)
{
    return s->draining;
}

void hone_http_check_drained(http_server *s)
{
    if (!s->draining) return;
    for (const http_exchange *x = s->exchange; x; x = x->next) {
        if (!x->conn || x->conn->state != HTTP_HEAD) return;
    }
    for (const http_conn *c = s->conn; c; c = c->next) {
        if (evbuffer_get_length(bufferevent_get_output(c->bev)) > 0) return;
    }
    event_base_loopbreak(s->base);
}

static void begin_drain(http_server *s, int seconds)
{
    s->draining = true;
    s->drain_end_ns = hone_clock_ns() + (int64_t)seconds * 1000000000;
    if (s->listener) evconnlistener_free(s->listener);
    s->listener = NULL;
    if (seconds == 0)
        event_base_loopbreak(s->base);
    else
        hone_http_check_drained(s);
}

/* -- events of the loop ------------------------------------------------------------ */

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
    (void)what;
    http_server *s = ctx;
    uint64_t n;
    (void)!read(fd, &n, sizeof n);
    run_posted(s);
    const int seconds = atomic_exchange(&s->stop_s, -1);
    if (seconds >= 0) begin_drain(s, seconds);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    http_server *s = ctx;
    const int64_t now = hone_clock_ns();
    for (http_conn *c = s->conn, *next; c; c = next) {
        next = c->next; /* only c itself can go */
        hone_http_check_time(c, now);
    }
    if (s->listener) evconnlistener_enable(s->listener);
    if (s->draining && now >= s->drain_end_ns) event_base_loopbreak(s->base);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *from, int len, void *ctx)
{
    (void)listener;
    (void)from;
    (void)len;
    hone_http_accept(ctx, fd);
}

/* Out of descriptors: without a pause the loop would spin until one is free. */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
    (void)ctx;
    evconnlistener_disable(listener);
}

/* -- the address ------------------------------------------------------------------- */

/* A socket that nobody listens to any more may be replaced; nothing else may. */
static void remove_stale(const struct sockaddr_un *a)
{
    struct stat st;
    if (lstat(a->sun_path, &st) || !S_ISSOCK(st.st_mode)) return;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    if (connect(fd, (const struct sockaddr *)a, sizeof *a) && errno == ECONNREFUSED)
        unlink(a->sun_path);
    close(fd);
}

static hone_status bind_to(http_server *s, const struct sockaddr *a, socklen_t len,
                           const char *name, hone_error *err)
{
    const unsigned flags =
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
    errno = 0;
    s->listener =
        evconnlistener_new_bind(s->base, on_accept, s, flags, BACKLOG, a, (int)len);
    if (!s->listener)
        return hone_fail(err, HONE_E_IO, "serve: listen on %s: %s", name,
                         strerror(errno));
    evconnlistener_set_error_cb(s->listener, on_accept_error);
    return HONE_OK;
}

static hone_status listen_unix(http_server *s, const char *path, hone_error *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (!*path || strlen(path) >= sizeof a.sun_path)
        return hone_fail(err, HONE_E_INVALID,
                         "serve: socket %s: expected a path of 1 to %zu bytes", path,
                         sizeof a.sun_path - 1);
    strncpy(a.sun_path, path, sizeof a.sun_path - 1);
    remove_stale(&a);
    HONE_TRY(bind_to(s, (struct sockaddr *)&a, sizeof a, path, err));
    s->unix_path = hone_strdup(path);
    s->url = hone_alloc(strlen(path) + 6, 1);
    if (!s->unix_path || !s->url)
        return hone_fail(err, HONE_E_NOMEM, "serve: out of memory");
    memcpy(s->url, "unix:", 5);
    memcpy(s->url + 5, path, strlen(path) + 1);
    return HONE_OK;
}

/* "http://127.0.0.1:8080", with the port that the system chose. */
static hone_status make_url(http_server *s, const char *host, hone_error *err)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    char port[16] = "0";
    if (getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&a, &len) ||
        getnameinfo((struct sockaddr *)&a, len, NULL, 0, port, sizeof port,
                    NI_NUMERICSERV))
        return hone_fail(err, HONE_E_IO, "serve: %s: no port: %s", host,
                         strerror(errno));
    hone_buf b;
    hone_buf_init(&b, 4096);
    const bool v6 = strchr(host, ':') != NULL;
    hone_buf_printf(&b, "%s://%s%s%s:%s", s->tls ? "https" : "http", v6 ? "[" : "",
                    host, v6 ? "]" : "", port);
    s->url = hone_buf_take(&b);
    return s->url ? HONE_OK : hone_fail(err, HONE_E_NOMEM, "serve: out of memory");
}

static hone_status start_listening(http_server *s, hone_error *err)
{
    const char *host = s->options.host;
    if (strncmp(host, "unix:", 5) == 0) return listen_unix(s, host + 5, err);
    char port[16], name[320];
    snprintf(port, sizeof port, "%d", s->options.port);
    snprintf(name, sizeof name, "%.255s port %s", host, port);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *a;
    const int failed = getaddrinfo(host, port, &hints, &a);
    if (failed)
        return hone_fail(err, HONE_E_IO, "serve: listen on %s: %s", name,
                         gai_strerror(failed));
    const hone_status status = bind_to(s, a->ai_addr, a->ai_addrlen, name, err);
    freeaddrinfo(a);
    return status ? status : make_url(s, host, err);
}

/* -- life -------------------------------------------------------------------------- */

static http_options with_defaults(const http_options *o)
{
    http_options r = o ? *o : (http_options){0};
    if (!r.host) r.host = "127.0.0.1";
    if (!r.max_header) r.max_header = 64 << 10;
    if (!r.max_body) r.max_body = 32 << 20;
    if (!r.max_output) r.max_output = 256 << 10;
    if (!r.max_connections) r.max_connections = 512;
    if (!r.header_s) r.header_s = 10;
    if (!r.idle_s) r.idle_s = 75;
    if (!r.stall_s) r.stall_s = 30;
    return r;
}

static hone_status check_options(const http_options *o, hone_error *err)
{
    if (o->port < 0 || o->port > 65535)
        return hone_fail(err, HONE_E_INVALID,
                         "serve: port: expected 0 .. 65535, found %d", o->port);
    if (!o->tls_cert != !o->tls_key)
        return hone_fail(err, HONE_E_INVALID,
                         "serve: TLS needs both a certificate and a key");
    if (o->cors_origin && (!*o->cors_origin || strpbrk(o->cors_origin, "\r\n ,")))
        return hone_fail(err, HONE_E_INVALID,
                         "serve: CORS origin: expected one origin or *, found '%s'",
                         o->cors_origin);
    for (size_t i = 0; i < o->n_key; i++) {
        if (!o->key[i][0])
            return hone_fail(err, HONE_E_INVALID, "serve: key %zu is empty", i + 1);
    }
    if (o->max_connections < 0 || o->header_s < 0 || o->idle_s < 0 || o->stall_s < 0)
        return hone_fail(err, HONE_E_INVALID, "serve: a limit is negative");
    return HONE_OK;
}

static hone_status start_loop(http_server *s, hone_error *err)
{
    const struct timeval tick = {0, TICK_US};
    s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->base = event_base_new();
    if (s->wake_fd < 0 || !s->base)
        return hone_fail(err, HONE_E_IO, "serve: event loop: %s", strerror(errno));
    s->wake = event_new(s->base, s->wake_fd, EV_READ | EV_PERSIST, on_wake, s);
    s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
    if (!s->wake || !s->tick || event_add(s->wake, NULL) || event_add(s->tick, &tick))
        return hone_fail(err, HONE_E_NOMEM, "serve: event loop: out of memory");
    return HONE_OK;
}

hone_status http_server_new(http_server **out, const http_options *o,
                            const http_route *route, size_t n_route, void *ctx,
                            hone_error *err)
{
    const http_options options = with_defaults(o);
    HONE_TRY(check_options(&options, err));
    http_server *s = hone_alloc_zero(1, sizeof *s);
    if (!s) return hone_fail(err, HONE_E_NOMEM, "serve: out of memory");
    s->options = options;
    s->route = route;
    s->n_route = n_route;
    s->ctx = ctx;
    s->wake_fd = -1;
    s->posted_end = &s->posted;
    hone_rng_init(&s->rng, hone_random_seed());
    atomic_init(&s->stop_s, -1);
    pthread_mutex_init(&s->lock, NULL);
    hone_status status = HONE_OK;
    if (options.tls_cert)
        status = hone_http_tls_new(&s->tls, options.tls_cert, options.tls_key, err);
    if (!status) status = start_loop(s, err);
    if (!status) status = start_listening(s, err);
    if (status) {
        http_server_free(s);
        return status;
    }
    *out = s;
    return HONE_OK;
}

static void drop_all(http_server *s)
{
    while (s->conn) {
        hone_http_drop(s->conn);
    }
}

void http_server_free(http_server *s)
{
    if (!s) return;
    drop_all(s);
    run_posted(s); /* the last words of other threads, which end their exchanges */
    while (s->exchange) {
        hone_http_exchange_free(s->exchange);
    }
    if (s->listener) evconnlistener_free(s->listener);
    if (s->wake) event_free(s->wake);
    if (s->tick) event_free(s->tick);
    if (s->base) event_base_free(s->base);
    if (s->wake_fd >= 0) close(s->wake_fd);
    if (s->unix_path) unlink(s->unix_path);
    if (s->tls) hone_http_tls_free(s->tls);
    pthread_mutex_destroy(&s->lock);
    hone_free(s->unix_path);
    hone_free(s->url);
    hone_free(s);
}

const char *http_server_url(const http_server *s)
{
    return s->url;
}

/* libevent writes by writev, which raises SIGPIPE when the client has gone.  It is
 * blocked for this thread alone, and taken off again before the mask is restored. */
void http_server_run(http_server *s)
{
    sigset_t pipe_set, before, pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    const bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_set, &before);
    event_base_loop(s->base, EVLOOP_NO_EXIT_ON_EMPTY);
    drop_all(s);
    const struct timespec none = {0, 0};
    if (!was_pending) (void)sigtimedwait(&pipe_set, NULL, &none);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
