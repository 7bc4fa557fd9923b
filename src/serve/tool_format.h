/* tool_format.h - how models write calls of tools: a table of formats, by what a chat
 * template says.
 *
 * A format is a row of marks around one of three styles; the row is chosen by what
 * stands in the template's text (hone_tool_format_find):
 *
 *     style   row           a call
 *     object  hermes        <tool_call>\n{"name": .., "arguments": {..}}\n</tool_call>
 *             mistral       [TOOL_CALLS][{"name": .., "arguments": {..}}, ..]
 *             array         <tool_calls>[{"name": .., "arguments": {..}}, ..]</tool_calls>
 *             lines         <tool_calls>\n{"name": .., "arguments": {..}}\n</tool_calls>
 *             nemotron      <TOOLCALL>[{"name": .., "arguments": {..}}, ..]</TOOLCALL>
 *             granite       <|tool_call|>[{"name": .., "arguments": {..}}, ..]
 *             llama         {"name": .., "parameters": {..}}
 *             generic       {"name": .., "arguments": {..}}, one a line
 *     named   mistral-args  [TOOL_CALLS]NAME[ARGS]{..}
 *             mistral-id    [TOOL_CALLS]NAME[CALL_ID]ID[ARGS]{..}
 *             functionary   <function=NAME>{..}</function>
 *     tagged  tagged        <tool_call>\n<function=NAME>\n<parameter=KEY>\nVALUE\n
 *                           </parameter>\n..</function>\n</tool_call>
 *             seed          the same in <seed:tool_call>, values in their line
 *
 * Tagged values are strings as they are, or JSON: tool_schema.h says which.
 *
 * Threads: any; formats are constants. */
#ifndef HONE_SERVE_TOOL_FORMAT_H
#define HONE_SERVE_TOOL_FORMAT_H

#include "serve/wire.h"

typedef enum tool_style {
    TOOL_OBJECT, /* one JSON object holds the name and the arguments */
    TOOL_NAMED,  /* the name, then the arguments as a JSON object */
    TOOL_TAGGED  /* the name, then each argument between tags */
} tool_style;

/* Strings are constants; NULL where the style has no use for them. */
typedef struct tool_format {
    const char *name;
    tool_style style;
    const char *has[4]; /* all of these are in the template's text, NULL at the end */
    /* -- how it is read: calls may also be objects, whatever the style */
    const char *mark[4]; /* what may stand before calls, NULL at the end */
    bool anywhere;       /* marks count anywhere in a text, else at its beginning only,
                            where calls may also stand without one */
    const char *end[3];  /* what may stand behind calls, NULL at the end */
    const char *lead, *name_end; /* named, tagged: around the name; a mark may be the
                                    lead, and is then there once */
    const char *id;              /* may stand between the name, an id and name_end */
    const char *key, *key_end;   /* tagged: around a parameter's name */
    const char *line; /* tagged: on both sides of a value; optional in reading */
    const char *value_end, *call_end;
    /* -- how a forced answer is spelled */
    const char *open, *before, *after, *between, *close;
    const char *arguments; /* object: the member's name */
    bool single;           /* one call an answer */
    size_t id_length;      /* of ids in prompts, or the template fails; 0: any */
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

enum {
    TOOL_MAX_KEY = 1024 /* tagged: bytes of a parameter's name, with what ends it */
};

#endif
