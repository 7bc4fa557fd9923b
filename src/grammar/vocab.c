/* vocab.c - a tokenizer's tokens as tries of their bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "grammar/grammar_internal.h"

uint32_t hone_byte_kind(unsigned b)
{
    static const char *const group[] = {
        "abcdef", "ABCDEF", "0123456789", " ", "\"", "\\", "-",       "_",
        ".",      "/",      ":",          ",", "'",  "+",  "()[]{}<>"};
    const int n = sizeof group / sizeof *group;
    for (int i = 0; i < n; i++) {
        if (b && strchr(group[i], (int)b)) return (uint32_t)1 << i;
    }
    const int kind = b < 32                 ? n
                     : b >= 'a' && b <= 'z' ? n + 1
                     : b >= 'A' && b <= 'Z' ? n + 2
                     : b < 127              ? n + 3
                     : b == 127             ? n + 4
                                            : n + 5;
    return (uint32_t)1 << kind;
}

typedef struct word {
    const char *s;
    size_t len;
    int32_t id;
} word;

static int by_bytes(const void *p, const void *q)
{
    const word *a = p, *b = q;
    const int d = memcmp(a->s, b->s, a->len < b->len ? a->len : b->len);
    if (d) return d;
    if (a->len != b->len) return a->len < b->len ? -1 : 1;
    return a->id - b->id;
}

/* The node at that depth of the path has all its descendants. */
static void close_node(hone_grammar_vocab *v, const uint32_t *path, size_t depth,
                       uint32_t n_id)
{
    trie_node *n = &v->node[path[depth]];
    n->skip = v->n_node;
    n->token_end = n_id;
    if (depth == 0) return;
    trie_node *parent = &v->node[path[depth - 1]];
    parent->kinds |= n->kinds | hone_byte_kind(n->byte);
    if (parent->height <= n->height) parent->height = n->height + 1;
}

/* Append the trie of w[0..n), sorted, behind the nodes there are. */
static void add_trie(hone_grammar_vocab *v, const word *w, size_t n, uint32_t *n_id,
                     uint32_t *path)
{
    size_t depth = 0;
    path[0] = v->n_node;
    v->node[v->n_node++] = (trie_node){.token = *n_id};
    for (size_t i = 0; i < n; i++) {
        size_t same = 0;
        while (same < depth && same < w[i].len &&
               (uint8_t)w[i].s[same] == v->node[path[same + 1]].byte) {
            same++;
        }
        for (; depth > same; depth--)
            close_node(v, path, depth, *n_id);
        for (; depth < w[i].len; depth++) {
            path[depth + 1] = v->n_node;
            v->node[v->n_node++] = (trie_node){.token = *n_id,
                                               .byte = (uint8_t)w[i].s[depth],
                                               .depth = (uint16_t)(depth + 1)};
        }
        trie_node *end = &v->node[path[depth]];
        if (end->n_token < UINT16_MAX) end->n_token++;
        v->id[(*n_id)++] = w[i].id;
    }
    for (depth++; depth-- > 0;)
        close_node(v, path, depth, *n_id);
}

static bool is_end(const hone_grammar_vocab *v, int32_t id)
{
    for (size_t i = 0; i < v->n_end; i++) {
        if (v->end_id[i] == id) return true;
    }
    return false;
}

static hone_status build(hone_grammar_vocab *v, word *w, hone_error *err)
{
    size_t n = 0, n_bytes = 0, n_short = 0;
    for (int32_t id = 0; id < v->n_vocab; id++) {
        size_t len;
        const char *s = hone_tokenizer_bytes(v->tok, id, &len);
        if (!s || len == 0 || len > 4096 || hone_tokenizer_is_special(v->tok, id) ||
            is_end(v, id)) {
            continue;
        }
        w[n++] = (word){s, len, id};
        n_bytes += len;
        if (len > v->max_len) v->max_len = len;
    }
    qsort(w, n, sizeof *w, by_bytes);
    if (n_bytes > UINT32_MAX / 2) {
        return hone_fail(err, HONE_E_LIMIT, "grammar: vocabulary: too many bytes");
    }
    word *sorted = hone_alloc(n + 1, sizeof *sorted);
    uint32_t *path = hone_alloc(v->max_len + 2, sizeof *path), n_id = 0;
    v->node = hone_alloc(n_bytes + 2, sizeof *v->node);
    v->id = hone_alloc(n + 1, sizeof *v->id);
    if (!sorted || !path || !v->node || !v->id) {
        hone_free(sorted);
        hone_free(path);
        return hone_fail(err, HONE_E_NOMEM, "grammar: vocabulary: out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        if (w[i].len <= SHORT_TOKEN) sorted[n_short++] = w[i];
    }
    size_t n_long = n_short;
    for (size_t i = 0; i < n; i++) {
        if (w[i].len > SHORT_TOKEN) sorted[n_long++] = w[i];
    }
    add_trie(v, sorted, n_short, &n_id, path);
    v->n_short = v->n_node;
    add_trie(v, sorted + n_short, n - n_short, &n_id, path);
    hone_free(sorted);
    hone_free(path);
    return HONE_OK;
}

hone_status hone_grammar_vocab_new(hone_grammar_vocab **out, const hone_tokenizer *tok,
                                   const int32_t *end_id, size_t n_end, hone_error *err)
{
    hone_grammar_vocab *v = hone_alloc_zero(1, sizeof *v);
    if (!v) return hone_fail(err, HONE_E_NOMEM, "grammar: vocabulary: out of memory");
    const int32_t eos = hone_tokenizer_role(tok, HONE_TOKEN_EOS);
    if (n_end == 0 && eos >= 0) {
        end_id = &eos;
        n_end = 1;
    }
    v->tok = tok;
    v->serial = hone_random_seed() | 1;
    v->n_vocab = hone_tokenizer_n_vocab(tok);
    v->n_word = ((size_t)v->n_vocab + 31) / 32;
    v->end_id = hone_alloc(n_end + 1, sizeof *v->end_id);
    word *w = hone_alloc((size_t)v->n_vocab + 1, sizeof *w);
    hone_status s = HONE_OK;
    if (!v->end_id || !w)
        s = hone_fail(err, HONE_E_NOMEM, "grammar: vocabulary: out of memory");
    for (size_t i = 0; i < n_end && !s; i++) {
        if (end_id[i] < 0 || end_id[i] >= v->n_vocab)
            s = hone_fail(err, HONE_E_INVALID, "grammar: end token %d: no such token",
                          end_id[i]);
        else
            v->end_id[v->n_end++] = end_id[i];
    }
    if (!s) s = build(v, w, err);
    hone_free(w);
    if (s) {
        hone_grammar_vocab_free(v);
        return s;
    }
    *out = v;
    return HONE_OK;
}

void hone_grammar_vocab_free(hone_grammar_vocab *v)
{
    if (!v) return;
    hone_free(v->node);
    hone_free(v->id);
    hone_free(v->end_id);
    hone_free(v);
}

size_t hone_grammar_mask_words(const hone_grammar_vocab *v)
{
    return v->n_word;
}
