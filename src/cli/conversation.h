/* conversation.h - private to the program: a conversation, alone or in a terminal. */
#ifndef HONE_CLI_CONVERSATION_H
#define HONE_CLI_CONVERSATION_H

#include <jansson.h>

#include "base/buf.h"
#include "cli/command.h"

typedef struct cli_chat {
    const hone_model *model;
    hone_sequence *sequence;
    hone_generate_options options;
    json_t *messages;  /* [{"role", "content"}], owned */
    bool stats;        /* print speed after each answer */
    bool quiet;        /* do not stream the answer to stdout */
    hone_buf logprobs; /* of the last answer, if asked for: elements of a JSON array */
} cli_chat;

HONE_MUST_CHECK hone_status cli_chat_init(cli_chat *c, const hone_model *model,
                                          hone_sequence *s, const char *system_prompt,
                                          hone_error *err);
void cli_chat_release(cli_chat *c);

/* Drop all messages; a system prompt, or NULL, becomes the first. */
HONE_MUST_CHECK hone_status cli_chat_reset(cli_chat *c, const char *system_prompt,
                                           hone_error *err);

/* Ask and stream the answer to stdout.  A failure or an interrupt before the first token
 * leaves the conversation as it was. */
HONE_MUST_CHECK hone_status cli_chat_ask(cli_chat *c, const char *text, size_t len,
                                         hone_generation *g, hone_error *err);

/* Complete raw text instead. */
HONE_MUST_CHECK hone_status cli_chat_complete(cli_chat *c, const char *text, size_t len,
                                              hone_generation *g, hone_error *err);

/* "prefill 20 tokens, 300.1 tokens/s; ..." on stderr. */
void cli_chat_print_stats(const cli_chat *c, const hone_generation *g);

/* Read lines from the terminal until the end of input or /quit; returns the exit
 * status. */
int cli_chat_loop(cli_chat *c);

#endif
