/* regex_translate.c - patterns written for Oniguruma (Ruby's syntax), for PCRE2.
 *
 * What differs and is rewritten: \s, \w, \b and POSIX brackets, which Oniguruma defines
 * by Unicode properties; classes within classes and their intersections; \h and \v; \uHHHH;
 * the option m, which is PCRE2's s; intervals, which are neither lazy nor possessive;
 * names of properties, where PCRE2 takes a script for its extensions.  The rest is passed
 * on.  Source: kkos/oniguruma, doc/RE; pcre2pattern(3). */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    MAX_DEPTH = 32, /* of classes and of groups */
    MAX_NAME = 48
};

#define SPACES                                                                         \
    "\\t-\\r\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}"       \
    "\\x{202F}\\x{205F}\\x{3000}"
#define WORDS "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
/* outside of classes Oniguruma asks a table for Latin-1 that has superscripts, fractions */
#define LONE_WORDS WORDS "\\xB2\\xB3\\xB9\\xBC-\\xBE"
#define HEX        "0-9A-Fa-f"
#define ANY        "[\\x{0}-\\x{10FFFF}]"

typedef struct translator {
    const char *p, *end;
    hone_buf *out;
    bool failed; /* too deep, or a class without end */
} translator;

static bool at(const translator *t, const char *text)
{
    const size_t n = strlen(text);
    return (size_t)(t->end - t->p) >= n && memcmp(t->p, text, n) == 0;
}

/* -- properties ------------------------------------------------------------------- */

/* Names that PCRE2 does not know, and POSIX brackets; by what they hold in a class. */
static const char *property_of(const char *name)
{
    static const struct {
        const char *name, *body;
    } table[] = {
        {"alpha", "\\p{Alphabetic}"},
        {"alnum", "\\p{Alphabetic}\\p{Nd}"},
        {"blank", "\\t\\p{Zs}"},
        {"cntrl", "\\p{Cc}"},
        {"digit", "\\p{Nd}"},
        {"lower", "\\p{Lowercase}"},
        {"upper", "\\p{Uppercase}"},
        {"punct", "\\p{P}"},
        {"space", SPACES},
        {"word", WORDS},
        {"xdigit", HEX},
        {"ascii", "\\x{0}-\\x{7F}"},
        {"letter", "\\p{L}"},
        {"uppercaseletter", "\\p{Lu}"},
        {"lowercaseletter", "\\p{Ll}"},
        {"titlecaseletter", "\\p{Lt}"},
        {"modifierletter", "\\p{Lm}"},
        {"otherletter", "\\p{Lo}"},
        {"mark", "\\p{M}"},
        {"nonspacingmark", "\\p{Mn}"},
        {"spacingmark", "\\p{Mc}"},
        {"enclosingmark", "\\p{Me}"},
        {"number", "\\p{N}"},
        {"decimalnumber", "\\p{Nd}"},
        {"letternumber", "\\p{Nl}"},
        {"othernumber", "\\p{No}"},
        {"punctuation", "\\p{P}"},
        {"connectorpunctuation", "\\p{Pc}"},
        {"dashpunctuation", "\\p{Pd}"},
        {"openpunctuation", "\\p{Ps}"},
        {"closepunctuation", "\\p{Pe}"},
        {"initialpunctuation", "\\p{Pi}"},
        {"finalpunctuation", "\\p{Pf}"},
        {"otherpunctuation", "\\p{Po}"},
        {"symbol", "\\p{S}"},
        {"mathsymbol", "\\p{Sm}"},
        {"currencysymbol", "\\p{Sc}"},
        {"modifiersymbol", "\\p{Sk}"},
        {"othersymbol", "\\p{So}"},
        {"separator", "\\p{Z}"},
        {"spaceseparator", "\\p{Zs}"},
        {"lineseparator", "\\p{Zl}"},
        {"paragraphseparator", "\\p{Zp}"},
        {"other", "\\p{C}"},
        {"control", "\\p{Cc}"},
        {"format", "\\p{Cf}"},
        {"privateuse", "\\p{Co}"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].name, name) == 0) return table[i].body;
    }
    return NULL;
}

/* Whether PCRE2 knows a script of that name. */
static bool is_script(const char *name)
{
    char pattern[MAX_NAME + 16];
    int code;
    PCRE2_SIZE offset;
    const int n = snprintf(pattern, sizeof pattern, "\\p{sc:%s}", name);
    pcre2_code *c =
        pcre2_compile((PCRE2_SPTR)pattern, (size_t)n, PCRE2_UTF, &code, &offset, NULL);
    pcre2_code_free(c);
    return c != NULL;
}

/* Lower case, without what loose matching of names ignores. */
static void fold_name(char out[MAX_NAME], const char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len && n + 1 < MAX_NAME; i++) {
        const unsigned char c = (unsigned char)s[i];
        if (c != '_' && c != '-' && c != ' ') out[n++] = (char)tolower(c);
    }
    out[n] = '\0';
}

/* What stands for one character in a class: flat text, or the negation of it. */
typedef struct set {
    char body[256];
    bool negated;
} set;

static void set_body(set *s, const char *body, bool negated)
{
    snprintf(s->body, sizeof s->body, "%s", body);
    s->negated = negated;
}

/* \p{Name}, \p{^Name}, \P{Name} at t->p; false if it is none of these. */
static bool read_property(translator *t, set *out)
{
    const char *close = memchr(t->p, '}', (size_t)(t->end - t->p));
    if (t->end - t->p < 4 || t->p[2] != '{' || !close) return false;
    const char *name = t->p + 3;
    bool negated = t->p[1] == 'P';
    if (*name == '^') {
        negated = !negated;
        name++;
    }
    const size_t len = (size_t)(close - name);
    char folded[MAX_NAME], spelled[MAX_NAME + 16];
    fold_name(folded, name, len);
    const char *known = property_of(folded);
    if (known) {
        set_body(out, known, negated);
    } else {
        /* one or two letters are a category */
        const bool script = len > 2 && len < MAX_NAME && is_script(folded);
        snprintf(spelled, sizeof spelled, "\\p{%s%.*s}", script ? "sc:" : "",
                 len < MAX_NAME ? (int)len : MAX_NAME - 1, name);
        set_body(out, spelled, negated);
    }
    t->p = close + 1;
    return true;
}

/* \s and the like at t->p. */
static bool read_shorthand(translator *t, set *out)
{
    if (t->end - t->p < 2) return false;
    switch (t->p[1]) {
    case 's':
    case 'S':
        set_body(out, SPACES, t->p[1] == 'S');
        break;
    case 'w':
    case 'W':
        set_body(out, WORDS, t->p[1] == 'W');
        break;
    case 'd':
    case 'D':
        set_body(out, "\\p{Nd}", t->p[1] == 'D');
        break;
    case 'h':
    case 'H':
        set_body(out, HEX, t->p[1] == 'H');
        break;
    case 'p':
    case 'P':
        return read_property(t, out);
    default:
        return false;
    }
    t->p += 2;
    return true;
}

/* A backslash and the character it spells. */
static void copy_escape(translator *t)
{
    const char c = t->p + 1 < t->end ? t->p[1] : '\0';
    if (c == 'v') {
        hone_buf_append_str(t->out, "\\x0B");
        t->p += 2;
    } else if (c == 'u' && t->end - t->p >= 6) {
        hone_buf_append_str(t->out, "\\x{");
        hone_buf_append(t->out, t->p + 2, 4);
        hone_buf_append_char(t->out, '}');
        t->p += 6;
    } else if (c == 'x' && t->p + 2 < t->end && t->p[2] == '{') {
        const char *close = memchr(t->p, '}', (size_t)(t->end - t->p));
        const size_t n = close ? (size_t)(close - t->p) + 1 : 2;
        hone_buf_append(t->out, t->p, n);
        t->p += n;
    } else {
        const size_t n = t->p + 1 < t->end ? 2 : 1;
        hone_buf_append(t->out, t->p, n);
        t->p += n;
    }
}

/* -- classes ---------------------------------------------------------------------- */

/* Parts of a class between "&&": flat characters, and alternatives that are no such. */
typedef struct part {
    hone_buf flat, other;
} part;

static void part_init(part *p)
{
    hone_buf_init(&p->flat, HONE_REGEX_MAX_TRANSLATED);
    hone_buf_init(&p->other, HONE_REGEX_MAX_TRANSLATED);
}

static void part_release(part *p, hone_buf *out)
{
    if (p->flat.failed) out->failed = p->flat.failed;
    if (p->other.failed) out->failed = p->other.failed;
    hone_buf_release(&p->flat);
    hone_buf_release(&p->other);
}

static void add_set(part *p, const set *s)
{
    if (!s->negated) {
        hone_buf_append_str(&p->flat, s->body);
        return;
    }
    hone_buf_append_str(&p->other, p->other.len ? "|[^" : "[^");
    hone_buf_append_str(&p->other, s->body);
    hone_buf_append_char(&p->other, ']');
}

/* A whole part as an expression for one character. */
static void write_part(const part *p, hone_buf *out)
{
    if (p->flat.len + p->other.len == 0) {
        hone_buf_append_str(out, "(?!)"); /* nothing */
        return;
    }
    if (p->other.len) hone_buf_append_str(out, "(?:");
    if (p->flat.len) {
        hone_buf_append_char(out, '[');
        hone_buf_append(out, p->flat.data, p->flat.len);
        hone_buf_append_char(out, ']');
    }
    if (p->other.len) {
        if (p->flat.len) hone_buf_append_char(out, '|');
        hone_buf_append(out, p->other.data, p->other.len);
        hone_buf_append_char(out, ')');
    }
}

/* One character of a class at t->p, literal or escaped, onto the flat ones. */
static void copy_char(translator *t, part *p)
{
    hone_buf *out = t->out;
    t->out = &p->flat;
    if (*t->p == '\\') {
        copy_escape(t);
    } else {
        if (strchr("[]^-\\", *t->p)) hone_buf_append_char(&p->flat, '\\');
        do {
            hone_buf_append_char(&p->flat, *t->p++);
        } while (t->p < t->end && ((unsigned char)*t->p & 0xC0) == 0x80);
    }
    t->out = out;
}

/* A character, or a range of them. */
static void read_range(translator *t, part *p)
{
    copy_char(t, p);
    if (t->end - t->p < 2 || *t->p != '-') return;
    if (t->p[1] == ']' || t->p[1] == '[') return; /* the minus stands for itself */
    const char *before = t->p;
    set s;
    t->p++;
    if (*t->p == '\\' && read_shorthand(t, &s)) {
        t->p = before;
        return;
    }
    hone_buf_append_char(&p->flat, '-');
    copy_char(t, p);
}

/* Brackets that are no property of the same name, and negations. */
static bool posix_of(const char *name, set *out)
{
    if (strcmp(name, "punct") == 0)
        set_body(out, "\\p{P}\\p{S}", false);
    else if (strcmp(name, "graph") == 0)
        set_body(out, SPACES "\\p{Cc}\\p{Cn}\\p{Cs}", true);
    else if (strcmp(name, "print") == 0)
        set_body(out, "\\p{Zl}\\p{Zp}\\p{Cc}\\p{Cn}\\p{Cs}", true);
    else if (property_of(name))
        set_body(out, property_of(name), false);
    else
        return false;
    return true;
}

static bool read_posix(translator *t, part *p)
{
    const char *close = memmem(t->p, (size_t)(t->end - t->p), ":]", 2);
    if (!at(t, "[:") || !close) return false;
    const char *name = t->p + 2;
    set s;
    const bool negated = *name == '^';
    if (negated) name++;
    char folded[MAX_NAME];
    fold_name(folded, name, (size_t)(close - name));
    if (!posix_of(folded, &s)) return false;
    if (negated) s.negated = !s.negated;
    add_set(p, &s);
    t->p = close + 2;
    return true;
}

static void class(translator *t, int depth);

/* A class inside a class is one more alternative. */
static void nested(translator *t, part *p, int depth)
{
    hone_buf *out = t->out;
    if (p->other.len) hone_buf_append_char(&p->other, '|');
    t->out = &p->other;
    class(t, depth + 1);
    t->out = out;
}

/* Up to "]" or "&&". */
static void read_part(translator *t, part *p, bool first, int depth)
{
    set s;
    while (t->p < t->end && !t->failed) {
        if ((*t->p == ']' && !first) || at(t, "&&")) return;
        first = false;
        if (*t->p == '[') {
            if (!read_posix(t, p)) nested(t, p, depth);
        } else if (*t->p == '\\' && read_shorthand(t, &s)) {
            add_set(p, &s);
        } else {
            read_range(t, p);
        }
    }
    t->failed = true;
}

/* One class.  Of [A&&B] both must hold; a negation that is no flat class looks ahead. */
static void class(translator *t, int depth)
{
    hone_buf whole;
    part p;
    size_t n = 0;
    if (depth > MAX_DEPTH) {
        t->failed = true;
        return;
    }
    hone_buf_init(&whole, HONE_REGEX_MAX_TRANSLATED);
    t->p++;
    const bool negated = t->p < t->end && *t->p == '^';
    if (negated) t->p++;
    part_init(&p);
    read_part(t, &p, true, depth);
    while (at(t, "&&") && !t->failed) {
        n++;
        hone_buf_append_str(&whole, "(?=");
        write_part(&p, &whole);
        hone_buf_append_char(&whole, ')');
        t->p += 2;
        part_release(&p, t->out);
        part_init(&p);
        read_part(t, &p, false, depth);
    }
    if (t->p < t->end) t->p++; /* ] */
    if (negated && n == 0 && p.other.len == 0) {
        hone_buf_append_str(t->out, "[^");
        hone_buf_append(t->out, p.flat.data, p.flat.len);
        hone_buf_append_char(t->out, ']');
    } else {
        write_part(&p, &whole);
        hone_buf_append_str(t->out, negated ? "(?:(?!" : "(?:");
        hone_buf_append(t->out, whole.data, whole.len);
        hone_buf_append_str(t->out, negated ? ")" ANY ")" : ")");
    }
    if (whole.failed) t->out->failed = whole.failed;
    part_release(&p, t->out);
    hone_buf_release(&whole);
}

/* -- the rest --------------------------------------------------------------------- */

static void escape(translator *t)
{
    static const char edge[] = "(?:(?<=[" LONE_WORDS "])(?![" LONE_WORDS "])|"
                               "(?<![" LONE_WORDS "])(?=[" LONE_WORDS "]))";
    set s;
    if (at(t, "\\w") || at(t, "\\W")) {
        hone_buf_append_str(t->out,
                            t->p[1] == 'w' ? "[" LONE_WORDS "]" : "[^" LONE_WORDS "]");
        t->p += 2;
    } else if (read_shorthand(t, &s)) {
        hone_buf_append_str(t->out, s.negated ? "[^" : "[");
        hone_buf_append_str(t->out, s.body);
        hone_buf_append_char(t->out, ']');
    } else if (at(t, "\\b")) {
        hone_buf_append_str(t->out, edge);
        t->p += 2;
    } else if (at(t, "\\B")) {
        hone_buf_append_str(t->out, "(?!");
        hone_buf_append_str(t->out, edge);
        hone_buf_append_char(t->out, ')');
        t->p += 2;
    } else {
        copy_escape(t);
    }
}

/* "(", with the options of "(?imx-imx:" renamed. */
static void open_group(translator *t)
{
    const char *p = t->p + 2;
    while (p < t->end && strchr("imx-", *p)) {
        p++;
    }
    const bool options =
        at(t, "(?") && p > t->p + 2 && p < t->end && (*p == ':' || *p == ')');
    hone_buf_append_char(t->out, *t->p++);
    while (options && t->p < p) {
        hone_buf_append_char(t->out, *t->p == 'm' ? 's' : *t->p);
        t->p++;
    }
}

/* The length of "{2}", "{2,}", "{,3}" or "{2,3}" at t->p, or 0. */
static size_t interval(const translator *t)
{
    const char *p = t->p + 1;
    int n_digit = 0, n_comma = 0;
    while (p < t->end && (isdigit((unsigned char)*p) || *p == ',')) {
        n_digit += *p != ',';
        n_comma += *p == ',';
        p++;
    }
    const bool is = p < t->end && *p == '}' && n_digit > 0 && n_comma < 2;
    return is ? (size_t)(p + 1 - t->p) : 0;
}

/* An interval; one that is followed by + or, without a comma, by ? is repeated itself. */
static void copy_interval(translator *t, size_t len, size_t atom)
{
    const char *after = t->p + len;
    const bool comma = memchr(t->p, ',', len) != NULL;
    const bool again = after < t->end && (*after == '+' || (*after == '?' && !comma));
    if (again && atom < t->out->len) {
        hone_buf tail;
        hone_buf_init(&tail, HONE_REGEX_MAX_TRANSLATED);
        hone_buf_append(&tail, t->out->data + atom, t->out->len - atom);
        t->out->len = atom;
        hone_buf_append_str(t->out, "(?:");
        hone_buf_append(t->out, tail.data, tail.len);
        if (tail.failed) t->out->failed = tail.failed;
        hone_buf_release(&tail);
    }
    hone_buf_append_char(t->out, '{');
    if (t->p[1] == ',') hone_buf_append_char(t->out, '0');
    hone_buf_append(t->out, t->p + 1, len - 1);
    if (again) hone_buf_append_char(t->out, ')');
    t->p = after;
}

bool hone_regex_translate(hone_buf *out, const char *pattern, size_t len)
{
    translator t = {pattern, pattern + len, out, false};
    size_t open[MAX_DEPTH], depth = 0; /* where groups begin in the output */
    size_t atom = 0;                   /* where what a quantifier repeats begins */
    while (t.p < t.end && !t.failed && !out->failed) {
        const size_t begin = out->len;
        const size_t n = *t.p == '{' ? interval(&t) : 0;
        if (n) {
            copy_interval(&t, n, atom);
        } else if (strchr("*+?", *t.p)) {
            hone_buf_append_char(out, *t.p++);
        } else if (*t.p == '(') {
            if (depth == MAX_DEPTH) return false;
            open[depth++] = begin;
            open_group(&t);
        } else if (*t.p == ')') {
            hone_buf_append_char(out, *t.p++);
            atom = depth ? open[--depth] : begin;
        } else {
            atom = begin;
            if (*t.p == '\\')
                escape(&t);
            else if (*t.p == '[')
                class(&t, 0);
            else
                do {
                    hone_buf_append_char(out, *t.p++);
                } while (t.p < t.end && ((unsigned char)*t.p & 0xC0) == 0x80);
        }
    }
    return !t.failed;
}
