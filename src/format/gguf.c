/* gguf.c - the directory of a GGUF file.
 *
 * One pass over the header fills two arrays, keys and tensors, each with a map by name.
 * Values stay where they are in the mapping; arrays of strings, whose elements have no
 * fixed size, get an index of offsets.  Nothing is allocated from a count before the
 * file is known to be long enough to hold that many elements. */
#include "format/gguf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/utf8.h"

enum {
    MAX_NAME = 1024,
    DEFAULT_ALIGNMENT = 32,
    MAX_SHARDS = 4096
};

typedef struct kv {
    char *key;
    hone_gguf_type type;
    const unsigned char *value; /* after the type field */
    /* arrays only */
    hone_gguf_type elem;
    uint64_t n;
    const unsigned char *first; /* first element */
    hone_gguf_str *strings;     /* [n] of a string array, owned */
} kv;

struct hone_gguf {
    hone_file file; /* data NULL when over the caller's memory */
    const unsigned char *data;
    size_t size;
    char *name; /* for messages */
    uint32_t version;
    kv *kvs;
    size_t n_kv;
    hone_map kv_map;
    hone_tensor *tensors;
    size_t n_tensor;
    hone_map tensor_map;
    size_t alignment;
    hone_gguf **shard; /* further files of a split model, owned */
    size_t n_shard;
};

/* -- reading the header ----------------------------------------------------------- */

typedef struct cursor {
    const unsigned char *at, *end;
} cursor;

static bool take(cursor *c, size_t n, const unsigned char **p)
{
    if ((size_t)(c->end - c->at) < n) return false;
    *p = c->at;
    c->at += n;
    return true;
}

static bool take_u32(cursor *c, uint32_t *v)
{
    const unsigned char *p;
    if (!take(c, sizeof *v, &p)) return false;
    memcpy(v, p, sizeof *v);
    return true;
}

static bool take_u64(cursor *c, uint64_t *v)
{
    const unsigned char *p;
    if (!take(c, sizeof *v, &p)) return false;
    memcpy(v, p, sizeof *v);
    return true;
}

static bool take_str(cursor *c, hone_gguf_str *s)
{
    uint64_t len;
    const unsigned char *p;
    if (!take_u64(c, &len) || len > (uint64_t)(c->end - c->at)) return false;
    if (!take(c, (size_t)len, &p)) return false;
    *s = (hone_gguf_str){(const char *)p, (size_t)len};
    return true;
}

static size_t scalar_size(uint32_t type)
{
    static const unsigned char size[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < sizeof size ? size[type] : 0;
}

static hone_status truncated(hone_error *err, const char *what)
{
    return hone_fail(err, HONE_E_FORMAT, "truncated in the %s", what);
}

static hone_status skip_value(cursor *c, uint32_t type, int depth, hone_error *err);

static hone_status skip_array(cursor *c, int depth, hone_error *err)
{
    uint32_t elem;
    uint64_t n;
    if (!take_u32(c, &elem) || !take_u64(c, &n)) return truncated(err, "metadata");
    const size_t size = scalar_size(elem);
    if (size) {
        size_t bytes;
        const unsigned char *p;
        if (n > SIZE_MAX || !hone_mul_size((size_t)n, size, &bytes) ||
            !take(c, bytes, &p)) {
            return truncated(err, "metadata");
        }
        return HONE_OK;
    }
    for (uint64_t i = 0; i < n; i++) {
        HONE_TRY(skip_value(c, elem, depth + 1, err));
    }
    return HONE_OK;
}

static hone_status skip_value(cursor *c, uint32_t type, int depth, hone_error *err)
{
    if (depth > HONE_GGUF_MAX_DEPTH) {
        return hone_fail(err, HONE_E_LIMIT, "arrays nest deeper than %d",
                         HONE_GGUF_MAX_DEPTH);
    }
    const unsigned char *p;
    hone_gguf_str s;
    if (type == HONE_GGUF_ARRAY) return skip_array(c, depth, err);
    if (type == HONE_GGUF_STRING) {
        return take_str(c, &s) ? HONE_OK : truncated(err, "metadata");
    }
    const size_t size = scalar_size(type);
    if (!size) return hone_fail(err, HONE_E_FORMAT, "value type %u is unknown", type);
    return take(c, size, &p) ? HONE_OK : truncated(err, "metadata");
}

/* The index of a string array; its elements were checked by skip_value. */
static hone_status index_strings(kv *e, hone_error *err)
{
    e->strings = hone_alloc((size_t)e->n, sizeof *e->strings);
    if (!e->strings) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    const unsigned char *at = e->first;
    for (uint64_t i = 0; i < e->n; i++) {
        uint64_t len;
        memcpy(&len, at, sizeof len);
        e->strings[i] = (hone_gguf_str){(const char *)at + sizeof len, (size_t)len};
        at += sizeof len + (size_t)len;
    }
    return HONE_OK;
}

static bool is_name(const hone_gguf_str *s)
{
    return s->len > 0 && s->len <= MAX_NAME && !memchr(s->data, '\0', s->len);
}

static hone_status read_kv(hone_gguf *g, cursor *c, hone_error *err)
{
    hone_gguf_str key;
    uint32_t type;
    if (!take_str(c, &key)) return truncated(err, "metadata");
    if (!is_name(&key)) {
        return hone_fail(err, HONE_E_FORMAT,
                         "key %zu: expected 1 to %d bytes without NUL", g->n_kv,
                         MAX_NAME);
    }
    kv *e = &g->kvs[g->n_kv];
    *e = (kv){.key = hone_strndup(key.data, key.len)};
    if (!e->key) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    const size_t i = g->n_kv++; /* the entry is released with the rest from here on */
    int32_t old;
    HONE_TRY(hone_map_put(&g->kv_map, e->key, key.len, (int32_t)i, &old, err));
    if (old >= 0) return hone_fail(err, HONE_E_FORMAT, "key '%s': twice", e->key);
    if (!take_u32(c, &type)) return truncated(err, "metadata");
    e->type = (hone_gguf_type)type;
    e->value = c->at;
    const hone_status s = skip_value(c, type, 1, err);
    if (s) return hone_error_wrap(err, s, "key '%s'", e->key);
    if (type != HONE_GGUF_ARRAY) return HONE_OK;

    cursor inside = {e->value, c->at};
    uint32_t elem = 0;
    HONE_ASSERT(take_u32(&inside, &elem) && take_u64(&inside, &e->n));
    e->elem = (hone_gguf_type)elem;
    e->first = inside.at;
    return elem == HONE_GGUF_STRING ? index_strings(e, err) : HONE_OK;
}

/* -- tensors ---------------------------------------------------------------------- */

static hone_status tensor_fail(hone_error *err, hone_status code, const char *name,
                               const char *fact)
{
    return hone_fail(err, code, "tensor '%s': %s", name, fact);
}

/* Shape, type and size of a tensor; its offset goes to *offset. */
static hone_status read_tensor(hone_tensor *t, cursor *c, uint64_t *offset,
                               hone_error *err)
{
    uint32_t n_dims, type;
    if (!take_u32(c, &n_dims)) return truncated(err, "tensor directory");
    if (n_dims > HONE_MAX_DIMS) {
        return hone_fail(err, HONE_E_FORMAT,
                         "tensor '%s': expected at most %d dimensions, "
                         "found %u",
                         t->name, HONE_MAX_DIMS, n_dims);
    }
    t->n_dims = (int)n_dims;
    size_t len = 1;
    for (uint32_t i = 0; i < HONE_MAX_DIMS; i++) {
        t->shape[i] = 1;
    }
    for (uint32_t i = 0; i < n_dims; i++) {
        uint64_t *d = &t->shape[n_dims - 1 - i]; /* the file has the fastest first */
        if (!take_u64(c, d)) return truncated(err, "tensor directory");
        if (*d > INT64_MAX || !hone_mul_size(len, (size_t)*d, &len)) {
            return tensor_fail(err, HONE_E_FORMAT, t->name, "shape is too large");
        }
    }
    if (!take_u32(c, &type) || !take_u64(c, offset)) {
        return truncated(err, "tensor directory");
    }
    if (!hone_dtype_from_gguf(type, &t->dtype)) {
        return hone_fail(err, HONE_E_UNSUPPORTED, "tensor '%s': type %u is unknown",
                         t->name, type);
    }
    const size_t row = n_dims ? (size_t)t->shape[n_dims - 1] : 1;
    size_t row_bytes;
    if (!hone_dtype_row_bytes(t->dtype, row, &row_bytes)) {
        return hone_fail(err, HONE_E_FORMAT,
                         "tensor '%s': rows of %zu are not whole blocks of %s", t->name,
                         row, hone_dtype_get(t->dtype)->name);
    }
    if (!hone_mul_size(row ? len / row : 0, row_bytes, &t->bytes)) {
        return tensor_fail(err, HONE_E_FORMAT, t->name, "size is too large");
    }
    return HONE_OK;
}

static hone_status read_directory(hone_gguf *g, cursor *c, uint64_t *offsets,
                                  uint64_t n_tensor, hone_error *err)
{
    for (uint64_t i = 0; i < n_tensor; i++) {
        hone_gguf_str name;
        if (!take_str(c, &name)) return truncated(err, "tensor directory");
        if (!is_name(&name)) {
            return hone_fail(err, HONE_E_FORMAT,
                             "tensor %zu: expected a name of 1 to %d bytes without NUL",
                             (size_t)i, MAX_NAME);
        }
        hone_tensor *t = &g->tensors[i];
        *t = (hone_tensor){.name = hone_strndup(name.data, name.len)};
        if (!t->name) return hone_fail(err, HONE_E_NOMEM, "out of memory");
        g->n_tensor++;
        int32_t old;
        HONE_TRY(
            hone_map_put(&g->tensor_map, t->name, name.len, (int32_t)i, &old, err));
        if (old >= 0) return tensor_fail(err, HONE_E_FORMAT, t->name, "twice");
        HONE_TRY(read_tensor(t, c, &offsets[i], err));
    }
    return HONE_OK;
}

static int by_address(const void *a, const void *b)
{
    const hone_tensor *const *x = a, *const *y = b;
    if ((*x)->data != (*y)->data) return (*x)->data < (*y)->data ? -1 : 1;
    return (*x)->bytes < (*y)->bytes ? -1 : (*x)->bytes > (*y)->bytes;
}

static hone_status check_overlap(const hone_gguf *g, hone_error *err)
{
    const hone_tensor **order = hone_alloc(g->n_tensor, sizeof *order);
    if (!order) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    for (size_t i = 0; i < g->n_tensor; i++) {
        order[i] = &g->tensors[i];
    }
    qsort(order, g->n_tensor, sizeof *order, by_address);
    hone_status s = HONE_OK;
    for (size_t i = 1; i < g->n_tensor && !s; i++) {
        if (order[i - 1]->data + order[i - 1]->bytes > order[i]->data) {
            s = hone_fail(err, HONE_E_FORMAT, "tensors '%s' and '%s' overlap",
                          order[i - 1]->name, order[i]->name);
        }
    }
    hone_free(order);
    return s;
}

/* Data begins at the next multiple of the alignment behind the directory. */
static hone_status place_tensors(hone_gguf *g, const cursor *c, const uint64_t *offsets,
                                 hone_error *err)
{
    size_t base;
    if (!hone_align_size((size_t)(c->at - g->data), g->alignment, &base)) {
        return truncated(err, "tensor directory");
    }
    for (size_t i = 0; i < g->n_tensor; i++) {
        hone_tensor *t = &g->tensors[i];
        if (offsets[i] % g->alignment) {
            return hone_fail(err, HONE_E_FORMAT,
                             "tensor '%s': offset %" PRIu64 " is no multiple of %zu",
                             t->name, offsets[i], g->alignment);
        }
        if (base > g->size || offsets[i] > g->size - base ||
            t->bytes > g->size - base - offsets[i]) {
            return hone_fail(err, HONE_E_FORMAT,
                             "tensor '%s': %zu bytes at offset %" PRIu64
                             " lie outside the file of %zu bytes",
                             t->name, t->bytes, offsets[i], g->size);
        }
        t->data = g->data + base + offsets[i];
    }
    return check_overlap(g, err);
}

/* -- opening ---------------------------------------------------------------------- */

static hone_status read_counts(hone_gguf *g, cursor *c, uint64_t *n_tensor,
                               uint64_t *n_kv, hone_error *err)
{
    const unsigned char *magic;
    if (!take(c, 4, &magic) || memcmp(magic, "GGUF", 4) != 0) {
        return hone_fail(err, HONE_E_FORMAT, "expected a GGUF file, found other bytes");
    }
    if (!take_u32(c, &g->version)) return truncated(err, "header");
    if (g->version != 2 && g->version != 3) {
        const bool swapped = g->version == 2u << 24 || g->version == 3u << 24;
        return swapped
                   ? hone_fail(err, HONE_E_UNSUPPORTED, "big-endian GGUF")
                   : hone_fail(err, HONE_E_UNSUPPORTED,
                               "GGUF version: expected 2 or 3, found %u", g->version);
    }
    if (!take_u64(c, n_tensor) || !take_u64(c, n_kv)) return truncated(err, "header");
    if (*n_tensor > HONE_GGUF_MAX_TENSORS || *n_kv > HONE_GGUF_MAX_KV) {
        return hone_fail(err, HONE_E_LIMIT,
                         "%" PRIu64 " tensors and %" PRIu64 " keys are too many",
                         *n_tensor, *n_kv);
    }
    /* an entry takes at least 12 bytes, a tensor at least 24 */
    const size_t left = (size_t)(c->end - c->at);
    if (*n_kv > left / 12 || *n_tensor > left / 24) return truncated(err, "header");
    return HONE_OK;
}

static hone_status read_alignment(hone_gguf *g, hone_error *err)
{
    int64_t a;
    HONE_TRY(hone_gguf_get_int(g, "general.alignment", DEFAULT_ALIGNMENT, 0, 1 << 20,
                               &a, err));
    if (a < 8 || (a & (a - 1))) {
        return hone_fail(
            err, HONE_E_FORMAT,
            "general.alignment: expected a power of two from 8 on, found %lld",
            (long long)a);
    }
    g->alignment = (size_t)a;
    return HONE_OK;
}

static hone_status read_all(hone_gguf *g, hone_error *err)
{
    cursor c = {g->data, g->data + g->size};
    uint64_t n_tensor = 0, n_kv = 0;
    HONE_TRY(read_counts(g, &c, &n_tensor, &n_kv, err));
    g->kvs = hone_alloc_zero((size_t)n_kv, sizeof *g->kvs);
    g->tensors = hone_alloc_zero((size_t)n_tensor, sizeof *g->tensors);
    uint64_t *offsets = hone_alloc_zero((size_t)n_tensor, sizeof *offsets);
    hone_status s = HONE_OK;
    if (!g->kvs || !g->tensors || !offsets) {
        s = hone_fail(err, HONE_E_NOMEM, "out of memory");
    }
    if (!s) s = hone_map_init(&g->kv_map, (size_t)n_kv, err);
    if (!s) s = hone_map_init(&g->tensor_map, (size_t)n_tensor, err);
    for (uint64_t i = 0; i < n_kv && !s; i++) {
        s = read_kv(g, &c, err);
    }
    if (!s) s = read_alignment(g, err);
    if (!s) s = read_directory(g, &c, offsets, n_tensor, err);
    if (!s) s = place_tensors(g, &c, offsets, err);
    hone_free(offsets);
    return s;
}

static hone_status new_reader(hone_gguf **out, const char *name, hone_error *err)
{
    hone_gguf *g = hone_alloc_zero(1, sizeof *g);
    if (!g) return hone_fail(err, HONE_E_NOMEM, "open %s: out of memory", name);
    g->name = hone_strdup(name);
    if (!g->name) {
        hone_free(g);
        return hone_fail(err, HONE_E_NOMEM, "open %s: out of memory", name);
    }
    *out = g;
    return HONE_OK;
}

static hone_status open_one(hone_gguf **out, const char *path, hone_error *err)
{
    hone_gguf *g;
    HONE_TRY(new_reader(&g, path, err));
    hone_status s = hone_file_map(&g->file, path, err);
    if (!s) {
        g->data = g->file.data;
        g->size = g->file.size;
        s = read_all(g, err);
        if (s) s = hone_error_wrap(err, s, "open %s", path);
    }
    if (s) {
        hone_gguf_close(g);
        return s;
    }
    *out = g;
    return HONE_OK;
}

hone_status hone_gguf_open_memory(hone_gguf **out, const void *data, size_t size,
                                  const char *name, hone_error *err)
{
    hone_gguf *g;
    HONE_TRY(new_reader(&g, name, err));
    g->data = data;
    g->size = size;
    const hone_status s = read_all(g, err);
    if (s) {
        hone_gguf_close(g);
        return hone_error_wrap(err, s, "open %s", name);
    }
    *out = g;
    return HONE_OK;
}

/* -- split models ----------------------------------------------------------------- */

/* Path of shard i from the path of the first, "...-00001-of-00003.gguf". */
static char *shard_path(const char *first, int i, int n)
{
    char tail[32], wanted[32];
    snprintf(tail, sizeof tail, "-00001-of-%05d.gguf", n);
    snprintf(wanted, sizeof wanted, "-%05d-of-%05d.gguf", i + 1, n);
    const size_t len = strlen(first), m = strlen(tail);
    if (len < m || strcmp(first + len - m, tail) != 0) return NULL;
    char *path = hone_strdup(first);
    if (path) memcpy(path + len - m, wanted, m);
    return path;
}

/* Take over the tensors of a shard. */
static hone_status join(hone_gguf *g, const hone_gguf *shard, size_t *cap,
                        hone_error *err)
{
    const size_t n = g->n_tensor + shard->n_tensor;
    if (hone_grow((void **)&g->tensors, cap, n, sizeof *g->tensors)) {
        return hone_fail(err, HONE_E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < shard->n_tensor; i++) {
        hone_tensor t = shard->tensors[i];
        t.name = hone_strdup(t.name);
        if (!t.name) return hone_fail(err, HONE_E_NOMEM, "out of memory");
        g->tensors[g->n_tensor++] = t;
        int32_t old;
        HONE_TRY(hone_map_put(&g->tensor_map, t.name, strlen(t.name),
                              (int32_t)(g->n_tensor - 1), &old, err));
        if (old >= 0) return tensor_fail(err, HONE_E_FORMAT, t.name, "in two shards");
    }
    return HONE_OK;
}

static hone_status open_shards(hone_gguf *g, const char *path, hone_error *err)
{
    int64_t n, no;
    HONE_TRY(hone_gguf_get_int(g, "split.count", 1, 0, MAX_SHARDS, &n, err));
    HONE_TRY(hone_gguf_get_int(g, "split.no", 0, 0, MAX_SHARDS, &no, err));
    if (n <= 1) return HONE_OK;
    if (no != 0) {
        return hone_fail(err, HONE_E_INVALID,
                         "shard %lld of a split model; open the first one",
                         (long long)no + 1);
    }
    g->shard = hone_alloc_zero((size_t)n, sizeof *g->shard);
    if (!g->shard) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    size_t cap = g->n_tensor;
    for (int i = 1; i < n; i++) {
        char *next = shard_path(path, i, (int)n);
        if (!next) {
            return hone_fail(err, HONE_E_FORMAT,
                             "a split model: expected a name that ends in "
                             "-00001-of-%05d.gguf",
                             (int)n);
        }
        const hone_status s = open_one(&g->shard[i], next, err);
        hone_free(next);
        HONE_TRY(s);
        g->n_shard = (size_t)i + 1;
        int64_t number;
        HONE_TRY(hone_gguf_get_int(g->shard[i], "split.no", -1, -1, MAX_SHARDS, &number,
                                   err));
        if (number != i) {
            return hone_fail(err, HONE_E_FORMAT, "shard %d: split.no is %lld", i + 1,
                             (long long)number);
        }
        HONE_TRY(join(g, g->shard[i], &cap, err));
    }
    return HONE_OK;
}

hone_status hone_gguf_open(hone_gguf **out, const char *path, hone_error *err)
{
    hone_gguf *g;
    HONE_TRY(open_one(&g, path, err));
    const hone_status s = open_shards(g, path, err);
    if (s) {
        hone_gguf_close(g);
        return hone_error_wrap(err, s, "open %s", path);
    }
    *out = g;
    return HONE_OK;
}

void hone_gguf_close(hone_gguf *g)
{
    if (!g) return;
    for (size_t i = 0; i < g->n_kv; i++) {
        hone_free(g->kvs[i].key);
        hone_free(g->kvs[i].strings);
    }
    for (size_t i = 0; i < g->n_tensor; i++) {
        hone_free((void *)(uintptr_t)g->tensors[i].name);
    }
    for (size_t i = 1; i < g->n_shard; i++) {
        hone_gguf_close(g->shard[i]); /* one level: a shard has no shards */
    }
    hone_free(g->shard);
    hone_map_release(&g->kv_map);
    hone_map_release(&g->tensor_map);
    hone_free(g->kvs);
    hone_free(g->tensors);
    hone_file_release(&g->file);
    hone_free(g->name);
    hone_free(g);
}

/* -- looking up ------------------------------------------------------------------- */

size_t hone_gguf_n_tensors(const hone_gguf *g)
{
    return g->n_tensor;
}

const hone_tensor *hone_gguf_tensor(const hone_gguf *g, size_t i)
{
    HONE_ASSERT(i < g->n_tensor);
    return &g->tensors[i];
}

const hone_tensor *hone_gguf_find_tensor(const hone_gguf *g, const char *name)
{
    const int32_t i = hone_map_find(&g->tensor_map, name, strlen(name));
    return i < 0 ? NULL : &g->tensors[i];
}

size_t hone_gguf_n_kv(const hone_gguf *g)
{
    return g->n_kv;
}

const char *hone_gguf_key(const hone_gguf *g, size_t i, hone_gguf_type *type)
{
    HONE_ASSERT(i < g->n_kv);
    *type = g->kvs[i].type;
    return g->kvs[i].key;
}

static const kv *find_kv(const hone_gguf *g, const char *key)
{
    const int32_t i = hone_map_find(&g->kv_map, key, strlen(key));
    return i < 0 ? NULL : &g->kvs[i];
}

bool hone_gguf_has(const hone_gguf *g, const char *key)
{
    return find_kv(g, key) != NULL;
}

static const char *type_name(hone_gguf_type t)
{
    static const char *const names[] = {"u8",  "i8",  "u16",  "i16",    "u32",
                                        "i32", "f32", "bool", "string", "array",
                                        "u64", "i64", "f64"};
    return (unsigned)t < sizeof names / sizeof names[0] ? names[t] : "?";
}

/* An integer of any width as i64; false for other types, and u64 past i64. */
static bool load_int(const unsigned char *p, hone_gguf_type t, int64_t *out)
{
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
    } v;
    const size_t size = scalar_size(t);
    if (!size || t == HONE_GGUF_F32 || t == HONE_GGUF_F64) return false;
    memcpy(&v, p, size);
    switch (t) {
    case HONE_GGUF_I8:
        *out = v.i8;
        return true;
    case HONE_GGUF_U16:
        *out = v.u16;
        return true;
    case HONE_GGUF_I16:
        *out = v.i16;
        return true;
    case HONE_GGUF_U32:
        *out = v.u32;
        return true;
    case HONE_GGUF_I32:
        *out = v.i32;
        return true;
    case HONE_GGUF_I64:
        *out = v.i64;
        return true;
    case HONE_GGUF_U64:
        *out = (int64_t)v.u64;
        return v.u64 <= INT64_MAX;
    default:
        *out = v.u8;
        return true; /* u8 and bool */
    }
}

static bool load_real(const unsigned char *p, hone_gguf_type t, double *out)
{
    int64_t n;
    if (t == HONE_GGUF_F32) {
        float f;
        memcpy(&f, p, sizeof f);
        *out = (double)f;
        return true;
    }
    if (t == HONE_GGUF_F64) {
        memcpy(out, p, sizeof *out);
        return true;
    }
    if (!load_int(p, t, &n)) return false;
    *out = (double)n;
    return true;
}

static hone_status wrong_type(hone_error *err, const kv *e, const char *expected)
{
    return hone_fail(err, HONE_E_FORMAT, "key '%s': expected %s, found %s", e->key,
                     expected, type_name(e->type));
}

hone_status hone_gguf_get_int(const hone_gguf *g, const char *key, int64_t fallback,
                              int64_t lo, int64_t hi, int64_t *out, hone_error *err)
{
    const kv *e = find_kv(g, key);
    int64_t n = fallback;
    if (e) {
        if (e->type == HONE_GGUF_BOOL || !load_int(e->value, e->type, &n)) {
            return wrong_type(err, e, "an integer");
        }
        if (n < lo || n > hi) {
            return hone_fail(err, HONE_E_FORMAT,
                             "key '%s': expected %lld to %lld, found %lld", key,
                             (long long)lo, (long long)hi, (long long)n);
        }
    }
    *out = n;
    return HONE_OK;
}

hone_status hone_gguf_get_real(const hone_gguf *g, const char *key, double fallback,
                               double *out, hone_error *err)
{
    const kv *e = find_kv(g, key);
    *out = fallback;
    if (e && (e->type == HONE_GGUF_BOOL || !load_real(e->value, e->type, out))) {
        return wrong_type(err, e, "a number");
    }
    return HONE_OK;
}

hone_status hone_gguf_get_bool(const hone_gguf *g, const char *key, bool fallback,
                               bool *out, hone_error *err)
{
    const kv *e = find_kv(g, key);
    if (e && e->type != HONE_GGUF_BOOL) return wrong_type(err, e, "a bool");
    *out = e ? e->value[0] != 0 : fallback;
    return HONE_OK;
}

hone_status hone_gguf_get_str(const hone_gguf *g, const char *key, hone_gguf_str *out,
                              hone_error *err)
{
    const kv *e = find_kv(g, key);
    *out = (hone_gguf_str){0};
    if (!e) return HONE_OK;
    if (e->type != HONE_GGUF_STRING) return wrong_type(err, e, "a string");
    uint64_t len;
    memcpy(&len, e->value, sizeof len);
    *out = (hone_gguf_str){(const char *)e->value + sizeof len, (size_t)len};
    return HONE_OK;
}

hone_status hone_gguf_array(const hone_gguf *g, const char *key, hone_gguf_type *elem,
                            size_t *n, hone_error *err)
{
    const kv *e = find_kv(g, key);
    *n = 0;
    *elem = HONE_GGUF_U8;
    if (!e) return HONE_OK;
    if (e->type != HONE_GGUF_ARRAY) return wrong_type(err, e, "an array");
    if (e->elem == HONE_GGUF_ARRAY) {
        return hone_fail(err, HONE_E_FORMAT,
                         "key '%s': expected an array of scalars, found "
                         "arrays",
                         key);
    }
    *elem = e->elem;
    *n = (size_t)e->n;
    return HONE_OK;
}

static const unsigned char *element(const hone_gguf *g, const char *key, size_t i,
                                    hone_gguf_type *type)
{
    const kv *e = find_kv(g, key);
    HONE_ASSERT(e && e->type == HONE_GGUF_ARRAY && i < e->n);
    *type = e->elem;
    return e->first + i * scalar_size(e->elem);
}

int64_t hone_gguf_array_int(const hone_gguf *g, const char *key, size_t i)
{
    hone_gguf_type t;
    int64_t n = 0;
    const unsigned char *p = element(g, key, i, &t);
    HONE_ASSERT(scalar_size(t) && t != HONE_GGUF_F32 && t != HONE_GGUF_F64);
    return load_int(p, t, &n) ? n : INT64_MAX;
}

double hone_gguf_array_real(const hone_gguf *g, const char *key, size_t i)
{
    hone_gguf_type t;
    double x = 0.0;
    const unsigned char *p = element(g, key, i, &t);
    HONE_ASSERT(scalar_size(t));
    return load_real(p, t, &x) ? x : (double)INT64_MAX;
}

hone_gguf_str hone_gguf_array_str(const hone_gguf *g, const char *key, size_t i)
{
    const kv *e = find_kv(g, key);
    HONE_ASSERT(e && e->strings && i < e->n);
    return e->strings[i];
}

size_t hone_gguf_file_bytes(const hone_gguf *g)
{
    size_t bytes = g->size;
    for (size_t i = 1; i < g->n_shard; i++) {
        bytes += g->shard[i]->size;
    }
    return bytes;
}

/* -- showing ---------------------------------------------------------------------- */

enum {
    SHOWN_ELEMENTS = 4,
    SHOWN_BYTES = 60
};

/* Whole characters of a string, control characters escaped, cut with "...". */
static void show_str(hone_buf *b, hone_gguf_str s)
{
    size_t at = 0;
    while (at < s.len && at < SHOWN_BYTES) {
        uint32_t cp;
        int n = hone_utf8_decode(s.data + at, s.len - at, &cp);
        if (n <= 0) {
            hone_buf_printf(b, "\\x%02x", (unsigned char)s.data[at]);
            n = 1;
        } else if (cp == '\n') {
            hone_buf_append_str(b, "\\n");
        } else if (cp < 32 || cp == 127) {
            hone_buf_printf(b, "\\x%02x", (unsigned)cp);
        } else {
            hone_buf_append(b, s.data + at, (size_t)n);
        }
        at += (size_t)n;
    }
    if (at < s.len) hone_buf_append_str(b, "...");
}

static void show_scalar(hone_buf *b, const unsigned char *p, hone_gguf_type t)
{
    int64_t n;
    double x;
    uint64_t u;
    if (t == HONE_GGUF_BOOL) {
        hone_buf_append_str(b, *p ? "true" : "false");
    } else if (t == HONE_GGUF_U64) {
        memcpy(&u, p, sizeof u);
        hone_buf_printf(b, "%" PRIu64, u);
    } else if (load_int(p, t, &n)) {
        hone_buf_printf(b, "%" PRId64, n);
    } else if (load_real(p, t, &x)) {
        hone_buf_printf(b, "%.9g", x);
    }
}

static void show_array(hone_buf *b, const kv *e)
{
    hone_buf_printf(b, "[%" PRIu64 " %s]", e->n, type_name(e->elem));
    const size_t n = e->n < SHOWN_ELEMENTS ? (size_t)e->n : SHOWN_ELEMENTS;
    for (size_t i = 0; i < n; i++) {
        hone_buf_append_str(b, i ? ", " : " ");
        if (e->strings)
            show_str(b, e->strings[i]);
        else
            show_scalar(b, e->first + i * scalar_size(e->elem), e->elem);
    }
    if (n < e->n) hone_buf_append_str(b, ", ...");
}

void hone_gguf_format_value(const hone_gguf *g, size_t i, char *out, size_t size)
{
    HONE_ASSERT(i < g->n_kv && size > 0);
    const kv *e = &g->kvs[i];
    hone_buf b;
    hone_buf_init(&b, size - 1);
    if (e->type == HONE_GGUF_STRING) {
        uint64_t len;
        memcpy(&len, e->value, sizeof len);
        show_str(&b, (hone_gguf_str){(const char *)e->value + sizeof len, (size_t)len});
    } else if (e->type == HONE_GGUF_ARRAY) {
        show_array(&b, e);
    } else {
        show_scalar(&b, e->value, e->type);
    }
    memcpy(out, b.data, b.len + 1);
    hone_buf_release(&b);
}
