/* tool_grammar.h - grammars that bind an answer: to calls of tools in the model's own
 * format, to what else may stand in place of them, behind reasoning or not.
 *
 * Threads: any, no state. */
#ifndef HONE_SERVE_TOOL_GRAMMAR_H
#define HONE_SERVE_TOOL_GRAMMAR_H

#include "hone/grammar.h"
#include "serve/think_format.h"
#include "serve/tool_format.h"

/* How an answer is bound. */
typedef struct tool_grammar {
    const json_t *tools;       /* with calls: what may be called */
    const tool_format *format; /* NULL: no calls */
    const char *only;          /* the one tool that must be called, or NULL */
    bool required, parallel;
    bool marked; /* format->open's mark is part of the prompt */
    const hone_grammar_part
        *answer;               /* what else may stand in place of calls; NULL: only
                                        calls */
    const think_format *think; /* reasoning may come first; NULL: none */
    bool thinking_open;        /* the prompt ends inside of it */
} tool_grammar;

/* *out is the caller's.  A schema that cannot be kept, or that the format cannot express,
 * is 400 with a message that names its tool. */
bool hone_tool_grammar_new(hone_grammar **out, const tool_grammar *g, api_error *e);

#endif
