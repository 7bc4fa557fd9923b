/* chat.h - the prompt that a conversation becomes.
 *
 *     char *prompt; size_t n;
 *     hone_chat_render(model, NULL, json, strlen(json), NULL, &prompt, &n, &err);
 *     ...
 *     hone_text_free(prompt);
 *
 * The conversation is a JSON object: "messages", and any further variable of the
 * template ("tools", "add_generation_prompt", ...).  Absent "tools" and "documents" are
 * none, absent "add_generation_prompt" is false.  The model's special tokens are there as
 * bos_token, eos_token and so on.
 *
 * Threads: any; the model is only read. */
#ifndef HONE_CHAT_H
#define HONE_CHAT_H

#include <stddef.h>
#include <stdint.h>

#include "hone/model.h"

typedef struct hone_chat_options {
    const char *source; /* a template that replaces the model's, or NULL */
    int has_now;        /* use `now` instead of the clock */
    int64_t now;        /* seconds since 1970, read as UTC */
} hone_chat_options;

/* m may be NULL if options give a template.
 *   E_NOT_FOUND  the model has no chat template
 *   E_FORMAT     the JSON is broken
 *   E_TEMPLATE   the template refuses the conversation; the text is its message */
HONE_API HONE_MUST_CHECK hone_status hone_chat_render(const hone_model *m,
                                                      const hone_chat_options *options,
                                                      const char *json, size_t len,
                                                      char **out, size_t *out_len,
                                                      hone_error *err);

#endif
