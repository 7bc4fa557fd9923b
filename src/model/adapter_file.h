/* adapter_file.h - read the low-rank pairs of adapter files for an open model.
 *
 *     hone_adapter_files f = {0};
 *     HONE_TRY(hone_adapter_files_add(&f, model, path, 1.0f, err));   (any number)
 *     ... f.pair[0 .. f.n) ...                      (borrow from the open files)
 *     hone_adapter_files_release(&f);               (also after a failure)
 *
 * A path is a PEFT folder (adapter_config.json, adapter_model.safetensors) or a GGUF
 * adapter as llama.cpp's converter writes it.  Every tensor of a file must be half of a
 * pair for a linear layer of the model, with shapes that fit it.
 *
 * Threads: owned.
 * Format: github.com/huggingface/peft; llama.cpp, convert_lora_to_gguf.py. */
#ifndef HONE_MODEL_ADAPTER_FILE_H
#define HONE_MODEL_ADAPTER_FILE_H

#include "model/model.h"
#include "program/lora.h"

typedef struct hone_adapter_files {
    hone_lora_pair *pair; /* [n], owned */
    size_t n, cap;
    hone_gguf **gguf; /* [n_gguf], owned */
    size_t n_gguf, gguf_cap;
    hone_safetensors **st; /* [n_st], owned */
    size_t n_st, st_cap;
} hone_adapter_files;

/* Append the pairs of a file, their scales times `scale` (finite, else E_INVALID).
 *   E_NOT_FOUND    no such file
 *   E_FORMAT       broken; a shape that does not fit, half a pair
 *   E_UNSUPPORTED  a target or a setting that hone does not know
 *   E_LIMIT        a rank past HONE_LORA_MAX_RANK */
HONE_MUST_CHECK hone_status hone_adapter_files_add(hone_adapter_files *f,
                                                   const hone_model *m,
                                                   const char *path, float scale,
                                                   hone_error *err);
void hone_adapter_files_release(hone_adapter_files *f);

/* The same for a PEFT folder's files in memory, which must outlive f: config is the text
 * of adapter_config.json, weights the bytes of adapter_model.safetensors. */
HONE_MUST_CHECK hone_status hone_adapter_files_add_memory(
    hone_adapter_files *f, const hone_model *m, const char *config, size_t config_len,
    const void *weights, size_t size, hone_error *err);

#endif
