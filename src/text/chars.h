/* chars.h - classes of characters as tokenizers and Python know them, on utf8proc.
 * Threads: any, no state. */
#ifndef HONE_TEXT_CHARS_H
#define HONE_TEXT_CHARS_H

#include <stdbool.h>
#include <stdint.h>

bool hone_char_is_space(uint32_t cp); /* Unicode White_Space, as Rust's is_whitespace */
bool hone_char_is_numeric(uint32_t cp); /* Nd, Nl, No */
bool hone_char_is_word(uint32_t cp);    /* letters, marks, digits, connectors */
bool hone_char_is_mark(uint32_t cp);    /* Mn, Mc, Me */
bool hone_char_is_punct(uint32_t cp);   /* P*, and ASCII punctuation */

#endif
