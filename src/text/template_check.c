/* template_check.c - filters and tests that do not exist, found before rendering.
 *
 * As in the reference an unknown name fails the whole template when it is parsed, unless
 * it stands directly in a branch of an if, statement or expression: then only when it is
 * reached.  Blocks with a scope of their own (for, macro, set, call, filter, with) end
 * that.  Source: pallets/jinja, src/jinja2/compiler.py, soft frames. */
#include "text/template_internal.h"

static void check(tpl_parser *p, const tpl_node *n, bool soft);

static void check_list(tpl_parser *p, const tpl_node *n, bool soft)
{
    for (size_t i = 0; i < n->n; i++) {
        check(p, n->list[i], soft);
    }
}

static void check_all(tpl_parser *p, const tpl_node *n, bool soft)
{
    check(p, n->a, soft);
    check(p, n->b, soft);
    check(p, n->c, soft);
    check_list(p, n, soft);
}

/* The reference folds "false and x" and "true or x" before it looks at x. */
static void check_junction(tpl_parser *p, const tpl_node *n, bool soft)
{
    check(p, n->a, soft);
    const bool decided = n->a->kind == NODE_CONST &&
                         tpl_truth(NULL, &n->a->value) == (n->kind == NODE_OR);
    if (!decided) check(p, n->b, soft);
}

static void check(tpl_parser *p, const tpl_node *n, bool soft)
{
    if (!n) return;
    switch (n->kind) {
    case NODE_IF:
    case NODE_COND:
        check_all(p, n, true);
        break;
    case NODE_FOR:
        check(p, n->a, soft);
        check(p, n->b, soft);
        check(p, n->c, false);
        check_list(p, n, false);
        break;
    case NODE_SET_BLOCK:
    case NODE_MACRO:
    case NODE_FILTER_BLOCK:
    case NODE_SCOPE:
        check_all(p, n, false);
        break;
    case NODE_CALL_BLOCK:
        check(p, n->a, soft);
        check(p, n->b, false);
        break;
    case NODE_WITH:
        check_list(p, n, soft);
        check(p, n->b, false);
        break;
    case NODE_AND:
    case NODE_OR:
        check_junction(p, n, soft);
        break;
    case NODE_FILTER:
    case NODE_TEST: {
        const bool filter = n->kind == NODE_FILTER;
        if (!soft && !(filter ? tpl_has_filter(n->name) : tpl_has_test(n->name))) {
            tpl_parse_fail(p, HONE_E_TEMPLATE, n->line, "no %s '%.*s'",
                           filter ? "filter" : "test", (int)n->name.len, n->name.s);
        }
        check_all(p, n, soft);
        break;
    }
    default:
        check_all(p, n, soft);
        break;
    }
}

void tpl_check_names(tpl_parser *p, const tpl_node *n)
{
    check(p, n, false);
}
