/* gguf_values.c - looking up keys and tensors, and showing values. */
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "format/gguf_internal.h"

size_t hone_gguf_scalar_size(uint32_t type)
{
    static const unsigned char size[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < sizeof size ? size[type] : 0;
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

static const hone_gguf_kv *find_kv(const hone_gguf *g, const char *key)
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
    const size_t size = hone_gguf_scalar_size(t);
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

static hone_status wrong_type(hone_error *err, const hone_gguf_kv *e,
                              const char *expected)
{
    return hone_fail(err, HONE_E_FORMAT, "key '%s': expected %s, found %s", e->key,
                     expected, type_name(e->type));
}

hone_status hone_gguf_get_int(const hone_gguf *g, const char *key, int64_t fallback,
                              int64_t lo, int64_t hi, int64_t *out, hone_error *err)
{
    const hone_gguf_kv *e = find_kv(g, key);
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
    const hone_gguf_kv *e = find_kv(g, key);
    *out = fallback;
    if (e && (e->type == HONE_GGUF_BOOL || !load_real(e->value, e->type, out))) {
        return wrong_type(err, e, "a number");
    }
    return HONE_OK;
}

hone_status hone_gguf_get_bool(const hone_gguf *g, const char *key, bool fallback,
                               bool *out, hone_error *err)
{
    const hone_gguf_kv *e = find_kv(g, key);
    if (e && e->type != HONE_GGUF_BOOL) return wrong_type(err, e, "a bool");
    *out = e ? e->value[0] != 0 : fallback;
    return HONE_OK;
}

hone_status hone_gguf_get_str(const hone_gguf *g, const char *key, hone_gguf_str *out,
                              hone_error *err)
{
    const hone_gguf_kv *e = find_kv(g, key);
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
    const hone_gguf_kv *e = find_kv(g, key);
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
    const hone_gguf_kv *e = find_kv(g, key);
    HONE_ASSERT(e && e->type == HONE_GGUF_ARRAY && i < e->n);
    *type = e->elem;
    return e->first + i * hone_gguf_scalar_size(e->elem);
}

int64_t hone_gguf_array_int(const hone_gguf *g, const char *key, size_t i)
{
    hone_gguf_type t;
    int64_t n = 0;
    const unsigned char *p = element(g, key, i, &t);
    HONE_ASSERT(hone_gguf_scalar_size(t) && t != HONE_GGUF_F32 && t != HONE_GGUF_F64);
    return load_int(p, t, &n) ? n : INT64_MAX;
}

double hone_gguf_array_real(const hone_gguf *g, const char *key, size_t i)
{
    hone_gguf_type t;
    double x = 0.0;
    const unsigned char *p = element(g, key, i, &t);
    HONE_ASSERT(hone_gguf_scalar_size(t));
    return load_real(p, t, &x) ? x : (double)INT64_MAX;
}

hone_gguf_str hone_gguf_array_str(const hone_gguf *g, const char *key, size_t i)
{
    const hone_gguf_kv *e = find_kv(g, key);
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

static void show_array(hone_buf *b, const hone_gguf_kv *e)
{
    hone_buf_printf(b, "[%" PRIu64 " %s]", e->n, type_name(e->elem));
    const size_t n = e->n < SHOWN_ELEMENTS ? (size_t)e->n : SHOWN_ELEMENTS;
    for (size_t i = 0; i < n; i++) {
        hone_buf_append_str(b, i ? ", " : " ");
        if (e->strings)
            show_str(b, e->strings[i]);
        else
            show_scalar(b, e->first + i * hone_gguf_scalar_size(e->elem), e->elem);
    }
    if (n < e->n) hone_buf_append_str(b, ", ...");
}

void hone_gguf_format_value(const hone_gguf *g, size_t i, char *out, size_t size)
{
    HONE_ASSERT(i < g->n_kv && size > 0);
    const hone_gguf_kv *e = &g->kvs[i];
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
