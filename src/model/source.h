/* source.h - the files of an open model, under one set of tensor names.
 *
 * Families ask for tensors by GGUF's names ("blk.0.attn_q.weight"); for a Hugging Face
 * folder a table turns them into that folder's ("model.layers.0.self_attn.q_proj.weight").
 *
 * Threads: open and close from one thread; in between immutable. */
#ifndef HONE_MODEL_SOURCE_H
#define HONE_MODEL_SOURCE_H

#include "base/json.h"
#include "format/gguf.h"
#include "format/safetensors.h"
#include "tensor/tensor.h"

typedef struct hone_source {
    char *path;           /* as given, owned */
    hone_gguf *gguf;      /* or NULL */
    hone_safetensors *st; /* or NULL */
    json_t *config;       /* config.json, or NULL */
    json_t *tokenizer_config;
    json_t *generation_config;
} hone_source;

/* path is a .gguf file or a folder.  With `text_only` weights and config.json may be
 * absent.  What was opened before a failure is released. */
HONE_MUST_CHECK hone_status hone_source_open(hone_source *s, const char *path,
                                             bool text_only, hone_error *err);
void hone_source_close(hone_source *s);

/* A number that changes with the sizes of the weights' files or the times of their last
 * change. */
uint64_t hone_source_stamp(const hone_source *s);

/* The tensor of that GGUF name, or NULL. */
const hone_tensor *hone_source_find(const hone_source *s, const char *name);

/* GGUF's name of what Hugging Face calls `hf` ("model.layers.3.self_attn.q_proj" becomes
 * "blk.3.attn_q"), in buf; false where the table has none. */
bool hone_source_gguf_name(const char *hf, char *buf, size_t size);

/* All tensors under the file's own names. */
size_t hone_source_n_tensor(const hone_source *s);
const hone_tensor *hone_source_tensor(const hone_source *s, size_t i);
const hone_tensor *hone_source_find_raw(const hone_source *s, const char *name);

/* A small text file of the folder (a template, JSON), or NULL in *out where it is absent
 * or the model is no folder.  hone_free. */
HONE_MUST_CHECK hone_status hone_source_read(const hone_source *s, const char *name,
                                             char **out, size_t *len, hone_error *err);

#endif
