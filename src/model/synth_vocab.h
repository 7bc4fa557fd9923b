/* synth_vocab.h - the tokenizer of a synthetic model. */
#ifndef HONE_MODEL_SYNTH_VOCAB_H
#define HONE_MODEL_SYNTH_VOCAB_H

#include "format/gguf_write.h"

/* Put the keys of a byte-level BPE tokenizer with n_vocab >= 2048 tokens: the bytes,
 * merges of letters with letters and with a space before them, unused tokens, and BOS and
 * EOS at the end.  `pre` names the pre-tokenizer. */
HONE_MUST_CHECK hone_status hone_synth_put_vocab(hone_gguf_writer *w, const char *pre,
                                                 int n_vocab, hone_error *err);

#endif
