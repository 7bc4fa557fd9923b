/* tool_format.c - a table of formats, and grammars built of literal marks and schemas. */
#include "serve/tool_format.h"

#include <string.h>

#include "base/mem.h"
#include "serve/field.h"

enum {
    MAX_CALLS = 16 /* of a forced answer, so that it ends */
};

static const tool_format hermes = {
    .name = "hermes",
    .mark = {"<tool_call>"},
    .anywhere = true,
    .end = {"</tool_call>"},
    .open = "",
    .before = "<tool_call>\n",
    .arguments = "arguments",
    .after = "\n</tool_call>",
    .between = "\n",
    .close = "",
};
static const tool_format mistral = {
    .name = "mistral",
    .mark = {"[TOOL_CALLS]"},
    .anywhere = true,
    .open = "[TOOL_CALLS][",
    .before = "",
    .arguments = "arguments",
    .after = "",
    .between = ", ",
    .close = "]",
};
static const tool_format llama = {
    .name = "llama",
    .mark = {"<|python_tag|>"},
    .open = "",
    .before = "",
    .arguments = "parameters",
    .after = "",
    .between = "",
    .close = "",
    .single = true,
};
static const tool_format generic = {
    .name = "generic",
    .mark = {"<tool_call>", "```json", "```"},
    .end = {"```", "</tool_call>"},
    .open = "",
    .before = "",
    .arguments = "arguments",
    .after = "",
    .between = "\n",
    .close = "",
};

const tool_format *hone_tool_format_find(const char *t)
{
    if (!t) return &generic;
    if (strstr(t, "[TOOL_CALLS]")) return &mistral;
    if (strstr(t, "<tool_call>")) return &hermes;
    if (strstr(t, "<|python_tag|>") || strstr(t, "\"parameters\": dict")) return &llama;
    return &generic;
}

bool hone_tool_format_declared(const char *t)
{
    return t && strstr(t, "tools");
}

const json_t *hone_tool_function(const json_t *tools, size_t i)
{
    return json_object_get(json_array_get(tools, i), "function");
}

const char *hone_tool_name(const json_t *tools, size_t i)
{
    return json_string_value(json_object_get(hone_tool_function(tools, i), "name"));
}

int hone_tool_index(const json_t *tools, const char *name, size_t len)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const char *one = hone_tool_name(tools, i);
        if (strlen(one) == len && memcmp(one, name, len) == 0) return (int)i;
    }
    return -1;
}

/* -- the generic format in prompts ------------------------------------------------- */

void hone_tool_instruction(hone_buf *b, const json_t *tools)
{
    hone_buf_append_str(b, "You can call these functions:\n");
    for (size_t i = 0; i < json_array_size(tools); i++) {
        hone_put_json_spaced(b, hone_tool_function(tools, i));
        hone_buf_append_char(b, '\n');
    }
    hone_buf_append_str(
        b, "To call functions, answer with nothing but one JSON object for each call, "
           "one a line: {\"name\": NAME, \"arguments\": {...}}");
}

void hone_tool_spell_calls(hone_buf *b, const json_t *calls)
{
    size_t i;
    json_t *call;
    json_array_foreach(calls, i, call)
    {
        const json_t *f = json_object_get(call, "function");
        if (b->len) hone_buf_append_char(b, '\n');
        hone_buf_append_str(b, "{\"name\": ");
        hone_put_json_spaced(b, json_object_get(f, "name"));
        hone_buf_append_str(b, ", \"arguments\": ");
        hone_put_json_spaced(b, json_object_get(f, "arguments"));
        hone_buf_append_char(b, '}');
    }
}

/* -- grammars ---------------------------------------------------------------------- */

static hone_grammar_part text_part(const char *s)
{
    return (hone_grammar_part){.kind = HONE_PART_TEXT, .text = s, .len = strlen(s)};
}

#define GROUP(kind_, children)                                                         \
    {                                                                                  \
        .kind = HONE_PART_##kind_, .child = (children),                                \
        .n_child = sizeof(children) / sizeof *(children)                               \
    }

/* The parts of one tool's call; text in `text`. */
typedef struct call_parts {
    hone_buf text, schema;
    hone_grammar_part part[3];
} call_parts;

static void spell_tool(call_parts *p, const tool_format *f, const json_t *function)
{
    const json_t *schema = json_object_get(function, "parameters");
    hone_buf_init(&p->text, 1 << 16);
    hone_buf_init(&p->schema, (size_t)16 << 20);
    hone_buf_append_str(&p->text, "{\"name\": ");
    hone_put_json(&p->text, json_object_get(function, "name"));
    hone_buf_printf(&p->text, ", \"%s\": ", f->arguments);
    if (json_object_size(schema))
        hone_put_json(&p->schema, schema);
    else
        hone_buf_append_str(&p->schema, "{\"type\":\"object\"}");
    p->part[0] = (hone_grammar_part){
        .kind = HONE_PART_TEXT, .text = p->text.data, .len = p->text.len};
    p->part[1] = (hone_grammar_part){
        .kind = HONE_PART_SCHEMA, .text = p->schema.data, .len = p->schema.len};
    p->part[2] = text_part("}");
}

/* The schema of one tool alone, so that a message can name it. */
static bool check_schema(const call_parts *p, const char *name, api_error *e)
{
    hone_error err;
    hone_grammar *g;
    const hone_status s =
        hone_grammar_from_schema(&g, p->schema.data, p->schema.len, &err);
    if (!s) {
        hone_grammar_free(g);
        return true;
    }
    hone_api_fail(e, s == HONE_E_NOMEM ? 500 : 400, "invalid_schema", "tools",
                  "tools: '%.80s': %s", name, err.text);
    return false;
}

/* Reasoning, then `answer`. */
static bool with_thinking(hone_grammar **out, const tool_grammar *g,
                          const hone_grammar_part *answer, api_error *e)
{
    static const char after[] = "[ \\n]{0,4}";
    const hone_grammar_part inside[] = {
        {.kind = HONE_PART_UNTIL, .text = THINK_CLOSE, .len = sizeof THINK_CLOSE - 1},
        {.kind = HONE_PART_REGEX, .text = after, .len = sizeof after - 1}};
    const hone_grammar_part whole[] = {text_part(THINK_OPEN), GROUP(SEQUENCE, inside)};
    hone_grammar_part first = GROUP(SEQUENCE, inside);
    if (!g->thinking_open) {
        first = (hone_grammar_part)GROUP(REPEAT, whole);
        first.max = 1;
    }
    const hone_grammar_part both[] = {first, *answer};
    const hone_grammar_part root = GROUP(SEQUENCE, both);
    hone_error err;
    const hone_status s = hone_grammar_from_parts(
        out, g->thinking_open || g->thinking_maybe ? &root : answer, &err);
    if (!s) return true;
    hone_api_fail_status(e, s, g->format ? "tools" : "response_format", &err);
    e->code = e->status == 400 ? "invalid_schema" : e->code;
    return false;
}

/* Calls in the model's spelling, of any tool in choice[0..n). */
static bool with_calls(hone_grammar **out, const tool_grammar *g,
                       const hone_grammar_part *choice, size_t n, api_error *e)
{
    const tool_format *f = g->format;
    const char *open = f->open;
    if (g->marked) open += strlen(f->mark[0]);
    const hone_grammar_part one[] = {
        text_part(f->before),
        {.kind = HONE_PART_CHOICE, .child = choice, .n_child = n},
        text_part(f->after)};
    const hone_grammar_part next[] = {text_part(f->between), GROUP(SEQUENCE, one)};
    hone_grammar_part more = GROUP(REPEAT, next);
    more.max = MAX_CALLS - 1;
    if (!g->parallel || f->single) more = text_part("");
    const hone_grammar_part all[] = {text_part(open), GROUP(SEQUENCE, one), more,
                                     text_part(f->close)};
    const hone_grammar_part calls = GROUP(SEQUENCE, all);
    if (!g->answer) return with_thinking(out, g, &calls, e);
    const hone_grammar_part either[] = {calls, *g->answer};
    const hone_grammar_part root = GROUP(CHOICE, either);
    return with_thinking(out, g, &root, e);
}

bool hone_tool_grammar_new(hone_grammar **out, const tool_grammar *g, api_error *e)
{
    if (!g->format) return with_thinking(out, g, g->answer, e);
    const size_t n_tool = json_array_size(g->tools);
    call_parts *tool = hone_alloc_zero(n_tool, sizeof *tool);
    hone_grammar_part *choice = hone_alloc_zero(n_tool, sizeof *choice);
    size_t n = 0;
    bool ok = tool && choice;
    if (!ok) hone_field_no_memory(e);
    for (size_t i = 0; ok && i < n_tool; i++) {
        const char *name = hone_tool_name(g->tools, i);
        if (g->only && strcmp(g->only, name) != 0) continue;
        spell_tool(&tool[n], g->format, hone_tool_function(g->tools, i));
        choice[n] = (hone_grammar_part)GROUP(SEQUENCE, tool[n].part);
        ok = !tool[n].text.failed && !tool[n].schema.failed;
        if (!ok) hone_field_no_memory(e);
        ok = ok && check_schema(&tool[n], name, e);
        n++;
    }
    ok = ok && with_calls(out, g, choice, n, e);
    for (size_t i = 0; tool && i < n; i++) {
        hone_buf_release(&tool[i].text);
        hone_buf_release(&tool[i].schema);
    }
    hone_free(choice);
    hone_free(tool);
    return ok;
}
