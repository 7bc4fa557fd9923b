#include "format/gguf_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/out_file.h"
#include "base/size.h"

enum {
    ALIGN = 32,
    VERSION = 3
};
#define MAX_HEAD ((size_t)1 << 30)

typedef struct entry {
    char *name;
    size_t bytes;
} entry;

struct hone_gguf_writer {
    hone_out_file file;
    hone_buf kv, dir;
    uint64_t n_kv;
    entry *tensor;
    size_t n_tensor, tensor_cap;
    size_t offset;      /* of the next declared tensor in the data */
    hone_status failed; /* the first failure of a put, told by begin() */
    hone_error failure;
    bool begun;
    size_t at, done; /* tensor being written, bytes of it that are */
};

hone_status hone_gguf_writer_open(hone_gguf_writer **out, const char *path,
                                  hone_error *err)
{
    hone_gguf_writer *w = hone_alloc_zero(1, sizeof *w);
    if (!w) return hone_fail(err, HONE_E_NOMEM, "write %s: out of memory", path);
    hone_buf_init(&w->kv, MAX_HEAD);
    hone_buf_init(&w->dir, MAX_HEAD);
    const hone_status s = hone_out_file_open(&w->file, path, err);
    if (s) {
        hone_gguf_writer_close(w);
        return s;
    }
    *out = w;
    return HONE_OK;
}

void hone_gguf_writer_close(hone_gguf_writer *w)
{
    if (!w) return;
    hone_out_file_release(&w->file);
    for (size_t i = 0; i < w->n_tensor; i++) {
        hone_free(w->tensor[i].name);
    }
    hone_free(w->tensor);
    hone_buf_release(&w->kv);
    hone_buf_release(&w->dir);
    hone_free(w);
}

/* -- what stands before the data -------------------------------------------------- */

static void append_le(hone_buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        hone_buf_append_char(b, (char)(v >> (8 * i)));
    }
}

static void append_str(hone_buf *b, const char *s, size_t len)
{
    append_le(b, len, 8);
    hone_buf_append(b, s, len);
}

/* Key and type; the value follows. */
static hone_buf *put_key(hone_gguf_writer *w, const char *key, hone_gguf_type type)
{
    HONE_ASSERT(!w->begun);
    append_str(&w->kv, key, strlen(key));
    append_le(&w->kv, type, 4);
    w->n_kv++;
    return &w->kv;
}

static hone_buf *put_array(hone_gguf_writer *w, const char *key, hone_gguf_type type,
                           size_t n)
{
    hone_buf *b = put_key(w, key, HONE_GGUF_ARRAY);
    append_le(b, type, 4);
    append_le(b, n, 8);
    return b;
}

void hone_gguf_put_str(hone_gguf_writer *w, const char *key, const char *value)
{
    append_str(put_key(w, key, HONE_GGUF_STRING), value, strlen(value));
}

void hone_gguf_put_u32(hone_gguf_writer *w, const char *key, uint32_t value)
{
    append_le(put_key(w, key, HONE_GGUF_U32), value, 4);
}

void hone_gguf_put_f32(hone_gguf_writer *w, const char *key, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    append_le(put_key(w, key, HONE_GGUF_F32), bits, 4);
}

void hone_gguf_put_bool(hone_gguf_writer *w, const char *key, bool value)
{
    append_le(put_key(w, key, HONE_GGUF_BOOL), value, 1);
}

void hone_gguf_put_i32s(hone_gguf_writer *w, const char *key, const int32_t *value,
                        size_t n)
{
    hone_buf *b = put_array(w, key, HONE_GGUF_I32, n);
    for (size_t i = 0; i < n; i++) {
        append_le(b, (uint32_t)value[i], 4);
    }
}

void hone_gguf_put_strs(hone_gguf_writer *w, const char *key,
                        const hone_gguf_str *value, size_t n)
{
    hone_buf *b = put_array(w, key, HONE_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) {
        append_str(b, value[i].data, value[i].len);
    }
}

static hone_status tensor_bytes(hone_dtype type, int n_dims, const uint64_t *shape,
                                size_t *bytes, hone_error *err)
{
    if (n_dims < 1 || n_dims > HONE_MAX_DIMS) {
        return hone_fail(err, HONE_E_INVALID, "expected 1 to %d dimensions, found %d",
                         HONE_MAX_DIMS, n_dims);
    }
    const hone_dtype_info *d = hone_dtype_get(type);
    if (shape[n_dims - 1] % d->block) {
        return hone_fail(err, HONE_E_INVALID,
                         "expected rows of whole blocks of %s (%u), found %" PRIu64,
                         d->name, d->block, shape[n_dims - 1]);
    }
    bool fits = shape[n_dims - 1] <= SIZE_MAX &&
                hone_dtype_row_bytes(type, (size_t)shape[n_dims - 1], bytes);
    for (int i = 0; fits && i + 1 < n_dims; i++) {
        fits = shape[i] <= SIZE_MAX && hone_mul_size(*bytes, (size_t)shape[i], bytes);
    }
    return fits ? HONE_OK : hone_fail(err, HONE_E_LIMIT, "too large");
}

static hone_status put_tensor(hone_gguf_writer *w, const char *name, hone_dtype type,
                              int n_dims, const uint64_t *shape, hone_error *err)
{
    size_t bytes, offset;
    HONE_TRY(tensor_bytes(type, n_dims, shape, &bytes, err));
    if (!hone_add_size(w->offset, bytes, &offset) ||
        !hone_align_size(offset, ALIGN, &offset)) {
        return hone_fail(err, HONE_E_LIMIT, "too large");
    }
    if (hone_grow((void **)&w->tensor, &w->tensor_cap, w->n_tensor + 1,
                  sizeof *w->tensor)) {
        return hone_fail(err, HONE_E_NOMEM, "out of memory");
    }
    char *copy = hone_strdup(name);
    if (!copy) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    w->tensor[w->n_tensor++] = (entry){copy, bytes};
    append_str(&w->dir, name, strlen(name));
    append_le(&w->dir, (uint64_t)n_dims, 4);
    for (int i = n_dims; i-- > 0;) { /* the file's order is the reverse */
        append_le(&w->dir, shape[i], 8);
    }
    append_le(&w->dir, hone_dtype_get(type)->gguf_id, 4);
    append_le(&w->dir, w->offset, 8);
    w->offset = offset;
    return HONE_OK;
}

void hone_gguf_put_tensor(hone_gguf_writer *w, const char *name, hone_dtype type,
                          int n_dims, const uint64_t *shape)
{
    HONE_ASSERT(!w->begun);
    if (w->failed) return;
    w->failed = put_tensor(w, name, type, n_dims, shape, &w->failure);
    if (w->failed) hone_error_wrap(&w->failure, w->failed, "tensor '%s'", name);
}

hone_status hone_gguf_writer_begin(hone_gguf_writer *w, hone_error *err)
{
    HONE_ASSERT(!w->begun);
    if (w->failed) {
        return hone_fail(err, w->failed, "write %s: %s", w->file.path, w->failure.text);
    }
    if (w->n_tensor > HONE_GGUF_MAX_TENSORS || w->n_kv > HONE_GGUF_MAX_KV) {
        return hone_fail(err, HONE_E_LIMIT, "write %s: too many keys or tensors",
                         w->file.path);
    }
    hone_buf head;
    hone_buf_init(&head, 2 * MAX_HEAD + 64);
    hone_buf_append_str(&head, "GGUF");
    append_le(&head, VERSION, 4);
    append_le(&head, w->n_tensor, 8);
    append_le(&head, w->n_kv, 8);
    hone_buf_append(&head, w->kv.data, w->kv.len);
    hone_buf_append(&head, w->dir.data, w->dir.len);
    while (!head.failed && head.len % ALIGN) {
        hone_buf_append_char(&head, '\0');
    }
    if (!head.failed) head.failed = w->kv.failed ? w->kv.failed : w->dir.failed;
    hone_status s = head.failed
                        ? hone_buf_status(&head, "write: keys and tensors", err)
                        : hone_out_file_write(&w->file, head.data, head.len, err);
    hone_buf_release(&head);
    w->begun = !s;
    return s;
}

/* -- the data --------------------------------------------------------------------- */

size_t hone_gguf_writer_bytes(const hone_gguf_writer *w, size_t i)
{
    HONE_ASSERT(w->begun && i < w->n_tensor);
    return w->tensor[i].bytes;
}

/* Behind a whole tensor: up to the next one that has bytes. */
static hone_status next_tensor(hone_gguf_writer *w, hone_error *err)
{
    static const char zero[ALIGN];
    while (w->at < w->n_tensor && w->done == w->tensor[w->at].bytes) {
        const size_t odd = w->done % ALIGN;
        if (odd) HONE_TRY(hone_out_file_write(&w->file, zero, ALIGN - odd, err));
        w->at++;
        w->done = 0;
    }
    return HONE_OK;
}

hone_status hone_gguf_write(hone_gguf_writer *w, const void *data, size_t bytes,
                            hone_error *err)
{
    HONE_ASSERT(w->begun);
    HONE_TRY(next_tensor(w, err));
    const size_t left = w->at < w->n_tensor ? w->tensor[w->at].bytes - w->done : 0;
    if (bytes > left) {
        return hone_fail(err, HONE_E_INVALID,
                         "write %s: tensor '%s': expected at most %zu more bytes, "
                         "found %zu",
                         w->file.path, w->at < w->n_tensor ? w->tensor[w->at].name : "",
                         left, bytes);
    }
    HONE_TRY(hone_out_file_write(&w->file, data, bytes, err));
    w->done += bytes;
    return next_tensor(w, err);
}

hone_status hone_gguf_writer_finish(hone_gguf_writer *w, hone_error *err)
{
    HONE_ASSERT(w->begun);
    HONE_TRY(next_tensor(w, err));
    if (w->at < w->n_tensor) {
        const entry *t = &w->tensor[w->at];
        return hone_fail(err, HONE_E_INVALID,
                         "write %s: tensor '%s': expected %zu bytes, found %zu",
                         w->file.path, t->name, t->bytes, w->done);
    }
    return hone_out_file_commit(&w->file, err);
}
