/* wire.h - JSON on the wire: errors in each dialect's shape, text written piece by piece.
 *
 * Replies are written field by field into a hone_buf, compact and in a fixed order.  A
 * checked read that fails fills an api_error and returns false; the first failure is what
 * the client sees.
 *
 * Threads: any, no state. */
#ifndef HONE_SERVE_WIRE_H
#define HONE_SERVE_WIRE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

typedef struct api_error {
    int status;       /* of HTTP, 400 and above; 0: none */
    const char *code; /* "context_length_exceeded", a constant; NULL is null */
    char param[80];   /* the field that is wrong; empty is null */
    char message[HONE_ERROR_TEXT_SIZE];
} api_error;

/* Fill *e; returns false. */
bool hone_api_fail(api_error *e, int status, const char *code, const char *param,
                   const char *fmt, ...) HONE_PRINTF(5, 6);
/* What a failed call of the library means for a client: what it asked for (400, 404), or
 * the server's own trouble (500, 503). */
bool hone_api_fail_status(api_error *e, hone_status s, const char *param,
                          const hone_error *err);

/* {"error":{...}}, and Anthropic's {"type":"error","error":{...}}. */
void hone_put_error(hone_buf *b, const api_error *e);
void hone_put_error_anthropic(hone_buf *b, const api_error *e);

/* A character as a JSON string's escape. */
void hone_put_escape(hone_buf *b, unsigned char c);
/* A JSON string, quotes included.  What is no UTF-8 becomes U+FFFD. */
void hone_put_string(hone_buf *b, const char *s, size_t len);
void hone_put_text(hone_buf *b, const char *s); /* NUL-terminated; NULL is null */
/* A finite number; below -9999 (also -infinity) and NaN it is -9999. */
void hone_put_logprob(hone_buf *b, double x);
/* [bytes], as numbers. */
void hone_put_bytes(hone_buf *b, const char *s, size_t len);
/* Any value, compact; marks b as failed where memory is out. */
void hone_put_json(hone_buf *b, const json_t *v);
/* The same with ", " and ": " as Python spells it. */
void hone_put_json_spaced(hone_buf *b, const json_t *v);

/* Base64 of n bytes, without quotes. */
void hone_put_base64(hone_buf *b, const void *data, size_t n);

/* A name nobody else has: prefix and 24 letters or digits. */
typedef struct api_id {
    char text[40];
} api_id;
api_id hone_api_id(const char *prefix);

enum {
    API_MAX_NESTING = 64 /* of request bodies */
};
#define API_MAX_REPLY ((size_t)256 << 20)

#endif
