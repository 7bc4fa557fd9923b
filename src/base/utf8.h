/* utf8.h - UTF-8 in and out, strict or lossy.
 *
 * Spec: Unicode 15 sec. 3.9, table 3-7 (well-formed sequences): no overlong forms,
 * no surrogates, nothing past U+10FFFF.  Threads: any, no state. */
#ifndef HONE_BASE_UTF8_H
#define HONE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HONE_UTF8_REPLACEMENT 0xFFFDu

/* Decode the sequence at s[0..len), len > 0.
 * Well formed: its length, 1 to 4, with the code point in *cp.
 * Ill formed: minus the length of the maximal invalid prefix, 1 to 3, which a lossy
 * reader replaces by one U+FFFD (WHATWG rule); *cp is U+FFFD.
 * Cut off by the end of the input but valid so far: 0; *cp is U+FFFD. */
int hone_utf8_decode(const char *s, size_t len, uint32_t *cp);

/* Write a scalar value; returns 1 to 4.  Surrogates and values past U+10FFFF become
 * U+FFFD.  out has room for 4. */
int hone_utf8_encode(char *out, uint32_t cp);

bool hone_utf8_valid(const char *s, size_t len);

#endif
