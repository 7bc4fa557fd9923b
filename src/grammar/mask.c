/* mask.c - which tokens a state allows.
 *
 * A trie is walked together with the automaton, which costs up to a step for each node.
 * So that few walks are whole ones, a state is taken apart: for `p, then q` (a token of
 * the grammar and what follows, or a frame and what is below it) the tokens that stay
 * within p and the nodes at which p may end depend on p alone and are kept; only the
 * subtrees of those nodes are walked with q.  For alternatives, masks are joined. */
#include <string.h>

#include "base/mem.h"
#include "grammar/grammar_internal.h"

enum {
    MAX_BYTES = 48 << 20, /* of kept masks of one grammar */
    MAX_WIDE = 8          /* alternatives that are taken apart */
};

static void drop(mask_cache *c)
{
    for (size_t i = 0; i < c->n_entry; i++) {
        hone_free(c->entry[i].bits);
        hone_free(c->entry[i].exit);
    }
    c->n_entry = 0;
    c->bytes = 0;
    if (c->slot) memset(c->slot, 0, c->n_slot * sizeof *c->slot);
}

void hone_mask_cache_release(mask_cache *c)
{
    drop(c);
    hone_free(c->entry);
    hone_free(c->slot);
    hone_free(c->path);
    *c = (mask_cache){0};
}

/* -- kept masks ------------------------------------------------------------------- */

static size_t slot_of(const mask_cache *c, hone_expr key, mask_part part)
{
    const uint64_t h = ((uint64_t)key << 2 | part) * 0x9E3779B97F4A7C15u;
    size_t at = (size_t)(h >> 32) & (c->n_slot - 1);
    while (c->slot[at]) {
        const mask_entry *e = &c->entry[c->slot[at] - 1];
        if (e->key == key && e->part == part) break;
        at = (at + 1) & (c->n_slot - 1);
    }
    return at;
}

static bool grow_slots(mask_cache *c)
{
    if ((c->n_entry + 1) * 2 <= c->n_slot) return true;
    uint32_t *slot = hone_alloc_zero(c->n_slot ? c->n_slot * 2 : 256, sizeof *slot);
    if (!slot) return false;
    hone_free(c->slot);
    c->slot = slot;
    c->n_slot = c->n_slot ? c->n_slot * 2 : 256;
    for (size_t i = 0; i < c->n_entry; i++)
        c->slot[slot_of(c, c->entry[i].key, c->entry[i].part)] = (uint32_t)i + 1;
    return true;
}

/* A new entry, empty; its index, or SIZE_MAX.  Entries move, their arrays do not. */
static size_t new_entry(mask_cache *c, const hone_grammar_vocab *v, hone_expr key,
                        mask_part part)
{
    if (!grow_slots(c) || hone_grow((void **)&c->entry, &c->cap_entry, c->n_entry + 1,
                                    sizeof *c->entry)) {
        return SIZE_MAX;
    }
    c->bytes += v->n_word * sizeof(uint32_t);
    c->entry[c->n_entry] = (mask_entry){.key = key, .part = part};
    c->slot[slot_of(c, key, part)] = (uint32_t)c->n_entry + 1;
    return c->n_entry++;
}

/* -- walks ------------------------------------------------------------------------ */

/* What a walk adds to. */
typedef struct target {
    uint32_t *bits;
    uint32_t *exit;
    size_t n_exit, cap_exit;
    bool failed;
} target;

static void add_exit(target *t, uint32_t node)
{
    if (hone_grow((void **)&t->exit, &t->cap_exit, t->n_exit + 1, sizeof *t->exit)) {
        t->failed = true;
        return;
    }
    t->exit[t->n_exit++] = node;
}

static void add_tokens(const hone_grammar_vocab *v, uint32_t from, uint32_t to,
                       uint32_t *bits)
{
    for (uint32_t k = from; k < to; k++) {
        const uint32_t id = (uint32_t)v->id[k];
        bits[id >> 5] |= (uint32_t)1 << (id & 31);
    }
}

/* Walk the subtree of `from`, whose bytes led to state e. */
static void walk(hone_exprs *x, mask_cache *c, const hone_grammar_vocab *v,
                 uint32_t from, hone_expr e, target *t)
{
    const trie_node *node = v->node;
    const uint32_t end = node[from].skip;
    hone_expr *path = c->path;
    path[node[from].depth] = e;
    if (hone_expr_nullable(x, e)) add_exit(t, from);
    for (uint32_t i = from + 1; i < end;) {
        const trie_node *n = &node[i];
        const hone_expr at = path[n->depth - 1];
        if (!x->node[at].next && !hone_expr_table(x, at)) return;
        const hone_expr *next = x->node[at].next;
        const hone_expr to = next[n->byte];
        if (to == HONE_EXPR_NONE) {
            i = n->skip;
            continue;
        }
        path[n->depth] = to;
        if (hone_expr_nullable(x, to)) {
            add_exit(t, i);
        } else if (n->skip > i + 1) {
            if (!x->node[to].next && !hone_expr_table(x, to)) return;
            next = x->node[to].next;
            if (!(n->kinds & ~next[256]) && n->height <= next[257]) {
                /* all below leads back here, or only counts */
                add_tokens(v, n->token, n->token_end, t->bits);
                i = n->skip;
                continue;
            }
        }
        add_tokens(v, n->token, n->token + n->n_token, t->bits);
        i++;
    }
}

static size_t entry_for(hone_exprs *x, mask_cache *c, const hone_grammar_vocab *v,
                        hone_expr e, mask_part part);

static void join_bits(uint32_t *to, const uint32_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] |= from[i];
}

/* Tokens of entry `first`, and from its exits on those of `then`. */
static void join(hone_exprs *x, mask_cache *c, const hone_grammar_vocab *v,
                 size_t first, hone_expr then, target *t)
{
    join_bits(t->bits, c->entry[first].bits, v->n_word);
    const size_t n = c->entry[first].n_exit;
    for (size_t i = 0; i < n && !x->failed; i++) {
        const uint32_t from = c->entry[first].exit[i];
        if (then)
            walk(x, c, v, from, then, t);
        else
            add_exit(t, from);
    }
}

/* Worth taking apart: begins with a token or a frame. */
static bool is_wide(const hone_exprs *x, hone_expr e)
{
    const hone_expr_node *p = &x->node[e];
    if (p->kind == HONE_EXPR_K_CAT) p = &x->node[p->a];
    return p->kind == HONE_EXPR_K_TOKEN || p->kind == HONE_EXPR_K_FRAME;
}

static void add_alternatives(hone_exprs *x, mask_cache *c, const hone_grammar_vocab *v,
                             hone_expr e, target *t)
{
    hone_expr wide[MAX_WIDE], rest = HONE_EXPR_NONE;
    size_t n_wide = 0, n_rest = 0;
    const uint32_t n = x->node[e].n;
    hone_expr *narrow = hone_alloc(n, sizeof *narrow);
    if (!narrow) {
        t->failed = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        const hone_expr a = x->node[e].list[i];
        if (n_wide < MAX_WIDE && is_wide(x, a))
            wide[n_wide++] = a;
        else
            narrow[n_rest++] = a;
    }
    rest = hone_expr_alt_of(x, narrow, n_rest);
    hone_free(narrow);
    if (rest) {
        walk(x, c, v, 0, rest, t);
        walk(x, c, v, v->n_short, rest, t);
    }
    for (size_t i = 0; i < n_wide && !x->failed; i++) {
        const size_t one = entry_for(x, c, v, wide[i], PART_ALL);
        if (one == SIZE_MAX) return;
        join(x, c, v, one, HONE_EXPR_NONE, t);
    }
}

/* A token's own mask: counters that no short token can exhaust look alike. */
static void add_token(hone_exprs *x, mask_cache *c, const hone_grammar_vocab *v,
                      hone_expr e, target *t)
{
    const hone_expr near = hone_expr_clip(x, e, SHORT_TOKEN + 1);
    const hone_expr far = hone_expr_clip(x, e, (uint32_t)v->max_len + 1);
    const size_t a = entry_for(x, c, v, near, PART_SHORT);
    if (a == SIZE_MAX) return;
    join(x, c, v, a, HONE_EXPR_NONE, t);
    const size_t b = entry_for(x, c, v, far, PART_LONG);
    if (b == SIZE_MAX) return;
    join(x, c, v, b, HONE_EXPR_NONE, t);
}

static void compute(hone_exprs *x, mask_cache *c, const hone_grammar_vocab *v,
                    hone_expr e, mask_part part, target *t)
{
    const hone_expr_kind kind = (hone_expr_kind)x->node[e].kind;
    const hone_expr a = x->node[e].a, b = x->node[e].b;
    if (part != PART_ALL) {
        walk(x, c, v, part == PART_SHORT ? 0 : v->n_short, e, t);
    } else if (kind == HONE_EXPR_K_FRAME ||
               (kind == HONE_EXPR_K_CAT && x->node[a].kind == HONE_EXPR_K_TOKEN)) {
        const size_t first = entry_for(x, c, v, a, PART_ALL);
        if (first != SIZE_MAX) join(x, c, v, first, b, t);
    } else if (kind == HONE_EXPR_K_ALT) {
        add_alternatives(x, c, v, e, t);
    } else if (kind == HONE_EXPR_K_TOKEN) {
        add_token(x, c, v, e, t);
    } else {
        walk(x, c, v, 0, e, t);
        walk(x, c, v, v->n_short, e, t);
    }
}

/* The index of the entry, computed if need be; SIZE_MAX: failed. */
static size_t entry_for(hone_exprs *x, mask_cache *c, const hone_grammar_vocab *v,
                        hone_expr e, mask_part part)
{
    if (!grow_slots(c)) {
        x->failed = HONE_E_NOMEM;
        return SIZE_MAX;
    }
    const uint32_t known = c->slot[slot_of(c, e, part)];
    if (known) return known - 1;
    target t = {.bits = hone_alloc_zero(v->n_word, sizeof *t.bits)};
    if (t.bits) compute(x, c, v, e, part, &t);
    const size_t i =
        t.bits && !t.failed && !x->failed ? new_entry(c, v, e, part) : SIZE_MAX;
    if (i == SIZE_MAX) {
        hone_free(t.bits);
        hone_free(t.exit);
        if (!x->failed) x->failed = HONE_E_NOMEM;
        return SIZE_MAX;
    }
    c->entry[i].bits = t.bits;
    c->entry[i].exit = t.exit;
    c->entry[i].n_exit = t.n_exit;
    c->bytes += t.cap_exit * sizeof *t.exit;
    return i;
}

hone_status hone_mask_compute(hone_exprs *x, mask_cache *c, const hone_grammar_vocab *v,
                              hone_expr e, uint32_t *mask)
{
    if (c->serial != v->serial || c->bytes > MAX_BYTES) drop(c);
    c->serial = v->serial;
    if (c->n_path < v->max_len + 2) {
        hone_free(c->path);
        c->n_path = 0;
        c->path = hone_alloc(v->max_len + 2, sizeof *c->path);
        if (!c->path) return HONE_E_NOMEM;
        c->n_path = v->max_len + 2;
    }
    const size_t i = entry_for(x, c, v, e, PART_ALL);
    if (i == SIZE_MAX) {
        memset(mask, 0, v->n_word * sizeof *mask);
        return x->failed;
    }
    memcpy(mask, c->entry[i].bits, v->n_word * sizeof *mask);
    if (hone_expr_nullable(x, e)) {
        for (size_t k = 0; k < v->n_end; k++) {
            mask[v->end_id[k] >> 5] |= (uint32_t)1 << (v->end_id[k] & 31);
        }
    }
    return HONE_OK;
}
