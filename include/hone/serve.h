/* serve.h - a model behind HTTP: OpenAI's and Anthropic's protocols, metrics, a page.
 *
 *     hone_server_options o = {.port = 8080};
 *     hone_server *s;
 *     hone_server_new(&s, model, &o, &err);
 *     fprintf(stderr, "%s\n", hone_server_url(s));
 *     hone_server_run(s);                   (until hone_server_stop)
 *     hone_server_free(s);
 *
 * docs/serving.md has the endpoints and what each field does.
 *
 * Threads: new starts one for the engine, run takes the calling thread for the network;
 * stop from any thread, and from a signal handler. */
#ifndef HONE_SERVE_H
#define HONE_SERVE_H

#include "hone/scheduler.h"

typedef struct hone_server hone_server;

typedef struct hone_server_adapter {
    const char *name, *path;
    float scale; /* 0 is 1 */
} hone_server_adapter;

typedef struct hone_server_options { /* zero: the default */
    const char *host;                /* 127.0.0.1; "unix:PATH" is a socket */
    int port;                        /* 0: a free one */
    const char *alias;               /* model name on the wire; default: its own */
    const char *const *key;          /* [n_key] */
    size_t n_key;
    const char *cors_origin;        /* NULL: no CORS */
    const char *tls_cert, *tls_key; /* PEM files */
    const hone_server_adapter *adapter;
    size_t n_adapter;
    hone_engine_options engine;
    hone_scheduler_options scheduler;
    const hone_model *draft;   /* for scheduler.draft, borrowed */
    hone_pooling pooling;      /* of /v1/embeddings; default mean */
    const char *chat_template; /* in place of the model's */
    size_t max_header, max_body, max_output;
    int max_connections, header_s, idle_s, stall_s;
    int ping_s;  /* seconds of silence of a stream before a comment; default 15 */
    int drain_s; /* running answers may take so long after stop; default 30 */
    /* One line of the log, no newline.  May be NULL. */
    void (*log)(void *ctx, const char *line);
    void *log_ctx;
    bool log_json; /* lines are JSON objects, else key=value */
} hone_server_options;

/* The model must outlive the server.  Errors as hone_engine_new, and
 *   E_IO       the address cannot be bound, a file cannot be read
 *   E_INVALID  an option */
HONE_API HONE_MUST_CHECK hone_status hone_server_new(hone_server **out,
                                                     const hone_model *model,
                                                     const hone_server_options *o,
                                                     hone_error *err);
HONE_API void hone_server_free(hone_server *s); /* NULL is fine */
HONE_API const char *hone_server_url(const hone_server *s);
HONE_API void hone_server_run(hone_server *s);
/* No new work; run returns when running answers are done, or after drain_s.  A second
 * call ends them at once. */
HONE_API void hone_server_stop(hone_server *s);

#endif
