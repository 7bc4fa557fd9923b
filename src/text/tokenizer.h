/* tokenizer.h - tokenizers from parts: what files other than tokenizer.json hold.
 *
 * hone/tokenizer.h is the interface of an open tokenizer.  A GGUF file describes one
 * as arrays; hone_vocab carries those from the reader (model/) to here, so that text/
 * knows no container format. */
#ifndef HONE_TEXT_TOKENIZER_H
#define HONE_TEXT_TOKENIZER_H

#include "base/buf.h"
#include "hone/tokenizer.h"

/* Kinds of token, numbered as in GGUF `tokenizer.ggml.token_type`. */
typedef enum hone_token_type {
    HONE_TOKEN_NORMAL = 1,
    HONE_TOKEN_UNKNOWN = 2,
    HONE_TOKEN_CONTROL = 3,      /* special */
    HONE_TOKEN_USER_DEFINED = 4, /* added, not special */
    HONE_TOKEN_UNUSED = 5,
    HONE_TOKEN_BYTE = 6
} hone_token_type;

typedef struct hone_slice {
    const char *data;
    size_t len;
} hone_slice;

/* All pointers are borrowed for the call that takes the struct. */
typedef struct hone_vocab {
    const char *model; /* GGUF tokenizer.ggml.model: "gpt2", "llama", ... */
    const char *pre;   /* tokenizer.ggml.pre, or NULL */
    size_t n_vocab;
    const hone_slice *piece; /* [n_vocab] */
    const float *score;      /* [n_vocab] or NULL */
    const int32_t *type;     /* [n_vocab] hone_token_type, or NULL: all normal */
    const hone_slice *merge; /* [n_merge] "left right", or NULL */
    size_t n_merge;
    int32_t role[HONE_TOKEN_N_ROLE]; /* -1: none */
    int add_bos, add_eos;            /* 1, 0, or -1 where the file does not say */
    int add_space_prefix;            /* likewise */
    int remove_extra_whitespaces;    /* likewise */
} hone_vocab;

/* Build from GGUF's arrays.  E_UNSUPPORTED names an unknown model or pre-tokenizer. */
HONE_MUST_CHECK hone_status hone_tokenizer_from_vocab(hone_tokenizer **out,
                                                      const hone_vocab *v,
                                                      hone_error *err);

/* Build from the text of a tokenizer.json, the bytes of a SentencePiece model, or the
 * text of a tiktoken file.  `name` is for messages.  `config` is the text of a
 * tokenizer_config.json or NULL.  A tiktoken file carries neither pattern nor special
 * tokens: they follow from its size and, where it stands, tokenizer_config.json
 * (llama3: 128000 ranks, the llama-bpe pattern and its 256 reserved tokens). */
HONE_MUST_CHECK hone_status hone_tokenizer_from_json(hone_tokenizer **out,
                                                     const char *text, size_t len,
                                                     const char *config,
                                                     size_t config_len,
                                                     const char *name, hone_error *err);
HONE_MUST_CHECK hone_status hone_tokenizer_from_sentencepiece(hone_tokenizer **out,
                                                              const unsigned char *data,
                                                              size_t len,
                                                              const char *name,
                                                              hone_error *err);
HONE_MUST_CHECK hone_status hone_tokenizer_from_tiktoken(hone_tokenizer **out,
                                                         const char *text, size_t len,
                                                         const char *name,
                                                         hone_error *err);

/* Whether BOS / EOS are added by HONE_ENCODE_SPECIAL. */
bool hone_tokenizer_adds_bos(const hone_tokenizer *tok);
bool hone_tokenizer_adds_eos(const hone_tokenizer *tok);

/* Append bytes as the printable characters that byte-level vocabularies spell them with
 * (GPT-2's table). */
void hone_byte_level_encode(hone_buf *out, const char *bytes, size_t len);

/* Bytes of memory the tokenizer holds. */
size_t hone_tokenizer_memory(const hone_tokenizer *tok);

#endif
