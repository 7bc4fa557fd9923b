/* spm.h - private to src/text: SentencePiece BPE, shared by GGUF and .model files. */
#ifndef HONE_TEXT_SPM_H
#define HONE_TEXT_SPM_H

#include "text/tokenizer_internal.h"

typedef struct hone_spm_options {
    bool add_dummy_prefix; /* a space in front of the text */
    bool squeeze;          /* remove extra white space */
    bool byte_fallback;
} hone_spm_options;

/* Ranks from scores (the highest is merged first; NULL: all alike), steps and decoders.
 * The pieces are set; type may be NULL.  t->bpe.unk is set by the caller. */
HONE_MUST_CHECK hone_status hone_spm_finish(hone_tokenizer *t, const float *score,
                                            const int32_t *type,
                                            const hone_spm_options *o, hone_error *err);

#endif
