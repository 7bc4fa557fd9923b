/* schema_ref.c - drafts and the keywords they know, $ref, and what is made only
 * once. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "grammar/pattern.h"
#include "grammar/schema_internal.h"

enum {
    MAX_IN_PLACE = 1000 /* schemas that one value must satisfy, one through the other */
};

static bool has_nested_id(const json_t *at, bool root)
{
    const char *key;
    json_t *v;
    if (json_is_array(at)) {
        for (size_t i = 0; i < json_array_size(at); i++) {
            if (has_nested_id(json_array_get(at, i), false)) return true;
        }
        return false;
    }
    if (!json_is_object(at)) return false;
    const char *s = json_string_value(json_object_get(at, "$id"));
    if (!root && s && s[0] != '#') return true;
    json_object_foreach((json_t *)(uintptr_t)at, key, v)
    {
        if (strcmp(key, "enum") && strcmp(key, "const") && has_nested_id(v, false))
            return true;
    }
    return false;
}

void hone_schema_read_draft(schema_ctx *c)
{
    const char *s = json_string_value(json_object_get(c->root, "$schema"));
    c->draft = 2020;
    c->nested_id = has_nested_id(c->root, true);
    if (!s) return;
    if (strstr(s, "draft-03") || strstr(s, "draft-04"))
        c->draft = 4;
    else if (strstr(s, "draft-06"))
        c->draft = 6;
    else if (strstr(s, "draft-07"))
        c->draft = 7;
    else if (strstr(s, "2019-09"))
        c->draft = 2019;
}

bool hone_schema_knows(const schema_ctx *c, const char *key)
{
    static const struct {
        const char *key;
        int first, last;
    } table[] = {{"const", 6, 9999},           {"contains", 6, 9999},
                 {"propertyNames", 6, 9999},   {"if", 7, 9999},
                 {"dependencies", 0, 7},       {"dependentRequired", 2019, 9999},
                 {"prefixItems", 2020, 9999},  {"dependentSchemas", 2019, 9999},
                 {"additionalItems", 0, 2019}, {"minContains", 2019, 9999},
                 {"maxContains", 2019, 9999},  {"unevaluatedItems", 2019, 9999},
                 {"$dynamicRef", 2020, 9999},  {"unevaluatedProperties", 2019, 9999},
                 {"$recursiveRef", 2019, 2019}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(key, table[i].key) == 0)
            return c->draft >= table[i].first && c->draft <= table[i].last;
    }
    return true;
}

const json_t *hone_schema_get(const schema_ctx *c, const json_t *schema,
                              const char *key)
{
    const json_t *v = json_object_get(schema, key);
    return v && hone_schema_knows(c, key) ? v : NULL;
}

/* -- references ------------------------------------------------------------------- */

/* The schema whose $anchor, or old-style "#name" id, is `name`. */
static const json_t *find_anchor(const json_t *at, const char *name)
{
    const char *key;
    json_t *v;
    if (json_is_array(at)) {
        for (size_t i = 0; i < json_array_size(at); i++) {
            const json_t *r = find_anchor(json_array_get(at, i), name);
            if (r) return r;
        }
        return NULL;
    }
    if (!json_is_object(at)) return NULL;
    static const char *const keys[] = {"$anchor", "$id", "id"};
    for (int i = 0; i < 3; i++) {
        const char *s = json_string_value(json_object_get(at, keys[i]));
        if (s && strcmp(s[0] == '#' && i > 0 ? s + 1 : i == 0 ? s : "", name) == 0) {
            return at;
        }
    }
    json_object_foreach((json_t *)(uintptr_t)at, key, v)
    {
        if (strcmp(key, "enum") == 0 || strcmp(key, "const") == 0) continue;
        const json_t *r = find_anchor(v, name);
        if (r) return r;
    }
    return NULL;
}

static size_t base_length(const char *uri)
{
    return strcspn(uri, "#");
}

static const json_t *resolve(schema_ctx *c, const json_t *schema)
{
    const json_t *ref = json_object_get(schema, "$ref");
    const char *s = json_string_value(ref);
    if (!s) {
        hone_schema_fail(c, HONE_E_FORMAT, schema, "$ref", "not a string");
        return NULL;
    }
    const char *id = json_string_value(json_object_get(c->root, "$id"));
    if (!id) id = json_string_value(json_object_get(c->root, "id"));
    const size_t n = base_length(s);
    if (n > 0) { /* an absolute reference to this very document is local */
        if (!id || base_length(id) != n || memcmp(s, id, n) != 0) {
            hone_schema_fail(c, HONE_E_UNSUPPORTED, schema, "$ref",
                             "only references within the schema");
            return NULL;
        }
    }
    if (c->nested_id) {
        hone_schema_fail(c, HONE_E_UNSUPPORTED, schema, "$ref",
                         "references in a schema with embedded $id");
        return NULL;
    }
    const char *fragment = s[n] == '#' ? s + n + 1 : "";
    const json_t *to = *fragment == '/' || !*fragment
                           ? hone_json_follow(c->root, fragment)
                           : find_anchor(c->root, fragment);
    if (!to) hone_schema_fail(c, HONE_E_FORMAT, schema, "$ref", "leads nowhere");
    if (to && !json_is_object(to) && !json_is_boolean(to)) {
        hone_schema_fail(c, HONE_E_FORMAT, schema, "$ref", "leads to no schema");
        return NULL;
    }
    return to;
}

static bool asks_for_itself(schema_ctx *c, const json_t *s, int depth);

static bool one_asks_for_itself(schema_ctx *c, const json_t *v, int depth)
{
    const char *key;
    json_t *e;
    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (asks_for_itself(c, json_array_get(v, i), depth)) return true;
        }
    }
    json_object_foreach((json_t *)(uintptr_t)v, key, e)
    {
        if (asks_for_itself(c, e, depth)) return true;
    }
    return false;
}

/* Whether what a value must satisfy to satisfy s includes s again: no property and no
 * item in between, so that the question has no answer. */
static bool asks_for_itself(schema_ctx *c, const json_t *s, int depth)
{
    static const char *const one[] = {"not", "if", "then", "else"};
    static const char *const many[] = {"allOf", "anyOf", "oneOf", "dependentSchemas",
                                       "dependencies"};
    enum {
        ASKED,
        ANSWERED
    };
    if (!json_is_object(s) || hone_schema_failed(c)) return false;
    const int32_t known = hone_map_find(&c->circles, (const char *)&s, sizeof s);
    if (known >= 0) return known == ASKED;
    if (depth > MAX_IN_PLACE) {
        hone_schema_fail(c, HONE_E_LIMIT, s, "$ref", "too many references in a row");
        return false;
    }
    if (!hone_schema_put_address(c, &c->circles, s, ASKED)) return false;
    if (json_object_get(s, "$ref")) {
        const json_t *to = resolve(c, s);
        if (to && asks_for_itself(c, to, depth + 1)) return true;
    }
    if (c->draft > 7 || !json_object_get(s, "$ref")) {
        for (size_t i = 0; i < sizeof one / sizeof *one; i++) {
            if (asks_for_itself(c, hone_schema_get(c, s, one[i]), depth + 1))
                return true;
        }
        for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
            if (one_asks_for_itself(c, hone_schema_get(c, s, many[i]), depth + 1))
                return true;
        }
    }
    return !hone_schema_put_address(c, &c->circles, s, ANSWERED);
}

const json_t *hone_schema_resolve(schema_ctx *c, const json_t *schema)
{
    const json_t *to = resolve(c, schema);
    if (to && asks_for_itself(c, to, 0)) {
        hone_schema_fail(c, HONE_E_UNSUPPORTED, schema, "$ref", "leads back to itself");
        return NULL;
    }
    return hone_schema_failed(c) ? NULL : to;
}

/* -- once ------------------------------------------------------------------------- */

bool hone_schema_put_address(schema_ctx *c, hone_map *m, const void *p, int32_t v)
{
    const void **key = hone_schema_alloc(c, 1, sizeof *key);
    if (!key) return false;
    *key = p;
    if (hone_map_put(m, (const char *)key, sizeof *key, v, NULL, c->err)) {
        hone_schema_fail(c, HONE_E_NOMEM, NULL, "schema", "out of memory");
        return false;
    }
    return true;
}

hone_expr hone_schema_pattern(schema_ctx *c, const json_t *at, const char *key,
                              const char *s, size_t len)
{
    const int32_t known = hone_map_find(&c->patterns, s, len);
    if (known >= 0) return c->pattern[known];
    hone_expr e = HONE_EXPR_NONE;
    hone_error err;
    const hone_status status =
        hone_pattern_expr(c->x, s, len, c->spell, true, &e, &err);
    if (status) {
        hone_schema_fail(c, status, at, key, err.text);
        return HONE_EXPR_NONE;
    }
    if (hone_grow((void **)&c->pattern, &c->cap_pattern, c->n_pattern + 1,
                  sizeof *c->pattern) ||
        hone_map_put(&c->patterns, s, len, (int32_t)c->n_pattern, NULL, NULL)) {
        hone_schema_fail(c, HONE_E_NOMEM, at, key, "out of memory");
        return HONE_EXPR_NONE;
    }
    c->pattern[c->n_pattern++] = e;
    return e;
}

/* A schema that only this array or object satisfies. */
static json_t *make_schema(const json_t *value)
{
    const char *key;
    json_t *v;
    if (json_is_array(value)) {
        json_t *items = json_array();
        for (size_t i = 0; i < json_array_size(value); i++) {
            v = json_array_get(value, i);
            json_array_append_new(items, json_pack("{s:[O]}", "enum", v));
        }
        return json_pack("{s:s,s:o,s:b,s:b,s:I}", "type", "array", "\x01prefix", items,
                         "items", 0, "\x01made", 1, "minItems",
                         (json_int_t)json_array_size(value));
    }
    json_t *properties = json_object(), *required = json_array();
    json_object_foreach((json_t *)(uintptr_t)value, key, v)
    {
        json_object_set_new(properties, key, json_pack("{s:[O]}", "enum", v));
        json_array_append_new(required, json_string(key));
    }
    return json_pack("{s:s,s:o,s:o,s:b}", "type", "object", "properties", properties,
                     "required", required, "additionalProperties", 0);
}

const json_t *hone_schema_made(const schema_ctx *c, const hone_map *m, const json_t *of)
{
    const int32_t at = hone_map_find(m, (const char *)&of, sizeof of);
    return at < 0 ? NULL : json_array_get(c->made, (size_t)at);
}

const json_t *hone_schema_keep(schema_ctx *c, hone_map *m, const json_t *of,
                               json_t *made)
{
    if (!made || json_array_append_new(c->made, made)) {
        hone_schema_fail(c, HONE_E_NOMEM, of, "schema", "out of memory");
        return NULL;
    }
    const int32_t at = (int32_t)json_array_size(c->made) - 1;
    return hone_schema_put_address(c, m, of, at) ? made : NULL;
}

const json_t *hone_schema_of_value(schema_ctx *c, const json_t *value)
{
    const json_t *known = hone_schema_made(c, &c->values, value);
    return known ? known : hone_schema_keep(c, &c->values, value, make_schema(value));
}
