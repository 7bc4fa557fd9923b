/* model.h - open a model: weights, hyper-parameters, tokenizer, chat template.
 *
 *     hone_model *m;
 *     if (hone_model_open(&m, "SmolLM2-135M-Instruct.Q4_1.gguf", 0, &err)) ...
 *     const hone_model_info *info = hone_model_get_info(m);
 *     ...
 *     hone_model_close(m);
 *
 * A model is a .gguf file or a Hugging Face folder (config.json, safetensors,
 * tokenizer.json).  Files are mapped read-only; weights are used in the type they were
 * saved in.  Everything returned here is borrowed from the model.
 *
 * Threads: open and close from one thread; in between immutable, any thread. */
#ifndef HONE_MODEL_H
#define HONE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "hone/status.h"
#include "hone/tokenizer.h"

typedef struct hone_model hone_model;

enum {
    /* Only tokenizer and chat template are wanted: files without weights, a bare
     * tokenizer.json, tokenizer.model or .tiktoken, and unknown families open too. */
    HONE_OPEN_TEXT_ONLY = 1 << 0,
    /* Tokenizer and chat template are read by a thread behind the call, so that the
     * caller can make an engine meanwhile; hone_model_wait says how it went. */
    HONE_OPEN_TEXT_BEHIND = 1 << 1,
};

/*   E_NOT_FOUND    no such file, or a folder without config.json or weights
 *   E_FORMAT       broken or contradictory files; the message names file and tensor
 *   E_UNSUPPORTED  a family, tensor type or rotary scaling that hone does not know */
HONE_API HONE_MUST_CHECK hone_status hone_model_open(hone_model **out, const char *path,
                                                     unsigned flags, hone_error *err);
HONE_API void hone_model_close(hone_model *m); /* NULL is fine */

/* Behind HONE_OPEN_TEXT_BEHIND and before anything of text is asked for: waits until it is
 * read.  Errors as of hone_model_open; the model can only be closed then. */
HONE_API HONE_MUST_CHECK hone_status hone_model_wait(hone_model *m, hone_error *err);

typedef struct hone_model_info {
    const char *architecture; /* "llama", "qwen2": the file's own word */
    const char *name;         /* the file's own, or its base name */
    int n_layer, d_model, n_head, n_head_kv, d_head, d_ff, n_vocab, n_ctx;
    uint64_t n_params;     /* elements of all tensors */
    uint64_t weight_bytes; /* bytes of all tensors */
    size_t n_tensor;
} hone_model_info;
HONE_API const hone_model_info *hone_model_get_info(const hone_model *m);

typedef struct hone_tensor_info {
    const char *name; /* as in the file */
    const char *type; /* "F32", "Q4_K", ... */
    int n_dims;
    uint64_t shape[4]; /* last dimension contiguous; unused ones are 1 */
    uint64_t bytes;
} hone_tensor_info;

/* Tensor i < n_tensor, in file order. */
HONE_API void hone_model_get_tensor(const hone_model *m, size_t i,
                                    hone_tensor_info *out);

/* One tensor as f32: *data is a new block of the product of info->shape
 * (hone_data_free).  E_NOT_FOUND names the tensor. */
HONE_API HONE_MUST_CHECK hone_status hone_model_read_tensor(const hone_model *m,
                                                            const char *name,
                                                            float **data,
                                                            hone_tensor_info *info,
                                                            hone_error *err);
HONE_API void hone_data_free(float *data);

/* NULL where the files hold none. */
HONE_API const hone_tokenizer *hone_model_tokenizer(const hone_model *m);
HONE_API const char *hone_model_chat_template(const hone_model *m);

/* Sampling that the model's authors recommend (generation_config.json); negative where
 * they say nothing. */
typedef struct hone_model_sampling {
    float temperature, top_p, min_p, repetition_penalty;
    int top_k;
} hone_model_sampling;
HONE_API hone_model_sampling hone_model_recommended(const hone_model *m);

/* Ids that end a generation, from every file that names some. */
HONE_API const int32_t *hone_model_end_tokens(const hone_model *m, size_t *n);

#endif
