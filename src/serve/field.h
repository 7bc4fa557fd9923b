/* field.h - checked reads of a request body: each names the field that is wrong.
 *
 * A field that is absent or null leaves *out as it was.  All return false with *e filled
 * on another type (code invalid_type) or outside the range (invalid_value).
 *
 * Threads: any. */
#ifndef HONE_SERVE_FIELD_H
#define HONE_SERVE_FIELD_H

#include "hone/tokenizer.h"
#include "serve/wire.h"

/* A body: one JSON object of at most API_MAX_NESTING levels.  *out is the caller's. */
bool hone_field_body(const char *text, size_t len, json_t **out, api_error *e);

/* NULL for absent and null. */
json_t *hone_field(const json_t *o, const char *key);

bool hone_field_int(const json_t *o, const char *key, int64_t lo, int64_t hi,
                    int64_t *out, api_error *e);
bool hone_field_real(const json_t *o, const char *key, double lo, double hi,
                     double *out, api_error *e);
bool hone_field_bool(const json_t *o, const char *key, bool *out, api_error *e);
bool hone_field_str(const json_t *o, const char *key, const char **out,
                    api_error *e); /* borrowed */
/* An array or an object; NULL if absent. */
bool hone_field_array(const json_t *o, const char *key, json_t **out, api_error *e);
bool hone_field_object(const json_t *o, const char *key, json_t **out, api_error *e);

/* One array of token ids within [0, n_vocab), appended to *out. */
bool hone_field_tokens(const json_t *array, const char *key, int n_vocab,
                       hone_tokens *out, api_error *e);

bool hone_field_wrong_type(api_error *e, const char *key, const char *expected,
                           const json_t *found);
bool hone_field_no_memory(api_error *e);
/* "LIST[i]: what", 400. */
bool hone_field_bad_item(api_error *e, const char *list, size_t i, const char *what);
/* Give o a new value, which it owns then. */
bool hone_field_put(json_t *o, const char *key, json_t *v, api_error *e);

#endif
