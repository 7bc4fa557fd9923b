/* buf.h - a growing byte buffer with a maximum given at the start.
 *
 *     hone_buf b;
 *     hone_buf_init(&b, 1 << 20);
 *     hone_buf_append(&b, text, len);
 *     if (b.failed) ...                 (one check after many appends)
 *     hone_buf_release(&b);
 *
 * The data is always followed by a NUL that is not counted, so that text can be
 * passed to C functions; data is never NULL.  Past the maximum, or out of memory,
 * appends do nothing and `failed` says which.  Owned by one thread at a time. */
#ifndef HONE_BASE_BUF_H
#define HONE_BASE_BUF_H

#include <stddef.h>

#include "base/status.h"

typedef struct hone_buf {
    char *data;
    size_t len;
    size_t cap;         /* bytes allocated, 0 while nothing is */
    size_t max;         /* most bytes `len` may reach */
    hone_status failed; /* HONE_OK, HONE_E_LIMIT or HONE_E_NOMEM; sticks */
} hone_buf;

void hone_buf_init(hone_buf *b, size_t max);
void hone_buf_release(hone_buf *b);
void hone_buf_reset(hone_buf *b); /* empty, memory kept, `failed` cleared */

void hone_buf_append(hone_buf *b, const void *data, size_t len);
void hone_buf_append_str(hone_buf *b, const char *s);
void hone_buf_append_char(hone_buf *b, char c);
void hone_buf_append_utf8(hone_buf *b, unsigned code_point);
void hone_buf_printf(hone_buf *b, const char *fmt, ...) HONE_PRINTF(2, 3);

/* Drop the first n bytes. */
void hone_buf_drop(hone_buf *b, size_t n);

/* The data as a string of the caller's (hone_free), the buffer left empty.
 * NULL if `failed` or out of memory. */
char *hone_buf_take(hone_buf *b);

/* Turn `failed` into a status with text "what: ...". */
hone_status hone_buf_status(const hone_buf *b, const char *what, hone_error *err);

#endif
