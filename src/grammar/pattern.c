/* pattern.c - a syntax tree to an expression.
 *
 * A node is built together with what follows it (`then`): an assertion is a constraint
 * on exactly that. */
#include "grammar/pattern.h"

#include "grammar/pattern_internal.h"

#define MAX_ARENA ((size_t)8 << 20)

typedef enum start {
    START_NO,
    START_YES, /* nothing stands before */
    START_OPEN /* depends on the text */
} start;

typedef struct builder {
    hone_exprs *x;
    hone_expr all;
    hone_status status;
    hone_error *err;
} builder;

static hone_expr refuse(builder *b, const char *what)
{
    if (!b->status) b->status = hone_fail(b->err, HONE_E_UNSUPPORTED, "%s", what);
    return HONE_EXPR_NONE;
}

static hone_expr build(builder *b, const re_node *n, start at, hone_expr then);

/* Where the node behind n starts. */
static start after(const re_node *n, start at)
{
    if (n->kind == RE_SET) return START_NO;
    if (n->kind == RE_EMPTY || n->kind == RE_START || n->kind == RE_END ||
        n->kind == RE_AHEAD || at == START_NO) {
        return at;
    }
    if (n->kind == RE_REP) {
        const start inside = after(n->child, at);
        if (n->min > 0) return inside;
        return inside == at ? at : START_OPEN;
    }
    start s = at, first = at;
    bool any = false;
    for (const re_node *c = n->child; c; c = c->next) {
        if (n->kind == RE_CAT) {
            s = after(c, s);
            continue;
        }
        const start one = after(c, at);
        if (any && one != first) return START_OPEN;
        first = one;
        any = true;
    }
    return n->kind == RE_CAT ? s : first;
}

static hone_expr build_cat(builder *b, const re_node *child, start at, hone_expr then)
{
    if (!child) return then;
    /* right to left; a pattern's nesting is bounded, its length is not: gather first */
    const re_node *list[64];
    size_t n = 0;
    start starts[64];
    const re_node *c = child;
    for (; c && n < 64; c = c->next) {
        list[n] = c;
        starts[n++] = at;
        at = after(c, at);
    }
    if (c) then = build_cat(b, c, at, then);
    while (n-- > 0)
        then = build(b, list[n], starts[n], then);
    return then;
}

static hone_expr build_repeat(builder *b, const re_node *n, start at, hone_expr then)
{
    hone_exprs *x = b->x;
    if (!n->child->zero_width) {
        const hone_expr one = build(b, n->child, START_NO, HONE_EXPR_EMPTY);
        return hone_expr_cat(x, hone_expr_repeat(x, one, n->min, n->max), then);
    }
    if (n->max > 1) return refuse(b, "an assertion inside a repeat");
    const hone_expr once = build(b, n->child, at, then);
    if (n->max == 0) return then;
    return n->min == 1 ? once : hone_expr_alt(x, once, then);
}

static hone_expr build(builder *b, const re_node *n, start at, hone_expr then)
{
    hone_exprs *x = b->x;
    hone_expr e = HONE_EXPR_NONE;
    if (x->failed || b->status) return e;
    switch (n->kind) {
    case RE_EMPTY:
        return then;
    case RE_SET:
        return hone_expr_cat(x, n->set, then);
    case RE_CAT:
        return build_cat(b, n->child, at, then);
    case RE_ALT:
        if (!n->zero_width) { /* once, not once for each alternative */
            for (const re_node *c = n->child; c; c = c->next) {
                e = hone_expr_alt(x, e, build(b, c, at, HONE_EXPR_EMPTY));
            }
            return hone_expr_cat(x, e, then);
        }
        for (const re_node *c = n->child; c; c = c->next) {
            e = hone_expr_alt(x, e, build(b, c, at, then));
        }
        return e;
    case RE_REP:
        return build_repeat(b, n, at, then);
    case RE_AHEAD:
        e = build(b, n->child, at, b->all);
        return hone_expr_and(x, n->negated ? hone_expr_not(x, e) : e, then);
    case RE_END:
        return hone_expr_and(x, HONE_EXPR_EMPTY, then);
    case RE_START:
        if (at == START_OPEN)
            return refuse(b, "'^' behind something that may be empty");
        return at == START_YES ? then : HONE_EXPR_NONE;
    }
    return e;
}

static bool has_start(const re_node *n)
{
    if (n->kind == RE_START) return true;
    for (const re_node *c = n->child; c; c = c->next) {
        if (has_start(c)) return true;
    }
    return false;
}

static hone_expr build_search(builder *b, const re_node *tree)
{
    hone_exprs *x = b->x;
    const hone_expr later = build(b, tree, START_NO, b->all);
    if (!has_start(tree)) return hone_expr_cat(x, b->all, later);
    const hone_expr first = build(b, tree, START_YES, b->all);
    if (later == HONE_EXPR_NONE) return first;
    const hone_expr some = hone_expr_repeat(x, x->node[b->all].a, 1,
                                            HONE_EXPR_MANY); /* all is any, repeated */
    return hone_expr_alt(x, first, hone_expr_cat(x, some, later));
}

hone_status hone_pattern_expr(hone_exprs *x, const char *pattern, size_t len,
                              hone_spelling how, bool search, hone_expr *out,
                              hone_error *err)
{
    hone_arena arena;
    hone_arena_init(&arena, MAX_ARENA);
    re_node *tree;
    hone_status s = hone_pattern_parse(x, &arena, pattern, len, how, &tree, err);
    if (!s) {
        builder b = {.x = x, .all = hone_chars_all(x, how), .err = err};
        const hone_expr e = search ? build_search(&b, tree)
                                   : build(&b, tree, START_YES, HONE_EXPR_EMPTY);
        s = b.status;
        if (!s) s = hone_exprs_status(x, "pattern", err);
        if (!s) *out = e;
    }
    hone_arena_release(&arena);
    return s;
}
