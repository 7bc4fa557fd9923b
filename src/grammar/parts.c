/* parts.c - a tree of literal texts, schemas and patterns as one language. */
#include <string.h>

#include "base/utf8.h"
#include "grammar/chars.h"
#include "grammar/grammar_internal.h"
#include "grammar/pattern.h"
#include "grammar/schema.h"

enum {
    MAX_LEVEL = 32
};

static hone_status part(hone_exprs *x, const hone_grammar_part *p, int level,
                        hone_expr *out, hone_error *err);

/* Texts without the mark in them, then the mark: "not (any, mark, at least one byte)"
 * would leave overlaps open, so the mark may not end earlier than the whole. */
static hone_expr until(hone_exprs *x, const hone_grammar_part *p)
{
    hone_expr any = hone_expr_range(x, 0, 255);
    const hone_expr more = hone_expr_repeat(x, any, 1, HONE_EXPR_MANY);
    const hone_expr chars =
        hone_expr_repeat(x, hone_chars_any(x, HONE_SPELL_UTF8), 0, HONE_EXPR_MANY);
    any = hone_expr_repeat(x, any, 0, HONE_EXPR_MANY);
    const hone_expr mark = hone_expr_bytes(x, p->text, p->len, HONE_EXPR_EMPTY);
    const hone_expr early =
        hone_expr_cat(x, any, hone_expr_bytes(x, p->text, p->len, more));
    hone_expr e = hone_expr_cat(x, chars, mark);
    e = hone_expr_and(x, e, hone_expr_not(x, early));
    return hone_expr_token(x, e);
}

static hone_status sequence(hone_exprs *x, const hone_grammar_part *p, int level,
                            hone_expr *out, hone_error *err)
{
    hone_expr e = HONE_EXPR_EMPTY, one;
    for (size_t i = p->n_child; i-- > 0;) {
        HONE_TRY(part(x, &p->child[i], level + 1, &one, err));
        e = hone_expr_cat(x, one, e);
    }
    *out = e;
    return HONE_OK;
}

static hone_status choice(hone_exprs *x, const hone_grammar_part *p, int level,
                          hone_expr *out, hone_error *err)
{
    hone_expr e = HONE_EXPR_NONE, one;
    for (size_t i = 0; i < p->n_child; i++) {
        HONE_TRY(part(x, &p->child[i], level + 1, &one, err));
        e = hone_expr_alt(x, e, one);
    }
    *out = e;
    return HONE_OK;
}

/* Intersections are regular: rules would have to be stepped into side by side. */
static hone_status all_of(hone_exprs *x, const hone_grammar_part *p, int level,
                          hone_expr *out, hone_error *err)
{
    hone_expr e = HONE_EXPR_NONE, one;
    for (size_t i = 0; i < p->n_child; i++) {
        HONE_TRY(part(x, &p->child[i], level + 1, &one, err));
        if (x->node[one].flags & HONE_EXPR_RULES) {
            return hone_fail(
                err, HONE_E_UNSUPPORTED,
                "grammar: parts that must all hold: expected regular ones, "
                "found arrays, objects or rules");
        }
        e = i ? hone_expr_and(x, e, one) : one;
    }
    *out = hone_expr_token(x, e);
    return HONE_OK;
}

static hone_status part(hone_exprs *x, const hone_grammar_part *p, int level,
                        hone_expr *out, hone_error *err)
{
    hone_status s;
    if (level > MAX_LEVEL)
        return hone_fail(err, HONE_E_INVALID, "grammar: parts nested too deeply");
    switch (p->kind) {
    case HONE_PART_TEXT:
    case HONE_PART_UNTIL:
        if (!hone_utf8_valid(p->text, p->len) ||
            (p->kind == HONE_PART_UNTIL && !p->len))
            return hone_fail(err, HONE_E_INVALID, "grammar: expected UTF-8 text");
        *out = p->kind == HONE_PART_UNTIL
                   ? until(x, p)
                   : hone_expr_bytes(x, p->text, p->len, HONE_EXPR_EMPTY);
        return HONE_OK;
    case HONE_PART_SCHEMA:
        return hone_schema_expr(x, p->text, p->len, out, err);
    case HONE_PART_STRINGS:
        return hone_schema_strings(x, p->text, p->len, out, err);
    case HONE_PART_GBNF:
        return hone_gbnf_expr(x, p->text, p->len, out, err);
    case HONE_PART_REGEX:
        s = hone_pattern_expr(x, p->text, p->len, HONE_SPELL_UTF8, false, out, err);
        if (s) return hone_error_wrap(err, s, "regex");
        *out = hone_expr_token(x, *out);
        return HONE_OK;
    case HONE_PART_SEQUENCE:
        return sequence(x, p, level, out, err);
    case HONE_PART_CHOICE:
        return choice(x, p, level, out, err);
    case HONE_PART_ALL:
        return all_of(x, p, level, out, err);
    case HONE_PART_REPEAT:
        break;
    }
    if (p->max && p->min > p->max)
        return hone_fail(err, HONE_E_INVALID, "grammar: expected min %u at most %u",
                         p->min, p->max);
    HONE_TRY(sequence(x, p, level, out, err));
    *out = hone_expr_repeat(x, *out, p->min, p->max ? p->max : HONE_EXPR_MANY);
    return HONE_OK;
}

hone_status hone_parts_expr(hone_exprs *x, const hone_grammar_part *root,
                            hone_expr *out, hone_error *err)
{
    HONE_TRY(part(x, root, 0, out, err));
    return hone_exprs_status(x, "grammar", err);
}
