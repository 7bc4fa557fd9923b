/* tool_grammar.c - grammars built of literal marks and schemas. */
#include "serve/tool_grammar.h"

#include <string.h>

#include "base/mem.h"
#include "serve/field.h"
#include "serve/tool_call_parts.h"

enum {
    MAX_CALLS = 16 /* of a forced answer, so that it ends */
};

#define GROUP(kind, children)                                                          \
    hone_part_group(HONE_PART_##kind, children, sizeof(children) / sizeof *(children))

/* Reasoning, then `answer`. */
static bool with_thinking(hone_grammar **out, const tool_grammar *g,
                          const hone_grammar_part *answer, api_error *e)
{
    static const char after[] = "[ \\n]{0,4}";
    const char *close = g->think ? g->think->close : "";
    const hone_grammar_part inside[] = {
        hone_part_of(HONE_PART_UNTIL, close, strlen(close)),
        hone_part_of(HONE_PART_REGEX, after, strlen(after))};
    const hone_grammar_part whole[] = {hone_part_text(g->think ? g->think->open : ""),
                                       GROUP(SEQUENCE, inside)};
    hone_grammar_part first = GROUP(SEQUENCE, inside);
    if (!g->thinking_open) first = GROUP(REPEAT, whole);
    const hone_grammar_part both[] = {first, *answer};
    const hone_grammar_part root = GROUP(SEQUENCE, both);
    hone_error err;
    const hone_status s = hone_grammar_from_parts(out, g->think ? &root : answer, &err);
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
    const char *open = f->open ? f->open : "";
    if (g->marked) open += strlen(f->mark[0]);
    const hone_grammar_part one[] = {hone_part_text(f->before),
                                     hone_part_group(HONE_PART_CHOICE, choice, n),
                                     hone_part_text(f->after)};
    const hone_grammar_part next[] = {hone_part_text(f->between), GROUP(SEQUENCE, one)};
    hone_grammar_part more = GROUP(REPEAT, next);
    more.max = MAX_CALLS - 1;
    if (!g->parallel || f->single) more = hone_part_text("");
    const hone_grammar_part all[] = {hone_part_text(open), GROUP(SEQUENCE, one), more,
                                     hone_part_text(f->close)};
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
    tool_call_parts *tool = hone_alloc_zero(n_tool, sizeof *tool);
    hone_grammar_part *choice = hone_alloc_zero(n_tool, sizeof *choice);
    size_t n = 0;
    bool ok = tool && choice;
    if (!ok) hone_field_no_memory(e);
    for (size_t i = 0; ok && i < n_tool; i++) {
        if (g->only && strcmp(g->only, hone_tool_name(g->tools, i)) != 0) continue;
        ok = hone_tool_call_parts_init(&tool[n], g->format,
                                       hone_tool_function(g->tools, i), e);
        choice[n] = hone_part_group(HONE_PART_SEQUENCE, tool[n].part, tool[n].n_part);
        n++;
    }
    ok = ok && with_calls(out, g, choice, n, e);
    for (size_t i = 0; i < n; i++)
        hone_tool_call_parts_release(&tool[i]);
    hone_free(choice);
    hone_free(tool);
    return ok;
}
