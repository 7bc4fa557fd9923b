/* patterns.c - the pre-tokenizers that GGUF files name.
 *
 * Each name stands for the pre_tokenizer of the tokenizer.json that the vocabulary came
 * from; patterns are facts of those files. */
#include "text/patterns.h"

#include <string.h>

const char hone_llama3_pattern[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const char hone_qwen2_pattern[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
static const char gpt4o[] =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
static const char tekken[] =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|"
    "\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

enum {
    NFC = 1 << 0,    /* the normalizer of the tokenizer.json */
    DIGITS = 1 << 1, /* each digit a piece, before the pattern */
    WHOLE = 1 << 2,  /* ignore_merges */
    ADD_BOS = 1 << 3
};

static const struct named {
    const char *name;
    const char *pattern; /* NULL: GPT-2's */
    unsigned flags;
} table[] = {
    {"default", NULL, 0},
    {"gpt-2", NULL, 0},
    {"gpt2", NULL, 0},
    {"phi-2", NULL, 0},
    {"jina-es", NULL, 0},
    {"jina-de", NULL, 0},
    {"roberta-bpe", NULL, ADD_BOS},
    {"olmo", NULL, 0},
    {"jais", NULL, 0},
    {"mpt", NULL, NFC},
    {"smollm", NULL, DIGITS},
    {"starcoder", NULL, DIGITS},
    {"refact", NULL, DIGITS},
    {"command-r", NULL, DIGITS | NFC},
    {"codeshell", NULL, DIGITS},
    {"llama-bpe", hone_llama3_pattern, WHOLE | ADD_BOS},
    {"llama3", hone_llama3_pattern, WHOLE | ADD_BOS},
    {"llama-v3", hone_llama3_pattern, WHOLE | ADD_BOS},
    {"smaug-bpe", hone_llama3_pattern, 0},
    {"falcon3", hone_llama3_pattern, WHOLE | ADD_BOS},
    {"dbrx", hone_llama3_pattern, 0},
    {"olmo2", hone_llama3_pattern, 0},
    {"qwen2", hone_qwen2_pattern, NFC},
    {"deepseek-r1-qwen", hone_qwen2_pattern, NFC},
    {"stablelm2", hone_qwen2_pattern, 0},
    {"gpt-4o", gpt4o, 0},
    {"llama4", gpt4o, 0},
    {"tekken", tekken, WHOLE | ADD_BOS},
};

static const struct named *find(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].name, name) == 0) return &table[i];
    }
    return NULL;
}

bool hone_pattern_adds_bos(const char *name)
{
    const struct named *n = find(name);
    return n && (n->flags & ADD_BOS);
}

hone_status hone_pattern_steps(hone_tokenizer *t, const char *name, hone_error *err)
{
    const struct named *n = find(name);
    if (!n) return hone_fail(err, HONE_E_UNSUPPORTED, "pre-tokenizer '%s'", name);
    t->bpe.ignore_merges = n->flags & WHOLE;
    if (n->flags & NFC) (void)hone_steps_add(&t->normalizer, HONE_NORM_NFC);
    if (n->flags & DIGITS) {
        hone_step *d = hone_steps_add(&t->pre, HONE_PRE_DIGITS);
        d->behavior = HONE_SPLIT_ISOLATED;
    }
    if (n->pattern) {
        hone_step *s = hone_steps_add(&t->pre, HONE_PRE_SPLIT);
        s->behavior = HONE_SPLIT_ISOLATED;
        HONE_TRY(hone_step_set_regex(s, n->pattern, strlen(n->pattern), false, err));
    }
    hone_step *b = hone_steps_add(&t->pre, HONE_PRE_BYTE_LEVEL);
    if (!n->pattern) {
        HONE_TRY(hone_step_set_regex(b, hone_gpt2_pattern, strlen(hone_gpt2_pattern),
                                     false, err));
    }
    (void)hone_steps_add(&t->decoder, HONE_DEC_BYTE_LEVEL);
    t->has_decoder = true;
    return HONE_OK;
}
