/* gguf.c - the directory of a GGUF file.
 *
 * One pass over the header fills two arrays, keys and tensors, each with a map by name.
 * Values stay where they are in the mapping; arrays of strings, whose elements have no
 * fixed size, get an index of offsets.  Nothing is allocated from a count before the
 * file is known to be long enough to hold that many elements. */
#include "format/gguf_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "base/sum.h"

enum {
    MAX_NAME = 1024,
    DEFAULT_ALIGNMENT = 32,
    MAX_SHARDS = 4096
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
    const size_t size = hone_gguf_scalar_size(elem);
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
    const size_t size = hone_gguf_scalar_size(type);
    if (!size) return hone_fail(err, HONE_E_FORMAT, "value type %u is unknown", type);
    return take(c, size, &p) ? HONE_OK : truncated(err, "metadata");
}

/* The index of a string array; its elements were checked by skip_value. */
static hone_status index_strings(hone_gguf_kv *e, hone_error *err)
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
    hone_gguf_kv *e = &g->kvs[g->n_kv];
    *e = (hone_gguf_kv){.key = hone_strndup(key.data, key.len)};
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
    hone_gguf *g = NULL;
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
    hone_gguf *g = NULL;
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
    hone_gguf *g = NULL;
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

uint64_t hone_gguf_stamp(const hone_gguf *g)
{
    const uint64_t own[] = {g->size, (uint64_t)g->file.changed_ns};
    uint64_t sum = hone_sum64(HONE_SUM_START, own, sizeof own);
    for (size_t i = 1; i < g->n_shard; i++) {
        const uint64_t shard = hone_gguf_stamp(g->shard[i]); /* one level */
        sum = hone_sum64(sum, &shard, sizeof shard);
    }
    return sum;
}
