/* http_reply.c - the exchange as handlers see it: what was asked, and the answer. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/http_internal.h"

/* -- the request ------------------------------------------------------------------- */

http_method http_get_method(const http_exchange *x)
{
    return x->method;
}

const char *http_get_path(const http_exchange *x)
{
    return x->head.path ? x->head.path : "";
}

const char *http_get_verb(const http_exchange *x)
{
    return x->head.verb ? x->head.verb : "";
}

const char *http_get_header(const http_exchange *x, const char *name)
{
    return hone_http_head_find(&x->head, name);
}

const char *http_get_query(const http_exchange *x, const char *name)
{
    for (size_t i = 0; i < x->head.n_param; i++) {
        if (strcmp(x->head.param[i].name, name) == 0) return x->head.param[i].value;
    }
    return NULL;
}

const char *http_get_body(const http_exchange *x, size_t *len)
{
    *len = x->body.data.len;
    return x->body.data.data;
}

const char *http_get_id(const http_exchange *x)
{
    return x->id;
}

http_note *http_get_note(http_exchange *x)
{
    return &x->note;
}

/* -- the reply --------------------------------------------------------------------- */

void http_set_header(http_exchange *x, const char *name, const char *value)
{
    if (strpbrk(value, "\r\n") || strpbrk(name, "\r\n: ")) return;
    hone_buf_printf(&x->header, "%s: %s\r\n", name, value);
}

static struct evbuffer *output_of(const http_exchange *x)
{
    return bufferevent_get_output(x->conn->bev);
}

static void append_date(hone_buf *b)
{
    char text[64];
    struct tm tm;
    const time_t now = time(NULL);
    if (!gmtime_r(&now, &tm)) return;
    /* the C locale's names, whatever the program's locale is */
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    snprintf(text, sizeof text, "%.3s, %02d %.3s %d %02d:%02d:%02d GMT",
             days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
             tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    hone_buf_printf(b, "Date: %s\r\n", text);
}

/* Everything up to the empty line; len is of the body, SIZE_MAX for a stream. */
static void send_head(http_exchange *x, int status, const char *type, size_t len)
{
    hone_buf b;
    const http_conn *c = x->conn;
    const bool stream = len == SIZE_MAX;
    x->status = status;
    x->keep_alive = !x->head.close && !c->unread && !x->server->draining &&
                    (!stream || x->head.v11 || x->head_only);
    hone_buf_init(&b, 65536);
    hone_buf_printf(&b, "HTTP/1.1 %d %s\r\n", status, hone_http_phrase(status));
    append_date(&b);
    if (type) hone_buf_printf(&b, "Content-Type: %s\r\n", type);
    if (!stream && status != 204 && status != 304) /* those have no body */
        hone_buf_printf(&b, "Content-Length: %zu\r\n", len);
    if (stream && x->head.v11)
        hone_buf_append_str(&b, "Transfer-Encoding: chunked\r\n");
    if (!x->keep_alive)
        hone_buf_append_str(&b, "Connection: close\r\n");
    else if (!x->head.v11)
        hone_buf_append_str(&b, "Connection: keep-alive\r\n");
    hone_buf_printf(&b, "x-request-id: %s\r\n", x->id);
    hone_http_add_cors(x, &b);
    hone_buf_append(&b, x->header.data, x->header.len);
    hone_buf_append_str(&b, "\r\n");
    if (b.failed || x->header.failed || evbuffer_add(output_of(x), b.data, b.len))
        x->conn->doomed = true;
    hone_buf_release(&b);
}

/* x ends: it is reported and freed, its connection goes on. */
static void end(http_exchange *x)
{
    http_server *s = x->server;
    http_conn *c = x->conn;
    const bool keep_alive = x->keep_alive;
    if (s->options.done) {
        const double seconds = (double)(hone_clock_ns() - x->begin_ns) * 1e-9;
        s->options.done(s->ctx, x, c ? x->status : HTTP_CLIENT_GONE, x->bytes, seconds);
    }
    hone_http_exchange_free(x);
    if (c) hone_http_exchange_ended(c, keep_alive);
    hone_http_check_drained(s);
}

void http_reply(http_exchange *x, int status, const char *type, const void *body,
                size_t len)
{
    HONE_ASSERT(!x->begun);
    if (x->conn) {
        send_head(x, status, type, len);
        if (!x->head_only && len > 0) {
            if (evbuffer_add(output_of(x), body, len)) x->conn->doomed = true;
            x->bytes = len;
        }
    }
    end(x);
}

void http_stream_begin(http_exchange *x, int status, const char *type)
{
    HONE_ASSERT(!x->begun);
    if (x->conn) send_head(x, status, type, SIZE_MAX);
    x->begun = true;
}

bool http_stream_begun(const http_exchange *x)
{
    return x->begun;
}

static void note_full(http_exchange *x)
{
    const size_t queued = evbuffer_get_length(output_of(x));
    const size_t max = x->server->options.max_output;
    if (queued / HTTP_HARD_OUTPUT > max) x->conn->doomed = true;
    if (x->full || queued <= max) return;
    x->full = true;
    if (x->watch.full) x->watch.full(x->watch.ctx, x, true);
}

void http_stream_write(http_exchange *x, const void *data, size_t len)
{
    if (!x->conn || x->conn->doomed || x->head_only || len == 0) return;
    struct evbuffer *out = output_of(x);
    const bool chunked = x->head.v11;
    if ((chunked && evbuffer_add_printf(out, "%zx\r\n", len) < 0) ||
        evbuffer_add(out, data, len) || (chunked && evbuffer_add(out, "\r\n", 2)))
        x->conn->doomed = true;
    x->bytes += len;
    if (x->ping) x->write_ns = hone_clock_ns();
    note_full(x);
}

void http_stream_ping(http_exchange *x, int seconds, const char *text)
{
    x->ping = text;
    x->ping_s = seconds;
    x->write_ns = hone_clock_ns();
}

void http_stream_end(http_exchange *x)
{
    if (x->conn && x->begun && x->head.v11 && !x->head_only &&
        evbuffer_add(output_of(x), "0\r\n\r\n", 5))
        x->conn->doomed = true;
    end(x);
}

void http_keep(http_exchange *x, const http_watch *watch)
{
    x->watch = *watch;
}

bool http_is_gone(const http_exchange *x)
{
    return x->conn == NULL;
}
