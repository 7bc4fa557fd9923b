/* template_print.c - values as text: str(), repr(), JSON, and Python's formatting. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/template_internal.h"

enum {
    MAX_NESTING = 100
};

/* -- buffers ---------------------------------------------------------------------- */

hone_buf *tpl_buf_open(tpl_machine *m)
{
    hone_buf *b = tpl_alloc(m, sizeof *b);
    if (hone_grow((void **)&m->open_buf, &m->open_cap, m->n_open + 1,
                  sizeof *m->open_buf)) {
        tpl_fail_limit(m, "much memory");
    }
    hone_buf_init(b, m->o.max_output);
    m->open_buf[m->n_open++] = b;
    return b;
}

tpl_str tpl_buf_str(tpl_machine *m, hone_buf *b)
{
    HONE_ASSERT(m->n_open > 0 && m->open_buf[m->n_open - 1] == b);
    if (b->failed) tpl_fail_limit(m, "much output");
    tpl_step(m, b->len / 64);
    char *p = tpl_alloc(m, b->len + 1);
    memcpy(p, b->data, b->len);
    const tpl_str s = {p, b->len};
    hone_buf_release(b);
    m->n_open--;
    return s;
}

hone_buf *tpl_output_push(tpl_machine *m)
{
    hone_buf *before = m->output;
    m->output = tpl_buf_open(m);
    return before;
}

tpl_str tpl_output_pop(tpl_machine *m, hone_buf *before)
{
    hone_buf *b = m->output;
    m->output = before;
    return tpl_buf_str(m, b);
}

static void check(tpl_machine *m, const hone_buf *b)
{
    if (b->failed) tpl_fail_limit(m, "much output");
}

/* -- numbers ---------------------------------------------------------------------- */

/* repr(float): the shortest digits that read back, exponents from 1e16 and below 1e-4. */
static void print_float(hone_buf *out, double f)
{
    char digits[40];
    if (isnan(f) || isinf(f)) {
        hone_buf_append_str(out, isnan(f) ? "nan" : f > 0 ? "inf" : "-inf");
        return;
    }
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision, f);
        if (strtod(digits, NULL) == f) break;
    }
    char *e = strchr(digits, 'e');
    const int exponent = atoi(e + 1);
    *e = '\0';
    char mantissa[40];
    size_t n = 0;
    const char *d = digits;
    if (*d == '-') {
        hone_buf_append_char(out, '-');
        d++;
    }
    for (; *d; d++) {
        if (*d != '.') mantissa[n++] = *d;
    }
    if (exponent < -4 || exponent >= 16) {
        hone_buf_append(out, mantissa, 1);
        if (n > 1) hone_buf_append_char(out, '.');
        hone_buf_append(out, mantissa + 1, n - 1);
        hone_buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (exponent < 0) {
        hone_buf_append_str(out, "0.");
        for (int i = -1; i > exponent; i--) {
            hone_buf_append_char(out, '0');
        }
        hone_buf_append(out, mantissa, n);
        return;
    }
    for (size_t i = 0; i < n || i <= (size_t)exponent; i++) {
        if (i == (size_t)exponent + 1) hone_buf_append_char(out, '.');
        hone_buf_append_char(out, i < n ? mantissa[i] : '0');
    }
    if (n <= (size_t)exponent + 1) hone_buf_append_str(out, ".0");
}

/* -- repr and str ----------------------------------------------------------------- */

/* str.isprintable: what repr shows as it is. */
static bool is_printable(uint32_t cp)
{
    if (cp == ' ') return true;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    default:
        return true;
    }
}

static void print_repr_str(hone_buf *out, tpl_str s)
{
    const bool single = s.len && memchr(s.s, '\'', s.len);
    const bool both = single && memchr(s.s, '"', s.len);
    const char quote = single && !both ? '"' : '\'';
    hone_buf_append_char(out, quote);
    for (size_t at = 0; at < s.len;) {
        const tpl_str c = tpl_char_at(s, at);
        uint32_t cp;
        (void)hone_utf8_decode(c.s, c.len, &cp);
        if (cp == '\n')
            hone_buf_append_str(out, "\\n");
        else if (cp == '\r')
            hone_buf_append_str(out, "\\r");
        else if (cp == '\t')
            hone_buf_append_str(out, "\\t");
        else if (cp == '\\' || cp == (uint32_t)quote)
            hone_buf_printf(out, "\\%c", (int)cp);
        else if (is_printable(cp))
            hone_buf_append(out, c.s, c.len);
        else if (cp < 0x100)
            hone_buf_printf(out, "\\x%02x", (unsigned)cp);
        else if (cp < 0x10000)
            hone_buf_printf(out, "\\u%04x", (unsigned)cp);
        else
            hone_buf_printf(out, "\\U%08x", (unsigned)cp);
        at += c.len;
    }
    hone_buf_append_char(out, quote);
}

static void print_repr_list(tpl_machine *m, hone_buf *out, const tpl_value *v,
                            int depth)
{
    const tpl_list *l = v->u.list;
    const bool tuple = v->kind == TPL_TUPLE;
    hone_buf_append_char(out, tuple ? '(' : '[');
    for (size_t i = 0; i < l->n; i++) {
        if (i) hone_buf_append_str(out, ", ");
        tpl_print_repr(m, out, &l->item[i], depth + 1);
    }
    if (tuple && l->n == 1) hone_buf_append_char(out, ',');
    hone_buf_append_char(out, tuple ? ')' : ']');
}

static void print_repr_dict(tpl_machine *m, hone_buf *out, const tpl_dict *d, int depth)
{
    hone_buf_append_char(out, '{');
    for (size_t i = 0; i < d->n; i++) {
        if (i) hone_buf_append_str(out, ", ");
        tpl_print_repr(m, out, &d->key[i], depth + 1);
        hone_buf_append_str(out, ": ");
        tpl_print_repr(m, out, &d->value[i], depth + 1);
    }
    hone_buf_append_char(out, '}');
}

void tpl_print_repr(tpl_machine *m, hone_buf *out, const tpl_value *v, int depth)
{
    tpl_step(m, 1);
    if (depth > MAX_NESTING) tpl_fail_limit(m, "deep a value");
    check(m, out);
    switch (v->kind) {
    case TPL_UNDEFINED:
        hone_buf_append_str(out, "Undefined");
        break;
    case TPL_NONE:
        hone_buf_append_str(out, "None");
        break;
    case TPL_BOOL:
        hone_buf_append_str(out, v->u.b ? "True" : "False");
        break;
    case TPL_INT:
        hone_buf_printf(out, "%" PRId64, v->u.i);
        break;
    case TPL_FLOAT:
        print_float(out, v->u.f);
        break;
    case TPL_STR:
        if (v->markup) hone_buf_append_str(out, "Markup(");
        print_repr_str(out, v->u.str);
        if (v->markup) hone_buf_append_char(out, ')');
        break;
    case TPL_LIST:
    case TPL_TUPLE:
        if (v->iterator)
            hone_buf_append_str(out, "<iterator>");
        else
            print_repr_list(m, out, v, depth);
        break;
    case TPL_DICT:
        print_repr_dict(m, out, v->u.dict, depth);
        break;
    case TPL_NAMESPACE:
        hone_buf_append_str(out, "<Namespace ");
        print_repr_dict(m, out, v->u.dict, depth);
        hone_buf_append_char(out, '>');
        break;
    case TPL_MACRO:
        hone_buf_append_str(out, "<Macro ");
        print_repr_str(out, v->u.macro->node->name);
        hone_buf_append_char(out, '>');
        break;
    case TPL_LOOP:
        hone_buf_printf(out, "<LoopContext %zu/%zu>", v->u.loop->at + 1,
                        v->u.loop->items->n);
        break;
    default:
        hone_buf_printf(out, "<%s>", tpl_type_name(v));
        break;
    }
}

void tpl_print_str(tpl_machine *m, hone_buf *out, const tpl_value *v)
{
    if (v->kind == TPL_UNDEFINED) return;
    if (v->kind == TPL_STR) {
        tpl_step(m, v->u.str.len / 64);
        hone_buf_append(out, v->u.str.s, v->u.str.len);
    } else {
        tpl_print_repr(m, out, v, 0);
    }
}

tpl_str tpl_to_str(tpl_machine *m, const tpl_value *v)
{
    if (v->kind == TPL_STR) return v->u.str;
    hone_buf *b = tpl_buf_open(m);
    tpl_print_str(m, b, v);
    return tpl_buf_str(m, b);
}

tpl_str tpl_escape(tpl_machine *m, tpl_str s)
{
    hone_buf *b = tpl_buf_open(m);
    for (size_t i = 0; i < s.len; i++) {
        switch (s.s[i]) {
        case '&':
            hone_buf_append_str(b, "&amp;");
            break;
        case '<':
            hone_buf_append_str(b, "&lt;");
            break;
        case '>':
            hone_buf_append_str(b, "&gt;");
            break;
        case '"':
            hone_buf_append_str(b, "&#34;");
            break;
        case '\'':
            hone_buf_append_str(b, "&#39;");
            break;
        default:
            hone_buf_append_char(b, s.s[i]);
            break;
        }
    }
    return tpl_buf_str(m, b);
}

/* -- JSON ------------------------------------------------------------------------- */

static void json_unit(hone_buf *out, uint32_t unit)
{
    hone_buf_printf(out, "\\u%04x", (unsigned)unit);
}

static void print_json_str(hone_buf *out, tpl_str s, bool ascii)
{
    hone_buf_append_char(out, '"');
    for (size_t at = 0; at < s.len;) {
        static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
        const tpl_str c = tpl_char_at(s, at);
        uint32_t cp;
        (void)hone_utf8_decode(c.s, c.len, &cp);
        const char *simple = cp && cp < 128 ? strchr(from, (int)cp) : NULL;
        if (simple) {
            hone_buf_printf(out, "\\%c", to[simple - from]);
        } else if (cp < 32) {
            json_unit(out, cp);
        } else if (ascii && cp >= 0x10000) {
            json_unit(out, 0xD800 + ((cp - 0x10000) >> 10));
            json_unit(out, 0xDC00 + ((cp - 0x10000) & 0x3FF));
        } else if (ascii && cp >= 127) {
            if (cp == 127)
                hone_buf_append_char(out, 127);
            else
                json_unit(out, cp);
        } else {
            hone_buf_append(out, c.s, c.len);
        }
        at += c.len;
    }
    hone_buf_append_char(out, '"');
}

static void print_json_number(tpl_machine *m, hone_buf *out, const tpl_value *v)
{
    if (v->kind == TPL_FLOAT && (isnan(v->u.f) || isinf(v->u.f))) {
        hone_buf_append_str(out, isnan(v->u.f) ? "NaN"
                                 : v->u.f > 0  ? "Infinity"
                                               : "-Infinity");
    } else {
        tpl_print_repr(m, out, v, 0);
    }
}

static void new_line(hone_buf *out, int indent, int depth)
{
    if (indent < 0) return;
    hone_buf_append_char(out, '\n');
    for (int i = 0; i < indent * depth && !out->failed; i++) {
        hone_buf_append_char(out, ' ');
    }
}

/* A key as a string: numbers, booleans and none have a spelling. */
static tpl_str json_key(tpl_machine *m, const tpl_value *k)
{
    if (k->kind == TPL_STR) return k->u.str;
    if (k->kind == TPL_NONE) return (tpl_str){"null", 4};
    if (k->kind == TPL_BOOL)
        return k->u.b ? (tpl_str){"true", 4} : (tpl_str){"false", 5};
    if (k->kind != TPL_INT && k->kind != TPL_FLOAT) {
        tpl_fail(m, "tojson: a %s cannot be a key", tpl_type_name(k));
    }
    hone_buf *b = tpl_buf_open(m);
    print_json_number(m, b, k);
    return tpl_buf_str(m, b);
}

typedef struct json_entry {
    tpl_str key;
    const tpl_value *value;
} json_entry;

static int by_key(const void *a, const void *b)
{
    const tpl_str x = ((const json_entry *)a)->key, y = ((const json_entry *)b)->key;
    const size_t n = x.len < y.len ? x.len : y.len;
    const int c = n ? memcmp(x.s, y.s, n) : 0;
    return c ? c : x.len < y.len ? -1 : x.len > y.len;
}

static void print_json_dict(tpl_machine *m, hone_buf *out, const tpl_dict *d,
                            bool ascii, int indent, bool sort, tpl_str comma,
                            tpl_str colon, int depth)
{
    json_entry *e = tpl_alloc(m, (d->n + 1) * sizeof *e);
    for (size_t i = 0; i < d->n; i++) {
        e[i] = (json_entry){json_key(m, &d->key[i]), &d->value[i]};
    }
    if (sort) qsort(e, d->n, sizeof *e, by_key);
    hone_buf_append_char(out, '{');
    for (size_t i = 0; i < d->n; i++) {
        if (i) hone_buf_append(out, comma.s, comma.len);
        new_line(out, indent, depth + 1);
        print_json_str(out, e[i].key, ascii);
        hone_buf_append(out, colon.s, colon.len);
        tpl_print_json(m, out, e[i].value, ascii, indent, sort, comma, colon,
                       depth + 1);
    }
    if (d->n) new_line(out, indent, depth);
    hone_buf_append_char(out, '}');
}

void tpl_print_json(tpl_machine *m, hone_buf *out, const tpl_value *v, bool ascii,
                    int indent, bool sort, tpl_str comma, tpl_str colon, int depth)
{
    tpl_step(m, 1);
    check(m, out);
    if (depth > MAX_NESTING) tpl_fail_limit(m, "deep a value");
    switch (v->kind) {
    case TPL_NONE:
        hone_buf_append_str(out, "null");
        return;
    case TPL_BOOL:
        hone_buf_append_str(out, v->u.b ? "true" : "false");
        return;
    case TPL_INT:
    case TPL_FLOAT:
        print_json_number(m, out, v);
        return;
    case TPL_STR:
        print_json_str(out, v->u.str, ascii);
        return;
    case TPL_DICT:
        print_json_dict(m, out, v->u.dict, ascii, indent, sort, comma, colon, depth);
        return;
    case TPL_LIST:
    case TPL_TUPLE:
        if (v->iterator) tpl_fail(m, "tojson: an iterator is not JSON");
        hone_buf_append_char(out, '[');
        for (size_t i = 0; i < v->u.list->n; i++) {
            if (i) hone_buf_append(out, comma.s, comma.len);
            new_line(out, indent, depth + 1);
            tpl_print_json(m, out, &v->u.list->item[i], ascii, indent, sort, comma,
                           colon, depth + 1);
        }
        if (v->u.list->n) new_line(out, indent, depth);
        hone_buf_append_char(out, ']');
        return;
    default:
        tpl_fail(m, "tojson: a %s is not JSON", tpl_type_name(v));
    }
}

/* -- Python's % and str.format ---------------------------------------------------- */

/* A specification of % formatting: flags, width, precision, then the letter. */
typedef struct spec {
    char text[32];
    char letter;
} spec;

static size_t read_spec(tpl_machine *m, tpl_str f, size_t at, spec *s)
{
    size_t n = 0;
    s->text[n++] = '%';
    while (at < f.len && f.s[at] && strchr("-+ #0123456789.", f.s[at])) {
        if (n > 12) tpl_fail(m, "format: a width is too large");
        s->text[n++] = f.s[at++];
    }
    if (at >= f.len) tpl_fail(m, "format: incomplete");
    s->letter = f.s[at++];
    s->text[n] = '\0';
    return at;
}

static void print_spec(tpl_machine *m, hone_buf *out, spec *s, const tpl_value *v)
{
    char *end = s->text + strlen(s->text), *p = s->text + strspn(s->text, "%-+ #");
    /* printf takes gigabytes for a long number, which has to fit text[] below too */
    const long most = s->letter == 's' || s->letter == 'r' ? 100000 : 300;
    const long width = strtol(p, &p, 10),
               precision = *p == '.' ? strtol(p + 1, &p, 10) : 0;
    if (*p) tpl_fail(m, "format: '%s%c' is malformed", s->text, s->letter);
    if (width > most || precision > most) tpl_fail(m, "format: a width is too large");
    if (s->letter == 's' || s->letter == 'r') {
        hone_buf *b = tpl_buf_open(m);
        if (s->letter == 's')
            tpl_print_str(m, b, v);
        else
            tpl_print_repr(m, b, v, 0);
        const tpl_str text = tpl_buf_str(m, b);
        if (end == s->text + 1) {
            hone_buf_append(out, text.s, text.len);
        } else {
            memcpy(end, "s", 2);
            char *copy = tpl_alloc(m, text.len + 1);
            memcpy(copy, text.s, text.len);
            copy[text.len] = '\0';
            const int n = snprintf(NULL, 0, s->text, copy);
            char *padded = tpl_alloc(m, (size_t)n + 1);
            snprintf(padded, (size_t)n + 1, s->text, copy);
            hone_buf_append(out, padded, (size_t)n);
        }
        return;
    }
    if (!tpl_is_number(v)) {
        tpl_fail(m, "format: %%%c needs a number, found a %s", s->letter,
                 tpl_type_name(v));
    }
    char text[640]; /* the longest double, with 300 digits behind its point */
    if (strchr("di", s->letter)) {
        memcpy(end, PRId64, sizeof PRId64);
        const int64_t i =
            v->kind == TPL_FLOAT ? (int64_t)v->u.f : tpl_as_int(m, v, "format");
        snprintf(text, sizeof text, s->text, i);
    } else if (strchr("xXo", s->letter) && v->kind != TPL_FLOAT) {
        const char tail[4] = {'l', 'l', s->letter, '\0'};
        memcpy(end, tail, sizeof tail);
        snprintf(text, sizeof text, s->text, (long long)tpl_as_int(m, v, "format"));
    } else if (strchr("feEgGF", s->letter)) {
        const char tail[2] = {s->letter, '\0'};
        memcpy(end, tail, sizeof tail);
        snprintf(text, sizeof text, s->text, tpl_as_double(v));
    } else {
        tpl_fail(m, "format: '%%%c' is unknown", s->letter);
    }
    hone_buf_append_str(out, text);
}

tpl_value tpl_percent(tpl_machine *m, tpl_str f, const tpl_value *args)
{
    const bool tuple = args->kind == TPL_TUPLE;
    const size_t n = tuple ? args->u.list->n : 1;
    size_t used = 0;
    hone_buf *b = tpl_buf_open(m);
    for (size_t at = 0; at < f.len;) {
        if (f.s[at] != '%') {
            hone_buf_append_char(b, f.s[at++]);
            continue;
        }
        at++;
        if (at < f.len && f.s[at] == '%') {
            hone_buf_append_char(b, '%');
            at++;
            continue;
        }
        tpl_value v;
        if (at < f.len && f.s[at] == '(') { /* %(key)s */
            size_t close;
            if (args->kind != TPL_DICT || !tpl_find(f, (tpl_str){")", 1}, at, &close)) {
                tpl_fail(m, "format: expected a dict");
            }
            const tpl_value *e = tpl_dict_find_str(
                m, args->u.dict, (tpl_str){f.s + at + 1, close - at - 1});
            if (!e) tpl_fail(m, "format: no such key");
            v = *e;
            at = close + 1;
            used = n;
        } else {
            if (used >= n) tpl_fail(m, "format: not enough values");
            v = tuple ? args->u.list->item[used] : *args;
            used++;
        }
        spec s;
        at = read_spec(m, f, at, &s);
        print_spec(m, b, &s, &v);
    }
    /* dicts and lists may stay unused, as in Python */
    const bool lax = args->kind == TPL_DICT || args->kind == TPL_LIST;
    if (used < n && !lax) tpl_fail(m, "format: values are left over");
    return tpl_string(tpl_buf_str(m, b));
}

/* One replacement field of str.format, without its braces: [name or number][.attr][[key]]
 * [!r or !s]; format specifications are refused. */
static void print_field(tpl_machine *m, hone_buf *out, tpl_str field, tpl_args *args,
                        size_t *next)
{
    size_t end = 0;
    while (end < field.len && !strchr(".[!:", field.s[end])) {
        end++;
    }
    tpl_value v;
    const tpl_str head = {field.s, end};
    if (end == 0 || (head.s[0] >= '0' && head.s[0] <= '9')) {
        const size_t i = end == 0 ? (*next)++ : (size_t)strtoul(head.s, NULL, 10);
        if (i >= args->n) tpl_fail(m, "format: no argument %zu", i);
        v = args->item[i];
    } else {
        const tpl_value *named = NULL;
        for (size_t i = 0; i < args->n_named; i++) {
            if (args->name[i].len == head.len &&
                memcmp(args->name[i].s, head.s, head.len) == 0) {
                named = &args->named[i];
            }
        }
        if (!named) tpl_fail(m, "format: no argument '%.*s'", (int)head.len, head.s);
        v = *named;
    }
    const tpl_str rest = {field.s + end, field.len - end};
    if (rest.len == 0 || tpl_str_is(rest, "!s"))
        tpl_print_str(m, out, &v);
    else if (tpl_str_is(rest, "!r"))
        tpl_print_repr(m, out, &v, 0);
    else
        tpl_fail(m, "format: field '%.*s' is too elaborate", (int)field.len, field.s);
}

tpl_value tpl_format(tpl_machine *m, tpl_str f, tpl_args *args)
{
    size_t next = 0;
    hone_buf *b = tpl_buf_open(m);
    for (size_t at = 0; at < f.len;) {
        const char c = f.s[at];
        const bool twice = at + 1 < f.len && f.s[at + 1] == c;
        if ((c == '{' || c == '}') && twice) {
            hone_buf_append_char(b, c);
            at += 2;
        } else if (c == '{') {
            size_t close;
            if (!tpl_find(f, (tpl_str){"}", 1}, at, &close))
                tpl_fail(m, "format: '{' is open");
            print_field(m, b, (tpl_str){f.s + at + 1, close - at - 1}, args, &next);
            at = close + 1;
        } else if (c == '}') {
            tpl_fail(m, "format: a single '}'");
        } else {
            hone_buf_append_char(b, c);
            at++;
        }
    }
    return tpl_string(tpl_buf_str(m, b));
}
