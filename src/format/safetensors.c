/* safetensors.c - tensors of one or several .safetensors files under one directory.
 *
 * A file is an 8-byte length, a JSON header of that length, and data; the header maps
 * names to dtype, shape and the range of bytes in the data.  As in the reference
 * implementation, the ranges must cover the data without holes or overlaps. */
#include "format/safetensors.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/sum.h"

#define MAX_INDEX_BYTES ((size_t)256 << 20)

/* A tensor of a dtype that hone does not read: kept by name for messages. */
typedef struct foreign {
    char *name;
    char *dtype;
} foreign;

struct hone_safetensors {
    hone_file *file; /* [n_file] */
    size_t n_file;
    size_t bytes;
    hone_tensor *tensor;
    size_t n_tensor, tensor_cap;
    hone_map map;
    foreign *foreign;
    size_t n_foreign, foreign_cap;
};

/* -- one file --------------------------------------------------------------------- */

static bool dtype_of(const char *name, hone_dtype *out)
{
    static const struct {
        const char *name;
        hone_dtype t;
    } table[] = {
        {"F32", HONE_F32}, {"F16", HONE_F16}, {"BF16", HONE_BF16}, {"F64", HONE_F64},
        {"I64", HONE_I64}, {"I32", HONE_I32}, {"I16", HONE_I16},   {"I8", HONE_I8},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(name, table[i].name) == 0) {
            *out = table[i].t;
            return true;
        }
    }
    return false;
}

/* A range of bytes that some tensor, known or not, takes. */
typedef struct range {
    uint64_t from, to;
} range;

static int by_start(const void *a, const void *b)
{
    const range *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return x->to < y->to ? -1 : x->to > y->to;
}

static hone_status bad(hone_error *err, const char *name, const char *fact)
{
    return hone_fail(err, HONE_E_FORMAT, "tensor '%s': %s", name, fact);
}

static hone_status read_range(const json_t *entry, const char *name,
                              uint64_t data_bytes, range *out, hone_error *err)
{
    const json_t *o = json_object_get(entry, "data_offsets");
    const json_t *from = json_array_get(o, 0), *to = json_array_get(o, 1);
    if (json_array_size(o) != 2 || !json_is_integer(from) || !json_is_integer(to)) {
        return bad(err, name, "expected two data_offsets");
    }
    const json_int_t a = json_integer_value(from), b = json_integer_value(to);
    if (a < 0 || b < a || (uint64_t)b > data_bytes) {
        return hone_fail(err, HONE_E_FORMAT,
                         "tensor '%s': bytes %lld to %lld lie outside the data of %llu",
                         name, (long long)a, (long long)b,
                         (unsigned long long)data_bytes);
    }
    *out = (range){(uint64_t)a, (uint64_t)b};
    return HONE_OK;
}

static hone_status remember_foreign(hone_safetensors *s, const char *name,
                                    const char *dtype, hone_error *err)
{
    if (hone_grow((void **)&s->foreign, &s->foreign_cap, s->n_foreign + 1,
                  sizeof *s->foreign)) {
        return hone_fail(err, HONE_E_NOMEM, "out of memory");
    }
    foreign *f = &s->foreign[s->n_foreign++];
    *f = (foreign){hone_strdup(name), hone_strdup(dtype)};
    return f->name && f->dtype ? HONE_OK
                               : hone_fail(err, HONE_E_NOMEM, "out of memory");
}

/* Shape and size of a tensor of known type. */
static hone_status read_shape(hone_tensor *t, const json_t *shape, hone_error *err)
{
    size_t n = 1;
    t->n_dims = (int)json_array_size(shape);
    for (int i = 0; i < HONE_MAX_DIMS; i++) {
        t->shape[i] = 1;
    }
    for (int i = 0; i < t->n_dims; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);
        if (!json_is_integer(d) || json_integer_value(d) < 0) {
            return bad(err, t->name, "shape is not made of sizes");
        }
        t->shape[i] = (uint64_t)json_integer_value(d);
        if (!hone_mul_size(n, (size_t)t->shape[i], &n)) {
            return bad(err, t->name, "shape is too large");
        }
    }
    if (!hone_mul_size(n, hone_dtype_get(t->dtype)->bytes, &t->bytes)) {
        return bad(err, t->name, "size is too large");
    }
    return HONE_OK;
}

static hone_status add_tensor(hone_safetensors *s, const char *name,
                              const json_t *entry, const unsigned char *data,
                              const range *r, hone_error *err)
{
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    const json_t *shape = json_object_get(entry, "shape");
    hone_tensor t = {0};
    if (!dtype || !json_is_array(shape)) return bad(err, name, "no dtype or no shape");
    if (!dtype_of(dtype, &t.dtype) || json_array_size(shape) > HONE_MAX_DIMS) {
        return remember_foreign(s, name, dtype, err);
    }
    if (s->n_tensor >= HONE_SAFETENSORS_MAX_TENSORS) {
        return hone_fail(err, HONE_E_LIMIT, "more than %u tensors",
                         HONE_SAFETENSORS_MAX_TENSORS);
    }
    t.name = name;
    HONE_TRY(read_shape(&t, shape, err));
    if (t.bytes != r->to - r->from) {
        return hone_fail(err, HONE_E_FORMAT,
                         "tensor '%s': shape needs %zu bytes, data_offsets give %llu",
                         name, t.bytes, (unsigned long long)(r->to - r->from));
    }
    t.data = data + r->from;
    t.name = hone_strdup(name);
    if (!t.name || hone_grow((void **)&s->tensor, &s->tensor_cap, s->n_tensor + 1,
                             sizeof *s->tensor)) {
        hone_free((void *)(uintptr_t)t.name);
        return hone_fail(err, HONE_E_NOMEM, "out of memory");
    }
    s->tensor[s->n_tensor++] = t;
    int32_t old;
    HONE_TRY(hone_map_put(&s->map, t.name, strlen(t.name), (int32_t)(s->n_tensor - 1),
                          &old, err));
    return old < 0 ? HONE_OK : bad(err, name, "in two files");
}

static hone_status check_cover(range *r, size_t n, uint64_t data_bytes, hone_error *err)
{
    uint64_t at = 0;
    qsort(r, n, sizeof *r, by_start);
    for (size_t i = 0; i < n; i++) {
        if (r[i].from != at) {
            return hone_fail(
                err, HONE_E_FORMAT,
                "data: expected a tensor at byte %llu, found %llu (a hole or an "
                "overlap)",
                (unsigned long long)at, (unsigned long long)r[i].from);
        }
        at = r[i].to;
    }
    if (at != data_bytes) {
        return hone_fail(err, HONE_E_FORMAT, "data: tensors end at byte %llu of %llu",
                         (unsigned long long)at, (unsigned long long)data_bytes);
    }
    return HONE_OK;
}

static hone_status read_entries(hone_safetensors *s, json_t *header,
                                const unsigned char *data, uint64_t data_bytes,
                                hone_error *err)
{
    range *r = hone_alloc(json_object_size(header), sizeof *r);
    if (!r) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    size_t n = 0;
    hone_status st = HONE_OK;
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) continue;
        if (!st) st = read_range(entry, name, data_bytes, &r[n], err);
        if (!st) st = add_tensor(s, name, entry, data, &r[n], err);
        n++;
    }
    if (!st) st = check_cover(r, n, data_bytes, err);
    hone_free(r);
    return st;
}

static hone_status read_file(hone_safetensors *s, const unsigned char *bytes,
                             size_t size, hone_error *err)
{
    uint64_t len;
    if (size < sizeof len)
        return hone_fail(err, HONE_E_FORMAT, "truncated in the header");
    memcpy(&len, bytes, sizeof len);
    if (len > HONE_SAFETENSORS_MAX_HEADER || len > size - sizeof len) {
        return hone_fail(err, HONE_E_FORMAT,
                         "header: %llu bytes do not fit a file of %zu (at most %u)",
                         (unsigned long long)len, size, HONE_SAFETENSORS_MAX_HEADER);
    }
    json_t *header;
    json_error_t je;
    header = json_loadb((const char *)bytes + sizeof len, (size_t)len,
                        JSON_REJECT_DUPLICATES, &je);
    if (!header) {
        return hone_fail(err, HONE_E_FORMAT, "header: %s at byte %d", je.text,
                         je.position);
    }
    hone_status st;
    const size_t data_at = sizeof len + (size_t)len;
    if (json_is_object(header)) {
        st = read_entries(s, header, bytes + data_at, size - data_at, err);
    } else {
        st = hone_fail(err, HONE_E_FORMAT, "header: expected a JSON object");
    }
    json_decref(header);
    return st;
}

/* -- folders ---------------------------------------------------------------------- */

static hone_status add_file(hone_safetensors *s, const char *path, hone_error *err)
{
    hone_file *grown = hone_realloc(s->file, s->n_file + 1, sizeof *s->file);
    if (!grown) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    s->file = grown;
    hone_file *f = &s->file[s->n_file];
    HONE_TRY(hone_file_map(f, path, err));
    s->n_file++;
    s->bytes += f->size;
    const hone_status st = read_file(s, f->data, f->size, err);
    return st ? hone_error_wrap(err, st, "open %s", path) : HONE_OK;
}

static bool is_plain_name(const char *name)
{
    return name && *name && !strchr(name, '/') && strcmp(name, "..") != 0;
}

/* Open each shard the first time it is named. */
static hone_status open_shards(hone_safetensors *s, const json_t *weight_map,
                               const char *dir, hone_error *err)
{
    hone_map seen;
    hone_status st = hone_map_init(&seen, 16, err);
    const char *tensor;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)weight_map, tensor, v)
    {
        const char *shard = json_string_value(v);
        if (st) break;
        if (!is_plain_name(shard)) {
            st = hone_fail(err, HONE_E_FORMAT,
                           "index: tensor '%s': not a file of the folder", tensor);
        } else if (hone_map_find(&seen, shard, strlen(shard)) < 0) {
            char *path = hone_path_join(dir, shard);
            st = hone_map_put(&seen, shard, strlen(shard), 1, NULL, err);
            if (!path) st = hone_fail(err, HONE_E_NOMEM, "out of memory");
            if (!st) st = add_file(s, path, err);
            hone_free(path);
        }
    }
    json_object_foreach((json_t *)(uintptr_t)weight_map, tensor, v)
    {
        if (!st && !hone_safetensors_find(s, tensor) &&
            !hone_safetensors_unsupported(s, tensor)) {
            st = hone_fail(err, HONE_E_FORMAT, "index: tensor '%s' is in no shard",
                           tensor);
        }
    }
    hone_map_release(&seen);
    return st;
}

static hone_status open_index(hone_safetensors *s, const char *path, const char *dir,
                              hone_error *err)
{
    json_t *index;
    HONE_TRY(hone_json_load_file(&index, path, MAX_INDEX_BYTES, err));
    const json_t *weight_map = json_object_get(index, "weight_map");
    hone_status st;
    if (json_is_object(weight_map))
        st = open_shards(s, weight_map, dir, err);
    else
        st = hone_fail(err, HONE_E_FORMAT, "%s: no weight_map", path);
    json_decref(index);
    return st;
}

/* The only .safetensors file of a folder, adapters aside; NULL if none or several. */
static char *only_file(const char *dir)
{
    DIR *d = opendir(dir);
    char *found = NULL;
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, ".safetensors") != 0) continue;
        if (strcmp(e->d_name, "adapter_model.safetensors") == 0) continue;
        if (n++ == 0) found = hone_path_join(dir, e->d_name);
    }
    if (d) closedir(d);
    if (n == 1) return found;
    hone_free(found);
    return NULL;
}

static hone_status open_folder(hone_safetensors *s, const char *dir, hone_error *err)
{
    char *single = hone_path_join(dir, "model.safetensors");
    char *index = hone_path_join(dir, "model.safetensors.index.json");
    char *other = NULL;
    hone_status st;
    if (!single || !index) {
        st = hone_fail(err, HONE_E_NOMEM, "out of memory");
    } else if (hone_file_exists(single)) {
        st = add_file(s, single, err);
    } else if (hone_file_exists(index)) {
        st = open_index(s, index, dir, err);
    } else if ((other = only_file(dir))) {
        st = add_file(s, other, err);
    } else {
        st = hone_fail(err, HONE_E_NOT_FOUND,
                       "open %s: neither model.safetensors nor its index", dir);
    }
    hone_free(single);
    hone_free(index);
    hone_free(other);
    return st;
}

static hone_status new_reader(hone_safetensors **out, hone_error *err)
{
    hone_safetensors *s = hone_alloc_zero(1, sizeof *s);
    if (!s) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    const hone_status st = hone_map_init(&s->map, 64, err);
    if (st)
        hone_free(s);
    else
        *out = s;
    return st;
}

hone_status hone_safetensors_open(hone_safetensors **out, const char *path,
                                  hone_error *err)
{
    hone_safetensors *s = NULL;
    HONE_TRY(new_reader(&s, err));
    const hone_status st =
        hone_folder_exists(path) ? open_folder(s, path, err) : add_file(s, path, err);
    if (st)
        hone_safetensors_close(s);
    else
        *out = s;
    return st;
}

hone_status hone_safetensors_open_memory(hone_safetensors **out, const void *data,
                                         size_t size, const char *name, hone_error *err)
{
    hone_safetensors *s = NULL;
    HONE_TRY(new_reader(&s, err));
    s->bytes = size;
    const hone_status st = read_file(s, data, size, err);
    if (st) {
        hone_safetensors_close(s);
        return hone_error_wrap(err, st, "open %s", name);
    }
    *out = s;
    return HONE_OK;
}

void hone_safetensors_close(hone_safetensors *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->n_tensor; i++) {
        hone_free((void *)(uintptr_t)s->tensor[i].name);
    }
    for (size_t i = 0; i < s->n_foreign; i++) {
        hone_free(s->foreign[i].name);
        hone_free(s->foreign[i].dtype);
    }
    for (size_t i = 0; i < s->n_file; i++) {
        hone_file_release(&s->file[i]);
    }
    hone_map_release(&s->map);
    hone_free(s->tensor);
    hone_free(s->foreign);
    hone_free(s->file);
    hone_free(s);
}

/* -- looking up ------------------------------------------------------------------- */

size_t hone_safetensors_n_tensors(const hone_safetensors *s)
{
    return s->n_tensor;
}

const hone_tensor *hone_safetensors_tensor(const hone_safetensors *s, size_t i)
{
    HONE_ASSERT(i < s->n_tensor);
    return &s->tensor[i];
}

const hone_tensor *hone_safetensors_find(const hone_safetensors *s, const char *name)
{
    const int32_t i = hone_map_find(&s->map, name, strlen(name));
    return i < 0 ? NULL : &s->tensor[i];
}

const char *hone_safetensors_unsupported(const hone_safetensors *s, const char *name)
{
    for (size_t i = 0; i < s->n_foreign; i++) {
        if (strcmp(s->foreign[i].name, name) == 0) return s->foreign[i].dtype;
    }
    return NULL;
}

size_t hone_safetensors_file_bytes(const hone_safetensors *s)
{
    return s->bytes;
}

uint64_t hone_safetensors_stamp(const hone_safetensors *s)
{
    uint64_t sum = HONE_SUM_START;
    for (size_t i = 0; i < s->n_file; i++) {
        const uint64_t own[] = {s->file[i].size, (uint64_t)s->file[i].changed_ns};
        sum = hone_sum64(sum, own, sizeof own);
    }
    return sum;
}
