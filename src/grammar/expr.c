/* expr.c - the store of expressions and its constructors.
 *
 * Constructors bring expressions into a form in which most equal languages are equal
 * ids: sequences lean right, alternatives are flat, sorted and without repeats.  That
 * keeps the number of derivatives finite. */
#include "grammar/expr.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    N_MEMO = 1 << 14,
    MAX_LIST = 1 << 16,
    MAX_SETS = 1 << 20,
    MAX_INTERNED =
        4000000 /* nodes made or met in one operation, lists by their length */
};

void hone_byteset_add(hone_byteset *s, unsigned lo, unsigned hi)
{
    for (unsigned b = lo; b <= hi; b++) {
        s->w[b >> 6] |= (uint64_t)1 << (b & 63);
    }
}

static void fail(hone_exprs *x, hone_status why)
{
    if (!x->failed) x->failed = why;
}

/* -- nodes ------------------------------------------------------------------------ */

static uint32_t hash_node(const hone_expr_node *k)
{
    uint64_t h = k->kind;
    const uint32_t word[4] = {k->a, k->b, k->m, k->n};
    for (int i = 0; i < 4; i++) {
        h = (h ^ word[i]) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    if (k->list) {
        for (uint32_t i = 0; i < k->n; i++) {
            h = (h ^ k->list[i]) * 0x9E3779B97F4A7C15u;
            h ^= h >> 29;
        }
    }
    return (uint32_t)(h ^ h >> 32);
}

static bool same_node(const hone_expr_node *p, const hone_expr_node *q)
{
    if (p->hash != q->hash || p->kind != q->kind || p->a != q->a || p->b != q->b ||
        p->m != q->m || p->n != q->n) {
        return false;
    }
    return !p->list || memcmp(p->list, q->list, p->n * sizeof *p->list) == 0;
}

static bool rehash(hone_exprs *x, size_t n_slot)
{
    uint32_t *slot = hone_alloc_zero(n_slot, sizeof *slot);
    if (!slot) return false;
    for (uint32_t id = 1; id < x->n_node; id++) {
        if (x->node[id].kind == HONE_EXPR_K_FREE) continue;
        size_t at = x->node[id].hash & (n_slot - 1);
        while (slot[at])
            at = (at + 1) & (n_slot - 1);
        slot[at] = id;
    }
    hone_free(x->slot);
    x->slot = slot;
    x->n_slot = n_slot;
    return true;
}

static hone_expr store(hone_exprs *x, const hone_expr_node *k)
{
    hone_expr id = x->free_node;
    if (id) {
        x->free_node = x->node[id].a;
    } else {
        if (x->n_node >= HONE_EXPR_MAX_NODES) {
            fail(x, HONE_E_LIMIT);
            return HONE_EXPR_NONE;
        }
        if (hone_grow((void **)&x->node, &x->cap_node, x->n_node + 1,
                      sizeof *x->node)) {
            fail(x, HONE_E_NOMEM);
            return HONE_EXPR_NONE;
        }
        id = (hone_expr)x->n_node++;
    }
    x->node[id] = *k;
    x->n_live++;
    return id;
}

/* The id of the node described by *k (its list is borrowed and copied). */
static hone_expr intern(hone_exprs *x, hone_expr_node *k)
{
    if (x->failed) return HONE_EXPR_NONE;
    x->n_interned += k->list ? k->n : 1;
    if (x->n_interned > MAX_INTERNED) {
        fail(x, HONE_E_LIMIT);
        return HONE_EXPR_NONE;
    }
    if (x->n_live * 2 >= x->n_slot && !rehash(x, x->n_slot * 2)) {
        fail(x, HONE_E_NOMEM);
        return HONE_EXPR_NONE;
    }
    k->hash = hash_node(k);
    size_t at = k->hash & (x->n_slot - 1);
    for (; x->slot[at]; at = (at + 1) & (x->n_slot - 1)) {
        if (same_node(&x->node[x->slot[at]], k)) return x->slot[at];
    }
    if (k->list) {
        hone_expr *copy = hone_alloc(k->n, sizeof *copy);
        if (!copy) {
            fail(x, HONE_E_NOMEM);
            return HONE_EXPR_NONE;
        }
        memcpy(copy, k->list, k->n * sizeof *copy);
        k->list = copy;
    }
    const hone_expr id = store(x, k);
    if (id)
        x->slot[at] = id;
    else
        hone_free(k->list);
    return id;
}

static unsigned flags_of(const hone_exprs *x, hone_expr e, unsigned which)
{
    return x->node[e].flags & which;
}

hone_status hone_exprs_init(hone_exprs *x, hone_error *err)
{
    *x = (hone_exprs){0};
    x->memo = hone_alloc_zero(N_MEMO, sizeof *x->memo);
    if (!x->memo || !rehash(x, 1024)) fail(x, HONE_E_NOMEM);
    hone_expr_node none = {.kind = HONE_EXPR_K_ALT,
                           .flags = HONE_EXPR_KNOWN | HONE_EXPR_DEAD};
    if (!x->failed) {
        store(x, &none);
        hone_expr_node empty = {.kind = HONE_EXPR_K_EMPTY, .flags = HONE_EXPR_NULLABLE};
        intern(x, &empty);
        hone_expr_node any = {.kind = HONE_EXPR_K_ANY, .flags = HONE_EXPR_NULLABLE};
        intern(x, &any);
    }
    if (x->failed) {
        const hone_status s = hone_exprs_status(x, "grammar", err);
        hone_exprs_release(x);
        return s;
    }
    return HONE_OK;
}

void hone_exprs_release(hone_exprs *x)
{
    for (size_t i = 0; i < x->n_node; i++) {
        hone_free(x->node[i].list);
        hone_free(x->node[i].next);
    }
    hone_free(x->node);
    hone_free(x->slot);
    hone_free(x->set);
    hone_free(x->rule);
    hone_free(x->step);
    hone_free(x->memo);
    hone_free(x->work);
    *x = (hone_exprs){0};
}

hone_status hone_exprs_status(const hone_exprs *x, const char *what, hone_error *err)
{
    if (!x->failed) return HONE_OK;
    return hone_fail(err, x->failed, "%s: %s", what,
                     x->failed == HONE_E_NOMEM
                         ? "out of memory"
                         : "it takes more states or steps than allowed");
}

/* -- bytes ------------------------------------------------------------------------ */

hone_expr hone_expr_set(hone_exprs *x, const hone_byteset *s)
{
    if (!(s->w[0] | s->w[1] | s->w[2] | s->w[3])) return HONE_EXPR_NONE;
    size_t i = 0;
    /* few sets differ: recent ones are the likely ones */
    for (i = x->n_set; i-- > 0;) {
        if (memcmp(&x->set[i], s, sizeof *s) == 0) break;
    }
    if (i == SIZE_MAX) {
        if (x->n_set >= MAX_SETS ||
            hone_grow((void **)&x->set, &x->cap_set, x->n_set + 1, sizeof *x->set)) {
            fail(x, HONE_E_NOMEM);
            return HONE_EXPR_NONE;
        }
        i = x->n_set++;
        x->set[i] = *s;
    }
    hone_expr_node k = {.kind = HONE_EXPR_K_SET, .a = (uint32_t)i};
    return intern(x, &k);
}

hone_expr hone_expr_range(hone_exprs *x, unsigned lo, unsigned hi)
{
    hone_byteset s = {0};
    hone_byteset_add(&s, lo, hi);
    return hone_expr_set(x, &s);
}

hone_expr hone_expr_bytes(hone_exprs *x, const char *s, size_t len, hone_expr then)
{
    while (len-- > 0) {
        const unsigned b = (unsigned char)s[len];
        then = hone_expr_cat(x, hone_expr_range(x, b, b), then);
    }
    return then;
}

/* -- lists under construction ----------------------------------------------------- */

static bool push(hone_exprs *x, hone_expr e)
{
    if (hone_grow((void **)&x->work, &x->cap_work, x->n_work + 1, sizeof *x->work)) {
        fail(x, HONE_E_NOMEM);
        return false;
    }
    x->work[x->n_work++] = e;
    return true;
}

/* Push e, or the members of e where it is a list of that kind. */
static void push_flat(hone_exprs *x, hone_expr e, hone_expr_kind kind)
{
    if (e == HONE_EXPR_NONE && kind == HONE_EXPR_K_ALT) return;
    if (x->node[e].kind != kind || e == HONE_EXPR_NONE) {
        push(x, e);
        return;
    }
    for (uint32_t i = 0; i < x->node[e].n; i++)
        push(x, x->node[e].list[i]);
}

static int by_id(const void *p, const void *q)
{
    const hone_expr a = *(const hone_expr *)p, b = *(const hone_expr *)q;
    return (a > b) - (a < b);
}

static size_t sort_unique(hone_expr *e, size_t n)
{
    bool sorted = true;
    for (size_t i = 1; i < n && sorted; i++)
        sorted = e[i - 1] < e[i];
    if (sorted) return n;
    qsort(e, n, sizeof *e, by_id);
    size_t keep = 1;
    for (size_t i = 1; i < n; i++) {
        if (e[i] != e[keep - 1]) e[keep++] = e[i];
    }
    return keep;
}

static hone_expr list_node(hone_exprs *x, hone_expr_kind kind, size_t from)
{
    const size_t n = x->n_work - from;
    unsigned any = 0, all = 0xff;
    uint16_t depth = 0;
    if (n > MAX_LIST) {
        fail(x, HONE_E_LIMIT);
        return HONE_EXPR_NONE;
    }
    for (size_t i = from; i < x->n_work; i++) {
        const hone_expr_node *p = &x->node[x->work[i]];
        any |= p->flags;
        all &= p->flags;
        if (p->depth > depth) depth = p->depth;
    }
    unsigned flags = any & (HONE_EXPR_RULES | HONE_EXPR_FRAMED);
    if (kind == HONE_EXPR_K_ALT) {
        flags |= (any & HONE_EXPR_NULLABLE) | (all & HONE_EXPR_SEARCH);
    } else {
        flags |= (all & HONE_EXPR_NULLABLE) | HONE_EXPR_SEARCH;
    }
    hone_expr_node k = {.kind = (uint8_t)kind,
                        .flags = (uint8_t)flags,
                        .depth = depth,
                        .n = (uint32_t)n,
                        .list = x->work + from};
    return intern(x, &k);
}

/* -- alternatives ----------------------------------------------------------------- */

/* Sets among work[from..) become one. */
static void merge_sets(hone_exprs *x, size_t from)
{
    hone_byteset all = {0};
    size_t keep = from, n = 0;
    hone_expr one = HONE_EXPR_NONE;
    for (size_t i = from; i < x->n_work; i++) {
        const hone_expr e = x->work[i];
        if (x->node[e].kind == HONE_EXPR_K_SET) {
            for (int w = 0; w < 4; w++)
                all.w[w] |= x->set[x->node[e].a].w[w];
            one = e;
            n++;
        } else {
            x->work[keep++] = e;
        }
    }
    x->n_work = keep;
    if (n > 1) one = hone_expr_set(x, &all);
    if (n > 0) push(x, one);
}

static hone_expr finish_alt(hone_exprs *x, size_t from)
{
    hone_expr e = HONE_EXPR_NONE;
    merge_sets(x, from);
    const size_t n = x->n_work - from;
    if (n > 0) x->n_work = from + sort_unique(x->work + from, n);
    bool any = false;
    for (size_t i = from; i < x->n_work; i++)
        any |= x->work[i] == HONE_EXPR_ANY;
    if (any)
        e = HONE_EXPR_ANY;
    else if (x->n_work - from == 1)
        e = x->work[from];
    else if (x->n_work > from)
        e = list_node(x, HONE_EXPR_K_ALT, from);
    x->n_work = from;
    return e;
}

hone_expr hone_expr_alt_of(hone_exprs *x, const hone_expr *e, size_t n)
{
    const size_t from = x->n_work;
    for (size_t i = 0; i < n && !x->failed; i++)
        push_flat(x, e[i], HONE_EXPR_K_ALT);
    return finish_alt(x, from);
}

hone_expr hone_expr_alt(hone_exprs *x, hone_expr a, hone_expr b)
{
    if (a == b || b == HONE_EXPR_NONE) return a;
    if (a == HONE_EXPR_NONE) return b;
    const hone_expr both[2] = {a, b};
    return hone_expr_alt_of(x, both, 2);
}

hone_expr hone_expr_optional(hone_exprs *x, hone_expr a)
{
    return hone_expr_nullable(x, a) ? a : hone_expr_alt(x, a, HONE_EXPR_EMPTY);
}

/* -- intersection and complement -------------------------------------------------- */

static hone_expr and_sets(hone_exprs *x, hone_expr a, hone_expr b)
{
    hone_byteset s;
    for (int w = 0; w < 4; w++) {
        s.w[w] = x->set[x->node[a].a].w[w] & x->set[x->node[b].a].w[w];
    }
    return hone_expr_set(x, &s);
}

hone_expr hone_expr_and(hone_exprs *x, hone_expr a, hone_expr b)
{
    if (a == b || b == HONE_EXPR_ANY) return a;
    if (a == HONE_EXPR_ANY) return b;
    if (a == HONE_EXPR_NONE || b == HONE_EXPR_NONE) return HONE_EXPR_NONE;
    if (a == HONE_EXPR_EMPTY || b == HONE_EXPR_EMPTY) {
        return hone_expr_nullable(x, a) && hone_expr_nullable(x, b) ? HONE_EXPR_EMPTY
                                                                    : HONE_EXPR_NONE;
    }
    if (x->node[a].kind == HONE_EXPR_K_SET && x->node[b].kind == HONE_EXPR_K_SET) {
        return and_sets(x, a, b);
    }
    const size_t from = x->n_work;
    push_flat(x, a, HONE_EXPR_K_AND);
    push_flat(x, b, HONE_EXPR_K_AND);
    x->n_work = from + sort_unique(x->work + from, x->n_work - from);
    bool never = false;
    for (size_t i = from; i < x->n_work && !never; i++) {
        const hone_expr_node *p = &x->node[x->work[i]];
        if (p->kind != HONE_EXPR_K_NOT) continue;
        for (size_t j = from; j < x->n_work; j++)
            never |= x->work[j] == p->a;
    }
    hone_expr e = HONE_EXPR_NONE;
    if (!never)
        e = x->n_work - from == 1 ? x->work[from] : list_node(x, HONE_EXPR_K_AND, from);
    x->n_work = from;
    return e;
}

hone_expr hone_expr_not(hone_exprs *x, hone_expr a)
{
    if (a == HONE_EXPR_NONE) return HONE_EXPR_ANY;
    if (a == HONE_EXPR_ANY) return HONE_EXPR_NONE;
    if (x->node[a].kind == HONE_EXPR_K_NOT) return x->node[a].a;
    HONE_ASSERT(!flags_of(x, a, HONE_EXPR_RULES));
    hone_expr_node k = {.kind = HONE_EXPR_K_NOT, .flags = HONE_EXPR_SEARCH, .a = a};
    if (!hone_expr_nullable(x, a)) k.flags |= HONE_EXPR_NULLABLE;
    return intern(x, &k);
}

/* -- sequences -------------------------------------------------------------------- */

static hone_expr cat_node(hone_exprs *x, hone_expr a, hone_expr b)
{
    const unsigned fa = x->node[a].flags, fb = x->node[b].flags;
    hone_expr_node k = {.kind = HONE_EXPR_K_CAT, .a = a, .b = b};
    k.flags = (uint8_t)((fa & fb & HONE_EXPR_NULLABLE) |
                        ((fa | fb) & (HONE_EXPR_RULES | HONE_EXPR_SEARCH)));
    k.depth = x->node[b].depth;
    return intern(x, &k);
}

/* then(member, b) for every member of list a. */
static hone_expr distribute(hone_exprs *x, hone_expr a, hone_expr b,
                            hone_expr (*then)(hone_exprs *, hone_expr, hone_expr))
{
    const size_t from = x->n_work, n = x->node[a].n;
    for (size_t i = 0; i < n && !x->failed; i++) {
        push_flat(x, then(x, x->node[a].list[i], b), HONE_EXPR_K_ALT);
    }
    return finish_alt(x, from);
}

hone_expr hone_expr_cat(hone_exprs *x, hone_expr a, hone_expr b)
{
    if (a == HONE_EXPR_NONE || b == HONE_EXPR_NONE || x->failed) return HONE_EXPR_NONE;
    if (a == HONE_EXPR_EMPTY) return b;
    if (b == HONE_EXPR_EMPTY) return a;
    if (x->node[a].flags & HONE_EXPR_FRAMED) {
        if (x->node[a].kind == HONE_EXPR_K_ALT)
            return distribute(x, a, b, hone_expr_cat);
        const hone_expr inner = x->node[a].a, then = x->node[a].b;
        return hone_expr_frame(x, inner, hone_expr_cat(x, then, b));
    }
    /* lean right, without recursion: sequences are as long as literals */
    const size_t from = x->n_work;
    while (x->node[a].kind == HONE_EXPR_K_CAT) {
        if (!push(x, x->node[a].a)) return HONE_EXPR_NONE;
        a = x->node[a].b;
    }
    hone_expr e = cat_node(x, a, b);
    while (x->n_work > from && e)
        e = cat_node(x, x->work[--x->n_work], e);
    x->n_work = from;
    return e;
}

hone_expr hone_expr_frame(hone_exprs *x, hone_expr a, hone_expr then)
{
    if (a == HONE_EXPR_NONE || then == HONE_EXPR_NONE || x->failed)
        return HONE_EXPR_NONE;
    if (a == HONE_EXPR_EMPTY) return then;
    if (then == HONE_EXPR_EMPTY) return a; /* a rule at the end needs no frame */
    if (x->node[a].flags & HONE_EXPR_FRAMED) {
        if (x->node[a].kind == HONE_EXPR_K_ALT) {
            return distribute(x, a, then, hone_expr_frame);
        }
        const hone_expr inner = x->node[a].a, outer = x->node[a].b;
        return hone_expr_frame(x, inner, hone_expr_frame(x, outer, then));
    }
    if (x->node[then].depth >= HONE_EXPR_MAX_FRAMES) return HONE_EXPR_NONE;
    hone_expr_node k = {.kind = HONE_EXPR_K_FRAME, .a = a, .b = then};
    k.depth = (uint16_t)(x->node[then].depth + 1);
    const unsigned fa = x->node[a].flags, fb = x->node[then].flags;
    k.flags = (uint8_t)((fa & fb & HONE_EXPR_NULLABLE) | HONE_EXPR_RULES |
                        HONE_EXPR_FRAMED | ((fa | fb) & HONE_EXPR_SEARCH));
    return intern(x, &k);
}

hone_expr hone_expr_repeat(hone_exprs *x, hone_expr a, uint32_t m, uint32_t n)
{
    if (n == 0) return HONE_EXPR_EMPTY;
    if (a == HONE_EXPR_NONE) return m ? HONE_EXPR_NONE : HONE_EXPR_EMPTY;
    if (a == HONE_EXPR_EMPTY) return a;
    if (hone_expr_nullable(x, a)) m = 0;
    if (m == 1 && n == 1) return a;
    const unsigned fa = x->node[a].flags;
    if (n == HONE_EXPR_MANY && m == 0 && x->node[a].kind == HONE_EXPR_K_REP &&
        x->node[a].m <= 1 && x->node[a].n == HONE_EXPR_MANY) {
        a = x->node[a].a; /* (r*)* and (r+)* are r* */
    }
    hone_expr_node k = {.kind = HONE_EXPR_K_REP, .a = a, .m = m, .n = n};
    k.flags = (uint8_t)((m == 0 ? HONE_EXPR_NULLABLE : 0) | (fa & HONE_EXPR_RULES) |
                        (m > 0 ? fa & HONE_EXPR_SEARCH : 0));
    return intern(x, &k);
}

hone_expr hone_expr_token(hone_exprs *x, hone_expr a)
{
    if (a == HONE_EXPR_NONE || a == HONE_EXPR_EMPTY) return a;
    HONE_ASSERT(!flags_of(x, a, HONE_EXPR_RULES));
    hone_expr_node k = {.kind = HONE_EXPR_K_TOKEN, .a = a};
    k.flags = (uint8_t)flags_of(x, a, HONE_EXPR_NULLABLE | HONE_EXPR_SEARCH);
    return intern(x, &k);
}

/* -- rules and numbers ------------------------------------------------------------ */

uint32_t hone_expr_rule_new(hone_exprs *x, bool nullable)
{
    if (hone_grow((void **)&x->rule, &x->cap_rule, x->n_rule + 1, sizeof *x->rule)) {
        fail(x, HONE_E_NOMEM);
        return 0;
    }
    x->rule[x->n_rule] = (hone_expr_rule){.nullable = nullable};
    return (uint32_t)x->n_rule++;
}

hone_expr hone_expr_ref(hone_exprs *x, uint32_t rule)
{
    if (x->failed) return HONE_EXPR_NONE;
    hone_expr_node k = {.kind = HONE_EXPR_K_REF, .flags = HONE_EXPR_RULES, .a = rule};
    if (x->rule[rule].nullable) k.flags |= HONE_EXPR_NULLABLE;
    return intern(x, &k);
}

hone_expr hone_expr_multiple(hone_exprs *x, uint32_t k, uint32_t scale)
{
    if (hone_grow((void **)&x->step, &x->cap_step, x->n_step + 1, sizeof *x->step)) {
        fail(x, HONE_E_NOMEM);
        return HONE_EXPR_NONE;
    }
    size_t i = 0;
    while (i < x->n_step && (x->step[i].k != k || x->step[i].scale != scale))
        i++;
    if (i == x->n_step) x->step[x->n_step++] = (hone_expr_step){k, scale};
    hone_expr_node node = {.kind = HONE_EXPR_K_NUMBER,
                           .flags = HONE_EXPR_SEARCH | HONE_EXPR_NULLABLE,
                           .a = (uint32_t)i};
    return intern(x, &node);
}

/* Phase 0: digits before the point; j + 1: j digits behind it. */
hone_expr hone_expr_multiple_at(hone_exprs *x, uint32_t step, uint32_t rest,
                                uint32_t phase);
hone_expr hone_expr_multiple_at(hone_exprs *x, uint32_t step, uint32_t rest,
                                uint32_t phase)
{
    const hone_expr_step s = x->step[step];
    uint64_t value = rest;
    for (uint32_t j = phase ? phase - 1 : 0; j < s.scale; j++)
        value = value * 10 % s.k;
    hone_expr_node node = {.kind = HONE_EXPR_K_NUMBER,
                           .flags = HONE_EXPR_SEARCH,
                           .a = step,
                           .m = rest,
                           .n = phase};
    if (value == 0) node.flags |= HONE_EXPR_NULLABLE;
    return intern(x, &node);
}

/* -- the collector ---------------------------------------------------------------- */

static void mark_from(hone_exprs *x, hone_expr e)
{
    const size_t from = x->n_work;
    push(x, e);
    while (x->n_work > from) {
        hone_expr_node *p = &x->node[x->work[--x->n_work]];
        if (p->flags & HONE_EXPR_MARK) continue;
        p->flags |= HONE_EXPR_MARK;
        switch ((hone_expr_kind)p->kind) {
        case HONE_EXPR_K_CAT:
        case HONE_EXPR_K_FRAME:
            push(x, p->b); /* fall through */
        case HONE_EXPR_K_NOT:
        case HONE_EXPR_K_REP:
        case HONE_EXPR_K_TOKEN:
            push(x, p->a);
            break;
        case HONE_EXPR_K_ALT:
        case HONE_EXPR_K_AND:
            for (uint32_t i = 0; i < p->n; i++)
                push(x, p->list[i]);
            break;
        default:
            break;
        }
    }
}

void hone_expr_forget(hone_exprs *x)
{
    for (size_t i = 0; i < x->n_node; i++) {
        hone_free(x->node[i].next);
        x->node[i].next = NULL;
    }
    x->n_table = 0;
    memset(x->memo, 0, N_MEMO * sizeof *x->memo);
}

void hone_expr_collect(hone_exprs *x, const hone_expr *root, size_t n_root)
{
    hone_expr_forget(x);
    for (size_t i = 0; i < n_root; i++)
        mark_from(x, root[i]);
    for (size_t i = 0; i < x->n_rule; i++)
        mark_from(x, x->rule[i].body);
    for (size_t i = 0; i < 128; i++)
        mark_from(x, x->json_ascii[i]);
    mark_from(x, x->json_any);
    if (x->failed) return; /* out of memory: marks are incomplete, nothing is freed */
    for (uint32_t id = HONE_EXPR_ANY + 1; id < x->n_node; id++) {
        hone_expr_node *p = &x->node[id];
        if (p->flags & HONE_EXPR_MARK || p->kind == HONE_EXPR_K_FREE) continue;
        hone_free(p->list);
        *p = (hone_expr_node){.a = x->free_node};
        x->free_node = id;
        x->n_live--;
    }
    for (size_t i = 0; i < x->n_node; i++)
        x->node[i].flags &= (uint8_t)~HONE_EXPR_MARK;
    if (!rehash(x, x->n_slot)) fail(x, HONE_E_NOMEM);
}
