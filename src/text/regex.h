/* regex.h - the regular expressions of tokenizers, on PCRE2.
 *
 * Patterns are written for Oniguruma (Hugging Face) or Rust's regex (tiktoken); what
 * PCRE2 reads otherwise is translated: \s without U+180E, \w with marks, class
 * intersections.  Matching is bounded, so that a hostile pattern fails instead of
 * hanging.
 *
 * Threads: a compiled expression is immutable; a matcher is owned by one thread. */
#ifndef HONE_TEXT_REGEX_H
#define HONE_TEXT_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct hone_regex hone_regex;

/* `literal`: the pattern is plain text.  E_UNSUPPORTED with PCRE2's message. */
HONE_MUST_CHECK hone_status hone_regex_new(hone_regex **out, const char *pattern,
                                           size_t len, bool literal, hone_error *err);
void hone_regex_free(hone_regex *r); /* NULL is fine */

/* Call fn for every match of r in text (valid UTF-8), left to right, none overlapping;
 * empty matches are skipped.  E_LIMIT when a match takes too long; fn's failure ends the
 * walk. */
typedef hone_status hone_match_fn(void *ctx, size_t from, size_t to, hone_error *err);
HONE_MUST_CHECK hone_status hone_regex_each(const hone_regex *r, const char *text,
                                            size_t len, hone_match_fn *fn, void *ctx,
                                            hone_error *err);

#endif
