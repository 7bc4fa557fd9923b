/* pattern_parse.c - the syntax of regular expressions. */
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "grammar/pattern_internal.h"

enum {
    MAX_NESTING = 120,
    MAX_COUNT = 1 << 30
};

typedef struct parser {
    hone_exprs *x;
    hone_arena *arena;
    const char *s, *begin, *end;
    hone_spelling how;
    int depth;
    hone_status status;
    hone_error *err;
} parser;

static re_node *fail(parser *p, hone_status code, const char *what)
{
    if (!p->status) {
        p->status =
            hone_fail(p->err, code, "%s at byte %zu", what, (size_t)(p->s - p->begin));
    }
    return NULL;
}

static re_node *node(parser *p, re_kind kind)
{
    re_node *n = hone_arena_push(p->arena, sizeof *n);
    if (!n) return fail(p, HONE_E_LIMIT, "too large");
    *n = (re_node){.kind = kind};
    return n;
}

static int peek(const parser *p)
{
    return p->s < p->end ? (unsigned char)*p->s : -1;
}

static bool take(parser *p, const char *word)
{
    const size_t n = strlen(word);
    if ((size_t)(p->end - p->s) < n || memcmp(p->s, word, n) != 0) return false;
    p->s += n;
    return true;
}

static uint32_t take_char(parser *p)
{
    uint32_t c = 0;
    const int n = hone_utf8_decode(p->s, (size_t)(p->end - p->s), &c);
    if (n <= 0) {
        fail(p, HONE_E_FORMAT, "invalid UTF-8");
        p->s = p->end;
        return 0;
    }
    p->s += n;
    return c;
}

/* -- classes ---------------------------------------------------------------------- */

static void add_digits(hone_chars *c)
{
    hone_chars_add(c, '0', '9');
}

static void add_word(hone_chars *c)
{
    hone_chars_add(c, 'a', 'z');
    hone_chars_add(c, 'A', 'Z');
    hone_chars_add(c, '0', '9');
    hone_chars_add(c, '_', '_');
}

static void add_space(hone_chars *c)
{
    static const hone_chars_range space[] = {
        {9, 13},          {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
        {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
        {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    for (size_t i = 0; i < sizeof space / sizeof *space; i++) {
        hone_chars_add(c, space[i].lo, space[i].hi);
    }
}

static void add_negated(hone_chars *c, void (*add)(hone_chars *))
{
    hone_chars other = {0};
    add(&other);
    hone_chars_negate(&other);
    hone_chars_add_all(c, &other);
    c->failed |= other.failed;
    hone_chars_release(&other);
}

/* \d and the like; false if letter is none. */
static bool add_class(hone_chars *c, int letter)
{
    switch (letter) {
    case 'd':
        add_digits(c);
        return true;
    case 'w':
        add_word(c);
        return true;
    case 's':
        add_space(c);
        return true;
    case 'D':
        add_negated(c, add_digits);
        return true;
    case 'W':
        add_negated(c, add_word);
        return true;
    case 'S':
        add_negated(c, add_space);
        return true;
    default:
        return false;
    }
}

/* \p{L}, \p{Lu}, \p{Letter}.. are general categories; others are refused. */
static void add_property(parser *p, hone_chars *c, bool negated)
{
    const char *close = p->s < p->end && *p->s == '{'
                            ? memchr(p->s, '}', (size_t)(p->end - p->s))
                            : NULL;
    const size_t n = close ? (size_t)(close - p->s) - 1 : 0;
    if (n < 1 || n > 2) {
        fail(p, HONE_E_UNSUPPORTED, "a property that is no general category");
        return;
    }
    hone_chars found = {0};
    uint32_t from = 0;
    bool inside = false;
    for (uint32_t v = 0; v <= 0x110000; v++) {
        const char *name =
            v < 0x110000 ? utf8proc_category_string((utf8proc_int32_t)v) : "";
        const bool in = strncmp(name, p->s + 1, n) == 0 && name[0];
        if (in && !inside) from = v;
        if (!in && inside) hone_chars_add(&found, from, v - 1);
        inside = in;
    }
    if (found.n == 0) fail(p, HONE_E_UNSUPPORTED, "an unknown property");
    if (negated) hone_chars_negate(&found);
    hone_chars_add_all(c, &found);
    c->failed |= found.failed;
    hone_chars_release(&found);
    p->s = close + 1;
}

static bool take_hex(parser *p, int n, uint32_t *v)
{
    *v = 0;
    if (p->end - p->s < n) return false;
    for (int i = 0; i < n; i++) {
        const char *digits = "0123456789abcdef";
        const char *d = memchr(digits, p->s[i] | 32, 16);
        if (!d || p->s[i] < '0') return false;
        *v = *v << 4 | (uint32_t)(d - digits);
    }
    p->s += n;
    return true;
}

static uint32_t take_u_escape(parser *p)
{
    uint32_t v = 0, low;
    if (peek(p) == '{') {
        const char *q = p->s + 1;
        int n = 0;
        while (q + n < p->end && q[n] != '}' && n < 7)
            n++;
        p->s++;
        if (n == 0 || n > 6 || !take_hex(p, n, &v) || !take(p, "}") || v > 0x10FFFF) {
            fail(p, HONE_E_FORMAT, "a broken \\u{..} escape");
        }
        return v;
    }
    if (!take_hex(p, 4, &v)) return 'u';
    const char *back = p->s;
    if (v >= 0xD800 && v < 0xDC00 && take(p, "\\u") && take_hex(p, 4, &low) &&
        low >= 0xDC00 && low < 0xE000) {
        return 0x10000 + ((v - 0xD800) << 10) + (low - 0xDC00);
    }
    p->s = back;
    return v;
}

/* The character of an escape whose backslash is taken and which is no class. */
static uint32_t take_escape(parser *p)
{
    uint32_t v;
    const uint32_t c = take_char(p);
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    case 'f':
        return '\f';
    case '0':
        if (peek(p) >= '0' && peek(p) <= '9')
            fail(p, HONE_E_UNSUPPORTED, "an octal escape");
        return 0;
    case 'x':
        return take_hex(p, 2, &v) ? v : 'x';
    case 'u':
        return take_u_escape(p);
    case 'c':
        if ((peek(p) | 32) >= 'a' && (peek(p) | 32) <= 'z') return take_char(p) & 31;
        fail(p, HONE_E_FORMAT, "a broken \\c escape");
        return 0;
    default:
        return c;
    }
}

/* One member of [..]: a class (false) or a character (true). */
static bool class_member(parser *p, hone_chars *c, uint32_t *v)
{
    if (!take(p, "\\")) {
        *v = take_char(p);
        return true;
    }
    const int letter = peek(p);
    if (letter < 0) {
        fail(p, HONE_E_FORMAT, "a backslash at the end");
        return false;
    }
    if (letter == 'p' || letter == 'P') {
        p->s++;
        add_property(p, c, letter == 'P');
        return false;
    }
    if (add_class(c, letter)) {
        p->s++;
        return false;
    }
    if (letter == 'b') {
        p->s++;
        *v = '\b';
        return true;
    }
    if (letter >= '1' && letter <= '9') fail(p, HONE_E_UNSUPPORTED, "an octal escape");
    *v = take_escape(p);
    return true;
}

static re_node *finish_set(parser *p, hone_chars *c)
{
    re_node *n = node(p, RE_SET);
    if (n) n->set = hone_chars_expr(p->x, c, p->how);
    hone_chars_release(c);
    return n;
}

static re_node *parse_class(parser *p)
{
    hone_chars c = {0};
    const bool negated = take(p, "^");
    while (!p->status && peek(p) != ']') {
        if (peek(p) < 0) {
            fail(p, HONE_E_FORMAT, "'[' without ']'");
            break;
        }
        uint32_t lo, hi;
        const bool single = class_member(p, &c, &lo);
        if (peek(p) == '-' && p->s + 1 < p->end && p->s[1] != ']') {
            p->s++;
            hone_chars other = {0};
            const bool range = class_member(p, &other, &hi) && single;
            if (range && lo > hi) fail(p, HONE_E_FORMAT, "a range out of order");
            if (range) {
                hone_chars_add(&c, lo, hi);
            } else { /* annex B: beside a class the dash is a dash */
                hone_chars_add(&c, '-', '-');
                if (single) hone_chars_add(&c, lo, lo);
                if (other.n == 0) hone_chars_add(&c, hi, hi);
                hone_chars_add_all(&c, &other);
            }
            hone_chars_release(&other);
        } else if (single) {
            hone_chars_add(&c, lo, lo);
        }
    }
    p->s += !p->status;
    if (negated) hone_chars_negate(&c);
    return finish_set(p, &c);
}

/* -- terms ------------------------------------------------------------------------ */

static re_node *parse_alt(parser *p);

static re_node *char_node(parser *p, uint32_t v)
{
    hone_chars c = {0};
    hone_chars_add(&c, v, v);
    return finish_set(p, &c);
}

static re_node *parse_escape(parser *p)
{
    const int letter = peek(p);
    if (letter < 0) return fail(p, HONE_E_FORMAT, "a backslash at the end");
    if (letter == 'b' || letter == 'B')
        return fail(p, HONE_E_UNSUPPORTED, "a word boundary");
    if ((letter >= '1' && letter <= '9') || letter == 'k') {
        return fail(p, HONE_E_UNSUPPORTED, "a back reference");
    }
    hone_chars c = {0};
    if (letter == 'p' || letter == 'P') {
        p->s++;
        add_property(p, &c, letter == 'P');
        return finish_set(p, &c);
    }
    if (add_class(&c, letter)) {
        p->s++;
        return finish_set(p, &c);
    }
    return char_node(p, take_escape(p));
}

static re_node *parse_group(parser *p)
{
    re_node *n = NULL;
    bool ahead = false, negated = false;
    if (take(p, "?")) {
        if (take(p, "=")) {
            ahead = true;
        } else if (take(p, "!")) {
            ahead = negated = true;
        } else if (take(p, "<") && peek(p) != '=' && peek(p) != '!') {
            while (peek(p) >= 0 && peek(p) != '>')
                p->s++;
            if (!take(p, ">")) return fail(p, HONE_E_FORMAT, "a broken group name");
        } else if (!take(p, ":")) {
            return fail(p, HONE_E_UNSUPPORTED, "a lookbehind or an unknown group");
        }
    }
    if (++p->depth > MAX_NESTING)
        return fail(p, HONE_E_LIMIT, "groups nested too deeply");
    re_node *inside = parse_alt(p);
    p->depth--;
    if (!inside) return NULL;
    if (!take(p, ")")) return fail(p, HONE_E_FORMAT, "'(' without ')'");
    if (!ahead) return inside;
    n = node(p, RE_AHEAD);
    if (!n) return NULL;
    n->child = inside;
    n->negated = negated;
    n->zero_width = true;
    return n;
}

static re_node *parse_atom(parser *p)
{
    re_node *n;
    hone_chars c = {0};
    switch (peek(p)) {
    case '(':
        p->s++;
        return parse_group(p);
    case '[':
        p->s++;
        return parse_class(p);
    case '\\':
        p->s++;
        return parse_escape(p);
    case '.':
        p->s++;
        hone_chars_add(&c, '\n', '\n');
        hone_chars_add(&c, '\r', '\r');
        hone_chars_add(&c, 0x2028, 0x2029);
        hone_chars_negate(&c);
        return finish_set(p, &c);
    case '^':
    case '$':
        n = node(p, *p->s++ == '^' ? RE_START : RE_END);
        if (n) n->zero_width = true;
        return n;
    case '*':
    case '+':
    case '?':
        return fail(p, HONE_E_FORMAT, "nothing to repeat");
    default:
        return char_node(p, take_char(p));
    }
}

static bool take_number(parser *p, uint32_t *v)
{
    const char *from = p->s;
    uint64_t n = 0;
    for (; peek(p) >= '0' && peek(p) <= '9'; p->s++) {
        n = n * 10 + (uint64_t)(*p->s - '0');
        if (n > MAX_COUNT) n = MAX_COUNT;
    }
    *v = (uint32_t)n;
    return p->s > from;
}

/* A quantifier; false, at the same place, where there is none ("a{" is text). */
static bool take_quantifier(parser *p, uint32_t *min, uint32_t *max)
{
    const char *back = p->s;
    *max = HONE_EXPR_MANY;
    if (take(p, "*")) {
        *min = 0;
    } else if (take(p, "+")) {
        *min = 1;
    } else if (take(p, "?")) {
        *min = 0;
        *max = 1;
    } else {
        if (!take(p, "{") || !take_number(p, min)) {
            p->s = back;
            return false;
        }
        if (!take(p, ","))
            *max = *min;
        else if (peek(p) != '}' && !take_number(p, max))
            p->s = back;
        if (p->s == back || !take(p, "}")) {
            p->s = back;
            return false;
        }
    }
    take(p, "?"); /* laziness */
    return true;
}

static re_node *parse_term(parser *p)
{
    re_node *n = parse_atom(p);
    uint32_t min, max;
    for (int i = 0; n && take_quantifier(p, &min, &max); i++) {
        if (i > 0) return fail(p, HONE_E_FORMAT, "nothing to repeat");
        if (min > max) return fail(p, HONE_E_FORMAT, "a count out of order");
        re_node *rep = node(p, RE_REP);
        if (!rep) return NULL;
        rep->child = n;
        rep->min = min;
        rep->max = max;
        rep->zero_width = n->zero_width;
        n = rep;
    }
    return n;
}

static re_node *parse_cat(parser *p)
{
    re_node *cat = node(p, RE_CAT);
    if (!cat) return NULL;
    re_node **end = &cat->child;
    while (peek(p) >= 0 && peek(p) != '|' && peek(p) != ')') {
        re_node *n = parse_term(p);
        if (!n || p->x->failed) return NULL;
        cat->zero_width |= n->zero_width;
        /* a group may already have siblings' links: every node has one parent */
        *end = n;
        end = &n->next;
    }
    return cat;
}

static re_node *parse_alt(parser *p)
{
    re_node *first = parse_cat(p);
    if (!first || peek(p) != '|') return first;
    re_node *alt = node(p, RE_ALT);
    if (!alt) return NULL;
    alt->child = first;
    alt->zero_width = first->zero_width;
    re_node **end = &first->next;
    while (take(p, "|")) {
        re_node *n = parse_cat(p);
        if (!n) return NULL;
        alt->zero_width |= n->zero_width;
        *end = n;
        end = &n->next;
    }
    return alt;
}

hone_status hone_pattern_parse(hone_exprs *x, hone_arena *arena, const char *s,
                               size_t len, hone_spelling how, re_node **out,
                               hone_error *err)
{
    parser p = {.x = x,
                .arena = arena,
                .s = s,
                .begin = s,
                .end = s + len,
                .how = how,
                .err = err};
    re_node *n = parse_alt(&p);
    if (n && p.s < p.end && !p.status) fail(&p, HONE_E_FORMAT, "')' without '('");
    if (p.status) return p.status;
    HONE_TRY(hone_exprs_status(x, "pattern", err));
    if (!n) return hone_fail(err, HONE_E_LIMIT, "too large");
    *out = n;
    return HONE_OK;
}
