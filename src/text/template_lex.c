/* template_lex.c - template text to tokens.
 *
 * Outside of tags: data, with trim_blocks (the newline after a block tag or comment goes)
 * and lstrip_blocks (blanks before one at the start of a line go), and the signs - and +
 * of tags.  Inside: names, literals, operators.
 * Source: jinja2 3.1, lexer.py. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/chars.h"
#include "text/template_internal.h"

typedef struct lexer {
    tpl_parser *p;
    const char *s, *end, *at;
    int line;
    bool line_starting; /* what was read last ended with a newline */
} lexer;

static void add(lexer *l, tpl_token t)
{
    tpl_parser *p = l->p;
    if (p->n_token == p->token_cap) {
        const size_t cap = p->token_cap ? p->token_cap * 2 : 256;
        tpl_token *grown = tpl_parse_alloc(p, cap * sizeof *grown);
        if (p->n_token) memcpy(grown, p->token, p->n_token * sizeof *grown);
        p->token = grown;
        p->token_cap = cap;
    }
    p->token[p->n_token++] = t;
}

static void add_simple(lexer *l, tpl_token_kind kind, const char *s, size_t len)
{
    add(l, (tpl_token){.kind = kind, .line = l->line, .text = {s, len}});
}

/* Move on to `to`, counting lines. */
static void advance(lexer *l, const char *to)
{
    for (; l->at < to; l->at++) {
        if (*l->at == '\n') l->line++;
    }
    if (to > l->s) l->line_starting = to[-1] == '\n';
}

static bool starts(const lexer *l, const char *at, const char *what)
{
    const size_t n = strlen(what);
    return (size_t)(l->end - at) >= n && memcmp(at, what, n) == 0;
}

/* Python's \s and str.isspace. */
static const char *skip_spaces(const char *at, const char *end)
{
    while (at < end) {
        uint32_t cp;
        const int n = hone_utf8_decode(at, (size_t)(end - at), &cp);
        if (n <= 0 || !tpl_is_space(cp)) break;
        at += n;
    }
    return at;
}

/* Data before a tag that begins at `tag`; sign is the character behind the brace. */
static void add_data(lexer *l, const char *tag, char sign, bool lstrip)
{
    tpl_str text = {l->at, (size_t)(tag - l->at)};
    if (sign == '-') {
        text = tpl_strip(text, NULL, false, true);
    } else if (sign != '+' && lstrip) {
        const char *nl = text.len ? memrchr(text.s, '\n', text.len) : NULL;
        const char *from = nl ? nl + 1 : text.s;
        if ((nl || l->line_starting) && skip_spaces(from, tag) == tag) {
            text.len = (size_t)(from - text.s);
        }
    }
    if (text.len) add_simple(l, TOK_DATA, text.s, text.len);
}

/* The end of a tag at `at`: "-%}" and spaces, "+%}", or "%}" and a newline.  Returns where
 * it ends, or NULL if no end is there. */
static const char *tag_end(const lexer *l, const char *at, const char *close,
                           bool trims)
{
    if (starts(l, at, "-") && starts(l, at + 1, close))
        return skip_spaces(at + 3, l->end);
    if (trims && starts(l, at, "+") && starts(l, at + 1, close)) return at + 3;
    if (!starts(l, at, close)) return NULL;
    at += 2;
    return trims && at < l->end && *at == '\n' ? at + 1 : at;
}

/* -- literals --------------------------------------------------------------------- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* \xHH, \uHHHH, \UHHHHHHHH: n digits at s; returns the bytes written. */
static size_t hex_escape(lexer *l, const char *s, const char *end, int n, char *out)
{
    uint32_t cp = 0;
    for (int i = 0; i < n; i++) {
        const int d = s + i < end ? hex_value(s[i]) : -1;
        if (d < 0) {
            tpl_parse_fail(l->p, HONE_E_TEMPLATE, l->line, "broken escape in a string");
        }
        cp = cp << 4 | (uint32_t)d;
    }
    return (size_t)hone_utf8_encode(out, cp);
}

/* One escape after its backslash, Python's "unicode-escape"; returns where it ends. */
static const char *escape(lexer *l, const char *s, const char *end, char *out,
                          size_t *n)
{
    static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
    const char *simple = strchr(from, *s);
    *n = 0;
    if (*s && simple) {
        out[(*n)++] = to[simple - from];
        return s + 1;
    }
    if (*s == '\n') return s + 1;
    if (*s == 'x') {
        *n = hex_escape(l, s + 1, end, 2, out);
        return s + 3;
    }
    if (*s == 'u') {
        *n = hex_escape(l, s + 1, end, 4, out);
        return s + 5;
    }
    if (*s == 'U') {
        *n = hex_escape(l, s + 1, end, 8, out);
        return s + 9;
    }
    if (*s >= '0' && *s <= '7') {
        uint32_t cp = 0;
        int i = 0;
        for (; i < 3 && s + i < end && s[i] >= '0' && s[i] <= '7'; i++) {
            cp = cp * 8 + (uint32_t)(s[i] - '0');
        }
        *n = (size_t)hone_utf8_encode(out, cp);
        return s + i;
    }
    out[(*n)++] = '\\'; /* unknown escapes stay */
    return s;
}

static void lex_string(lexer *l)
{
    const char quote = *l->at;
    const char *s = l->at + 1;
    while (s < l->end && *s != quote) {
        s += *s == '\\' && s + 1 < l->end ? 2 : 1;
    }
    if (s >= l->end) {
        tpl_parse_fail(l->p, HONE_E_TEMPLATE, l->line, "a string does not end");
    }
    char *out = tpl_parse_alloc(l->p, (size_t)(s - l->at) * 2 + 4);
    size_t n = 0;
    for (const char *c = l->at + 1; c < s;) {
        if (*c == '\\') {
            size_t k;
            c = escape(l, c + 1, s, out + n, &k);
            n += k;
        } else {
            out[n++] = *c++;
        }
    }
    add_simple(l, TOK_STR, out, n);
    advance(l, s + 1);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits with single underscores between them. */
static const char *digits(const char *s, const char *end)
{
    while (s < end && (is_digit(*s) || (*s == '_' && s + 1 < end && is_digit(s[1])))) {
        s++;
    }
    return s;
}

static void lex_number(lexer *l)
{
    const char *start = l->at, *s = digits(start, l->end);
    bool real = false;
    int base = 10;
    if (*start == '0' && start + 1 < l->end && strchr("bBoOxX", start[1])) {
        base = strchr("bB", start[1]) ? 2 : strchr("oO", start[1]) ? 8 : 16;
        s = start + 2;
        while (s < l->end && (hex_value(*s) >= 0 || *s == '_') &&
               (*s == '_' || hex_value(*s) < base)) {
            s++;
        }
    } else {
        if (s + 1 < l->end && *s == '.' && is_digit(s[1])) {
            real = true;
            s = digits(s + 1, l->end);
        }
        const char *e = s;
        if (e < l->end && (*e == 'e' || *e == 'E')) {
            e++;
            if (e < l->end && (*e == '+' || *e == '-')) e++;
            if (e < l->end && is_digit(*e)) {
                real = true;
                s = digits(e, l->end);
            }
        }
    }
    char text[128];
    size_t n = 0;
    for (const char *c = start + (base == 10 ? 0 : 2); c < s && n + 1 < sizeof text;
         c++) {
        if (*c != '_') text[n++] = *c;
    }
    text[n] = '\0';
    tpl_token t = {.kind = real ? TOK_FLOAT : TOK_INT,
                   .line = l->line,
                   .text = {start, (size_t)(s - start)}};
    errno = 0;
    if (real)
        t.f = strtod(text, NULL);
    else
        t.i = strtoll(text, NULL, base);
    if ((!real && errno) || n + 1 == sizeof text || n == 0) {
        tpl_parse_fail(l->p, HONE_E_TEMPLATE, l->line, "number '%.40s' is out of range",
                       text);
    }
    add(l, t);
    advance(l, s);
}

static const char *name_end(const char *s, const char *end)
{
    while (s < end) {
        uint32_t cp;
        const int n = hone_utf8_decode(s, (size_t)(end - s), &cp);
        if (n <= 0 || !hone_char_is_word(cp)) break;
        s += n;
    }
    return s;
}

static void lex_operator(lexer *l)
{
    static const char *const two[] = {"//", "**", "==", "!=", ">=", "<="};
    for (size_t i = 0; i < sizeof two / sizeof two[0]; i++) {
        if (starts(l, l->at, two[i])) {
            add_simple(l, TOK_OP, two[i], 2);
            advance(l, l->at + 2);
            return;
        }
    }
    if (!strchr("+-/*%~[](){}<>=.:|,;", *l->at) || *l->at == '\0') {
        tpl_parse_fail(l->p, HONE_E_TEMPLATE, l->line, "unexpected character '%c'",
                       (unsigned char)*l->at < 128 ? *l->at : '?');
    }
    add_simple(l, TOK_OP, l->at, 1);
    advance(l, l->at + 1);
}

/* Inside a tag up to its end.  Brackets must balance, so that }} can end a dict. */
static void lex_inside(lexer *l, const char *close, tpl_token_kind end_kind)
{
    const bool trims = end_kind == TOK_BLOCK_END;
    int open = 0;
    for (;;) {
        advance(l, skip_spaces(l->at, l->end));
        if (l->at >= l->end) {
            tpl_parse_fail(l->p, HONE_E_TEMPLATE, l->line, "a tag does not end");
        }
        const char *end = open == 0 ? tag_end(l, l->at, close, trims) : NULL;
        if (end) {
            add_simple(l, end_kind, l->at, 2);
            advance(l, end);
            return;
        }
        const char c = *l->at, *name = name_end(l->at, l->end);
        if (is_digit(c)) {
            lex_number(l);
        } else if (name > l->at) {
            add_simple(l, TOK_NAME, l->at, (size_t)(name - l->at));
            advance(l, name);
        } else if (c == '\'' || c == '"') {
            lex_string(l);
        } else {
            if (strchr("([{", c)) open++;
            if (strchr(")]}", c) && open > 0) open--;
            lex_operator(l);
        }
    }
}

/* -- outside of tags -------------------------------------------------------------- */

static void lex_comment(lexer *l, const char *tag)
{
    for (const char *s = tag + 2; s < l->end; s++) {
        const char *end =
            *s == '#' || *s == '-' || *s == '+' ? tag_end(l, s, "#}", true) : NULL;
        if (end) {
            advance(l, end);
            return;
        }
    }
    tpl_parse_fail(l->p, HONE_E_TEMPLATE, l->line, "a comment does not end");
}

/* After "{%" with its sign: `word` and the end of the tag; NULL if it is another tag. */
static const char *only_word(const lexer *l, const char *at, const char *word,
                             bool trims)
{
    at = skip_spaces(at, l->end);
    if (!starts(l, at, word)) return NULL;
    return tag_end(l, skip_spaces(at + strlen(word), l->end), "%}", trims);
}

static void lex_raw(lexer *l, const char *body)
{
    advance(l, body);
    for (const char *s = body; s + 1 < l->end; s++) {
        if (s[0] != '{' || s[1] != '%') continue;
        const char sign = s + 2 < l->end ? s[2] : '\0';
        const bool has_sign = sign == '-' || sign == '+';
        const char *end = only_word(l, s + 2 + has_sign, "endraw", true);
        if (!end) continue;
        add_data(l, s, sign, true);
        advance(l, end);
        return;
    }
    tpl_parse_fail(l->p, HONE_E_TEMPLATE, l->line, "a raw block does not end");
}

/* The next tag from `at` on, or NULL. */
static const char *find_tag(const lexer *l, const char *at)
{
    while (at < l->end) {
        at = memchr(at, '{', (size_t)(l->end - at));
        if (!at || at + 1 >= l->end) return NULL;
        if (at[1] == '{' || at[1] == '%' || at[1] == '#') return at;
        at++;
    }
    return NULL;
}

void tpl_lex(tpl_parser *p, const char *source, size_t len)
{
    lexer l = {p, source, source + len, source, 1, true};
    while (l.at < l.end) {
        const char *tag = find_tag(&l, l.at);
        if (!tag) {
            add_simple(&l, TOK_DATA, l.at, (size_t)(l.end - l.at));
            advance(&l, l.end);
            break;
        }
        const char kind = tag[1];
        const char sign = tag + 2 < l.end ? tag[2] : '\0';
        const bool has_sign = sign == '-' || sign == '+';
        add_data(&l, tag, sign, kind != '{');
        advance(&l, tag);
        const char *raw =
            kind == '%' ? only_word(&l, tag + 2 + has_sign, "raw", false) : NULL;
        if (raw) {
            lex_raw(&l, raw);
        } else if (kind == '#') {
            lex_comment(&l, tag);
        } else {
            const bool block = kind == '%';
            add_simple(&l, block ? TOK_BLOCK_BEGIN : TOK_VAR_BEGIN, tag, 2);
            advance(&l, tag + 2 + has_sign);
            lex_inside(&l, block ? "%}" : "}}", block ? TOK_BLOCK_END : TOK_VAR_END);
        }
    }
    add_simple(&l, TOK_EOF, l.end, 0);
}
