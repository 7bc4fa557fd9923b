/* fuzz_http.c - any bytes as what a client sends: the head and the body by themselves, in
 * pieces of several sizes, which must not matter. */
#include <stdlib.h>
#include <string.h>

#include "serve/http_body.h"
#include "serve/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct outcome {
    int head, body;
    size_t used, n_header, length;
} outcome;

typedef int feed_fn(void *to, const char *data, size_t len, size_t *used);

static int feed_head(void *to, const char *data, size_t len, size_t *used)
{
    return hone_http_head_feed(to, data, len, used);
}

static int feed_body(void *to, const char *data, size_t len, size_t *used)
{
    return hone_http_body_feed(to, data, len, used);
}

/* Feed from *at on, `piece` bytes at a time. */
static int feed(feed_fn *fn, void *to, const char *data, size_t size, size_t piece,
                size_t *at)
{
    int s = HTTP_MORE;
    while (s == HTTP_MORE && *at < size) {
        size_t used = 0;
        s = fn(to, data + *at, size - *at < piece ? size - *at : piece, &used);
        if (used == 0) abort(); /* would never end */
        *at += used;
    }
    return s;
}

/* Touch all that a handler may ask for. */
static size_t touch(const http_head *h)
{
    size_t n = strlen(h->verb) + strlen(h->path);
    for (size_t i = 0; i < h->n_header; i++) {
        n += strlen(h->header[i].name) + strlen(h->header[i].value);
    }
    for (size_t i = 0; i < h->n_param; i++) {
        n += strlen(h->param[i].name) + strlen(h->param[i].value);
    }
    if (h->chunked && h->has_length) abort();
    return n;
}

static outcome read_request(const char *data, size_t size, size_t piece)
{
    http_head h;
    http_body b;
    outcome o = {0};
    hone_http_head_init(&h, 4096);
    hone_http_body_init(&b, 1024);
    o.head = feed(feed_head, &h, data, size, piece, &o.used);
    if (o.head == HTTP_DONE) {
        o.n_header = h.n_header + touch(&h);
        o.body = hone_http_body_begin(&b, &h);
        if (o.body == HTTP_MORE)
            o.body = feed(feed_body, &b, data, size, piece, &o.used);
        if (b.data.len > 1024) abort();
        o.length = b.data.len;
    }
    hone_http_head_release(&h);
    hone_http_body_release(&b);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t piece[] = {1, 7, SIZE_MAX};
    outcome first = {0};
    for (int i = 0; i < 3; i++) {
        const outcome o = read_request((const char *)data, size, piece[i]);
        if (i == 0) first = o;
        if (o.head != first.head || o.n_header != first.n_header) abort();
        if (o.head == HTTP_DONE && (o.body != first.body || o.length != first.length))
            abort();
    }
    return 0;
}
