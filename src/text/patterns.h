/* patterns.h - pre-tokenizers that files name instead of spelling them out. */
#ifndef HONE_TEXT_PATTERNS_H
#define HONE_TEXT_PATTERNS_H

#include <stdbool.h>

#include "base/status.h"
#include "text/tokenizer_internal.h"

/* The pre-tokenizer and normalizer steps of a GGUF `tokenizer.ggml.pre`, byte level at the
 * end.  E_UNSUPPORTED names an unknown one.  *ignore_merges is set where whole pieces of
 * the vocabulary are taken before merging. */
HONE_MUST_CHECK hone_status hone_pattern_steps(hone_tokenizer *t, const char *name,
                                               hone_error *err);

/* Whether BOS is added when the file does not say. */
bool hone_pattern_adds_bos(const char *name);

/* The pattern of llama3 and its relatives, for .tiktoken files. */
extern const char hone_llama3_pattern[];
extern const char hone_qwen2_pattern[];

#endif
