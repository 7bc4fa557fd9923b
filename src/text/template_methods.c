/* template_methods.c - attributes and items of values, methods of strings, dicts and
 * lists.
 *
 * What changes a list or dict is refused by the sandbox: such names are undefined, and
 * calling one is an error.
 * Source: docs.python.org/3/library/stdtypes.html; jinja2 3.1, sandbox.py. */
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "text/chars.h"
#include "text/template_internal.h"

typedef tpl_value method_fn(tpl_machine *m, const tpl_value *self, tpl_args *a);

/* -- strings ---------------------------------------------------------------------- */

static tpl_value like(const tpl_value *self, tpl_str s)
{
    tpl_value v = tpl_string(s);
    v.markup = self->markup;
    return v;
}

static tpl_value strip(tpl_machine *m, const tpl_value *self, tpl_args *a, bool left,
                       bool right)
{
    const tpl_value *chars = tpl_arg(a, 0, NULL);
    tpl_args_check(m, a, 1, NULL);
    if (!chars || chars->kind == TPL_NONE) {
        return like(self, tpl_strip(self->u.str, NULL, left, right));
    }
    const tpl_str set = tpl_arg_str(m, a, 0, NULL);
    return like(self, tpl_strip(self->u.str, &set, left, right));
}

static tpl_value str_strip(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return strip(m, self, a, true, true);
}

static tpl_value str_lstrip(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return strip(m, self, a, true, false);
}

static tpl_value str_rstrip(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return strip(m, self, a, false, true);
}

static tpl_value split(tpl_machine *m, const tpl_value *self, tpl_args *a, bool right)
{
    static const char *const names[] = {"sep", "maxsplit"};
    tpl_args_check(m, a, 2, names);
    const tpl_value *sep = tpl_arg(a, 0, "sep"), *max = tpl_arg(a, 1, "maxsplit");
    const int64_t limit = max ? tpl_as_int(m, max, a->what) : -1;
    if (!sep || sep->kind == TPL_NONE)
        return tpl_split(m, self->u.str, NULL, limit, right);
    const tpl_str s = tpl_arg_str(m, a, 0, "sep");
    return tpl_split(m, self->u.str, &s, limit, right);
}

static tpl_value str_split(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return split(m, self, a, false);
}

static tpl_value str_rsplit(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return split(m, self, a, true);
}

static tpl_value str_splitlines(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    static const char *const names[] = {"keepends"};
    tpl_args_check(m, a, 1, names);
    const tpl_value *keep = tpl_arg(a, 0, "keepends");
    return tpl_split_lines(m, self->u.str, keep && tpl_truth(m, keep));
}

static bool has_at(tpl_str s, tpl_str part, bool end)
{
    if (part.len > s.len) return false;
    return part.len == 0 ||
           memcmp(s.s + (end ? s.len - part.len : 0), part.s, part.len) == 0;
}

/* One string or a tuple of them, from and to character positions. */
static tpl_value affix(tpl_machine *m, const tpl_value *self, tpl_args *a, bool end)
{
    tpl_args_check(m, a, 3, NULL);
    const tpl_value *what = tpl_arg(a, 0, NULL);
    tpl_value in = *self;
    if (a->n > 1) {
        const tpl_value *to = tpl_arg(a, 2, NULL);
        in = tpl_slice(m, self, &a->item[1], to, NULL);
    }
    if (what && what->kind == TPL_TUPLE) {
        for (size_t i = 0; i < what->u.list->n; i++) {
            const tpl_value *one = &what->u.list->item[i];
            if (one->kind != TPL_STR) tpl_fail(m, "%s: expected strings", a->what);
            if (has_at(in.u.str, one->u.str, end)) return tpl_bool(true);
        }
        return tpl_bool(false);
    }
    return tpl_bool(has_at(in.u.str, tpl_arg_str(m, a, 0, NULL), end));
}

static tpl_value str_startswith(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return affix(m, self, a, false);
}

static tpl_value str_endswith(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return affix(m, self, a, true);
}

static tpl_value str_removeprefix(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    const tpl_str p = tpl_arg_str(m, a, 0, NULL);
    tpl_str s = self->u.str;
    if (has_at(s, p, false)) s = (tpl_str){s.s + p.len, s.len - p.len};
    return like(self, s);
}

static tpl_value str_removesuffix(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    const tpl_str p = tpl_arg_str(m, a, 0, NULL);
    tpl_str s = self->u.str;
    if (has_at(s, p, true)) s.len -= p.len;
    return like(self, s);
}

static tpl_value str_replace(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    static const char *const names[] = {NULL, NULL, "count"};
    tpl_args_check(m, a, 3, names);
    const tpl_value *count = tpl_arg(a, 2, "count");
    return like(self, tpl_replace(m, self->u.str, tpl_arg_str(m, a, 0, NULL),
                                  tpl_arg_str(m, a, 1, NULL),
                                  count ? tpl_as_int(m, count, a->what) : -1));
}

static tpl_value str_lower(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_args_check(m, a, 0, NULL);
    return like(self, tpl_lower(m, self->u.str));
}

static tpl_value str_upper(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_args_check(m, a, 0, NULL);
    return like(self, tpl_upper(m, self->u.str));
}

static tpl_value str_title(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_args_check(m, a, 0, NULL);
    return like(self, tpl_title(m, self->u.str, true));
}

static tpl_value str_capitalize(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_args_check(m, a, 0, NULL);
    return like(self, tpl_capitalize(m, self->u.str));
}

static tpl_value str_join(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_args_check(m, a, 1, NULL);
    if (a->n != 1) tpl_fail(m, "join: expected one argument");
    const tpl_list *l = tpl_iterate(m, &a->item[0]);
    hone_buf *b = tpl_buf_open(m);
    for (size_t i = 0; i < l->n; i++) {
        if (l->item[i].kind != TPL_STR) {
            tpl_fail(m, "join: expected strings, found a %s",
                     tpl_type_name(&l->item[i]));
        }
        if (i) hone_buf_append(b, self->u.str.s, self->u.str.len);
        hone_buf_append(b, l->item[i].u.str.s, l->item[i].u.str.len);
    }
    return like(self, tpl_buf_str(m, b));
}

/* Characters before byte `at`. */
static int64_t char_index(tpl_str s, size_t at)
{
    return (int64_t)tpl_n_chars((tpl_str){s.s, at});
}

static tpl_value find(tpl_machine *m, const tpl_value *self, tpl_args *a, bool last,
                      bool must)
{
    const tpl_str what = tpl_arg_str(m, a, 0, NULL), s = self->u.str;
    tpl_args_check(m, a, 1, NULL);
    size_t at, found = 0, from = 0;
    bool any = false;
    while (tpl_find(s, what, from, &at)) {
        any = true;
        found = at;
        if (!last || at >= s.len) break;
        from = at + 1;
    }
    if (!any && must) tpl_fail(m, "%s: not found", a->what);
    return tpl_int(any ? char_index(s, found) : -1);
}

static tpl_value str_find(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return find(m, self, a, false, false);
}

static tpl_value str_rfind(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return find(m, self, a, true, false);
}

static tpl_value str_index(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return find(m, self, a, false, true);
}

static tpl_value str_count(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    const tpl_str what = tpl_arg_str(m, a, 0, NULL), s = self->u.str;
    tpl_args_check(m, a, 1, NULL);
    if (what.len == 0) return tpl_int((int64_t)tpl_n_chars(s) + 1);
    int64_t n = 0;
    for (size_t from = 0, at; tpl_find(s, what, from, &at); from = at + what.len) {
        n++;
    }
    return tpl_int(n);
}

static tpl_value str_format(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return tpl_format(m, self->u.str, a);
}

static tpl_value partition(tpl_machine *m, const tpl_value *self, tpl_args *a,
                           bool last)
{
    const tpl_str sep = tpl_arg_str(m, a, 0, NULL), s = self->u.str;
    if (sep.len == 0) tpl_fail(m, "%s: the separator is empty", a->what);
    size_t at = 0, next, from = 0;
    bool any = false;
    while (tpl_find(s, sep, from, &next)) {
        any = true;
        at = next;
        if (!last) break;
        from = next + 1;
    }
    const tpl_str empty = {"", 0};
    tpl_value out = tpl_new_list(m, TPL_TUPLE);
    tpl_str left = s, mid = empty, right = empty;
    if (any) {
        left = (tpl_str){s.s, at};
        mid = sep;
        right = (tpl_str){s.s + at + sep.len, s.len - at - sep.len};
    } else if (last) {
        left = empty;
        right = s;
    }
    tpl_push(m, out.u.list, tpl_string(left));
    tpl_push(m, out.u.list, tpl_string(mid));
    tpl_push(m, out.u.list, tpl_string(right));
    return out;
}

static tpl_value str_partition(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return partition(m, self, a, false);
}

static tpl_value str_rpartition(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return partition(m, self, a, true);
}

/* Padding to a width: mode 'l' on the right, 'r' on the left, 'c' both. */
static tpl_value pad(tpl_machine *m, const tpl_value *self, tpl_args *a, char mode)
{
    tpl_args_check(m, a, 2, NULL);
    if (a->n == 0) tpl_fail(m, "%s: expected a width", a->what);
    const int64_t width = tpl_as_int(m, &a->item[0], a->what);
    const tpl_str fill = a->n > 1 ? tpl_arg_str(m, a, 1, NULL) : (tpl_str){" ", 1};
    const int64_t n = (int64_t)tpl_n_chars(self->u.str);
    if (tpl_n_chars(fill) != 1)
        tpl_fail(m, "%s: the fill is not one character", a->what);
    if (width <= n) return *self;
    if (width > (int64_t)m->o.max_output) tpl_fail_limit(m, "much output");
    const int64_t all = width - n;
    /* str.center puts the odd one on the left if the width is odd */
    int64_t left = mode == 'r' ? all : mode == 'l' ? 0 : all / 2 + (all & width & 1);
    hone_buf *b = tpl_buf_open(m);
    for (int64_t i = 0; i < left; i++) {
        hone_buf_append(b, fill.s, fill.len);
    }
    hone_buf_append(b, self->u.str.s, self->u.str.len);
    for (int64_t i = left; i < all; i++) {
        hone_buf_append(b, fill.s, fill.len);
    }
    return like(self, tpl_buf_str(m, b));
}

static tpl_value str_ljust(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return pad(m, self, a, 'l');
}

static tpl_value str_rjust(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return pad(m, self, a, 'r');
}

static tpl_value str_center(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    return pad(m, self, a, 'c');
}

static tpl_value str_zfill(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    if (a->n != 1) tpl_fail(m, "zfill: expected a width");
    const int64_t width = tpl_as_int(m, &a->item[0], a->what);
    const int64_t n = (int64_t)tpl_n_chars(self->u.str);
    const tpl_str s = self->u.str;
    if (width > (int64_t)m->o.max_output) tpl_fail_limit(m, "much output");
    const bool sign = s.len && (s.s[0] == '-' || s.s[0] == '+');
    hone_buf *b = tpl_buf_open(m);
    if (sign) hone_buf_append_char(b, s.s[0]);
    for (int64_t i = n; i < width; i++) {
        hone_buf_append_char(b, '0');
    }
    hone_buf_append(b, s.s + sign, s.len - sign);
    return tpl_string(tpl_buf_str(m, b));
}

/* -- classes of characters -------------------------------------------------------- */

static bool in_class(uint32_t cp, int which)
{
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
    const bool letter = k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
    switch (which) {
    case 'a':
        return letter;
    case 'd':
        return k == UTF8PROC_CATEGORY_ND || (k == UTF8PROC_CATEGORY_NO && cp < 0x2190 &&
                                             (cp == 0xB2 || cp == 0xB3 || cp == 0xB9 ||
                                              (cp >= 0x2070 && cp <= 0x2089)));
    case 'n':
        return letter || hone_char_is_numeric(cp);
    case 'N':
        return hone_char_is_numeric(cp);
    default:
        return tpl_is_space(cp);
    }
}

/* 'a' letters, 'd' digits, 'n' letters and numbers, 'N' numeric, 's' white space: of every
 * character, at least one.  'U', 'L': cased characters, all upper or lower. */
bool tpl_is_char_class(tpl_str s, int which)
{
    bool cased = false;
    for (size_t at = 0; at < s.len;) {
        const tpl_str c = tpl_char_at(s, at);
        uint32_t cp;
        (void)hone_utf8_decode(c.s, c.len, &cp);
        if (which == 'U' || which == 'L') {
            const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
            const bool upper = k == UTF8PROC_CATEGORY_LU,
                       lower = k == UTF8PROC_CATEGORY_LL;
            if (k == UTF8PROC_CATEGORY_LT || (which == 'U' ? lower : upper))
                return false;
            cased = cased || upper || lower;
        } else if (!in_class(cp, which)) {
            return false;
        }
        at += c.len;
    }
    return which == 'U' || which == 'L' ? cased : s.len > 0;
}

#define CLASS_METHOD(name, which)                                                      \
    static tpl_value name(tpl_machine *m, const tpl_value *self, tpl_args *a)          \
    {                                                                                  \
        tpl_args_check(m, a, 0, NULL);                                                 \
        return tpl_bool(tpl_is_char_class(self->u.str, which));                        \
    }
CLASS_METHOD(str_isalpha, 'a')
CLASS_METHOD(str_isdigit, 'd')
CLASS_METHOD(str_isnumeric, 'N')
CLASS_METHOD(str_isalnum, 'n')
CLASS_METHOD(str_isspace, 's')
CLASS_METHOD(str_isupper, 'U')
CLASS_METHOD(str_islower, 'L')
#undef CLASS_METHOD

/* -- dicts and lists -------------------------------------------------------------- */

static tpl_value dict_get(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_args_check(m, a, 2, NULL);
    if (a->n == 0) tpl_fail(m, "get: expected a key");
    const tpl_value *v = tpl_dict_find(m, self->u.dict, &a->item[0]);
    return v ? *v : a->n > 1 ? a->item[1] : tpl_none();
}

static tpl_value dict_items(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_args_check(m, a, 0, NULL);
    tpl_value out = tpl_new_list(m, TPL_LIST);
    for (size_t i = 0; i < self->u.dict->n; i++) {
        tpl_value pair = tpl_new_list(m, TPL_TUPLE);
        tpl_push(m, pair.u.list, self->u.dict->key[i]);
        tpl_push(m, pair.u.list, self->u.dict->value[i]);
        tpl_push(m, out.u.list, pair);
    }
    return out;
}

static tpl_value dict_keys(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_args_check(m, a, 0, NULL);
    return (tpl_value){.kind = TPL_LIST, .u.list = tpl_iterate(m, self)};
}

static tpl_value dict_values(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_args_check(m, a, 0, NULL);
    tpl_value out = tpl_new_list(m, TPL_LIST);
    for (size_t i = 0; i < self->u.dict->n; i++) {
        tpl_push(m, out.u.list, self->u.dict->value[i]);
    }
    return out;
}

static tpl_value dict_copy(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_args_check(m, a, 0, NULL);
    tpl_value out = tpl_new_dict(m, TPL_DICT);
    for (size_t i = 0; i < self->u.dict->n; i++) {
        tpl_dict_set(m, out.u.dict, self->u.dict->key[i], self->u.dict->value[i]);
    }
    return out;
}

static tpl_value list_copy(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_args_check(m, a, 0, NULL);
    return tpl_slice(m, self, NULL, NULL, NULL);
}

static tpl_value list_index(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    if (a->n == 0) tpl_fail(m, "index: expected a value");
    for (size_t i = 0; i < self->u.list->n; i++) {
        if (tpl_equal(m, &self->u.list->item[i], &a->item[0]))
            return tpl_int((int64_t)i);
    }
    tpl_fail(m, "index: not in the list");
}

static tpl_value list_count(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    if (a->n != 1) tpl_fail(m, "count: expected a value");
    int64_t n = 0;
    for (size_t i = 0; i < self->u.list->n; i++) {
        n += tpl_equal(m, &self->u.list->item[i], &a->item[0]);
    }
    return tpl_int(n);
}

/* -- loops and cyclers ------------------------------------------------------------ */

static tpl_value loop_cycle(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    if (a->n == 0) tpl_fail(m, "cycle: expected values");
    return a->item[self->u.loop->at % a->n];
}

static tpl_value loop_changed(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_loop *l = self->u.loop;
    tpl_value now = tpl_new_list(m, TPL_TUPLE);
    for (size_t i = 0; i < a->n; i++) {
        tpl_push(m, now.u.list, a->item[i]);
    }
    const bool changed = !l->has_changed || !tpl_equal(m, &l->changed, &now);
    l->has_changed = true;
    l->changed = now;
    return tpl_bool(changed);
}

static tpl_value cycler_next(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_args_check(m, a, 0, NULL);
    tpl_list *l = self->u.list;
    return l->item[l->at++ % l->n];
}

static tpl_value cycler_reset(tpl_machine *m, const tpl_value *self, tpl_args *a)
{
    tpl_args_check(m, a, 0, NULL);
    self->u.list->at = 0;
    return tpl_none();
}

/* -- tables ----------------------------------------------------------------------- */

typedef struct method {
    const char *name;
    method_fn *call;
} method;

static const method str_methods[] = {{"strip", str_strip},
                                     {"lstrip", str_lstrip},
                                     {"rstrip", str_rstrip},
                                     {"split", str_split},
                                     {"rsplit", str_rsplit},
                                     {"splitlines", str_splitlines},
                                     {"startswith", str_startswith},
                                     {"endswith", str_endswith},
                                     {"removeprefix", str_removeprefix},
                                     {"removesuffix", str_removesuffix},
                                     {"replace", str_replace},
                                     {"lower", str_lower},
                                     {"casefold", str_lower},
                                     {"upper", str_upper},
                                     {"title", str_title},
                                     {"capitalize", str_capitalize},
                                     {"join", str_join},
                                     {"find", str_find},
                                     {"rfind", str_rfind},
                                     {"index", str_index},
                                     {"count", str_count},
                                     {"format", str_format},
                                     {"partition", str_partition},
                                     {"rpartition", str_rpartition},
                                     {"ljust", str_ljust},
                                     {"rjust", str_rjust},
                                     {"center", str_center},
                                     {"zfill", str_zfill},
                                     {"isalpha", str_isalpha},
                                     {"isdigit", str_isdigit},
                                     {"isdecimal", str_isdigit},
                                     {"isnumeric", str_isnumeric},
                                     {"isalnum", str_isalnum},
                                     {"isspace", str_isspace},
                                     {"isupper", str_isupper},
                                     {"islower", str_islower},
                                     {NULL, NULL}};
static const method dict_methods[] = {{"get", dict_get},   {"items", dict_items},
                                      {"keys", dict_keys}, {"values", dict_values},
                                      {"copy", dict_copy}, {NULL, NULL}};
static const method list_methods[] = {
    {"index", list_index}, {"count", list_count}, {"copy", list_copy}, {NULL, NULL}};
static const method tuple_methods[] = {
    {"index", list_index}, {"count", list_count}, {NULL, NULL}};
static const method loop_methods[] = {
    {"cycle", loop_cycle}, {"changed", loop_changed}, {NULL, NULL}};
static const method cycler_methods[] = {
    {"next", cycler_next}, {"reset", cycler_reset}, {NULL, NULL}};

static const method *methods_of(const tpl_value *v)
{
    static const method none[] = {{NULL, NULL}};
    switch (v->kind) {
    case TPL_STR:
        return str_methods;
    case TPL_DICT:
        return dict_methods;
    case TPL_LIST:
        return list_methods;
    case TPL_TUPLE:
        return tuple_methods;
    case TPL_LOOP:
        return loop_methods;
    case TPL_CYCLER:
        return cycler_methods;
    default:
        return none;
    }
}

tpl_value tpl_get_method(tpl_machine *m, const tpl_value *self, tpl_str name)
{
    for (const method *t = methods_of(self); t->name; t++) {
        if (!tpl_str_is(name, t->name)) continue;
        tpl_method *bound = tpl_alloc(m, sizeof *bound);
        *bound = (tpl_method){*self, t->name, t->call};
        return (tpl_value){.kind = TPL_METHOD, .u.method = bound};
    }
    return tpl_undefined(name);
}

static tpl_value loop_attr(const tpl_loop *l, tpl_str name, bool *found)
{
    const int64_t at = (int64_t)l->at, n = (int64_t)l->items->n;
    *found = true;
    if (tpl_str_is(name, "index")) return tpl_int(at + 1);
    if (tpl_str_is(name, "index0")) return tpl_int(at);
    if (tpl_str_is(name, "revindex")) return tpl_int(n - at);
    if (tpl_str_is(name, "revindex0")) return tpl_int(n - at - 1);
    if (tpl_str_is(name, "first")) return tpl_bool(at == 0);
    if (tpl_str_is(name, "last")) return tpl_bool(at + 1 == n);
    if (tpl_str_is(name, "length")) return tpl_int(n);
    if (tpl_str_is(name, "depth")) return tpl_int(l->depth + 1);
    if (tpl_str_is(name, "depth0")) return tpl_int(l->depth);
    if (tpl_str_is(name, "previtem")) {
        return at > 0 ? l->items->item[at - 1] : tpl_undefined(name);
    }
    if (tpl_str_is(name, "nextitem")) {
        return at + 1 < n ? l->items->item[at + 1] : tpl_undefined(name);
    }
    *found = false;
    return tpl_undefined(name);
}

tpl_value tpl_get_attr(tpl_machine *m, const tpl_value *self, tpl_str name)
{
    bool found;
    tpl_value v;
    tpl_step(m, 1);
    if (self->kind == TPL_UNDEFINED) {
        tpl_fail(m, "'%.*s' is undefined, so it has no '%.*s'", (int)self->u.str.len,
                 self->u.str.s, (int)name.len, name.s);
    }
    if (self->kind == TPL_LOOP) {
        v = loop_attr(self->u.loop, name, &found);
        if (found) return v;
    }
    if (self->kind == TPL_CYCLER && tpl_str_is(name, "current")) {
        return self->u.list->item[self->u.list->at % self->u.list->n];
    }
    if (self->kind == TPL_MACRO && tpl_str_is(name, "name")) {
        return tpl_string(self->u.macro->node->name);
    }
    v = self->iterator ? tpl_undefined(name) : tpl_get_method(m, self, name);
    if (v.kind != TPL_UNDEFINED) return v;
    if (self->kind == TPL_DICT || self->kind == TPL_NAMESPACE) {
        const tpl_value *e = tpl_dict_find_str(m, self->u.dict, name);
        if (e) return *e;
    }
    return tpl_undefined(name);
}

/* The item of a sequence by number, negative from the end; NULL outside. */
static bool item_at(tpl_machine *m, const tpl_value *self, int64_t i, tpl_value *out)
{
    bool has;
    const int64_t n = (int64_t)tpl_length(m, self, &has);
    if (i < 0) i += n;
    if (i < 0 || i >= n) return false;
    if (self->kind != TPL_STR) {
        *out = self->u.list->item[i];
        return true;
    }
    size_t at = 0;
    for (; i > 0; i--) {
        at += tpl_char_at(self->u.str, at).len;
    }
    *out = like(self, tpl_char_at(self->u.str, at));
    return true;
}

tpl_value tpl_get_item(tpl_machine *m, const tpl_value *self, const tpl_value *key)
{
    tpl_value v;
    tpl_step(m, 1);
    if (self->kind == TPL_UNDEFINED) {
        tpl_fail(m, "'%.*s' is undefined, so it has no items", (int)self->u.str.len,
                 self->u.str.s);
    }
    if (self->kind == TPL_DICT && key->kind != TPL_LIST && key->kind != TPL_DICT) {
        const tpl_value *e = tpl_dict_find(m, self->u.dict, key);
        if (e) return *e;
    }
    const bool sequence =
        !self->iterator &&
        (self->kind == TPL_STR || self->kind == TPL_LIST || self->kind == TPL_TUPLE);
    if (sequence && (key->kind == TPL_INT || key->kind == TPL_BOOL) &&
        item_at(m, self, tpl_as_int(m, key, "item"), &v)) {
        return v;
    }
    if (key->kind == TPL_STR) return tpl_get_attr(m, self, key->u.str);
    return tpl_undefined((tpl_str){"item", 4});
}
