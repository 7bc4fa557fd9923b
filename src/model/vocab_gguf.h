/* vocab_gguf.h - a tokenizer from the arrays of a GGUF file. */
#ifndef HONE_MODEL_VOCAB_GGUF_H
#define HONE_MODEL_VOCAB_GGUF_H

#include "format/gguf.h"
#include "hone/tokenizer.h"

/* Reads the tokenizer.ggml.* keys.  E_FORMAT where arrays disagree or are absent,
 * E_UNSUPPORTED as hone_tokenizer_from_vocab. */
HONE_MUST_CHECK hone_status hone_vocab_from_gguf(hone_tokenizer **out,
                                                 const hone_gguf *g, hone_error *err);

#endif
