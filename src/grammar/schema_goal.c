/* schema_goal.c - goals: kept once, expanded once, and whether they have any value.
 *
 * A value must be finite, so a goal that needs itself has none: while a goal is asked
 * about, a question about it is answered "no".  Answers that rest on such an assumption
 * are not kept, except at the outermost question, where all assumptions have been
 * settled. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "grammar/schema_internal.h"

/* -- identity --------------------------------------------------------------------- */

static uint32_t id_of(schema_ctx *c, const json_t *schema)
{
    const int32_t known = hone_map_find(&c->ids, (const char *)&schema, sizeof schema);
    if (known >= 0) return (uint32_t)known;
    hone_schema_put_address(c, &c->ids, schema, (int32_t)c->n_id);
    return c->n_id++;
}

static int by_number(const void *p, const void *q)
{
    const uint32_t a = *(const uint32_t *)p, b = *(const uint32_t *)q;
    return (a > b) - (a < b);
}

static schema_goal *new_goal(schema_ctx *c, const uint32_t *key, size_t n_key,
                             const schema_lit *lit, size_t n)
{
    if (c->n_goal >= SCHEMA_MAX_GOALS) {
        hone_schema_fail(c, HONE_E_LIMIT, n ? lit[0].schema : NULL, "schema",
                         "combines in too many ways");
        return NULL;
    }
    schema_goal *g = hone_schema_alloc(c, 1, sizeof *g);
    schema_lit *copy = hone_schema_alloc(c, n + 1, sizeof *copy);
    if (!g || !copy) return NULL;
    memcpy(copy, lit, n * sizeof *lit);
    *g = (schema_goal){.lit = copy, .n_lit = n};
    if (hone_grow((void **)&c->goal, &c->cap_goal, c->n_goal + 1, sizeof *c->goal) ||
        hone_map_put(&c->goals, (const char *)key, n_key * sizeof *key,
                     (int32_t)c->n_goal, NULL, NULL)) {
        hone_schema_fail(c, HONE_E_NOMEM, NULL, "schema", "out of memory");
        return NULL;
    }
    c->goal[c->n_goal++] = g;
    return g;
}

schema_goal *hone_schema_goal(schema_ctx *c, const schema_lit *lit, size_t n)
{
    uint32_t *key = hone_schema_alloc(c, n + 1, sizeof *key);
    schema_lit *keep = hone_schema_alloc(c, n + 1, sizeof *keep);
    size_t k = 0, unique = 0;
    if (!key || !keep) return NULL;
    for (size_t i = 0; i < n; i++) {
        const json_t *s = lit[i].schema;
        const bool all = lit[i].negated ? json_is_false(s)
                                        : json_is_true(s) || (json_is_object(s) &&
                                                              json_object_size(s) == 0);
        if (!all) keep[k++] = lit[i];
    }
    for (size_t i = 0; i < k; i++) {
        key[i] = id_of(c, keep[i].schema) * 2 + keep[i].negated;
    }
    if (k > 1) qsort(key, k, sizeof *key, by_number);
    for (size_t i = 0; i < k; i++) {
        if (i == 0 || key[i] != key[unique - 1]) key[unique++] = key[i];
    }
    if (hone_schema_failed(c)) return NULL;
    const int32_t known =
        hone_map_find(&c->goals, (const char *)key, unique * sizeof *key);
    return known >= 0 ? c->goal[known] : new_goal(c, key, unique, keep, k);
}

const schema_case *hone_schema_cases(schema_ctx *c, schema_goal *g)
{
    if (!g || g->expanded || g->expanding || hone_schema_failed(c)) {
        return g && g->expanded ? g->cases : NULL;
    }
    schema_case **const out_end = c->out_end;
    schema_goal *const out_goal = c->out_goal;
    const schema_todo *t = NULL;
    /* literals are gathered newest first */
    for (size_t i = 0; i < g->n_lit; i++) {
        t = hone_schema_todo(c, t, (schema_todo){.lit = g->lit[i]});
    }
    const schema_case start = {.types = JSON_TYPE_ALL,
                               .number = c->number,
                               .string = c->all,
                               .max_props = SCHEMA_NO_MAX,
                               .max_items = SCHEMA_NO_MAX};
    c->out_goal = g;
    c->out_end = &g->cases;
    g->expanding = true;
    hone_schema_expand(c, start, t);
    g->expanding = false;
    g->expanded = true;
    c->out_end = out_end;
    c->out_goal = out_goal;
    return g->cases;
}

/* -- items ------------------------------------------------------------------------ */

/* The prefix of an array schema, and what holds behind it (NULL: anything). */
static const json_t *prefix_of(schema_ctx *c, const json_t *s, const json_t **rest)
{
    const json_t *items = json_object_get(s, "items");
    const json_t *prefix = json_object_get(s, "\x01prefix");
    if (!prefix) prefix = hone_schema_get(c, s, "prefixItems");
    *rest = items;
    if (json_is_array(items)) {
        prefix = items;
        *rest = json_object_get(s, "additionalItems");
    }
    return prefix;
}

size_t hone_schema_n_prefix(schema_ctx *c, const schema_case *k)
{
    size_t n = 0;
    const json_t *rest;
    for (const schema_list *l = k->arrays; l; l = l->next) {
        const size_t one = json_array_size(prefix_of(c, l->lit.schema, &rest));
        if (one > n) n = one;
    }
    return n;
}

schema_goal *hone_schema_item(schema_ctx *c, const schema_case *k, size_t i,
                              const schema_lit *extra)
{
    schema_lit lit[64];
    size_t n = 0;
    for (const schema_list *l = k->arrays; l && n < 62; l = l->next) {
        const json_t *rest, *prefix = prefix_of(c, l->lit.schema, &rest);
        const json_t *s =
            i < json_array_size(prefix) ? json_array_get(prefix, i) : rest;
        if (s) lit[n++] = (schema_lit){s, false};
    }
    if (n == 62) {
        hone_schema_fail(c, HONE_E_LIMIT, lit[0].schema, "items",
                         "too many at one place");
        return NULL;
    }
    if (extra) lit[n++] = *extra;
    return hone_schema_goal(c, lit, n);
}

/* -- whether there is a value ----------------------------------------------------- */

bool hone_schema_case_array_sat(schema_ctx *c, const schema_case *k)
{
    const size_t n_prefix = hone_schema_n_prefix(c, k);
    const schema_list *contains = k->contains;
    size_t found = 0, last = k->min_items;
    if (k->min_items > k->max_items) return false;
    if (k->unique && k->max_items > 1) {
        hone_schema_fail(c, HONE_E_UNSUPPORTED, k->unique_at, "uniqueItems",
                         "not supported for more than one item");
        return false;
    }
    if (contains && (contains->next || contains->max != SCHEMA_NO_MAX)) {
        hone_schema_fail(c, HONE_E_UNSUPPORTED, contains->lit.schema, "contains",
                         "more than one, or with maxContains");
        return false;
    }
    if (contains && contains->min > 0) last = n_prefix + contains->min;
    if (last < k->min_items) last = k->min_items;
    for (size_t i = 0;; i++) {
        const bool enough = !contains || found >= contains->min;
        if (i >= k->min_items && enough) return true;
        if (i >= k->max_items || i > last || hone_schema_failed(c)) return false;
        if (i > n_prefix + 1 && !contains) return true; /* all alike from here on */
        if (!hone_schema_sat(c, hone_schema_item(c, k, i, NULL))) return false;
        if (contains && hone_schema_sat(c, hone_schema_item(c, k, i, &contains->lit)))
            found++;
    }
}

bool hone_schema_case_object_sat(schema_ctx *c, schema_case *k)
{
    const schema_object *o = hone_schema_object(c, k);
    size_t n_required = 0, n_possible = 0;
    if (!o) return false;
    for (size_t i = 0; i < o->n_property && !hone_schema_failed(c); i++) {
        if (!o->property[i].required) continue;
        n_required++;
        if (!hone_schema_sat(c, o->property[i].goal)) return false;
    }
    if (n_required > k->max_props || k->min_props > k->max_props) return false;
    if (k->min_props <= n_required) return true;
    for (size_t i = 0; i < o->n_class; i++) {
        if (hone_schema_sat(c, o->class_of[i].goal)) return true;
    }
    for (size_t i = 0; i < o->n_property; i++) {
        n_possible += hone_schema_sat(c, o->property[i].goal);
    }
    return n_possible >= k->min_props;
}

static bool case_sat(schema_ctx *c, schema_case *k)
{
    if (k->types & (JSON_TYPE_NULL | JSON_TYPE_TRUE | JSON_TYPE_FALSE)) return true;
    if (k->types & JSON_TYPE_NUMBER && hone_expr_alive(c->x, k->number)) return true;
    if (k->types & JSON_TYPE_STRING && hone_expr_alive(c->x, k->string)) return true;
    if (k->types & JSON_TYPE_ARRAY && hone_schema_case_array_sat(c, k)) return true;
    return k->types & JSON_TYPE_OBJECT && hone_schema_case_object_sat(c, k);
}

static bool ask(schema_ctx *c, schema_goal *g)
{
    hone_schema_cases(c, g);
    for (schema_case *k = g->cases; k && !hone_schema_failed(c); k = k->next) {
        if (case_sat(c, k)) return true;
    }
    return false;
}

bool hone_schema_sat(schema_ctx *c, schema_goal *g)
{
    if (!g || hone_schema_failed(c)) return false;
    if (g->sat == SCHEMA_YES || g->sat == SCHEMA_NO) return g->sat == SCHEMA_YES;
    if (g->expanding) {
        c->assumed_yes = true;
        return true;
    }
    if (g->sat == SCHEMA_ASKED) {
        c->assumed_no = true;
        return false;
    }
    if (c->n_asked >= SCHEMA_MAX_DEPTH) {
        hone_schema_fail(c, HONE_E_LIMIT, g->n_lit ? g->lit[0].schema : NULL, "schema",
                         "values nested too deeply");
        return false;
    }
    if (++c->n_step > SCHEMA_MAX_STEPS) {
        hone_schema_fail(c, HONE_E_LIMIT, g->n_lit ? g->lit[0].schema : NULL, "schema",
                         "takes too many steps");
        return false;
    }
    const bool no = c->assumed_no, yes = c->assumed_yes;
    c->assumed_no = c->assumed_yes = false;
    g->sat = SCHEMA_ASKED;
    c->n_asked++;
    const bool sat = ask(c, g);
    c->n_asked--;
    g->sat = SCHEMA_UNKNOWN;
    if (sat && !c->assumed_yes) g->sat = SCHEMA_YES;
    if (!sat && (!c->assumed_no || c->n_asked == 0)) g->sat = SCHEMA_NO;
    /* "yes" never rests on a "no", nor the other way round */
    c->assumed_no = no || (!sat && c->assumed_no && c->n_asked > 0);
    c->assumed_yes = yes || (sat && c->assumed_yes);
    return sat;
}
