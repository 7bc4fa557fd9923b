/* chars.h - classes of characters as tokenizers and Python know them, on utf8proc.
 * Threads: any, no state. */
#ifndef HONE_TEXT_CHARS_H
#define HONE_TEXT_CHARS_H

#include <stdbool.h>
#include <stdint.h>

bool hone_char_is_space(uint32_t cp); /* Unicode White_Space, as Rust's is_whitespace */
bool hone_char_is_numeric(uint32_t cp); /* Nd, Nl, No */
/* \w of Rust's regular expressions: alphabetic, marks, Nd, Pc, joiners */
bool hone_char_is_word(uint32_t cp);
bool hone_char_is_mark(uint32_t cp);       /* Mn, Mc, Me */
bool hone_char_is_nonspacing(uint32_t cp); /* Mn */
bool hone_char_is_other(uint32_t cp);      /* Cc, Cf, Co */
bool hone_char_is_punct(uint32_t cp);      /* P*, and ASCII punctuation */

#endif
