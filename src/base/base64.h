/* base64.h - standard base64 with padding.  Threads: any, no state.
 * Spec: RFC 4648 sec. 4. */
#ifndef HONE_BASE_BASE64_H
#define HONE_BASE_BASE64_H

#include <stddef.h>

/* Bytes that `len` characters can stand for at most. */
static inline size_t hone_base64_bound(size_t len)
{
    return len / 4 * 3;
}

/* Decode into out (hone_base64_bound bytes); their number, or SIZE_MAX if s is no base64:
 * a length that 4 does not divide, or a character that does not belong there. */
size_t hone_base64_decode(const char *s, size_t len, unsigned char *out);

#endif
