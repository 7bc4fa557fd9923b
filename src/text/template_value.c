/* template_value.c - values: making, comparing, arithmetic, as Python does them. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/template_internal.h"

enum {
    MAX_NESTING = 100, /* of values, for everything that recurses over them */
    MAX_REPEAT = 1 << 24
};

/* -- the machine's memory and failures -------------------------------------------- */

void tpl_fail(tpl_machine *m, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    m->status =
        hone_fail(m->err, HONE_E_TEMPLATE, "template line %d: %s", m->line, text);
    longjmp(m->out, 1);
}

void tpl_fail_limit(tpl_machine *m, const char *what)
{
    m->status =
        hone_fail(m->err, HONE_E_LIMIT, "template line %d: too %s", m->line, what);
    longjmp(m->out, 1);
}

void *tpl_alloc(tpl_machine *m, size_t size)
{
    void *p = hone_arena_push(&m->arena, size);
    if (!p) tpl_fail_limit(m, "much memory");
    return p;
}

void tpl_step(tpl_machine *m, size_t n)
{
    m->steps += n;
    if (m->steps > m->o.max_steps) tpl_fail_limit(m, "many steps");
}

/* -- making ----------------------------------------------------------------------- */

tpl_value tpl_none(void)
{
    return (tpl_value){.kind = TPL_NONE};
}

tpl_value tpl_bool(bool b)
{
    return (tpl_value){.kind = TPL_BOOL, .u.b = b};
}

tpl_value tpl_int(int64_t i)
{
    return (tpl_value){.kind = TPL_INT, .u.i = i};
}

tpl_value tpl_float(double f)
{
    return (tpl_value){.kind = TPL_FLOAT, .u.f = f};
}

tpl_value tpl_string(tpl_str s)
{
    return (tpl_value){.kind = TPL_STR, .u.str = s};
}

tpl_value tpl_cstring(const char *s)
{
    return tpl_string((tpl_str){s, strlen(s)});
}

tpl_value tpl_undefined(tpl_str name)
{
    return (tpl_value){.kind = TPL_UNDEFINED, .u.str = name};
}

tpl_value tpl_new_list(tpl_machine *m, tpl_kind kind)
{
    tpl_list *l = tpl_alloc(m, sizeof *l);
    *l = (tpl_list){0};
    return (tpl_value){.kind = kind, .u.list = l};
}

tpl_value tpl_iterator(tpl_value list)
{
    list.iterator = true;
    return list;
}

tpl_value tpl_new_dict(tpl_machine *m, tpl_kind kind)
{
    tpl_dict *d = tpl_alloc(m, sizeof *d);
    *d = (tpl_dict){0};
    return (tpl_value){.kind = kind, .u.dict = d};
}

/* The array grown to hold one more. */
static tpl_value *grown(tpl_machine *m, tpl_value *old, size_t n, size_t cap)
{
    tpl_value *p = tpl_alloc(m, cap * sizeof *p);
    if (old) memcpy(p, old, n * sizeof *p);
    return p;
}

void tpl_push(tpl_machine *m, tpl_list *l, tpl_value v)
{
    tpl_step(m, 1);
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 4;
        l->item = grown(m, l->item, l->n, l->cap);
    }
    l->item[l->n++] = v;
}

/* -- dicts ------------------------------------------------------------------------ */

static void check_key(tpl_machine *m, const tpl_value *key)
{
    if (key->kind == TPL_LIST || key->kind == TPL_DICT) {
        tpl_fail(m, "a %s cannot be a key", tpl_type_name(key));
    }
}

tpl_value *tpl_dict_find(tpl_machine *m, const tpl_dict *d, const tpl_value *key)
{
    check_key(m, key);
    tpl_step(m, d->n / 8 + 1);
    for (size_t i = 0; i < d->n; i++) {
        if (tpl_equal(m, &d->key[i], key)) return &d->value[i];
    }
    return NULL;
}

tpl_value *tpl_dict_find_str(tpl_machine *m, const tpl_dict *d, tpl_str key)
{
    tpl_step(m, d->n / 8 + 1);
    for (size_t i = 0; i < d->n; i++) {
        const tpl_value *k = &d->key[i];
        if (k->kind == TPL_STR && k->u.str.len == key.len &&
            memcmp(k->u.str.s, key.s, key.len) == 0) {
            return &d->value[i];
        }
    }
    return NULL;
}

void tpl_dict_set(tpl_machine *m, tpl_dict *d, tpl_value key, tpl_value v)
{
    tpl_value *have = tpl_dict_find(m, d, &key);
    if (have) {
        *have = v;
        return;
    }
    if (d->n == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 4;
        d->key = grown(m, d->key, d->n, d->cap);
        d->value = grown(m, d->value, d->n, d->cap);
    }
    HONE_ASSERT(d->key && d->value);
    d->key[d->n] = key;
    d->value[d->n++] = v;
}

/* -- asking ----------------------------------------------------------------------- */

const char *tpl_type_name(const tpl_value *v)
{
    static const char *const names[] = {"undefined", "none",      "bool",   "int",
                                        "float",     "string",    "list",   "tuple",
                                        "dict",      "namespace", "macro",  "function",
                                        "method",    "loop",      "cycler", "joiner"};
    return names[v->kind];
}

bool tpl_str_is(tpl_str s, const char *t)
{
    return s.len == strlen(t) && memcmp(s.s, t, s.len) == 0;
}

bool tpl_is_str(const tpl_value *v, const char *s)
{
    return v->kind == TPL_STR && tpl_str_is(v->u.str, s);
}

bool tpl_is_number(const tpl_value *v)
{
    return v->kind == TPL_INT || v->kind == TPL_FLOAT || v->kind == TPL_BOOL;
}

double tpl_as_double(const tpl_value *v)
{
    if (v->kind == TPL_FLOAT) return v->u.f;
    return v->kind == TPL_BOOL ? (double)v->u.b : (double)v->u.i;
}

int64_t tpl_as_int(tpl_machine *m, const tpl_value *v, const char *what)
{
    if (v->kind == TPL_INT) return v->u.i;
    if (v->kind == TPL_BOOL) return v->u.b;
    tpl_fail(m, "%s: expected an int, found a %s", what, tpl_type_name(v));
}

bool tpl_truth(tpl_machine *m, const tpl_value *v)
{
    (void)m;
    switch (v->kind) {
    case TPL_UNDEFINED:
    case TPL_NONE:
        return false;
    case TPL_BOOL:
        return v->u.b;
    case TPL_INT:
        return v->u.i != 0;
    case TPL_FLOAT:
        return v->u.f != 0.0;
    case TPL_STR:
        return v->u.str.len > 0;
    case TPL_LIST:
    case TPL_TUPLE:
        return v->iterator || v->u.list->n > 0;
    case TPL_DICT:
        return v->u.dict->n > 0;
    case TPL_LOOP:
        return v->u.loop->items->n > 0;
    default:
        return true;
    }
}

size_t tpl_n_chars(tpl_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n += ((unsigned char)s.s[i] & 0xC0) != 0x80;
    }
    return n;
}

size_t tpl_length(tpl_machine *m, const tpl_value *v, bool *has)
{
    *has = true;
    switch (v->kind) {
    case TPL_UNDEFINED:
        return 0;
    case TPL_STR:
        tpl_step(m, v->u.str.len / 64);
        return tpl_n_chars(v->u.str);
    case TPL_LIST:
    case TPL_TUPLE:
        *has = !v->iterator;
        return v->u.list->n;
    case TPL_DICT:
        return v->u.dict->n;
    case TPL_LOOP:
        return v->u.loop->items->n;
    default:
        *has = false;
        return 0;
    }
}

/* -- comparing -------------------------------------------------------------------- */

static bool same_lists(tpl_machine *m, const tpl_list *a, const tpl_list *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        if (!tpl_equal(m, &a->item[i], &b->item[i])) return false;
    }
    return true;
}

static bool same_dicts(tpl_machine *m, const tpl_dict *a, const tpl_dict *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        const tpl_value *other = tpl_dict_find(m, b, &a->key[i]);
        if (!other || !tpl_equal(m, &a->value[i], other)) return false;
    }
    return true;
}

static void nest(tpl_machine *m)
{
    if (++m->depth > m->o.max_depth + MAX_NESTING) tpl_fail_limit(m, "deep a value");
}

bool tpl_equal(tpl_machine *m, const tpl_value *a, const tpl_value *b)
{
    tpl_step(m, 1);
    if (tpl_is_number(a) && tpl_is_number(b)) {
        if (a->kind != TPL_FLOAT && b->kind != TPL_FLOAT) {
            const int64_t x = a->kind == TPL_BOOL ? a->u.b : a->u.i;
            const int64_t y = b->kind == TPL_BOOL ? b->u.b : b->u.i;
            return x == y;
        }
        return tpl_as_double(a) == tpl_as_double(b);
    }
    if (a->kind != b->kind) return false;
    if (a->iterator || b->iterator) return a->u.list == b->u.list;
    bool same;
    switch (a->kind) {
    case TPL_UNDEFINED:
    case TPL_NONE:
        return true;
    case TPL_STR:
        return a->u.str.len == b->u.str.len &&
               memcmp(a->u.str.s, b->u.str.s, a->u.str.len) == 0;
    case TPL_LIST:
    case TPL_TUPLE:
        nest(m);
        same = same_lists(m, a->u.list, b->u.list);
        m->depth--;
        return same;
    case TPL_DICT:
        nest(m);
        same = same_dicts(m, a->u.dict, b->u.dict);
        m->depth--;
        return same;
    case TPL_FUNCTION:
        return a->u.function == b->u.function;
    default:
        return (const void *)a->u.list == (const void *)b->u.list;
    }
}

static int compare_str(tpl_str a, tpl_str b)
{
    const size_t n = a.len < b.len ? a.len : b.len;
    const int c =
        n ? memcmp(a.s, b.s, n) : 0; /* UTF-8 keeps the order of code points */
    return c ? c : a.len < b.len ? -1 : a.len > b.len;
}

/* Negative, zero, positive; positive both ways for NaN. */
int tpl_compare(tpl_machine *m, const tpl_value *a, const tpl_value *b, const char *op)
{
    tpl_step(m, 1);
    if (tpl_is_number(a) && tpl_is_number(b)) {
        if (a->kind != TPL_FLOAT && b->kind != TPL_FLOAT) {
            const int64_t x = tpl_as_int(m, a, op), y = tpl_as_int(m, b, op);
            return x < y ? -1 : x > y;
        }
        const double x = tpl_as_double(a), y = tpl_as_double(b);
        return x < y ? -1 : x == y ? 0 : 1;
    }
    if (a->kind == TPL_STR && b->kind == TPL_STR)
        return compare_str(a->u.str, b->u.str);
    if (a->kind == b->kind && (a->kind == TPL_LIST || a->kind == TPL_TUPLE)) {
        const tpl_list *x = a->u.list, *y = b->u.list;
        for (size_t i = 0; i < x->n && i < y->n; i++) {
            if (tpl_equal(m, &x->item[i], &y->item[i])) continue;
            nest(m);
            const int c = tpl_compare(m, &x->item[i], &y->item[i], op);
            m->depth--;
            return c;
        }
        return x->n < y->n ? -1 : x->n > y->n;
    }
    tpl_fail(m, "'%s' between a %s and a %s", op, tpl_type_name(a), tpl_type_name(b));
}

bool tpl_contains(tpl_machine *m, const tpl_value *in, const tpl_value *what)
{
    size_t at;
    switch (in->kind) {
    case TPL_UNDEFINED:
        return false;
    case TPL_STR:
        if (what->kind != TPL_STR) {
            tpl_fail(m, "'in' a string: expected a string, found a %s",
                     tpl_type_name(what));
        }
        tpl_step(m, in->u.str.len / 16);
        return tpl_find(in->u.str, what->u.str, 0, &at);
    case TPL_LIST:
    case TPL_TUPLE:
        for (size_t i = 0; i < in->u.list->n; i++) {
            if (tpl_equal(m, &in->u.list->item[i], what)) return true;
        }
        return false;
    case TPL_DICT:
        return tpl_dict_find(m, in->u.dict, what) != NULL;
    default:
        tpl_fail(m, "'in' a %s", tpl_type_name(in));
    }
}

tpl_list *tpl_iterate(tpl_machine *m, const tpl_value *v)
{
    tpl_value out;
    switch (v->kind) {
    case TPL_LIST:
    case TPL_TUPLE:
        return v->u.list;
    case TPL_UNDEFINED:
        return tpl_new_list(m, TPL_LIST).u.list;
    case TPL_DICT:
        out = tpl_new_list(m, TPL_LIST);
        for (size_t i = 0; i < v->u.dict->n; i++) {
            tpl_push(m, out.u.list, v->u.dict->key[i]);
        }
        return out.u.list;
    case TPL_STR:
        out = tpl_new_list(m, TPL_LIST);
        for (size_t at = 0; at < v->u.str.len;) {
            const tpl_str c = tpl_char_at(v->u.str, at);
            tpl_push(m, out.u.list, tpl_string(c));
            at += c.len;
        }
        return out.u.list;
    default:
        tpl_fail(m, "a %s is not iterable", tpl_type_name(v));
    }
}

/* -- arithmetic ------------------------------------------------------------------- */

static _Noreturn void bad_operands(tpl_machine *m, const char *op, const tpl_value *a,
                                   const tpl_value *b)
{
    tpl_fail(m, "'%s' between a %s and a %s", op, tpl_type_name(a), tpl_type_name(b));
}

static tpl_value join_lists(tpl_machine *m, const tpl_value *a, const tpl_value *b)
{
    tpl_value out = tpl_new_list(m, a->kind);
    for (size_t i = 0; i < a->u.list->n; i++) {
        tpl_push(m, out.u.list, a->u.list->item[i]);
    }
    for (size_t i = 0; i < b->u.list->n; i++) {
        tpl_push(m, out.u.list, b->u.list->item[i]);
    }
    return out;
}

/* With marked text on one side the other is escaped. */
static tpl_value join_strings(tpl_machine *m, const tpl_value *a, const tpl_value *b)
{
    const bool markup = a->markup || b->markup;
    const tpl_str x = markup && !a->markup ? tpl_escape(m, a->u.str) : a->u.str;
    const tpl_str y = markup && !b->markup ? tpl_escape(m, b->u.str) : b->u.str;
    tpl_step(m, (x.len + y.len) / 64);
    char *p = tpl_alloc(m, x.len + y.len + 1);
    if (x.len) memcpy(p, x.s, x.len);
    if (y.len) memcpy(p + x.len, y.s, y.len);
    tpl_value v = tpl_string((tpl_str){p, x.len + y.len});
    v.markup = markup;
    return v;
}

static tpl_value repeat(tpl_machine *m, const tpl_value *what, int64_t times)
{
    if (times < 0) times = 0;
    if (what->kind == TPL_STR) {
        const tpl_str s = what->u.str;
        if (s.len && times > MAX_REPEAT / (int64_t)s.len)
            tpl_fail_limit(m, "long a string");
        char *p = tpl_alloc(m, s.len * (size_t)times + 1);
        tpl_step(m, s.len * (size_t)times / 64 + (size_t)times / 16);
        for (int64_t i = 0; i < times && s.len; i++) {
            memcpy(p + (size_t)i * s.len, s.s, s.len);
        }
        tpl_value v = tpl_string((tpl_str){p, s.len * (size_t)times});
        v.markup = what->markup;
        return v;
    }
    tpl_value out = tpl_new_list(m, what->kind);
    const size_t n = what->u.list->n;
    if (n && times > MAX_REPEAT / (int64_t)n) tpl_fail_limit(m, "long a list");
    for (int64_t i = 0; i < times; i++) {
        for (size_t j = 0; j < n; j++) {
            tpl_push(m, out.u.list, what->u.list->item[j]);
        }
    }
    return out;
}

static _Noreturn void overflow(tpl_machine *m)
{
    tpl_fail(m, "an integer does not fit 64 bits");
}

static int64_t floor_div(tpl_machine *m, int64_t a, int64_t b)
{
    if (b == 0) tpl_fail(m, "division by zero");
    if (a == INT64_MIN && b == -1) overflow(m);
    const int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static tpl_value int_power(tpl_machine *m, int64_t a, int64_t b)
{
    if (b < 0) {
        if (a == 0) tpl_fail(m, "division by zero");
        return tpl_float(pow((double)a, (double)b));
    }
    int64_t r = 1;
    for (int64_t base = a; b > 0; b >>= 1) {
        if ((b & 1) && __builtin_mul_overflow(r, base, &r)) overflow(m);
        if (b > 1 && __builtin_mul_overflow(base, base, &base)) overflow(m);
    }
    return tpl_int(r);
}

static tpl_value int_arith(tpl_machine *m, int op, int64_t a, int64_t b)
{
    int64_t r = 0;
    bool over = false;
    switch (op) {
    case '+':
        over = __builtin_add_overflow(a, b, &r);
        break;
    case '-':
        over = __builtin_sub_overflow(a, b, &r);
        break;
    case '*':
        over = __builtin_mul_overflow(a, b, &r);
        break;
    case '/':
        if (b == 0) tpl_fail(m, "division by zero");
        return tpl_float((double)a / (double)b);
    case OP_FLOORDIV:
        return tpl_int(floor_div(m, a, b));
    case '%':
        if (b == 0) tpl_fail(m, "division by zero");
        return tpl_int(b == -1 ? 0 : a - floor_div(m, a, b) * b);
    default:
        return int_power(m, a, b);
    }
    if (over) overflow(m);
    return tpl_int(r);
}

static tpl_value float_arith(tpl_machine *m, int op, double a, double b)
{
    if (b == 0.0 && (op == '/' || op == '%' || op == OP_FLOORDIV)) {
        tpl_fail(m, "division by zero");
    }
    switch (op) {
    case '+':
        return tpl_float(a + b);
    case '-':
        return tpl_float(a - b);
    case '*':
        return tpl_float(a * b);
    case '/':
        return tpl_float(a / b);
    case OP_FLOORDIV:
        return tpl_float(floor(a / b));
    case '%': {
        double r = fmod(a, b);
        if (r != 0.0 && (r < 0.0) != (b < 0.0)) r += b;
        return tpl_float(r);
    }
    default: {
        const double r = pow(a, b);
        if (isnan(r) || (isinf(r) && isfinite(a) && isfinite(b))) {
            tpl_fail(m, "'**': the result is out of range");
        }
        return tpl_float(r);
    }
    }
}

static const char *op_text(int op)
{
    switch (op) {
    case '+':
        return "+";
    case '-':
        return "-";
    case '*':
        return "*";
    case '/':
        return "/";
    case '%':
        return "%";
    case OP_FLOORDIV:
        return "//";
    default:
        return "**";
    }
}

tpl_value tpl_arith(tpl_machine *m, int op, const tpl_value *a, const tpl_value *b)
{
    if (tpl_is_number(a) && tpl_is_number(b)) {
        if (a->kind == TPL_FLOAT || b->kind == TPL_FLOAT) {
            return float_arith(m, op, tpl_as_double(a), tpl_as_double(b));
        }
        return int_arith(m, op, tpl_as_int(m, a, "+"), tpl_as_int(m, b, "+"));
    }
    const bool a_seq =
        a->kind == TPL_STR || a->kind == TPL_LIST || a->kind == TPL_TUPLE;
    const bool b_seq =
        b->kind == TPL_STR || b->kind == TPL_LIST || b->kind == TPL_TUPLE;
    if (a->iterator || b->iterator) bad_operands(m, op_text(op), a, b);
    if (op == '+' && a->kind == b->kind && a_seq) {
        return a->kind == TPL_STR ? join_strings(m, a, b) : join_lists(m, a, b);
    }
    if (op == '*' && a_seq && (b->kind == TPL_INT || b->kind == TPL_BOOL)) {
        return repeat(m, a, tpl_as_int(m, b, "*"));
    }
    if (op == '*' && b_seq && (a->kind == TPL_INT || a->kind == TPL_BOOL)) {
        return repeat(m, b, tpl_as_int(m, a, "*"));
    }
    if (op == '%' && a->kind == TPL_STR) return tpl_percent(m, a->u.str, b);
    bad_operands(m, op_text(op), a, b);
}

/* -- slices ----------------------------------------------------------------------- */

static int64_t bound(tpl_machine *m, const tpl_value *v, int64_t fallback, int64_t len,
                     int64_t lo, int64_t hi)
{
    if (!v || v->kind == TPL_NONE) return fallback;
    int64_t i = tpl_as_int(m, v, "slice");
    if (i < 0) i = i < -len ? lo - 1 : i + len;
    return i < lo ? lo : i > hi ? hi : i;
}

tpl_value tpl_slice(tpl_machine *m, const tpl_value *v, const tpl_value *from,
                    const tpl_value *to, const tpl_value *step)
{
    const bool text = v->kind == TPL_STR;
    if ((!text && v->kind != TPL_LIST && v->kind != TPL_TUPLE) || v->iterator) {
        tpl_fail(m, "a slice of a %s", tpl_type_name(v));
    }
    const tpl_list *items = tpl_iterate(m, v);
    const int64_t n = (int64_t)items->n;
    int64_t by = step && step->kind != TPL_NONE ? tpl_as_int(m, step, "slice") : 1;
    if (by < -MAX_REPEAT)
        by = -MAX_REPEAT; /* as good as any larger one, and cannot overflow */
    if (by > MAX_REPEAT) by = MAX_REPEAT;
    if (by == 0) tpl_fail(m, "a slice step is zero");
    const int64_t lo = by > 0 ? 0 : -1, hi = by > 0 ? n : n - 1;
    int64_t i = bound(m, from, by > 0 ? lo : hi, n, lo, hi);
    const int64_t end = bound(m, to, by > 0 ? hi : lo, n, lo, hi);
    tpl_value out = tpl_new_list(m, text ? TPL_LIST : v->kind);
    while (by > 0 ? i < end : i > end) {
        tpl_push(m, out.u.list, items->item[i]);
        i += by;
    }
    if (!text) return out;
    hone_buf *b = tpl_buf_open(m);
    for (size_t k = 0; k < out.u.list->n; k++) {
        hone_buf_append(b, out.u.list->item[k].u.str.s, out.u.list->item[k].u.str.len);
    }
    tpl_value s = tpl_string(tpl_buf_str(m, b));
    s.markup = v->markup;
    return s;
}

/* -- JSON ------------------------------------------------------------------------- */

static tpl_str copy_str(tpl_machine *m, const char *s, size_t len)
{
    char *p = tpl_alloc(m, len + 1);
    memcpy(p, s, len);
    return (tpl_str){p, len};
}

tpl_value tpl_from_json(tpl_machine *m, const json_t *j, int depth)
{
    tpl_value out;
    if (depth > MAX_NESTING) tpl_fail_limit(m, "deep a value");
    switch (json_typeof(j)) {
    case JSON_OBJECT: {
        out = tpl_new_dict(m, TPL_DICT);
        const char *key;
        size_t len;
        json_t *v;
        json_object_keylen_foreach((json_t *)(uintptr_t)j, key, len, v)
        {
            tpl_dict_set(m, out.u.dict, tpl_string(copy_str(m, key, len)),
                         tpl_from_json(m, v, depth + 1));
        }
        return out;
    }
    case JSON_ARRAY:
        out = tpl_new_list(m, TPL_LIST);
        for (size_t i = 0; i < json_array_size(j); i++) {
            tpl_push(m, out.u.list, tpl_from_json(m, json_array_get(j, i), depth + 1));
        }
        return out;
    case JSON_STRING:
        return tpl_string(copy_str(m, json_string_value(j), json_string_length(j)));
    case JSON_INTEGER:
        return tpl_int(json_integer_value(j));
    case JSON_REAL:
        return tpl_float(json_real_value(j));
    case JSON_TRUE:
    case JSON_FALSE:
        return tpl_bool(json_is_true(j));
    default:
        return tpl_none();
    }
}
