/* split.h - the text of an answer, taken apart as it comes: reasoning, text, calls of
 * tools.
 *
 *     answer_split s;
 *     hone_split_init(&s, &options, emit, ctx);
 *     hone_split_push(&s, text, len);       (whole characters give whole characters)
 *     hone_split_finish(&s);
 *     hone_split_release(&s);
 *
 * What comes out does not depend on how the text was divided.  Text that may turn out to
 * begin a call is held back; what is no valid call of a known tool comes out as text.
 * Arguments come out while they are written, so a call whose arguments break off midway
 * has been announced: it ends there, and the rest is text.  White space between
 * reasoning, calls and text is dropped.
 *
 * Owned by one thread at a time. */
#ifndef HONE_SERVE_SPLIT_H
#define HONE_SERVE_SPLIT_H

#include "serve/json_scan.h"
#include "serve/think_format.h"
#include "serve/tool_format.h"

typedef enum split_event {
    SPLIT_TEXT,
    SPLIT_REASONING,
    SPLIT_CALL,      /* begins; the text is the tool's name */
    SPLIT_ARGUMENTS, /* the next bytes of its arguments, JSON in the end */
    SPLIT_CALL_END
} split_event;

typedef void split_fn(void *ctx, split_event event, const char *text, size_t len);

typedef enum split_thinking {
    SPLIT_NO_THINKING,
    SPLIT_MAY_THINK, /* reasoning if the text begins with its mark */
    SPLIT_THINKING   /* the text begins inside of reasoning */
} split_thinking;

typedef struct split_options {
    const tool_format *format; /* NULL: calls are text */
    const json_t *tools;       /* borrowed; needed with format */
    bool marked;               /* the text begins behind the format's mark */
    split_thinking thinking;
    const think_format *think; /* needed with thinking */
} split_options;

/* A call that is being read. */
typedef struct split_call {
    json_scan scan; /* of its object, or of a tagged argument */
    bool bare;      /* the object holds the arguments alone */
    int member;     /* which one the scanner is in */
    bool inside;    /* of its value */
    bool open;      /* announced */
    hone_buf raw;   /* all bytes, to be given back */
    hone_buf key;   /* of the member, raw */
    hone_buf name;  /* with quotes */
    hone_buf args;  /* raw; a string if quoted */
    size_t sent;    /* of args */
    bool named;     /* the name is known, without quotes */
    bool has_args;  /* they have begun */
    bool quoted;    /* they are a string that has not ended */
    /* of tagged arguments */
    size_t n_argument;
    unsigned types; /* of the one that is being read: tool_schema.h */
    bool begun;     /* the line break before it has been dropped */
    bool loose;     /* it does not begin as JSON */
    size_t seen;    /* bytes of it that do not end it */
} split_call;

typedef struct answer_split {
    split_options o;
    split_fn *fn;
    void *ctx;
    int state;
    hone_buf in;     /* not decided yet */
    hone_buf mark;   /* a mark and white space that may have to be given back */
    bool drop_space; /* white space comes next to what was cut out */
    bool in_array;
    split_call call;
} answer_split;

void hone_split_init(answer_split *s, const split_options *o, split_fn *fn, void *ctx);
void hone_split_push(answer_split *s, const char *text, size_t len);
void hone_split_finish(answer_split *s); /* the text ends here, whole or cut off */
void hone_split_release(answer_split *s);
/* True while what comes is reasoning. */
bool hone_split_in_thinking(const answer_split *s);
/* True if memory ran out: something is missing. */
bool hone_split_failed(const answer_split *s);

#endif
