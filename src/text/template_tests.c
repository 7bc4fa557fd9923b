/* template_tests.c - `x is name`: the built-in tests of jinja2 3.1. */
#include <string.h>

#include "text/chars.h"
#include "text/template_internal.h"

typedef bool test_fn(tpl_machine *m, const tpl_value *v, const tpl_args *a);

static const tpl_value *one(tpl_machine *m, const tpl_args *a)
{
    if (a->n != 1) tpl_fail(m, "test: expected one argument, found %zu", a->n);
    return &a->item[0];
}

static bool is_defined(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return v->kind != TPL_UNDEFINED;
}

static bool is_undefined(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    return !is_defined(m, v, a);
}

static bool is_none(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return v->kind == TPL_NONE;
}

static bool is_true(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return v->kind == TPL_BOOL && v->u.b;
}

static bool is_false(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return v->kind == TPL_BOOL && !v->u.b;
}

static bool is_boolean(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return v->kind == TPL_BOOL;
}

static bool is_integer(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return v->kind == TPL_INT;
}

static bool is_float(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return v->kind == TPL_FLOAT;
}

static bool is_number(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return tpl_is_number(v);
}

static bool is_string(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return v->kind == TPL_STR;
}

static bool is_mapping(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return v->kind == TPL_DICT;
}

/* Has a length and items. */
static bool is_sequence(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return !v->iterator &&
           (v->kind == TPL_STR || v->kind == TPL_LIST || v->kind == TPL_TUPLE ||
            v->kind == TPL_DICT || v->kind == TPL_UNDEFINED);
}

static bool is_iterable(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    return is_sequence(m, v, a) || v->iterator || v->kind == TPL_LOOP;
}

static bool is_callable(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return v->kind == TPL_MACRO || v->kind == TPL_FUNCTION || v->kind == TPL_METHOD ||
           v->kind == TPL_LOOP || v->kind == TPL_JOINER || v->kind == TPL_UNDEFINED;
}

static bool is_eq(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    return tpl_equal(m, v, one(m, a));
}

static bool is_ne(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    return !tpl_equal(m, v, one(m, a));
}

static bool is_lt(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    return tpl_compare(m, v, one(m, a), "<") < 0;
}

static bool is_le(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    return tpl_compare(m, v, one(m, a), "<=") <= 0;
}

static bool is_gt(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    return tpl_compare(m, one(m, a), v, ">") < 0;
}

static bool is_ge(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    return tpl_compare(m, one(m, a), v, ">=") <= 0;
}

static bool is_in(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    return tpl_contains(m, one(m, a), v);
}

static tpl_value remainder_of(tpl_machine *m, const tpl_value *v, const tpl_value *by)
{
    return tpl_arith(m, '%', v, by);
}

static bool is_odd(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)a;
    const tpl_value two = tpl_int(2), one_value = tpl_int(1);
    const tpl_value r = remainder_of(m, v, &two);
    return tpl_equal(m, &r, &one_value);
}

static bool is_even(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)a;
    const tpl_value two = tpl_int(2), zero = tpl_int(0);
    const tpl_value r = remainder_of(m, v, &two);
    return tpl_equal(m, &r, &zero);
}

static bool is_divisible(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    const tpl_value zero = tpl_int(0), r = remainder_of(m, v, one(m, a));
    return tpl_equal(m, &r, &zero);
}

static bool same_case(tpl_machine *m, const tpl_value *v, bool upper)
{
    const tpl_str s = tpl_to_str(m, v);
    return tpl_is_char_class(s, upper ? 'U' : 'L');
}

static bool is_lower(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)a;
    return same_case(m, v, false);
}

static bool is_upper(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)a;
    return same_case(m, v, true);
}

/* Identity: of immediate values, equality of kind and value. */
static bool is_sameas(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    const tpl_value *o = one(m, a);
    if (v->kind != o->kind) return false;
    switch (v->kind) {
    case TPL_NONE:
        return true;
    case TPL_BOOL:
    case TPL_INT:
        return tpl_equal(m, v, o);
    case TPL_STR:
        return v->u.str.s == o->u.str.s && v->u.str.len == o->u.str.len;
    case TPL_FLOAT:
    case TPL_UNDEFINED:
        return false;
    default:
        return (const void *)v->u.list == (const void *)o->u.list;
    }
}

static bool is_escaped(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return v->kind == TPL_STR && v->markup;
}

static bool is_filter(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return v->kind == TPL_STR && tpl_has_filter(v->u.str);
}

static bool is_test(tpl_machine *m, const tpl_value *v, const tpl_args *a)
{
    (void)m;
    (void)a;
    return v->kind == TPL_STR && tpl_has_test(v->u.str);
}

static const struct {
    const char *name;
    test_fn *call;
} table[] = {
    {"defined", is_defined},
    {"undefined", is_undefined},
    {"none", is_none},
    {"true", is_true},
    {"false", is_false},
    {"boolean", is_boolean},
    {"integer", is_integer},
    {"float", is_float},
    {"number", is_number},
    {"string", is_string},
    {"mapping", is_mapping},
    {"sequence", is_sequence},
    {"iterable", is_iterable},
    {"callable", is_callable},
    {"eq", is_eq},
    {"==", is_eq},
    {"equalto", is_eq},
    {"ne", is_ne},
    {"!=", is_ne},
    {"lt", is_lt},
    {"<", is_lt},
    {"lessthan", is_lt},
    {"le", is_le},
    {"<=", is_le},
    {"gt", is_gt},
    {">", is_gt},
    {"greaterthan", is_gt},
    {"ge", is_ge},
    {">=", is_ge},
    {"in", is_in},
    {"odd", is_odd},
    {"even", is_even},
    {"divisibleby", is_divisible},
    {"lower", is_lower},
    {"upper", is_upper},
    {"sameas", is_sameas},
    {"filter", is_filter},
    {"escaped", is_escaped},
    {"test", is_test},
};

bool tpl_has_test(tpl_str name)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (tpl_str_is(name, table[i].name)) return true;
    }
    return false;
}

/* Tests that take an argument check it themselves. */
static bool takes_argument(test_fn *f)
{
    static test_fn *const with[] = {is_eq, is_ne, is_lt,        is_le,    is_gt,
                                    is_ge, is_in, is_divisible, is_sameas};
    for (size_t i = 0; i < sizeof with / sizeof with[0]; i++) {
        if (with[i] == f) return true;
    }
    return false;
}

bool tpl_call_test(tpl_machine *m, tpl_str name, tpl_value *self, tpl_args *args)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (!tpl_str_is(name, table[i].name)) continue;
        if (args->n && !takes_argument(table[i].call)) {
            tpl_fail(m, "test '%s' takes no argument", table[i].name);
        }
        return table[i].call(m, self, args);
    }
    tpl_fail(m, "no test '%.*s'", (int)name.len, name.s);
}
