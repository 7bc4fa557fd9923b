/* regex.h - the regular expressions of tokenizers, on PCRE2.
 *
 * Patterns are written for Oniguruma, which Hugging Face uses; what PCRE2 reads otherwise
 * is translated (regex_translate.c).  As there, ^ and $ match at every line.  Matching is
 * bounded, so that a hostile pattern fails instead of hanging.
 *
 * Threads: a compiled expression is immutable; a matcher is owned by one thread. */
#ifndef HONE_TEXT_REGEX_H
#define HONE_TEXT_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/status.h"

#define HONE_REGEX_MAX_TRANSLATED ((size_t)4 << 20)

typedef struct hone_regex hone_regex;

/* `literal`: the pattern is plain text.  E_UNSUPPORTED with PCRE2's message. */
HONE_MUST_CHECK hone_status hone_regex_new(hone_regex **out, const char *pattern,
                                           size_t len, bool literal, hone_error *err);
void hone_regex_free(hone_regex *r); /* NULL is fine */

/* Call fn for every match of r in text (valid UTF-8), left to right, none overlapping;
 * an empty match right behind another match is skipped, other empty ones are not.
 * E_LIMIT when a match takes too long; fn's failure ends the walk. */
typedef hone_status hone_match_fn(void *ctx, size_t from, size_t to, hone_error *err);
HONE_MUST_CHECK hone_status hone_regex_each(const hone_regex *r, const char *text,
                                            size_t len, hone_match_fn *fn, void *ctx,
                                            hone_error *err);

/* Append an Oniguruma pattern as one for PCRE2; false if it nests too deeply or a class
 * has no end.  Check out->failed as well. */
HONE_MUST_CHECK bool hone_regex_translate(hone_buf *out, const char *pattern,
                                          size_t len);

#endif
