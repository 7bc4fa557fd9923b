/* tool_call_parts.c - the three styles as parts.
 *
 * Arguments between tags are spelled one by one, in the order of `properties`: what binds
 * several of them together, or asks for names that are not listed, has no such form and
 * is refused. */
#include "serve/tool_call_parts.h"

#include <string.h>

#include "base/mem.h"
#include "serve/field.h"
#include "serve/tool_schema.h"

#define MAX_SCHEMA ((size_t)16 << 20)

hone_grammar_part hone_part_of(hone_grammar_part_kind kind, const char *s, size_t len)
{
    return (hone_grammar_part){.kind = kind, .text = s, .len = len};
}

hone_grammar_part hone_part_text(const char *s)
{
    return hone_part_of(HONE_PART_TEXT, s ? s : "", s ? strlen(s) : 0);
}

hone_grammar_part hone_part_group(hone_grammar_part_kind kind,
                                  const hone_grammar_part *child, size_t n)
{
    return (hone_grammar_part){.kind = kind, .child = child, .n_child = n, .max = 1};
}

static bool refuse(api_error *e, const json_t *function, const char *what,
                   const char *why)
{
    return hone_api_fail(e, 400, "invalid_schema", "tools", "tools: '%.80s': %.80s: %s",
                         json_string_value(json_object_get(function, "name")), what,
                         why);
}

/* A part compiled alone, so that a message can name it. */
static bool check(const hone_grammar_part *part, const json_t *function,
                  const char *what, api_error *e)
{
    hone_error err;
    hone_grammar *g;
    const hone_status s = hone_grammar_from_parts(&g, part, &err);
    if (!s) {
        hone_grammar_free(g);
        return true;
    }
    refuse(e, function, what, err.text);
    if (s == HONE_E_NOMEM) e->status = 500;
    return false;
}

/* -- arguments between tags -------------------------------------------------------- */

/* Whether "#" and what lies below it mean something else where a part of a schema
 * stands alone with the definitions. */
static bool means_the_same(const char *ref)
{
    static const char *const fine[] = {"#/$defs/", "#/definitions/"};
    if (strcmp(ref, "#") != 0 && strncmp(ref, "#/", 2) != 0) return true;
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        if (strncmp(ref, fine[i], strlen(fine[i])) == 0) return true;
    }
    return false;
}

static bool stands_alone(const json_t *v)
{
    const char *key;
    size_t i;
    json_t *item;
    bool ok = true;
    json_array_foreach(v, i, item)
    {
        ok = ok && stands_alone(item);
    }
    json_object_foreach((json_t *)(uintptr_t)v, key, item)
    {
        ok = ok && stands_alone(item);
        if (strcmp(key, "$ref") == 0 || strcmp(key, "$recursiveRef") == 0)
            ok = ok &&
                 (!json_is_string(item) || means_the_same(json_string_value(item)));
    }
    return ok;
}

/* The argument's schema as a document of its own; the caller's, NULL: no memory. */
static json_t *alone(const json_t *parameters, const json_t *schema)
{
    static const char *const shared[] = {"$schema", "$defs", "definitions"};
    json_t *doc = json_copy((json_t *)(uintptr_t)schema);
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        json_t *v = json_object_get(parameters, shared[i]);
        if (v && json_is_object(doc) && !json_object_get(doc, "$id"))
            json_object_set(doc, shared[i], v);
    }
    return doc;
}

/* Strings as they are, without a closing tag in them; or JSON. */
static hone_grammar_part value_part(tool_argument *a, const tool_format *f, bool string)
{
    a->value[0] = hone_part_of(string ? HONE_PART_STRINGS : HONE_PART_SCHEMA,
                               a->schema.data, a->schema.len);
    a->value[1] = hone_part_of(HONE_PART_TEXT, a->head.data, 0);
    /* the head begins with the tail: LINE VALUE_END KEY name KEY_END LINE */
    a->value[1].len = strlen(f->line) + strlen(f->value_end);
    const hone_grammar_part value = hone_part_group(HONE_PART_SEQUENCE, a->value, 2);
    if (!string) return value;
    a->bound[0] = value;
    a->bound[1] = hone_part_of(HONE_PART_UNTIL, f->value_end, strlen(f->value_end));
    return hone_part_group(HONE_PART_ALL, a->bound, 2);
}

static bool spell_argument(tool_argument *a, const tool_format *f,
                           const json_t *function, const char *name,
                           const json_t *schema, api_error *e)
{
    const json_t *parameters = json_object_get(function, "parameters");
    json_t *doc = alone(parameters, schema);
    const bool memory = doc != NULL, ok = stands_alone(doc);
    hone_buf_init(&a->head, 1 << 16);
    hone_buf_init(&a->schema, MAX_SCHEMA);
    if (doc) hone_put_json(&a->schema, doc);
    json_decref(doc);
    if (!ok)
        return refuse(e, function, name,
                      "the model's format has no place for references but to $defs and "
                      "definitions");
    if (strlen(name) >= TOOL_MAX_KEY || strstr(name, f->key_end))
        return refuse(e, function, name, "the model's format has no such name");
    hone_buf_printf(&a->head, "%s%s", f->line, f->value_end);
    const size_t tail = a->head.len;
    hone_buf_printf(&a->head, "%s%s%s%s", f->key, name, f->key_end, f->line);
    if (!memory || a->head.failed || a->schema.failed) return hone_field_no_memory(e);
    const bool string = hone_tool_types(parameters, schema) == TOOL_TYPE_STRING;
    a->part[0] = hone_part_of(HONE_PART_TEXT, a->head.data + tail, a->head.len - tail);
    a->part[1] = value_part(a, f, string);
    a->part[2] = hone_part_text("\n");
    return check(&a->part[1], function, name, e);
}

static bool is_required(const json_t *parameters, const char *name)
{
    const json_t *list = json_object_get(parameters, "required");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));
        if (one && strcmp(one, name) == 0) return true;
    }
    return false;
}

/* What the parameters ask for beyond a list of arguments. */
static bool check_list(const json_t *function, api_error *e)
{
    static const char *const words[] = {"$ref",
                                        "allOf",
                                        "anyOf",
                                        "oneOf",
                                        "not",
                                        "if",
                                        "enum",
                                        "const",
                                        "patternProperties",
                                        "propertyNames",
                                        "minProperties",
                                        "maxProperties",
                                        "dependencies",
                                        "$dynamicRef",
                                        "dependentRequired",
                                        "$recursiveRef",
                                        "dependentSchemas"};
    const json_t *parameters = json_object_get(function, "parameters");
    const json_t *list = json_object_get(parameters, "required");
    const char *type = json_string_value(json_object_get(parameters, "type"));
    if (type && strcmp(type, "object") != 0)
        return refuse(e, function, "type", "expected object");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (json_object_get(parameters, words[i]))
            return refuse(
                e, function, words[i],
                "the model's format writes arguments one by one and cannot be "
                "forced to keep it");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name || !json_object_get(json_object_get(parameters, "properties"), name))
            return refuse(e, function, name ? name : "required",
                          "required, but not among the properties");
    }
    return true;
}

static bool spell_arguments(tool_call_parts *p, const tool_format *f,
                            const json_t *function, api_error *e)
{
    const json_t *parameters = json_object_get(function, "parameters");
    json_t *properties = json_object_get(parameters, "properties"), *schema;
    const size_t n = json_object_size(properties) + 1;
    const char *name;
    bool ok = true;
    if (!check_list(function, e)) return false;
    p->argument = hone_alloc_zero(n, sizeof *p->argument);
    p->list = hone_alloc_zero(n, sizeof *p->list);
    if (!p->argument || !p->list) return hone_field_no_memory(e);
    json_object_foreach(properties, name, schema)
    {
        const bool required = is_required(parameters, name);
        if (!ok || (json_is_false(schema) && !required)) continue;
        tool_argument *a = &p->argument[p->n_argument];
        ok = spell_argument(a, f, function, name, schema, e);
        p->list[p->n_argument] = hone_part_group(HONE_PART_REPEAT, a->part, 3);
        p->list[p->n_argument++].min = required;
    }
    return ok;
}

/* -- calls ------------------------------------------------------------------------- */

/* The schema of all arguments, which are an object also where it does not say so. */
static bool put_schema(hone_buf *b, const json_t *function, api_error *e)
{
    const json_t *parameters = json_object_get(function, "parameters");
    if (!(hone_tool_types(parameters, parameters) & TOOL_TYPE_OBJECT))
        return refuse(e, function, "parameters", "expected a schema of objects");
    json_t *doc = json_is_object(parameters)
                      ? json_copy((json_t *)(uintptr_t)parameters)
                      : json_object();
    bool ok = true;
    if (!json_is_string(json_object_get(doc, "type")))
        ok = json_object_set_new(doc, "type", json_string("object")) == 0;
    if (ok) hone_put_json(b, doc);
    json_decref(doc);
    return (ok && !b->failed) || hone_field_no_memory(e);
}

static void add(tool_call_parts *p, hone_grammar_part part)
{
    p->part[p->n_part++] = part;
}

static bool spell_head(tool_call_parts *p, const tool_format *f, const json_t *function,
                       api_error *e)
{
    static const char id[] = "[a-zA-Z0-9]{9}";
    const json_t *name = json_object_get(function, "name");
    const char *end = "";
    if (f->style == TOOL_OBJECT) {
        hone_buf_append_str(&p->head, "{\"name\": ");
        hone_put_json(&p->head, name);
        hone_buf_printf(&p->head, ", \"%s\": ", f->arguments);
    } else {
        end = f->name_end;
        hone_buf_printf(&p->head, "%s%s%s", f->lead, json_string_value(name),
                        f->id ? f->id : "");
    }
    if (p->head.failed) return hone_field_no_memory(e);
    add(p, hone_part_of(HONE_PART_TEXT, p->head.data, p->head.len));
    if (f->id) add(p, hone_part_of(HONE_PART_REGEX, id, sizeof id - 1));
    add(p, hone_part_text(end));
    return true;
}

bool hone_tool_call_parts_init(tool_call_parts *p, const tool_format *f,
                               const json_t *function, api_error *e)
{
    *p = (tool_call_parts){0};
    hone_buf_init(&p->head, 1 << 16);
    hone_buf_init(&p->schema, MAX_SCHEMA);
    if (!spell_head(p, f, function, e) || !put_schema(&p->schema, function, e))
        return false;
    const hone_grammar_part schema =
        hone_part_of(HONE_PART_SCHEMA, p->schema.data, p->schema.len);
    if (f->style == TOOL_TAGGED) {
        if (!spell_arguments(p, f, function, e)) return false;
        add(p, hone_part_text("\n"));
        add(p, hone_part_group(HONE_PART_SEQUENCE, p->list, p->n_argument));
        add(p, hone_part_text(f->call_end));
    } else {
        add(p, schema);
        add(p, hone_part_text(f->style == TOOL_OBJECT ? "}" : ""));
    }
    return check(&schema, function, "parameters", e);
}

void hone_tool_call_parts_release(tool_call_parts *p)
{
    for (size_t i = 0; i < p->n_argument; i++) {
        hone_buf_release(&p->argument[i].head);
        hone_buf_release(&p->argument[i].schema);
    }
    hone_buf_release(&p->head);
    hone_buf_release(&p->schema);
    hone_free(p->argument);
    hone_free(p->list);
    *p = (tool_call_parts){0};
}
