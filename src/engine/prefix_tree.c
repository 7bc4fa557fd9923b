#include "engine/prefix_tree.h"

#include <string.h>

#include "base/mem.h"
#include "base/size.h"

struct hone_prefix_node {
    hone_prefix_node *parent; /* NULL: a root */
    hone_prefix_node **child; /* [n_child], by token */
    size_t n_child, cap;
    size_t n_hot;                    /* children with a page */
    hone_prefix_node *newer, *older; /* by last use; roots are in no list */
    void *page;                      /* NULL in a root, and where it is cold */
    hone_page_slot slot;             /* of a cold node */
    uint64_t adapter;                /* of a root */
    size_t n;
    int32_t token[]; /* [n] */
};

typedef struct use_list {
    hone_prefix_node *newest, *oldest;
} use_list;

struct hone_prefix_tree {
    hone_kv_pool *kv;       /* borrowed */
    hone_page_store *store; /* borrowed; NULL: none */
    size_t page_len;
    hone_prefix_node **root; /* [n_root], one an adapter */
    size_t n_root, root_cap;
    use_list hot, cold;
    hone_prefix_node *pinned;
};

/* -- nodes ------------------------------------------------------------------------ */

static hone_prefix_node *new_node(const int32_t *id, size_t n)
{
    size_t bytes;
    if (!hone_mul_size(n, sizeof *id, &bytes) ||
        !hone_add_size(bytes, sizeof(hone_prefix_node), &bytes))
        return NULL;
    hone_prefix_node *node = hone_alloc_zero(1, bytes);
    if (!node) return NULL;
    node->n = n;
    if (n) memcpy(node->token, id, n * sizeof *id);
    return node;
}

static use_list *list_of(hone_prefix_tree *t, const hone_prefix_node *x)
{
    return x->page ? &t->hot : &t->cold;
}

static void unlink_use(use_list *l, hone_prefix_node *x)
{
    if (x->newer)
        x->newer->older = x->older;
    else
        l->newest = x->older;
    if (x->older)
        x->older->newer = x->newer;
    else
        l->oldest = x->newer;
}

static void link_newest(use_list *l, hone_prefix_node *x)
{
    x->newer = NULL;
    x->older = l->newest;
    if (l->newest)
        l->newest->newer = x;
    else
        l->oldest = x;
    l->newest = x;
}

/* Node and ancestors were used; a parent is newer than its children, so that leaves are
 * evicted first. */
static void touch(hone_prefix_tree *t, hone_prefix_node *x)
{
    for (; x && x->parent; x = x->parent) {
        unlink_use(list_of(t, x), x);
        link_newest(list_of(t, x), x);
    }
}

static hone_prefix_node *find_root(const hone_prefix_tree *t, uint64_t adapter)
{
    for (size_t i = 0; i < t->n_root; i++) {
        if (t->root[i]->adapter == adapter) return t->root[i];
    }
    return NULL;
}

static hone_prefix_node *get_root(hone_prefix_tree *t, uint64_t adapter)
{
    hone_prefix_node *root = find_root(t, adapter);
    if (root) return root;
    if (hone_grow((void **)&t->root, &t->root_cap, t->n_root + 1, sizeof *t->root))
        return NULL;
    root = new_node(NULL, 0);
    if (!root) return NULL;
    root->adapter = adapter;
    t->root[t->n_root++] = root;
    return root;
}

/* -- children --------------------------------------------------------------------- */

size_t hone_prefix_common(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b)
{
    size_t i = 0;
    while (i < n_a && i < n_b && a[i] == b[i]) {
        i++;
    }
    return i;
}

/* Order of token strings, a beginning before what goes on. */
static int compare(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b)
{
    const size_t i = hone_prefix_common(a, n_a, b, n_b);
    if (i < n_a && i < n_b) return a[i] < b[i] ? -1 : 1;
    return n_a < n_b ? -1 : n_a > n_b;
}

/* Place of the first child that is not before id. */
static size_t lower_bound(const hone_prefix_node *at, const int32_t *id, size_t n)
{
    size_t lo = 0, hi = at->n_child;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const hone_prefix_node *c = at->child[mid];
        if (compare(c->token, c->n, id, n) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The longest common beginning is with a neighbour of id's place. */
static hone_prefix_node *nearest(const hone_prefix_node *at, const int32_t *id,
                                 size_t n, size_t *same)
{
    const size_t i = lower_bound(at, id, n);
    hone_prefix_node *best = NULL;
    *same = 0;
    for (size_t j = i > 0 ? i - 1 : 0; j <= i && j < at->n_child; j++) {
        const size_t k =
            hone_prefix_common(at->child[j]->token, at->child[j]->n, id, n);
        if (k <= *same) continue;
        *same = k;
        best = at->child[j];
    }
    return best;
}

/* The tree's reference to the page of a node goes. */
static void give_up_page(hone_prefix_tree *t, hone_prefix_node *x)
{
    hone_kv_pool_set_cached(t->kv, x->page, false);
    hone_kv_pool_unref(t->kv, x->page);
    x->parent->n_hot--;
    x->page = NULL;
}

/* A page becomes the node's, which is in no list. */
static void take_page(hone_prefix_tree *t, hone_prefix_node *x, void *page)
{
    x->page = page;
    x->parent->n_hot++;
    hone_kv_pool_set_cached(t->kv, page, true);
    link_newest(&t->hot, x);
}

/* Take a node without children out of the tree. */
static void remove_leaf(hone_prefix_tree *t, hone_prefix_node *x)
{
    hone_prefix_node *p = x->parent;
    const size_t i = lower_bound(p, x->token, x->n);
    HONE_ASSERT(x->n_child == 0 && i < p->n_child && p->child[i] == x);
    memmove(p->child + i, p->child + i + 1, (p->n_child - i - 1) * sizeof(void *));
    p->n_child--;
    unlink_use(list_of(t, x), x);
    if (x->page)
        give_up_page(t, x);
    else
        hone_page_store_drop(t->store, x->slot);
    hone_free(x->child);
    hone_free(x);
}

/* Take out everything below a node. */
static void remove_children(hone_prefix_tree *t, hone_prefix_node *at)
{
    while (at->n_child > 0) {
        hone_prefix_node *leaf = at;
        while (leaf->n_child > 0) {
            leaf = leaf->child[leaf->n_child - 1];
        }
        remove_leaf(t, leaf);
    }
}

/* -- the tree --------------------------------------------------------------------- */

hone_status hone_prefix_tree_new(hone_prefix_tree **out, hone_kv_pool *kv,
                                 hone_page_store *store, size_t page_len,
                                 hone_error *err)
{
    hone_prefix_tree *t = hone_alloc_zero(1, sizeof *t);
    if (!t) return hone_fail(err, HONE_E_NOMEM, "prefix cache: out of memory");
    t->kv = kv;
    t->store = store;
    t->page_len = page_len;
    *out = t;
    return HONE_OK;
}

void hone_prefix_tree_free(hone_prefix_tree *t)
{
    if (!t) return;
    for (size_t i = 0; i < t->n_root; i++) {
        remove_children(t, t->root[i]);
        hone_free(t->root[i]->child);
        hone_free(t->root[i]);
    }
    hone_free(t->root);
    hone_free(t);
}

hone_prefix_node *hone_prefix_find(hone_prefix_tree *t, uint64_t adapter,
                                   hone_prefix_node *at, const int32_t *id, size_t n,
                                   size_t *same)
{
    *same = 0;
    if (!at) at = find_root(t, adapter);
    if (!at || (at->parent && at->n < t->page_len)) return NULL;
    hone_prefix_node *x = nearest(at, id, n < t->page_len ? n : t->page_len, same);
    touch(t, x);
    return x;
}

void *hone_prefix_page(const hone_prefix_node *node)
{
    return node->page;
}

hone_prefix_node *hone_prefix_parent(const hone_prefix_node *node)
{
    return node->parent->parent ? node->parent : NULL;
}

/* A cold node gets a page that somebody computed again. */
static void reheat(hone_prefix_tree *t, hone_prefix_node *x, void *page)
{
    unlink_use(&t->cold, x);
    hone_page_store_drop(t->store, x->slot);
    hone_kv_pool_ref(t->kv, page);
    take_page(t, x, page);
}

void hone_prefix_pin(hone_prefix_tree *t, hone_prefix_node *node)
{
    t->pinned = node;
}

bool hone_prefix_warm(hone_prefix_tree *t, hone_prefix_node *node, void *page)
{
    HONE_ASSERT(!node->page);
    if (!hone_page_store_get(t->store, node->slot, page)) {
        remove_children(t, node);
        remove_leaf(t, node);
        hone_kv_pool_unref(t->kv, page);
        return false;
    }
    unlink_use(&t->cold, node);
    hone_page_store_drop(t->store, node->slot);
    take_page(t, node, page);
    return true;
}

hone_prefix_node *hone_prefix_insert(hone_prefix_tree *t, uint64_t adapter,
                                     hone_prefix_node *at, const int32_t *id, size_t n,
                                     void *page)
{
    size_t same;
    if (!at) at = get_root(t, adapter);
    if (!at) return NULL;
    HONE_ASSERT(n > 0 && n <= t->page_len && (!at->parent || at->n == t->page_len));
    hone_prefix_node *near = nearest(at, id, n, &same);
    if (near && same == n) {
        const bool cold = !near->page && near->n == n;
        if (cold && !hone_kv_pool_is_cached(t->kv, page)) reheat(t, near, page);
        touch(t, near);
        return near;
    }
    /* a leaf whose tokens the new page repeats is of no use any more */
    if (near && same == near->n) remove_leaf(t, near);
    if (hone_grow((void **)&at->child, &at->cap, at->n_child + 1, sizeof *at->child))
        return NULL;
    hone_prefix_node *x = new_node(id, n);
    if (!x) return NULL;
    const size_t i = lower_bound(at, id, n);
    memmove(at->child + i + 1, at->child + i, (at->n_child - i) * sizeof(void *));
    at->child[i] = x;
    at->n_child++;
    x->parent = at;
    hone_kv_pool_ref(t->kv, page);
    take_page(t, x, page);
    touch(t, x);
    return x;
}

size_t hone_prefix_match(const hone_prefix_tree *t, uint64_t adapter, const int32_t *id,
                         size_t n)
{
    size_t all = 0;
    const hone_prefix_node *at = find_root(t, adapter);
    while (at && all < n) {
        const size_t rest = n - all;
        size_t same;
        at = nearest(at, id + all, rest < t->page_len ? rest : t->page_len, &same);
        all += same;
        if (same < t->page_len) break;
    }
    return all;
}

/* A slot for another page: the oldest cold leaf goes. */
static void make_slot(hone_prefix_tree *t)
{
    if (!hone_page_store_is_full(t->store)) return;
    for (hone_prefix_node *x = t->cold.oldest; x; x = x->newer) {
        if (x->n_child > 0 || x == t->pinned) continue;
        remove_leaf(t, x);
        return;
    }
}

/* The page goes to disk, the node stays; or both go. */
static void cool(hone_prefix_tree *t, hone_prefix_node *x)
{
    if (t->store) make_slot(t);
    const hone_page_slot slot = t->store ? hone_page_store_put(t->store, x->page) : -1;
    if (slot < 0) {
        remove_children(t, x); /* they are cold */
        remove_leaf(t, x);
        return;
    }
    unlink_use(&t->hot, x);
    give_up_page(t, x);
    x->slot = slot;
    link_newest(&t->cold, x);
}

bool hone_prefix_evict(hone_prefix_tree *t)
{
    for (hone_prefix_node *x = t->hot.oldest; x; x = x->newer) {
        if (x->n_hot > 0 || hone_kv_pool_n_ref(t->kv, x->page) > 1) continue;
        cool(t, x);
        return true;
    }
    return false;
}

void hone_prefix_drop(hone_prefix_tree *t, uint64_t adapter)
{
    for (size_t i = 0; i < t->n_root; i++) {
        if (t->root[i]->adapter != adapter) continue;
        remove_children(t, t->root[i]);
        hone_free(t->root[i]->child);
        hone_free(t->root[i]);
        t->root[i] = t->root[--t->n_root];
        return;
    }
}
