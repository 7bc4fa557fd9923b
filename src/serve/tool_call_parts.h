/* tool_call_parts.h - one tool's call as parts of a grammar, as a format spells it:
 * between the format's `before` and `after`.
 *
 *     tool_call_parts p;
 *     ok = hone_tool_call_parts_init(&p, format, function, &e);
 *     ...p.part[0..p.n_part), while p stays where it is...
 *     hone_tool_call_parts_release(&p);       (also where init failed)
 *
 * Owned by one thread at a time. */
#ifndef HONE_SERVE_TOOL_CALL_PARTS_H
#define HONE_SERVE_TOOL_CALL_PARTS_H

#include "hone/grammar.h"
#include "serve/tool_format.h"

/* A part with a text, borrowed; one of literal text (NULL: none); one with children,
 * borrowed, at most once where it repeats. */
hone_grammar_part hone_part_of(hone_grammar_part_kind kind, const char *s, size_t len);
hone_grammar_part hone_part_text(const char *s);
hone_grammar_part hone_part_group(hone_grammar_part_kind kind,
                                  const hone_grammar_part *child, size_t n);

/* A tagged argument: its tags and name, its value up to the closing tag. */
typedef struct tool_argument {
    hone_buf head, schema;
    hone_grammar_part value[2], bound[2], part[3];
} tool_argument;

typedef struct tool_call_parts {
    hone_buf head, schema;
    hone_grammar_part part[5]; /* [n_part] */
    size_t n_part;
    tool_argument *argument; /* [n_argument] */
    hone_grammar_part *list; /* [n_argument], each as often as it may stand */
    size_t n_argument;
} tool_call_parts;

/* `function`: {"name", "parameters"}; strings are borrowed from it and from f.  False: a
 * schema that cannot be kept, or that the format cannot express; *e names the tool. */
bool hone_tool_call_parts_init(tool_call_parts *p, const tool_format *f,
                               const json_t *function, api_error *e);
void hone_tool_call_parts_release(tool_call_parts *p);

#endif
