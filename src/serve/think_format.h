/* think_format.h - how models mark their reasoning: a table of marks, by what a chat
 * template says, as tool_format.h is one of calls.
 *
 * Threads: any; formats are constants. */
#ifndef HONE_SERVE_THINK_FORMAT_H
#define HONE_SERVE_THINK_FORMAT_H

typedef struct think_format {
    const char *has; /* in the template's text */
    const char *open, *close;
    const char *part; /* in templates that take earlier reasoning as a part of the
                         content, of type `thinking`; NULL: none do */
} think_format;

/* NULL where the template says nothing of reasoning. */
const think_format *hone_think_format_find(const char *chat_template);

#endif
