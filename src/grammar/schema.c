/* schema.c - the entry point: reading, the root goal, errors with their place. */
#include "grammar/schema.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "grammar/chars.h"
#include "grammar/number.h"
#include "grammar/schema_internal.h"

#define MAX_SCHEMA ((size_t)16 << 20)
#define MAX_ARENA  ((size_t)256 << 20)

enum {
    MAX_NESTING = 256
};

/* -- places ----------------------------------------------------------------------- */

static void append_step(hone_buf *b, const char *key)
{
    hone_buf_append_char(b, '/');
    for (; *key; key++) {
        if (*key == '~')
            hone_buf_append_str(b, "~0");
        else if (*key == '/')
            hone_buf_append_str(b, "~1");
        else
            hone_buf_append_char(b, *key);
    }
}

/* Append the path from `from` to `at`; depth-first, only on failure. */
static bool append_path(hone_buf *b, const json_t *from, const json_t *at, int depth)
{
    if (from == at) return true;
    const size_t len = b->len;
    if (depth > MAX_NESTING) return false;
    if (json_is_array(from)) {
        for (size_t i = 0; i < json_array_size(from); i++) {
            hone_buf_printf(b, "/%zu", i);
            if (append_path(b, json_array_get(from, i), at, depth + 1)) return true;
            b->len = len;
        }
    } else if (json_is_object(from)) {
        const char *key;
        json_t *v;
        json_object_foreach((json_t *)(uintptr_t)from, key, v)
        {
            append_step(b, key);
            if (append_path(b, v, at, depth + 1)) return true;
            b->len = len;
        }
    }
    return false;
}

void hone_schema_fail(schema_ctx *c, hone_status code, const json_t *at,
                      const char *key, const char *fact)
{
    if (c->status) return;
    hone_buf b;
    hone_buf_init(&b, 300);
    if (!append_path(&b, c->root, at, 0)) b.len = 0;
    b.data[b.len] = 0;
    c->status = hone_fail(c->err, code, "schema: %s: '%s': %s",
                          b.len ? b.data : "/ (root)", key, fact);
    hone_buf_release(&b);
}

void *hone_schema_alloc(schema_ctx *c, size_t n, size_t size)
{
    size_t bytes;
    void *p = NULL;
    if (!__builtin_mul_overflow(n, size, &bytes)) p = hone_arena_push(&c->arena, bytes);
    if (!p) {
        hone_schema_fail(c, HONE_E_LIMIT, NULL, "schema", "too large to compile");
        return NULL;
    }
    return memset(p, 0, bytes);
}

static bool nests_too_deeply(const json_t *v, int depth)
{
    const char *key;
    json_t *e;
    if (depth > MAX_NESTING) return true;
    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (nests_too_deeply(json_array_get(v, i), depth + 1)) return true;
        }
    } else if (json_is_object(v)) {
        json_object_foreach((json_t *)(uintptr_t)v, key, e)
        {
            if (nests_too_deeply(e, depth + 1)) return true;
        }
    }
    return false;
}

/* -- common parts ----------------------------------------------------------------- */

/* White space between two tokens: nothing, a blank, or a line break and indentation. */
static hone_expr white_space(hone_exprs *x)
{
    hone_byteset blank = {0};
    hone_byteset_add(&blank, ' ', ' ');
    hone_byteset_add(&blank, '\t', '\t');
    const hone_expr indent = hone_expr_repeat(x, hone_expr_set(x, &blank), 0, 64);
    hone_expr line = hone_expr_cat(x, hone_expr_range(x, '\n', '\n'), indent);
    line =
        hone_expr_alt(x, line, hone_expr_cat(x, hone_expr_range(x, '\r', '\r'), line));
    line = hone_expr_alt(x, line, hone_expr_range(x, ' ', ' '));
    return hone_expr_token(x, hone_expr_optional(x, line));
}

static void common_parts(schema_ctx *c)
{
    hone_exprs *x = c->x;
    c->all = hone_chars_all(x, c->spell);
    c->number = hone_number_any(x);
    c->plain = hone_number_plain(x);
    c->integer = hone_number_integer(x);
    if (c->draft == 4) { /* there, 1.0 is no integer */
        hone_expr digits =
            hone_expr_repeat(x, hone_expr_range(x, '0', '9'), 0, HONE_EXPR_MANY);
        digits = hone_expr_cat(x, hone_expr_range(x, '1', '9'), digits);
        digits = hone_expr_alt(x, digits, hone_expr_range(x, '0', '0'));
        c->integer = hone_expr_cat(
            x, hone_expr_optional(x, hone_expr_range(x, '-', '-')), digits);
    }
    c->ws = white_space(x);
    c->comma =
        hone_expr_cat(x, c->ws, hone_expr_cat(x, hone_expr_range(x, ',', ','), c->ws));
    c->colon =
        hone_expr_cat(x, c->ws, hone_expr_cat(x, hone_expr_range(x, ':', ':'), c->ws));
}

static void only_strings(schema_ctx *c, schema_goal *g)
{
    for (const schema_case *k = hone_schema_cases(c, g); k; k = k->next) {
        if (k->types & ~(unsigned)JSON_TYPE_STRING) {
            hone_schema_fail(c, HONE_E_UNSUPPORTED, c->root, "schema",
                             "not only strings satisfy it");
        }
    }
}

static hone_status compile(schema_ctx *c, hone_expr *out)
{
    const schema_lit lit = {c->root, false};
    common_parts(c);
    schema_goal *g = hone_schema_goal(c, &lit, 1);
    if (c->spell == HONE_SPELL_UTF8 && !hone_schema_failed(c)) only_strings(c, g);
    if (!hone_schema_failed(c) && !hone_schema_sat(c, g) && !hone_schema_failed(c)) {
        hone_schema_fail(c, HONE_E_UNSUPPORTED, c->root, "schema",
                         "no value satisfies it");
    }
    hone_expr e = HONE_EXPR_NONE;
    if (!hone_schema_failed(c)) e = hone_schema_value(c, g);
    hone_schema_emit_rules(c);
    if (c->status) return c->status;
    HONE_TRY(hone_exprs_status(c->x, "schema", c->err));
    *out = e;
    return HONE_OK;
}

/* Integers that jansson cannot hold are read as doubles. */
static hone_status load(json_t **root, const char *text, size_t len, hone_error *err)
{
    json_error_t je;
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    *root = json_loadb(text, len, flags, &je);
    if (!*root && json_error_code(&je) == json_error_numeric_overflow) {
        *root = json_loadb(text, len, flags | JSON_DECODE_INT_AS_REAL, &je);
    }
    if (!*root) {
        return hone_fail(err, HONE_E_FORMAT, "schema: line %d column %d: %s", je.line,
                         je.column, je.text);
    }
    return HONE_OK;
}

static void release(schema_ctx *c)
{
    json_decref(c->root);
    json_decref(c->made);
    hone_map_release(&c->ids);
    hone_map_release(&c->goals);
    hone_map_release(&c->patterns);
    hone_map_release(&c->circles);
    hone_map_release(&c->frames);
    hone_map_release(&c->values);
    hone_free(c->goal);
    hone_free(c->pattern);
    hone_arena_release(&c->arena);
}

static hone_status texts_of(hone_exprs *x, const char *text, size_t len,
                            hone_spelling spell, hone_expr *out, hone_error *err)
{
    hone_error local;
    schema_ctx c = {.x = x, .err = err ? err : &local, .spell = spell};
    if (len > MAX_SCHEMA) {
        return hone_fail(err, HONE_E_LIMIT, "schema: %zu bytes, expected at most %zu",
                         len, MAX_SCHEMA);
    }
    HONE_TRY(load(&c.root, text, len, err));
    hone_arena_init(&c.arena, MAX_ARENA);
    hone_status s = HONE_OK;
    if (nests_too_deeply(c.root, 0))
        s = hone_fail(err, HONE_E_LIMIT, "schema: nested too deeply");
    if (!s) s = hone_map_init(&c.ids, 64, err);
    if (!s) s = hone_map_init(&c.goals, 64, err);
    if (!s) s = hone_map_init(&c.patterns, 8, err);
    if (!s) s = hone_map_init(&c.values, 8, err);
    if (!s) s = hone_map_init(&c.circles, 8, err);
    if (!s) s = hone_map_init(&c.frames, 8, err);
    c.made = json_array();
    if (!s && !c.made) s = hone_fail(err, HONE_E_NOMEM, "schema: out of memory");
    if (!s) {
        hone_schema_read_draft(&c);
        s = compile(&c, out);
    }
    release(&c);
    return s;
}

hone_status hone_schema_expr(hone_exprs *x, const char *text, size_t len,
                             hone_expr *out, hone_error *err)
{
    return texts_of(x, text, len, HONE_SPELL_JSON, out, err);
}

hone_status hone_schema_strings(hone_exprs *x, const char *text, size_t len,
                                hone_expr *out, hone_error *err)
{
    return texts_of(x, text, len, HONE_SPELL_UTF8, out, err);
}
