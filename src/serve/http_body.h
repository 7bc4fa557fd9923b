/* http_body.h - the body of a request: bytes in as they arrive, bounded all the way.
 *
 * Knows both framings, a length and chunks (RFC 9112 section 7.1); trailers are read and
 * dropped.  Pure and owned by one thread, as http_head.h. */
#ifndef HONE_SERVE_HTTP_BODY_H
#define HONE_SERVE_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "serve/http_head.h"

typedef enum http_body_state {
    HTTP_BODY_DATA,   /* of the length, or of a chunk */
    HTTP_BODY_SIZE,   /* the line with a chunk's size */
    HTTP_BODY_CR,     /* the line end behind a chunk's data */
    HTTP_BODY_TRAILER /* lines behind the last chunk */
} http_body_state;

typedef struct http_body {
    hone_buf data;
    http_body_state state;
    bool chunked;
    uint64_t left; /* bytes of data to come; SIZE: the size so far */
    size_t n_line; /* bytes of the current line */
    size_t n_trailer;
    bool seen_cr, seen_extension;
    const char *problem;
} http_body;

void hone_http_body_init(http_body *b, size_t max_bytes);
void hone_http_body_release(http_body *b);

/* Begin the body that the head announces: HTTP_DONE if there is none, HTTP_MORE, or
 * 413. */
int hone_http_body_begin(http_body *b, const http_head *h);

/* As hone_http_head_feed: HTTP_MORE, HTTP_DONE, 400 or 413. */
int hone_http_body_feed(http_body *b, const char *data, size_t len, size_t *used);

#endif
