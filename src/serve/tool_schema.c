/* tool_schema.c - types by the keywords that name them. */
#include "serve/tool_schema.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_LOOKS = 256 /* at schemas behind $ref, anyOf, ..; past them anything goes */
};

static unsigned types_of(const json_t *root, const json_t *schema, int *left);

/* The next step of a JSON pointer, unescaped into step[cap]; NULL if it is longer. */
static const char *next_step(const char *p, char *step, size_t cap)
{
    size_t n = 0;
    for (; *p && *p != '/'; p++) {
        if (n + 1 == cap) return NULL;
        step[n++] = *p;
        if (*p != '~' || (p[1] != '0' && p[1] != '1')) continue;
        step[n - 1] = *++p == '0' ? '~' : '/';
    }
    step[n] = 0;
    return p;
}

/* The schema that "#/.." means, or NULL. */
static const json_t *resolve(const json_t *root, const char *ref)
{
    char step[256];
    const json_t *v = root;
    if (*ref++ != '#') return NULL;
    while (v && *ref == '/') {
        ref = next_step(ref + 1, step, sizeof step);
        if (!ref) return NULL;
        if (json_is_array(v))
            v = json_array_get(v, strtoul(step, NULL, 10));
        else
            v = json_object_get(v, step);
    }
    return *ref ? NULL : v;
}

unsigned hone_tool_type_of(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_NULL:
        return TOOL_TYPE_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return TOOL_TYPE_BOOLEAN;
    case JSON_INTEGER:
    case JSON_REAL:
        return TOOL_TYPE_NUMBER;
    case JSON_STRING:
        return TOOL_TYPE_STRING;
    case JSON_ARRAY:
        return TOOL_TYPE_ARRAY;
    case JSON_OBJECT:
        break;
    }
    return TOOL_TYPE_OBJECT;
}

static unsigned named(const json_t *name)
{
    static const struct {
        const char *name;
        unsigned type;
    } table[] = {{"null", TOOL_TYPE_NULL},     {"boolean", TOOL_TYPE_BOOLEAN},
                 {"number", TOOL_TYPE_NUMBER}, {"integer", TOOL_TYPE_NUMBER},
                 {"string", TOOL_TYPE_STRING}, {"array", TOOL_TYPE_ARRAY},
                 {"object", TOOL_TYPE_OBJECT}};
    const char *s = json_string_value(name);
    for (size_t i = 0; s && i < sizeof table / sizeof *table; i++) {
        if (strcmp(s, table[i].name) == 0) return table[i].type;
    }
    return 0;
}

static unsigned by_type(const json_t *type)
{
    unsigned all = named(type);
    for (size_t i = 0; i < json_array_size(type); i++)
        all |= named(json_array_get(type, i));
    return type ? all : TOOL_TYPE_ANY;
}

static unsigned by_values(const json_t *schema)
{
    const json_t *value = json_object_get(schema, "const");
    const json_t *values = json_object_get(schema, "enum");
    unsigned all = value ? hone_tool_type_of(value) : TOOL_TYPE_ANY, some = 0;
    for (size_t i = 0; i < json_array_size(values); i++)
        some |= hone_tool_type_of(json_array_get(values, i));
    return values ? all & some : all;
}

static unsigned any_of(const json_t *root, const json_t *list, int *left)
{
    unsigned all = 0;
    if (!list) return TOOL_TYPE_ANY;
    for (size_t i = 0; i < json_array_size(list); i++)
        all |= types_of(root, json_array_get(list, i), left);
    return all;
}

static unsigned types_of(const json_t *root, const json_t *schema, int *left)
{
    if (json_is_false(schema)) return 0;
    if (!json_is_object(schema) || --*left < 0) return TOOL_TYPE_ANY;
    unsigned types = by_type(json_object_get(schema, "type")) & by_values(schema);
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    if (ref) types &= types_of(root, resolve(root, ref), left);
    types &= any_of(root, json_object_get(schema, "anyOf"), left);
    types &= any_of(root, json_object_get(schema, "oneOf"), left);
    const json_t *all = json_object_get(schema, "allOf");
    for (size_t i = 0; i < json_array_size(all); i++)
        types &= types_of(root, json_array_get(all, i), left);
    return types;
}

unsigned hone_tool_types(const json_t *root, const json_t *schema)
{
    int left = MAX_LOOKS;
    const unsigned types = types_of(root, schema, &left);
    return types ? types : TOOL_TYPE_ANY;
}

const json_t *hone_tool_argument(const json_t *parameters, const char *key, size_t len)
{
    const json_t *v =
        json_object_getn(json_object_get(parameters, "properties"), key, len);
    return v ? v : json_object_get(parameters, "additionalProperties");
}
