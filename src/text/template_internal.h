/* template_internal.h - private to the template engine: nodes, values, the machine.
 *
 * A template is parsed into nodes that live in its own arena.  A rendering makes values
 * in an arena of its own and drops all of them at the end.  Failures leave by longjmp to
 * the two entry points in template.c: nothing in between owns anything but arena memory.
 *
 *   template_lex.c      text to tokens, white space control
 *   template_parse.c    tokens to nodes
 *   template_eval.c     statements and expressions
 *   template_value.c    values: make, compare, convert
 *   template_print.c    str(), repr(), tojson
 *   template_filters.c  filters;  template_tests.c  tests
 *   template_methods.c  attributes and methods;  template_globals.c  functions
 */
#ifndef HONE_TEXT_TEMPLATE_INTERNAL_H
#define HONE_TEXT_TEMPLATE_INTERNAL_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "text/template.h"

typedef struct tpl_str {
    const char *s; /* UTF-8, not terminated */
    size_t len;
} tpl_str;

/* -- tokens ----------------------------------------------------------------------- */

typedef enum tpl_token_kind {
    TOK_DATA,        /* text to print */
    TOK_VAR_BEGIN,   /* {{ */
    TOK_VAR_END,     /* }} */
    TOK_BLOCK_BEGIN, /* {% */
    TOK_BLOCK_END,   /* %} */
    TOK_NAME,
    TOK_STR, /* escapes resolved */
    TOK_INT,
    TOK_FLOAT,
    TOK_OP, /* text is the operator */
    TOK_EOF,
} tpl_token_kind;

typedef struct tpl_token {
    tpl_token_kind kind;
    int line;
    tpl_str text;
    int64_t i;
    double f;
} tpl_token;

/* -- values ----------------------------------------------------------------------- */

typedef enum tpl_kind {
    TPL_UNDEFINED,
    TPL_NONE,
    TPL_BOOL,
    TPL_INT,
    TPL_FLOAT,
    TPL_STR,
    TPL_LIST,
    TPL_TUPLE,
    TPL_DICT,
    TPL_NAMESPACE,
    TPL_MACRO,
    TPL_FUNCTION, /* built in */
    TPL_METHOD,   /* bound to a value */
    TPL_LOOP,
    TPL_CYCLER,
    TPL_JOINER,
} tpl_kind;

typedef struct tpl_value tpl_value;
typedef struct tpl_list tpl_list;
typedef struct tpl_dict tpl_dict;
typedef struct tpl_macro tpl_macro;
typedef struct tpl_loop tpl_loop;
typedef struct tpl_method tpl_method;
typedef struct tpl_machine tpl_machine;
typedef struct tpl_args tpl_args;
typedef tpl_value tpl_function(tpl_machine *m, tpl_args *args);

struct tpl_value {
    tpl_kind kind;
    bool markup; /* a string that `safe` or `escape` made */
    bool
        iterator; /* a list that only a loop can read, as Python's generators: true even
                      when empty, without length and items */
    union {
        bool b;
        int64_t i;
        double f;
        tpl_str str; /* also the name of an undefined */
        tpl_list *list;
        tpl_dict *dict; /* also a namespace */
        tpl_macro *macro;
        tpl_function *function;
        tpl_method *method;
        tpl_loop *loop;
    } u;
};

struct tpl_list { /* also the items of a cycler, the state of a joiner */
    tpl_value *item;
    size_t n, cap;
    size_t at; /* cycler and joiner: calls so far */
};

struct tpl_dict { /* in order of insertion */
    tpl_value *key, *value;
    size_t n, cap;
};

struct tpl_method {
    tpl_value self;
    const char *name;
    tpl_value (*call)(tpl_machine *m, const tpl_value *self, tpl_args *args);
};

/* Arguments of a call, positional first. */
struct tpl_args {
    const char *what; /* the callee, for messages */
    tpl_value *item;
    size_t n;
    tpl_str *name; /* keywords */
    tpl_value *named;
    size_t n_named;
    const struct tpl_node *caller; /* the body of a call block, or NULL */
    struct tpl_scope *caller_scope;
};

/* -- nodes ------------------------------------------------------------------------ */

typedef enum tpl_node_kind {
    /* statements */
    NODE_BODY, /* list */
    NODE_DATA,
    NODE_PRINT,
    NODE_IF,           /* a cond, b then, c else */
    NODE_FOR,          /* a target, b iterable, c filter, list: body, else */
    NODE_SET,          /* a target, b value */
    NODE_SET_BLOCK,    /* a target, b body, list filters */
    NODE_MACRO,        /* name, list parameters (NODE_PARAM), b body */
    NODE_CALL_BLOCK,   /* a call, b a NODE_MACRO for the caller */
    NODE_FILTER_BLOCK, /* a filter chain over NODE_BLOCK_TEXT, b body */
    NODE_WITH,         /* list of targets and values in turn, b body */
    NODE_SCOPE,        /* b body in a scope of its own */
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_FAIL, /* a statement that fails when reached: text is why */
    /* expressions */
    NODE_CONST,
    NODE_NAME,
    NODE_ATTR,    /* a.name */
    NODE_ITEM,    /* a[b] */
    NODE_SLICE,   /* a[b:c:d] with list of three, NULL where absent */
    NODE_CALL,    /* a(list) with arguments as NODE_ARG */
    NODE_ARG,     /* name (maybe none) = a; op '*' or '*' '*' unpacks */
    NODE_FILTER,  /* a | name(list) */
    NODE_TEST,    /* a is name(list), op 1: negated */
    NODE_UNARY,   /* op, a */
    NODE_BINARY,  /* op, a, b */
    NODE_COMPARE, /* a, then list of NODE_BINARY whose b are operands */
    NODE_CONCAT,  /* list */
    NODE_AND,
    NODE_OR,
    NODE_NOT,
    NODE_COND, /* b if a else c */
    NODE_LIST,
    NODE_TUPLE,
    NODE_DICT,       /* list of keys and values in turn */
    NODE_NS_TARGET,  /* name.attr on the left of set: a NODE_NAME, name attr */
    NODE_PARAM,      /* name, a default or NULL */
    NODE_BLOCK_TEXT, /* the text of a block, as an expression */
} tpl_node_kind;

typedef struct tpl_node {
    tpl_node_kind kind;
    int line;
    int height; /* of the tree below, to bound recursion */
    int op;
    tpl_str name; /* also the text of data and failures */
    struct tpl_node *a, *b, *c;
    struct tpl_node **list;
    size_t n, cap;
    tpl_value value; /* constants */
    bool recursive;
} tpl_node;

/* Operators that are more than one character. */
enum {
    OP_FLOORDIV = 256,
    OP_POW,
    OP_EQ,
    OP_NE,
    OP_LE,
    OP_GE,
    OP_IN,
    OP_NOT_IN
};

struct hone_template {
    hone_arena arena;
    tpl_node *body;
    char *source; /* newlines normalized, owned */
};

/* -- parsing ---------------------------------------------------------------------- */

typedef struct tpl_parser {
    hone_arena *arena;
    jmp_buf *out;
    hone_error *err;
    hone_status status;
    tpl_token *token;
    size_t n_token, token_cap;
    size_t at;
    int depth;      /* of recursion */
    int loop_depth; /* of for statements around */
} tpl_parser;

/* Message and longjmp. */
_Noreturn void tpl_parse_fail(tpl_parser *p, hone_status code, int line,
                              const char *fmt, ...) HONE_PRINTF(4, 5);
void *tpl_parse_alloc(tpl_parser *p, size_t size);
void tpl_lex(tpl_parser *p, const char *source, size_t len);
tpl_node *tpl_parse(tpl_parser *p);
/* template_check.c: fail on an unknown filter or test that parsing already finds. */
void tpl_check_names(tpl_parser *p, const tpl_node *n);

/* -- rendering -------------------------------------------------------------------- */

typedef struct tpl_scope {
    struct tpl_scope *parent;
    tpl_dict vars;
} tpl_scope;

struct tpl_macro {
    const tpl_node *node;
    tpl_scope *scope; /* where it was defined */
    bool is_caller;
};

struct tpl_loop {
    tpl_list *items;
    size_t at;
    int depth;
    const tpl_node *node; /* of a recursive loop */
    tpl_scope *scope;     /* where it stands */
    bool has_changed;
    tpl_value changed; /* arguments of the last changed() */
};

struct tpl_machine {
    hone_arena arena;
    jmp_buf out;
    hone_error *err;
    hone_status status;
    hone_template_options o;
    hone_buf *output;    /* where statements print: the top of open_buf */
    hone_buf **open_buf; /* [n_open] buffers to release when a failure unwinds */
    size_t n_open, open_cap;
    tpl_scope *globals, *top;
    size_t steps;
    int depth;
    int line; /* of the statement being run, for messages */
};

/* Message "template line N: ..." and longjmp. */
_Noreturn void tpl_fail(tpl_machine *m, const char *fmt, ...) HONE_PRINTF(2, 3);
_Noreturn void tpl_fail_limit(tpl_machine *m, const char *what);
void *tpl_alloc(tpl_machine *m, size_t size);
void tpl_step(tpl_machine *m, size_t n); /* count work */

/* template_eval.c */
tpl_value tpl_eval(tpl_machine *m, tpl_scope *s, const tpl_node *n);
void tpl_run(tpl_machine *m, tpl_scope *s, const tpl_node *n);
tpl_value tpl_call(tpl_machine *m, const tpl_value *callee, tpl_args *args);
tpl_value tpl_call_filter(tpl_machine *m, tpl_str name, tpl_value *self,
                          tpl_args *args);
bool tpl_has_filter(tpl_str name);
bool tpl_has_test(tpl_str name);
bool tpl_call_test(tpl_machine *m, tpl_str name, tpl_value *self, tpl_args *args);

/* template_value.c */
tpl_value tpl_none(void);
tpl_value tpl_bool(bool b);
tpl_value tpl_int(int64_t i);
tpl_value tpl_float(double f);
tpl_value tpl_string(tpl_str s);
tpl_value tpl_cstring(const char *s);
tpl_value tpl_undefined(tpl_str name);
tpl_value tpl_new_list(tpl_machine *m, tpl_kind kind);
tpl_value tpl_iterator(tpl_value list);
tpl_value tpl_new_dict(tpl_machine *m, tpl_kind kind);
void tpl_push(tpl_machine *m, tpl_list *l, tpl_value v);
void tpl_dict_set(tpl_machine *m, tpl_dict *d, tpl_value key, tpl_value v);
tpl_value *tpl_dict_find(tpl_machine *m, const tpl_dict *d, const tpl_value *key);
tpl_value *tpl_dict_find_str(tpl_machine *m, const tpl_dict *d, tpl_str key);
bool tpl_truth(tpl_machine *m, const tpl_value *v);
bool tpl_equal(tpl_machine *m, const tpl_value *a, const tpl_value *b);
int tpl_compare(tpl_machine *m, const tpl_value *a, const tpl_value *b, const char *op);
bool tpl_contains(tpl_machine *m, const tpl_value *in, const tpl_value *what);
tpl_list *tpl_iterate(tpl_machine *m,
                      const tpl_value *v); /* the items of an iterable */
bool tpl_is_str(const tpl_value *v, const char *s);
bool tpl_str_is(tpl_str s, const char *t);
bool tpl_is_number(const tpl_value *v); /* int, float, bool */
double tpl_as_double(const tpl_value *v);
int64_t tpl_as_int(tpl_machine *m, const tpl_value *v,
                   const char *what); /* int or bool */
tpl_value tpl_from_json(tpl_machine *m, const json_t *j, int depth);
const char *tpl_type_name(const tpl_value *v);
tpl_value tpl_arith(tpl_machine *m, int op, const tpl_value *a, const tpl_value *b);
tpl_value tpl_slice(tpl_machine *m, const tpl_value *v, const tpl_value *from,
                    const tpl_value *to, const tpl_value *step);
size_t tpl_length(tpl_machine *m, const tpl_value *v, bool *has); /* of len() */
size_t tpl_n_chars(tpl_str s);

/* template_print.c; out grows within the machine's limits */
void tpl_print_str(tpl_machine *m, hone_buf *out, const tpl_value *v);
void tpl_print_repr(tpl_machine *m, hone_buf *out, const tpl_value *v, int depth);
void tpl_print_json(tpl_machine *m, hone_buf *out, const tpl_value *v, bool ascii,
                    int indent, bool sort, tpl_str comma, tpl_str colon, int depth);
tpl_str tpl_to_str(tpl_machine *m, const tpl_value *v); /* str(v) */
/* Buffers of a machine: released by tpl_buf_str, or when a failure unwinds, so that code
 * in between may fail at will.  They nest: the last opened is the first taken. */
hone_buf *tpl_buf_open(tpl_machine *m);
tpl_str tpl_buf_str(tpl_machine *m, hone_buf *b); /* the text, in the arena; closes b */
/* Statements print into a new buffer until pop, which returns the text. */
hone_buf *tpl_output_push(tpl_machine *m);
tpl_str tpl_output_pop(tpl_machine *m, hone_buf *before);
tpl_str tpl_escape(tpl_machine *m, tpl_str s); /* & < > " ' */
tpl_value tpl_percent(tpl_machine *m, tpl_str format, const tpl_value *args);
tpl_value tpl_format(tpl_machine *m, tpl_str format, tpl_args *args); /* str.format */

/* template_methods.c: x.name as Python's getattr, undefined where there is none. */
tpl_value tpl_get_method(tpl_machine *m, const tpl_value *self, tpl_str name);
tpl_value tpl_get_attr(tpl_machine *m, const tpl_value *self, tpl_str name);
tpl_value tpl_get_item(tpl_machine *m, const tpl_value *self, const tpl_value *key);

/* template_text.c: strings as Python's */
bool tpl_is_space(uint32_t cp);
tpl_str tpl_strip(tpl_str s, const tpl_str *chars, bool left, bool right);
tpl_str tpl_upper(tpl_machine *m, tpl_str s);
tpl_str tpl_lower(tpl_machine *m, tpl_str s);
tpl_str tpl_title(tpl_machine *m, tpl_str s,
                  bool python); /* str.title or the filter's */
tpl_str tpl_capitalize(tpl_machine *m, tpl_str s);
tpl_str tpl_replace(tpl_machine *m, tpl_str s, tpl_str from, tpl_str to, int64_t max);
tpl_value tpl_split(tpl_machine *m, tpl_str s, const tpl_str *sep, int64_t max,
                    bool right);
tpl_value tpl_split_lines(tpl_machine *m, tpl_str s, bool keep);
bool tpl_find(tpl_str s, tpl_str what, size_t from, size_t *at); /* in bytes */
tpl_str tpl_char_at(tpl_str s, size_t at); /* the character that begins at byte at */

/* template_globals.c */
void tpl_add_globals(tpl_machine *m, tpl_scope *s);

/* Arguments: positional i or keyword name; NULL if absent.  tpl_args_check fails on
 * more positional arguments than n or a keyword that is not in names (n of them). */
const tpl_value *tpl_arg(const tpl_args *a, size_t i, const char *name);
void tpl_args_check(tpl_machine *m, const tpl_args *a, size_t n,
                    const char *const *names);
tpl_str tpl_arg_str(tpl_machine *m, const tpl_args *a, size_t i, const char *name);
bool tpl_is_char_class(tpl_str s, int which);

#endif
