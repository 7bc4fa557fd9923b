#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

static char empty[1]; /* what data points to before the first append; never written */

void hone_buf_init(hone_buf *b, size_t max)
{
    *b = (hone_buf){.data = empty, .max = max};
}

void hone_buf_release(hone_buf *b)
{
    if (b->cap) hone_free(b->data);
    *b = (hone_buf){.data = empty, .max = b->max};
}

void hone_buf_reset(hone_buf *b)
{
    b->len = 0;
    b->failed = HONE_OK;
    if (b->cap) b->data[0] = '\0';
}

/* Room for `more` bytes and the terminator, or `failed` is set. */
static int reserve(hone_buf *b, size_t more)
{
    if (b->failed) return -1;
    if (more > b->max - b->len) {
        b->failed = HONE_E_LIMIT;
        return -1;
    }
    void *data = b->cap ? b->data : NULL;
    if (hone_grow(&data, &b->cap, b->len + more + 1, 1)) {
        b->failed = HONE_E_NOMEM;
        return -1;
    }
    b->data = data;
    return 0;
}

void hone_buf_append(hone_buf *b, const void *data, size_t len)
{
    if (len == 0 || reserve(b, len)) return;
    memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void hone_buf_append_str(hone_buf *b, const char *s)
{
    hone_buf_append(b, s, strlen(s));
}

void hone_buf_append_char(hone_buf *b, char c)
{
    hone_buf_append(b, &c, 1);
}

void hone_buf_append_utf8(hone_buf *b, unsigned code_point)
{
    char bytes[4];
    hone_buf_append(b, bytes, (size_t)hone_utf8_encode(bytes, code_point));
}

void hone_buf_printf(hone_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n <= 0 || reserve(b, (size_t)n)) return;
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void hone_buf_drop(hone_buf *b, size_t n)
{
    HONE_ASSERT(n <= b->len);
    if (n == 0) return;
    memmove(b->data, b->data + n, b->len - n + 1);
    b->len -= n;
}

char *hone_buf_take(hone_buf *b)
{
    if (b->failed) return NULL;
    char *s = b->cap ? b->data : hone_strdup("");
    *b = (hone_buf){.data = empty, .max = b->max};
    return s;
}

hone_status hone_buf_status(const hone_buf *b, const char *what, hone_error *err)
{
    if (b->failed == HONE_E_LIMIT) {
        return hone_fail(err, HONE_E_LIMIT, "%s: more than %zu bytes", what, b->max);
    }
    if (b->failed) return hone_fail(err, b->failed, "%s: out of memory", what);
    return HONE_OK;
}
