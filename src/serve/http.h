/* http.h - HTTP/1.1 for handlers: one exchange is a request and its reply.
 *
 *     http_server *s;
 *     HONE_TRY(http_server_new(&s, &options, routes, n_route, ctx, err));
 *     http_server_run(s);                    (the loop, until stop)
 *
 *     static void get_models(void *ctx, http_exchange *x)
 *     {
 *         http_reply(x, 200, "application/json", body, len);
 *     }
 *
 * All limits are kept below this interface: on heads, bodies, connections and output,
 * keys, malformed and ambiguous requests, readers that are slow, clients that vanish,
 * draining.  A handler either replies at once or keeps the exchange and replies later,
 * also in parts (a stream); until then the exchange lives, even if its client is gone.
 *
 * Threads: everything belongs to the loop's thread, but for http_post and
 * http_server_stop. */
#ifndef HONE_SERVE_HTTP_H
#define HONE_SERVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct http_server http_server;
typedef struct http_exchange http_exchange;

typedef void http_handler(void *ctx, http_exchange *x);

typedef enum http_method {
    HTTP_GET,
    HTTP_POST,
    HTTP_DELETE
} http_method;

/* HEAD is answered from GET, OPTIONS from the table; another method on a known path is
 * 405 with Allow.  A path that ends in '/' and '*' takes everything below. */
typedef struct http_route {
    http_method method;
    const char *path;
    http_handler *handler;
    bool open; /* needs no key */
} http_route;

#define HTTP_CLIENT_GONE 499 /* in logs and metrics only */

typedef struct http_options { /* zero: the default; strings are borrowed */
    const char *host;         /* 127.0.0.1; "unix:PATH" is a socket */
    int port;                 /* 0: a free one */
    const char *const *key;   /* [n_key]; with one, routes that are not open need it */
    size_t n_key;
    const char *cors_origin;        /* NULL: no CORS headers */
    const char *tls_cert, *tls_key; /* PEM files, both or none */
    size_t max_header;              /* 64 KiB */
    size_t max_body;                /* 32 MiB */
    size_t max_output;              /* of one connection, 256 KiB: then it is full */
    int max_connections;            /* 512 */
    /* Seconds for a request to come in, 10, its body earning one more with every 16 KiB;
     * for the next one to begin, 75. */
    int header_s, idle_s;
    int stall_s; /* seconds without progress of a full output: 30, then dropped */
    /* A reply ended, for logs and metrics; status HTTP_CLIENT_GONE where nobody was there
     * to get it.  x is still valid.  May be NULL. */
    void (*done)(void *ctx, const http_exchange *x, int status, size_t bytes,
                 double seconds);
} http_options;

/* E_IO: the address cannot be bound; E_INVALID: files of TLS. */
HONE_MUST_CHECK hone_status http_server_new(http_server **out, const http_options *o,
                                            const http_route *route, size_t n_route,
                                            void *ctx, hone_error *err);
void http_server_free(http_server *s); /* NULL is fine; open exchanges are closed */
const char *http_server_url(const http_server *s); /* "http://127.0.0.1:8080" */
void http_server_run(http_server *s);
/* From any thread and from signal handlers: run returns when no exchange is open, or after
 * `drain_s` seconds; 0 ends it at once.  New connections are refused; requests on open
 * ones get 503 with Retry-After, but for open routes.  Exchanges that are left are told
 * that their client is gone; what is posted from then on runs inside http_server_free. */
void http_server_stop(http_server *s, int drain_s);
bool http_server_is_draining(const http_server *s);

/* Run fn on the loop's thread, soon, in the order of the posts; from any thread.
 * E_NOMEM. */
HONE_MUST_CHECK hone_status http_post(http_server *s, void (*fn)(void *), void *arg,
                                      hone_error *err);

/* -- the request ------------------------------------------------------------------- */

http_method http_get_method(const http_exchange *x);
const char *http_get_verb(const http_exchange *x); /* as it came: "HEAD", "PUT" */
const char *http_get_path(const http_exchange *x); /* decoded, no query */
const char *http_get_header(const http_exchange *x, const char *name); /* or NULL */
const char *http_get_query(const http_exchange *x, const char *name);  /* or NULL */
const char *http_get_body(const http_exchange *x, size_t *len); /* NUL-terminated */
const char *
http_get_id(const http_exchange *x); /* the client's x-request-id, or ours */

/* What a handler leaves for the log; the exchange's, zero at first. */
typedef struct http_note {
    size_t n_prompt, n_cached, n_generated; /* tokens */
    const char *finish; /* a constant; NULL: nothing was generated */
} http_note;
http_note *http_get_note(http_exchange *x);

/* -- the reply --------------------------------------------------------------------- */

/* A header of the reply, before it begins.  A value with a line end is left out. */
void http_set_header(http_exchange *x, const char *name, const char *value);

/* The whole reply; x is gone. */
void http_reply(http_exchange *x, int status, const char *type, const void *body,
                size_t len);

/* A reply in parts: begin, any number of writes (each is sent at once), end; x is gone
 * after end.  A write may call watch.full, never watch.gone. */
void http_stream_begin(http_exchange *x, int status, const char *type);
void http_stream_write(http_exchange *x, const void *data, size_t len);
void http_stream_end(http_exchange *x);
/* A stream that was silent for so many seconds gets `text`, a constant. */
void http_stream_ping(http_exchange *x, int seconds, const char *text);
bool http_stream_begun(const http_exchange *x);

/* For an exchange that is kept.  gone: the client left, or was dropped because it did not
 * read; writes do nothing from here on, the handler still ends x by a reply or
 * http_stream_end.  full: the output is over its bound (true) or half drained again
 * (false); the writer should pause. */
typedef struct http_watch {
    void (*gone)(void *ctx, http_exchange *x);
    void (*full)(void *ctx, http_exchange *x, bool full);
    void *ctx;
} http_watch;
void http_keep(http_exchange *x, const http_watch *watch);
bool http_is_gone(const http_exchange *x);

#endif
