/* tool_format.h - how a model writes a call of a tool, and grammars that make it do so.
 *
 * The format is what the model's chat template declares (hone_tool_format_find looks at
 * its text):
 *
 *     hermes   <tool_call>\n{"name": .., "arguments": {..}}\n</tool_call>
 *     mistral  [TOOL_CALLS][{"name": .., "arguments": {..}}, ..]
 *     llama    {"name": .., "parameters": {..}}
 *     generic  {"name": .., "arguments": {..}}, one a line
 *
 * Threads: any; formats are constants. */
#ifndef HONE_SERVE_TOOL_FORMAT_H
#define HONE_SERVE_TOOL_FORMAT_H

#include "hone/grammar.h"
#include "serve/wire.h"

typedef struct tool_format {
    const char *name;
    const char *mark[4]; /* what may stand before calls, NULL at the end */
    bool anywhere;       /* marks count anywhere in a text, else at its beginning only,
                            where calls may also stand without one */
    const char *end[3];  /* what may stand behind calls, NULL at the end */
    /* how a forced answer is spelled */
    const char *open, *before, *arguments, *after, *between, *close;
    bool single; /* one call an answer */
} tool_format;

/* Never NULL: generic where the template says nothing. */
const tool_format *hone_tool_format_find(const char *chat_template);
/* True if the template does something with `tools`. */
bool hone_tool_format_declared(const char *chat_template);

/* The function of tools[i]: {"name", "description", "parameters"}; its name. */
const json_t *hone_tool_function(const json_t *tools, size_t i);
const char *hone_tool_name(const json_t *tools, size_t i);
/* Index of a name of len bytes, or -1. */
int hone_tool_index(const json_t *tools, const char *name, size_t len);

/* What tells a model about tools whose template does not; appended to *b. */
void hone_tool_instruction(hone_buf *b, const json_t *tools);
/* Calls of earlier answers in the generic format (for those templates). */
void hone_tool_spell_calls(hone_buf *b, const json_t *calls);

/* How an answer is bound. */
typedef struct tool_grammar {
    const json_t *tools;       /* with calls: what may be called */
    const tool_format *format; /* NULL: no calls */
    const char *only;          /* the one tool that must be called, or NULL */
    bool required, parallel;
    bool marked; /* format->open's mark is part of the prompt */
    const hone_grammar_part
        *answer;         /* what else may stand in place of calls; NULL: only
                                        calls */
    bool thinking_open;  /* the prompt ends inside of reasoning */
    bool thinking_maybe; /* reasoning may come first */
} tool_grammar;

/* *out is the caller's.  The message of a schema that cannot be kept names its tool. */
bool hone_tool_grammar_new(hone_grammar **out, const tool_grammar *g, api_error *e);

#define THINK_OPEN  "<think>"
#define THINK_CLOSE "</think>"

#endif
