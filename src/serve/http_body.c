/* http_body.c - http_body.h. */
#include "serve/http_body.h"

#include <string.h>

enum {
    MAX_SIZE_LINE = 256, /* with extensions */
    MAX_TRAILER = 8192
};

void hone_http_body_init(http_body *b, size_t max_bytes)
{
    memset(b, 0, sizeof *b);
    hone_buf_init(&b->data, max_bytes);
}

void hone_http_body_release(http_body *b)
{
    hone_buf_release(&b->data);
}

static int refuse(http_body *b, int status, const char *problem)
{
    b->problem = problem;
    return status;
}

int hone_http_body_begin(http_body *b, const http_head *h)
{
    b->chunked = h->chunked;
    b->state = h->chunked ? HTTP_BODY_SIZE : HTTP_BODY_DATA;
    b->left = h->chunked ? 0 : h->length;
    if (!h->chunked && h->length > b->data.max)
        return refuse(b, 413, "the body is too long");
    return h->chunked || h->length ? HTTP_MORE : HTTP_DONE;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

/* The size line ended. */
static int begin_chunk(http_body *b)
{
    if (b->left == 0) {
        b->state = HTTP_BODY_TRAILER;
    } else if (b->left > b->data.max - b->data.len) {
        return refuse(b, 413, "the body is too long");
    } else {
        b->state = HTTP_BODY_DATA;
    }
    b->n_line = 0;
    return HTTP_MORE;
}

/* 1*HEXDIG [ ";" anything ] CR LF */
static int feed_size(http_body *b, char c)
{
    if (b->seen_cr) {
        b->seen_cr = false;
        if (c != '\n' || b->n_line == 0) return refuse(b, 400, "a chunk has no size");
        b->seen_extension = false;
        return begin_chunk(b);
    }
    if (c == '\r') {
        b->seen_cr = true;
        return HTTP_MORE;
    }
    const int digit = hex(c);
    if (++b->n_line > MAX_SIZE_LINE)
        return refuse(b, 400, "the size line of a chunk is too long");
    if (b->seen_extension) {
        if ((unsigned char)c < 0x20 && c != '\t')
            return refuse(b, 400, "a chunk extension has a control character");
    } else if (digit >= 0) {
        if (b->left >> 56) return refuse(b, 413, "the body is too long");
        b->left = b->left * 16 + (uint64_t)digit;
    } else if (c == ';' && b->n_line > 1) {
        b->seen_extension = true;
    } else {
        return refuse(b, 400, "the size of a chunk is not a number");
    }
    return HTTP_MORE;
}

static int feed_trailer(http_body *b, char c)
{
    if (++b->n_trailer > MAX_TRAILER)
        return refuse(b, 431, "the trailers are too long");
    if (b->seen_cr) {
        if (c != '\n') return refuse(b, 400, "a line has a CR inside");
        b->seen_cr = false;
        if (b->n_line == 0) return HTTP_DONE;
        b->n_line = 0;
    } else if (c == '\r') {
        b->seen_cr = true;
    } else if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7F) {
        return refuse(b, 400, "a trailer has a control character");
    } else {
        b->n_line++;
    }
    return HTTP_MORE;
}

static int feed_line_end(http_body *b, char c)
{
    if (c != (b->seen_cr ? '\n' : '\r'))
        return refuse(b, 400, "a chunk is longer than its size");
    if (b->seen_cr) b->state = HTTP_BODY_SIZE;
    b->seen_cr = !b->seen_cr;
    return HTTP_MORE;
}

/* As much data as there is; the number of bytes taken. */
static int feed_data(http_body *b, const char *data, size_t len, size_t *used)
{
    const size_t n = b->left < len ? (size_t)b->left : len;
    hone_buf_append(&b->data, data, n);
    if (b->data.failed) return refuse(b, 503, "out of memory");
    b->left -= n;
    *used += n;
    if (b->left > 0) return HTTP_MORE;
    if (!b->chunked) return HTTP_DONE;
    b->state = HTTP_BODY_CR;
    return HTTP_MORE;
}

int hone_http_body_feed(http_body *b, const char *data, size_t len, size_t *used)
{
    *used = 0;
    while (*used < len) {
        int s;
        if (b->state == HTTP_BODY_DATA) {
            s = feed_data(b, data + *used, len - *used, used);
        } else {
            const char c = data[(*used)++];
            s = b->state == HTTP_BODY_SIZE ? feed_size(b, c)
                : b->state == HTTP_BODY_CR ? feed_line_end(b, c)
                                           : feed_trailer(b, c);
        }
        if (s != HTTP_MORE) return s;
    }
    return HTTP_MORE;
}
