/* schema_negate.c - what fails a schema: one alternative for each keyword that may
 * fail.
 *
 * Complements of number and string keywords are complements of languages; a failing
 * `properties` is a property that is there and fails; and so on.  What has no exact
 * form (a negated uniqueItems, items behind prefixItems) is refused, unless the types
 * that are left make it irrelevant. */
#include <string.h>

#include "grammar/number.h"
#include "grammar/schema_internal.h"

static const schema_todo *negated(schema_ctx *c, const schema_todo *t, const json_t *s)
{
    return hone_schema_todo(c, t, (schema_todo){.lit = {s, true}});
}

/* oneOf fails where none holds or where two do. */
static void negate_one_of(schema_ctx *c, const schema_case *k, const json_t *list,
                          const schema_todo *rest)
{
    const size_t n = json_array_size(list);
    const schema_todo *none = rest;
    for (size_t i = 0; i < n; i++)
        none = negated(c, none, json_array_get(list, i));
    hone_schema_expand(c, *k, none);
    for (size_t i = 0; i < n && n <= 20; i++) {
        for (size_t j = i + 1; j < n; j++) {
            const schema_todo a = {.lit = {json_array_get(list, i), false}};
            const schema_todo b = {.lit = {json_array_get(list, j), false}};
            hone_schema_alternative(c, k, JSON_TYPE_ALL, a,
                                    hone_schema_todo(c, rest, b));
        }
    }
    if (n > 20) hone_schema_fail(c, HONE_E_LIMIT, list, "oneOf", "too many to negate");
}

static void negate_if(schema_ctx *c, const schema_case *k, const json_t *s,
                      const schema_todo *rest)
{
    const json_t *cond = json_object_get(s, "if");
    const json_t *then = json_object_get(s, "then"),
                 *other = json_object_get(s, "else");
    if (then) {
        hone_schema_alternative(c, k, JSON_TYPE_ALL,
                                (schema_todo){.lit = {cond, false}},
                                negated(c, rest, then));
    }
    if (other) {
        hone_schema_alternative(c, k, JSON_TYPE_ALL, (schema_todo){.lit = {cond, true}},
                                negated(c, rest, other));
    }
}

/* One alternative for each member: of required (names), of properties (names). */
static void negate_each(schema_ctx *c, const schema_case *k, schema_todo item,
                        const schema_todo *rest)
{
    const json_t *v = json_object_get(item.lit.schema, item.key);
    for (item.index = 0; item.index < json_array_size(v); item.index++) {
        hone_schema_alternative(c, k, JSON_TYPE_OBJECT, item, rest);
    }
    const char *name;
    size_t len;
    json_t *p;
    json_object_keylen_foreach((json_t *)(uintptr_t)v, name, len, p)
    {
        item.name = (schema_name){name, len};
        hone_schema_alternative(c, k, JSON_TYPE_OBJECT, item, rest);
    }
}

static unsigned types_of_key(const char *key)
{
    static const struct {
        const char *key;
        unsigned types;
    } table[] = {{"minimum", JSON_TYPE_NUMBER},
                 {"maximum", JSON_TYPE_NUMBER},
                 {"exclusiveMinimum", JSON_TYPE_NUMBER},
                 {"exclusiveMaximum", JSON_TYPE_NUMBER},
                 {"multipleOf", JSON_TYPE_NUMBER},
                 {"minLength", JSON_TYPE_STRING},
                 {"maxLength", JSON_TYPE_STRING},
                 {"pattern", JSON_TYPE_STRING},
                 {"format", JSON_TYPE_STRING},
                 {"items", JSON_TYPE_ARRAY},
                 {"prefixItems", JSON_TYPE_ARRAY},
                 {"minItems", JSON_TYPE_ARRAY},
                 {"maxItems", JSON_TYPE_ARRAY},
                 {"uniqueItems", JSON_TYPE_ARRAY},
                 {"contains", JSON_TYPE_ARRAY},
                 {"additionalItems", JSON_TYPE_ARRAY},
                 {"\x01prefix", JSON_TYPE_ARRAY},
                 {"minProperties", JSON_TYPE_OBJECT},
                 {"maxProperties", JSON_TYPE_OBJECT},
                 {"propertyNames", JSON_TYPE_OBJECT},
                 {"patternProperties", JSON_TYPE_OBJECT},
                 {"additionalProperties", JSON_TYPE_OBJECT},
                 {"dependentRequired", JSON_TYPE_OBJECT},
                 {"dependencies", JSON_TYPE_OBJECT},
                 {"dependentSchemas", JSON_TYPE_OBJECT},
                 {"type", JSON_TYPE_ALL},
                 {"enum", JSON_TYPE_ALL},
                 {"const", JSON_TYPE_ALL}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(key, table[i].key) == 0) return table[i].types;
    }
    return 0; /* an annotation cannot fail */
}

static void negate_key(schema_ctx *c, const schema_case *k, const json_t *s,
                       const char *key, const schema_todo *rest)
{
    const json_t *v = json_object_get(s, key);
    schema_todo item = {.lit = {s, true}, .key = key};
    if (!hone_schema_knows(c, key)) return;
    if (strcmp(key, "$ref") == 0) {
        const json_t *to = hone_schema_resolve(c, s);
        if (to) hone_schema_expand(c, *k, negated(c, rest, to));
    } else if (strcmp(key, "allOf") == 0) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            hone_schema_alternative(c, k, JSON_TYPE_ALL,
                                    (schema_todo){.lit = {json_array_get(v, i), true}},
                                    rest);
        }
    } else if (strcmp(key, "anyOf") == 0) {
        for (size_t i = 0; i < json_array_size(v); i++)
            rest = negated(c, rest, json_array_get(v, i));
        hone_schema_expand(c, *k, rest);
    } else if (strcmp(key, "oneOf") == 0) {
        negate_one_of(c, k, v, rest);
    } else if (strcmp(key, "not") == 0) {
        hone_schema_alternative(c, k, JSON_TYPE_ALL, (schema_todo){.lit = {v, false}},
                                rest);
    } else if (strcmp(key, "if") == 0) {
        negate_if(c, k, s, rest);
    } else if (strcmp(key, "required") == 0 || strcmp(key, "properties") == 0 ||
               strcmp(key, "patternProperties") == 0) {
        negate_each(c, k, item, rest);
    } else if (strcmp(key, "unevaluatedItems") == 0 || key[0] == '$') {
        if (strcmp(key, "$dynamicRef") == 0 || strcmp(key, "$recursiveRef") == 0)
            hone_schema_fail(c, HONE_E_UNSUPPORTED, s, key, "not supported");
    } else if (strcmp(key, "unevaluatedProperties") == 0) {
        hone_schema_fail(c, HONE_E_UNSUPPORTED, s, key, "not supported");
    } else {
        hone_schema_alternative(c, k, types_of_key(key), item, rest);
    }
}

void hone_schema_negate(schema_ctx *c, const schema_case *k, const json_t *s,
                        const schema_todo *rest)
{
    const char *key;
    json_t *v;
    if (json_object_get(s, "$ref") && c->draft <= 7) {
        negate_key(c, k, s, "$ref", rest);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)s, key, v)
    {
        if (hone_schema_failed(c)) return;
        negate_key(c, k, s, key, rest);
    }
}

/* -- single keywords -------------------------------------------------------------- */

static hone_expr narrow(schema_ctx *c, hone_expr now, hone_expr whole, hone_expr e)
{
    return now == whole ? e : hone_expr_and(c->x, now, e);
}

static void keep_number(schema_ctx *c, schema_case *k, hone_expr e, bool complement)
{
    if (complement) e = hone_expr_and(c->x, c->plain, hone_expr_not(c->x, e));
    k->number = narrow(c, k->number, c->number, e);
    if (k->number == HONE_EXPR_NONE) k->types &= ~(unsigned)JSON_TYPE_NUMBER;
}

static void keep_string(schema_ctx *c, schema_case *k, hone_expr e, bool complement)
{
    if (complement) e = hone_expr_and(c->x, c->all, hone_expr_not(c->x, e));
    k->string = narrow(c, k->string, c->all, e);
    if (k->string == HONE_EXPR_NONE) k->types &= ~(unsigned)JSON_TYPE_STRING;
}

void hone_schema_keep_scalars(schema_ctx *c, schema_case *k, const json_t *values,
                              bool complement)
{
    const size_t n = json_array_size(values);
    schema_name *word = hone_schema_alloc(c, n + 1, sizeof *word);
    size_t n_word = 0;
    unsigned consts = 0;
    hone_expr numbers = HONE_EXPR_NONE;
    if (!word) return;
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(values, i);
        if (json_is_null(v)) consts |= JSON_TYPE_NULL;
        if (json_is_true(v)) consts |= JSON_TYPE_TRUE;
        if (json_is_false(v)) consts |= JSON_TYPE_FALSE;
        if (json_is_string(v))
            word[n_word++] = (schema_name){json_string_value(v), json_string_length(v)};
        if (json_is_number(v) && k->types & JSON_TYPE_NUMBER) {
            const hone_decimal d = hone_decimal_of(v);
            numbers = hone_expr_alt(c->x, numbers, hone_number_equal(c->x, &d));
        }
    }
    if (complement) {
        k->types &= ~consts;
    } else {
        k->types &= consts | JSON_TYPE_NUMBER | JSON_TYPE_STRING;
    }
    if (k->types & JSON_TYPE_NUMBER && (numbers || !complement))
        keep_number(c, k, numbers, complement);
    if (k->types & JSON_TYPE_STRING && (n_word || !complement)) {
        keep_string(c, k, hone_chars_words(c->x, word, n_word, c->spell), complement);
    }
}

static void negate_type(schema_ctx *c, schema_case *k, const json_t *s)
{
    bool only_integer;
    const unsigned types = hone_schema_types(c, s, &only_integer);
    if (!only_integer) {
        k->types &= ~types;
        return;
    }
    k->types &= ~(types & ~(unsigned)JSON_TYPE_NUMBER);
    if (k->types & JSON_TYPE_NUMBER) keep_number(c, k, c->integer, true);
}

static void require(schema_ctx *c, schema_case *k, schema_name name,
                    const json_t *value, bool complement)
{
    const schema_list item = {.name = name, .lit = {value, complement}};
    k->required = hone_schema_list(c, k->required, item);
    k->property = hone_schema_list(c, k->property, item);
}

/* Names that neither `properties` nor `patternProperties` of s mention. */
hone_expr hone_schema_other_names(schema_ctx *c, const json_t *s)
{
    const json_t *p = json_object_get(s, "properties");
    schema_name *word = hone_schema_alloc(c, json_object_size(p) + 1, sizeof *word);
    size_t n = 0, len;
    const char *name;
    json_t *v;
    if (!word) return HONE_EXPR_NONE;
    json_object_keylen_foreach((json_t *)(uintptr_t)p, name, len, v)
    {
        word[n++] = (schema_name){name, len};
    }
    hone_expr e = hone_chars_words(c->x, word, n, c->spell);
    json_object_keylen_foreach(json_object_get(s, "patternProperties"), name, len, v)
    {
        const hone_expr p_expr =
            hone_schema_pattern(c, s, "patternProperties", name, len);
        e = hone_expr_alt(c->x, e, p_expr);
    }
    return e ? hone_expr_and(c->x, c->all, hone_expr_not(c->x, e)) : c->all;
}

static bool negate_arrays(schema_ctx *c, schema_case *k, const json_t *s,
                          const char *key)
{
    const json_t *v = json_object_get(s, key);
    uint32_t n;
    if (strcmp(key, "minItems") == 0) {
        if (!hone_schema_count(c, s, key, &n) || n == 0) return false;
        if (n - 1 < k->max_items) k->max_items = n - 1;
        return true;
    }
    if (strcmp(key, "maxItems") == 0) {
        if (!hone_schema_count(c, s, key, &n)) return false;
        if (n + 1 > k->min_items) k->min_items = n + 1;
        return true;
    }
    const bool prefix = hone_schema_get(c, s, "prefixItems") ||
                        json_object_get(s, "\x01prefix") || json_is_array(v);
    if (strcmp(key, "items") == 0 && !prefix) {
        const schema_list item = {.lit = {v, true}, .min = 1, .max = SCHEMA_NO_MAX};
        k->contains = hone_schema_list(c, k->contains, item);
        return true;
    }
    if (strcmp(key, "contains") == 0 && !hone_schema_get(c, s, "minContains") &&
        !hone_schema_get(c, s, "maxContains")) {
        json_t *none = json_pack("{s:{s:O}}", "items", "not", v);
        if (!none || json_array_append_new(c->made, none)) return false;
        const schema_list item = {.lit = {none, false}};
        k->arrays = hone_schema_list(c, k->arrays, item);
        return true;
    }
    if (strcmp(key, "uniqueItems") == 0 && !json_is_true(v)) return false;
    if (strcmp(key, "additionalItems") == 0 &&
        !json_is_array(json_object_get(s, "items")))
        return false;
    hone_schema_fail(c, HONE_E_UNSUPPORTED, s, key, "cannot be negated");
    return false;
}

static bool negate_objects(schema_ctx *c, schema_case *k, const schema_todo *t)
{
    const json_t *s = t->lit.schema, *v = json_object_get(s, t->key);
    const char *key = t->key;
    uint32_t n;
    if (strcmp(key, "required") == 0) {
        const json_t *name = json_array_get(v, t->index);
        if (!json_is_string(name)) return false;
        const schema_list item = {
            .name = {json_string_value(name), json_string_length(name)},
            .lit = {json_false(), false}};
        k->property = hone_schema_list(c, k->property, item);
        return true;
    }
    if (strcmp(key, "properties") == 0) {
        require(c, k, t->name, json_object_getn(v, t->name.s, t->name.len), true);
        return true;
    }
    if (strcmp(key, "minProperties") == 0) {
        if (!hone_schema_count(c, s, key, &n) || n == 0) return false;
        if (n - 1 < k->max_props) k->max_props = n - 1;
        return true;
    }
    if (strcmp(key, "maxProperties") == 0) {
        if (!hone_schema_count(c, s, key, &n)) return false;
        if (n + 1 > k->min_props) k->min_props = n + 1;
        return true;
    }
    if (strcmp(key, "additionalProperties") == 0) {
        const schema_list item = {.lit = {v, true},
                                  .names = hone_schema_other_names(c, s)};
        k->some = hone_schema_list(c, k->some, item);
        return true;
    }
    if (strcmp(key, "patternProperties") == 0) {
        const json_t *sub = json_object_getn(v, t->name.s, t->name.len);
        const hone_expr names = hone_schema_pattern(c, s, key, t->name.s, t->name.len);
        const schema_list item = {.lit = {sub, true}, .names = names};
        k->some = hone_schema_list(c, k->some, item);
        return !hone_schema_failed(c);
    }
    hone_schema_fail(c, HONE_E_UNSUPPORTED, s, key, "cannot be negated");
    return false;
}

bool hone_schema_negate_keyword(schema_ctx *c, schema_case *k, const schema_todo *t)
{
    const json_t *s = t->lit.schema;
    const char *key = t->key;
    const unsigned types = types_of_key(key);
    if (strcmp(key, "type") == 0) {
        negate_type(c, k, s);
    } else if (strcmp(key, "enum") == 0 || strcmp(key, "const") == 0) {
        const json_t *values = hone_schema_values(c, s, key);
        hone_schema_keep_scalars(c, k, values, true);
        for (size_t i = 0; i < json_array_size(values); i++) {
            const json_t *v = json_array_get(values, i);
            const unsigned type = json_is_array(v)    ? JSON_TYPE_ARRAY
                                  : json_is_object(v) ? JSON_TYPE_OBJECT
                                                      : 0;
            if (k->types & type)
                hone_schema_fail(c, HONE_E_UNSUPPORTED, s, key,
                                 "an array or object cannot be negated");
        }
    } else if (types == JSON_TYPE_NUMBER) {
        const hone_expr e = hone_schema_number(c, s, key);
        if (e == HONE_EXPR_ANY) return false;
        keep_number(c, k, e, true);
    } else if (types == JSON_TYPE_STRING) {
        const hone_expr e = hone_schema_string(c, s, key);
        if (e == c->all) return false;
        keep_string(c, k, e, true);
    } else if (types == JSON_TYPE_ARRAY) {
        return negate_arrays(c, k, s, key);
    } else {
        return negate_objects(c, k, t);
    }
    return k->types != 0;
}
