/* gbnf.c - llama.cpp's grammar notation: rules of literals, classes, groups, repeats.
 *
 *     root ::= "yes" | "no" ws [0-9]{1,3}   # a comment
 *
 * Rules become rules of the expression store; those that turn out regular are put in
 * place. Left recursion is refused: a step into such a rule would never end. */
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "grammar/chars.h"
#include "grammar/grammar_internal.h"

#define MAX_TEXT  ((size_t)4 << 20)
#define MAX_ARENA ((size_t)64 << 20)

enum {
    MAX_NESTING = 100,
    MAX_RULES = 50000,
    MAX_COUNT = 1 << 24,
    MAX_CHAIN = 500, /* of rules that begin with each other */
};

typedef enum bnf_kind {
    BNF_TEXT, /* expr */
    BNF_REF,
    BNF_SEQ,
    BNF_ALT,
    BNF_REP
} bnf_kind;

typedef struct bnf {
    bnf_kind kind;
    hone_expr expr;
    uint32_t rule, min, max;
    struct bnf *child, *next;
} bnf;

typedef struct bnf_rule {
    const char *name;
    size_t len;
    bnf *body;
    bool nullable, productive;
    int state; /* of a depth-first walk: 0 new, 1 open, 2 done */
    uint32_t id;
    hone_expr expr;
} bnf_rule;

typedef struct gbnf {
    hone_exprs *x;
    hone_arena arena;
    const char *s, *begin, *end;
    hone_map names;
    bnf_rule *rule;
    size_t n_rule, cap_rule;
    int depth;
    hone_status status;
    hone_error *err;
} gbnf;

/* -- reading ---------------------------------------------------------------------- */

static bnf *fail(gbnf *g, hone_status code, const char *what)
{
    size_t line = 1;
    for (const char *p = g->begin; p < g->s; p++)
        line += *p == '\n';
    if (!g->status)
        g->status = hone_fail(g->err, code, "gbnf: line %zu: %s", line, what);
    return NULL;
}

static bnf *node(gbnf *g, bnf_kind kind)
{
    bnf *n = hone_arena_push(&g->arena, sizeof *n);
    if (!n) return fail(g, HONE_E_LIMIT, "too large");
    *n = (bnf){.kind = kind};
    return n;
}

static int peek(const gbnf *g)
{
    return g->s < g->end ? (unsigned char)*g->s : -1;
}

static void skip_blank(gbnf *g, bool lines)
{
    for (;; g->s++) {
        const int c = peek(g);
        if (c == '#') {
            while (peek(g) >= 0 && peek(g) != '\n')
                g->s++;
            if (peek(g) < 0) return;
            if (!lines) return;
        } else if (c != ' ' && c != '\t' && !(lines && (c == '\n' || c == '\r'))) {
            return;
        }
    }
}

static bool take(gbnf *g, const char *word)
{
    const size_t n = strlen(word);
    if ((size_t)(g->end - g->s) < n || memcmp(g->s, word, n) != 0) return false;
    g->s += n;
    return true;
}

static bool is_name(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_';
}

static uint32_t take_hex(gbnf *g, int n)
{
    uint32_t v = 0;
    for (int i = 0; i < n; i++) {
        const int c = peek(g), low = c | 32;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            v = v << 4 | (uint32_t)(low - 'a' + 10);
        else
            fail(g, HONE_E_FORMAT, "a broken escape");
        g->s += c >= 0;
    }
    return v;
}

static uint32_t take_char(gbnf *g)
{
    uint32_t v = 0;
    if (take(g, "\\")) {
        const int c = peek(g);
        if (c < 0) fail(g, HONE_E_FORMAT, "a backslash at the end");
        g->s += c >= 0;
        switch (c) {
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 't':
            return '\t';
        case 'x':
            return take_hex(g, 2);
        case 'u':
            return take_hex(g, 4);
        case 'U':
            return take_hex(g, 8);
        case '\\':
        case '"':
        case '[':
        case ']':
        case '-':
        case '^':
            return (uint32_t)c;
        default:
            fail(g, HONE_E_FORMAT, "an unknown escape");
            return 0;
        }
    }
    const int n =
        g->s < g->end ? hone_utf8_decode(g->s, (size_t)(g->end - g->s), &v) : 0;
    if (n <= 0) {
        fail(g, HONE_E_FORMAT, "invalid UTF-8, or the end");
        return 0;
    }
    g->s += n;
    return v;
}

static bnf *text_node(gbnf *g, hone_expr e)
{
    bnf *n = node(g, BNF_TEXT);
    if (n) n->expr = e;
    return n;
}

static hone_expr one_char(gbnf *g, uint32_t v)
{
    hone_chars_range r = {v, v};
    hone_chars c = {&r, 1, 1, false};
    if (v > 0x10FFFF) fail(g, HONE_E_FORMAT, "no character");
    return g->status ? HONE_EXPR_NONE : hone_chars_expr(g->x, &c, HONE_SPELL_UTF8);
}

static bnf *literal(gbnf *g)
{
    hone_expr e = HONE_EXPR_EMPTY;
    hone_expr *list = NULL;
    size_t n = 0, cap = 0;
    while (!g->status && !take(g, "\"")) {
        if (hone_grow((void **)&list, &cap, n + 1, sizeof *list)) {
            fail(g, HONE_E_NOMEM, "out of memory");
            break;
        }
        list[n++] = one_char(g, take_char(g));
    }
    while (n-- > 0)
        e = hone_expr_cat(g->x, list[n], e);
    hone_free(list);
    return text_node(g, e);
}

static bnf *char_class(gbnf *g)
{
    hone_chars c = {0};
    const bool negated = take(g, "^");
    while (!g->status && !take(g, "]")) {
        const uint32_t lo = take_char(g);
        uint32_t hi = lo;
        if (peek(g) == '-' && g->s + 1 < g->end && g->s[1] != ']') {
            g->s++;
            hi = take_char(g);
        }
        if (lo > hi || hi > 0x10FFFF) fail(g, HONE_E_FORMAT, "a range out of order");
        hone_chars_add(&c, lo, hi);
    }
    if (negated) hone_chars_negate(&c);
    bnf *n =
        g->status ? NULL : text_node(g, hone_chars_expr(g->x, &c, HONE_SPELL_UTF8));
    hone_chars_release(&c);
    return n;
}

static uint32_t rule_of(gbnf *g, const char *name, size_t len)
{
    int32_t i = hone_map_find(&g->names, name, len);
    if (i >= 0) return (uint32_t)i;
    i = (int32_t)g->n_rule;
    if (g->n_rule >= MAX_RULES) {
        fail(g, HONE_E_LIMIT, "too many rules");
    } else if (hone_grow((void **)&g->rule, &g->cap_rule, g->n_rule + 1,
                         sizeof *g->rule) ||
               hone_map_put(&g->names, name, len, i, NULL, NULL)) {
        fail(g, HONE_E_NOMEM, "out of memory");
    } else {
        g->rule[g->n_rule++] = (bnf_rule){.name = name, .len = len};
    }
    return g->status ? 0 : (uint32_t)i;
}

static bnf *alternatives(gbnf *g, bool nested);

static bnf *primary(gbnf *g, bool nested)
{
    const char *name = g->s;
    if (take(g, "\"")) return literal(g);
    if (take(g, "[")) return char_class(g);
    if (take(g, ".")) return text_node(g, hone_chars_any(g->x, HONE_SPELL_UTF8));
    if (take(g, "(")) {
        if (++g->depth > MAX_NESTING)
            return fail(g, HONE_E_LIMIT, "groups nested too deeply");
        bnf *n = alternatives(g, true);
        g->depth--;
        if (n && !take(g, ")")) return fail(g, HONE_E_FORMAT, "expected ')'");
        return n;
    }
    (void)nested;
    while (is_name(peek(g)))
        g->s++;
    if (g->s == name) return fail(g, HONE_E_FORMAT, "expected a rule's body");
    bnf *n = node(g, BNF_REF);
    if (n) n->rule = rule_of(g, name, (size_t)(g->s - name));
    return n;
}

static uint32_t take_count(gbnf *g)
{
    uint32_t n = 0;
    if (peek(g) < '0' || peek(g) > '9') fail(g, HONE_E_FORMAT, "expected a count");
    for (; peek(g) >= '0' && peek(g) <= '9'; g->s++) {
        n = n * 10 + (uint32_t)(peek(g) - '0');
        if (n > MAX_COUNT) fail(g, HONE_E_LIMIT, "a count is too large");
        if (g->status) return 0;
    }
    return n;
}

static bool take_repeat(gbnf *g, uint32_t *min, uint32_t *max)
{
    *max = HONE_EXPR_MANY;
    *min = 0;
    if (take(g, "*")) return true;
    if (take(g, "+")) {
        *min = 1;
        return true;
    }
    if (take(g, "?")) {
        *max = 1;
        return true;
    }
    if (!take(g, "{")) return false;
    skip_blank(g, true);
    if (peek(g) != ',') *min = take_count(g);
    skip_blank(g, true);
    if (!take(g, ",")) {
        *max = *min;
    } else {
        skip_blank(g, true);
        if (peek(g) != '}') *max = take_count(g);
    }
    skip_blank(g, true);
    if (!take(g, "}")) fail(g, HONE_E_FORMAT, "expected '}'");
    if (*min > *max) fail(g, HONE_E_FORMAT, "a count out of order");
    return true;
}

static bnf *sequence(gbnf *g, bool nested)
{
    bnf *seq = node(g, BNF_SEQ);
    if (!seq) return NULL;
    bnf **end = &seq->child;
    skip_blank(g, nested);
    while (!g->status && (peek(g) == '"' || peek(g) == '[' || peek(g) == '(' ||
                          peek(g) == '.' || is_name(peek(g)))) {
        bnf *n = primary(g, nested);
        uint32_t min, max;
        skip_blank(g, nested);
        while (n && take_repeat(g, &min, &max)) {
            bnf *rep = node(g, BNF_REP);
            if (!rep) return NULL;
            rep->child = n;
            rep->min = min;
            rep->max = max;
            n = rep;
            skip_blank(g, nested);
        }
        if (!n) return NULL;
        *end = n;
        end = &n->next;
    }
    return seq;
}

static bnf *alternatives(gbnf *g, bool nested)
{
    bnf *alt = node(g, BNF_ALT);
    if (!alt) return NULL;
    bnf **end = &alt->child;
    do {
        skip_blank(g, true); /* a line may end behind '|' */
        bnf *n = sequence(g, nested);
        if (!n) return NULL;
        *end = n;
        end = &n->next;
    } while (take(g, "|"));
    return alt;
}

static void read_rule(gbnf *g)
{
    const char *name = g->s;
    while (is_name(peek(g)))
        g->s++;
    const size_t len = (size_t)(g->s - name);
    if (len == 0) fail(g, HONE_E_FORMAT, "expected a rule's name");
    skip_blank(g, false);
    if (!g->status && !take(g, "::=")) fail(g, HONE_E_FORMAT, "expected '::='");
    if (g->status) return;
    const uint32_t i = rule_of(g, name, len);
    bnf *body = alternatives(g, false);
    if (!body || g->status) return;
    g->rule[i].body = body;
    if (peek(g) >= 0 && peek(g) != '\n' && peek(g) != '\r')
        fail(g, HONE_E_FORMAT, "expected the end of the line");
    skip_blank(g, true);
}

/* -- checks ----------------------------------------------------------------------- */

static bool is_nullable(const gbnf *g, const bnf *n)
{
    bool any = false, all = true;
    switch (n->kind) {
    case BNF_TEXT:
        return hone_expr_nullable(g->x, n->expr);
    case BNF_REF:
        return g->rule[n->rule].nullable;
    case BNF_REP:
        return n->min == 0 || is_nullable(g, n->child);
    default:
        break;
    }
    for (const bnf *c = n->child; c; c = c->next) {
        const bool one = is_nullable(g, c);
        any |= one;
        all &= one;
    }
    return n->kind == BNF_ALT ? any : all;
}

static bool is_productive(const gbnf *g, const bnf *n)
{
    bool any = false, all = true;
    switch (n->kind) {
    case BNF_TEXT:
        return n->expr != HONE_EXPR_NONE;
    case BNF_REF:
        return g->rule[n->rule].productive;
    case BNF_REP:
        return n->min == 0 || is_productive(g, n->child);
    default:
        break;
    }
    for (const bnf *c = n->child; c; c = c->next) {
        const bool one = is_productive(g, c);
        any |= one;
        all &= one;
    }
    return n->kind == BNF_ALT ? any : all;
}

static void find_properties(gbnf *g)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = g->n_rule; i-- > 0;) {
            bnf_rule *r = &g->rule[i];
            const bool nullable = r->nullable || is_nullable(g, r->body);
            const bool productive = r->productive || is_productive(g, r->body);
            changed |= nullable != r->nullable || productive != r->productive;
            r->nullable = nullable;
            r->productive = productive;
        }
    }
}

static void check_rule(gbnf *g, uint32_t i, int depth);

/* Follow every rule that n may begin with; true if n may be passed without a byte. */
static void check_first(gbnf *g, const bnf *n, int depth)
{
    if (g->status) return;
    if (n->kind == BNF_REF) check_rule(g, n->rule, depth + 1);
    for (const bnf *c = n->child; c; c = c->next) {
        check_first(g, c, depth);
        if (n->kind == BNF_SEQ && !is_nullable(g, c)) return;
    }
}

static void check_rule(gbnf *g, uint32_t i, int depth)
{
    bnf_rule *r = &g->rule[i];
    if (r->state == 2 || g->status) return;
    if (r->state == 1) {
        g->status = hone_fail(g->err, HONE_E_UNSUPPORTED,
                              "gbnf: rule '%.*s': left recursion is not supported",
                              (int)(r->len < 100 ? r->len : 100), r->name);
        return;
    }
    if (depth > MAX_CHAIN) {
        fail(g, HONE_E_LIMIT, "rules nested too deeply");
        return;
    }
    r->state = 1;
    check_first(g, r->body, depth);
    r->state = 2;
}

/* -- building --------------------------------------------------------------------- */

static hone_expr build_rule(gbnf *g, uint32_t i, int depth);

static hone_expr build(gbnf *g, const bnf *n, int depth)
{
    hone_exprs *x = g->x;
    hone_expr e;
    if (x->failed || g->status) return HONE_EXPR_NONE;
    switch (n->kind) {
    case BNF_TEXT:
        return n->expr;
    case BNF_REF:
        return build_rule(g, n->rule, depth + 1);
    case BNF_REP:
        return hone_expr_repeat(x, build(g, n->child, depth), n->min, n->max);
    case BNF_ALT:
        e = HONE_EXPR_NONE;
        for (const bnf *c = n->child; c; c = c->next)
            e = hone_expr_alt(x, e, build(g, c, depth));
        return e;
    case BNF_SEQ:
        break;
    }
    e = HONE_EXPR_EMPTY;
    const bnf *part[64];
    size_t k = 0;
    for (const bnf *c = n->child; c; c = c->next) {
        part[k++] = c;
        if (k < 64 && c->next) continue;
        hone_expr some = HONE_EXPR_EMPTY;
        while (k > 0)
            some = hone_expr_cat(x, build(g, part[--k], depth), some);
        e = hone_expr_cat(x, e, some);
    }
    return e;
}

/* Rules whose own building is under way, and those that recurse, stay references. */
static hone_expr build_rule(gbnf *g, uint32_t i, int depth)
{
    bnf_rule *r = &g->rule[i];
    if (!r->productive) return HONE_EXPR_NONE;
    if (r->state == 2) return r->expr;
    if (r->state == 1) return hone_expr_ref(g->x, r->id);
    if (depth > MAX_CHAIN) {
        fail(g, HONE_E_LIMIT, "rules nested too deeply");
        return HONE_EXPR_NONE;
    }
    r->id = hone_expr_rule_new(g->x, r->nullable);
    if (g->x->failed) return HONE_EXPR_NONE;
    r->state = 1;
    const hone_expr body = build(g, r->body, depth);
    if (g->x->failed || g->status) return HONE_EXPR_NONE;
    r->state = 2;
    g->x->rule[r->id].body = body;
    r->expr =
        g->x->node[body].flags & HONE_EXPR_RULES ? hone_expr_ref(g->x, r->id) : body;
    return r->expr;
}

static hone_status compile(gbnf *g, hone_expr *out)
{
    skip_blank(g, true);
    while (!g->status && g->s < g->end)
        read_rule(g);
    if (g->status) return g->status;
    for (size_t i = 0; i < g->n_rule; i++) {
        const bnf_rule *r = &g->rule[i];
        if (r->body) continue;
        return hone_fail(g->err, HONE_E_FORMAT, "gbnf: rule '%.*s' is not defined",
                         (int)(r->len < 100 ? r->len : 100), r->name);
    }
    const int32_t root = hone_map_find(&g->names, "root", 4);
    if (root < 0) return hone_fail(g->err, HONE_E_FORMAT, "gbnf: no rule 'root'");
    find_properties(g);
    for (uint32_t i = 0; i < g->n_rule && !g->status; i++)
        check_rule(g, i, 0);
    for (size_t i = 0; i < g->n_rule; i++)
        g->rule[i].state = 0;
    hone_expr e = HONE_EXPR_NONE;
    if (!g->status) e = build_rule(g, (uint32_t)root, 0);
    if (g->status) return g->status;
    HONE_TRY(hone_exprs_status(g->x, "gbnf", g->err));
    *out = e;
    return HONE_OK;
}

hone_status hone_gbnf_expr(hone_exprs *x, const char *text, size_t len, hone_expr *out,
                           hone_error *err)
{
    gbnf g = {.x = x, .s = text, .begin = text, .end = text + len, .err = err};
    if (len > MAX_TEXT) {
        return hone_fail(err, HONE_E_LIMIT, "gbnf: %zu bytes, expected at most %zu",
                         len, MAX_TEXT);
    }
    HONE_TRY(hone_map_init(&g.names, 32, err));
    hone_arena_init(&g.arena, MAX_ARENA);
    const hone_status s = compile(&g, out);
    hone_arena_release(&g.arena);
    hone_map_release(&g.names);
    hone_free(g.rule);
    return s;
}
