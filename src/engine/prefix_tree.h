/* prefix_tree.h - pages of K/V by the tokens that lead to them, for reuse.
 *
 * A node is one page; the path from the root spells the tokens from position 0 on, under
 * the adapter they were computed with.  Inner nodes are full pages, a leaf may hold fewer
 * tokens.  Each node holds a reference to its page; a page that nobody else holds can be
 * evicted, the least recently used leaf first.  With a store on disk an evicted page goes
 * there and its node stays, cold, until the store gives it up too.  Owned by the engine's
 * thread. */
#ifndef HONE_ENGINE_PREFIX_TREE_H
#define HONE_ENGINE_PREFIX_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/kv_pool.h"
#include "engine/page_store.h"

typedef struct hone_prefix_tree hone_prefix_tree;
typedef struct hone_prefix_node hone_prefix_node;

/* How many tokens two lists begin with alike. */
size_t hone_prefix_common(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b);

/* Pool and store (NULL: none) are borrowed and must outlive the tree. */
HONE_MUST_CHECK hone_status hone_prefix_tree_new(hone_prefix_tree **out,
                                                 hone_kv_pool *kv,
                                                 hone_page_store *store,
                                                 size_t page_len, hone_error *err);
void hone_prefix_tree_free(hone_prefix_tree *t); /* NULL is fine */

/* The child of `at` (NULL: the root of `adapter`) that has most tokens in common with
 * id[0..n), and their number in *same; NULL if there is none.  It counts as used. */
hone_prefix_node *hone_prefix_find(hone_prefix_tree *t, uint64_t adapter,
                                   hone_prefix_node *at, const int32_t *id, size_t n,
                                   size_t *same);

/* The page of a node, borrowed; NULL if it is cold. */
void *hone_prefix_page(const hone_prefix_node *node);

/* While it is pinned a cold node is not given up; one at a time, NULL: none. */
void hone_prefix_pin(hone_prefix_tree *t, hone_prefix_node *node);
/* Bring a cold node's page back into `page`, whose one reference is the tree's then.
 * False: it cannot be read; the node and what is below it are gone, the page is free. */
bool hone_prefix_warm(hone_prefix_tree *t, hone_prefix_node *node, void *page);

/* Add a page with n tokens below `at`, which is full, unless a node there has them all:
 * the node that has them now, NULL out of memory.  A full node stays while a sequence
 * holds its page. */
hone_prefix_node *hone_prefix_insert(hone_prefix_tree *t, uint64_t adapter,
                                     hone_prefix_node *at, const int32_t *id, size_t n,
                                     void *page);

hone_prefix_node *hone_prefix_parent(const hone_prefix_node *node); /* NULL: the root */

/* How many tokens of id[0..n) the tree has from the root on; nothing is touched. */
size_t hone_prefix_match(const hone_prefix_tree *t, uint64_t adapter, const int32_t *id,
                         size_t n);

/* Give up the page that was not used for the longest time; false when every page is in
 * use. */
bool hone_prefix_evict(hone_prefix_tree *t);

/* Forget what was computed with an adapter; pages in use live on with their users. */
void hone_prefix_drop(hone_prefix_tree *t, uint64_t adapter);

#endif
