/* http_conn.c - a connection: takes requests from what comes in, one after the other, and
 * lets the output go out.
 *
 *     HEAD -> BODY -> BUSY -> HEAD (keep-alive) or FLUSH -> LINGER -> closed
 *
 * While a request is in work, reading goes on, up to HTTP_READ_AHEAD bytes: that is how a
 * client that left is noticed.  A client that ends its side of the connection has left.
 * The next request of a pipeline waits for the reply before, and for the output to be
 * under its bound. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/http_internal.h"

#define SECOND INT64_C(1000000000)

/* -- exchanges --------------------------------------------------------------------- */

static bool is_id(const char *s)
{
    const size_t n = strlen(s);
    static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789-_.:+/=";
    return n > 0 && n <= HTTP_MAX_ID && strspn(s, fine) == n;
}

static void make_id(http_exchange *x)
{
    hone_rng *rng = &x->server->rng;
    const unsigned a = hone_rng_u32(rng), b = hone_rng_u32(rng), c = hone_rng_u32(rng);
    snprintf(x->id, sizeof x->id, "req_%08x%08x%08x", a, b, c);
}

static http_exchange *exchange_new(http_conn *c)
{
    http_server *s = c->server;
    http_exchange *x = hone_alloc_zero(1, sizeof *x);
    if (!x) return NULL;
    x->server = s;
    x->conn = c;
    x->begin_ns = hone_clock_ns();
    hone_http_head_init(&x->head, s->options.max_header);
    hone_http_body_init(&x->body, s->options.max_body);
    hone_buf_init(&x->header, 16384);
    make_id(x);
    x->next = s->exchange;
    if (x->next) x->next->prev = x;
    s->exchange = x;
    return x;
}

void hone_http_exchange_free(http_exchange *x)
{
    if (x->prev)
        x->prev->next = x->next;
    else
        x->server->exchange = x->next;
    if (x->next) x->next->prev = x->prev;
    hone_http_head_release(&x->head);
    hone_http_body_release(&x->body);
    hone_buf_release(&x->header);
    hone_free(x);
}

/* -- the end of a connection ------------------------------------------------------- */

static size_t queued(const http_conn *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev));
}

void hone_http_drop(http_conn *c)
{
    http_server *s = c->server;
    http_exchange *x = c->x;
    const bool busy = c->state == HTTP_BUSY;
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conn = c->next;
    if (c->next) c->next->prev = c->prev;
    s->n_conn--;
    bufferevent_free(c->bev);
    hone_free(c);
    if (x && busy) {
        x->conn = NULL;
        if (x->watch.gone) x->watch.gone(x->watch.ctx, x);
    } else if (x) {
        hone_http_exchange_free(x);
    }
    hone_http_check_drained(s);
}

static void set_state(http_conn *c, http_state state)
{
    c->state = state;
    c->since_ns = hone_clock_ns();
}

/* The last reply is out.  With bytes of the client still on their way, closing now would
 * reset the connection and could take the reply from under its eyes. */
static void finish(http_conn *c)
{
    if (c->server->tls) hone_http_tls_finish(c->bev);
    if (!c->unread) {
        hone_http_drop(c);
        return;
    }
    shutdown(bufferevent_getfd(c->bev), SHUT_WR);
    set_state(c, HTTP_LINGER);
}

/* -- requests ---------------------------------------------------------------------- */

static void refuse(http_conn *c, int status, const char *problem)
{
    c->unread = true;
    hone_http_refuse(c->x, status, problem);
}

static void dispatch(http_conn *c)
{
    c->unread = false;
    set_state(c, HTTP_BUSY);
    c->route->handler(c->server->ctx, c->x);
}

/* The head is there: what is refused now is refused before its body is read. */
static void begin_request(http_conn *c)
{
    http_exchange *x = c->x;
    const char *id = hone_http_head_find(&x->head, "x-request-id");
    if (id && is_id(id)) snprintf(x->id, sizeof x->id, "%s", id);
    c->n_body = 0;
    const int s = hone_http_body_begin(&x->body, &x->head);
    c->unread = s != HTTP_DONE;
    c->route = hone_http_admit(x);
    if (!c->route) return;
    if (s == HTTP_DONE) {
        dispatch(c);
    } else if (s == HTTP_MORE) {
        set_state(c, HTTP_BODY);
        struct evbuffer *in = bufferevent_get_input(c->bev);
        if (x->head.expect_continue && evbuffer_get_length(in) == 0)
            bufferevent_write(c->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    } else {
        refuse(c, s, x->body.problem);
    }
}

/* Take some of the input; false when there is nothing to take now. */
static bool take(http_conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    if (c->state != HTTP_HEAD && c->state != HTTP_BODY) return false;
    if (queued(c) > c->server->options.max_output) return false;
    const size_t n = evbuffer_get_contiguous_space(in);
    if (n == 0) return false;
    if (!c->x && !(c->x = exchange_new(c))) {
        c->doomed = true;
        return false;
    }
    const char *data = (const char *)evbuffer_pullup(in, (ev_ssize_t)n);
    size_t used = 0;
    int s;
    const char *problem;
    if (c->state == HTTP_HEAD) {
        s = hone_http_head_feed(&c->x->head, data, n, &used);
        problem = c->x->head.problem;
    } else {
        s = hone_http_body_feed(&c->x->body, data, n, &used);
        problem = c->x->body.problem;
        c->n_body += used;
    }
    evbuffer_drain(in, used);
    if (s == HTTP_MORE) return true;
    if (s != HTTP_DONE)
        refuse(c, s, problem);
    else if (c->state == HTTP_HEAD)
        begin_request(c);
    else
        dispatch(c);
    return true;
}

static void advance(http_conn *c)
{
    if (c->advancing) return;
    c->advancing = true;
    while (take(c)) {
    }
    c->advancing = false;
}

void hone_http_exchange_ended(http_conn *c, bool keep_alive)
{
    c->x = NULL;
    c->first = false;
    if (keep_alive) {
        set_state(c, HTTP_HEAD);
        advance(c);
    } else {
        set_state(c, HTTP_FLUSH);
        if (queued(c) == 0)
            bufferevent_trigger(c->bev, EV_WRITE, BEV_TRIG_DEFER_CALLBACKS);
    }
}

/* -- events ------------------------------------------------------------------------ */

static void on_read(struct bufferevent *bev, void *ctx)
{
    http_conn *c = ctx;
    if (c->state == HTTP_FLUSH || c->state == HTTP_LINGER) {
        struct evbuffer *in = bufferevent_get_input(bev);
        evbuffer_drain(in, evbuffer_get_length(in));
        return;
    }
    advance(c);
}

/* Called when the output has gone down to half of its bound, and below. */
static void on_write(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    http_conn *c = ctx;
    http_server *s = c->server;
    if (c->state == HTTP_FLUSH) {
        if (queued(c) == 0) finish(c);
        hone_http_check_drained(s);
        return;
    }
    http_exchange *x = c->x;
    if (c->state == HTTP_BUSY && x->full) {
        x->full = false;
        if (x->watch.full) x->watch.full(x->watch.ctx, x, false);
        return;
    }
    advance(c);
    hone_http_check_drained(s);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    (void)bev;
    http_conn *c = ctx;
    if (what & BEV_EVENT_CONNECTED) return; /* the handshake of TLS is done */
    const bool ended = what & BEV_EVENT_EOF;
    if (ended && queued(c) > 0 && c->state != HTTP_BUSY && c->state != HTTP_LINGER) {
        /* it asked, closed its side, and reads */
        if (c->x) hone_http_exchange_free(c->x);
        c->x = NULL;
        c->unread = false;
        set_state(c, HTTP_FLUSH);
        return;
    }
    hone_http_drop(c);
}

static void on_output(struct evbuffer *out, const struct evbuffer_cb_info *info,
                      void *ctx)
{
    (void)out;
    http_conn *c = ctx;
    if (info->n_deleted > 0 || info->orig_size == 0) c->progress_ns = hone_clock_ns();
}

/* -- time -------------------------------------------------------------------------- */

static bool passed(int64_t since, int64_t now, int seconds)
{
    return now - since > seconds * SECOND;
}

void hone_http_check_time(http_conn *c, int64_t now)
{
    const http_options *o = &c->server->options;
    const size_t out = queued(c);
    http_exchange *x = c->x;
    const bool waits = out > 0 && (c->state != HTTP_BUSY || x->full);
    if (c->doomed || (waits && passed(c->progress_ns, now, o->stall_s))) {
        hone_http_drop(c);
    } else if (c->state == HTTP_HEAD && !x) {
        if (out == 0 && passed(c->since_ns, now, c->first ? o->header_s : o->idle_s))
            hone_http_drop(c);
    } else if (c->state == HTTP_HEAD && out <= o->max_output) {
        if (passed(x->begin_ns, now, o->header_s))
            refuse(c, 408, "the head of the request took too long");
    } else if (c->state == HTTP_BODY && out <= o->max_output) {
        const int64_t earned = (int64_t)(c->n_body / HTTP_BODY_RATE);
        if (passed(x->begin_ns + earned * SECOND, now, o->header_s))
            refuse(c, 408, "the body of the request took too long");
    } else if (c->state == HTTP_BUSY && x && x->begun && x->ping && !x->full) {
        if (passed(x->write_ns, now, x->ping_s))
            http_stream_write(x, x->ping, strlen(x->ping));
    } else if (c->state == HTTP_LINGER) {
        if (passed(c->since_ns, now, HTTP_LINGER_S)) hone_http_drop(c);
    }
}

/* -- the beginning ----------------------------------------------------------------- */

static void refuse_connection(const http_server *s, int fd)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\n"
                               "Connection: close\r\nContent-Length: 0\r\n"
                               "Retry-After: 1\r\n\r\n";
    if (!s->tls) (void)!send(fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

void hone_http_accept(http_server *s, int fd)
{
    const int on = 1;
    http_conn *c = NULL;
    struct bufferevent *bev = NULL;
    if (s->n_conn < (size_t)s->options.max_connections) {
        c = hone_alloc_zero(1, sizeof *c);
        bev = s->tls ? hone_http_tls_accept(s->tls, s->base, fd)
                     : bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    }
    if (!c || !bev) {
        hone_free(c);
        if (bev)
            bufferevent_free(bev);
        else
            refuse_connection(s, fd);
        return;
    }
    /* fails on a UNIX socket, which has no such delay */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->server = s;
    c->bev = bev;
    c->first = true;
    c->next = s->conn;
    if (c->next) c->next->prev = c;
    s->conn = c;
    s->n_conn++;
    set_state(c, HTTP_HEAD);
    bufferevent_setcb(bev, on_read, on_write, on_event, c);
    bufferevent_setwatermark(bev, EV_READ, 0, HTTP_READ_AHEAD);
    bufferevent_setwatermark(bev, EV_WRITE, s->options.max_output / 2, 0);
    evbuffer_add_cb(bufferevent_get_output(bev), on_output, c);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}
