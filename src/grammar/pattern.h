/* pattern.h - regular expressions of ECMA 262 (with the u flag's view of characters) as
 * expressions over bytes.
 *
 * Lookaheads become intersections, ^ and $ may stand anywhere where their place decides
 * them; back references, lookbehinds and word boundaries are refused.  Laziness of
 * quantifiers does not change a language.
 * Source: ECMA-262 sec. 22.2.1 and annex B.1.2. */
#ifndef HONE_GRAMMAR_PATTERN_H
#define HONE_GRAMMAR_PATTERN_H

#include "grammar/chars.h"

/* `search`: the pattern may match anywhere in the text, as JSON Schema has it;
 * otherwise it matches the whole text.
 *   E_FORMAT       no regular expression
 *   E_UNSUPPORTED  not expressible; the message says which part
 *   E_LIMIT        nested too deeply, or too large */
HONE_MUST_CHECK hone_status hone_pattern_expr(hone_exprs *x, const char *pattern,
                                              size_t len, hone_spelling how,
                                              bool search, hone_expr *out,
                                              hone_error *err);

#endif
