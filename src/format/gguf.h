/* gguf.h - read GGUF files (versions 2 and 3) through a read-only mapping.
 *
 *     hone_gguf *g;
 *     HONE_TRY(hone_gguf_open(&g, path, err));
 *     const hone_tensor *t = hone_gguf_find_tensor(g, "blk.0.attn_q.weight");
 *     ...
 *     hone_gguf_close(g);
 *
 * Opening parses the header, the key-value table and the tensor directory and checks
 * every size and offset against the file; tensor bytes are paged in on first touch.
 * Strings and tensor data returned here point into the mapping or the reader: they
 * are borrowed and die with hone_gguf_close().
 *
 * Threads: open and close from one thread; in between immutable, any thread.
 * Format: ggml docs/gguf.md. */
#ifndef HONE_FORMAT_GGUF_H
#define HONE_FORMAT_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "tensor/tensor.h"

#define HONE_GGUF_MAX_TENSORS (1u << 20)
#define HONE_GGUF_MAX_KV      (1u << 20)
#define HONE_GGUF_MAX_DEPTH   4 /* arrays in arrays */

typedef struct hone_gguf hone_gguf;

/* Numbered as in the file. */
typedef enum hone_gguf_type {
    HONE_GGUF_U8 = 0,
    HONE_GGUF_I8 = 1,
    HONE_GGUF_U16 = 2,
    HONE_GGUF_I16 = 3,
    HONE_GGUF_U32 = 4,
    HONE_GGUF_I32 = 5,
    HONE_GGUF_F32 = 6,
    HONE_GGUF_BOOL = 7,
    HONE_GGUF_STRING = 8,
    HONE_GGUF_ARRAY = 9,
    HONE_GGUF_U64 = 10,
    HONE_GGUF_I64 = 11,
    HONE_GGUF_F64 = 12
} hone_gguf_type;

typedef struct hone_gguf_str {
    const char *data; /* not NUL-terminated */
    size_t len;
} hone_gguf_str;

/* *out is set only on success.
 *   E_NOT_FOUND, E_IO  cannot open or map
 *   E_FORMAT       wrong magic, truncated, bad alignment, duplicate keys or tensors,
 *                  tensors outside the file, misaligned or overlapping
 *   E_UNSUPPORTED  version 1 or unknown, big-endian, or a tensor type that hone does
 *                  not know (the message names tensor and type id)
 *   E_LIMIT        more than HONE_GGUF_MAX_TENSORS or HONE_GGUF_MAX_KV entries */
HONE_MUST_CHECK hone_status hone_gguf_open(hone_gguf **out, const char *path,
                                           hone_error *err);
/* As open, over bytes that the caller keeps alive (tests, fuzzers). */
HONE_MUST_CHECK hone_status hone_gguf_open_memory(hone_gguf **out, const void *data,
                                                  size_t size, const char *name,
                                                  hone_error *err);
void hone_gguf_close(hone_gguf *g); /* NULL is fine */

/* A number that changes with the sizes of the files or the times of their last change. */
uint64_t hone_gguf_stamp(const hone_gguf *g);

size_t hone_gguf_n_tensors(const hone_gguf *g);
const hone_tensor *hone_gguf_tensor(const hone_gguf *g, size_t i); /* file order */
const hone_tensor *hone_gguf_find_tensor(const hone_gguf *g, const char *name);

size_t hone_gguf_n_kv(const hone_gguf *g);
/* Key i in file order, NUL-terminated; *type is its value's type. */
const char *hone_gguf_key(const hone_gguf *g, size_t i, hone_gguf_type *type);
bool hone_gguf_has(const hone_gguf *g, const char *key);

/* Scalars.  Absent: *out is the fallback.  Any integer type is accepted where it fits
 * [lo, hi]; any number for real.  E_FORMAT otherwise, naming key and type. */
HONE_MUST_CHECK hone_status hone_gguf_get_int(const hone_gguf *g, const char *key,
                                              int64_t fallback, int64_t lo, int64_t hi,
                                              int64_t *out, hone_error *err);
HONE_MUST_CHECK hone_status hone_gguf_get_real(const hone_gguf *g, const char *key,
                                               double fallback, double *out,
                                               hone_error *err);
HONE_MUST_CHECK hone_status hone_gguf_get_bool(const hone_gguf *g, const char *key,
                                               bool fallback, bool *out,
                                               hone_error *err);
/* Absent: {NULL, 0}. */
HONE_MUST_CHECK hone_status hone_gguf_get_str(const hone_gguf *g, const char *key,
                                              hone_gguf_str *out, hone_error *err);

/* Arrays of scalars: *n is 0 and the status ok when the key is absent.  E_FORMAT when
 * the value is not an array of fitting type. */
HONE_MUST_CHECK hone_status hone_gguf_array(const hone_gguf *g, const char *key,
                                            hone_gguf_type *elem, size_t *n,
                                            hone_error *err);
/* Element i < n of an array, converted; string arrays are indexed at open, so this is
 * constant time.  The array's element type must fit (asserted). */
int64_t hone_gguf_array_int(const hone_gguf *g, const char *key, size_t i);
double hone_gguf_array_real(const hone_gguf *g, const char *key, size_t i);
hone_gguf_str hone_gguf_array_str(const hone_gguf *g, const char *key, size_t i);

/* One line for people: the value of key i, arrays shortened after a few elements. */
void hone_gguf_format_value(const hone_gguf *g, size_t i, char *out, size_t size);

size_t hone_gguf_file_bytes(const hone_gguf *g);

#endif
