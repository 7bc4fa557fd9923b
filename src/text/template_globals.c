/* template_globals.c - functions that every template sees, and reading of arguments. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "text/template_internal.h"

enum {
    MAX_RANGE = 100000 /* the sandbox's limit */
};

/* -- arguments -------------------------------------------------------------------- */

const tpl_value *tpl_arg(const tpl_args *a, size_t i, const char *name)
{
    if (i < a->n) return &a->item[i];
    for (size_t k = 0; name && k < a->n_named; k++) {
        if (tpl_str_is(a->name[k], name)) return &a->named[k];
    }
    return NULL;
}

void tpl_args_check(tpl_machine *m, const tpl_args *a, size_t n,
                    const char *const *names)
{
    if (a->n > n)
        tpl_fail(m, "%s: expected at most %zu arguments, found %zu", a->what, n, a->n);
    for (size_t k = 0; k < a->n_named; k++) {
        size_t i = 0;
        while (i < n && !(names && names[i] && tpl_str_is(a->name[k], names[i]))) {
            i++;
        }
        if (i == n) {
            tpl_fail(m, "%s: no argument '%.*s'", a->what, (int)a->name[k].len,
                     a->name[k].s);
        }
        if (i < a->n)
            tpl_fail(m, "%s: argument '%s' is given twice", a->what, names[i]);
    }
}

tpl_str tpl_arg_str(tpl_machine *m, const tpl_args *a, size_t i, const char *name)
{
    const tpl_value *v = tpl_arg(a, i, name);
    if (!v || v->kind != TPL_STR) {
        tpl_fail(m, "%s: expected a string, found %s%s", a->what, v ? "a " : "nothing",
                 v ? tpl_type_name(v) : "");
    }
    return v->u.str;
}

/* -- functions -------------------------------------------------------------------- */

static tpl_value fn_range(tpl_machine *m, tpl_args *a)
{
    a->what = "range";
    tpl_args_check(m, a, 3, NULL);
    if (a->n == 0) tpl_fail(m, "range: expected an end");
    int64_t from = 0, to, step = 1;
    if (a->n == 1) {
        to = tpl_as_int(m, &a->item[0], "range");
    } else {
        from = tpl_as_int(m, &a->item[0], "range");
        to = tpl_as_int(m, &a->item[1], "range");
        if (a->n == 3) step = tpl_as_int(m, &a->item[2], "range");
    }
    if (step == 0) tpl_fail(m, "range: the step is zero");
    tpl_value out = tpl_new_list(m, TPL_LIST);
    for (int64_t i = from; step > 0 ? i < to : i > to;) {
        if (out.u.list->n == MAX_RANGE) tpl_fail(m, "range: longer than %d", MAX_RANGE);
        tpl_push(m, out.u.list, tpl_int(i));
        if (__builtin_add_overflow(i, step, &i)) break;
    }
    return out;
}

/* dict(mapping or pairs, name=value) */
static tpl_value make_dict(tpl_machine *m, tpl_args *a, tpl_kind kind)
{
    tpl_value out = tpl_new_dict(m, kind);
    if (a->n > 1) tpl_fail(m, "%s: expected one argument", a->what);
    if (a->n == 1 && a->item[0].kind == TPL_DICT) {
        const tpl_dict *d = a->item[0].u.dict;
        for (size_t i = 0; i < d->n; i++) {
            tpl_dict_set(m, out.u.dict, d->key[i], d->value[i]);
        }
    } else if (a->n == 1) {
        const tpl_list *pairs = tpl_iterate(m, &a->item[0]);
        for (size_t i = 0; i < pairs->n; i++) {
            const tpl_list *pair = tpl_iterate(m, &pairs->item[i]);
            if (pair->n != 2) tpl_fail(m, "%s: expected pairs", a->what);
            tpl_dict_set(m, out.u.dict, pair->item[0], pair->item[1]);
        }
    }
    for (size_t i = 0; i < a->n_named; i++) {
        tpl_dict_set(m, out.u.dict, tpl_string(a->name[i]), a->named[i]);
    }
    return out;
}

static tpl_value fn_dict(tpl_machine *m, tpl_args *a)
{
    a->what = "dict";
    return make_dict(m, a, TPL_DICT);
}

static tpl_value fn_namespace(tpl_machine *m, tpl_args *a)
{
    a->what = "namespace";
    return make_dict(m, a, TPL_NAMESPACE);
}

static tpl_value fn_cycler(tpl_machine *m, tpl_args *a)
{
    if (a->n == 0 || a->n_named) tpl_fail(m, "cycler: expected items");
    tpl_value out = tpl_new_list(m, TPL_CYCLER);
    for (size_t i = 0; i < a->n; i++) {
        tpl_push(m, out.u.list, a->item[i]);
    }
    return out;
}

static tpl_value fn_joiner(tpl_machine *m, tpl_args *a)
{
    static const char *const names[] = {"sep"};
    a->what = "joiner";
    tpl_args_check(m, a, 1, names);
    const tpl_value *sep = tpl_arg(a, 0, "sep");
    tpl_value out = tpl_new_list(m, TPL_JOINER);
    tpl_push(m, out.u.list, sep ? *sep : tpl_cstring(", "));
    return out;
}

/* The message stands alone: it is meant for the user. */
static tpl_value fn_raise(tpl_machine *m, tpl_args *a)
{
    const tpl_value *v = tpl_arg(a, 0, "message");
    if (!v) tpl_fail(m, "raise_exception: expected a message");
    const tpl_str s = tpl_to_str(m, v);
    m->status = hone_fail(m->err, HONE_E_TEMPLATE, "template: %.*s",
                          (int)(s.len < 400 ? s.len : 400), s.s);
    longjmp(m->out, 1);
}

static void two_digits(hone_buf *b, int n)
{
    hone_buf_printf(b, "%02d", n);
}

/* English names whatever the locale. */
static void print_date(tpl_machine *m, hone_buf *b, tpl_str f, const struct tm *t)
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    static const char *const months[] = {
        "January", "February", "March",     "April",   "May",      "June",
        "July",    "August",   "September", "October", "November", "December"};
    for (size_t i = 0; i < f.len; i++) {
        if (f.s[i] != '%' || i + 1 == f.len) {
            hone_buf_append_char(b, f.s[i]);
            continue;
        }
        const char c = f.s[++i];
        if (c == 'A')
            hone_buf_append_str(b, days[t->tm_wday]);
        else if (c == 'a')
            hone_buf_append(b, days[t->tm_wday], 3);
        else if (c == 'B')
            hone_buf_append_str(b, months[t->tm_mon]);
        else if (c == 'b' || c == 'h')
            hone_buf_append(b, months[t->tm_mon], 3);
        else if (c == '%')
            hone_buf_append_char(b, '%');
        else if (c == 'p')
            hone_buf_append_str(b, t->tm_hour < 12 ? "AM" : "PM");
        else if (c == 'f')
            hone_buf_append_str(b, "000000");
        else if (c == '-' && i + 1 < f.len && strchr("dmHIMSj", f.s[i + 1])) {
            char format[3] = {'%', f.s[++i], '\0'}, text[16];
            strftime(text, sizeof text, format, t);
            const size_t zeros = strspn(text, "0");
            hone_buf_append_str(b, text[zeros] ? text + zeros : "0");
        } else if (strchr("dmHIMSjyYuwUWVGsnteDFTRCzZ", c)) {
            char format[3] = {'%', c, '\0'}, text[64];
            hone_buf_append(b, text, strftime(text, sizeof text, format, t));
        } else if (c == 'c') {
            hone_buf_append(b, days[t->tm_wday], 3);
            hone_buf_append_char(b, ' ');
            hone_buf_append(b, months[t->tm_mon], 3);
            hone_buf_printf(b, " %2d %02d:%02d:%02d %d", t->tm_mday, t->tm_hour,
                            t->tm_min, t->tm_sec, t->tm_year + 1900);
        } else if (c == 'x' || c == 'X') {
            two_digits(b, c == 'x' ? t->tm_mon + 1 : t->tm_hour);
            hone_buf_append_char(b, c == 'x' ? '/' : ':');
            two_digits(b, c == 'x' ? t->tm_mday : t->tm_min);
            hone_buf_append_char(b, c == 'x' ? '/' : ':');
            two_digits(b, c == 'x' ? t->tm_year % 100 : t->tm_sec);
        } else {
            tpl_fail(m, "strftime_now: '%%%c' is unknown", c);
        }
    }
}

static tpl_value fn_strftime(tpl_machine *m, tpl_args *a)
{
    a->what = "strftime_now";
    const tpl_str format = tpl_arg_str(m, a, 0, "format");
    struct tm t;
    const time_t now = m->o.use_now ? (time_t)m->o.now : time(NULL);
    const struct tm *ok = m->o.use_now ? gmtime_r(&now, &t) : localtime_r(&now, &t);
    if (!ok) tpl_fail(m, "strftime_now: the clock is out of range");
    hone_buf *b = tpl_buf_open(m);
    print_date(m, b, format, &t);
    return tpl_string(tpl_buf_str(m, b));
}

void tpl_add_globals(tpl_machine *m, tpl_scope *s)
{
    static const struct {
        const char *name;
        tpl_function *call;
    } table[] = {
        {"range", fn_range},           {"dict", fn_dict},
        {"namespace", fn_namespace},   {"cycler", fn_cycler},
        {"joiner", fn_joiner},         {"raise_exception", fn_raise},
        {"strftime_now", fn_strftime},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const tpl_value f = {.kind = TPL_FUNCTION, .u.function = table[i].call};
        tpl_dict_set(m, &s->vars, tpl_cstring(table[i].name), f);
    }
}
