/* safetensors.h - read the tensors of a Hugging Face folder or one .safetensors file.
 *
 * A folder holds model.safetensors, or shards listed by model.safetensors.index.json.
 * Files are mapped read-only; every offset is checked against its file.  Names and
 * data are borrowed until close.
 *
 * Threads: open and close from one thread; in between immutable, any thread.
 * Format: github.com/huggingface/safetensors, README, "Format". */
#ifndef HONE_FORMAT_SAFETENSORS_H
#define HONE_FORMAT_SAFETENSORS_H

#include <stddef.h>

#include "base/status.h"
#include "tensor/tensor.h"

#define HONE_SAFETENSORS_MAX_HEADER  (100u << 20) /* bytes, the reference's own limit */
#define HONE_SAFETENSORS_MAX_TENSORS (1u << 20)

typedef struct hone_safetensors hone_safetensors;

/* path is a folder or a file.
 *   E_NOT_FOUND    neither model.safetensors nor an index in the folder
 *   E_FORMAT       broken header, overlapping or out-of-file data, sizes that do not
 *                  match shapes, duplicate names, an index that names an absent shard or
 *                  a path outside the folder
 * Tensors of a dtype that hone does not know, or of more than HONE_MAX_DIMS dims, are
 * left out: see hone_safetensors_unsupported. */
HONE_MUST_CHECK hone_status hone_safetensors_open(hone_safetensors **out,
                                                  const char *path, hone_error *err);
HONE_MUST_CHECK hone_status hone_safetensors_open_memory(hone_safetensors **out,
                                                         const void *data, size_t size,
                                                         const char *name,
                                                         hone_error *err);
void hone_safetensors_close(hone_safetensors *s); /* NULL is fine */

/* A number that changes with the sizes of the files or the times of their last change. */
uint64_t hone_safetensors_stamp(const hone_safetensors *s);

size_t hone_safetensors_n_tensors(const hone_safetensors *s);
const hone_tensor *hone_safetensors_tensor(const hone_safetensors *s, size_t i);
const hone_tensor *hone_safetensors_find(const hone_safetensors *s, const char *name);
/* The dtype of a tensor that is in the file but in a type that hone does not read (or of
 * more than HONE_MAX_DIMS dimensions), for messages; NULL for any other name. */
const char *hone_safetensors_unsupported(const hone_safetensors *s, const char *name);
size_t hone_safetensors_file_bytes(const hone_safetensors *s); /* all shards */

#endif
