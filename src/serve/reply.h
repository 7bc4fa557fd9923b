/* reply.h - answers as they come, in parts that every dialect knows, and the dialects'
 * writers.
 *
 *     reply r;
 *     hone_reply_init(&r, &dialect_chat, &ask, server);
 *     hone_reply_start(&r, 0, &stats);
 *     hone_reply_token(&r, 0, &piece);
 *     hone_reply_answer(&r, 0, HONE_FINISH_STOP, NULL, n);
 *     hone_reply_end(&r);
 *     ...r.out holds what is to be sent...
 *     hone_reply_release(&r);
 *
 * An answer is a list of parts: reasoning, text, calls.  A stream's writer is told when a
 * part begins, grows and ends; a whole reply is written from the parts at the end.  So
 * both always say the same.
 *
 * Owned by the loop's thread. */
#ifndef HONE_SERVE_REPLY_H
#define HONE_SERVE_REPLY_H

#include "serve/ask.h"

typedef struct reply reply;
typedef struct reply_choice reply_choice;

typedef enum part_kind {
    PART_TEXT,
    PART_REASONING,
    PART_CALL
} part_kind;

typedef struct reply_part {
    part_kind kind;
    size_t index;  /* among the choice's parts */
    size_t call;   /* of calls: among the choice's calls */
    hone_buf text; /* of calls: the arguments */
    hone_buf name; /* of calls */
    api_id id;     /* without the prefix that says of what */
} reply_part;

/* One token with its log probability. */
typedef struct reply_token {
    int32_t id;
    bool known; /* false: the first token of a prompt has no probability */
    float logprob;
    size_t top, n_top; /* in the choice's list of alternatives */
    size_t offset;     /* characters of the text before it */
} reply_token;

struct reply_choice {
    reply *reply;
    size_t index, prompt;
    reply_part *part; /* [n_part]; the last one is open if `open` */
    size_t n_part, cap_part, n_call;
    bool open, begun, ended, echoed;
    answer_split split;
    reply_token *token; /* [n_token], of which n_shown have been written */
    size_t n_token, cap_token, n_shown;
    hone_logprob *top;
    size_t n_top, cap_top;
    hone_detokenizer *spell; /* for offsets; NULL without logprobs */
    size_t n_char;
    hone_finish finish;
    char *stop; /* the stop string that ended it, or NULL */
    size_t n_generated, n_reasoning;
    int64_t piece_ns; /* when its last token came, for who measures */
};

/* Writers append to reply->out; NULL where a dialect has nothing to say. */
typedef struct dialect {
    const char *name;
    const char *id; /* prefix of the reply's id */
    bool (*ask)(ask *a, const hone_server *s, const char *body, size_t len,
                api_error *e);
    void (*put_error)(hone_buf *b, const api_error *e);
    /* of a stream, in this order */
    void (*begin)(reply *r); /* the first prompt is admitted */
    void (*choice_begin)(reply_choice *c);
    void (*part_begin)(reply_choice *c, reply_part *p);
    void (*part_delta)(reply_choice *c, reply_part *p, const char *text, size_t len);
    void (*part_end)(reply_choice *c, reply_part *p);
    void (*choice_end)(reply_choice *c);
    void (*end)(reply *r);
    void (*error)(reply *r, const api_error *e); /* in place of all that follows */
    /* the whole reply at once */
    void (*whole)(reply *r);
} dialect;
extern const dialect hone_dialect_chat, hone_dialect_completion, hone_dialect_responses,
    hone_dialect_messages, hone_dialect_embeddings;

struct reply {
    const dialect *dialect;
    const ask *ask;
    const hone_server *server;
    api_id id;
    int64_t created;
    hone_buf out;
    bool begun;
    bool failed;          /* out of memory */
    reply_choice *choice; /* [n_prompt * n_answer], answers of a prompt together */
    size_t n_choice;
    int n_answer;     /* of each prompt */
    float *embedding; /* [n_prompt][width], where embeddings are asked for */
    size_t width;
    size_t sequence; /* number of the next event, where the dialect counts them */
    size_t n_prompt_token, n_reused, n_generated, n_reasoning;
};

bool hone_reply_init(reply *r, const dialect *d, const ask *a, const hone_server *s,
                     api_error *e);
void hone_reply_release(reply *r);

/* What the scheduler says.  `prompt` counts the ask's prompts, `answer` those of one. */
void hone_reply_start(reply *r, size_t prompt, const hone_request_stats *stats);
void hone_reply_prompt_token(reply *r, size_t prompt, const hone_piece *p);
void hone_reply_piece(reply *r, size_t prompt, int answer, const hone_piece *p);
void hone_reply_answer(reply *r, size_t prompt, int answer, hone_finish finish,
                       const char *stop, size_t n_generated);
void hone_reply_embedding(reply *r, size_t prompt, const float *v, size_t n);
/* All prompts are done. */
void hone_reply_end(reply *r);
/* A stream ends with an error. */
void hone_reply_fail(reply *r, const api_error *e);
/* True if every answer of the prompt has ended. */
bool hone_reply_prompt_ended(const reply *r, size_t prompt);

/* -- for writers ------------------------------------------------------------------- */

/* "stop", "length" or "tool_calls". */
const char *hone_reply_finish(const reply_choice *c);
/* OpenAI's usage object of completions. */
void hone_put_usage(hone_buf *b, const reply *r);
/* The end of OpenAI's streams: usage if it is asked for, behind the head of a chunk, and
 * [DONE]; and an error in place of all that follows. */
void hone_reply_stream_end(reply *r, void (*put_head)(reply *r));
void hone_reply_stream_error(reply *r, const api_error *e);
/* All text of the choice's parts of a kind, joined, as a JSON string. */
void hone_reply_put_joined(hone_buf *b, const reply_choice *c, part_kind kind);
bool hone_reply_has(const reply_choice *c, part_kind kind);
/* The bytes of a token and their number; "" for an unknown one. */
const char *hone_reply_bytes(const reply *r, int32_t id, size_t *len);
/* [{"token":..,"logprob":..,"bytes":[..],"top_logprobs":[..]},..] of the tokens from
 * c->n_shown on, which are shown then. */
void hone_reply_put_logprobs(hone_buf *b, reply_choice *c);

#endif
