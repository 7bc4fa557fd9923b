/* tokenizer_tiktoken.c - .tiktoken files: a line for each piece, its bytes in base64 and
 * its rank.
 *
 * The file names neither pattern nor special tokens; the number of ranks tells which
 * encoding it is.  Source: openai/tiktoken, tiktoken_ext/openai_public.py; meta-llama,
 * llama_models/llama3/tokenizer.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "text/patterns.h"

enum {
    MAX_PIECE = 4096 /* characters of base64 */
};

static hone_status read_line(hone_tokenizer *t, const char *line, size_t len,
                             size_t number, hone_error *err)
{
    unsigned char bytes[MAX_PIECE];
    const char *space = memchr(line, ' ', len);
    const bool fits = space && space - line <= MAX_PIECE;
    const size_t n =
        fits ? hone_base64_decode(line, (size_t)(space - line), bytes) : SIZE_MAX;
    char *end = NULL;
    const long rank = space ? strtol(space + 1, &end, 10) : -1;
    if (n == 0 || n == SIZE_MAX || rank < 0 || rank >= t->n_vocab || end == space + 1) {
        return hone_fail(err, HONE_E_FORMAT,
                         "line %zu: expected base64 and a rank below %d", number,
                         t->n_vocab);
    }
    return hone_vocab_set(t, (int32_t)rank, (const char *)bytes, n, true, err);
}

static hone_status read_lines(hone_tokenizer *t, const char *text, size_t len,
                              hone_error *err)
{
    size_t number = 0;
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        const size_t n = end ? (size_t)(end - text) - at : len - at;
        number++;
        if (n) HONE_TRY(read_line(t, text + at, n, number, err));
        at += n + 1;
    }
    return HONE_OK;
}

static size_t count_lines(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n' ? i && text[i - 1] != '\n' : i + 1 == len) n++;
    }
    return n;
}

static hone_status add_special(hone_tokenizer *t, size_t at, const char *name,
                               hone_error *err)
{
    const size_t len = strlen(name);
    HONE_TRY(hone_vocab_grow(t, at + 1, err));
    HONE_TRY(hone_vocab_set(t, (int32_t)at, name, len, false, err));
    const hone_added_token a = {
        .id = (int32_t)at, .content = t->piece[at].text, .len = len, .special = true};
    return hone_added_add(t, &a, err);
}

/* Llama 3: ten named tokens and reserved ones up to 256. */
static hone_status add_llama3(hone_tokenizer *t, size_t base, hone_error *err)
{
    static const char *const names[] = {"<|begin_of_text|>",
                                        "<|end_of_text|>",
                                        "<|reserved_special_token_0|>",
                                        "<|reserved_special_token_1|>",
                                        "<|finetune_right_pad_id|>",
                                        "<|reserved_special_token_2|>",
                                        "<|start_header_id|>",
                                        "<|end_header_id|>",
                                        "<|eom_id|>",
                                        "<|eot_id|>",
                                        "<|python_tag|>"};
    enum {
        NAMED = sizeof names / sizeof names[0],
        ALL = 256
    };
    for (size_t i = 0; i < ALL; i++) {
        char name[48];
        snprintf(name, sizeof name, "<|reserved_special_token_%zu|>", i - NAMED + 3);
        HONE_TRY(add_special(t, base + i, i < NAMED ? names[i] : name, err));
    }
    t->role[HONE_TOKEN_BOS] = (int32_t)base;
    t->role[HONE_TOKEN_EOS] = (int32_t)base + 1;
    return hone_tokens_append(&t->before, &t->role[HONE_TOKEN_BOS], 1, err);
}

static hone_status add_qwen(hone_tokenizer *t, size_t base, hone_error *err)
{
    static const char *const names[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    for (size_t i = 0; i < 3; i++) {
        HONE_TRY(add_special(t, base + i, names[i], err));
    }
    t->role[HONE_TOKEN_EOS] = (int32_t)base;
    return HONE_OK;
}

static hone_status add_end_of_text(hone_tokenizer *t, size_t base, hone_error *err)
{
    HONE_TRY(add_special(t, base, "<|endoftext|>", err));
    t->role[HONE_TOKEN_EOS] = (int32_t)base;
    return HONE_OK;
}

static const char cl100k[] =
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}|"
    " ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++\\z|\\s*[\\r\\n]|\\s+(?!\\S)|\\s";
static const char o200k[] =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

static hone_status build(hone_tokenizer *t, const char *text, size_t len,
                         hone_error *err)
{
    static const struct {
        size_t n_rank;
        const char *pattern;
        hone_status (*add)(hone_tokenizer *t, size_t base, hone_error *err);
        size_t first_special; /* 0: right behind the ranks */
    } known[] = {
        {128000, hone_llama3_pattern, add_llama3, 0},
        {151643, hone_qwen2_pattern, add_qwen, 0},
        {100256, cl100k, add_end_of_text, 100257},
        {199998, o200k, add_end_of_text, 199999},
        {50256, hone_gpt2_pattern, add_end_of_text, 0},
    };
    const size_t n = (size_t)t->n_vocab;
    size_t k = 0;
    while (k < sizeof known / sizeof known[0] && known[k].n_rank != n) {
        k++;
    }
    if (k == sizeof known / sizeof known[0]) {
        return hone_fail(err, HONE_E_UNSUPPORTED,
                         "%zu ranks: not one of the encodings known by size", n);
    }
    HONE_TRY(read_lines(t, text, len, err));
    t->bpe.kind = HONE_BPE_RANKS;
    t->bpe.whole_bytes = true;
    t->bpe.ignore_merges = true;
    t->bpe.rank = hone_alloc(n, sizeof *t->bpe.rank);
    if (!t->bpe.rank) return hone_fail(err, HONE_E_NOMEM, "tokenizer: out of memory");
    for (size_t i = 0; i < n; i++) {
        t->bpe.rank[i] = (int32_t)i;
    }
    hone_step *s = hone_steps_add(&t->pre, HONE_PRE_SPLIT);
    s->behavior = HONE_SPLIT_ISOLATED;
    HONE_TRY(
        hone_step_set_regex(s, known[k].pattern, strlen(known[k].pattern), false, err));
    t->has_decoder = true;
    HONE_TRY(known[k].add(t, known[k].first_special ? known[k].first_special : n, err));
    HONE_TRY(hone_added_index(t, err));
    return hone_vocab_fill_bytes(t, err);
}

hone_status hone_tokenizer_from_tiktoken(hone_tokenizer **out, const char *text,
                                         size_t len, const char *name, hone_error *err)
{
    hone_tokenizer *t;
    hone_status s = hone_tokenizer_new(&t, count_lines(text, len), err);
    if (!s) {
        s = build(t, text, len, err);
        if (s)
            hone_tokenizer_free(t);
        else
            *out = t;
    }
    return s ? hone_error_wrap(err, s, "open %s", name) : HONE_OK;
}
