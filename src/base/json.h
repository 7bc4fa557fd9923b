/* json.h - jansson with hone's errors.
 *
 * Trees are jansson's: json_decref() what load returns; what get returns is
 * borrowed from its parent.  Nesting is limited by jansson (2048 levels), size by
 * the caller.  Strings may hold NUL (json_string_length). */
#ifndef HONE_BASE_JSON_H
#define HONE_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* Parse len bytes of UTF-8; `name` is for the message (line and column follow). */
HONE_MUST_CHECK hone_status hone_json_load(json_t **out, const char *text, size_t len,
                                           const char *name, hone_error *err);
HONE_MUST_CHECK hone_status hone_json_load_file(json_t **out, const char *path,
                                                size_t max_bytes, hone_error *err);

/* Value of `key`, or NULL if obj is not an object, the key is absent, or the value
 * is null: config files use all three for "not given". */
json_t *hone_json_find(const json_t *obj, const char *key);

/* What a JSON pointer (RFC 6901) means below `at`, spelled as in a URI fragment: "" or
 * "/..", with %XX for bytes.  Borrowed; NULL where it leads nowhere (or without memory). */
const json_t *hone_json_follow(const json_t *at, const char *pointer);

/* Typed look-ups with a default for "not given".  E_FORMAT on another type or out
 * of [lo, hi]; the message names the key. */
HONE_MUST_CHECK hone_status hone_json_get_int(const json_t *obj, const char *key,
                                              int64_t fallback, int64_t lo, int64_t hi,
                                              int64_t *out, hone_error *err);
HONE_MUST_CHECK hone_status hone_json_get_real(const json_t *obj, const char *key,
                                               double fallback, double *out,
                                               hone_error *err);
HONE_MUST_CHECK hone_status hone_json_get_bool(const json_t *obj, const char *key,
                                               bool fallback, bool *out,
                                               hone_error *err);
/* Borrowed; fallback may be NULL. */
HONE_MUST_CHECK hone_status hone_json_get_str(const json_t *obj, const char *key,
                                              const char *fallback, const char **out,
                                              hone_error *err);

#endif
