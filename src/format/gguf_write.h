/* gguf_write.h - write GGUF files (version 3), tensor data as a stream.
 *
 *     hone_gguf_writer *w;
 *     HONE_TRY(hone_gguf_writer_open(&w, path, err));
 *     hone_gguf_put_str(w, "general.architecture", "llama");
 *     hone_gguf_put_tensor(w, "token_embd.weight", HONE_Q8_0, 2, shape);
 *     s = hone_gguf_writer_begin(w, err);
 *     while (!s && ...) s = hone_gguf_write(w, data, bytes, err);
 *     if (!s) s = hone_gguf_writer_finish(w, err);
 *     hone_gguf_writer_close(w);
 *
 * Keys and tensors are declared, then begin() writes them, then the data follow in the
 * order of declaration, each tensor in as many pieces as is convenient.  The file has a
 * temporary name in the same folder until finish() renames it: a file under `path` is a
 * whole one.
 *
 * Threads: owned by one at a time.  Format: ggml docs/gguf.md. */
#ifndef HONE_FORMAT_GGUF_WRITE_H
#define HONE_FORMAT_GGUF_WRITE_H

#include "format/gguf.h"

typedef struct hone_gguf_writer hone_gguf_writer;

/* E_IO, E_NOT_FOUND: the temporary file cannot be made. */
HONE_MUST_CHECK hone_status hone_gguf_writer_open(hone_gguf_writer **out,
                                                  const char *path, hone_error *err);
/* Removes the temporary file unless finish() succeeded; NULL is fine. */
void hone_gguf_writer_close(hone_gguf_writer *w);

/* Keys in the order of the calls, values copied.  What goes wrong shows in begin(). */
void hone_gguf_put_str(hone_gguf_writer *w, const char *key, const char *value);
void hone_gguf_put_u32(hone_gguf_writer *w, const char *key, uint32_t value);
void hone_gguf_put_f32(hone_gguf_writer *w, const char *key, float value);
void hone_gguf_put_bool(hone_gguf_writer *w, const char *key, bool value);
void hone_gguf_put_i32s(hone_gguf_writer *w, const char *key, const int32_t *value,
                        size_t n);
void hone_gguf_put_strs(hone_gguf_writer *w, const char *key,
                        const hone_gguf_str *value, size_t n);

/* Declare a tensor; shape [n_dims] with the last dimension contiguous, as in hone_tensor.
 * What goes wrong shows in begin(). */
void hone_gguf_put_tensor(hone_gguf_writer *w, const char *name, hone_dtype type,
                          int n_dims, const uint64_t *shape);

/* Write everything before the data.
 *   E_INVALID  a tensor with rows of broken blocks, without dimensions or with too many
 *   E_LIMIT    sizes that overflow, more keys or tensors than readers take
 *   E_NOMEM, E_IO */
HONE_MUST_CHECK hone_status hone_gguf_writer_begin(hone_gguf_writer *w,
                                                   hone_error *err);

/* The next bytes of the data, not past the end of the tensor they are for (E_INVALID). */
HONE_MUST_CHECK hone_status hone_gguf_write(hone_gguf_writer *w, const void *data,
                                            size_t bytes, hone_error *err);

/* E_INVALID names the tensor whose data are not complete. */
HONE_MUST_CHECK hone_status hone_gguf_writer_finish(hone_gguf_writer *w,
                                                    hone_error *err);

/* Bytes that declared tensor i takes, without what aligns the next one; after begin(). */
size_t hone_gguf_writer_bytes(const hone_gguf_writer *w, size_t i);

#endif
