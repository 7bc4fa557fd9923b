/* template_text.c - strings as Python's str methods treat them. */
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "text/template_internal.h"

/* str.isspace: Unicode white space and the separators U+001C .. U+001F. */
bool tpl_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

tpl_str tpl_char_at(tpl_str s, size_t at)
{
    uint32_t cp;
    const int n = hone_utf8_decode(s.s + at, s.len - at, &cp);
    return (tpl_str){s.s + at, n > 0 ? (size_t)n : 1};
}

static uint32_t code_point(tpl_str c)
{
    uint32_t cp;
    (void)hone_utf8_decode(c.s, c.len, &cp);
    return cp;
}

/* The character that ends before byte `at`, at > 0. */
static tpl_str char_before(tpl_str s, size_t at)
{
    size_t from = at - 1;
    while (from > 0 && ((unsigned char)s.s[from] & 0xC0) == 0x80) {
        from--;
    }
    return (tpl_str){s.s + from, at - from};
}

bool tpl_find(tpl_str s, tpl_str what, size_t from, size_t *at)
{
    if (from > s.len) return false;
    if (what.len == 0) {
        *at = from;
        return true;
    }
    const char *p = memmem(s.s + from, s.len - from, what.s, what.len);
    if (p) *at = (size_t)(p - s.s);
    return p != NULL;
}

static bool strips(tpl_str c, const tpl_str *chars)
{
    size_t at;
    if (!chars) return tpl_is_space(code_point(c));
    return tpl_find(*chars, c, 0, &at);
}

tpl_str tpl_strip(tpl_str s, const tpl_str *chars, bool left, bool right)
{
    while (left && s.len) {
        const tpl_str c = tpl_char_at(s, 0);
        if (!strips(c, chars)) break;
        s.s += c.len;
        s.len -= c.len;
    }
    while (right && s.len) {
        const tpl_str c = char_before(s, s.len);
        if (!strips(c, chars)) break;
        s.len -= c.len;
    }
    return s;
}

/* -- case ------------------------------------------------------------------------- */

/* Full mappings of one character by utf8proc's case folding tables where they differ from
 * the simple ones: upper case of sharp s and ligatures, as Python's str.upper. */
static void append_upper(hone_buf *b, uint32_t cp)
{
    static const struct {
        uint32_t from;
        const char *to;
    } special[] = {{0xDF, "SS"},          {0x149, "\xCA\xBCN"},
                   {0x1F0, "J\xCC\x8C"},  {0xFB00, "FF"},
                   {0xFB01, "FI"},        {0xFB02, "FL"},
                   {0xFB03, "FFI"},       {0xFB04, "FFL"},
                   {0xFB05, "ST"},        {0xFB06, "ST"},
                   {0x1E96, "H\xCC\xB1"}, {0x1E97, "T\xCC\x88"},
                   {0x1E98, "W\xCC\x8A"}, {0x1E99, "Y\xCC\x8A"},
                   {0x1E9A, "A\xCA\xBE"}, {0x587, "\xD4\xB5\xD5\x92"}};
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        if (special[i].from == cp) {
            hone_buf_append_str(b, special[i].to);
            return;
        }
    }
    hone_buf_append_utf8(b, (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp));
}

static void append_title(hone_buf *b, uint32_t cp)
{
    if (cp == 0xDF)
        hone_buf_append_str(b, "Ss");
    else
        hone_buf_append_utf8(b, (uint32_t)utf8proc_totitle((utf8proc_int32_t)cp));
}

static bool is_cased(uint32_t cp)
{
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL ||
           k == UTF8PROC_CATEGORY_LT || k == UTF8PROC_CATEGORY_LM;
}

/* A capital sigma behind a letter and before none is written as final sigma. */
static bool is_final_sigma(tpl_str s, size_t at, size_t after)
{
    if (at == 0 || !is_cased(code_point(char_before(s, at)))) return false;
    return after >= s.len || !is_cased(code_point(tpl_char_at(s, after)));
}

static void append_lower(hone_buf *b, tpl_str s, size_t at, tpl_str c)
{
    const uint32_t cp = code_point(c);
    if (cp == 0x130) {
        hone_buf_append_str(b, "i\xCC\x87");
    } else if (cp == 0x3A3 && is_final_sigma(s, at, at + c.len)) {
        hone_buf_append_utf8(b, 0x3C2);
    } else {
        hone_buf_append_utf8(b, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp));
    }
}

tpl_str tpl_upper(tpl_machine *m, tpl_str s)
{
    hone_buf *b = tpl_buf_open(m);
    for (size_t at = 0; at < s.len;) {
        const tpl_str c = tpl_char_at(s, at);
        append_upper(b, code_point(c));
        at += c.len;
    }
    return tpl_buf_str(m, b);
}

tpl_str tpl_lower(tpl_machine *m, tpl_str s)
{
    hone_buf *b = tpl_buf_open(m);
    for (size_t at = 0; at < s.len;) {
        const tpl_str c = tpl_char_at(s, at);
        append_lower(b, s, at, c);
        at += c.len;
    }
    return tpl_buf_str(m, b);
}

tpl_str tpl_capitalize(tpl_machine *m, tpl_str s)
{
    hone_buf *b = tpl_buf_open(m);
    for (size_t at = 0; at < s.len;) {
        const tpl_str c = tpl_char_at(s, at);
        if (at == 0)
            append_title(b, code_point(c));
        else
            append_lower(b, s, at, c);
        at += c.len;
    }
    return tpl_buf_str(m, b);
}

/* str.title begins a word behind anything that has no case; the filter of jinja2 begins
 * one behind white space, - and opening brackets. */
tpl_str tpl_title(tpl_machine *m, tpl_str s, bool python)
{
    hone_buf *b = tpl_buf_open(m);
    bool start = true;
    for (size_t at = 0; at < s.len;) {
        const tpl_str c = tpl_char_at(s, at);
        const uint32_t cp = code_point(c);
        const bool breaks = python ? !is_cased(cp)
                                   : tpl_is_space(cp) || (cp > 0 && cp < 128 &&
                                                          strchr("-({[<", (int)cp));
        if (start && !(breaks && !python)) {
            if (python)
                append_title(b, cp);
            else
                append_upper(b, cp);
        } else {
            append_lower(b, s, at, c);
        }
        start = breaks;
        at += c.len;
    }
    return tpl_buf_str(m, b);
}

/* -- replacing and splitting ------------------------------------------------------ */

tpl_str tpl_replace(tpl_machine *m, tpl_str s, tpl_str from, tpl_str to, int64_t max)
{
    hone_buf *b = tpl_buf_open(m);
    size_t at = 0;
    tpl_step(m, s.len / 16);
    while (max != 0) {
        size_t found;
        if (from.len == 0) { /* before every character and at the end */
            hone_buf_append(b, to.s, to.len);
            if (max > 0) max--;
            if (at >= s.len) return tpl_buf_str(m, b);
            const tpl_str c = tpl_char_at(s, at);
            hone_buf_append(b, c.s, c.len);
            at += c.len;
            continue;
        }
        if (!tpl_find(s, from, at, &found)) break;
        hone_buf_append(b, s.s + at, found - at);
        hone_buf_append(b, to.s, to.len);
        at = found + from.len;
        if (max > 0) max--;
    }
    hone_buf_append(b, s.s + at, s.len - at);
    return tpl_buf_str(m, b);
}

static void push_part(tpl_machine *m, tpl_value *out, const char *s, size_t len)
{
    tpl_push(m, out->u.list, tpl_string((tpl_str){s, len}));
}

/* Words between white space. */
static void split_space(tpl_machine *m, tpl_str s, int64_t max, tpl_value *out)
{
    s = tpl_strip(s, NULL, true, false);
    while (s.len) {
        if (max == 0) {
            push_part(m, out, s.s, s.len);
            return;
        }
        size_t end = 0;
        while (end < s.len && !tpl_is_space(code_point(tpl_char_at(s, end)))) {
            end += tpl_char_at(s, end).len;
        }
        push_part(m, out, s.s, end);
        s = tpl_strip((tpl_str){s.s + end, s.len - end}, NULL, true, false);
        if (max > 0) max--;
    }
}

/* The same from the right; parts come out last first. */
static void rsplit_space(tpl_machine *m, tpl_str s, int64_t max, tpl_value *out)
{
    s = tpl_strip(s, NULL, false, true);
    while (s.len) {
        if (max == 0) {
            push_part(m, out, s.s, s.len);
            return;
        }
        size_t from = s.len;
        while (from > 0 && !tpl_is_space(code_point(char_before(s, from)))) {
            from -= char_before(s, from).len;
        }
        push_part(m, out, s.s + from, s.len - from);
        s = tpl_strip((tpl_str){s.s, from}, NULL, false, true);
        if (max > 0) max--;
    }
}

static void rsplit_sep(tpl_machine *m, tpl_str s, tpl_str sep, int64_t max,
                       tpl_value *out)
{
    size_t end = s.len;
    for (size_t at = end; max != 0 && at >= sep.len;) {
        at -= sep.len;
        size_t i = at;
        while (i > 0 && memcmp(s.s + i, sep.s, sep.len) != 0) {
            i--;
        }
        if (memcmp(s.s + i, sep.s, sep.len) != 0) break;
        push_part(m, out, s.s + i + sep.len, end - i - sep.len);
        end = at = i;
        if (max > 0) max--;
    }
    push_part(m, out, s.s, end);
}

static void reverse(tpl_list *l)
{
    for (size_t i = 0; i < l->n / 2; i++) {
        const tpl_value t = l->item[i];
        l->item[i] = l->item[l->n - 1 - i];
        l->item[l->n - 1 - i] = t;
    }
}

tpl_value tpl_split(tpl_machine *m, tpl_str s, const tpl_str *sep, int64_t max,
                    bool right)
{
    tpl_value out = tpl_new_list(m, TPL_LIST);
    tpl_step(m, s.len / 16);
    if (sep && sep->len == 0) tpl_fail(m, "split: the separator is empty");
    if (right) {
        if (sep)
            rsplit_sep(m, s, *sep, max, &out);
        else
            rsplit_space(m, s, max, &out);
        reverse(out.u.list);
        return out;
    }
    if (!sep) {
        split_space(m, s, max, &out);
        return out;
    }
    size_t at = 0, found;
    while (max != 0 && tpl_find(s, *sep, at, &found)) {
        push_part(m, &out, s.s + at, found - at);
        at = found + sep->len;
        if (max > 0) max--;
    }
    push_part(m, &out, s.s + at, s.len - at);
    return out;
}

static bool is_line_end(uint32_t c)
{
    return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 ||
           c == 0x2028 || c == 0x2029;
}

tpl_value tpl_split_lines(tpl_machine *m, tpl_str s, bool keep)
{
    tpl_value out = tpl_new_list(m, TPL_LIST);
    size_t from = 0;
    for (size_t at = 0; at < s.len;) {
        const tpl_str c = tpl_char_at(s, at);
        const size_t start = at;
        at += c.len;
        if (!is_line_end(code_point(c))) continue;
        if (*c.s == '\r' && at < s.len && s.s[at] == '\n') at++;
        push_part(m, &out, s.s + from, (keep ? at : start) - from);
        from = at;
    }
    if (from < s.len) push_part(m, &out, s.s + from, s.len - from);
    return out;
}
