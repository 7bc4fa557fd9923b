/* pattern_internal.h - the syntax tree between pattern_parse.c and pattern.c. */
#ifndef HONE_GRAMMAR_PATTERN_INTERNAL_H
#define HONE_GRAMMAR_PATTERN_INTERNAL_H

#include "base/arena.h"
#include "grammar/pattern.h"

typedef enum re_kind {
    RE_EMPTY,
    RE_SET,   /* one character of set */
    RE_CAT,   /* children in order */
    RE_ALT,   /* one of the children */
    RE_REP,   /* the child, min to max times */
    RE_AHEAD, /* the child matches here; `negated`: it does not */
    RE_START,
    RE_END,
} re_kind;

typedef struct re_node {
    re_kind kind;
    bool negated;
    bool zero_width; /* holds an assertion */
    uint32_t min, max;
    hone_expr set;
    struct re_node *child, *next; /* first child; next sibling */
} re_node;

/* The tree lives in the arena; sets are spelled `how` in x. */
HONE_MUST_CHECK hone_status hone_pattern_parse(hone_exprs *x, hone_arena *arena,
                                               const char *s, size_t len,
                                               hone_spelling how, re_node **out,
                                               hone_error *err);

#endif
