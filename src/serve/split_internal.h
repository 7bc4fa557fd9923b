/* split_internal.h - what the files of the splitter share.
 *
 * A state looks at the bytes of s->in, which are not decided yet, takes from their front
 * what no further text can change, and returns true if the next state can go on.  With
 * `final` no text will follow.
 *
 *     split.c          reasoning, text, marks
 *     split_call.c     a call's name, and JSON objects
 *     split_tagged.c   arguments between tags */
#ifndef HONE_SERVE_SPLIT_INTERNAL_H
#define HONE_SERVE_SPLIT_INTERNAL_H

#include "serve/split.h"

enum {
    SPLIT_AT_START, /* nothing yet, or reasoning has just ended */
    SPLIT_IN_THINKING,
    SPLIT_IN_TEXT,
    SPLIT_AT_CALL, /* behind a mark or a comma: a call must come */
    SPLIT_IN_NAME, /* a name must come, as the format spells it */
    SPLIT_IN_OBJECT,
    SPLIT_IN_TAGS,  /* an argument or the end of the call must come */
    SPLIT_IN_VALUE, /* of an argument between tags */
    SPLIT_AFTER_CALL
};

/* -- looking at text --------------------------------------------------------------- */

typedef enum split_match {
    SPLIT_NO,
    SPLIT_MAYBE, /* the text ends inside of the word */
    SPLIT_YES
} split_match;

split_match hone_split_begins(const char *p, size_t n, const char *word);
/* *which: the longest of a list of words, NULL at its end, that the text begins with,
 * or NULL.  MAYBE: further text may make it another one. */
split_match hone_split_begins_any(const char *p, size_t n, const char *const *words,
                                  const char **which);
/* Where the first of these words is; false: *at is n without the bytes at the end that
 * may begin one. */
bool hone_split_find(const char *p, size_t n, const char *const *words,
                     const char **which, size_t *at);
bool hone_split_is_space(char c);
size_t hone_split_spaces(const char *p, size_t n); /* at the front */

/* -- what comes out ---------------------------------------------------------------- */

void hone_split_emit(answer_split *s, split_event e, const char *text, size_t len);
/* What was taken for the beginning of a call is text. */
void hone_split_give_back(answer_split *s);

/* -- calls ------------------------------------------------------------------------- */

void hone_split_begin_call(answer_split *s, int state);
void hone_split_announce(answer_split *s); /* once there are arguments, and only once */
void hone_split_send(answer_split *s);     /* the arguments so far */
void hone_split_end_call(answer_split *s); /* with {} if there are none */
/* The text goes on with what is no call. */
void hone_split_break_call(answer_split *s);

bool hone_split_in_name(answer_split *s, bool final);
bool hone_split_in_object(answer_split *s, bool final);
bool hone_split_in_tags(answer_split *s, bool final);
bool hone_split_in_value(answer_split *s, bool final);

#endif
