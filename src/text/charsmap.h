/* charsmap.h - the compiled normalizers of SentencePiece: what text becomes what.
 *
 * A double-array trie over UTF-8 bytes whose values are places in a block of
 * NUL-terminated replacements.  It comes from a .model file or, in base64, from the
 * Precompiled normalizer of a tokenizer.json.
 * Format: google/sentencepiece, src/normalizer.cc; s-yata/darts-clone, darts.h.
 *
 * Every step of a walk is checked, so a broken table finds nothing instead of reading
 * outside.  Threads: immutable once made. */
#ifndef HONE_TEXT_CHARSMAP_H
#define HONE_TEXT_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct hone_charsmap hone_charsmap;

/* Copies data.  E_FORMAT if the sizes inside do not fit. */
HONE_MUST_CHECK hone_status hone_charsmap_new(hone_charsmap **out, const void *data,
                                              size_t size, hone_error *err);
HONE_MUST_CHECK hone_status hone_charsmap_from_base64(hone_charsmap **out,
                                                      const char *text, size_t len,
                                                      hone_error *err);
void hone_charsmap_free(hone_charsmap *m); /* NULL is fine */

/* A replacement: borrowed from the map. */
typedef struct hone_replacement {
    const char *text;
    size_t len;
    size_t n_replaced; /* bytes of the input it stands for */
} hone_replacement;

/* The longest, or the shortest, beginning of s that has a replacement; false: none. */
bool hone_charsmap_longest(const hone_charsmap *m, const char *s, size_t len,
                           hone_replacement *out);
bool hone_charsmap_shortest(const hone_charsmap *m, const char *s, size_t len,
                            hone_replacement *out);

#endif
