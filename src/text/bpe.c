/* bpe.c - byte-pair encoding of one piece of text.
 *
 * Symbols are a doubly linked list over the text; candidates wait in a heap ordered by
 * rank and then position, so that a piece of n characters costs n log n.  A candidate
 * that an earlier merge made stale is recognised when it comes up.
 * Source: Sennrich et al. 2016, arXiv:1508.07909, sec. 3.2. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"

struct hone_merge_entry {
    uint64_t pair; /* left << 32 | right, plus one: 0 is free */
    int32_t rank, joined;
};

/* -- merges by pair --------------------------------------------------------------- */

static size_t slot_of(const hone_merge_entry *m, size_t cap, uint64_t pair)
{
    uint64_t h = pair * 0x9E3779B97F4A7C15u;
    size_t i = (h ^ h >> 32) & (cap - 1);
    while (m[i].pair && m[i].pair != pair) {
        i = (i + 1) & (cap - 1);
    }
    return i;
}

static uint64_t pair_of(int32_t left, int32_t right)
{
    return ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1;
}

hone_status hone_bpe_expect_merges(hone_tokenizer *t, size_t n, hone_error *err)
{
    hone_bpe *b = &t->bpe;
    HONE_ASSERT(!b->merge);
    if (n == 0) return HONE_OK;
    size_t cap = 1024;
    while (cap / 2 < n && cap < SIZE_MAX / 2 / sizeof *b->merge) {
        cap *= 2;
    }
    b->merge = hone_alloc_zero(cap, sizeof *b->merge);
    if (!b->merge) return hone_fail(err, HONE_E_NOMEM, "merges: out of memory");
    b->merge_cap = cap;
    return HONE_OK;
}

/* Whether a piece that is found by its text is spelled as two parts. */
static bool is_spelled(const hone_tokenizer *t, int32_t id, hone_slice left,
                       hone_slice right)
{
    if (id < 0 || id >= t->n_vocab) return false;
    const hone_piece_entry *p = &t->piece[id];
    return p->mapped && p->len == left.len + right.len &&
           memcmp(p->text, left.data, left.len) == 0 &&
           memcmp(p->text + left.len, right.data, right.len) == 0;
}

static hone_status find_joined(const hone_tokenizer *t, hone_slice left,
                               hone_slice right, int32_t *id, hone_error *err)
{
    char room[256];
    const size_t len = left.len + right.len;
    char *text = len <= sizeof room ? room : hone_alloc(len, 1);
    if (!text) return hone_fail(err, HONE_E_NOMEM, "merges: out of memory");
    memcpy(text, left.data, left.len);
    memcpy(text + left.len, right.data, right.len);
    *id = hone_map_find(&t->map, text, len);
    if (text != room) hone_free(text);
    return HONE_OK;
}

/* Vocabularies most often list what merges make in the order of the merges: the piece
 * behind the last one is looked at before a find that waits for memory. */
hone_status hone_bpe_add_merge(hone_tokenizer *t, hone_slice left, hone_slice right,
                               int32_t rank, hone_error *err)
{
    hone_bpe *b = &t->bpe;
    const size_t prefix = b->prefix ? strlen(b->prefix) : 0;
    const size_t skip = right.len >= prefix ? prefix : right.len;
    const hone_slice rest = {right.data + skip, right.len - skip};
    const int32_t first = hone_map_find(&t->map, left.data, left.len);
    const int32_t second =
        right.len ? hone_map_find(&t->map, right.data, right.len) : -1;
    int32_t both = b->last_joined + 1;
    if (!is_spelled(t, both, left, rest))
        HONE_TRY(find_joined(t, left, rest, &both, err));
    if (first < 0 || second < 0 || both < 0) {
        return hone_fail(err, HONE_E_FORMAT,
                         "merges: %d: '%.*s' + '%.*s' is not in the vocabulary", rank,
                         (int)(left.len < 40 ? left.len : 40), left.data,
                         (int)(right.len < 40 ? right.len : 40), right.data);
    }
    const uint64_t pair = pair_of(first, second);
    HONE_ASSERT(b->n_merge < b->merge_cap / 2);
    hone_merge_entry *e = &b->merge[slot_of(b->merge, b->merge_cap, pair)];
    if (!e->pair) b->n_merge++;
    *e = (hone_merge_entry){pair, rank, both};
    b->last_joined = both;
    return HONE_OK;
}

void hone_bpe_find_bytes(hone_tokenizer *t)
{
    for (int i = 0; i < 256; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)i);
        t->bpe.byte_id[i] = hone_map_find(&t->map, name, 6);
    }
}

void hone_bpe_release(hone_bpe *b)
{
    hone_free(b->merge);
    hone_free(b->rank);
    hone_free(b->prefix);
    hone_free(b->suffix);
}

/* -- one word --------------------------------------------------------------------- */

typedef struct symbol {
    int32_t id; /* -1: no piece is spelled so (kept for ranks) */
    int32_t prev, next;
    uint32_t from, len; /* bytes of the text; len 0: merged away */
} symbol;

typedef struct candidate {
    int32_t rank, at, joined;
} candidate;

enum {
    INLINE = 64 /* symbols of a word that needs no allocation */
};

typedef struct word {
    const hone_tokenizer *t;
    const char *text;
    symbol *symbols;
    size_t n, cap;
    candidate *heap;
    size_t n_heap, heap_cap;
    symbol symbol_room[INLINE];
    candidate heap_room[INLINE];
} word;

static int grow_word(void **items, const void *room, size_t *cap, size_t size)
{
    void *p = hone_alloc(*cap * 2, size);
    if (!p) return -1;
    memcpy(p, *items, *cap * size);
    if (*items != room) hone_free(*items);
    *items = p;
    *cap *= 2;
    return 0;
}

static int add_symbol(word *w, int32_t id, size_t from, size_t len)
{
    if (w->n == w->cap &&
        grow_word((void **)&w->symbols, w->symbol_room, &w->cap, sizeof *w->symbols)) {
        return -1;
    }
    const int32_t i = (int32_t)w->n++;
    w->symbols[i] = (symbol){id, i - 1, i + 1, (uint32_t)from, (uint32_t)len};
    return 0;
}

static bool before(const candidate *a, const candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static int heap_push(word *w, candidate c)
{
    if (w->n_heap == w->heap_cap &&
        grow_word((void **)&w->heap, w->heap_room, &w->heap_cap, sizeof *w->heap)) {
        return -1;
    }
    size_t i = w->n_heap++;
    while (i > 0 && before(&c, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = c;
    return 0;
}

static candidate heap_pop(word *w)
{
    const candidate top = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->n_heap) break;
        if (child + 1 < w->n_heap && before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!before(&w->heap[child], &last)) break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

/* What symbols a and b merge into; false if they do not. */
static bool find_merge(const word *w, const symbol *a, const symbol *b, candidate *out)
{
    const hone_bpe *bpe = &w->t->bpe;
    if (bpe->kind == HONE_BPE_MERGES) {
        if (a->id < 0 || b->id < 0 || !bpe->merge_cap) return false;
        const hone_merge_entry *e =
            &bpe->merge[slot_of(bpe->merge, bpe->merge_cap, pair_of(a->id, b->id))];
        if (!e->pair) return false;
        out->rank = e->rank;
        out->joined = e->joined;
        return true;
    }
    const int32_t id =
        hone_map_find(&w->t->map, w->text + a->from, (size_t)a->len + b->len);
    if (id < 0 || bpe->rank[id] < 0) return false;
    out->rank = bpe->rank[id];
    out->joined = id;
    return true;
}

static int consider(word *w, int32_t at)
{
    const symbol *a = &w->symbols[at];
    if ((size_t)a->next >= w->n) return 0;
    const symbol *b = &w->symbols[a->next];
    candidate c;
    if (!find_merge(w, a, b, &c)) return 0;
    c.at = at;
    return heap_push(w, c);
}

static int merge_all(word *w)
{
    for (int32_t i = 0; i + 1 < (int32_t)w->n; i++) {
        if (consider(w, i)) return -1;
    }
    while (w->n_heap > 0) {
        const candidate c = heap_pop(w);
        symbol *a = &w->symbols[c.at];
        if (a->len == 0 || (size_t)a->next >= w->n) continue;
        symbol *b = &w->symbols[a->next];
        candidate now;
        if (!find_merge(w, a, b, &now) || now.joined != c.joined) continue; /* stale */
        a->id = c.joined;
        a->len += b->len;
        a->next = b->next;
        b->len = 0;
        if ((size_t)a->next < w->n) w->symbols[a->next].prev = c.at;
        if (a->prev >= 0 && consider(w, a->prev)) return -1;
        if (consider(w, c.at)) return -1;
    }
    return 0;
}

/* -- from characters to symbols --------------------------------------------------- */

static bool has_bytes(const hone_bpe *b, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (b->byte_id[(unsigned char)s[i]] < 0) return false;
    }
    return true;
}

/* A character with the affixes that some vocabularies spell words with; s itself, or in
 * *room. */
static hone_slice affixed(const hone_bpe *b, const char *s, size_t len, bool first,
                          bool last, hone_buf *room)
{
    const char *prefix = !first ? b->prefix : NULL, *suffix = last ? b->suffix : NULL;
    if (!prefix && !suffix) return (hone_slice){s, len};
    hone_buf_reset(room);
    if (prefix) hone_buf_append_str(room, prefix);
    hone_buf_append(room, s, len);
    if (suffix) hone_buf_append_str(room, suffix);
    return (hone_slice){room->data, room->len};
}

/* Unknown characters: bytes (those of the affixes too) if the vocabulary has them, else
 * `unk`, one for a run if fused.  As in the reference, a pending unk is written before the
 * next known character and not before bytes. */
static int add_symbols(word *w, const char *text, size_t len, hone_buf *room)
{
    const hone_bpe *b = &w->t->bpe;
    size_t unk_from = 0, unk_len = 0;
    bool unk = false;
    for (size_t at = 0; at < len;) {
        uint32_t cp;
        int n = hone_utf8_decode(text + at, len - at, &cp);
        if (n <= 0) n = 1;
        const size_t step = (size_t)n;
        const hone_slice s =
            affixed(b, text + at, step, at == 0, at + step >= len, room);
        if (room->failed) return -1;
        const int32_t id = hone_map_find(&w->t->map, s.data, s.len);
        if (id >= 0) {
            if (unk && add_symbol(w, b->unk, unk_from, unk_len)) return -1;
            unk = false;
            if (add_symbol(w, id, at, step)) return -1;
        } else if (b->byte_fallback && has_bytes(b, s.data, s.len)) {
            for (size_t i = 0; i < s.len; i++) {
                const int32_t byte = b->byte_id[(unsigned char)s.data[i]];
                if (add_symbol(w, byte, at, 1)) return -1;
            }
        } else if (b->unk >= 0) {
            if (unk && b->fuse_unk) {
                unk_len += step;
            } else {
                if (unk && add_symbol(w, b->unk, unk_from, unk_len)) return -1;
                unk = true;
                unk_from = at;
                unk_len = step;
            }
        }
        at += step;
    }
    return unk ? add_symbol(w, b->unk, unk_from, unk_len) : 0;
}

static int merges_symbols(word *w, const char *text, size_t len)
{
    hone_buf room;
    hone_buf_init(&room, 1 << 20);
    const int failed = add_symbols(w, text, len, &room);
    hone_buf_release(&room);
    return failed;
}

/* Characters, or bytes, whether the vocabulary has them or not. */
static int ranks_symbols(word *w, const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        uint32_t cp;
        int n = w->t->bpe.whole_bytes ? 1 : hone_utf8_decode(text + at, len - at, &cp);
        if (n <= 0) n = 1;
        const int32_t id = hone_map_find(&w->t->map, text + at, (size_t)n);
        if (add_symbol(w, id, at, (size_t)n)) return -1;
        at += (size_t)n;
    }
    return 0;
}

/* A symbol that is no piece: its bytes, or unk. */
static hone_status emit_unknown(const word *w, const symbol *s, bool *after_unk,
                                hone_tokens *out, hone_error *err)
{
    const hone_bpe *b = &w->t->bpe;
    if (b->byte_fallback && has_bytes(b, w->text + s->from, s->len)) {
        for (uint32_t i = 0; i < s->len; i++) {
            const int32_t id = b->byte_id[(unsigned char)w->text[s->from + i]];
            HONE_TRY(hone_tokens_append(out, &id, 1, err));
        }
        *after_unk = false;
        return HONE_OK;
    }
    const bool again = *after_unk && b->fuse_unk;
    *after_unk = true;
    if (b->unk < 0 || again) return HONE_OK;
    return hone_tokens_append(out, &b->unk, 1, err);
}

static hone_status emit(const word *w, hone_tokens *out, hone_error *err)
{
    bool after_unk = false;
    for (size_t i = 0; i < w->n; i++) {
        const symbol *s = &w->symbols[i];
        if (s->len == 0) continue;
        if (s->id < 0) {
            HONE_TRY(emit_unknown(w, s, &after_unk, out, err));
            continue;
        }
        after_unk = false;
        HONE_TRY(hone_tokens_append(out, &s->id, 1, err));
    }
    return HONE_OK;
}

hone_status hone_bpe_encode(const hone_tokenizer *t, const char *text, size_t len,
                            hone_tokens *out, hone_error *err)
{
    if (len == 0) return HONE_OK;
    if (len > INT32_MAX / 2)
        return hone_fail(err, HONE_E_LIMIT, "encode: piece is too long");
    if (t->bpe.ignore_merges) {
        const int32_t id = hone_map_find(&t->map, text, len);
        if (id >= 0) return hone_tokens_append(out, &id, 1, err);
    }
    word w = {.t = t, .text = text, .cap = INLINE, .heap_cap = INLINE};
    w.symbols = w.symbol_room;
    w.heap = w.heap_room;
    const int failed =
        (t->bpe.kind == HONE_BPE_MERGES ? merges_symbols(&w, text, len)
                                        : ranks_symbols(&w, text, len)) ||
        merge_all(&w);
    const hone_status s = failed ? hone_fail(err, HONE_E_NOMEM, "encode: out of memory")
                                 : emit(&w, out, err);
    if (w.symbols != w.symbol_room) hone_free(w.symbols);
    if (w.heap != w.heap_room) hone_free(w.heap);
    return s;
}
