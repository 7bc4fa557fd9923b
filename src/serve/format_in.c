/* format_in.c - response_format and structured_outputs: what the answer must keep to. */
#include <string.h>

#include "serve/ask.h"

static void schema_part(hone_grammar_part *part, hone_buf *text, const json_t *schema)
{
    hone_put_json(text, schema);
    *part = (hone_grammar_part){
        .kind = HONE_PART_SCHEMA, .text = text->data, .len = text->len};
}

static bool any_object(hone_grammar_part *part)
{
    static const char schema[] = "{\"type\":\"object\"}";
    *part = (hone_grammar_part){
        .kind = HONE_PART_SCHEMA, .text = schema, .len = sizeof schema - 1};
    return true;
}

static bool from_json_schema(const json_t *format, hone_grammar_part *part,
                             hone_buf *text, api_error *e)
{
    json_t *o;
    if (!hone_field_object(format, "json_schema", &o, e)) return false;
    const json_t *schema = o ? hone_field(o, "schema") : NULL;
    if (!schema) {
        return hone_api_fail(e, 400, "invalid_value", "response_format",
                             "response_format: json_schema.schema: expected a schema, "
                             "found nothing");
    }
    if (!json_is_object(schema) && !json_is_boolean(schema))
        return hone_field_wrong_type(e, "response_format", "a schema", schema);
    schema_part(part, text, schema);
    return true;
}

static bool from_response_format(const json_t *f, hone_grammar_part *part,
                                 hone_buf *text, api_error *e)
{
    const char *type = NULL;
    if (!hone_field_str(f, "type", &type, e)) return false;
    if (type && strcmp(type, "text") == 0) return true;
    if (type && strcmp(type, "json_object") == 0) return any_object(part);
    if (type && strcmp(type, "json_schema") == 0)
        return from_json_schema(f, part, text, e);
    return hone_api_fail(e, 400, "invalid_value", "response_format",
                         "response_format: type: expected text, json_object or "
                         "json_schema, found '%.40s'",
                         type ? type : "nothing");
}

/* The choices as a schema would quote them; so they become one expression of literals. */
static bool from_choice(const json_t *v, hone_grammar_part *part, hone_buf *text,
                        api_error *e)
{
    size_t i;
    json_t *one;
    if (!json_is_array(v) || json_array_size(v) == 0)
        return hone_field_wrong_type(e, "structured_outputs", "a list of choices", v);
    hone_buf_append_str(text, "root ::= ");
    json_array_foreach(v, i, one)
    {
        if (!json_is_string(one))
            return hone_field_wrong_type(e, "structured_outputs", "a string", one);
        hone_buf_append_str(text, i ? " | \"" : "\"");
        const char *s = json_string_value(one);
        for (size_t k = 0; k < json_string_length(one); k++) {
            const unsigned char c = (unsigned char)s[k];
            if (c < 0x20 || c == '"' || c == '\\')
                hone_buf_printf(text, "\\x%02X", c);
            else
                hone_buf_append_char(text, s[k]);
        }
        hone_buf_append_char(text, '"');
    }
    *part = (hone_grammar_part){
        .kind = HONE_PART_GBNF, .text = text->data, .len = text->len};
    return true;
}

static bool from_source(const json_t *v, const char *key, hone_grammar_part_kind kind,
                        hone_grammar_part *part, api_error *e)
{
    if (!json_is_string(v) || json_string_length(v) == 0)
        return hone_field_wrong_type(e, "structured_outputs", key, v);
    *part = (hone_grammar_part){
        .kind = kind, .text = json_string_value(v), .len = json_string_length(v)};
    return true;
}

/* A schema, or its text. */
static bool from_json(const json_t *v, hone_grammar_part *part, hone_buf *text,
                      api_error *e)
{
    if (json_is_string(v)) return from_source(v, "a schema", HONE_PART_SCHEMA, part, e);
    if (!json_is_object(v) && !json_is_boolean(v))
        return hone_field_wrong_type(e, "structured_outputs", "a schema", v);
    schema_part(part, text, v);
    return true;
}

static bool from_structured(const json_t *o, hone_grammar_part *part, hone_buf *text,
                            api_error *e)
{
    static const char *const keys[] = {"json",    "regex",       "choice",
                                       "grammar", "json_object", "structural_tag"};
    const char *key = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *v = hone_field(o, keys[i]);
        if (!v || json_is_false(v)) continue;
        if (key) {
            return hone_api_fail(e, 400, "invalid_value", "structured_outputs",
                                 "structured_outputs: expected one of json, regex, "
                                 "choice and grammar, found %s and %s",
                                 key, keys[i]);
        }
        key = keys[i];
    }
    if (!key) {
        return hone_api_fail(e, 400, "invalid_value", "structured_outputs",
                             "structured_outputs: expected json, regex, choice or "
                             "grammar");
    }
    const json_t *v = hone_field(o, key);
    switch (*key) {
    case 'r':
        return from_source(v, "an expression", HONE_PART_REGEX, part, e);
    case 'c':
        return from_choice(v, part, text, e);
    case 'g':
        return from_source(v, "a grammar", HONE_PART_GBNF, part, e);
    case 'j':
        return strcmp(key, "json") == 0 ? from_json(v, part, text, e)
                                        : any_object(part);
    default:
        return hone_api_fail(e, 400, "unsupported_value", "structured_outputs",
                             "structured_outputs: %s: this server does not have it",
                             key);
    }
}

bool hone_ask_format(const json_t *body, hone_grammar_part *part, hone_buf *text,
                     api_error *e)
{
    json_t *format, *structured;
    *part = (hone_grammar_part){.kind = HONE_PART_TEXT, .text = ""};
    if (!hone_field_object(body, "response_format", &format, e) ||
        !hone_field_object(body, "structured_outputs", &structured, e))
        return false;
    if (format && !from_response_format(format, part, text, e)) return false;
    if (structured) {
        if (part->len) {
            return hone_api_fail(e, 400, "invalid_value", "structured_outputs",
                                 "structured_outputs: expected no response_format "
                                 "beside it");
        }
        if (!from_structured(structured, part, text, e)) return false;
    }
    return !text->failed || hone_field_no_memory(e);
}
