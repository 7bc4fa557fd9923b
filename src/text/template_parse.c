/* template_parse.c - tokens to nodes, by recursive descent.
 *
 * Precedence, loosest first: if-else, or, and, not, comparisons, + -, ~, * / // %, **,
 * unary, then attributes, calls, filters and tests.
 * Source: jinja2 3.1, parser.py. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text/template_internal.h"

enum {
    MAX_DEPTH = 200,  /* of nested constructs */
    MAX_HEIGHT = 2000 /* of a tree: a long chain of + is one */
};

static tpl_node *parse_expr(tpl_parser *p);
static tpl_node *parse_cond(tpl_parser *p, bool with_cond);
static tpl_node *parse_primary(tpl_parser *p);
static tpl_node *parse_unary(tpl_parser *p, bool with_filter);
static tpl_node *parse_body(tpl_parser *p, const char *const *ends);

/* -- helpers ---------------------------------------------------------------------- */

void tpl_parse_fail(tpl_parser *p, hone_status code, int line, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    p->status = hone_fail(p->err, code, "template line %d: %s", line, text);
    longjmp(*p->out, 1);
}

void *tpl_parse_alloc(tpl_parser *p, size_t size)
{
    void *x = hone_arena_push(p->arena, size);
    if (!x) tpl_parse_fail(p, HONE_E_LIMIT, 0, "the template is too large");
    memset(x, 0, size);
    return x;
}

static const tpl_token *peek(const tpl_parser *p)
{
    return &p->token[p->at];
}

static const tpl_token *next(tpl_parser *p)
{
    const tpl_token *t = &p->token[p->at];
    if (t->kind != TOK_EOF) p->at++;
    return t;
}

static _Noreturn void unexpected(tpl_parser *p, const char *expected)
{
    const tpl_token *t = peek(p);
    if (t->kind == TOK_EOF) {
        tpl_parse_fail(p, HONE_E_TEMPLATE, t->line, "expected %s, found the end",
                       expected);
    }
    tpl_parse_fail(p, HONE_E_TEMPLATE, t->line, "expected %s, found '%.*s'", expected,
                   (int)(t->text.len < 40 ? t->text.len : 40), t->text.s);
}

static bool is_op(const tpl_token *t, const char *op)
{
    return t->kind == TOK_OP && tpl_str_is(t->text, op);
}

static bool is_word(const tpl_token *t, const char *word)
{
    return t->kind == TOK_NAME && tpl_str_is(t->text, word);
}

static bool accept_op(tpl_parser *p, const char *op)
{
    if (!is_op(peek(p), op)) return false;
    p->at++;
    return true;
}

static bool accept_word(tpl_parser *p, const char *word)
{
    if (!is_word(peek(p), word)) return false;
    p->at++;
    return true;
}

static void expect_op(tpl_parser *p, const char *op)
{
    char what[16];
    snprintf(what, sizeof what, "'%s'", op);
    if (!accept_op(p, op)) unexpected(p, what);
}

static tpl_str expect_name(tpl_parser *p)
{
    if (peek(p)->kind != TOK_NAME) unexpected(p, "a name");
    return next(p)->text;
}

static void enter(tpl_parser *p)
{
    if (++p->depth > MAX_DEPTH) {
        tpl_parse_fail(p, HONE_E_LIMIT, peek(p)->line, "nested deeper than %d",
                       MAX_DEPTH);
    }
}

static void leave(tpl_parser *p)
{
    p->depth--;
}

static tpl_node *new_node(tpl_parser *p, tpl_node_kind kind)
{
    tpl_node *n = tpl_parse_alloc(p, sizeof *n);
    n->kind = kind;
    n->line = peek(p)->line;
    n->height = 1;
    return n;
}

/* The node is now as high as its child demands. */
static tpl_node *over(tpl_parser *p, tpl_node *n, const tpl_node *child)
{
    if (child && child->height >= n->height) n->height = child->height + 1;
    if (n->height > MAX_HEIGHT) {
        tpl_parse_fail(p, HONE_E_LIMIT, n->line, "an expression is higher than %d",
                       MAX_HEIGHT);
    }
    return n;
}

static void add_child(tpl_parser *p, tpl_node *n, tpl_node *child)
{
    if (n->n == n->cap) {
        const size_t cap = n->cap ? n->cap * 2 : 4;
        tpl_node **grown = tpl_parse_alloc(p, cap * sizeof *grown);
        if (n->n) memcpy(grown, n->list, n->n * sizeof *grown);
        n->list = grown;
        n->cap = cap;
    }
    n->list[n->n++] = child;
    over(p, n, child);
}

static tpl_node *binary(tpl_parser *p, tpl_node_kind kind, int op, tpl_node *a,
                        tpl_node *b)
{
    tpl_node *n = new_node(p, kind);
    n->op = op;
    n->a = a;
    n->b = b;
    over(p, n, a);
    return over(p, n, b);
}

static tpl_node *constant(tpl_parser *p, tpl_value v)
{
    tpl_node *n = new_node(p, NODE_CONST);
    n->value = v;
    return n;
}

/* -- primary expressions ---------------------------------------------------------- */

static bool is_tuple_end(const tpl_parser *p, const char *extra)
{
    const tpl_token *t = peek(p);
    return t->kind == TOK_VAR_END || t->kind == TOK_BLOCK_END || is_op(t, ")") ||
           (extra && is_word(t, extra));
}

/* a, b, c: a tuple if a comma shows, else the one expression. */
static tpl_node *parse_tuple(tpl_parser *p, bool with_cond, const char *extra_end,
                             bool in_parens, bool names_only)
{
    tpl_node *first = NULL, *tuple = NULL;
    const int line = peek(p)->line;
    for (;;) {
        if ((tuple || first) && !accept_op(p, ",")) break;
        if (first && !tuple) {
            tuple = new_node(p, NODE_TUPLE);
            add_child(p, tuple, first);
        }
        if (is_tuple_end(p, extra_end)) break;
        tpl_node *e = names_only ? parse_primary(p) : parse_cond(p, with_cond);
        if (tuple)
            add_child(p, tuple, e);
        else
            first = e;
    }
    if (tuple) return tuple;
    if (first) return first;
    if (!in_parens) tpl_parse_fail(p, HONE_E_TEMPLATE, line, "expected an expression");
    return new_node(p, NODE_TUPLE);
}

static tpl_node *parse_list(tpl_parser *p)
{
    tpl_node *n = new_node(p, NODE_LIST);
    while (!accept_op(p, "]")) {
        if (n->n) expect_op(p, ",");
        if (accept_op(p, "]")) break;
        add_child(p, n, parse_expr(p));
    }
    return n;
}

static tpl_node *parse_dict(tpl_parser *p)
{
    tpl_node *n = new_node(p, NODE_DICT);
    while (!accept_op(p, "}")) {
        if (n->n) expect_op(p, ",");
        if (accept_op(p, "}")) break;
        add_child(p, n, parse_expr(p));
        expect_op(p, ":");
        add_child(p, n, parse_expr(p));
    }
    return n;
}

static tpl_node *parse_name(tpl_parser *p)
{
    const tpl_str name = next(p)->text;
    if (tpl_str_is(name, "true") || tpl_str_is(name, "True"))
        return constant(p, tpl_bool(true));
    if (tpl_str_is(name, "false") || tpl_str_is(name, "False")) {
        return constant(p, tpl_bool(false));
    }
    if (tpl_str_is(name, "none") || tpl_str_is(name, "None"))
        return constant(p, tpl_none());
    tpl_node *n = new_node(p, NODE_NAME);
    n->name = name;
    return n;
}

/* Neighbouring literals are one string. */
static tpl_node *parse_strings(tpl_parser *p)
{
    tpl_str s = next(p)->text;
    while (peek(p)->kind == TOK_STR) {
        const tpl_str more = next(p)->text;
        char *both = tpl_parse_alloc(p, s.len + more.len + 1);
        if (s.len) memcpy(both, s.s, s.len);
        if (more.len) memcpy(both + s.len, more.s, more.len);
        s = (tpl_str){both, s.len + more.len};
    }
    return constant(p, tpl_string(s));
}

static tpl_node *parse_primary(tpl_parser *p)
{
    const tpl_token *t = peek(p);
    tpl_node *n = NULL;
    enter(p);
    if (t->kind == TOK_NAME) {
        n = parse_name(p);
    } else if (t->kind == TOK_STR) {
        n = parse_strings(p);
    } else if (t->kind == TOK_INT) {
        n = constant(p, tpl_int(next(p)->i));
    } else if (t->kind == TOK_FLOAT) {
        n = constant(p, tpl_float(next(p)->f));
    } else if (accept_op(p, "(")) {
        n = parse_tuple(p, true, NULL, true, false);
        expect_op(p, ")");
    } else if (accept_op(p, "[")) {
        n = parse_list(p);
    } else if (accept_op(p, "{")) {
        n = parse_dict(p);
    } else {
        unexpected(p, "an expression");
    }
    leave(p);
    return n;
}

/* -- what follows: attributes, items, calls, filters, tests ----------------------- */

static tpl_node *parse_slice_part(tpl_parser *p)
{
    const tpl_token *t = peek(p);
    if (is_op(t, ":") || is_op(t, "]") || is_op(t, ",")) return NULL;
    return parse_expr(p);
}

/* The inside of brackets: an expression, a slice, or a tuple of them. */
static tpl_node *parse_subscript(tpl_parser *p, tpl_node *self)
{
    tpl_node *from = parse_slice_part(p), *to = NULL, *step = NULL;
    bool slice = false;
    if (accept_op(p, ":")) {
        slice = true;
        to = parse_slice_part(p);
        if (accept_op(p, ":")) step = parse_slice_part(p);
    }
    tpl_node *n;
    if (slice) {
        n = new_node(p, NODE_SLICE);
        n->a = self;
        n->list = tpl_parse_alloc(p, 3 * sizeof *n->list);
        n->list[0] = from;
        n->list[1] = to;
        n->list[2] = step;
        n->n = 3;
        for (int i = 0; i < 3; i++) {
            over(p, n, n->list[i]);
        }
        over(p, n, self);
    } else {
        if (!from) unexpected(p, "an expression");
        if (is_op(peek(p), ",")) {
            tpl_node *tuple = new_node(p, NODE_TUPLE);
            add_child(p, tuple, from);
            while (accept_op(p, ",")) {
                if (is_op(peek(p), "]")) break;
                add_child(p, tuple, parse_expr(p));
            }
            from = tuple;
        }
        n = binary(p, NODE_ITEM, 0, self, from);
    }
    expect_op(p, "]");
    return n;
}

/* Arguments after "(" into n->list. */
static void parse_args(tpl_parser *p, tpl_node *n)
{
    bool keyword = false;
    while (!accept_op(p, ")")) {
        if (n->n) {
            expect_op(p, ",");
            if (accept_op(p, ")")) return;
        }
        tpl_node *arg = new_node(p, NODE_ARG);
        if (accept_op(p, "**")) {
            arg->op = OP_POW;
        } else if (accept_op(p, "*")) {
            arg->op = '*';
        } else if (peek(p)->kind == TOK_NAME && is_op(peek(p) + 1, "=")) {
            arg->name = next(p)->text;
            p->at++;
            keyword = true;
        } else if (keyword) {
            tpl_parse_fail(p, HONE_E_TEMPLATE, arg->line,
                           "a positional argument behind a keyword");
        }
        arg->a = parse_expr(p);
        over(p, arg, arg->a);
        add_child(p, n, arg);
    }
}

static tpl_node *parse_call(tpl_parser *p, tpl_node *self)
{
    tpl_node *n = new_node(p, NODE_CALL);
    n->a = self;
    over(p, n, self);
    parse_args(p, n);
    return n;
}

static tpl_node *parse_postfix(tpl_parser *p, tpl_node *n)
{
    for (;;) {
        if (accept_op(p, ".")) {
            const tpl_token *t = next(p);
            tpl_node *attr;
            if (t->kind == TOK_NAME) {
                attr = binary(p, NODE_ATTR, 0, n, NULL);
                attr->name = t->text;
            } else if (t->kind == TOK_INT) {
                attr = binary(p, NODE_ITEM, 0, n, constant(p, tpl_int(t->i)));
            } else {
                p->at--;
                unexpected(p, "an attribute");
            }
            n = attr;
        } else if (accept_op(p, "[")) {
            n = parse_subscript(p, n);
        } else if (accept_op(p, "(")) {
            n = parse_call(p, n);
        } else {
            return n;
        }
    }
}

/* name or name.name; dots are rare, and no such filter exists. */
static tpl_str parse_dotted(tpl_parser *p)
{
    tpl_str name = expect_name(p);
    while (accept_op(p, ".")) {
        const tpl_str more = expect_name(p);
        name.len = (size_t)(more.s + more.len - name.s);
    }
    return name;
}

static tpl_node *parse_filter(tpl_parser *p, tpl_node *self)
{
    tpl_node *n = new_node(p, NODE_FILTER);
    n->a = self;
    over(p, n, self);
    n->name = parse_dotted(p);
    if (accept_op(p, "(")) parse_args(p, n);
    return n;
}

static tpl_node *parse_test(tpl_parser *p, tpl_node *self)
{
    tpl_node *n = new_node(p, NODE_TEST);
    n->op = accept_word(p, "not");
    n->a = self;
    over(p, n, self);
    n->name = parse_dotted(p);
    const tpl_token *t = peek(p);
    if (accept_op(p, "(")) {
        parse_args(p, n);
    } else if (t->kind == TOK_STR || t->kind == TOK_INT || t->kind == TOK_FLOAT ||
               is_op(t, "[") || is_op(t, "{") ||
               (t->kind == TOK_NAME && !is_word(t, "else") && !is_word(t, "or") &&
                !is_word(t, "and"))) {
        if (is_word(t, "is")) {
            tpl_parse_fail(p, HONE_E_TEMPLATE, t->line,
                           "tests cannot follow one another");
        }
        tpl_node *arg = new_node(p, NODE_ARG);
        arg->a = parse_postfix(p, parse_primary(p));
        over(p, arg, arg->a);
        add_child(p, n, arg);
    }
    return n;
}

static tpl_node *parse_filters(tpl_parser *p, tpl_node *n)
{
    for (;;) {
        if (accept_op(p, "|"))
            n = parse_filter(p, n);
        else if (accept_word(p, "is"))
            n = parse_test(p, n);
        else if (accept_op(p, "("))
            n = parse_call(p, n);
        else
            return n;
    }
}

/* -- operators -------------------------------------------------------------------- */

static tpl_node *parse_unary(tpl_parser *p, bool with_filter)
{
    tpl_node *n;
    enter(p);
    if (is_op(peek(p), "-") || is_op(peek(p), "+")) {
        const int op = (unsigned char)next(p)->text.s[0];
        n = binary(p, NODE_UNARY, op, parse_unary(p, false), NULL);
    } else {
        n = parse_primary(p);
    }
    n = parse_postfix(p, n);
    if (with_filter) n = parse_filters(p, n);
    leave(p);
    return n;
}

static tpl_node *parse_pow(tpl_parser *p)
{
    tpl_node *n = parse_unary(p, true);
    while (accept_op(p, "**")) {
        n = binary(p, NODE_BINARY, OP_POW, n, parse_unary(p, true));
    }
    return n;
}

static tpl_node *parse_product(tpl_parser *p)
{
    tpl_node *n = parse_pow(p);
    for (;;) {
        const tpl_token *t = peek(p);
        int op = 0;
        if (is_op(t, "*") || is_op(t, "/") || is_op(t, "%"))
            op = (unsigned char)t->text.s[0];
        if (is_op(t, "//")) op = OP_FLOORDIV;
        if (!op) return n;
        p->at++;
        n = binary(p, NODE_BINARY, op, n, parse_pow(p));
    }
}

static tpl_node *parse_concat(tpl_parser *p)
{
    tpl_node *first = parse_product(p);
    if (!is_op(peek(p), "~")) return first;
    tpl_node *n = new_node(p, NODE_CONCAT);
    add_child(p, n, first);
    while (accept_op(p, "~")) {
        add_child(p, n, parse_product(p));
    }
    return n;
}

static tpl_node *parse_sum(tpl_parser *p)
{
    tpl_node *n = parse_concat(p);
    while (is_op(peek(p), "+") || is_op(peek(p), "-")) {
        const int op = (unsigned char)next(p)->text.s[0];
        n = binary(p, NODE_BINARY, op, n, parse_concat(p));
    }
    return n;
}

static int comparison(tpl_parser *p)
{
    static const struct {
        const char *text;
        int op;
    } table[] = {{"==", OP_EQ}, {"!=", OP_NE}, {"<=", OP_LE},
                 {">=", OP_GE}, {"<", '<'},    {">", '>'}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (accept_op(p, table[i].text)) return table[i].op;
    }
    if (accept_word(p, "in")) return OP_IN;
    if (is_word(peek(p), "not") && is_word(peek(p) + 1, "in")) {
        p->at += 2;
        return OP_NOT_IN;
    }
    return 0;
}

static tpl_node *parse_compare(tpl_parser *p)
{
    tpl_node *first = parse_sum(p), *n = NULL;
    for (int op; (op = comparison(p));) {
        if (!n) {
            n = new_node(p, NODE_COMPARE);
            n->a = first;
            over(p, n, first);
        }
        add_child(p, n, binary(p, NODE_BINARY, op, NULL, parse_sum(p)));
    }
    return n ? n : first;
}

static tpl_node *parse_not(tpl_parser *p)
{
    if (!is_word(peek(p), "not")) return parse_compare(p);
    enter(p);
    p->at++;
    tpl_node *n = binary(p, NODE_NOT, 0, parse_not(p), NULL);
    leave(p);
    return n;
}

static tpl_node *parse_and(tpl_parser *p)
{
    tpl_node *n = parse_not(p);
    while (accept_word(p, "and")) {
        n = binary(p, NODE_AND, 0, n, parse_not(p));
    }
    return n;
}

static tpl_node *parse_or(tpl_parser *p)
{
    tpl_node *n = parse_and(p);
    while (accept_word(p, "or")) {
        n = binary(p, NODE_OR, 0, n, parse_and(p));
    }
    return n;
}

static tpl_node *parse_cond(tpl_parser *p, bool with_cond)
{
    enter(p);
    tpl_node *n = parse_or(p);
    while (with_cond && accept_word(p, "if")) {
        tpl_node *cond = new_node(p, NODE_COND);
        cond->b = n;
        cond->a = parse_or(p);
        cond->c = accept_word(p, "else") ? parse_cond(p, true) : NULL;
        over(p, cond, cond->a);
        over(p, cond, cond->b);
        n = over(p, cond, cond->c);
    }
    leave(p);
    return n;
}

static tpl_node *parse_expr(tpl_parser *p)
{
    return parse_cond(p, true);
}

/* -- statements ------------------------------------------------------------------- */

static void expect_block_end(tpl_parser *p)
{
    if (peek(p)->kind != TOK_BLOCK_END) unexpected(p, "the end of the tag");
    p->at++;
}

/* The word that ended a body is next; take it and the end of its tag. */
static tpl_str end_word(tpl_parser *p, bool close)
{
    const tpl_str word = next(p)->text;
    if (close) expect_block_end(p);
    return word;
}

/* A target of set or for: a name, name.attr, or a tuple of names. */
static tpl_node *parse_target(tpl_parser *p, const char *extra_end, bool with_namespace)
{
    if (with_namespace && peek(p)->kind == TOK_NAME && is_op(peek(p) + 1, ".")) {
        tpl_node *n = new_node(p, NODE_NS_TARGET);
        n->a = parse_name(p);
        p->at++;
        n->name = expect_name(p);
        return n;
    }
    tpl_node *n = parse_tuple(p, false, extra_end, false, true);
    const size_t count = n->kind == NODE_TUPLE ? n->n : 1;
    for (size_t i = 0; i < count; i++) {
        const tpl_node *e = n->kind == NODE_TUPLE ? n->list[i] : n;
        if (e->kind != NODE_NAME) {
            tpl_parse_fail(p, HONE_E_TEMPLATE, n->line, "cannot assign to this");
        }
    }
    return n;
}

static tpl_node *parse_if(tpl_parser *p)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    static const char *const end[] = {"endif", NULL};
    tpl_node *n = new_node(p, NODE_IF), *at = n;
    for (;;) {
        at->a = parse_tuple(p, false, NULL, false, false);
        expect_block_end(p);
        at->b = parse_body(p, ends);
        const tpl_str word = end_word(p, false);
        if (tpl_str_is(word, "elif")) {
            tpl_node *more = new_node(p, NODE_IF);
            at->c = more;
            at = more;
            continue;
        }
        expect_block_end(p);
        if (tpl_str_is(word, "else")) {
            at->c = parse_body(p, end);
            end_word(p, true);
        }
        return n;
    }
}

static tpl_node *parse_for(tpl_parser *p)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    static const char *const end[] = {"endfor", NULL};
    tpl_node *n = new_node(p, NODE_FOR);
    n->a = parse_target(p, "in", false);
    if (!accept_word(p, "in")) unexpected(p, "'in'");
    n->b = parse_tuple(p, false, "recursive", false, false);
    if (accept_word(p, "if")) n->c = parse_expr(p);
    n->recursive = accept_word(p, "recursive");
    expect_block_end(p);
    p->loop_depth++;
    add_child(p, n, parse_body(p, ends));
    p->loop_depth--;
    if (tpl_str_is(end_word(p, true), "else")) {
        add_child(p, n, parse_body(p, end));
        end_word(p, true);
    }
    return n;
}

static tpl_node *parse_set(tpl_parser *p)
{
    static const char *const end[] = {"endset", NULL};
    tpl_node *n = new_node(p, NODE_SET);
    n->a = parse_target(p, NULL, true);
    if (accept_op(p, "=")) {
        n->b = parse_tuple(p, true, NULL, false, false);
        expect_block_end(p);
        return n;
    }
    n->kind = NODE_SET_BLOCK;
    tpl_node *value = new_node(p, NODE_BLOCK_TEXT);
    n->c = parse_filters(p, value);
    expect_block_end(p);
    n->b = parse_body(p, end);
    end_word(p, true);
    return n;
}

/* "(a, b=1)" into n->list. */
static void parse_params(tpl_parser *p, tpl_node *n)
{
    expect_op(p, "(");
    while (!accept_op(p, ")")) {
        if (n->n) expect_op(p, ",");
        tpl_node *param = new_node(p, NODE_PARAM);
        param->name = expect_name(p);
        if (accept_op(p, "="))
            param->a = parse_expr(p);
        else if (n->n && n->list[n->n - 1]->a) {
            tpl_parse_fail(p, HONE_E_TEMPLATE, param->line,
                           "a parameter without default behind one with");
        }
        add_child(p, n, param);
    }
}

/* Loops around a macro do not count for break inside of it. */
static tpl_node *parse_macro_body(tpl_parser *p, const char *const *end)
{
    const int loops = p->loop_depth;
    p->loop_depth = 0;
    expect_block_end(p);
    tpl_node *body = parse_body(p, end);
    end_word(p, true);
    p->loop_depth = loops;
    return body;
}

static tpl_node *parse_macro(tpl_parser *p)
{
    static const char *const end[] = {"endmacro", NULL};
    tpl_node *n = new_node(p, NODE_MACRO);
    n->name = expect_name(p);
    parse_params(p, n);
    n->b = parse_macro_body(p, end);
    return n;
}

static tpl_node *parse_call_block(tpl_parser *p)
{
    static const char *const end[] = {"endcall", NULL};
    tpl_node *n = new_node(p, NODE_CALL_BLOCK);
    tpl_node *caller = new_node(p, NODE_MACRO);
    caller->name = (tpl_str){"caller", 6};
    if (is_op(peek(p), "(")) parse_params(p, caller);
    n->a = parse_expr(p);
    if (n->a->kind != NODE_CALL) {
        tpl_parse_fail(p, HONE_E_TEMPLATE, n->line, "call: expected a call");
    }
    caller->b = parse_macro_body(p, end);
    n->b = caller;
    return n;
}

static tpl_node *parse_filter_block(tpl_parser *p)
{
    static const char *const end[] = {"endfilter", NULL};
    tpl_node *n = new_node(p, NODE_FILTER_BLOCK);
    n->a = parse_filters(p, parse_filter(p, new_node(p, NODE_BLOCK_TEXT)));
    expect_block_end(p);
    n->b = parse_body(p, end);
    end_word(p, true);
    return n;
}

static tpl_node *parse_with(tpl_parser *p)
{
    static const char *const end[] = {"endwith", NULL};
    tpl_node *n = new_node(p, NODE_WITH);
    while (peek(p)->kind != TOK_BLOCK_END) {
        if (n->n) expect_op(p, ",");
        add_child(p, n, parse_target(p, NULL, false));
        expect_op(p, "=");
        add_child(p, n, parse_expr(p));
    }
    expect_block_end(p);
    n->b = parse_body(p, end);
    end_word(p, true);
    return n;
}

/* A block whose only effect is a scope: generation; autoescape false. */
static tpl_node *parse_plain_block(tpl_parser *p, const char *const *end)
{
    tpl_node *n = new_node(p, NODE_SCOPE);
    expect_block_end(p);
    n->b = parse_body(p, end);
    end_word(p, true);
    return n;
}

static tpl_node *parse_generation(tpl_parser *p)
{
    static const char *const end[] = {"endgeneration", NULL};
    return parse_plain_block(p, end);
}

static tpl_node *parse_jump(tpl_parser *p, tpl_node_kind kind)
{
    if (p->loop_depth == 0) {
        tpl_parse_fail(p, HONE_E_TEMPLATE, peek(p)->line,
                       "break or continue outside a loop");
    }
    tpl_node *n = new_node(p, kind);
    expect_block_end(p);
    return n;
}

static tpl_node *parse_break(tpl_parser *p)
{
    return parse_jump(p, NODE_BREAK);
}

static tpl_node *parse_continue(tpl_parser *p)
{
    return parse_jump(p, NODE_CONTINUE);
}

/* Statements that need other templates: there are none. */
static tpl_node *parse_loading(tpl_parser *p)
{
    tpl_node *n = new_node(p, NODE_FAIL);
    static const char why[] = "other templates cannot be loaded";
    n->name = (tpl_str){why, sizeof why - 1};
    while (peek(p)->kind != TOK_BLOCK_END && peek(p)->kind != TOK_EOF) {
        p->at++;
    }
    expect_block_end(p);
    return n;
}

static tpl_node *parse_statement(tpl_parser *p)
{
    static const struct {
        const char *word;
        tpl_node *(*parse)(tpl_parser *p);
    } table[] = {
        {"if", parse_if},           {"for", parse_for},
        {"set", parse_set},         {"macro", parse_macro},
        {"call", parse_call_block}, {"filter", parse_filter_block},
        {"with", parse_with},       {"generation", parse_generation},
        {"break", parse_break},     {"continue", parse_continue},
        {"include", parse_loading}, {"import", parse_loading},
        {"from", parse_loading},    {"extends", parse_loading},
    };
    const tpl_str word = expect_name(p);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (tpl_str_is(word, table[i].word)) return table[i].parse(p);
    }
    tpl_parse_fail(p, HONE_E_TEMPLATE, peek(p)->line, "unknown tag '%.*s'",
                   (int)(word.len < 40 ? word.len : 40), word.s);
}

static bool ends_body(const tpl_parser *p, const char *const *ends)
{
    for (size_t i = 0; ends && ends[i]; i++) {
        if (is_word(peek(p), ends[i])) return true;
    }
    return false;
}

/* Statements up to a tag that begins with one of `ends`, whose word is next then; to the
 * end of the template where ends is NULL. */
static tpl_node *parse_body(tpl_parser *p, const char *const *ends)
{
    tpl_node *body = new_node(p, NODE_BODY);
    enter(p);
    for (;;) {
        const tpl_token *t = next(p);
        if (t->kind == TOK_DATA) {
            tpl_node *n = new_node(p, NODE_DATA);
            n->name = t->text;
            add_child(p, body, n);
        } else if (t->kind == TOK_VAR_BEGIN) {
            tpl_node *n = new_node(p, NODE_PRINT);
            n->a = parse_tuple(p, true, NULL, false, false);
            over(p, n, n->a);
            if (peek(p)->kind != TOK_VAR_END) unexpected(p, "'}}'");
            p->at++;
            add_child(p, body, n);
        } else if (t->kind == TOK_BLOCK_BEGIN) {
            if (ends_body(p, ends)) break;
            tpl_node *n = parse_statement(p);
            over(p, n, n->a);
            over(p, n, n->b);
            add_child(p, body, over(p, n, n->c));
        } else {
            if (ends) unexpected(p, ends[0]);
            break;
        }
    }
    leave(p);
    return body;
}

tpl_node *tpl_parse(tpl_parser *p)
{
    return parse_body(p, NULL);
}
