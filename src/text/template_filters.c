/* template_filters.c - `x | name`: the built-in filters of jinja2 3.1, with transformers'
 * tojson.  Those on lists are in template_filters_list.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/template_filters.h"

/* -- text ------------------------------------------------------------------------- */

/* The string of any value, marked as the value was. */
static tpl_value soft(tpl_machine *m, const tpl_value *v)
{
    return v->kind == TPL_STR ? *v : tpl_string(tpl_to_str(m, v));
}

static tpl_value as_markup(tpl_str s)
{
    tpl_value v = tpl_string(s);
    v.markup = true;
    return v;
}

static tpl_value f_string(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    return soft(m, v);
}

static tpl_value f_upper(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    tpl_value s = soft(m, v);
    s.u.str = tpl_upper(m, s.u.str);
    return s;
}

static tpl_value f_lower(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    tpl_value s = soft(m, v);
    s.u.str = tpl_lower(m, s.u.str);
    return s;
}

static tpl_value f_capitalize(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    tpl_value s = soft(m, v);
    s.u.str = tpl_capitalize(m, s.u.str);
    return s;
}

static tpl_value f_title(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    return tpl_string(tpl_title(m, tpl_to_str(m, v), false));
}

static tpl_value f_trim(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"chars"};
    tpl_args_check(m, a, 1, names);
    const tpl_value *chars = tpl_arg(a, 0, "chars");
    tpl_value s = soft(m, v);
    if (chars && chars->kind != TPL_NONE) {
        const tpl_str set = tpl_arg_str(m, a, 0, "chars");
        s.u.str = tpl_strip(s.u.str, &set, true, true);
    } else {
        s.u.str = tpl_strip(s.u.str, NULL, true, true);
    }
    return s;
}

static tpl_value f_replace(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"old", "new", "count"};
    tpl_args_check(m, a, 3, names);
    const tpl_value *count = tpl_arg(a, 2, "count");
    const int64_t max =
        count && count->kind != TPL_NONE ? tpl_as_int(m, count, "replace") : -1;
    tpl_value s = soft(m, v);
    const tpl_value *from = tpl_arg(a, 0, "old"), *to = tpl_arg(a, 1, "new");
    if (!from || !to) tpl_fail(m, "replace: expected two strings");
    s.u.str = tpl_replace(m, s.u.str, tpl_to_str(m, from), tpl_to_str(m, to), max);
    return s;
}

static tpl_value f_safe(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    return as_markup(tpl_to_str(m, v));
}

static tpl_value f_escape(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    if (v->kind == TPL_STR && v->markup) return *v;
    return as_markup(tpl_escape(m, tpl_to_str(m, v)));
}

static tpl_value f_forceescape(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    return as_markup(tpl_escape(m, tpl_to_str(m, v)));
}

/* Lines after the first, or all, get a prefix; empty ones only with blank. */
static tpl_value f_indent(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"width", "first", "blank"};
    tpl_args_check(m, a, 3, names);
    const tpl_value *width = tpl_arg(a, 0, "width"), *first = tpl_arg(a, 1, "first"),
                    *blank = tpl_arg(a, 2, "blank");
    tpl_str prefix = {"    ", 4};
    if (v->kind != TPL_STR) tpl_fail(m, "indent: of a %s", tpl_type_name(v));
    if (width && width->kind == TPL_STR) {
        prefix = width->u.str;
    } else if (width) {
        const tpl_value space = tpl_cstring(" ");
        prefix = tpl_arith(m, '*', &space, width).u.str;
    }
    const bool with_first = first && tpl_truth(m, first);
    const bool with_blank = blank && tpl_truth(m, blank);
    const tpl_str s = tpl_to_str(m, v);
    /* a newline at the end counts as a last, empty line */
    char *text = tpl_alloc(m, s.len + 1);
    if (s.len) memcpy(text, s.s, s.len);
    text[s.len] = '\n';
    const tpl_value lines = tpl_split_lines(m, (tpl_str){text, s.len + 1}, false);
    hone_buf *b = tpl_buf_open(m);
    for (size_t i = 0; i < lines.u.list->n; i++) {
        const tpl_str line = lines.u.list->item[i].u.str;
        if (i) hone_buf_append_char(b, '\n');
        if (i ? with_blank || line.len : with_first)
            hone_buf_append(b, prefix.s, prefix.len);
        hone_buf_append(b, line.s, line.len);
    }
    return tpl_string(tpl_buf_str(m, b));
}

static tpl_value f_center(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"width"};
    tpl_args_check(m, a, 1, names);
    tpl_value eighty = tpl_int(80), s = soft(m, v);
    const tpl_value *width = tpl_arg(a, 0, "width");
    tpl_args center = {.what = "center", .item = &eighty, .n = 1};
    if (width) eighty = *width;
    const tpl_value method = tpl_get_method(m, &s, (tpl_str){"center", 6});
    return tpl_call(m, &method, &center);
}

static tpl_value f_truncate(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"length", "killwords", "end", "leeway"};
    tpl_args_check(m, a, 4, names);
    const tpl_value *length = tpl_arg(a, 0, "length"),
                    *kill = tpl_arg(a, 1, "killwords"), *end = tpl_arg(a, 2, "end"),
                    *leeway = tpl_arg(a, 3, "leeway");
    const int64_t max = length ? tpl_as_int(m, length, "truncate") : 255;
    const int64_t slack =
        leeway && leeway->kind != TPL_NONE ? tpl_as_int(m, leeway, "truncate") : 5;
    const tpl_str dots = end ? tpl_arg_str(m, a, 2, "end") : (tpl_str){"...", 3};
    const tpl_value s = soft(m, v);
    const int64_t n_end = (int64_t)tpl_n_chars(dots);
    if (max < n_end || slack < 0) tpl_fail(m, "truncate: the length is too small");
    if ((int64_t)tpl_n_chars(s.u.str) <= max + slack) return s;
    const tpl_value zero = tpl_int(0), to = tpl_int(max - n_end);
    tpl_value cut = tpl_slice(m, &s, &zero, &to, NULL);
    if (!(kill && tpl_truth(m, kill))) {
        const char *space =
            cut.u.str.len ? memrchr(cut.u.str.s, ' ', cut.u.str.len) : NULL;
        if (space) cut.u.str.len = (size_t)(space - cut.u.str.s);
    }
    const tpl_value tail = tpl_string(dots);
    return tpl_arith(m, '+', &cut, &tail);
}

/* Runs of word characters. */
static tpl_value f_wordcount(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    const tpl_str s = tpl_to_str(m, v);
    int64_t n = 0;
    bool inside = false;
    for (size_t at = 0; at < s.len;) {
        const tpl_str c = tpl_char_at(s, at);
        const bool word = *c.s == '_' || tpl_is_char_class(c, 'n');
        n += word && !inside;
        inside = word;
        at += c.len;
    }
    return tpl_int(n);
}

static tpl_value f_format(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    if (a->n && a->n_named)
        tpl_fail(m, "format: positional or keyword arguments, not both");
    tpl_value args = tpl_new_list(m, TPL_TUPLE);
    if (a->n_named) {
        args = tpl_new_dict(m, TPL_DICT);
        for (size_t i = 0; i < a->n_named; i++) {
            tpl_dict_set(m, args.u.dict, tpl_string(a->name[i]), a->named[i]);
        }
    }
    for (size_t i = 0; i < a->n; i++) {
        tpl_push(m, args.u.list, a->item[i]);
    }
    return tpl_percent(m, tpl_to_str(m, v), &args);
}

static void url_byte(hone_buf *b, unsigned char c, bool slash)
{
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || (c && strchr("_.-~", c)) ||
                       (slash && c == '/');
    if (plain)
        hone_buf_append_char(b, (char)c);
    else
        hone_buf_printf(b, "%%%02X", c);
}

static void url_text(tpl_machine *m, hone_buf *b, const tpl_value *v, bool query)
{
    const tpl_str s = tpl_to_str(m, v);
    for (size_t i = 0; i < s.len; i++) {
        if (query && s.s[i] == ' ')
            hone_buf_append_char(b, '+');
        else
            url_byte(b, (unsigned char)s.s[i], !query);
    }
}

/* A string, or a dict or pairs as a query. */
static tpl_value f_urlencode(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    if (v->kind != TPL_DICT && v->kind != TPL_LIST && v->kind != TPL_TUPLE) {
        const tpl_value s = tpl_string(tpl_to_str(m, v));
        hone_buf *b = tpl_buf_open(m);
        url_text(m, b, &s, false);
        return tpl_string(tpl_buf_str(m, b));
    }
    const tpl_list *pairs = tpl_pairs(m, v);
    hone_buf *b = tpl_buf_open(m);
    for (size_t i = 0; i < pairs->n; i++) {
        const tpl_list *pair = tpl_iterate(m, &pairs->item[i]);
        if (pair->n != 2) tpl_fail(m, "urlencode: expected pairs");
        const tpl_value key = tpl_string(tpl_to_str(m, &pair->item[0]));
        const tpl_value value = tpl_string(tpl_to_str(m, &pair->item[1]));
        if (i) hone_buf_append_char(b, '&');
        url_text(m, b, &key, true);
        hone_buf_append_char(b, '=');
        url_text(m, b, &value, true);
    }
    return tpl_string(tpl_buf_str(m, b));
}

/* -- numbers ---------------------------------------------------------------------- */

/* int(text, base) and float(text) of Python, or the default. */
static tpl_value f_int(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"default", "base"};
    tpl_args_check(m, a, 2, names);
    const tpl_value *fallback = tpl_arg(a, 0, "default"), *base = tpl_arg(a, 1, "base");
    const tpl_value zero = fallback ? *fallback : tpl_int(0);
    if (v->kind == TPL_UNDEFINED) tpl_fail(m, "int: the value is undefined");
    if (v->kind == TPL_INT || v->kind == TPL_BOOL)
        return tpl_int(tpl_as_int(m, v, "int"));
    double f = v->kind == TPL_FLOAT ? v->u.f : 0.0;
    if (v->kind == TPL_STR) {
        const tpl_str s = tpl_strip(v->u.str, NULL, true, true);
        char text[64], *end;
        if (s.len == 0 || s.len >= sizeof text) return zero;
        memcpy(text, s.s, s.len);
        text[s.len] = '\0';
        const int radix = base ? (int)tpl_as_int(m, base, "int") : 10;
        const long long i = strtoll(text, &end, radix);
        if (*end == '\0') return tpl_int(i);
        f = strtod(text, &end);
        if (*end || strpbrk(text, "xXpP")) return zero;
    } else if (v->kind != TPL_FLOAT) {
        return zero;
    }
    if (!(f > -0x1p63 && f < 0x1p63)) return zero;
    return tpl_int((int64_t)f);
}

static tpl_value f_float(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"default"};
    tpl_args_check(m, a, 1, names);
    const tpl_value *fallback = tpl_arg(a, 0, "default");
    const tpl_value zero = fallback ? *fallback : tpl_float(0.0);
    if (v->kind == TPL_UNDEFINED) tpl_fail(m, "float: the value is undefined");
    if (tpl_is_number(v)) return tpl_float(tpl_as_double(v));
    if (v->kind != TPL_STR) return zero;
    const tpl_str s = tpl_strip(v->u.str, NULL, true, true);
    char text[64], *end;
    if (s.len == 0 || s.len >= sizeof text) return zero;
    memcpy(text, s.s, s.len);
    text[s.len] = '\0';
    const double f = strtod(text, &end);
    return *end || strpbrk(text, "xXpP") ? zero : tpl_float(f);
}

static tpl_value f_abs(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    if (!tpl_is_number(v)) tpl_fail(m, "abs: of a %s", tpl_type_name(v));
    if (v->kind == TPL_FLOAT) return tpl_float(fabs(v->u.f));
    const int64_t i = tpl_as_int(m, v, "abs");
    const tpl_value zero = tpl_int(0), x = tpl_int(i);
    return i < 0 ? tpl_arith(m, '-', &zero, &x) : x;
}

static double round_even(double x, int64_t digits)
{
    if (digits == 0) return rint(x);
    char text[400];
    snprintf(text, sizeof text, "%.*f", (int)(digits > 0 && digits < 300 ? digits : 0),
             x);
    if (digits > 0) return strtod(text, NULL);
    const double scale = pow(10.0, (double)-digits);
    return rint(x / scale) * scale;
}

static tpl_value f_round(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"precision", "method"};
    tpl_args_check(m, a, 2, names);
    const tpl_value *precision = tpl_arg(a, 0, "precision"),
                    *method = tpl_arg(a, 1, "method");
    const int64_t digits = precision ? tpl_as_int(m, precision, "round") : 0;
    if (!tpl_is_number(v)) tpl_fail(m, "round: of a %s", tpl_type_name(v));
    if (digits < -300 || digits > 300) tpl_fail(m, "round: precision is out of range");
    const double x = tpl_as_double(v), scale = pow(10.0, (double)digits);
    if (!method || tpl_is_str(method, "common")) {
        if (v->kind != TPL_FLOAT)
            return tpl_int((int64_t)round_even(x, digits < 0 ? digits : 0));
        return tpl_float(round_even(x, digits));
    }
    if (tpl_is_str(method, "ceil")) return tpl_float(ceil(x * scale) / scale);
    if (tpl_is_str(method, "floor")) return tpl_float(floor(x * scale) / scale);
    tpl_fail(m, "round: expected common, ceil or floor");
}

static tpl_value f_filesizeformat(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"binary"};
    static const char *const decimal[] = {"kB", "MB", "GB", "TB",
                                          "PB", "EB", "ZB", "YB"};
    static const char *const binary[] = {"KiB", "MiB", "GiB", "TiB",
                                         "PiB", "EiB", "ZiB", "YiB"};
    tpl_args_check(m, a, 1, names);
    tpl_args none = {.what = "float"};
    const tpl_value *two = tpl_arg(a, 0, "binary");
    const bool is_binary = two && tpl_truth(m, two);
    const double bytes = f_float(m, v, &none).u.f, base = is_binary ? 1024 : 1000;
    hone_buf *b = tpl_buf_open(m);
    if (bytes == 1) {
        hone_buf_append_str(b, "1 Byte");
    } else if (bytes < base) {
        hone_buf_printf(b, "%lld Bytes", (long long)bytes);
    } else {
        double unit = base;
        int i = 0;
        while (i < 7 && bytes >= unit * base) {
            unit *= base;
            i++;
        }
        hone_buf_printf(b, "%.1f %s", base * bytes / (unit * base),
                        (is_binary ? binary : decimal)[i]);
    }
    return tpl_string(tpl_buf_str(m, b));
}

/* -- values ----------------------------------------------------------------------- */

static tpl_value f_default(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"default_value", "boolean"};
    tpl_args_check(m, a, 2, names);
    const tpl_value *d = tpl_arg(a, 0, "default_value"),
                    *boolean = tpl_arg(a, 1, "boolean");
    const bool replace = v->kind == TPL_UNDEFINED ||
                         (boolean && tpl_truth(m, boolean) && !tpl_truth(m, v));
    if (!replace) return *v;
    return d ? *d : tpl_cstring("");
}

static tpl_value f_length(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    bool has;
    (void)a;
    const size_t n = tpl_length(m, v, &has);
    if (!has) tpl_fail(m, "length: of a %s", tpl_type_name(v));
    return tpl_int((int64_t)n);
}

static tpl_value f_attr(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    const tpl_str name = tpl_arg_str(m, a, 0, "name");
    if (v->kind == TPL_UNDEFINED) return tpl_get_attr(m, v, name);
    if (v->kind == TPL_DICT) return tpl_get_method(m, v, name); /* never an item */
    return tpl_get_attr(m, v, name);
}

/* json.dumps: separators widen or narrow with indent as Python's do. */
static tpl_value f_tojson(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"ensure_ascii", "indent", "separators",
                                        "sort_keys"};
    tpl_args_check(m, a, 4, names);
    const tpl_value *ascii = tpl_arg(a, 0, "ensure_ascii"),
                    *indent = tpl_arg(a, 1, "indent"),
                    *sep = tpl_arg(a, 2, "separators"),
                    *sort = tpl_arg(a, 3, "sort_keys");
    const bool indented = indent && indent->kind != TPL_NONE;
    int64_t width = indented ? tpl_as_int(m, indent, "tojson") : -1;
    if (indented && width < 0) width = 0;
    if (width > 1000) tpl_fail(m, "tojson: the indent is too large");
    tpl_str comma = indented ? (tpl_str){",", 1} : (tpl_str){", ", 2},
            colon = {": ", 2};
    if (sep && sep->kind != TPL_NONE) {
        const tpl_list *l = tpl_iterate(m, sep);
        if (l->n != 2 || l->item[0].kind != TPL_STR || l->item[1].kind != TPL_STR) {
            tpl_fail(m, "tojson: expected two separators");
        }
        comma = l->item[0].u.str;
        colon = l->item[1].u.str;
    }
    hone_buf *b = tpl_buf_open(m);
    const bool ascii_only = ascii && tpl_truth(m, ascii);
    /* keys that are numbers are spelled in buffers of their own, which nest */
    tpl_print_json(m, b, v, ascii_only, (int)width, sort && tpl_truth(m, sort), comma,
                   colon, 0);
    return tpl_string(tpl_buf_str(m, b));
}

static const tpl_filter filters[] = {
    {"string", f_string},
    {"upper", f_upper},
    {"lower", f_lower},
    {"capitalize", f_capitalize},
    {"title", f_title},
    {"trim", f_trim},
    {"replace", f_replace},
    {"safe", f_safe},
    {"escape", f_escape},
    {"e", f_escape},
    {"forceescape", f_forceescape},
    {"indent", f_indent},
    {"center", f_center},
    {"truncate", f_truncate},
    {"wordcount", f_wordcount},
    {"format", f_format},
    {"urlencode", f_urlencode},
    {"int", f_int},
    {"float", f_float},
    {"abs", f_abs},
    {"round", f_round},
    {"filesizeformat", f_filesizeformat},
    {"default", f_default},
    {"d", f_default},
    {"length", f_length},
    {"count", f_length},
    {"attr", f_attr},
    {"tojson", f_tojson},
};

static const tpl_filter *find(const tpl_filter *t, size_t n, tpl_str name)
{
    for (size_t i = 0; i < n; i++) {
        if (tpl_str_is(name, t[i].name)) return &t[i];
    }
    return NULL;
}

bool tpl_has_filter(tpl_str name)
{
    return find(filters, sizeof filters / sizeof filters[0], name) ||
           find(tpl_list_filters, tpl_n_list_filters, name);
}

tpl_value tpl_call_filter(tpl_machine *m, tpl_str name, tpl_value *self, tpl_args *args)
{
    tpl_step(m, 1);
    const tpl_filter *f = find(filters, sizeof filters / sizeof filters[0], name);
    if (!f) f = find(tpl_list_filters, tpl_n_list_filters, name);
    if (!f) tpl_fail(m, "no filter '%.*s'", (int)name.len, name.s);
    args->what = f->name;
    return f->call(m, self, args);
}
