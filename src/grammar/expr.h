/* expr.h - languages over bytes as shared expressions, and their derivatives.
 *
 * An expression is an id in a store that keeps equal expressions once.  The state of an
 * automaton is an expression too: what may still come.  A step by byte b is the
 * derivative, { w : bw is in the language }, so automata are built as they are walked;
 * intersection and complement cost nothing special, and a counted repeat is one node
 * however large its bounds.
 *
 * Recursion: REF names a rule; stepping into one inside a sequence leaves a frame (what
 * follows the rule's text) below the derivative of its body.  Bodies are never copied,
 * and frames are bounded.
 *
 * Every operation is total: past a limit the store's `failed` sticks and results are
 * empty.  Not thread safe. Source: Brzozowski 1964, "Derivatives of Regular
 * Expressions"; Owens, Reppy, Turon 2009, "Regular-expression derivatives
 * re-examined". */
#ifndef HONE_GRAMMAR_EXPR_H
#define HONE_GRAMMAR_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef uint32_t hone_expr;

enum {
    HONE_EXPR_NONE = 0,  /* no text at all */
    HONE_EXPR_EMPTY = 1, /* the empty text */
    HONE_EXPR_ANY = 2,   /* every byte string; inside complements only */
};
#define HONE_EXPR_MANY       UINT32_MAX /* upper bound of an unbounded repeat */
#define HONE_EXPR_MAX_FRAMES 250        /* rules that may be open at once */
#define HONE_EXPR_MAX_NODES  (4u << 20)

typedef enum hone_expr_kind {
    HONE_EXPR_K_FREE, /* a collected node */
    HONE_EXPR_K_EMPTY,
    HONE_EXPR_K_ANY,
    HONE_EXPR_K_SET,    /* one byte of set a */
    HONE_EXPR_K_CAT,    /* a, then b; a is no CAT */
    HONE_EXPR_K_ALT,    /* one of list[0..n), sorted */
    HONE_EXPR_K_AND,    /* all of list[0..n), sorted; regular */
    HONE_EXPR_K_NOT,    /* not a; regular */
    HONE_EXPR_K_REP,    /* a, m to n times */
    HONE_EXPR_K_TOKEN,  /* a, kept together: its masks are shared between contexts */
    HONE_EXPR_K_REF,    /* rule a */
    HONE_EXPR_K_FRAME,  /* a inside a rule, then b; a is no FRAME */
    HONE_EXPR_K_NUMBER, /* digits that make a multiple of step a: remainder m, phase n */
} hone_expr_kind;

enum {
    HONE_EXPR_NULLABLE = 1, /* holds the empty text */
    HONE_EXPR_RULES = 2,    /* contains REF or FRAME */
    HONE_EXPR_SEARCH = 4,   /* may be empty without being HONE_EXPR_NONE */
    HONE_EXPR_FRAMED = 8,   /* is a FRAME, or an ALT with one */
    HONE_EXPR_KNOWN = 16,   /* DEAD says whether it is empty */
    HONE_EXPR_DEAD = 32,
    HONE_EXPR_MARK = 64, /* of the collector and of searches */
};

typedef struct hone_expr_node {
    uint8_t kind, flags;
    uint16_t depth; /* frames */
    uint32_t a, b, m, n;
    uint32_t hash;
    hone_expr *list;
    hone_expr *next; /* step by each byte, or NULL: hone_expr_table */
} hone_expr_node;

typedef struct hone_byteset {
    uint64_t w[4];
} hone_byteset;

static inline bool hone_byteset_has(const hone_byteset *s, unsigned b)
{
    return s->w[b >> 6] >> (b & 63) & 1;
}
void hone_byteset_add(hone_byteset *s, unsigned lo, unsigned hi);

typedef struct hone_expr_rule {
    hone_expr body;
    bool nullable;
} hone_expr_rule;

/* Multiples of k / 10^scale. */
typedef struct hone_expr_step {
    uint32_t k;
    uint32_t scale;
} hone_expr_step;

typedef struct hone_expr_memo {
    uint64_t key;
    hone_expr value;
} hone_expr_memo;

typedef struct hone_exprs {
    hone_expr_node *node;
    size_t n_node, cap_node;
    size_t n_live, n_table;
    uint32_t free_node; /* head of the list of collected ids (by .a), or 0 */
    uint32_t *slot;     /* hash table of ids */
    size_t n_slot;
    hone_byteset *set;
    size_t n_set, cap_set;
    hone_expr_rule *rule;
    size_t n_rule, cap_rule;
    hone_expr_step *step;
    size_t n_step, cap_step;
    hone_expr_memo *memo; /* recent derivatives, one for each place */
    hone_expr *work;      /* stack of lists under construction */
    size_t n_work, cap_work;
    size_t n_search;   /* nodes visited by searches for emptiness */
    size_t n_interned; /* nodes made or met; both since an operation began */
    unsigned depth;    /* of recursion, now */
    hone_status failed;
    uint32_t kind_of[256];     /* one bit for each byte; set by who uses it */
    hone_expr json_ascii[128]; /* chars.c: a character as JSON text may spell it */
    hone_expr json_any;
} hone_exprs;

HONE_MUST_CHECK hone_status hone_exprs_init(hone_exprs *x, hone_error *err);
void hone_exprs_release(hone_exprs *x);
/* `failed` as a status with text "what: ...". */
hone_status hone_exprs_status(const hone_exprs *x, const char *what, hone_error *err);

static inline bool hone_expr_nullable(const hone_exprs *x, hone_expr e)
{
    return x->node[e].flags & HONE_EXPR_NULLABLE;
}

hone_expr hone_expr_set(hone_exprs *x, const hone_byteset *s);
hone_expr hone_expr_range(hone_exprs *x, unsigned lo, unsigned hi); /* one byte */
hone_expr hone_expr_bytes(hone_exprs *x, const char *s, size_t len, hone_expr then);
hone_expr hone_expr_cat(hone_exprs *x, hone_expr a, hone_expr b);
hone_expr hone_expr_alt(hone_exprs *x, hone_expr a, hone_expr b);
hone_expr hone_expr_alt_of(hone_exprs *x, const hone_expr *e, size_t n);
hone_expr hone_expr_and(hone_exprs *x, hone_expr a, hone_expr b);
hone_expr hone_expr_not(hone_exprs *x, hone_expr a);
hone_expr hone_expr_repeat(hone_exprs *x, hone_expr a, uint32_t m, uint32_t n);
hone_expr hone_expr_optional(hone_exprs *x, hone_expr a);
hone_expr hone_expr_token(hone_exprs *x, hone_expr a);
hone_expr hone_expr_frame(hone_exprs *x, hone_expr a, hone_expr then);
hone_expr hone_expr_multiple(hone_exprs *x, uint32_t k, uint32_t scale);

/* A new rule; its body is set later (x->rule[r].body). */
uint32_t hone_expr_rule_new(hone_exprs *x, bool nullable);
hone_expr hone_expr_ref(hone_exprs *x, uint32_t rule);

/* The language after byte b; may be empty without being HONE_EXPR_NONE. */
hone_expr hone_expr_derive(hone_exprs *x, hone_expr e, unsigned b);
/* The same, HONE_EXPR_NONE if and only if it is empty. */
hone_expr hone_expr_step_by(hone_exprs *x, hone_expr e, unsigned b);
/* Give e a table of steps by every byte, x->node[e].next; false if that failed.  Behind
 * the 256 steps stands the set of kinds (x->kind_of) whose bytes all lead back to e, or
 * to e with a counter one less; then how often that goes on. */
bool hone_expr_table(hone_exprs *x, hone_expr e);
/* Drop all tables and recent derivatives. */
void hone_expr_forget(hone_exprs *x);

/* True unless the language is empty. */
bool hone_expr_alive(hone_exprs *x, hone_expr e);
bool hone_expr_matches(hone_exprs *x, hone_expr e, const char *s, size_t len);
/* Bytes at whose value the derivative may change: bit b is set if b and b-1 may
 * differ. */
void hone_expr_borders(const hone_exprs *x, hone_expr e, hone_byteset *out);

/* Counters at the front capped at `most`: no text shorter than that can tell the
 * difference.  Not inside intersections, which may be empty for a reason far away. */
hone_expr hone_expr_clip(hone_exprs *x, hone_expr e, uint32_t most);

/* Collect every node that no rule, root or table needs.  Ids that stay keep their
 * value. */
void hone_expr_collect(hone_exprs *x, const hone_expr *root, size_t n_root);

#endif
