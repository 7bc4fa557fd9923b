/* schema_object.c - the properties of a case: listed names in their order, and classes
 * of all other names. */
#include <string.h>

#include "base/mem.h"
#include "grammar/schema_internal.h"

enum {
    MAX_CLASSES = 64,
    MAX_LITS = 128
};

typedef struct lits {
    schema_lit lit[MAX_LITS];
    size_t n;
} lits;

static void add(schema_ctx *c, lits *l, const json_t *schema, bool negated)
{
    if (l->n == MAX_LITS) {
        hone_schema_fail(c, HONE_E_LIMIT, schema, "schema", "too many at one place");
        return;
    }
    l->lit[l->n++] = (schema_lit){schema, negated};
}

static size_t length(const schema_list *l)
{
    size_t n = 0;
    for (; l; l = l->next)
        n++;
    return n;
}

/* The list, oldest first. */
static const schema_list **in_order(schema_ctx *c, const schema_list *l, size_t *n)
{
    *n = length(l);
    const schema_list **out = hone_schema_alloc(c, *n + 1, sizeof *out);
    if (!out) {
        *n = 0;
        return NULL;
    }
    for (size_t i = *n; i-- > 0; l = l->next)
        out[i] = l;
    return out;
}

static bool same_name(schema_name a, schema_name b)
{
    return a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

static void list_name(schema_object *o, hone_map *index, schema_name name,
                      bool required)
{
    int32_t at = hone_map_find(index, name.s, name.len);
    if (at < 0) {
        at = (int32_t)o->n_property++;
        o->property[at] = (schema_property){.name = name};
        if (hone_map_put(index, name.s, name.len, at, NULL, NULL)) return;
    }
    o->property[at].required |= required;
}

static void list_names(schema_ctx *c, const schema_case *k, schema_object *o)
{
    size_t n_obj, n_req, n_prop, most, len;
    const schema_list **obj = in_order(c, k->objects, &n_obj);
    const schema_list **req = in_order(c, k->required, &n_req);
    const schema_list **prop = in_order(c, k->property, &n_prop);
    const char *name;
    json_t *v;
    hone_map index;
    most = n_req + n_prop;
    for (size_t i = 0; i < n_obj; i++)
        most += json_object_size(json_object_get(obj[i]->lit.schema, "properties"));
    o->property = hone_schema_alloc(c, most + 1, sizeof *o->property);
    if (!o->property || hone_map_init(&index, most, NULL)) {
        hone_schema_fail(c, HONE_E_NOMEM, NULL, "properties", "out of memory");
        return;
    }
    for (size_t i = 0; i < n_obj; i++) {
        json_object_keylen_foreach(json_object_get(obj[i]->lit.schema, "properties"),
                                   name, len, v)
        {
            list_name(o, &index, (schema_name){name, len}, false);
        }
    }
    for (size_t i = 0; i < n_req; i++)
        list_name(o, &index, req[i]->name, true);
    for (size_t i = 0; i < n_prop; i++)
        list_name(o, &index, prop[i]->name, false);
    hone_map_release(&index);
}

/* The language of names that the case's propertyNames allow. */
static hone_expr allowed_names(schema_ctx *c, const schema_case *k)
{
    hone_expr e = c->all;
    for (const schema_list *l = k->key; l; l = l->next) {
        schema_goal *g = hone_schema_goal(c, &l->lit, 1);
        hone_expr one = HONE_EXPR_NONE;
        for (const schema_case *q = hone_schema_cases(c, g); q; q = q->next) {
            if (q->types & JSON_TYPE_STRING) one = hone_expr_alt(c->x, one, q->string);
        }
        e = e == c->all ? one : hone_expr_and(c->x, e, one);
    }
    return e;
}

static bool matches(schema_ctx *c, hone_expr e, schema_name name)
{
    const hone_expr text = hone_schema_literal(c, name.s, name.len);
    return hone_expr_alive(c->x, hone_expr_and(c->x, e, text));
}

/* Every property name as its plainest spelling decides: all spellings are alike. */
static void goal_of_name(schema_ctx *c, const schema_case *k, schema_property *p,
                         hone_expr names)
{
    lits here, *l = &here;
    here.n = 0;
    for (const schema_list *o = k->objects; o; o = o->next) {
        const json_t *s = o->lit.schema, *v;
        bool found = false;
        v = json_object_getn(json_object_get(s, "properties"), p->name.s, p->name.len);
        if (v) {
            add(c, l, v, false);
            found = true;
        }
        const char *pattern;
        size_t len;
        json_t *sub;
        json_object_keylen_foreach(json_object_get(s, "patternProperties"), pattern,
                                   len, sub)
        {
            const hone_expr e =
                hone_schema_pattern(c, s, "patternProperties", pattern, len);
            if (hone_schema_failed(c) || !matches(c, e, p->name)) continue;
            add(c, l, sub, false);
            found = true;
        }
        v = json_object_get(s, "additionalProperties");
        if (!found && v) add(c, l, v, false);
    }
    for (const schema_list *q = k->property; q; q = q->next) {
        if (same_name(q->name, p->name)) add(c, l, q->lit.schema, q->lit.negated);
    }
    if (names != c->all && !matches(c, names, p->name)) add(c, l, json_false(), false);
    if (hone_schema_failed(c)) return;
    p->goal = hone_schema_goal(c, l->lit, l->n);
}

/* -- names that are not listed ---------------------------------------------------- */

typedef struct class_in_work {
    hone_expr names;
    bool matched; /* by a pattern of the schema in work */
    lits *l;
} class_in_work;

typedef struct partition {
    class_in_work at[MAX_CLASSES];
    size_t n;
} partition;

/* Split every class by whether its names match e; those that do must satisfy schema. */
static void split(schema_ctx *c, partition *p, hone_expr e, const json_t *schema)
{
    hone_exprs *x = c->x;
    const size_t n = p->n;
    for (size_t i = 0; i < n && !hone_schema_failed(c); i++) {
        class_in_work *w = &p->at[i];
        const hone_expr inside = w->names == c->all ? e : hone_expr_and(x, w->names, e);
        if (!hone_expr_alive(x, inside)) continue;
        const hone_expr outside = hone_expr_and(x, w->names, hone_expr_not(x, e));
        if (hone_expr_alive(x, outside)) {
            if (p->n == MAX_CLASSES) {
                hone_schema_fail(c, HONE_E_LIMIT, schema, "patternProperties",
                                 "patterns overlap in too many ways");
                return;
            }
            class_in_work *out = &p->at[p->n++];
            *out = (class_in_work){outside, w->matched,
                                   hone_schema_alloc(c, 1, sizeof(lits))};
            if (!out->l) return;
            memcpy(out->l, w->l, sizeof *out->l);
        }
        w->names = inside;
        w->matched = true;
        add(c, w->l, schema, false);
    }
}

static void partition_names(schema_ctx *c, const schema_case *k, partition *p)
{
    for (const schema_list *o = k->objects; o; o = o->next) {
        const json_t *s = o->lit.schema;
        const json_t *other = json_object_get(s, "additionalProperties");
        const char *pattern;
        size_t len;
        json_t *sub;
        for (size_t i = 0; i < p->n; i++)
            p->at[i].matched = false;
        json_object_keylen_foreach(json_object_get(s, "patternProperties"), pattern,
                                   len, sub)
        {
            const hone_expr e =
                hone_schema_pattern(c, s, "patternProperties", pattern, len);
            if (hone_schema_failed(c)) return;
            split(c, p, e, sub);
        }
        for (size_t i = 0; other && i < p->n; i++) {
            if (!p->at[i].matched) add(c, p->at[i].l, other, false);
        }
    }
}

static void class_names(schema_ctx *c, const schema_case *k, schema_object *o,
                        hone_expr names)
{
    hone_exprs *x = c->x;
    schema_name *word = hone_schema_alloc(c, o->n_property + 1, sizeof *word);
    partition *p = hone_schema_alloc(c, 1, sizeof *p);
    if (!word || !p) return;
    for (size_t i = 0; i < o->n_property; i++)
        word[i] = o->property[i].name;
    if (o->n_property > 0) {
        const hone_expr listed = hone_chars_words(x, word, o->n_property, c->spell);
        names = hone_expr_and(x, names, hone_expr_not(x, listed));
    }
    if (!hone_expr_alive(x, names)) return;
    p->at[0] = (class_in_work){names, false, hone_schema_alloc(c, 1, sizeof(lits))};
    p->n = 1;
    if (!p->at[0].l) return;
    partition_names(c, k, p);
    o->class_of = hone_schema_alloc(c, p->n, sizeof *o->class_of);
    for (size_t i = 0; i < p->n && !hone_schema_failed(c); i++) {
        schema_goal *g = hone_schema_goal(c, p->at[i].l->lit, p->at[i].l->n);
        if (!g) return;
        o->class_of[o->n_class++] = (schema_class){p->at[i].names, g};
    }
}

schema_object *hone_schema_object(schema_ctx *c, schema_case *k)
{
    if (k->object) return k->object;
    schema_object *o = hone_schema_alloc(c, 1, sizeof *o);
    if (!o) return NULL;
    list_names(c, k, o);
    const hone_expr names = allowed_names(c, k);
    for (size_t i = 0; i < o->n_property && !hone_schema_failed(c); i++)
        goal_of_name(c, k, &o->property[i], names);
    if (hone_schema_failed(c)) return NULL;
    class_names(c, k, o, names);
    if (!hone_schema_failed(c)) k->object = o;
    return hone_schema_failed(c) ? NULL : o;
}

/* -- a property that must exist --------------------------------------------------- */

/* Whether a name that is not listed may be among those. */
static bool open_among(schema_ctx *c, const schema_object *o, const schema_list *some)
{
    for (size_t i = 0; i < o->n_class && !hone_schema_failed(c); i++) {
        const hone_expr both = hone_expr_and(c->x, o->class_of[i].names, some->names);
        if (hone_expr_alive(c->x, both) && hone_schema_sat(c, o->class_of[i].goal))
            return true;
    }
    return false;
}

/* k->some asks for a property among some names: one case for each listed name, and one
 * for the others.  There only names can be asked for, not values: a name may come
 * twice, and the later value counts. */
static void split_some(schema_ctx *c, schema_case k)
{
    const schema_list *some = k.some;
    k.some = some->next;
    schema_case probe = k;
    schema_object *o = hone_schema_object(c, &probe);
    if (!o) return;
    if (open_among(c, o, some)) {
        const bool any_value = some->lit.negated && json_is_false(some->lit.schema);
        if (!any_value || k.need || k.min_props > 0 || k.max_props != SCHEMA_NO_MAX) {
            hone_schema_fail(c, HONE_E_UNSUPPORTED, some->lit.schema, "properties",
                             "cannot be negated beside open names");
            return;
        }
        schema_case other = k;
        other.need = some;
        hone_schema_finish_case(c, other);
    }
    for (size_t i = 0; i < o->n_property && !hone_schema_failed(c); i++) {
        if (!matches(c, some->names, o->property[i].name)) continue;
        schema_case one = k;
        const schema_list item = {.name = o->property[i].name, .lit = some->lit};
        one.required = hone_schema_list(c, one.required, item);
        one.property = hone_schema_list(c, one.property, item);
        one.object = NULL;
        hone_schema_finish_case(c, one);
    }
}

void hone_schema_finish_case(schema_ctx *c, schema_case k)
{
    schema_goal *g = c->out_goal;
    if (k.some && k.types & JSON_TYPE_OBJECT) {
        /* negations leave one type only where they ask for something of objects */
        k.types &= JSON_TYPE_OBJECT;
        split_some(c, k);
        return;
    }
    if (g->n_case >= SCHEMA_MAX_CASES) {
        hone_schema_fail(c, HONE_E_LIMIT, g->n_lit ? g->lit[0].schema : NULL, "schema",
                         "combines in too many ways");
        return;
    }
    schema_case *copy = hone_schema_alloc(c, 1, sizeof *copy);
    if (!copy) return;
    *copy = k;
    copy->next = NULL;
    *c->out_end = copy;
    c->out_end = &copy->next;
    g->n_case++;
}
