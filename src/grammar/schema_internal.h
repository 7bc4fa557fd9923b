/* schema_internal.h - how a JSON Schema becomes a language.
 *
 * A goal is a conjunction of schemas, each as it is or negated: what one place of the
 * document must satisfy.  Goals are shared: the same conjunction is one goal, so that
 * recursion ends.  A goal expands to cases (schema_expand.c, schema_negate.c), each a
 * plain list of constraints by type without anyOf, $ref, not and the like; the goal's
 * values are the union of its cases' values.  The children of a case (properties,
 * items) are goals again (schema_object.c, schema_goal.c).  From cases texts are built
 * (schema_emit.c).
 *
 * All memory is one arena and the expression store; nothing here outlives compiling. */
#ifndef HONE_GRAMMAR_SCHEMA_INTERNAL_H
#define HONE_GRAMMAR_SCHEMA_INTERNAL_H

#include <jansson.h>

#include "base/arena.h"
#include "base/map.h"
#include "grammar/chars.h"

enum {
    JSON_TYPE_NULL = 1,
    JSON_TYPE_TRUE = 2,
    JSON_TYPE_FALSE = 4,
    JSON_TYPE_NUMBER = 8,
    JSON_TYPE_STRING = 16,
    JSON_TYPE_ARRAY = 32,
    JSON_TYPE_OBJECT = 64,
    JSON_TYPE_ALL = 127,
};

enum {
    SCHEMA_MAX_CASES = 512, /* of one goal */
    SCHEMA_MAX_GOALS = 40000,
    SCHEMA_MAX_STEPS = 400000, /* of expansion, in all */
    SCHEMA_MAX_DEPTH = 200,    /* of nested children that must exist, of branching */
};
#define SCHEMA_NO_MAX UINT32_MAX

typedef hone_word schema_name;

/* A schema or its negation. */
typedef struct schema_lit {
    const json_t *schema;
    bool negated;
} schema_lit;

/* Persistent lists, newest first: cases that branch share their tails. */
typedef struct schema_list {
    const struct schema_list *next;
    schema_lit lit;
    schema_name name;  /* the property that it is about */
    hone_expr names;   /* the names that it is about, as strings */
    uint32_t min, max; /* of contains */
} schema_list;

/* What schema_expand.c has still to do for a case. */
typedef struct schema_todo {
    const struct schema_todo *next;
    schema_lit lit;
    const char *key;  /* NULL: all of the schema; else this keyword of it */
    schema_name name; /* a property that the alternative is about */
    size_t index;
    bool base; /* the keywords that hold directly, without branching */
} schema_todo;

/* A name that a case lists, with what its value must satisfy. */
typedef struct schema_property {
    schema_name name;
    struct schema_goal *goal; /* NULL: may not be there */
    bool required;
} schema_property;

/* Names that are not listed, in classes that exclude each other. */
typedef struct schema_class {
    hone_expr names; /* without quotes */
    struct schema_goal *goal;
} schema_class;

typedef struct schema_object {
    schema_property *property;
    size_t n_property;
    schema_class *class_of;
    size_t n_class;
} schema_object;

typedef struct schema_case {
    struct schema_case *next;
    unsigned types;
    hone_expr number, string;
    const schema_list *seen;     /* schemas already part of it */
    const schema_list *objects;  /* schemas whose property keywords hold */
    const schema_list *required; /* .name */
    const schema_list *property; /* .name must satisfy .lit, if there */
    const schema_list *key;      /* propertyNames */
    const schema_list *some;     /* a property among .names must satisfy .lit */
    const schema_list *need;     /* one name that is not listed is among .names */
    const schema_list *arrays;   /* schemas whose item keywords hold */
    const schema_list *contains; /* .min to .max items satisfy .lit */
    uint32_t min_props, max_props, min_items, max_items;
    bool unique;
    const json_t *unique_at;
    schema_object *object; /* once asked for */
} schema_case;

typedef enum schema_answer {
    SCHEMA_UNKNOWN,
    SCHEMA_ASKED, /* being found out */
    SCHEMA_YES,
    SCHEMA_NO
} schema_answer;

typedef struct schema_goal {
    schema_lit *lit;
    size_t n_lit;
    schema_case *cases;
    size_t n_case;
    bool expanding, expanded;
    schema_answer sat;
    bool has_expr, has_rule;
    hone_expr expr;
    uint32_t rule;
    struct schema_goal *queued; /* next rule whose body is to be built */
} schema_goal;

typedef struct schema_ctx {
    hone_exprs *x;
    hone_arena arena;
    json_t *root;
    json_t *made;        /* schemas made here, an array */
    int draft;           /* 4, 6, 7, 2019, 2020 */
    bool nested_id;      /* schemas inside have ids of their own */
    hone_spelling spell; /* of strings; HONE_SPELL_UTF8: they alone, without quotes */
    hone_map ids;        /* address of a schema -> number */
    uint32_t n_id;
    hone_map goals; /* literals -> index */
    schema_goal **goal;
    size_t n_goal, cap_goal;
    hone_map patterns; /* text -> index into pattern */
    hone_expr *pattern;
    size_t n_pattern, cap_pattern;
    hone_map values;  /* address of an enum's value -> index in made */
    hone_map frames;  /* address of a schema with oneOf -> index in made */
    hone_map circles; /* address of a schema -> whether it asks for itself */
    schema_case **out_end;
    schema_goal *out_goal;
    schema_goal *queue;
    size_t n_step;
    int depth;
    int n_asked;      /* goals being asked about */
    bool assumed_no;  /* an answer rests on "no" for a goal that is being asked about */
    bool assumed_yes; /* or on "yes" for one that is being expanded */
    hone_expr all, number, plain, integer, ws, comma, colon;
    hone_status status;
    hone_error *err;
} schema_ctx;

/* Fail at the schema `at`: the message has its JSON pointer, then keyword and fact. */
void hone_schema_fail(schema_ctx *c, hone_status code, const json_t *at,
                      const char *key, const char *fact);
static inline bool hone_schema_failed(const schema_ctx *c)
{
    return c->status || c->x->failed;
}
void *hone_schema_alloc(schema_ctx *c, size_t n,
                        size_t size); /* zeroed, or NULL and failed */

/* schema_ref.c */
void hone_schema_read_draft(schema_ctx *c);
/* The keyword's value where the draft knows the keyword, or NULL. */
const json_t *hone_schema_get(const schema_ctx *c, const json_t *schema,
                              const char *key);
bool hone_schema_knows(const schema_ctx *c, const char *key);
/* What the schema's $ref means, a schema that does not ask for itself; or NULL, failed. */
const json_t *hone_schema_resolve(schema_ctx *c, const json_t *schema);
/* A pattern's language over strings' insides, compiled once. */
hone_expr hone_schema_pattern(schema_ctx *c, const json_t *at, const char *key,
                              const char *s, size_t len);
const json_t *hone_schema_of_value(schema_ctx *c, const json_t *value);
/* What has been made of a place in the schema, by one of the maps into c->made; or NULL. */
const json_t *hone_schema_made(const schema_ctx *c, const hone_map *m,
                               const json_t *of);
/* Keep what was made of it (taken; NULL: no memory): that, or NULL and failed. */
const json_t *hone_schema_keep(schema_ctx *c, hone_map *m, const json_t *of,
                               json_t *made);
/* A pointer as a key for hone_map. */
bool hone_schema_put_address(schema_ctx *c, hone_map *m, const void *p, int32_t v);

/* schema_scalar.c: languages of scalar keywords */
hone_expr hone_schema_number(schema_ctx *c, const json_t *schema, const char *key);
hone_expr hone_schema_string(schema_ctx *c, const json_t *schema, const char *key);
hone_expr hone_schema_literal(schema_ctx *c, const char *s, size_t len);
bool hone_schema_count(schema_ctx *c, const json_t *schema, const char *key,
                       uint32_t *out);

/* schema_goal.c */
schema_goal *hone_schema_goal(schema_ctx *c, const schema_lit *lit, size_t n);
const schema_case *hone_schema_cases(schema_ctx *c, schema_goal *g);
bool hone_schema_sat(schema_ctx *c, schema_goal *g); /* has any value */
bool hone_schema_case_object_sat(schema_ctx *c, schema_case *k);
bool hone_schema_case_array_sat(schema_ctx *c, const schema_case *k);
/* What item i of the case's arrays must satisfy; *n_prefix: from there on all alike. */
schema_goal *hone_schema_item(schema_ctx *c, const schema_case *k, size_t i,
                              const schema_lit *extra);
size_t hone_schema_n_prefix(schema_ctx *c, const schema_case *k);

/* schema_object.c */
schema_object *hone_schema_object(schema_ctx *c, schema_case *k);
void hone_schema_finish_case(schema_ctx *c, schema_case k);

hone_expr hone_schema_other_names(schema_ctx *c, const json_t *s);

/* schema_expand.c */
void hone_schema_expand(schema_ctx *c, schema_case k, const schema_todo *todo);
/* Types that `type` allows; *only_integer: numbers must be integers. */
unsigned hone_schema_types(schema_ctx *c, const json_t *schema, bool *only_integer);
const json_t *hone_schema_values(schema_ctx *c, const json_t *schema, const char *key);
void hone_schema_alternative(schema_ctx *c, const schema_case *k, unsigned types,
                             schema_todo first, const schema_todo *rest);
const schema_list *hone_schema_list(schema_ctx *c, const schema_list *next,
                                    schema_list item);
const schema_todo *hone_schema_todo(schema_ctx *c, const schema_todo *next,
                                    schema_todo item);
/* schema_negate.c */
void hone_schema_negate(schema_ctx *c, const schema_case *k, const json_t *schema,
                        const schema_todo *todo);
/* Apply a negated keyword; true if k can go on. */
bool hone_schema_negate_keyword(schema_ctx *c, schema_case *k, const schema_todo *t);
/* Keep the scalars among an enum's values, or all others. */
void hone_schema_keep_scalars(schema_ctx *c, schema_case *k, const json_t *values,
                              bool negated);

/* schema_emit.c */
hone_expr hone_schema_value(schema_ctx *c, schema_goal *g);
void hone_schema_emit_rules(schema_ctx *c);

/* formats.c: the pattern of a format; NULL for an unknown one, or *refused: one that is
 * known but has no pattern. */
const char *hone_schema_format(const char *name, bool *refused);

#endif
