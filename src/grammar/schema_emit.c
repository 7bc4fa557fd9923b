/* schema_emit.c - cases to texts: the language of JSON documents.
 *
 * Listed properties come in their order, each there or not: after property i the rest
 * is one of n choices, built once as a rule for each i.  All other names follow in any
 * order.  Every array and object is a rule, so that what many places share exists
 * once. */
#include "grammar/schema_internal.h"

enum {
    MAX_COUNTED = 20000 /* rules of one object whose properties are counted */
};

static hone_expr byte(schema_ctx *c, char b)
{
    return hone_expr_range(c->x, (unsigned char)b, (unsigned char)b);
}

static hone_expr cat3(schema_ctx *c, hone_expr p, hone_expr q, hone_expr r)
{
    return hone_expr_cat(c->x, p, hone_expr_cat(c->x, q, r));
}

static hone_expr quoted(schema_ctx *c, hone_expr inside)
{
    if (c->spell == HONE_SPELL_UTF8) return hone_expr_token(c->x, inside);
    return hone_expr_token(c->x, cat3(c, byte(c, '"'), inside, byte(c, '"')));
}

/* -- objects ---------------------------------------------------------------------- */

/* Rules of an object: at[i * n_count + k]: what may follow the opening brace or a comma
 * when properties from i on are left and k (at most n_count - 1) were written. */
typedef struct object_rules {
    const schema_case *k;
    const schema_object *o;
    const bool *usable; /* listed properties that have a value */
    hone_expr others;   /* a name, a colon and a value, not listed */
    hone_expr needed;   /* of them, those of which one must come, if k->need */
    hone_expr end;
    uint32_t n_count;
    hone_expr *at;
} object_rules;

static hone_expr pair(schema_ctx *c, hone_expr name, schema_goal *g)
{
    return cat3(c, name, c->colon, hone_schema_value(c, g));
}

/* All pairs whose names are not listed. */
static hone_expr other_pairs(schema_ctx *c, const schema_object *o, hone_expr among)
{
    hone_expr e = HONE_EXPR_NONE;
    for (size_t i = 0; i < o->n_class && !hone_schema_failed(c); i++) {
        if (!hone_schema_sat(c, o->class_of[i].goal)) continue;
        const hone_expr names = hone_expr_and(c->x, among, o->class_of[i].names);
        if (!hone_expr_alive(c->x, names)) continue;
        const hone_expr name = quoted(c, names);
        e = hone_expr_alt(c->x, e, pair(c, name, o->class_of[i].goal));
    }
    return e;
}

static bool counted(const schema_case *k)
{
    return k->min_props > 0 || k->max_props != SCHEMA_NO_MAX;
}

/* Whether an object with n properties may end when the ones from i on are missing. */
static bool may_end(const object_rules *r, size_t i, uint32_t n)
{
    for (; i < r->o->n_property; i++) {
        if (r->o->property[i].required) return false;
    }
    if (r->k->need) return false;
    return !counted(r->k) || (n >= r->k->min_props && n <= r->k->max_props);
}

static uint32_t next_count(const object_rules *r, uint32_t n)
{
    return n + 1 < r->n_count ? n + 1 : n;
}

static hone_expr rules_at(const object_rules *r, size_t i, uint32_t n)
{
    return r->at[i * r->n_count + n];
}

/* After a property: the end, or a comma and more. */
static hone_expr after_pair(schema_ctx *c, const object_rules *r, size_t i, uint32_t n)
{
    const hone_expr more = hone_expr_cat(c->x, c->comma, rules_at(r, i, n));
    return may_end(r, i, n) ? hone_expr_alt(c->x, r->end, more) : more;
}

/* Only names that are not listed are left; one must come. */
static hone_expr only_others(schema_ctx *c, const object_rules *r, uint32_t n)
{
    const hone_expr next = hone_expr_cat(c->x, c->comma, r->others);
    uint32_t min = 0, max = HONE_EXPR_MANY;
    if (r->k->need) {
        const hone_expr before = hone_expr_repeat(
            c->x, hone_expr_cat(c->x, r->others, c->comma), 0, HONE_EXPR_MANY);
        const hone_expr after = hone_expr_repeat(c->x, next, 0, HONE_EXPR_MANY);
        return cat3(c, before, r->needed, hone_expr_cat(c->x, after, r->end));
    }
    if (counted(r->k)) {
        if (r->k->max_props != SCHEMA_NO_MAX) {
            if (n >= r->k->max_props) return HONE_EXPR_NONE;
            max = r->k->max_props - n - 1;
        }
        if (r->k->min_props > n + 1) min = r->k->min_props - n - 1;
    }
    return cat3(c, r->others, hone_expr_repeat(c->x, next, min, max), r->end);
}

static hone_expr from_property(schema_ctx *c, const object_rules *r, size_t i,
                               uint32_t n)
{
    const schema_property *p = &r->o->property[i];
    const hone_expr skip = p->required ? HONE_EXPR_NONE : rules_at(r, i + 1, n);
    if (!r->usable[i] || (counted(r->k) && n >= r->k->max_props)) return skip;
    const hone_expr name = cat3(
        c, byte(c, '"'), hone_schema_literal(c, p->name.s, p->name.len), byte(c, '"'));
    const hone_expr rest = after_pair(c, r, i + 1, next_count(r, n));
    return hone_expr_alt(c->x, hone_expr_cat(c->x, pair(c, name, p->goal), rest), skip);
}

/* A body that is more than an id becomes a rule: longer lists stay flat and shared. */
static hone_expr as_rule(schema_ctx *c, hone_expr body)
{
    if (body == HONE_EXPR_NONE || c->x->failed) return HONE_EXPR_NONE;
    const uint32_t r = hone_expr_rule_new(c->x, false);
    if (c->x->failed) return HONE_EXPR_NONE;
    c->x->rule[r].body = body;
    return hone_expr_ref(c->x, r);
}

static bool open_minimum(schema_ctx *c, const schema_case *k, const object_rules *r)
{
    /* the same name may be written twice, so open names cannot be counted upwards */
    size_t required = 0;
    for (size_t i = 0; i < r->o->n_property; i++)
        required += r->o->property[i].required;
    if (r->others == HONE_EXPR_NONE || k->min_props <= 1 || k->min_props <= required)
        return false;
    hone_schema_fail(c, HONE_E_UNSUPPORTED,
                     k->objects ? k->objects->lit.schema : c->root, "minProperties",
                     "above 1 beside open names");
    return true;
}

static hone_expr object(schema_ctx *c, schema_case *k)
{
    const schema_object *o = hone_schema_object(c, k);
    if (!o) return HONE_EXPR_NONE;
    object_rules r = {.k = k, .o = o, .n_count = 1};
    r.others = other_pairs(c, o, HONE_EXPR_ANY);
    if (k->need) r.needed = other_pairs(c, o, k->need->names);
    r.end = hone_expr_cat(c->x, c->ws, byte(c, '}'));
    if (counted(k)) {
        const uint32_t top =
            k->max_props != SCHEMA_NO_MAX ? k->max_props : k->min_props;
        r.n_count = top < o->n_property + 1 ? top + 1 : (uint32_t)o->n_property + 1;
        /* with max given, counting must go on to it; n properties are the most */
    }
    bool *usable = hone_schema_alloc(c, o->n_property + 1, sizeof *usable);
    if (!usable || open_minimum(c, k, &r)) return HONE_EXPR_NONE;
    if ((o->n_property + 1) * (size_t)r.n_count > MAX_COUNTED) {
        hone_schema_fail(c, HONE_E_LIMIT, k->objects ? k->objects->lit.schema : c->root,
                         "maxProperties", "too many properties to count");
        return HONE_EXPR_NONE;
    }
    for (size_t i = 0; i < o->n_property; i++)
        usable[i] = hone_schema_sat(c, o->property[i].goal);
    r.usable = usable;
    r.at = hone_schema_alloc(c, (o->n_property + 1) * (size_t)r.n_count, sizeof *r.at);
    if (!r.at) return HONE_EXPR_NONE;
    for (size_t i = o->n_property + 1; i-- > 0 && !hone_schema_failed(c);) {
        for (uint32_t n = 0; n < r.n_count; n++) {
            const hone_expr body =
                i < o->n_property ? from_property(c, &r, i, n) : only_others(c, &r, n);
            r.at[i * r.n_count + n] = i > 0 ? as_rule(c, body) : body;
        }
    }
    hone_expr inside = hone_expr_cat(c->x, c->ws, r.at[0]);
    if (may_end(&r, 0, 0)) inside = hone_expr_alt(c->x, inside, r.end);
    return hone_expr_cat(c->x, byte(c, '{'), inside);
}

/* -- arrays ----------------------------------------------------------------------- */

/* Item i as it may be: all of the goal, or only what `contains` asks for. */
static hone_expr item(schema_ctx *c, const schema_case *k, size_t i, bool wanted)
{
    schema_goal *g = hone_schema_item(c, k, i, wanted ? &k->contains->lit : NULL);
    return g && hone_schema_sat(c, g) ? hone_schema_value(c, g) : HONE_EXPR_NONE;
}

/* All items from n_prefix on, after at least one item, as counted repeats. */
static hone_expr rest_items(schema_ctx *c, const schema_case *k, size_t i)
{
    const hone_expr end = hone_expr_cat(c->x, c->ws, byte(c, ']'));
    const hone_expr next = hone_expr_cat(c->x, c->comma, item(c, k, i, false));
    const uint32_t min = k->min_items > i ? k->min_items - (uint32_t)i : 0;
    uint32_t max = HONE_EXPR_MANY;
    if (k->max_items != SCHEMA_NO_MAX)
        max = k->max_items > i ? k->max_items - (uint32_t)i : 0;
    return hone_expr_cat(c->x, hone_expr_repeat(c->x, next, min, max), end);
}

static hone_expr array(schema_ctx *c, const schema_case *k)
{
    hone_exprs *x = c->x;
    const size_t n = hone_schema_n_prefix(c, k);
    const hone_expr end = hone_expr_cat(x, c->ws, byte(c, ']'));
    hone_expr e = HONE_EXPR_NONE;
    size_t from = n ? n : 1;
    if (k->max_items > 0) e = k->max_items >= from ? rest_items(c, k, from) : end;
    if (k->max_items < from) from = k->max_items;
    /* e: after `from` items; then the items before, from the last to the first */
    for (size_t i = from; i-- > 0;) {
        e = hone_expr_cat(x, item(c, k, i, false), e);
        if (i == 0) break;
        e = hone_expr_cat(x, c->comma, e);
        if (i >= k->min_items) e = hone_expr_alt(x, e, end);
    }
    hone_expr inside = hone_expr_cat(x, c->ws, e);
    if (k->min_items == 0) inside = hone_expr_alt(x, inside, end);
    return hone_expr_cat(x, byte(c, '['), inside);
}

/* With `contains`: at[f] is the rest when f of the wanted items are there, item by item
 * from the last place that matters to the first. */
static hone_expr array_containing(schema_ctx *c, const schema_case *k)
{
    hone_exprs *x = c->x;
    const uint32_t want = k->contains->min;
    size_t last = hone_schema_n_prefix(c, k) + 1;
    if (k->min_items > last) last = k->min_items;
    if (k->max_items != SCHEMA_NO_MAX) last = k->max_items;
    if ((last + 1) * (want + 1) > MAX_COUNTED) {
        hone_schema_fail(c, HONE_E_LIMIT, k->contains->lit.schema, "contains",
                         "too many items to count");
        return HONE_EXPR_NONE;
    }
    const hone_expr end = hone_expr_cat(x, c->ws, byte(c, ']'));
    hone_expr *at = hone_schema_alloc(c, 2 * (want + 1), sizeof *at);
    if (!at) return HONE_EXPR_NONE;
    hone_expr *next = at + want + 1;
    for (size_t i = last + 1; i-- > 0 && !hone_schema_failed(c);) {
        const hone_expr any = item(c, k, i, false), wanted = item(c, k, i, true);
        const hone_expr sep = i ? c->comma : c->ws;
        const bool open = k->max_items == SCHEMA_NO_MAX && i == last;
        for (uint32_t f = want + 1; f-- > 0;) {
            hone_expr e = HONE_EXPR_NONE;
            const hone_expr stop =
                f == want && i >= k->min_items ? end : HONE_EXPR_NONE;
            if (open) { /* any number of items, then a wanted one */
                const hone_expr many =
                    hone_expr_repeat(x, hone_expr_cat(x, sep, any), 0, HONE_EXPR_MANY);
                e = f == want ? end : cat3(c, sep, wanted, at[f + 1]);
                e = hone_expr_cat(x, many, e);
            } else if (i < k->max_items) {
                e = cat3(c, sep, any, next[f]);
                if (f < want)
                    e = hone_expr_alt(x, e, cat3(c, sep, wanted, next[f + 1]));
                e = hone_expr_alt(x, e, stop);
            } else {
                e = stop;
            }
            at[f] = open && f < want ? e : as_rule(c, e);
        }
        for (uint32_t f = 0; f <= want; f++)
            next[f] = at[f];
    }
    return hone_expr_cat(x, byte(c, '['), at[0]);
}

/* -- values ----------------------------------------------------------------------- */

static hone_expr scalars(schema_ctx *c, const schema_goal *g)
{
    hone_exprs *x = c->x;
    hone_expr e = HONE_EXPR_NONE, number = e, string = e;
    unsigned types = 0;
    for (const schema_case *k = g->cases; k; k = k->next) {
        types |= k->types;
        if (k->types & JSON_TYPE_NUMBER && hone_expr_alive(x, k->number))
            number = hone_expr_alt(x, number, k->number);
        if (k->types & JSON_TYPE_STRING && hone_expr_alive(x, k->string))
            string = hone_expr_alt(x, string, k->string);
    }
    if (types & JSON_TYPE_NULL) e = hone_expr_bytes(x, "null", 4, HONE_EXPR_EMPTY);
    if (types & JSON_TYPE_TRUE)
        e = hone_expr_alt(x, e, hone_expr_bytes(x, "true", 4, HONE_EXPR_EMPTY));
    if (types & JSON_TYPE_FALSE)
        e = hone_expr_alt(x, e, hone_expr_bytes(x, "false", 5, HONE_EXPR_EMPTY));
    e = hone_expr_alt(x, e, hone_expr_token(x, number));
    return hone_expr_alt(x, e, string ? quoted(c, string) : HONE_EXPR_NONE);
}

hone_expr hone_schema_value(schema_ctx *c, schema_goal *g)
{
    if (!g || hone_schema_failed(c)) return HONE_EXPR_NONE;
    if (g->has_expr) return g->expr;
    hone_schema_cases(c, g);
    bool structured = false;
    for (const schema_case *k = g->cases; k; k = k->next)
        structured |= (k->types & (JSON_TYPE_ARRAY | JSON_TYPE_OBJECT)) != 0;
    if (structured) {
        g->rule = hone_expr_rule_new(c->x, false);
        g->expr = c->x->failed ? HONE_EXPR_NONE : hone_expr_ref(c->x, g->rule);
        g->queued = c->queue;
        c->queue = g;
    } else {
        g->expr = scalars(c, g);
    }
    g->has_expr = true;
    return g->expr;
}

void hone_schema_emit_rules(schema_ctx *c)
{
    while (c->queue && !hone_schema_failed(c)) {
        schema_goal *g = c->queue;
        c->queue = g->queued;
        hone_expr body = scalars(c, g);
        for (schema_case *k = g->cases; k && !hone_schema_failed(c); k = k->next) {
            if (k->types & JSON_TYPE_ARRAY && hone_schema_case_array_sat(c, k)) {
                const bool some = k->contains && k->contains->min > 0;
                body = hone_expr_alt(c->x, body,
                                     some ? array_containing(c, k) : array(c, k));
            }
            if (k->types & JSON_TYPE_OBJECT && hone_schema_case_object_sat(c, k))
                body = hone_expr_alt(c->x, body, object(c, k));
        }
        c->x->rule[g->rule].body = body;
    }
}
