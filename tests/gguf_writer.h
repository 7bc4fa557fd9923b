/* gguf_writer.h - GGUF files for tests, written byte by byte from the format's document,
 * so that readers are not tested against themselves. */
#ifndef HONE_TESTS_GGUF_WRITER_H
#define HONE_TESTS_GGUF_WRITER_H

#include "check.h"

#include "base/buf.h"

typedef struct gguf_writer {
    hone_buf kv, dir, data;
    uint64_t n_kv, n_tensor;
    uint32_t version;
} gguf_writer;

static inline void gguf_begin(gguf_writer *w, uint32_t version)
{
    *w = (gguf_writer){.version = version};
    hone_buf_init(&w->kv, 1 << 26);
    hone_buf_init(&w->dir, 1 << 26);
    hone_buf_init(&w->data, 1 << 26);
}

static inline void gguf_put_u32(hone_buf *b, uint32_t v)
{
    hone_buf_append(b, &v, sizeof v);
}

static inline void gguf_put_u64(hone_buf *b, uint64_t v)
{
    hone_buf_append(b, &v, sizeof v);
}

static inline void gguf_put_str(hone_buf *b, const char *s)
{
    gguf_put_u64(b, strlen(s));
    hone_buf_append_str(b, s);
}

/* Key and type; the value follows. */
static inline void gguf_key(gguf_writer *w, const char *key, uint32_t type)
{
    gguf_put_str(&w->kv, key);
    gguf_put_u32(&w->kv, type);
    w->n_kv++;
}

static inline void gguf_add_str(gguf_writer *w, const char *key, const char *value)
{
    gguf_key(w, key, 8);
    gguf_put_str(&w->kv, value);
}

static inline void gguf_add_u32(gguf_writer *w, const char *key, uint32_t value)
{
    gguf_key(w, key, 4);
    gguf_put_u32(&w->kv, value);
}

static inline void gguf_add_f32(gguf_writer *w, const char *key, float value)
{
    gguf_key(w, key, 6);
    hone_buf_append(&w->kv, &value, sizeof value);
}

/* One entry of the directory; offset UINT64_MAX is where the data stand now. */
static inline void gguf_entry(gguf_writer *w, const char *name, uint32_t n_dims,
                              const uint64_t *ne, uint32_t type, uint64_t offset)
{
    gguf_put_str(&w->dir, name);
    gguf_put_u32(&w->dir, n_dims);
    for (uint32_t i = 0; i < n_dims; i++) {
        gguf_put_u64(&w->dir, ne[i]);
    }
    gguf_put_u32(&w->dir, type);
    gguf_put_u64(&w->dir, offset == UINT64_MAX ? w->data.len : offset);
    w->n_tensor++;
}

static inline void gguf_pad(hone_buf *b, size_t align)
{
    while (b->len % align) {
        hone_buf_append_char(b, '\0');
    }
}

/* f32, [rows, cols] or, with rows 0, [cols]. */
static inline void gguf_add_tensor(gguf_writer *w, const char *name, const float *v,
                                   uint64_t rows, uint64_t cols)
{
    const uint64_t ne[2] = {cols, rows};
    gguf_entry(w, name, rows ? 2 : 1, ne, 0, UINT64_MAX);
    hone_buf_append(&w->data, v, (size_t)((rows ? rows : 1) * cols) * sizeof *v);
    gguf_pad(&w->data, 32);
}

/* The whole file in *out; the writer is released. */
static inline void gguf_finish(gguf_writer *w, hone_buf *out)
{
    hone_buf_init(out, 1 << 28);
    hone_buf_append_str(out, "GGUF");
    gguf_put_u32(out, w->version);
    gguf_put_u64(out, w->n_tensor);
    gguf_put_u64(out, w->n_kv);
    hone_buf_append(out, w->kv.data, w->kv.len);
    hone_buf_append(out, w->dir.data, w->dir.len);
    gguf_pad(out, 32);
    hone_buf_append(out, w->data.data, w->data.len);
    assert_int_equal(out->failed, HONE_OK);
    hone_buf_release(&w->kv);
    hone_buf_release(&w->dir);
    hone_buf_release(&w->data);
}

static inline void gguf_save(gguf_writer *w, const char *path)
{
    hone_buf out;
    gguf_finish(w, &out);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(out.data, 1, out.len, f), out.len);
    assert_int_equal(fclose(f), 0);
    hone_buf_release(&out);
}

#endif
