/* derive.c - steps of the automaton, and whether a language is empty. */
#include <string.h>

#include "base/mem.h"
#include "grammar/expr.h"

enum {
    N_MEMO = 1 << 14,
    MAX_DEPTH = 6000,    /* of recursion */
    MAX_SEARCH = 400000, /* nodes visited to find out what is empty, in all */
    MAX_TABLES = 60000,
};

hone_expr hone_expr_multiple_at(hone_exprs *x, uint32_t step, uint32_t rest,
                                uint32_t phase);

static hone_expr derive_number(hone_exprs *x, hone_expr e, unsigned b)
{
    const hone_expr_node p = x->node[e];
    const hone_expr_step s = x->step[p.a];
    if (b == '-') return e;
    if (b == '.') return p.n ? HONE_EXPR_NONE : hone_expr_multiple_at(x, p.a, p.m, 1);
    if (b < '0' || b > '9') return HONE_EXPR_NONE;
    if (p.n > s.scale) return b == '0' ? e : HONE_EXPR_NONE;
    const uint64_t rest = ((uint64_t)p.m * 10 + (b - '0')) % s.k;
    return hone_expr_multiple_at(x, p.a, (uint32_t)rest, p.n ? p.n + 1 : 0);
}

static hone_expr derive_list(hone_exprs *x, hone_expr e, unsigned b)
{
    const uint32_t n = x->node[e].n;
    if (x->node[e].kind == HONE_EXPR_K_AND) {
        hone_expr r = HONE_EXPR_ANY;
        for (uint32_t i = 0; i < n && r; i++) {
            r = hone_expr_and(x, r, hone_expr_derive(x, x->node[e].list[i], b));
        }
        return r;
    }
    hone_expr few[16] = {0}, *part = few;
    if (n > 16 && !(part = hone_alloc(n, sizeof *part))) {
        x->failed = HONE_E_NOMEM;
        return HONE_EXPR_NONE;
    }
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++) {
        const hone_expr d = hone_expr_derive(x, x->node[e].list[i], b);
        if (d) part[k++] = d;
    }
    const hone_expr r = hone_expr_alt_of(x, part, k);
    if (part != few) hone_free(part);
    return r;
}

/* What a rule's body becomes is never joined to what follows: bodies stay shared. */
static hone_expr derive_pair(hone_exprs *x, hone_expr e, unsigned b)
{
    const hone_expr a = x->node[e].a, then = x->node[e].b;
    const hone_expr d = hone_expr_derive(x, a, b);
    hone_expr r;
    if (x->node[e].kind == HONE_EXPR_K_FRAME || x->node[a].flags & HONE_EXPR_RULES)
        r = hone_expr_frame(x, d, then);
    else
        r = hone_expr_cat(x, d, then);
    if (!hone_expr_nullable(x, a)) return r;
    return hone_expr_alt(x, r, hone_expr_derive(x, then, b));
}

static hone_expr derive_repeat(hone_exprs *x, hone_expr e, unsigned b)
{
    const hone_expr_node p = x->node[e];
    const hone_expr d = hone_expr_derive(x, p.a, b);
    if (!d) return d;
    const hone_expr rest = hone_expr_repeat(x, p.a, p.m ? p.m - 1 : 0,
                                            p.n == HONE_EXPR_MANY ? p.n : p.n - 1);
    return x->node[p.a].flags & HONE_EXPR_RULES ? hone_expr_frame(x, d, rest)
                                                : hone_expr_cat(x, d, rest);
}

static hone_expr derive_any(hone_exprs *x, hone_expr e, unsigned b)
{
    switch ((hone_expr_kind)x->node[e].kind) {
    case HONE_EXPR_K_ANY:
        return e;
    case HONE_EXPR_K_SET:
        return hone_byteset_has(&x->set[x->node[e].a], b) ? HONE_EXPR_EMPTY
                                                          : HONE_EXPR_NONE;
    case HONE_EXPR_K_CAT:
    case HONE_EXPR_K_FRAME:
        return derive_pair(x, e, b);
    case HONE_EXPR_K_ALT:
    case HONE_EXPR_K_AND:
        return derive_list(x, e, b);
    case HONE_EXPR_K_NOT:
        return hone_expr_not(x, hone_expr_derive(x, x->node[e].a, b));
    case HONE_EXPR_K_REP:
        return derive_repeat(x, e, b);
    case HONE_EXPR_K_TOKEN:
        return hone_expr_token(x, hone_expr_derive(x, x->node[e].a, b));
    case HONE_EXPR_K_REF:
        return hone_expr_derive(x, x->rule[x->node[e].a].body, b);
    case HONE_EXPR_K_NUMBER:
        return derive_number(x, e, b);
    default:
        return HONE_EXPR_NONE;
    }
}

hone_expr hone_expr_derive(hone_exprs *x, hone_expr e, unsigned b)
{
    if (e <= HONE_EXPR_EMPTY || x->failed) return HONE_EXPR_NONE;
    if (x->node[e].next) return x->node[e].next[b];
    const uint64_t key = (uint64_t)e << 8 | b;
    const size_t at = (size_t)((key * 0x9E3779B97F4A7C15u) >> 40) & (N_MEMO - 1);
    if (x->memo[at].key == key) return x->memo[at].value;
    if (x->depth >= MAX_DEPTH) {
        x->failed = HONE_E_LIMIT;
        return HONE_EXPR_NONE;
    }
    x->depth++;
    const hone_expr r = derive_any(x, e, b);
    x->depth--;
    if (!x->failed) x->memo[at] = (hone_expr_memo){key, r};
    return r;
}

/* A token that is a counted repeat of single bytes, then something else. */
static void counted_loop(hone_exprs *x, hone_expr e, hone_expr *next)
{
    const hone_expr cat = x->node[e].kind == HONE_EXPR_K_TOKEN ? x->node[e].a : e;
    if (x->node[cat].kind != HONE_EXPR_K_CAT) return;
    const hone_expr_node rep = x->node[x->node[cat].a];
    const hone_expr then = x->node[cat].b;
    if (rep.kind != HONE_EXPR_K_REP || rep.n == HONE_EXPR_MANY ||
        hone_expr_nullable(x, then)) {
        return;
    }
    hone_byteset one, other;
    hone_expr_borders(x, rep.a, &one);
    hone_expr_borders(x, then, &other);
    uint32_t elsewhere = 0;
    bool counts = false;
    for (unsigned b = 0; b < 256; b++) {
        if (hone_byteset_has(&one, b) || hone_byteset_has(&other, b)) {
            counts = hone_expr_derive(x, rep.a, b) == HONE_EXPR_EMPTY &&
                     hone_expr_derive(x, then, b) == HONE_EXPR_NONE;
        }
        if (!counts || !next[b]) elsewhere |= x->kind_of[b];
    }
    next[256] = ~elsewhere;
    next[257] = rep.n;
}

bool hone_expr_table(hone_exprs *x, hone_expr e)
{
    if (x->node[e].next) return true;
    if (x->n_table >= MAX_TABLES) hone_expr_forget(x);
    hone_expr *next = hone_alloc(258, sizeof *next);
    hone_byteset border;
    if (!next) {
        x->failed = HONE_E_NOMEM;
        return false;
    }
    hone_expr_borders(x, e, &border);
    hone_expr to = HONE_EXPR_NONE;
    uint32_t elsewhere = 0;
    for (unsigned b = 0; b < 256; b++) {
        if (hone_byteset_has(&border, b)) to = hone_expr_step_by(x, e, b);
        next[b] = to;
        if (to != e) elsewhere |= x->kind_of[b];
    }
    next[256] = ~elsewhere;
    next[257] = HONE_EXPR_MANY;
    counted_loop(x, e, next);
    if (x->failed) {
        hone_free(next);
        return false;
    }
    x->node[e].next = next;
    x->n_table++;
    return true;
}

hone_expr hone_expr_step_by(hone_exprs *x, hone_expr e, unsigned b)
{
    const hone_expr r = hone_expr_derive(x, e, b);
    return hone_expr_alive(x, r) ? r : HONE_EXPR_NONE;
}

bool hone_expr_matches(hone_exprs *x, hone_expr e, const char *s, size_t len)
{
    for (size_t i = 0; i < len && e; i++) {
        e = hone_expr_derive(x, e, (unsigned char)s[i]);
    }
    return e && hone_expr_nullable(x, e);
}

/* -- emptiness -------------------------------------------------------------------- */

static void border(hone_byteset *out, unsigned lo, unsigned hi)
{
    hone_byteset_add(out, lo, lo);
    if (hi < 255) hone_byteset_add(out, hi + 1, hi + 1);
}

static void set_borders(const hone_byteset *s, hone_byteset *out)
{
    uint64_t carry = 0;
    for (int w = 0; w < 4; w++) {
        out->w[w] |= s->w[w] ^ (s->w[w] << 1 | carry);
        carry = s->w[w] >> 63;
    }
}

static void borders(const hone_exprs *x, hone_expr e, hone_byteset *out, int depth)
{
    const hone_expr_node *p = &x->node[e];
    if (depth > MAX_DEPTH) {
        memset(out, 0xff, sizeof *out);
        return;
    }
    switch ((hone_expr_kind)p->kind) {
    case HONE_EXPR_K_SET:
        set_borders(&x->set[p->a], out);
        break;
    case HONE_EXPR_K_CAT:
    case HONE_EXPR_K_FRAME:
        borders(x, p->a, out, depth + 1);
        if (hone_expr_nullable(x, p->a)) borders(x, p->b, out, depth + 1);
        break;
    case HONE_EXPR_K_ALT:
    case HONE_EXPR_K_AND:
        for (uint32_t i = 0; i < p->n; i++)
            borders(x, p->list[i], out, depth + 1);
        break;
    case HONE_EXPR_K_NOT:
    case HONE_EXPR_K_REP:
    case HONE_EXPR_K_TOKEN:
        borders(x, p->a, out, depth + 1);
        break;
    case HONE_EXPR_K_REF:
        borders(x, x->rule[p->a].body, out, depth + 1);
        break;
    case HONE_EXPR_K_NUMBER:
        for (unsigned b = '-'; b <= '9'; b++)
            border(out, b, b);
        break;
    default:
        break;
    }
}

void hone_expr_borders(const hone_exprs *x, hone_expr e, hone_byteset *out)
{
    *out = (hone_byteset){{1, 0, 0, 0}};
    borders(x, e, out, 0);
}

/* A place of a depth-first search for a derivative that holds the empty text. */
typedef struct place {
    hone_expr e;
    unsigned next; /* byte to try */
    hone_byteset border;
} place;

typedef struct search {
    place *path;
    size_t n_path, cap_path;
    hone_expr *seen;
    size_t n_seen, cap_seen;
} search;

static bool enter(hone_exprs *x, search *s, hone_expr e)
{
    if (x->n_search++ > MAX_SEARCH) {
        x->failed = HONE_E_LIMIT;
        return false;
    }
    if (hone_grow((void **)&s->path, &s->cap_path, s->n_path + 1, sizeof *s->path) ||
        hone_grow((void **)&s->seen, &s->cap_seen, s->n_seen + 1, sizeof *s->seen)) {
        x->failed = HONE_E_NOMEM;
        return false;
    }
    x->node[e].flags |= HONE_EXPR_MARK;
    s->seen[s->n_seen++] = e;
    place *p = &s->path[s->n_path++];
    *p = (place){.e = e};
    hone_expr_borders(x, e, &p->border);
    return true;
}

static bool found_at(const hone_exprs *x, hone_expr e)
{
    const unsigned f = x->node[e].flags;
    return f & HONE_EXPR_NULLABLE || !(f & HONE_EXPR_SEARCH) ||
           ((f & HONE_EXPR_KNOWN) && !(f & HONE_EXPR_DEAD));
}

static bool find(hone_exprs *x, search *s, hone_expr start)
{
    if (!enter(x, s, start)) return false;
    while (s->n_path > 0) {
        place *p = &s->path[s->n_path - 1];
        while (p->next < 256 && !hone_byteset_has(&p->border, p->next))
            p->next++;
        if (p->next == 256) {
            s->n_path--;
            continue;
        }
        const hone_expr d = hone_expr_derive(x, p->e, p->next++);
        if (x->failed) return false;
        if (d == HONE_EXPR_NONE) continue;
        if (found_at(x, d)) return true;
        if (x->node[d].flags & (HONE_EXPR_MARK | HONE_EXPR_KNOWN)) continue;
        if (!enter(x, s, d)) return false;
    }
    return false;
}

static bool search_alive(hone_exprs *x, hone_expr e)
{
    search s = {0};
    const bool alive = find(x, &s, e);
    for (size_t i = 0; i < s.n_seen; i++) {
        hone_expr_node *p = &x->node[s.seen[i]];
        p->flags &= (uint8_t)~HONE_EXPR_MARK;
        if (!alive && !x->failed) p->flags |= HONE_EXPR_KNOWN | HONE_EXPR_DEAD;
    }
    for (size_t i = 0; alive && i < s.n_path; i++) {
        x->node[s.path[i].e].flags |= HONE_EXPR_KNOWN;
    }
    hone_free(s.path);
    hone_free(s.seen);
    return alive;
}

static bool alive_list(hone_exprs *x, hone_expr e)
{
    for (uint32_t i = 0; i < x->node[e].n; i++) {
        if (hone_expr_alive(x, x->node[e].list[i])) return true;
    }
    return false;
}

bool hone_expr_alive(hone_exprs *x, hone_expr e)
{
    if (e == HONE_EXPR_NONE || x->failed) return false;
    const unsigned f = x->node[e].flags;
    if (f & HONE_EXPR_NULLABLE || !(f & HONE_EXPR_SEARCH)) return true;
    if (f & HONE_EXPR_KNOWN) return !(f & HONE_EXPR_DEAD);
    if (x->depth >= MAX_DEPTH) {
        x->failed = HONE_E_LIMIT;
        return false;
    }
    x->depth++;
    bool alive;
    switch ((hone_expr_kind)x->node[e].kind) {
    case HONE_EXPR_K_CAT:
    case HONE_EXPR_K_FRAME:
        alive = hone_expr_alive(x, x->node[e].a) && hone_expr_alive(x, x->node[e].b);
        break;
    case HONE_EXPR_K_ALT:
        alive = alive_list(x, e);
        break;
    case HONE_EXPR_K_REP:
    case HONE_EXPR_K_TOKEN:
        alive = hone_expr_alive(x, x->node[e].a);
        break;
    default:
        alive = search_alive(x, e);
        break;
    }
    x->depth--;
    if (!x->failed) x->node[e].flags |= HONE_EXPR_KNOWN | (alive ? 0 : HONE_EXPR_DEAD);
    return alive;
}

/* -- counters out of sight -------------------------------------------------------- */

hone_expr hone_expr_clip(hone_exprs *x, hone_expr e, uint32_t most)
{
    const hone_expr_node p = x->node[e];
    if (x->depth >= MAX_DEPTH || x->failed) return e;
    x->depth++;
    hone_expr r = e;
    switch ((hone_expr_kind)p.kind) {
    case HONE_EXPR_K_CAT:
        r = hone_expr_cat(x, hone_expr_clip(x, p.a, most), p.b);
        break;
    case HONE_EXPR_K_TOKEN:
        r = hone_expr_token(x, hone_expr_clip(x, p.a, most));
        break;
    case HONE_EXPR_K_REP: {
        const uint32_t m = p.m > most ? most : p.m;
        const uint32_t n = p.n > most && p.n != HONE_EXPR_MANY ? most : p.n;
        r = hone_expr_repeat(x, p.a, m, n);
        break;
    }
    default:
        break;
    }
    x->depth--;
    return r ? r : e;
}
