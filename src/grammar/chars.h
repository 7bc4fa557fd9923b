/* chars.h - sets of code points, and how texts spell them: as UTF-8, or as the inside
 * of a JSON string, where a character may be an escape.  All spellings of one character
 * are one language, so whatever is built from these sees decoded strings. */
#ifndef HONE_GRAMMAR_CHARS_H
#define HONE_GRAMMAR_CHARS_H

#include "grammar/expr.h"

typedef struct hone_chars_range {
    uint32_t lo, hi;
} hone_chars_range;

/* Zero-initialised is empty; release with hone_chars_release. */
typedef struct hone_chars {
    hone_chars_range *range;
    size_t n, cap;
    bool failed; /* out of memory */
} hone_chars;

void hone_chars_release(hone_chars *c);
void hone_chars_add(hone_chars *c, uint32_t lo, uint32_t hi);
void hone_chars_add_all(hone_chars *c, const hone_chars *other);
void hone_chars_negate(hone_chars *c); /* within U+0000 .. U+10FFFF */

typedef enum hone_spelling {
    HONE_SPELL_UTF8,
    HONE_SPELL_JSON, /* inside the quotes of a JSON string; any escape */
} hone_spelling;

/* One character of the set; surrogates are no characters. */
hone_expr hone_chars_expr(hone_exprs *x, hone_chars *c, hone_spelling how);
/* Any one character; all texts. */
hone_expr hone_chars_any(hone_exprs *x, hone_spelling how);
hone_expr hone_chars_all(hone_exprs *x, hone_spelling how);
/* The text s (valid UTF-8), followed by `then`. */
hone_expr hone_chars_text(hone_exprs *x, const char *s, size_t len, hone_spelling how,
                          hone_expr then);

/* One of n texts, their common beginnings shared; sorts word[]. */
typedef struct hone_word {
    const char *s;
    size_t len;
} hone_word;
hone_expr hone_chars_words(hone_exprs *x, hone_word *word, size_t n, hone_spelling how);

#endif
