/* http_head.h - the head of a request: bytes in, checked fields out.
 *
 * Stricter than RFC 9112 asks where leniency has been abused: lines end in CR LF, no
 * folded lines, no control characters, one Host, at most one Content-Length of digits
 * alone, Transfer-Encoding only "chunked" and never beside Content-Length.  Pure: no
 * input or output, so that it can be fed byte by byte and fuzzed.  Owned by one thread. */
#ifndef HONE_SERVE_HTTP_HEAD_H
#define HONE_SERVE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
    HTTP_MORE = 0, /* what feed functions return: more bytes are needed, */
    HTTP_DONE = 1, /* all is there, or else the status to refuse with */
    HTTP_MAX_HEADERS = 100,
    HTTP_MAX_PARAMS = 64
};

typedef struct http_pair {
    const char *name, *value; /* inside the head's memory */
} http_pair;

typedef struct http_head {
    hone_buf text; /* the lines as they came, then cut into strings in place */
    size_t line;   /* where the unfinished line begins */
    size_t n_line;
    const char *verb; /* "GET" */
    const char *path; /* decoded; "*" only for OPTIONS */
    bool v11;         /* HTTP/1.1, else 1.0 */
    http_pair header[HTTP_MAX_HEADERS];
    size_t n_header;
    http_pair param[HTTP_MAX_PARAMS]; /* the query, decoded */
    size_t n_param;
    bool chunked, has_length, close, expect_continue;
    uint64_t length;     /* Content-Length */
    const char *problem; /* with an error: what is wrong, a constant */
} http_head;

void hone_http_head_init(http_head *h, size_t max_bytes);
void hone_http_head_release(http_head *h);
void hone_http_head_reset(http_head *h); /* for the next request */

/* Take bytes up to the end of the head; *used says how many.  HTTP_MORE, HTTP_DONE, or
 * 400, 417, 431, 501, 505. */
int hone_http_head_feed(http_head *h, const char *data, size_t len, size_t *used);

/* The first header of that name, in any case; NULL if there is none. */
const char *hone_http_head_find(const http_head *h, const char *name);

#endif
