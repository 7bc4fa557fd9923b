/* template.c - parse and render: the edge where failures become statuses. */
#include "text/template.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/template_internal.h"

#define MAX_SOURCE     ((size_t)16 << 20)
#define MAX_PARSED     ((size_t)1 << 30)
#define DEFAULT_OUTPUT ((size_t)64 << 20)
#define DEFAULT_MEMORY ((size_t)256 << 20)
#define DEFAULT_STEPS  ((size_t)50 * 1000 * 1000)
enum {
    DEFAULT_DEPTH = 500 /* of evaluation; also bounds the C stack */
};

/* CR LF and CR become LF; one newline at the very end goes. */
static char *normalize(const char *s, size_t len, size_t *out_len)
{
    char *out = hone_alloc(len + 1, 1);
    size_t n = 0;
    if (!out) return NULL;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\r') {
            out[n++] = '\n';
            if (i + 1 < len && s[i + 1] == '\n') i++;
        } else {
            out[n++] = s[i];
        }
    }
    if (n && out[n - 1] == '\n') n--;
    out[n] = '\0';
    *out_len = n;
    return out;
}

/* The frame that failures of the lexer and the parser return to. */
static hone_status parse_source(hone_template *t, size_t len, hone_error *err)
{
    jmp_buf env;
    tpl_parser p = {.arena = &t->arena, .out = &env, .err = err};
    tpl_parser *const parser = &p;
    if (setjmp(env)) return parser->status;
    tpl_lex(parser, t->source, len);
    t->body = tpl_parse(parser);
    tpl_check_names(parser, t->body);
    return HONE_OK;
}

hone_status hone_template_parse(hone_template **out, const char *source, size_t len,
                                hone_error *err)
{
    if (len > MAX_SOURCE) {
        return hone_fail(err, HONE_E_LIMIT, "template: %zu bytes, at most %zu", len,
                         MAX_SOURCE);
    }
    if (!hone_utf8_valid(source, len)) {
        return hone_fail(err, HONE_E_FORMAT, "template: not UTF-8");
    }
    hone_template *t = hone_alloc_zero(1, sizeof *t);
    if (!t) return hone_fail(err, HONE_E_NOMEM, "template: out of memory");
    hone_arena_init(&t->arena, MAX_PARSED);
    size_t n;
    t->source = normalize(source, len, &n);
    if (!t->source) {
        hone_template_free(t);
        return hone_fail(err, HONE_E_NOMEM, "template: out of memory");
    }
    const hone_status s = parse_source(t, n, err);
    if (s) {
        hone_template_free(t);
        return s;
    }
    *out = t;
    return HONE_OK;
}

void hone_template_free(hone_template *t)
{
    if (!t) return;
    hone_arena_release(&t->arena);
    hone_free(t->source);
    hone_free(t);
}

static void define(tpl_machine *m, tpl_scope *s, const char *name, tpl_value v)
{
    tpl_dict_set(m, &s->vars, tpl_cstring(name), v);
}

static tpl_scope *new_scope(tpl_machine *m, tpl_scope *parent)
{
    tpl_scope *s = tpl_alloc(m, sizeof *s);
    *s = (tpl_scope){.parent = parent};
    return s;
}

/* Variables over globals over defaults; the template's own names come on top. */
static void run(tpl_machine *m, const hone_template *t, const json_t *variables)
{
    tpl_scope *globals = new_scope(m, NULL);
    tpl_add_globals(m, globals);
    define(m, globals, "tools", tpl_none());
    define(m, globals, "documents", tpl_none());
    define(m, globals, "add_generation_prompt", tpl_bool(false));
    tpl_scope *given = new_scope(m, globals);
    const tpl_value all = tpl_from_json(m, variables, 0);
    given->vars = *all.u.dict;
    m->globals = globals;
    m->top = new_scope(m, given);
    tpl_run(m, m->top, t->body);
}

static void fill_options(tpl_machine *m, const hone_template_options *o)
{
    if (o) m->o = *o;
    if (!m->o.max_output) m->o.max_output = DEFAULT_OUTPUT;
    if (!m->o.max_memory) m->o.max_memory = DEFAULT_MEMORY;
    if (!m->o.max_steps) m->o.max_steps = DEFAULT_STEPS;
    if (!m->o.max_depth) m->o.max_depth = DEFAULT_DEPTH;
}

hone_status hone_template_render(const hone_template *t, const json_t *variables,
                                 const hone_template_options *options, char **out,
                                 size_t *len, hone_error *err)
{
    if (!json_is_object(variables)) {
        return hone_fail(err, HONE_E_FORMAT, "template: variables are not an object");
    }
    tpl_machine *m = hone_alloc_zero(1, sizeof *m);
    if (!m) return hone_fail(err, HONE_E_NOMEM, "template: out of memory");
    hone_buf output;
    m->err = err;
    fill_options(m, options);
    hone_arena_init(&m->arena, m->o.max_memory);
    hone_buf_init(&output, m->o.max_output);
    m->output = &output;
    if (setjmp(m->out) == 0) run(m, t, variables);

    for (size_t i = 0; i < m->n_open; i++) {
        hone_buf_release(m->open_buf[i]);
    }
    hone_status s = m->status;
    if (!s) {
        *len = output.len;
        char *text = hone_buf_take(&output);
        if (text)
            *out = text;
        else
            s = hone_fail(err, HONE_E_NOMEM, "template: out of memory");
    }
    hone_buf_release(&output);
    hone_free(m->open_buf);
    hone_arena_release(&m->arena);
    hone_free(m);
    return s;
}
