/* schema_expand.c - a conjunction of schemas to cases without branching keywords.
 *
 * Schemas are worked off a list.  What branches (anyOf, oneOf, if, dependencies, enum
 * values of several kinds) copies the case and goes on with each alternative; cases
 * that contradict themselves are dropped as soon as it shows. */
#include <string.h>

#include "grammar/number.h"
#include "grammar/schema_internal.h"

const schema_list *hone_schema_list(schema_ctx *c, const schema_list *next,
                                    schema_list item)
{
    schema_list *l = hone_schema_alloc(c, 1, sizeof *l);
    if (!l) return next;
    *l = item;
    l->next = next;
    return l;
}

const schema_todo *hone_schema_todo(schema_ctx *c, const schema_todo *next,
                                    schema_todo item)
{
    schema_todo *t = hone_schema_alloc(c, 1, sizeof *t);
    if (!t) return next;
    *t = item;
    t->next = next;
    return t;
}

/* Negations come last: by then the types that are left often decide them. */
static const schema_todo *append(schema_ctx *c, const schema_todo *t, schema_todo item)
{
    if (!t) return hone_schema_todo(c, NULL, item);
    schema_todo first = *t;
    return hone_schema_todo(c, append(c, t->next, item), first);
}

void hone_schema_alternative(schema_ctx *c, const schema_case *k, unsigned types,
                             schema_todo first, const schema_todo *rest)
{
    schema_case copy = *k;
    copy.types &= types;
    if (!copy.types || hone_schema_failed(c)) return;
    if (c->depth >= SCHEMA_MAX_DEPTH) {
        hone_schema_fail(c, HONE_E_LIMIT, first.lit.schema, "schema",
                         "alternatives nested too deeply");
        return;
    }
    c->depth++;
    hone_schema_expand(c, copy, hone_schema_todo(c, rest, first));
    c->depth--;
}

static hone_expr narrow(schema_ctx *c, hone_expr now, hone_expr whole, hone_expr e)
{
    return now == whole ? e : hone_expr_and(c->x, now, e);
}

/* -- keywords that hold directly -------------------------------------------------- */

static unsigned type_mask(schema_ctx *c, const json_t *schema, const json_t *name,
                          bool *integer)
{
    static const struct {
        const char *name;
        unsigned types;
    } table[] = {
        {"null", JSON_TYPE_NULL},     {"boolean", JSON_TYPE_TRUE | JSON_TYPE_FALSE},
        {"number", JSON_TYPE_NUMBER}, {"string", JSON_TYPE_STRING},
        {"array", JSON_TYPE_ARRAY},   {"object", JSON_TYPE_OBJECT}};
    const char *s = json_string_value(name);
    if (s && strcmp(s, "integer") == 0) {
        *integer = true;
        return 0;
    }
    if (s && strcmp(s, "any") == 0 && c->draft == 4) return JSON_TYPE_ALL;
    for (size_t i = 0; s && i < sizeof table / sizeof *table; i++) {
        if (strcmp(s, table[i].name) == 0) return table[i].types;
    }
    hone_schema_fail(c, HONE_E_FORMAT, schema, "type", "no type");
    return 0;
}

unsigned hone_schema_types(schema_ctx *c, const json_t *schema, bool *only_integer)
{
    const json_t *type = json_object_get(schema, "type");
    bool integer = false;
    unsigned types = 0;
    *only_integer = false;
    if (!type) return JSON_TYPE_ALL;
    if (json_is_array(type)) {
        for (size_t i = 0; i < json_array_size(type); i++) {
            types |= type_mask(c, schema, json_array_get(type, i), &integer);
        }
    } else {
        types = type_mask(c, schema, type, &integer);
    }
    *only_integer = integer && !(types & JSON_TYPE_NUMBER);
    return types | (integer ? JSON_TYPE_NUMBER : 0);
}

static void apply_numbers(schema_ctx *c, schema_case *k, const json_t *s)
{
    static const char *const keys[] = {"minimum", "maximum", "exclusiveMinimum",
                                       "exclusiveMaximum", "multipleOf"};
    for (int i = 0; i < 5; i++) {
        if (!json_object_get(s, keys[i])) continue;
        const hone_expr e = hone_schema_number(c, s, keys[i]);
        if (e != HONE_EXPR_ANY) k->number = narrow(c, k->number, c->number, e);
    }
}

static void apply_strings(schema_ctx *c, schema_case *k, const json_t *s)
{
    static const char *const keys[] = {"minLength", "maxLength", "pattern", "format"};
    if (json_object_get(s, keys[0]) && json_object_get(s, keys[1])) {
        uint32_t m = 0, n = HONE_EXPR_MANY; /* one counter for both */
        hone_schema_count(c, s, keys[0], &m);
        hone_schema_count(c, s, keys[1], &n);
        const hone_expr any = hone_chars_any(c->x, c->spell);
        k->string = narrow(c, k->string, c->all,
                           m > n ? HONE_EXPR_NONE : hone_expr_repeat(c->x, any, m, n));
    }
    const int from = json_object_get(s, keys[0]) && json_object_get(s, keys[1]) ? 2 : 0;
    for (int i = from; i < 4; i++) {
        if (!json_object_get(s, keys[i])) continue;
        const hone_expr e = hone_schema_string(c, s, keys[i]);
        if (e != c->all) k->string = narrow(c, k->string, c->all, e);
    }
}

static void apply_counts(schema_ctx *c, const json_t *s, const char *min_key,
                         const char *max_key, uint32_t *min, uint32_t *max)
{
    uint32_t n;
    if (hone_schema_count(c, s, min_key, &n) && n > *min) *min = n;
    if (hone_schema_count(c, s, max_key, &n) && n < *max) *max = n;
}

static void apply_arrays(schema_ctx *c, schema_case *k, const json_t *s)
{
    const schema_list self = {.lit = {s, false}};
    if (json_object_get(s, "items") || hone_schema_get(c, s, "prefixItems") ||
        json_object_get(s, "\x01prefix")) {
        k->arrays = hone_schema_list(c, k->arrays, self);
    }
    apply_counts(c, s, "minItems", "maxItems", &k->min_items, &k->max_items);
    if (json_is_true(json_object_get(s, "uniqueItems"))) {
        k->unique = true;
        k->unique_at = s;
    }
    const json_t *contains = hone_schema_get(c, s, "contains");
    if (!contains) return;
    schema_list item = {.lit = {contains, false}, .min = 1, .max = SCHEMA_NO_MAX};
    hone_schema_count(c, s, "minContains", &item.min);
    hone_schema_count(c, s, "maxContains", &item.max);
    k->contains = hone_schema_list(c, k->contains, item);
}

static void apply_required(schema_ctx *c, schema_case *k, const json_t *s)
{
    const json_t *names = json_object_get(s, "required");
    if (json_is_boolean(names) && c->draft == 4) return; /* draft 3's way */
    if (names && !json_is_array(names)) {
        hone_schema_fail(c, HONE_E_FORMAT, s, "required", "not an array");
    }
    for (size_t i = 0; i < json_array_size(names); i++) {
        const json_t *n = json_array_get(names, i);
        if (!json_is_string(n)) {
            hone_schema_fail(c, HONE_E_FORMAT, s, "required", "not a name");
            return;
        }
        const schema_list item = {
            .name = {json_string_value(n), json_string_length(n)}};
        k->required = hone_schema_list(c, k->required, item);
    }
}

static void apply_objects(schema_ctx *c, schema_case *k, const json_t *s)
{
    static const char *const keys[] = {"properties", "patternProperties"};
    bool any = json_object_get(s, "additionalProperties");
    for (int i = 0; i < 2; i++) {
        const json_t *v = json_object_get(s, keys[i]);
        if (v && !json_is_object(v))
            hone_schema_fail(c, HONE_E_FORMAT, s, keys[i], "not an object");
        any |= v != NULL;
    }
    if (any) {
        const schema_list self = {.lit = {s, false}};
        k->objects = hone_schema_list(c, k->objects, self);
    }
    apply_required(c, k, s);
    const json_t *names = hone_schema_get(c, s, "propertyNames");
    if (names) {
        const schema_list item = {.lit = {names, false}};
        k->key = hone_schema_list(c, k->key, item);
    }
    apply_counts(c, s, "minProperties", "maxProperties", &k->min_props, &k->max_props);
}

static void apply_base(schema_ctx *c, schema_case *k, const json_t *s)
{
    if (k->types & JSON_TYPE_NUMBER) apply_numbers(c, k, s);
    if (k->types & JSON_TYPE_STRING) apply_strings(c, k, s);
    if (k->types & JSON_TYPE_ARRAY) apply_arrays(c, k, s);
    if (k->types & JSON_TYPE_OBJECT) apply_objects(c, k, s);
    if (k->number == HONE_EXPR_NONE) k->types &= ~(unsigned)JSON_TYPE_NUMBER;
    if (k->string == HONE_EXPR_NONE) k->types &= ~(unsigned)JSON_TYPE_STRING;
}

/* -- keywords that branch --------------------------------------------------------- */

/* What s says of types and properties itself; NULL: nothing, or failed. */
static const json_t *frame_of(schema_ctx *c, const json_t *s)
{
    static const char *const keys[] = {"type", "required", "properties"};
    const json_t *known = hone_schema_made(c, &c->frames, s);
    if (known) return known;
    json_t *frame = json_object();
    for (int i = 0; i < 3; i++) {
        json_t *v = json_object_get(s, keys[i]);
        if (v && json_object_set(frame, keys[i], v)) {
            hone_schema_fail(c, HONE_E_NOMEM, s, keys[i], "out of memory");
        }
    }
    if (json_object_size(frame) == 0) {
        json_decref(frame);
        return NULL;
    }
    return hone_schema_keep(c, &c->frames, s, frame);
}

/* No value satisfies a, b and what frames them (may be NULL). */
static bool exclusive(schema_ctx *c, const json_t *a, const json_t *b,
                      const json_t *frame)
{
    const schema_lit all[3] = {{a, false}, {b, false}, {frame, false}};
    return !hone_schema_sat(c, hone_schema_goal(c, all, frame ? 3 : 2));
}

static void branch_one_of(schema_ctx *c, const schema_case *k, const json_t *list,
                          const json_t *at, const schema_todo *rest)
{
    const size_t n = json_array_size(list);
    if (n > 100) {
        hone_schema_fail(c, HONE_E_LIMIT, at, "oneOf", "more than 100 alternatives");
        return;
    }
    const json_t *frame = frame_of(c, at);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);
        const schema_todo *t = rest;
        for (size_t j = 0; j < n && !hone_schema_failed(c); j++) {
            const json_t *other = json_array_get(list, j);
            if (j == i || exclusive(c, one, other, frame)) continue;
            t = append(c, t, (schema_todo){.lit = {other, true}});
        }
        hone_schema_alternative(c, k, JSON_TYPE_ALL, (schema_todo){.lit = {one, false}},
                                t);
    }
}

static void branch_if(schema_ctx *c, const schema_case *k, const json_t *s,
                      const schema_todo *rest)
{
    const json_t *cond = json_object_get(s, "if"), *then = json_object_get(s, "then"),
                 *other = json_object_get(s, "else");
    const schema_todo holds = {.lit = {cond, false}}, fails = {.lit = {cond, true}};
    if (then && other) {
        hone_schema_alternative(c, k, JSON_TYPE_ALL,
                                (schema_todo){.lit = {then, false}},
                                hone_schema_todo(c, rest, holds));
        hone_schema_alternative(c, k, JSON_TYPE_ALL,
                                (schema_todo){.lit = {other, false}},
                                append(c, rest, fails));
    } else if (then) {
        hone_schema_alternative(c, k, JSON_TYPE_ALL, fails, rest);
        hone_schema_alternative(c, k, JSON_TYPE_ALL,
                                (schema_todo){.lit = {then, false}}, rest);
    } else {
        hone_schema_alternative(c, k, JSON_TYPE_ALL, holds, rest);
        hone_schema_alternative(c, k, JSON_TYPE_ALL,
                                (schema_todo){.lit = {other, false}}, rest);
    }
}

/* Name `index` of dependencies: absent, or there with what it asks for. */
static void branch_dependency(schema_ctx *c, const schema_case *k, const schema_todo *t,
                              const schema_todo *rest)
{
    const json_t *wanted = json_object_getn(json_object_get(t->lit.schema, t->key),
                                            t->name.s, t->name.len);
    schema_case there = *k, absent = *k;
    schema_list item = {.name = t->name, .lit = {json_false(), false}};
    absent.property = hone_schema_list(c, absent.property, item);
    hone_schema_expand(c, absent, rest);
    there.types &= JSON_TYPE_OBJECT;
    if (!there.types) return;
    there.required = hone_schema_list(c, there.required, item);
    if (!json_is_array(wanted)) {
        if (c->depth >= SCHEMA_MAX_DEPTH) return;
        c->depth++;
        hone_schema_expand(
            c, there, hone_schema_todo(c, rest, (schema_todo){.lit = {wanted, false}}));
        c->depth--;
        return;
    }
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const json_t *n = json_array_get(wanted, i);
        if (!json_is_string(n)) continue;
        item.name = (schema_name){json_string_value(n), json_string_length(n)};
        there.required = hone_schema_list(c, there.required, item);
    }
    hone_schema_expand(c, there, rest);
}

static void branch_enum(schema_ctx *c, const schema_case *k, const json_t *values,
                        const schema_todo *rest)
{
    schema_case scalars = *k;
    hone_schema_keep_scalars(c, &scalars, values, false);
    if (scalars.types) hone_schema_expand(c, scalars, rest);
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *v = json_array_get(values, i);
        if (!json_is_array(v) && !json_is_object(v)) continue;
        const json_t *s = hone_schema_of_value(c, v);
        if (s) {
            hone_schema_alternative(
                c, k, json_is_array(v) ? JSON_TYPE_ARRAY : JSON_TYPE_OBJECT,
                (schema_todo){.lit = {s, false}}, rest);
        }
    }
}

static bool only_scalars(const json_t *values)
{
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *v = json_array_get(values, i);
        if (json_is_array(v) || json_is_object(v)) return false;
    }
    return true;
}

/* The values of an enum as an array; const's one value is wrapped once. */
const json_t *hone_schema_values(schema_ctx *c, const json_t *schema, const char *key)
{
    const json_t *v = json_object_get(schema, key);
    if (strcmp(key, "const") != 0) {
        if (json_is_array(v)) return v;
        hone_schema_fail(c, HONE_E_FORMAT, schema, key, "not an array");
        return NULL;
    }
    json_t *list = json_pack("[O]", v);
    if (!list || json_array_append_new(c->made, list)) {
        hone_schema_fail(c, HONE_E_NOMEM, schema, key, "out of memory");
        return NULL;
    }
    return list;
}

static const schema_todo *each(schema_ctx *c, const json_t *schema, const char *key,
                               const schema_todo *t)
{
    const json_t *list = json_object_get(schema, key);
    if (!json_is_array(list)) {
        hone_schema_fail(c, HONE_E_FORMAT, schema, key, "not an array");
        return t;
    }
    for (size_t i = json_array_size(list); i-- > 0;) {
        t = hone_schema_todo(c, t,
                             (schema_todo){.lit = {json_array_get(list, i), false}});
    }
    return t;
}

/* Work off one keyword; true if the case goes on at *t, false if it was branched. */
static bool apply_key(schema_ctx *c, schema_case *k, const schema_todo *item,
                      const schema_todo **t)
{
    const json_t *s = item->lit.schema;
    const char *key = item->key;
    if (strcmp(key, "$ref") == 0) {
        const json_t *to = hone_schema_resolve(c, s);
        if (to) *t = hone_schema_todo(c, *t, (schema_todo){.lit = {to, false}});
    } else if (strcmp(key, "allOf") == 0) {
        *t = each(c, s, key, *t);
    } else if (strcmp(key, "not") == 0) {
        *t = append(c, *t, (schema_todo){.lit = {json_object_get(s, key), true}});
    } else if (strcmp(key, "anyOf") == 0 || strcmp(key, "oneOf") == 0) {
        const json_t *list = json_object_get(s, key);
        if (!json_is_array(list))
            hone_schema_fail(c, HONE_E_FORMAT, s, key, "not an array");
        if (key[0] == 'o') {
            branch_one_of(c, k, list, s, *t);
            return false;
        }
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *one = json_array_get(list, i);
            hone_schema_alternative(c, k, JSON_TYPE_ALL,
                                    (schema_todo){.lit = {one, false}}, *t);
        }
        return false;
    } else if (strcmp(key, "if") == 0) {
        branch_if(c, k, s, *t);
        return false;
    } else if (strcmp(key, "enum") == 0 || strcmp(key, "const") == 0) {
        const json_t *values = hone_schema_values(c, s, key);
        if (!only_scalars(values)) {
            branch_enum(c, k, values, *t);
            return false;
        }
        hone_schema_keep_scalars(c, k, values, false);
    } else if (k->types & JSON_TYPE_OBJECT) {
        branch_dependency(c, k, item, *t);
        return false;
    }
    return true;
}

/* -- the list --------------------------------------------------------------------- */

static bool is_one_of(const char *key, const char *const *list)
{
    for (; *list; list++) {
        if (strcmp(key, *list) == 0) return true;
    }
    return false;
}

static const schema_todo *unfold_key(schema_ctx *c, const json_t *s, const char *key,
                                     bool *base, const schema_todo *rest)
{
    static const char *const branching[] = {"$ref", "allOf", "anyOf", "oneOf",
                                            "not",  "enum",  "const", NULL};
    static const char *const depend[] = {"dependencies", "dependentRequired",
                                         "dependentSchemas", NULL};
    static const char *const refused[] = {"$dynamicRef", "$recursiveRef",
                                          "unevaluatedItems", "unevaluatedProperties",
                                          NULL};
    schema_todo item = {.lit = {s, false}, .key = key};
    if (!hone_schema_knows(c, key)) return rest;
    if (is_one_of(key, refused)) {
        hone_schema_fail(c, HONE_E_UNSUPPORTED, s, key, "not supported");
    } else if (is_one_of(key, branching)) {
        return hone_schema_todo(c, rest, item);
    } else if (strcmp(key, "if") == 0) {
        if (json_object_get(s, "then") || json_object_get(s, "else"))
            return hone_schema_todo(c, rest, item);
    } else if (is_one_of(key, depend)) {
        const char *name;
        size_t len;
        json_t *v;
        json_object_keylen_foreach(json_object_get(s, key), name, len, v)
        {
            item.name = (schema_name){name, len};
            rest = hone_schema_todo(c, rest, item);
        }
    } else if (!*base) {
        *base = true;
        item.key = NULL;
        item.base = true;
        return hone_schema_todo(c, rest, item);
    }
    return rest;
}

/* The keywords of s in their order, in front of t. */
static const schema_todo *unfold(schema_ctx *c, schema_case *k, const json_t *s,
                                 const schema_todo *t)
{
    bool only_integer, base = false;
    if (json_object_get(s, "$ref") && c->draft <= 7) {
        return hone_schema_todo(c, t, (schema_todo){.lit = {s, false}, .key = "$ref"});
    }
    k->types &= hone_schema_types(c, s, &only_integer);
    if (only_integer && k->types & JSON_TYPE_NUMBER)
        k->number = narrow(c, k->number, c->number, c->integer);
    /* gathered backwards, then turned around; conditions come last, so that what they
     * list stands behind what the schema itself lists */
    const schema_todo *back = NULL;
    const char *key;
    json_t *v;
    for (int late = 0; late < 2; late++) {
        json_object_foreach((json_t *)(uintptr_t)s, key, v)
        {
            if ((strcmp(key, "if") == 0 || strncmp(key, "depend", 6) == 0) == late)
                back = unfold_key(c, s, key, &base, back);
        }
    }
    for (; back; back = back->next)
        t = hone_schema_todo(c, t, *back);
    return t;
}

/* Whether lit is part of the case already; *never: its opposite is. */
static bool seen(const schema_case *k, const schema_lit *lit, bool *never)
{
    for (const schema_list *l = k->seen; l; l = l->next) {
        if (l->lit.schema != lit->schema) continue;
        *never = l->lit.negated != lit->negated;
        return true;
    }
    return false;
}

void hone_schema_expand(schema_ctx *c, schema_case k, const schema_todo *t)
{
    while (t && k.types && !hone_schema_failed(c)) {
        const schema_todo item = *t;
        const json_t *s = item.lit.schema;
        t = t->next;
        if (++c->n_step > SCHEMA_MAX_STEPS) {
            hone_schema_fail(c, HONE_E_LIMIT, s, "schema", "takes too many steps");
            return;
        }
        if (item.base) {
            apply_base(c, &k, s);
            continue;
        }
        if (item.key) {
            if (item.lit.negated) {
                if (!hone_schema_negate_keyword(c, &k, &item)) return;
            } else if (!apply_key(c, &k, &item, &t)) {
                return;
            }
            continue;
        }
        if (json_is_boolean(s)) {
            if (json_is_true(s) == item.lit.negated) return;
            continue;
        }
        if (!json_is_object(s)) {
            hone_schema_fail(c, HONE_E_FORMAT, s, "schema", "not an object or boolean");
            return;
        }
        bool never = false;
        if (seen(&k, &item.lit, &never)) {
            if (never) return;
            continue;
        }
        k.seen = hone_schema_list(c, k.seen, (schema_list){.lit = item.lit});
        if (item.lit.negated) {
            hone_schema_negate(c, &k, s, t);
            return;
        }
        t = unfold(c, &k, s, t);
    }
    if (k.types && !hone_schema_failed(c)) hone_schema_finish_case(c, k);
}
