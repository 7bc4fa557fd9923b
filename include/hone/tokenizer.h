/* tokenizer.h - text to token ids and back, exactly as the model's own tokenizer.
 *
 *     hone_tokenizer *tok;
 *     hone_tokenizer_open(&tok, "tokenizer.json", &err);
 *     hone_tokens ids = {0};
 *     hone_tokenizer_encode(tok, text, len, HONE_ENCODE_SPECIAL, &ids, &err);
 *     char *back; size_t n;
 *     hone_tokenizer_decode(tok, ids.id, ids.len, 0, &back, &n, &err);
 *     hone_text_free(back);
 *     hone_tokens_release(&ids);
 *     hone_tokenizer_free(tok);
 *
 * The reference is Hugging Face `tokenizers` for tokenizer.json, SentencePiece for
 * tokenizer.model, tiktoken for .tiktoken files.
 *
 * Threads: a tokenizer is immutable once open: any thread may encode and decode.
 * hone_tokens and hone_detokenizer are owned by one thread at a time. */
#ifndef HONE_TOKENIZER_H
#define HONE_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hone/status.h"

typedef struct hone_tokenizer hone_tokenizer;

/* A growing list of ids; zero-initialised is empty. */
typedef struct hone_tokens {
    int32_t *id;
    size_t len;
    size_t cap;
} hone_tokens;

HONE_API HONE_MUST_CHECK hone_status hone_tokens_append(hone_tokens *t,
                                                        const int32_t *id, size_t n,
                                                        hone_error *err);
HONE_API void hone_tokens_release(hone_tokens *t);

/* Strings that the library hands to its caller are released with this. */
HONE_API void hone_text_free(char *text);

/* Open a tokenizer.json, a SentencePiece .model, a .tiktoken file, or a folder that
 * holds one of them (tokenizer.json first; tokenizer_config.json and
 * special_tokens_map.json beside it are read for BOS and EOS).
 *   E_NOT_FOUND  no such file, or a folder without a tokenizer
 *   E_FORMAT     broken file
 *   E_UNSUPPORTED  a model or step that hone does not know; the message names it
 * GGUF files hold tokenizers too: hone_model_open (model.h) opens those. */
HONE_API HONE_MUST_CHECK hone_status hone_tokenizer_open(hone_tokenizer **out,
                                                         const char *path,
                                                         hone_error *err);
HONE_API void hone_tokenizer_free(hone_tokenizer *tok); /* NULL is fine */

enum {
    HONE_ENCODE_SPECIAL = 1 << 0,  /* add BOS, EOS and so on as the tokenizer says */
    HONE_ENCODE_NO_PARSE = 1 << 1, /* text that spells a special token stays text; other
                                      added tokens still match */
    HONE_DECODE_NO_SPECIAL = 1 << 2, /* leave special tokens out */
};

/* Append the ids of text[0..len) to *out.  Invalid UTF-8 is read as U+FFFD, one for
 * each maximal invalid prefix.  On failure *out is as before. */
HONE_API HONE_MUST_CHECK hone_status hone_tokenizer_encode(const hone_tokenizer *tok,
                                                           const char *text, size_t len,
                                                           unsigned flags,
                                                           hone_tokens *out,
                                                           hone_error *err);

/* The text of n ids: *out is NUL-terminated, *len its bytes without the NUL; always
 * valid UTF-8.  Ids outside the vocabulary decode to nothing. */
HONE_API HONE_MUST_CHECK hone_status hone_tokenizer_decode(const hone_tokenizer *tok,
                                                           const int32_t *id, size_t n,
                                                           unsigned flags, char **out,
                                                           size_t *len,
                                                           hone_error *err);

/* Ids run from 0 to this, exclusive; some may be unused. */
HONE_API int32_t hone_tokenizer_n_vocab(const hone_tokenizer *tok);

/* The piece as the vocabulary spells it ("\u0120the", "<0x0A>"), *len bytes, borrowed
 * from the tokenizer, NUL-terminated; NULL for an unused or unknown id. */
HONE_API const char *hone_tokenizer_piece(const hone_tokenizer *tok, int32_t id,
                                          size_t *len);

/* The bytes that the token stands for in the middle of a text ("\u0120the" is " the",
 * "<0x0A>" a newline, a special token its spelling): what a streaming decoder appends
 * and what a grammar matches against.  Borrowed; NULL for an unused id. */
HONE_API const char *hone_tokenizer_bytes(const hone_tokenizer *tok, int32_t id,
                                          size_t *len);

/* The id whose piece is spelled so, or -1. */
HONE_API int32_t hone_tokenizer_find(const hone_tokenizer *tok, const char *piece,
                                     size_t len);

HONE_API bool hone_tokenizer_is_special(const hone_tokenizer *tok, int32_t id);

/* Ids that the files name for the role, -1 where they name none. */
typedef enum hone_token_role {
    HONE_TOKEN_BOS,
    HONE_TOKEN_EOS,
    HONE_TOKEN_UNK,
    HONE_TOKEN_PAD,
    HONE_TOKEN_SEP,
    HONE_TOKEN_CLS,
    HONE_TOKEN_MASK,
    HONE_TOKEN_N_ROLE
} hone_token_role;
HONE_API int32_t hone_tokenizer_role(const hone_tokenizer *tok, hone_token_role role);

/* Streaming decoder: feed ids one by one, get text that never ends inside a character.
 * Concatenating all output and the flush equals hone_tokenizer_decode of all ids. */
typedef struct hone_detokenizer hone_detokenizer;

HONE_API HONE_MUST_CHECK hone_status hone_detokenizer_new(hone_detokenizer **out,
                                                          const hone_tokenizer *tok,
                                                          unsigned flags,
                                                          hone_error *err);
HONE_API void hone_detokenizer_free(hone_detokenizer *d);
HONE_API void hone_detokenizer_reset(hone_detokenizer *d);

/* *text is borrowed until the next call; *len may be 0 while a character is open. */
HONE_API HONE_MUST_CHECK hone_status hone_detokenizer_push(
    hone_detokenizer *d, int32_t id, const char **text, size_t *len, hone_error *err);
/* What is still open at the end (as U+FFFD where it is no whole character). */
HONE_API HONE_MUST_CHECK hone_status hone_detokenizer_flush(hone_detokenizer *d,
                                                            const char **text,
                                                            size_t *len,
                                                            hone_error *err);

#endif
