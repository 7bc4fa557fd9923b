/* grammar_internal.h - what grammar.c, vocab.c and mask.c share. */
#ifndef HONE_GRAMMAR_GRAMMAR_INTERNAL_H
#define HONE_GRAMMAR_GRAMMAR_INTERNAL_H

#include <pthread.h>

#include "grammar/expr.h"
#include "hone/grammar.h"

/* A trie in depth-first order: the subtree of node i is i+1 .. skip-1, its tokens are
 * id[token .. token_end), the node's own n_token first. */
typedef struct trie_node {
    uint32_t skip;
    uint32_t token, token_end;
    uint32_t kinds; /* of bytes below this node: hone_byte_kind */
    uint16_t n_token;
    uint16_t depth;  /* bytes so far */
    uint16_t height; /* of the tree below, in bytes */
    uint8_t byte;
} trie_node;

/* Bytes that grammars tend to treat alike, as one bit of 32. */
uint32_t hone_byte_kind(unsigned b);

enum {
    SHORT_TOKEN = 16 /* bytes; longer tokens have a trie of their own */
};

struct hone_grammar_vocab {
    uint64_t serial; /* tells vocabularies apart */
    int32_t n_vocab;
    size_t n_word;
    trie_node *node; /* the root of short tokens is 0, of long ones n_short */
    uint32_t n_node, n_short;
    int32_t *id;
    size_t max_len;
    int32_t *end_id;
    size_t n_end;
    const hone_tokenizer *tok;
};

typedef enum mask_part {
    PART_ALL,
    PART_SHORT,
    PART_LONG
} mask_part;

/* What a language allows from the root of the tries: tokens that stay within it, and
 * the nodes at which it may end. */
typedef struct mask_entry {
    hone_expr key;
    mask_part part;
    uint32_t *bits;
    uint32_t *exit;
    size_t n_exit;
} mask_entry;

typedef struct mask_cache {
    uint64_t serial; /* of the vocabulary it is for */
    mask_entry *entry;
    size_t n_entry, cap_entry;
    uint32_t *slot; /* hash table of index + 1 */
    size_t n_slot;
    size_t bytes;
    hone_expr *path; /* state at each depth of a walk */
    size_t n_path;
} mask_cache;

void hone_mask_cache_release(mask_cache *c);
/* The tokens that may come at e, end tokens included; 0 or the reason of failure. */
hone_status hone_mask_compute(hone_exprs *x, mask_cache *c, const hone_grammar_vocab *v,
                              hone_expr e, uint32_t *mask);

struct hone_grammar_state {
    hone_grammar *g;
    hone_expr e;
    struct hone_grammar_state *prev, *next; /* all states of the grammar */
};

struct hone_grammar {
    pthread_mutex_t lock; /* everything below */
    hone_exprs x;
    hone_expr start;
    mask_cache cache;
    hone_grammar_state *states;
    size_t n_user;       /* the owner and the states */
    size_t collect_when; /* nodes alive that make a collection worth it */
};

/* gbnf.c */
HONE_MUST_CHECK hone_status hone_gbnf_expr(hone_exprs *x, const char *text, size_t len,
                                           hone_expr *out, hone_error *err);

/* parts.c */
HONE_MUST_CHECK hone_status hone_parts_expr(hone_exprs *x,
                                            const hone_grammar_part *root,
                                            hone_expr *out, hone_error *err);

#endif
