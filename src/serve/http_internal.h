/* http_internal.h - what the files http*.c share: server, connection, exchange.
 *
 *     http.c         the loop: listening, posts, the clock, draining
 *     http_conn.c    a connection: bytes in, one request after the other, bytes out
 *     http_route.c   what is refused before a handler sees it: paths, methods, keys, CORS
 *     http_reply.c   the exchange as handlers see it
 *     http_tls.c     certificates, encrypted connections
 *
 * Lifetimes: a connection owns its socket and at most one exchange.  When its client is
 * gone, or dropped, the connection goes at once and the exchange is told (x->conn is NULL
 * from then on); the exchange goes when its handler ends it.  Nothing else ever frees
 * either, and an exchange never looks at a connection but through x->conn. */
#ifndef HONE_SERVE_HTTP_INTERNAL_H
#define HONE_SERVE_HTTP_INTERNAL_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/rng.h"
#include "serve/http.h"
#include "serve/http_body.h"
#include "serve/http_head.h"

typedef struct http_conn http_conn;
typedef struct http_posted http_posted;

enum {
    HTTP_MAX_ID = 128,
    HTTP_LINGER_S = 2,      /* a refused client may finish talking for so long */
    HTTP_BODY_RATE = 16384, /* bytes a second that earn a body more time */
    HTTP_HARD_OUTPUT = 8,   /* times max_output: a writer that does not pause */
    HTTP_READ_AHEAD = 65536 /* bytes read while a request is in work */
};

typedef enum http_state {
    HTTP_HEAD,  /* a head is read, or the next one awaited */
    HTTP_BODY,  /* a body is read */
    HTTP_BUSY,  /* a handler has the exchange */
    HTTP_FLUSH, /* the last reply goes out, then the connection closes */
    HTTP_LINGER /* closed for writing; what still comes in is dropped */
} http_state;

struct http_exchange {
    http_server *server;
    http_conn *conn; /* NULL once the client is gone */
    http_exchange *prev, *next;
    http_head head;
    http_body body;
    http_method method;
    bool head_only; /* HEAD */
    char id[HTTP_MAX_ID + 1];
    hone_buf header; /* lines that http_set_header made */
    http_watch watch;
    http_note note;
    bool begun, full, keep_alive;
    int status;
    size_t bytes;     /* of the reply's body */
    const char *ping; /* for a silent stream, or NULL */
    int ping_s;
    int64_t write_ns; /* the last write of a stream with pings */
    int64_t begin_ns;
};

struct http_conn {
    http_server *server;
    http_conn *prev, *next;
    struct bufferevent *bev;
    http_exchange *x; /* HEAD, BODY: being read; BUSY: in work; else NULL */
    http_state state;
    const http_route *route; /* of x, once its head is there */
    bool advancing; /* inside the loop that takes requests: do not enter it again */
    bool first;     /* nothing was answered yet */
    bool unread; /* bytes of a request are outstanding: the next one is not in sight */
    bool doomed; /* to be dropped by the clock, where it cannot be at once */
    int64_t since_ns;    /* when the state began */
    int64_t progress_ns; /* when output last moved */
    size_t n_body;       /* bytes of the current body, framing included */
};

struct http_server {
    http_options options;
    const http_route *route;
    size_t n_route;
    void *ctx;
    char *url, *unix_path;
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *wake, *tick;
    int wake_fd;
    void *tls; /* SSL_CTX, or NULL */
    http_conn *conn;
    http_exchange *exchange; /* all that live */
    size_t n_conn;
    hone_rng rng; /* for request ids */
    int64_t drain_end_ns;
    bool draining;
    atomic_int stop_s; /* what http_server_stop asked for; -1: nothing */
    pthread_mutex_t lock;
    http_posted *posted, **posted_end; /* under lock */
};

/* -- http.c ------------------------------------------------------------------------ */

/* The loop may end now if nothing is left to do. */
void hone_http_check_drained(http_server *s);

/* -- http_conn.c ------------------------------------------------------------------- */

void hone_http_accept(http_server *s, int fd);
/* Close now; an exchange in work is told. */
void hone_http_drop(http_conn *c);
/* Seconds are up for someone? */
void hone_http_check_time(http_conn *c, int64_t now);
/* The exchange of c ended; go on, or close behind the reply. */
void hone_http_exchange_ended(http_conn *c, bool keep_alive);
void hone_http_exchange_free(http_exchange *x);

/* -- http_route.c ------------------------------------------------------------------ */

/* With the head alone: refuse (by http_reply), or return the route. */
const http_route *hone_http_admit(http_exchange *x);
/* An error in the shape of the path's dialect; x is gone. */
void hone_http_refuse(http_exchange *x, int status, const char *problem);
/* The headers that CORS asks for, to be added to every reply. */
void hone_http_add_cors(const http_exchange *x, hone_buf *to);
const char *hone_http_phrase(int status);

/* -- http_tls.c -------------------------------------------------------------------- */

HONE_MUST_CHECK hone_status hone_http_tls_new(void **ctx, const char *cert,
                                              const char *key, hone_error *err);
void hone_http_tls_free(void *ctx);
/* NULL when out of memory; the caller closes fd then. */
struct bufferevent *hone_http_tls_accept(void *ctx, struct event_base *base, int fd);
/* Tell the client that nothing more comes. */
void hone_http_tls_finish(struct bufferevent *bev);

#endif
