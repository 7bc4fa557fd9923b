/* tool_schema.c - types by the keywords that name them. */
#include "serve/tool_schema.h"

#include <string.h>

#include "base/json.h"

enum {
    MAX_LOOKS = 256 /* at schemas behind $ref, anyOf, ..; past them anything goes */
};

static unsigned types_of(const json_t *root, const json_t *schema, int *left);

/* The schema that "#/.." means, or NULL. */
static const json_t *resolve(const json_t *root, const char *ref)
{
    return ref[0] == '#' && (!ref[1] || ref[1] == '/') ? hone_json_follow(root, ref + 1)
                                                       : NULL;
}

static unsigned type_of(const json_t *v)
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
    unsigned all = value ? type_of(value) : TOOL_TYPE_ANY, some = 0;
    for (size_t i = 0; i < json_array_size(values); i++)
        some |= type_of(json_array_get(values, i));
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
