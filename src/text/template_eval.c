/* template_eval.c - running statements and evaluating expressions. */
#include <string.h>

#include "text/template_internal.h"

/* What a statement asks of the loop around it. */
typedef enum flow {
    FLOW_ON,
    FLOW_BREAK,
    FLOW_CONTINUE
} flow;

static flow run(tpl_machine *m, tpl_scope *s, const tpl_node *n);

static void enter(tpl_machine *m)
{
    if (++m->depth > m->o.max_depth) tpl_fail_limit(m, "deep a nesting");
}

static void leave(tpl_machine *m)
{
    m->depth--;
}

/* -- names ------------------------------------------------------------------------ */

static tpl_scope *new_scope(tpl_machine *m, tpl_scope *parent)
{
    tpl_scope *s = tpl_alloc(m, sizeof *s);
    *s = (tpl_scope){.parent = parent};
    return s;
}

static tpl_value look_up(tpl_machine *m, const tpl_scope *s, tpl_str name)
{
    for (; s; s = s->parent) {
        const tpl_value *v = s->vars.n ? tpl_dict_find_str(m, &s->vars, name) : NULL;
        if (v) return *v;
    }
    return tpl_undefined(name);
}

static void define(tpl_machine *m, tpl_scope *s, tpl_str name, tpl_value v)
{
    tpl_dict_set(m, &s->vars, tpl_string(name), v);
}

/* Assign to a name, name.attr of a namespace, or several names. */
static void assign(tpl_machine *m, tpl_scope *s, const tpl_node *target, tpl_value v)
{
    if (target->kind == NODE_NAME) {
        define(m, s, target->name, v);
        return;
    }
    if (target->kind == NODE_NS_TARGET) {
        const tpl_value ns = look_up(m, s, target->a->name);
        if (ns.kind != TPL_NAMESPACE) {
            tpl_fail(m, "cannot assign attribute '%.*s' of a %s", (int)target->name.len,
                     target->name.s, tpl_type_name(&ns));
        }
        tpl_dict_set(m, ns.u.dict, tpl_string(target->name), v);
        return;
    }
    const tpl_list *items = tpl_iterate(m, &v);
    if (items->n != target->n) {
        tpl_fail(m, "cannot unpack %zu values into %zu names", items->n, target->n);
    }
    for (size_t i = 0; i < target->n; i++) {
        assign(m, s, target->list[i], items->item[i]);
    }
}

/* -- calls ------------------------------------------------------------------------ */

static void add_named(tpl_machine *m, tpl_args *a, tpl_str name, tpl_value v)
{
    for (size_t i = 0; i < a->n_named; i++) {
        if (a->name[i].len == name.len && memcmp(a->name[i].s, name.s, name.len) == 0) {
            tpl_fail(m, "%s: argument '%.*s' is given twice", a->what, (int)name.len,
                     name.s);
        }
    }
    tpl_str *names = tpl_alloc(m, (a->n_named + 1) * sizeof *names);
    tpl_value *values = tpl_alloc(m, (a->n_named + 1) * sizeof *values);
    if (a->n_named) {
        memcpy(names, a->name, a->n_named * sizeof *names);
        memcpy(values, a->named, a->n_named * sizeof *values);
    }
    names[a->n_named] = name;
    values[a->n_named++] = v;
    a->name = names;
    a->named = values;
}

/* Evaluate the NODE_ARGs of a call, a filter or a test. */
static tpl_args eval_args(tpl_machine *m, tpl_scope *s, const tpl_node *n,
                          const char *what)
{
    tpl_args a = {.what = what};
    tpl_value items = tpl_new_list(m, TPL_LIST);
    for (size_t i = 0; i < n->n; i++) {
        const tpl_node *arg = n->list[i];
        const tpl_value v = tpl_eval(m, s, arg->a);
        if (arg->op == '*') {
            const tpl_list *more = tpl_iterate(m, &v);
            for (size_t j = 0; j < more->n; j++) {
                tpl_push(m, items.u.list, more->item[j]);
            }
        } else if (arg->op == OP_POW) {
            if (v.kind != TPL_DICT) tpl_fail(m, "%s: '**' needs a dict", what);
            for (size_t j = 0; j < v.u.dict->n; j++) {
                if (v.u.dict->key[j].kind != TPL_STR) {
                    tpl_fail(m, "%s: keywords are strings", what);
                }
                add_named(m, &a, v.u.dict->key[j].u.str, v.u.dict->value[j]);
            }
        } else if (arg->name.len) {
            add_named(m, &a, arg->name, v);
        } else {
            tpl_push(m, items.u.list, v);
        }
    }
    a.item = items.u.list->item;
    a.n = items.u.list->n;
    return a;
}

/* Run statements into a string. */
static tpl_str capture(tpl_machine *m, tpl_scope *s, const tpl_node *body)
{
    hone_buf *before = tpl_output_push(m);
    tpl_run(m, s, body);
    return tpl_output_pop(m, before);
}

static bool uses(const tpl_node *n, const char *name);

static bool uses_any(const tpl_node *const *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] && uses(list[i], name)) return true;
    }
    return false;
}

/* Whether a name stands anywhere below a node: varargs, kwargs and caller exist in a macro
 * only if it reads them. */
static bool uses(const tpl_node *n, const char *name)
{
    if (!n) return false;
    if (n->kind == NODE_NAME && tpl_str_is(n->name, name)) return true;
    return uses(n->a, name) || uses(n->b, name) || uses(n->c, name) ||
           uses_any((const tpl_node *const *)n->list, n->n, name);
}

static const tpl_value *named_arg(const tpl_args *a, tpl_str name)
{
    for (size_t i = 0; i < a->n_named; i++) {
        if (a->name[i].len == name.len && memcmp(a->name[i].s, name.s, name.len) == 0) {
            return &a->named[i];
        }
    }
    return NULL;
}

static bool is_param(const tpl_node *macro, tpl_str name)
{
    for (size_t i = 0; i < macro->n; i++) {
        const tpl_str p = macro->list[i]->name;
        if (p.len == name.len && memcmp(p.s, name.s, p.len) == 0) return true;
    }
    return false;
}

/* Whether a named argument has a place of its own: `caller` in a macro that uses it, a
 * parameter that no argument by position took. */
static bool takes_named(const tpl_node *macro, const tpl_args *args, tpl_str name)
{
    if (tpl_str_is(name, "caller") && uses(macro->b, "caller")) return true;
    for (size_t i = args->n; i < macro->n; i++) {
        const tpl_str p = macro->list[i]->name;
        if (p.len == name.len && memcmp(p.s, name.s, p.len) == 0) return true;
    }
    return false;
}

/* The body of a call block, as a macro. */
static tpl_value caller_of(tpl_machine *m, const tpl_args *args)
{
    tpl_macro *c = tpl_alloc(m, sizeof *c);
    *c = (tpl_macro){args->caller, args->caller_scope, true};
    return (tpl_value){.kind = TPL_MACRO, .u.macro = c};
}

/* Arguments that no parameter takes: to varargs and kwargs, or a failure. */
static void bind_rest(tpl_machine *m, tpl_scope *s, const tpl_node *node,
                      const tpl_args *args)
{
    if (uses(node->b, "varargs")) {
        tpl_value rest = tpl_new_list(m, TPL_TUPLE);
        for (size_t i = node->n; i < args->n; i++) {
            tpl_push(m, rest.u.list, args->item[i]);
        }
        define(m, s, (tpl_str){"varargs", 7}, rest);
    } else if (args->n > node->n) {
        tpl_fail(m, "macro '%.*s' takes %zu arguments, found %zu", (int)node->name.len,
                 node->name.s, node->n, args->n);
    }
    const bool kwargs = uses(node->b, "kwargs");
    tpl_value rest = tpl_new_dict(m, TPL_DICT);
    for (size_t i = 0; i < args->n_named; i++) {
        if (takes_named(node, args, args->name[i])) continue;
        if (!kwargs) {
            tpl_fail(m, "macro '%.*s' takes no keyword '%.*s'", (int)node->name.len,
                     node->name.s, (int)args->name[i].len, args->name[i].s);
        }
        tpl_dict_set(m, rest.u.dict, tpl_string(args->name[i]), args->named[i]);
    }
    if (args->caller && !uses(node->b, "caller"))
        tpl_dict_set(m, rest.u.dict, tpl_cstring("caller"), caller_of(m, args));
    if (kwargs) define(m, s, (tpl_str){"kwargs", 6}, rest);
}

static tpl_value call_macro(tpl_machine *m, const tpl_macro *macro, tpl_args *args)
{
    const tpl_node *node = macro->node;
    tpl_scope *s = new_scope(m, macro->scope);
    enter(m);
    for (size_t i = 0; i < node->n; i++) { /* so that defaults see no outer names */
        define(m, s, node->list[i]->name, tpl_undefined(node->list[i]->name));
    }
    for (size_t i = 0; i < node->n; i++) {
        const tpl_node *param = node->list[i];
        const tpl_value *given = named_arg(args, param->name);
        if (i < args->n && given && !uses(node->b, "kwargs")) {
            tpl_fail(m, "macro '%.*s': argument '%.*s' is given twice",
                     (int)node->name.len, node->name.s, (int)param->name.len,
                     param->name.s);
        }
        if (i < args->n) given = &args->item[i];
        tpl_value v;
        if (given)
            v = *given;
        else if (param->a)
            v = tpl_eval(m, s, param->a);
        else
            v = tpl_undefined(param->name);
        define(m, s, param->name, v);
    }
    bind_rest(m, s, node, args);
    const tpl_value *caller = named_arg(args, (tpl_str){"caller", 6});
    if (args->caller) {
        define(m, s, (tpl_str){"caller", 6}, caller_of(m, args));
    } else if (caller && !is_param(node, (tpl_str){"caller", 6})) {
        define(m, s, (tpl_str){"caller", 6}, *caller);
    }
    const tpl_str text = capture(m, s, node->b);
    leave(m);
    return tpl_string(text);
}

static flow run_loop(tpl_machine *m, tpl_scope *s, const tpl_node *n,
                     const tpl_value *over, int depth);

/* loop(items): the body of a recursive loop over other items. */
static tpl_value call_loop(tpl_machine *m, const tpl_loop *loop, const tpl_args *args)
{
    if (!loop->node || !loop->node->recursive) tpl_fail(m, "the loop is not recursive");
    if (args->n != 1) tpl_fail(m, "loop: expected one argument");
    hone_buf *before = tpl_output_push(m);
    enter(m);
    (void)run_loop(m, loop->scope, loop->node, &args->item[0], loop->depth + 1);
    leave(m);
    return tpl_string(tpl_output_pop(m, before));
}

tpl_value tpl_call(tpl_machine *m, const tpl_value *callee, tpl_args *args)
{
    tpl_step(m, 1);
    switch (callee->kind) {
    case TPL_MACRO:
        return call_macro(m, callee->u.macro, args);
    case TPL_FUNCTION:
        return callee->u.function(m, args);
    case TPL_METHOD:
        args->what = callee->u.method->name;
        return callee->u.method->call(m, &callee->u.method->self, args);
    case TPL_LOOP:
        return call_loop(m, callee->u.loop, args);
    case TPL_CYCLER:
        tpl_fail(m, "a cycler is not callable");
    case TPL_JOINER: {
        tpl_list *l = callee->u.list;
        return l->at++ ? l->item[0] : tpl_cstring("");
    }
    case TPL_UNDEFINED:
        tpl_fail(m, "'%.*s' is undefined", (int)callee->u.str.len, callee->u.str.s);
    default:
        tpl_fail(m, "a %s is not callable", tpl_type_name(callee));
    }
}

/* -- expressions ------------------------------------------------------------------ */

static bool compare(tpl_machine *m, int op, const tpl_value *a, const tpl_value *b)
{
    switch (op) {
    case OP_EQ:
        return tpl_equal(m, a, b);
    case OP_NE:
        return !tpl_equal(m, a, b);
    case OP_IN:
        return tpl_contains(m, b, a);
    case OP_NOT_IN:
        return !tpl_contains(m, b, a);
    case '<':
        return tpl_compare(m, a, b, "<") < 0;
    case '>':
        return tpl_compare(m, b, a, ">") < 0;
    case OP_LE:
        return tpl_compare(m, a, b, "<=") <= 0;
    default:
        return tpl_compare(m, b, a, ">=") <= 0;
    }
}

static tpl_value eval_compare(tpl_machine *m, tpl_scope *s, const tpl_node *n)
{
    tpl_value left = tpl_eval(m, s, n->a);
    for (size_t i = 0; i < n->n; i++) {
        const tpl_value right = tpl_eval(m, s, n->list[i]->b);
        if (!compare(m, n->list[i]->op, &left, &right)) return tpl_bool(false);
        left = right;
    }
    return tpl_bool(true);
}

static tpl_value eval_unary(tpl_machine *m, const tpl_node *n, const tpl_value *v)
{
    if (!tpl_is_number(v)) {
        tpl_fail(m, "unary '%c' of a %s", n->op, tpl_type_name(v));
    }
    const tpl_value zero = tpl_int(0);
    if (n->op == '+') return v->kind == TPL_FLOAT ? *v : tpl_int(tpl_as_int(m, v, "+"));
    if (v->kind == TPL_FLOAT) return tpl_float(-v->u.f);
    return tpl_arith(m, '-', &zero, v);
}

static tpl_value eval_concat(tpl_machine *m, tpl_scope *s, const tpl_node *n)
{
    tpl_str *parts = tpl_alloc(m, n->n * sizeof *parts);
    size_t len = 0;
    for (size_t i = 0; i < n->n; i++) {
        const tpl_value v = tpl_eval(m, s, n->list[i]);
        parts[i] = tpl_to_str(m, &v);
        len += parts[i].len;
    }
    tpl_step(m, len / 64);
    char *p = tpl_alloc(m, len + 1);
    size_t at = 0;
    for (size_t i = 0; i < n->n; i++) {
        if (parts[i].len) memcpy(p + at, parts[i].s, parts[i].len);
        at += parts[i].len;
    }
    return tpl_string((tpl_str){p, len});
}

static tpl_value eval_slice(tpl_machine *m, tpl_scope *s, const tpl_node *n)
{
    const tpl_value self = tpl_eval(m, s, n->a);
    tpl_value part[3];
    const tpl_value *given[3];
    /* the reference evaluates constants when it compiles, by rules that do not fail */
    if (n->a->kind == NODE_CONST && self.kind != TPL_STR) {
        return tpl_undefined((tpl_str){"slice", 5});
    }
    for (int i = 0; i < 3; i++) {
        given[i] = NULL;
        if (!n->list[i]) continue;
        part[i] = tpl_eval(m, s, n->list[i]);
        given[i] = &part[i];
    }
    return tpl_slice(m, &self, given[0], given[1], given[2]);
}

static tpl_value eval_items(tpl_machine *m, tpl_scope *s, const tpl_node *n,
                            tpl_kind kind)
{
    tpl_value out = tpl_new_list(m, kind);
    for (size_t i = 0; i < n->n; i++) {
        tpl_push(m, out.u.list, tpl_eval(m, s, n->list[i]));
    }
    return out;
}

static tpl_value eval_dict(tpl_machine *m, tpl_scope *s, const tpl_node *n)
{
    tpl_value out = tpl_new_dict(m, TPL_DICT);
    for (size_t i = 0; i + 1 < n->n; i += 2) {
        const tpl_value key = tpl_eval(m, s, n->list[i]);
        tpl_dict_set(m, out.u.dict, key, tpl_eval(m, s, n->list[i + 1]));
    }
    return out;
}

static tpl_value eval_call(tpl_machine *m, tpl_scope *s, const tpl_node *n)
{
    const tpl_value callee = tpl_eval(m, s, n->a);
    tpl_args args = eval_args(m, s, n, "call");
    return tpl_call(m, &callee, &args);
}

static tpl_value eval(tpl_machine *m, tpl_scope *s, const tpl_node *n)
{
    tpl_value a, b;
    switch (n->kind) {
    case NODE_CONST:
        return n->value;
    case NODE_NAME:
        return look_up(m, s, n->name);
    case NODE_ATTR:
        a = tpl_eval(m, s, n->a);
        return tpl_get_attr(m, &a, n->name);
    case NODE_ITEM:
        a = tpl_eval(m, s, n->a);
        b = tpl_eval(m, s, n->b);
        return tpl_get_item(m, &a, &b);
    case NODE_SLICE:
        return eval_slice(m, s, n);
    case NODE_CALL:
        return eval_call(m, s, n);
    case NODE_FILTER: {
        a = tpl_eval(m, s, n->a);
        tpl_args args = eval_args(m, s, n, "filter");
        return tpl_call_filter(m, n->name, &a, &args);
    }
    case NODE_TEST: {
        a = tpl_eval(m, s, n->a);
        tpl_args args = eval_args(m, s, n, "test");
        return tpl_bool(tpl_call_test(m, n->name, &a, &args) != (n->op != 0));
    }
    case NODE_UNARY:
        a = tpl_eval(m, s, n->a);
        return eval_unary(m, n, &a);
    case NODE_BINARY:
        a = tpl_eval(m, s, n->a);
        b = tpl_eval(m, s, n->b);
        return tpl_arith(m, n->op, &a, &b);
    case NODE_COMPARE:
        return eval_compare(m, s, n);
    case NODE_CONCAT:
        return eval_concat(m, s, n);
    case NODE_AND:
        a = tpl_eval(m, s, n->a);
        return tpl_truth(m, &a) ? tpl_eval(m, s, n->b) : a;
    case NODE_OR:
        a = tpl_eval(m, s, n->a);
        return tpl_truth(m, &a) ? a : tpl_eval(m, s, n->b);
    case NODE_NOT:
        a = tpl_eval(m, s, n->a);
        return tpl_bool(!tpl_truth(m, &a));
    case NODE_COND:
        a = tpl_eval(m, s, n->a);
        if (tpl_truth(m, &a)) return tpl_eval(m, s, n->b);
        return n->c ? tpl_eval(m, s, n->c) : tpl_undefined((tpl_str){"if", 2});
    case NODE_LIST:
        return eval_items(m, s, n, TPL_LIST);
    case NODE_TUPLE:
        return eval_items(m, s, n, TPL_TUPLE);
    case NODE_DICT:
        return eval_dict(m, s, n);
    default:
        HONE_ASSERT(n->kind == NODE_BLOCK_TEXT);
        return look_up(m, s, (tpl_str){" block", 6}); /* a name no template can write */
    }
}

tpl_value tpl_eval(tpl_machine *m, tpl_scope *s, const tpl_node *n)
{
    tpl_step(m, 1);
    enter(m);
    const tpl_value v = eval(m, s, n);
    leave(m);
    return v;
}

/* -- statements ------------------------------------------------------------------- */

static void print(tpl_machine *m, const char *s, size_t len)
{
    tpl_step(m, len / 64);
    hone_buf_append(m->output, s, len);
    if (m->output->failed) tpl_fail_limit(m, "much output");
}

/* The text of a block through its filters. */
static tpl_value filtered_block(tpl_machine *m, tpl_scope *s, const tpl_node *filters,
                                const tpl_node *body)
{
    const tpl_str text = capture(m, new_scope(m, s), body);
    tpl_scope *f = new_scope(m, s);
    define(m, f, (tpl_str){" block", 6}, tpl_string(text));
    return tpl_eval(m, f, filters);
}

/* Items of a loop: those that its filter keeps. */
static tpl_list *loop_items(tpl_machine *m, tpl_scope *s, const tpl_node *n,
                            const tpl_value *over)
{
    tpl_list *all = tpl_iterate(m, over);
    tpl_value kept = tpl_new_list(m, TPL_LIST);
    for (size_t i = 0; i < all->n; i++) {
        if (n->c) {
            tpl_scope *inner = new_scope(m, s);
            assign(m, inner, n->a, all->item[i]);
            const tpl_value keep = tpl_eval(m, inner, n->c);
            if (!tpl_truth(m, &keep)) continue;
        }
        tpl_push(m, kept.u.list, all->item[i]);
    }
    return kept.u.list;
}

static flow run_loop(tpl_machine *m, tpl_scope *s, const tpl_node *n,
                     const tpl_value *over, int depth)
{
    tpl_loop *loop = tpl_alloc(m, sizeof *loop);
    *loop = (tpl_loop){
        .items = loop_items(m, s, n, over), .depth = depth, .node = n, .scope = s};
    const tpl_value loop_value = {.kind = TPL_LOOP, .u.loop = loop};
    for (; loop->at < loop->items->n; loop->at++) {
        tpl_scope *inner = new_scope(m, s);
        define(m, inner, (tpl_str){"loop", 4}, loop_value);
        assign(m, inner, n->a, loop->items->item[loop->at]);
        if (run(m, inner, n->list[0]) == FLOW_BREAK) return FLOW_ON;
    }
    if (loop->items->n == 0 && n->n > 1) return run(m, new_scope(m, s), n->list[1]);
    return FLOW_ON;
}

static void run_call_block(tpl_machine *m, tpl_scope *s, const tpl_node *n)
{
    const tpl_value callee = tpl_eval(m, s, n->a->a);
    tpl_args args = eval_args(m, s, n->a, "call");
    args.caller = n->b;
    args.caller_scope = s;
    if (callee.kind != TPL_MACRO)
        tpl_fail(m, "call: a %s takes no caller", tpl_type_name(&callee));
    const tpl_node *macro = callee.u.macro->node;
    if (!uses(macro->b, "caller") && !uses(macro->b, "kwargs")) {
        tpl_fail(m, "call: macro '%.*s' does not use its caller", (int)macro->name.len,
                 macro->name.s);
    }
    const tpl_value v = tpl_call(m, &callee, &args);
    print(m, v.u.str.s, v.u.str.len);
}

static flow run_with(tpl_machine *m, tpl_scope *s, const tpl_node *n)
{
    tpl_scope *inner = new_scope(m, s);
    for (size_t i = 0; i + 1 < n->n; i += 2) {
        assign(m, inner, n->list[i], tpl_eval(m, s, n->list[i + 1]));
    }
    return run(m, inner, n->b);
}

static flow run_one(tpl_machine *m, tpl_scope *s, const tpl_node *n)
{
    tpl_value v;
    switch (n->kind) {
    case NODE_DATA:
        print(m, n->name.s, n->name.len);
        return FLOW_ON;
    case NODE_PRINT:
        v = tpl_eval(m, s, n->a);
        tpl_print_str(m, m->output, &v);
        if (m->output->failed) tpl_fail_limit(m, "much output");
        return FLOW_ON;
    case NODE_IF:
        v = tpl_eval(m, s, n->a);
        if (tpl_truth(m, &v)) return run(m, s, n->b);
        return n->c ? run(m, s, n->c) : FLOW_ON;
    case NODE_FOR:
        v = tpl_eval(m, s, n->b);
        return run_loop(m, s, n, &v, 0);
    case NODE_SET:
        assign(m, s, n->a, tpl_eval(m, s, n->b));
        return FLOW_ON;
    case NODE_SET_BLOCK:
        assign(m, s, n->a, filtered_block(m, s, n->c, n->b));
        return FLOW_ON;
    case NODE_MACRO: {
        tpl_macro *macro = tpl_alloc(m, sizeof *macro);
        *macro = (tpl_macro){n, s, false};
        define(m, s, n->name, (tpl_value){.kind = TPL_MACRO, .u.macro = macro});
        return FLOW_ON;
    }
    case NODE_CALL_BLOCK:
        run_call_block(m, s, n);
        return FLOW_ON;
    case NODE_FILTER_BLOCK:
        v = filtered_block(m, s, n->a, n->b);
        if (v.kind != TPL_STR)
            tpl_fail(m, "filter: the result is a %s", tpl_type_name(&v));
        tpl_print_str(m, m->output, &v);
        return FLOW_ON;
    case NODE_WITH:
        return run_with(m, s, n);
    case NODE_SCOPE:
        return run(m, new_scope(m, s), n->b);
    case NODE_BREAK:
        return FLOW_BREAK;
    case NODE_CONTINUE:
        return FLOW_CONTINUE;
    case NODE_BODY:
        return run(m, s, n);
    default:
        HONE_ASSERT(n->kind == NODE_FAIL);
        tpl_fail(m, "%.*s", (int)n->name.len, n->name.s);
    }
}

/* A body, or a single statement (elif). */
static flow run(tpl_machine *m, tpl_scope *s, const tpl_node *n)
{
    const bool body = n->kind == NODE_BODY;
    flow f = FLOW_ON;
    enter(m);
    for (size_t i = 0; i < (body ? n->n : 1) && f == FLOW_ON; i++) {
        const tpl_node *one = body ? n->list[i] : n;
        tpl_step(m, 1);
        m->line = one->line;
        f = run_one(m, s, one);
    }
    leave(m);
    return f;
}

void tpl_run(tpl_machine *m, tpl_scope *s, const tpl_node *n)
{
    (void)run(m, s, n);
}
