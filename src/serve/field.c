/* field.c - checked reads. */
#include "serve/field.h"

#include <string.h>

static const char *type_name(const json_t *v)
{
    static const char *const names[] = {"an object",  "an array", "a string",
                                        "an integer", "a number", "true",
                                        "false",      "null"};
    return v ? names[json_typeof(v)] : "nothing";
}

bool hone_field_wrong_type(api_error *e, const char *key, const char *expected,
                           const json_t *found)
{
    return hone_api_fail(e, 400, "invalid_type", key, "%s: expected %s, found %s", key,
                         expected, type_name(found));
}

bool hone_field_no_memory(api_error *e)
{
    return hone_api_fail(e, 500, "server_error", NULL, "out of memory");
}

static bool too_deep(const json_t *v, int level)
{
    const char *key;
    json_t *child;
    size_t i;
    if (!json_is_object(v) && !json_is_array(v)) return false;
    if (level >= API_MAX_NESTING) return true;
    json_array_foreach(v, i, child)
    {
        if (too_deep(child, level + 1)) return true;
    }
    json_object_foreach((json_t *)(uintptr_t)v, key, child)
    {
        if (too_deep(child, level + 1)) return true;
    }
    return false;
}

bool hone_field_body(const char *text, size_t len, json_t **out, api_error *e)
{
    json_error_t je;
    json_t *v = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &je);
    if (!v) {
        return hone_api_fail(e, 400, "invalid_json", NULL,
                             "body: line %d column %d: %s", je.line, je.column,
                             je.text);
    }
    if (!json_is_object(v)) {
        hone_field_wrong_type(e, "body", "a JSON object", v);
        *e->param = 0;
    } else if (too_deep(v, 0)) {
        hone_api_fail(e, 400, "invalid_json", NULL,
                      "body: nested too deeply, expected at most %d levels",
                      API_MAX_NESTING);
    } else {
        *out = v;
        return true;
    }
    json_decref(v);
    return false;
}

json_t *hone_field(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

bool hone_field_int(const json_t *o, const char *key, int64_t lo, int64_t hi,
                    int64_t *out, api_error *e)
{
    const json_t *v = hone_field(o, key);
    if (!v) return true;
    if (!json_is_integer(v)) return hone_field_wrong_type(e, key, "an integer", v);
    const int64_t x = json_integer_value(v);
    if (x < lo || x > hi) {
        return hone_api_fail(e, 400, "invalid_value", key,
                             "%s: expected %lld to %lld, found %lld", key,
                             (long long)lo, (long long)hi, (long long)x);
    }
    *out = x;
    return true;
}

bool hone_field_real(const json_t *o, const char *key, double lo, double hi,
                     double *out, api_error *e)
{
    const json_t *v = hone_field(o, key);
    if (!v) return true;
    if (!json_is_number(v)) return hone_field_wrong_type(e, key, "a number", v);
    const double x = json_number_value(v);
    if (!(x >= lo && x <= hi)) {
        return hone_api_fail(e, 400, "invalid_value", key,
                             "%s: expected %g to %g, found %g", key, lo, hi, x);
    }
    *out = x;
    return true;
}

bool hone_field_bool(const json_t *o, const char *key, bool *out, api_error *e)
{
    const json_t *v = hone_field(o, key);
    if (!v) return true;
    if (!json_is_boolean(v)) return hone_field_wrong_type(e, key, "true or false", v);
    *out = json_is_true(v);
    return true;
}

bool hone_field_str(const json_t *o, const char *key, const char **out, api_error *e)
{
    const json_t *v = hone_field(o, key);
    if (!v) return true;
    if (!json_is_string(v)) return hone_field_wrong_type(e, key, "a string", v);
    if (strlen(json_string_value(v)) != json_string_length(v)) {
        return hone_api_fail(e, 400, "invalid_value", key,
                             "%s: expected text without NUL", key);
    }
    *out = json_string_value(v);
    return true;
}

bool hone_field_array(const json_t *o, const char *key, json_t **out, api_error *e)
{
    *out = hone_field(o, key);
    return !*out || json_is_array(*out) ||
           hone_field_wrong_type(e, key, "an array", *out);
}

bool hone_field_object(const json_t *o, const char *key, json_t **out, api_error *e)
{
    *out = hone_field(o, key);
    return !*out || json_is_object(*out) ||
           hone_field_wrong_type(e, key, "an object", *out);
}

bool hone_field_tokens(const json_t *array, const char *key, int n_vocab,
                       hone_tokens *out, api_error *e)
{
    size_t i;
    json_t *v;
    if (!json_is_array(array))
        return hone_field_wrong_type(e, key, "an array of token ids", array);
    json_array_foreach(array, i, v)
    {
        if (!json_is_integer(v)) return hone_field_wrong_type(e, key, "a token id", v);
        const int64_t x = json_integer_value(v);
        if (x < 0 || x >= n_vocab) {
            return hone_api_fail(e, 400, "invalid_value", key,
                                 "%s: expected a token id from 0 to %d, found %lld",
                                 key, n_vocab - 1, (long long)x);
        }
        const int32_t id = (int32_t)x;
        if (hone_tokens_append(out, &id, 1, NULL)) return hone_field_no_memory(e);
    }
    return true;
}

bool hone_field_bad_item(api_error *e, const char *list, size_t i, const char *what)
{
    char param[40];
    snprintf(param, sizeof param, "%s[%zu]", list, i);
    return hone_api_fail(e, 400, "invalid_value", param, "%s: %s", param, what);
}

bool hone_field_put(json_t *o, const char *key, json_t *v, api_error *e)
{
    return json_object_set_new(o, key, v) == 0 || hone_field_no_memory(e);
}
