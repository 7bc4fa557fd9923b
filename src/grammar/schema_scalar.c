/* schema_scalar.c - keywords of numbers and strings, each as the language it allows. */
#include <math.h>
#include <string.h>

#include "grammar/chars.h"
#include "grammar/number.h"
#include "grammar/schema_internal.h"

#define MAX_COUNT 1000000000u

bool hone_schema_count(schema_ctx *c, const json_t *schema, const char *key,
                       uint32_t *out)
{
    const json_t *v = hone_schema_get(c, schema, key);
    if (!v) return false;
    const double d = json_number_value(v);
    if (!json_is_number(v) || d < 0 || floor(d) != d) {
        hone_schema_fail(c, HONE_E_FORMAT, schema, key, "not a count");
        return false;
    }
    if (d > MAX_COUNT) { /* out of reach: no bound above, no value below */
        if (strncmp(key, "min", 3) == 0)
            hone_schema_fail(c, HONE_E_LIMIT, schema, key, "too large");
        return false;
    }
    *out = (uint32_t)d;
    return true;
}

hone_expr hone_schema_number(schema_ctx *c, const json_t *schema, const char *key)
{
    const json_t *v = json_object_get(schema, key);
    hone_exprs *x = c->x;
    if (json_is_boolean(v) && strncmp(key, "excl", 4) == 0) return HONE_EXPR_ANY;
    if (!json_is_number(v)) {
        hone_schema_fail(c, HONE_E_FORMAT, schema, key, "not a number");
        return HONE_EXPR_NONE;
    }
    const hone_decimal d = hone_decimal_of(v);
    if (strcmp(key, "minimum") == 0) {
        const bool strict = json_is_true(json_object_get(schema, "exclusiveMinimum"));
        return hone_number_at_least(x, &d, strict);
    }
    if (strcmp(key, "maximum") == 0) {
        const bool strict = json_is_true(json_object_get(schema, "exclusiveMaximum"));
        return hone_number_at_most(x, &d, strict);
    }
    if (strcmp(key, "exclusiveMinimum") == 0) return hone_number_at_least(x, &d, true);
    if (strcmp(key, "exclusiveMaximum") == 0) return hone_number_at_most(x, &d, true);
    hone_expr e = HONE_EXPR_NONE;
    if (!hone_number_multiple(x, &d, &e)) {
        hone_schema_fail(c, HONE_E_UNSUPPORTED, schema, key,
                         "not a positive number of at most 9 digits");
    }
    return e;
}

hone_expr hone_schema_literal(schema_ctx *c, const char *s, size_t len)
{
    return hone_chars_text(c->x, s, len, c->spell, HONE_EXPR_EMPTY);
}

hone_expr hone_schema_string(schema_ctx *c, const json_t *schema, const char *key)
{
    const json_t *v = json_object_get(schema, key);
    hone_exprs *x = c->x;
    uint32_t n = 0;
    if (strcmp(key, "minLength") == 0 || strcmp(key, "maxLength") == 0) {
        const bool min = key[1] == 'i';
        if (!hone_schema_count(c, schema, key, &n)) return c->all;
        const hone_expr any = hone_chars_any(x, c->spell);
        return hone_expr_repeat(x, any, min ? n : 0, min ? HONE_EXPR_MANY : n);
    }
    if (!json_is_string(v)) {
        hone_schema_fail(c, HONE_E_FORMAT, schema, key, "not a string");
        return HONE_EXPR_NONE;
    }
    const char *s = json_string_value(v);
    size_t len = json_string_length(v);
    if (strcmp(key, "format") == 0) {
        bool refused;
        s = hone_schema_format(s, &refused);
        if (refused)
            hone_schema_fail(c, HONE_E_UNSUPPORTED, schema, key, "not a regular one");
        if (!s) return c->all;
        len = strlen(s);
    }
    return hone_schema_pattern(c, schema, key, s, len);
}
