/* grammar.h - constrained output: which tokens may come next so that the text keeps to
 * a JSON Schema, a regular expression, a list of choices or a GBNF grammar.
 *
 *     hone_grammar *g;
 *     hone_grammar_from_schema(&g, schema, len, &err);
 *     hone_grammar_vocab *v;
 *     hone_grammar_vocab_new(&v, tokenizer, end_ids, n_end, &err);
 *     hone_grammar_state *s;
 *     hone_grammar_state_new(&s, g, &err);
 *     while (...) {
 *         hone_grammar_mask(s, v, mask, &err);      (bit i: token i may come)
 *         ...choose id...
 *         hone_grammar_accept(s, v, id, &err);
 *     }
 *
 * A grammar is an automaton over bytes that is built as texts need it.  What it accepts
 * is exact: a source that cannot be compiled exactly is refused with E_UNSUPPORTED and
 * a message that names the place.  docs/grammar.md says what compiles and which white
 * space, order of properties and spelling of numbers and strings texts may have.
 *
 * Threads: a grammar and a vocab may be used from any thread (a grammar guards what it
 * builds with a lock); a state is owned by one thread at a time.  A grammar lives until
 * it and all its states are freed. */
#ifndef HONE_GRAMMAR_H
#define HONE_GRAMMAR_H

#include "hone/tokenizer.h"

typedef struct hone_grammar hone_grammar;
typedef struct hone_grammar_vocab hone_grammar_vocab;
typedef struct hone_grammar_state hone_grammar_state;

/* -- grammars --------------------------------------------------------------------- */

/* All constructors:
 *   E_FORMAT       the source is broken; the message says where
 *   E_UNSUPPORTED  valid, but it cannot be compiled exactly, or no text satisfies it;
 *                  for a schema the message has the JSON pointer and the keyword
 *   E_LIMIT        compiling takes more states or steps than allowed */

/* A JSON Schema: UTF-8 text of one JSON value (object or boolean).  Dialect: draft
 * 2020-12, or what "$schema" names (drafts 4 to 7: keywords beside $ref do not count,
 * `dependencies` binds).  Source: https://json-schema.org/draft/2020-12. */
HONE_API HONE_MUST_CHECK hone_status hone_grammar_from_schema(hone_grammar **out,
                                                              const char *text,
                                                              size_t len,
                                                              hone_error *err);

/* Any JSON value; `object`: any JSON object ("JSON mode"). */
HONE_API HONE_MUST_CHECK hone_status hone_grammar_from_json(hone_grammar **out,
                                                            bool object,
                                                            hone_error *err);

/* Texts that the ECMA 262 expression matches from start to end. */
HONE_API HONE_MUST_CHECK hone_status hone_grammar_from_regex(hone_grammar **out,
                                                             const char *pattern,
                                                             size_t len,
                                                             hone_error *err);

/* One of n strings of len[i] bytes, valid UTF-8. */
HONE_API HONE_MUST_CHECK hone_status hone_grammar_from_choices(hone_grammar **out,
                                                               const char *const *text,
                                                               const size_t *len,
                                                               size_t n,
                                                               hone_error *err);

/* A grammar in llama.cpp's GBNF notation; the start rule is `root`.  Left recursion is
 * E_UNSUPPORTED. */
HONE_API HONE_MUST_CHECK hone_status hone_grammar_from_gbnf(hone_grammar **out,
                                                            const char *text,
                                                            size_t len,
                                                            hone_error *err);

/* A grammar of parts, for what surrounds a schema: the marks of a tool call, reasoning
 * before an answer.  A tree of at most 32 levels; strings are borrowed for the call. */
typedef enum hone_grammar_part_kind {
    HONE_PART_TEXT,     /* these bytes, valid UTF-8 */
    HONE_PART_UNTIL,    /* any valid UTF-8 up to and with the first of these bytes */
    HONE_PART_SCHEMA,   /* the source of hone_grammar_from_schema */
    HONE_PART_STRINGS,  /* the same of strings alone, as they are: UTF-8 without quotes
                           and escapes; E_UNSUPPORTED if other values satisfy it */
    HONE_PART_REGEX,    /* of hone_grammar_from_regex */
    HONE_PART_GBNF,     /* of hone_grammar_from_gbnf */
    HONE_PART_SEQUENCE, /* the children, one after another */
    HONE_PART_CHOICE,   /* one of the children */
    HONE_PART_ALL,      /* texts that every child allows; E_UNSUPPORTED for children
                           with arrays, objects or recursion */
    HONE_PART_REPEAT    /* the children in sequence, min to max times; max 0: any */
} hone_grammar_part_kind;

typedef struct hone_grammar_part {
    hone_grammar_part_kind kind;
    const char *text; /* the first six kinds: [len] */
    size_t len;
    const struct hone_grammar_part *child; /* the others: [n_child] */
    size_t n_child;
    unsigned min, max;
} hone_grammar_part;

/* E_INVALID: nested too deeply, a child missing, min above max. */
HONE_API HONE_MUST_CHECK hone_status hone_grammar_from_parts(
    hone_grammar **out, const hone_grammar_part *root, hone_error *err);

HONE_API void
hone_grammar_free(hone_grammar *g); /* NULL is fine; states keep it alive */

/* States of the automaton built so far: a measure of size. */
HONE_API size_t hone_grammar_n_states(hone_grammar *g);

/* -- vocabularies ----------------------------------------------------------------- */

/* The tokens of tok by their bytes, once for each tokenizer; tok must outlive it.
 * end_id[0..n_end) end a text; with n_end 0 it is the tokenizer's EOS.  Special tokens
 * are never allowed but for these. */
HONE_API HONE_MUST_CHECK hone_status hone_grammar_vocab_new(hone_grammar_vocab **out,
                                                            const hone_tokenizer *tok,
                                                            const int32_t *end_id,
                                                            size_t n_end,
                                                            hone_error *err);
HONE_API void hone_grammar_vocab_free(hone_grammar_vocab *v); /* NULL is fine */

/* 32-bit words of a mask: (n_vocab + 31) / 32. */
HONE_API size_t hone_grammar_mask_words(const hone_grammar_vocab *v);

/* -- one text in progress --------------------------------------------------------- */

/* At the beginning of a text.  Small: a few dozen bytes. */
HONE_API HONE_MUST_CHECK hone_status hone_grammar_state_new(hone_grammar_state **out,
                                                            hone_grammar *g,
                                                            hone_error *err);
/* For forks, and to come back to later. */
HONE_API HONE_MUST_CHECK hone_status hone_grammar_state_clone(
    hone_grammar_state **out, const hone_grammar_state *s, hone_error *err);
/* Make s what `from` is; both must be of one grammar. */
HONE_API void hone_grammar_state_copy(hone_grammar_state *s,
                                      const hone_grammar_state *from);
HONE_API void hone_grammar_state_reset(hone_grammar_state *s); /* to the beginning */
HONE_API void hone_grammar_state_free(hone_grammar_state *s);  /* NULL is fine */

/* Set bit (id % 32) of mask[id / 32] for every token that may come next, clear all
 * others; mask has hone_grammar_mask_words(v) words.  End tokens are set where the text
 * may end.  A finished text has end tokens only.  E_LIMIT, E_NOMEM: mask is all
 * zero. */
HONE_API HONE_MUST_CHECK hone_status hone_grammar_mask(hone_grammar_state *s,
                                                       hone_grammar_vocab *v,
                                                       uint32_t *mask, hone_error *err);

/* Go on by a token, or by bytes.  E_INVALID if they are not allowed: s is as it was.
 * An end token changes nothing. */
HONE_API HONE_MUST_CHECK hone_status hone_grammar_accept(hone_grammar_state *s,
                                                         const hone_grammar_vocab *v,
                                                         int32_t id, hone_error *err);
HONE_API HONE_MUST_CHECK hone_status hone_grammar_accept_bytes(hone_grammar_state *s,
                                                               const char *bytes,
                                                               size_t len,
                                                               hone_error *err);

/* How many of the bytes could be accepted; s is not changed. */
HONE_API size_t hone_grammar_match(hone_grammar_state *s, const char *bytes,
                                   size_t len);

/* True if the text may end here. */
HONE_API bool hone_grammar_can_end(const hone_grammar_state *s);

/* The bytes that must come next, at most cap of them, into buf; returns their number, 0
 * where there is a choice.  Where the only alternative to a character is its own JSON
 * escape, the character counts as forced.  s is not changed.  Tokenize them together
 * with the text before, and keep the last token back: it might go on beyond them. */
HONE_API size_t hone_grammar_forced(hone_grammar_state *s, char *buf, size_t cap);

#endif
