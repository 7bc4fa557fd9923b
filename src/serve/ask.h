/* ask.h - what a client asks, in one form for every dialect.
 *
 *     ask a;
 *     if (!hone_ask_chat(&a, server, body, len, &e)) ...reply with e...
 *     ...submit a.request for each a.prompt...
 *     hone_ask_release(&a);
 *
 * The dialects that are conversations (responses, messages) are first rewritten as the
 * body of a chat completion (hone_responses_to_chat, hone_messages_to_chat); everything
 * is checked once, on that form.  docs/serving.md lists the fields.
 *
 * Threads: any; a server's model and options are only read. */
#ifndef HONE_SERVE_ASK_H
#define HONE_SERVE_ASK_H

#include "serve/field.h"
#include "serve/server.h"
#include "serve/split.h"
#include "serve/tool_grammar.h"

typedef struct ask_prompt {
    hone_tokens tokens;
    char *text; /* to be echoed, or NULL; hone_free */
    size_t text_len;
} ask_prompt;

typedef struct ask {
    json_t *body;       /* owned; strings are borrowed from it */
    json_t *extra;      /* owned; rewritten parts of it */
    const char *model;  /* as the client is told */
    ask_prompt *prompt; /* [n_prompt] */
    size_t n_prompt;
    hone_request request; /* of every prompt, but for the prompt itself */
    const char **stop;    /* owned arrays; request.generate points to them */
    hone_logit_bias *bias;
    int32_t *stop_id; /* tokens that end an answer, [n_stop_id] */
    size_t n_stop_id;
    hone_grammar *grammar;
    bool stream, include_usage, logprobs, echo;
    bool include_stop; /* the stop string is part of the answer */
    bool may_be_empty; /* max_tokens may be 0 */
    int n_top;         /* alternatives shown for each token */
    bool base64;       /* embeddings */
    split_options split;
} ask;

/* A checked POST body.  On failure nothing is left to release. */
bool hone_ask_chat(ask *a, const hone_server *s, const char *body, size_t len,
                   api_error *e);
bool hone_ask_completion(ask *a, const hone_server *s, const char *body, size_t len,
                         api_error *e);
bool hone_ask_embeddings(ask *a, const hone_server *s, const char *body, size_t len,
                         api_error *e);
bool hone_ask_responses(ask *a, const hone_server *s, const char *body, size_t len,
                        api_error *e);
bool hone_ask_messages(ask *a, const hone_server *s, const char *body, size_t len,
                       api_error *e);
void hone_ask_release(ask *a);

/* -- parts, for the files that fill an ask ----------------------------------------- */

/* `model`: the server's own, an adapter's, or absent.  404 model_not_found. */
bool hone_ask_model(ask *a, const hone_server *s, const json_t *body, api_error *e);
/* Sampling, lengths, stops, penalties, n, priority, session: what all generations
 * share. */
bool hone_ask_generation(ask *a, const hone_server *s, const json_t *body,
                         api_error *e);
/* response_format and structured_outputs as a part of a grammar; part->len 0: none.
 * *text keeps what the part points to. */
bool hone_ask_format(const json_t *body, hone_grammar_part *part, hone_buf *text,
                     api_error *e);
/* tools, tool_choice and format to a->split and a->grammar. */
bool hone_ask_tools(ask *a, const hone_server *s, const json_t *body, tool_grammar *g,
                    api_error *e);
bool hone_ask_no_prompt(ask *a, size_t n, api_error *e); /* room for n prompts */
/* Append the tokens of text. */
bool hone_ask_encode(ask_prompt *p, const hone_server *s, const char *text, size_t len,
                     unsigned flags, api_error *e);
/* Token ids run up to this, exclusive. */
int hone_ask_n_vocab(const hone_server *s);
/* The prompts fit the context. */
bool hone_ask_fits(const ask *a, const hone_server *s, api_error *e);

/* The conversation of a chat body as the template gets it: `*out` has messages, tools
 * and the template's variables.  tools: NULL, or those that the prompt shows. */
bool hone_chat_variables(json_t **out, const hone_server *s, const json_t *body,
                         const json_t *tools, api_error *e);
/* The prompt of a chat body; *text is hone_free'd by the caller. */
bool hone_chat_prompt(char **text, size_t *len, const hone_server *s,
                      const json_t *body, const json_t *tools, api_error *e);
const char *hone_ask_template(const hone_server *s); /* or NULL */

/* Other dialects' bodies as chat bodies; *out is the caller's. */
bool hone_responses_to_chat(json_t **out, const json_t *body, api_error *e);
bool hone_messages_to_chat(json_t **out, const json_t *body, bool counting,
                           api_error *e);

#endif
