/* tokenizer_internal.h - private to src/text: the parts of a tokenizer.
 *
 * Encoding runs: added tokens split the text; normalizers rewrite what lies between;
 * pre-tokenizers cut it into pieces; BPE turns each piece into ids; the post-processor
 * adds BOS and the like.  Decoding runs a chain of decoders over the tokens' spellings.
 * Loaders (tokenizer_json.c, tokenizer_gguf.c, ...) fill the same struct. */
#ifndef HONE_TEXT_TOKENIZER_INTERNAL_H
#define HONE_TEXT_TOKENIZER_INTERNAL_H

#include "base/buf.h"
#include "base/map.h"
#include "text/charsmap.h"
#include "text/regex.h"
#include "text/tokenizer.h"

#define HONE_TOKENIZER_MAX_VOCAB (1 << 24)
#define HONE_TOKENIZER_MAX_STEPS 64
#define HONE_TOKENIZER_MAX_DEPTH 16
#define HONE_TOKENIZER_MAX_TEXT  ((size_t)1 << 30)

/* -- vocabulary ------------------------------------------------------------------- */

typedef struct hone_piece_entry {
    char *text;  /* NUL-terminated, owned; NULL: unused id */
    char *bytes; /* what it stands for; equal to text, or owned */
    uint32_t len, n_bytes;
    int32_t added;        /* index into the added tokens plus one; 0: not one of them */
    unsigned char mapped; /* the map has its text, with its id */
    unsigned char special;
    unsigned char hidden; /* left out by HONE_DECODE_NO_SPECIAL */
} hone_piece_entry;

typedef struct hone_added_token {
    int32_t id;
    char *content; /* what is searched for: normalized where `normalized`; owned */
    size_t len;
    bool special, single_word, lstrip, rstrip, normalized;
    bool ready; /* content is given as it stands in normalized text */
} hone_added_token;

/* Added tokens that are searched in raw text, or those in normalized text. */
typedef struct hone_added_set {
    hone_map map;   /* content -> index into added */
    size_t *length; /* distinct lengths, longest first */
    size_t n_length;
    unsigned char first[32]; /* bit set: some content begins with this byte */
} hone_added_set;

/* -- BPE -------------------------------------------------------------------------- */

typedef struct hone_merge_entry hone_merge_entry;

typedef enum hone_bpe_kind {
    HONE_BPE_MERGES, /* a list of pairs, the first is merged first */
    HONE_BPE_RANKS,  /* any two neighbours whose joined text is a piece; the least rank
                        first */
} hone_bpe_kind;

typedef struct hone_bpe {
    hone_bpe_kind kind;
    hone_merge_entry *merge; /* [merge_cap] by pair of ids */
    size_t merge_cap, n_merge;
    int32_t last_joined;  /* what the merge added last makes */
    int32_t *rank;        /* [n_vocab] of HONE_BPE_RANKS; -1: not mergeable */
    int32_t byte_id[256]; /* "<0xXX>", or of the single byte for tiktoken; -1: none */
    bool byte_fallback,
        whole_bytes; /* whole_bytes: symbols are bytes, not characters */
    bool fuse_unk, ignore_merges;
    int32_t unk;           /* -1: unknown characters vanish */
    char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix; or NULL */
} hone_bpe;

/* -- steps ------------------------------------------------------------------------ */

typedef enum hone_split_behavior {
    HONE_SPLIT_REMOVED,
    HONE_SPLIT_ISOLATED,
    HONE_SPLIT_PREVIOUS, /* merged with previous */
    HONE_SPLIT_NEXT,
    HONE_SPLIT_CONTIGUOUS,
} hone_split_behavior;

typedef enum hone_step_kind {
    /* normalizers */
    HONE_NORM_NFC,
    HONE_NORM_NFD,
    HONE_NORM_NFKC,
    HONE_NORM_NFKD,
    HONE_NORM_LOWERCASE,
    HONE_NORM_STRIP,
    HONE_NORM_STRIP_ACCENTS,
    HONE_NORM_REPLACE,
    HONE_NORM_PREPEND,
    HONE_NORM_BYTE_LEVEL,
    HONE_NORM_NMT,       /* controls dropped, odd spaces to spaces */
    HONE_NORM_CLEAN,     /* Bert: controls dropped, white space to spaces */
    HONE_NORM_SPACE_CJK, /* Bert: a space on both sides of an ideograph */
    HONE_NORM_STRIP_NONSPACING,
    HONE_NORM_CHARSMAP,    /* a compiled table, as Hugging Face applies it */
    HONE_NORM_CHARSMAP_SP, /* the same as SentencePiece applies it */
    HONE_NORM_SQUEEZE,     /* SentencePiece: runs of spaces to one, none at the ends */
    /* pre-tokenizers */
    HONE_PRE_BYTE_LEVEL,
    HONE_PRE_SPLIT,
    HONE_PRE_DIGITS,
    HONE_PRE_PUNCTUATION,
    HONE_PRE_WHITESPACE_SPLIT,
    HONE_PRE_CHAR_SPLIT,
    HONE_PRE_METASPACE,
    HONE_PRE_FIXED_LENGTH,
    /* decoders */
    HONE_DEC_BYTE_LEVEL,
    HONE_DEC_BYTE_FALLBACK,
    HONE_DEC_FUSE,
    HONE_DEC_STRIP,
    HONE_DEC_REPLACE,
    HONE_DEC_METASPACE,
    HONE_DEC_BPE_SUFFIX,
    HONE_DEC_WORDPIECE,
    HONE_DEC_CTC,
} hone_step_kind;

typedef enum hone_prepend {
    HONE_PREPEND_NEVER,
    HONE_PREPEND_FIRST,
    HONE_PREPEND_ALWAYS
} hone_prepend;

/* One step; which fields count depends on the kind. */
typedef struct hone_step {
    hone_step_kind kind;
    hone_regex *regex;          /* owned */
    hone_charsmap *charsmap;    /* owned */
    const hone_tokenizer *keep; /* CHARSMAP_SP: its added tokens stay as they are */
    char *text; /* content, replacement character, delimiter, affix; owned */
    size_t text_len;
    char *delimiter; /* CTC: between words; owned */
    hone_split_behavior behavior;
    bool invert, individual, add_prefix_space, split;
    bool left, right;    /* strip */
    bool to_empty;       /* prepend: to text that normalizing left empty, too */
    bool cleanup;        /* wordpiece and CTC */
    int n_left, n_right; /* strip decoder: characters */
    int length;          /* fixed length: characters */
    hone_prepend prepend;
} hone_step;

typedef struct hone_steps {
    hone_step step[HONE_TOKENIZER_MAX_STEPS];
    size_t n;
} hone_steps;

/* -- the whole -------------------------------------------------------------------- */

struct hone_tokenizer {
    hone_piece_entry *piece; /* [n_vocab] */
    int32_t n_vocab;
    hone_map map;            /* piece text -> id, model's vocabulary */
    hone_added_token *added; /* [n_added] */
    size_t n_added;
    hone_added_set raw, normalized;
    hone_steps normalizer, pre, decoder;
    bool has_decoder; /* else tokens are joined by spaces */
    hone_bpe bpe;
    hone_tokens before, after; /* what HONE_ENCODE_SPECIAL adds */
    int32_t role[HONE_TOKEN_N_ROLE];
    size_t memory;
};

/* How an id is spelled when decoding: as in the vocabulary, but an added token that is
 * matched in normalized text is spelled normalized, as the reference does.  NULL for an
 * unused id. */
const char *hone_vocab_spelling(const hone_tokenizer *t, int32_t id, size_t *len);

/* vocab.c: building the vocabulary. */
HONE_MUST_CHECK hone_status hone_tokenizer_new(hone_tokenizer **out, size_t n_vocab,
                                               hone_error *err);
/* Set the spelling of an unused id; in_map: BPE can produce it. */
HONE_MUST_CHECK hone_status hone_vocab_set(hone_tokenizer *t, int32_t id,
                                           const char *text, size_t len, bool in_map,
                                           hone_error *err);
/* Grow to n ids. */
HONE_MUST_CHECK hone_status hone_vocab_grow(hone_tokenizer *t, size_t n,
                                            hone_error *err);
/* What each token stands for, once decoders and added tokens are known. */
HONE_MUST_CHECK hone_status hone_vocab_fill_bytes(hone_tokenizer *t, hone_error *err);

/* bpe.c: expect once, then add at most n in order of rank.  What left and right make is
 * spelled as left and what is behind the prefix in right.  E_FORMAT when a piece is not
 * there. */
HONE_MUST_CHECK hone_status hone_bpe_expect_merges(hone_tokenizer *t, size_t n,
                                                   hone_error *err);
HONE_MUST_CHECK hone_status hone_bpe_add_merge(hone_tokenizer *t, hone_slice left,
                                               hone_slice right, int32_t rank,
                                               hone_error *err);
/* Ids of "<0x00>" .. "<0xFF>" where the vocabulary has them. */
void hone_bpe_find_bytes(hone_tokenizer *t);
HONE_MUST_CHECK hone_status hone_bpe_encode(const hone_tokenizer *t, const char *text,
                                            size_t len, hone_tokens *out,
                                            hone_error *err);
void hone_bpe_release(hone_bpe *b);

/* added_tokens.c: add, then index once. */
HONE_MUST_CHECK hone_status hone_added_add(hone_tokenizer *t, const hone_added_token *a,
                                           hone_error *err);
HONE_MUST_CHECK hone_status hone_added_index(hone_tokenizer *t, hone_error *err);
/* Call fn for each stretch of text, in order: id >= 0 for an added token, -1 for text. */
typedef hone_status hone_stretch_fn(void *ctx, int32_t id, const char *text, size_t len,
                                    hone_error *err);
HONE_MUST_CHECK hone_status hone_added_split(const hone_tokenizer *t,
                                             const hone_added_set *set,
                                             const char *text, size_t len,
                                             bool no_special, hone_stretch_fn *fn,
                                             void *ctx, hone_error *err);
void hone_added_release(hone_tokenizer *t);
/* Length of the longest added token of the set that text begins with, or 0. */
size_t hone_added_match(const hone_tokenizer *t, const hone_added_set *set,
                        const char *text, size_t len);

/* normalize.c: rewrite *b.  *front_lost, if not NULL: the first character was dropped, so
 * what is left does not begin the input any more. */
HONE_MUST_CHECK hone_status hone_normalize(const hone_steps *steps, hone_buf *b,
                                           bool *front_lost, hone_error *err);

/* pretokenize.c: pieces of text[0..len); at_start: it begins the whole input. */
typedef hone_status hone_piece_text_fn(void *ctx, const char *text, size_t len,
                                       hone_error *err);
HONE_MUST_CHECK hone_status hone_pretokenize(const hone_steps *steps, const char *text,
                                             size_t len, bool at_start,
                                             hone_piece_text_fn *fn, void *ctx,
                                             hone_error *err);

/* byte_level.c: append the bytes of a spelling; false, appending nothing, if some
 * character is not in the table. */
bool hone_byte_level_decode(hone_buf *out, const char *text, size_t len);

/* decode.c: ids through the decoders. */
HONE_MUST_CHECK hone_status hone_decode(const hone_tokenizer *t, const int32_t *id,
                                        size_t n, unsigned flags, hone_buf *out,
                                        hone_error *err);

/* steps.c */
hone_step *hone_steps_add(hone_steps *s, hone_step_kind kind); /* NULL: too many */
void hone_steps_release(hone_steps *s);
HONE_MUST_CHECK hone_status hone_step_set_text(hone_step *s, const char *text,
                                               size_t len, hone_error *err);
/* The pattern of a split or replace. */
HONE_MUST_CHECK hone_status hone_step_set_regex(hone_step *s, const char *pattern,
                                                size_t len, bool literal,
                                                hone_error *err);
/* GPT-2's pattern, which ByteLevel uses by itself. */
extern const char hone_gpt2_pattern[];

/* Append text with invalid UTF-8 replaced, one U+FFFD a maximal invalid prefix. */
void hone_append_lossy(hone_buf *out, const char *text, size_t len);

#endif
