#include "text/steps_json.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

typedef hone_status read_fn(hone_tokenizer *t, const json_t *j, const char *type,
                            hone_error *err);

/* One step, or each step of a Sequence. */
static hone_status read_nested(hone_tokenizer *t, const json_t *j, const char *what,
                               const char *list_key, read_fn *read, int depth,
                               hone_error *err)
{
    if (!j || json_is_null(j)) return HONE_OK;
    if (depth > HONE_TOKENIZER_MAX_DEPTH) {
        return hone_fail(err, HONE_E_LIMIT, "%s: nested deeper than %d", what,
                         HONE_TOKENIZER_MAX_DEPTH);
    }
    const char *type = json_string_value(json_object_get(j, "type"));
    if (!type) return hone_fail(err, HONE_E_FORMAT, "%s: no type", what);
    if (strcmp(type, "Sequence") != 0) {
        const hone_status s = read(t, j, type, err);
        return s ? hone_error_wrap(err, s, "%s '%s'", what, type) : HONE_OK;
    }
    const json_t *list = json_object_get(j, list_key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        HONE_TRY(read_nested(t, json_array_get(list, i), what, list_key, read,
                             depth + 1, err));
    }
    return HONE_OK;
}

static hone_status too_many(hone_error *err)
{
    return hone_fail(err, HONE_E_LIMIT, "more than %d steps", HONE_TOKENIZER_MAX_STEPS);
}

static hone_status unknown(hone_error *err)
{
    return hone_fail(err, HONE_E_UNSUPPORTED, "unknown");
}

/* {"String": ".."} or {"Regex": ".."} */
static hone_status read_pattern(hone_step *s, const json_t *pattern, hone_error *err)
{
    const json_t *text = json_object_get(pattern, "String");
    const json_t *regex = json_object_get(pattern, "Regex");
    const json_t *p = text ? text : regex;
    if (!json_is_string(p)) return hone_fail(err, HONE_E_FORMAT, "no pattern");
    return hone_step_set_regex(s, json_string_value(p), json_string_length(p),
                               text != NULL, err);
}

static hone_status read_text(hone_step *s, const json_t *j, const char *key,
                             hone_error *err)
{
    const json_t *v = json_object_get(j, key);
    if (!json_is_string(v)) return hone_fail(err, HONE_E_FORMAT, "no '%s'", key);
    return hone_step_set_text(s, json_string_value(v), json_string_length(v), err);
}

/* -- normalizers ------------------------------------------------------------------ */

static hone_status add_norm(hone_tokenizer *t, hone_step_kind kind, hone_error *err)
{
    return hone_steps_add(&t->normalizer, kind) ? HONE_OK : too_many(err);
}

/* What BertNormalizer does, one step each; strip_accents may be null: as lowercase. */
static hone_status read_bert(hone_tokenizer *t, const json_t *j, hone_error *err)
{
    bool clean, cjk, strip, lower;
    HONE_TRY(hone_json_get_bool(j, "clean_text", true, &clean, err));
    HONE_TRY(hone_json_get_bool(j, "handle_chinese_chars", true, &cjk, err));
    HONE_TRY(hone_json_get_bool(j, "lowercase", true, &lower, err));
    HONE_TRY(hone_json_get_bool(j, "strip_accents", lower, &strip, err));
    if (clean) HONE_TRY(add_norm(t, HONE_NORM_CLEAN, err));
    if (cjk) HONE_TRY(add_norm(t, HONE_NORM_SPACE_CJK, err));
    if (strip) HONE_TRY(add_norm(t, HONE_NORM_NFD, err));
    if (strip) HONE_TRY(add_norm(t, HONE_NORM_STRIP_NONSPACING, err));
    return lower ? add_norm(t, HONE_NORM_LOWERCASE, err) : HONE_OK;
}

static hone_status read_charsmap(hone_step *s, const json_t *j, hone_error *err)
{
    const json_t *map = json_object_get(j, "precompiled_charsmap");
    if (!json_is_string(map)) {
        return hone_fail(err, HONE_E_FORMAT, "no 'precompiled_charsmap'");
    }
    return hone_charsmap_from_base64(&s->charsmap, json_string_value(map),
                                     json_string_length(map), err);
}

static hone_status read_normalizer(hone_tokenizer *t, const json_t *j, const char *type,
                                   hone_error *err)
{
    static const struct {
        const char *type;
        hone_step_kind kind;
    } table[] = {
        {"NFC", HONE_NORM_NFC},
        {"NFD", HONE_NORM_NFD},
        {"NFKC", HONE_NORM_NFKC},
        {"NFKD", HONE_NORM_NFKD},
        {"Lowercase", HONE_NORM_LOWERCASE},
        {"Strip", HONE_NORM_STRIP},
        {"StripAccents", HONE_NORM_STRIP_ACCENTS},
        {"Replace", HONE_NORM_REPLACE},
        {"Prepend", HONE_NORM_PREPEND},
        {"ByteLevel", HONE_NORM_BYTE_LEVEL},
        {"Nmt", HONE_NORM_NMT},
        {"Precompiled", HONE_NORM_CHARSMAP},
    };
    if (strcmp(type, "BertNormalizer") == 0) return read_bert(t, j, err);
    size_t i = 0;
    const size_t n = sizeof table / sizeof table[0];
    while (i < n && strcmp(table[i].type, type) != 0) {
        i++;
    }
    if (i == n) return unknown(err);
    hone_step *s = hone_steps_add(&t->normalizer, table[i].kind);
    if (!s) return too_many(err);
    switch (s->kind) {
    case HONE_NORM_STRIP:
        HONE_TRY(hone_json_get_bool(j, "strip_left", true, &s->left, err));
        return hone_json_get_bool(j, "strip_right", true, &s->right, err);
    case HONE_NORM_REPLACE:
        HONE_TRY(read_pattern(s, json_object_get(j, "pattern"), err));
        return read_text(s, j, "content", err);
    case HONE_NORM_PREPEND:
        return read_text(s, j, "prepend", err);
    case HONE_NORM_CHARSMAP:
        return read_charsmap(s, j, err);
    default:
        return HONE_OK;
    }
}

hone_status hone_steps_read_normalizer(hone_tokenizer *t, const json_t *j,
                                       hone_error *err)
{
    return read_nested(t, j, "normalizer", "normalizers", read_normalizer, 0, err);
}

/* -- pre-tokenizers --------------------------------------------------------------- */

static hone_status read_behavior(const json_t *j, hone_split_behavior fallback,
                                 hone_split_behavior *out, hone_error *err)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    const char *name;
    *out = fallback;
    HONE_TRY(hone_json_get_str(j, "behavior", NULL, &name, err));
    for (int i = 0; name && i < 5; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (hone_split_behavior)i;
            return HONE_OK;
        }
    }
    return name ? hone_fail(err, HONE_E_UNSUPPORTED, "behavior '%s'", name) : HONE_OK;
}

/* prepend_scheme, or the older add_prefix_space. */
static hone_status read_prepend(hone_step *s, const json_t *j, hone_error *err)
{
    const char *scheme;
    bool add;
    HONE_TRY(hone_json_get_str(j, "prepend_scheme", NULL, &scheme, err));
    HONE_TRY(hone_json_get_bool(j, "add_prefix_space", true, &add, err));
    if (!scheme) scheme = add ? "always" : "never";
    if (strcmp(scheme, "always") == 0)
        s->prepend = HONE_PREPEND_ALWAYS;
    else if (strcmp(scheme, "first") == 0)
        s->prepend = HONE_PREPEND_FIRST;
    else if (strcmp(scheme, "never") == 0)
        s->prepend = HONE_PREPEND_NEVER;
    else
        return hone_fail(err, HONE_E_UNSUPPORTED, "prepend_scheme '%s'", scheme);
    HONE_TRY(hone_json_get_bool(j, "split", true, &s->split, err));
    return read_text(s, j, "replacement", err);
}

static hone_status read_byte_level(hone_step *s, const json_t *j, hone_error *err)
{
    bool use_regex;
    HONE_TRY(
        hone_json_get_bool(j, "add_prefix_space", true, &s->add_prefix_space, err));
    HONE_TRY(hone_json_get_bool(j, "use_regex", true, &use_regex, err));
    if (!use_regex) return HONE_OK;
    return hone_step_set_regex(s, hone_gpt2_pattern, strlen(hone_gpt2_pattern), false,
                               err);
}

static hone_status add_split(hone_tokenizer *t, hone_step_kind kind,
                             hone_split_behavior behavior, hone_step **out,
                             hone_error *err)
{
    hone_step *s = hone_steps_add(&t->pre, kind);
    if (!s) return too_many(err);
    s->behavior = behavior;
    *out = s;
    return HONE_OK;
}

static hone_status read_pre(hone_tokenizer *t, const json_t *j, const char *type,
                            hone_error *err)
{
    hone_step *s = NULL;
    if (strcmp(type, "ByteLevel") == 0) {
        HONE_TRY(add_split(t, HONE_PRE_BYTE_LEVEL, HONE_SPLIT_ISOLATED, &s, err));
        return read_byte_level(s, j, err);
    }
    if (strcmp(type, "Split") == 0) {
        HONE_TRY(add_split(t, HONE_PRE_SPLIT, HONE_SPLIT_ISOLATED, &s, err));
        HONE_TRY(read_behavior(j, HONE_SPLIT_ISOLATED, &s->behavior, err));
        HONE_TRY(hone_json_get_bool(j, "invert", false, &s->invert, err));
        return read_pattern(s, json_object_get(j, "pattern"), err);
    }
    if (strcmp(type, "Digits") == 0) {
        bool individual;
        HONE_TRY(hone_json_get_bool(j, "individual_digits", false, &individual, err));
        return add_split(t, HONE_PRE_DIGITS,
                         individual ? HONE_SPLIT_ISOLATED : HONE_SPLIT_CONTIGUOUS, &s,
                         err);
    }
    if (strcmp(type, "Metaspace") == 0) {
        HONE_TRY(add_split(t, HONE_PRE_METASPACE, HONE_SPLIT_NEXT, &s, err));
        return read_prepend(s, j, err);
    }
    if (strcmp(type, "Punctuation") == 0) {
        HONE_TRY(add_split(t, HONE_PRE_PUNCTUATION, HONE_SPLIT_ISOLATED, &s, err));
        return read_behavior(j, HONE_SPLIT_ISOLATED, &s->behavior, err);
    }
    if (strcmp(type, "WhitespaceSplit") == 0) {
        return add_split(t, HONE_PRE_WHITESPACE_SPLIT, HONE_SPLIT_REMOVED, &s, err);
    }
    if (strcmp(type, "Whitespace") == 0) {
        /* \w of Rust's regular expressions, which is wider than Oniguruma's */
#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200C}\\x{200D}"
        static const char words[] = "[" WORD "]+|[^\\s" WORD "]+";
        HONE_TRY(add_split(t, HONE_PRE_SPLIT, HONE_SPLIT_REMOVED, &s, err));
        s->invert = true;
        return hone_step_set_regex(s, words, sizeof words - 1, false, err);
    }
    if (strcmp(type, "BertPreTokenizer") == 0) {
        HONE_TRY(add_split(t, HONE_PRE_WHITESPACE_SPLIT, HONE_SPLIT_REMOVED, &s, err));
        return add_split(t, HONE_PRE_PUNCTUATION, HONE_SPLIT_ISOLATED, &s, err);
    }
    if (strcmp(type, "FixedLength") == 0) {
        int64_t length;
        HONE_TRY(hone_json_get_int(j, "length", 5, 1, INT32_MAX, &length, err));
        HONE_TRY(add_split(t, HONE_PRE_FIXED_LENGTH, HONE_SPLIT_ISOLATED, &s, err));
        s->length = (int)length;
        return HONE_OK;
    }
    if (strcmp(type, "CharDelimiterSplit") == 0) {
        HONE_TRY(add_split(t, HONE_PRE_CHAR_SPLIT, HONE_SPLIT_REMOVED, &s, err));
        return read_text(s, j, "delimiter", err);
    }
    return unknown(err);
}

hone_status hone_steps_read_pre(hone_tokenizer *t, const json_t *j, hone_error *err)
{
    return read_nested(t, j, "pre_tokenizer", "pretokenizers", read_pre, 0, err);
}

/* -- decoders --------------------------------------------------------------------- */

static hone_status read_strip(hone_step *s, const json_t *j, hone_error *err)
{
    int64_t left, right;
    HONE_TRY(hone_json_get_int(j, "start", 0, 0, 1 << 20, &left, err));
    HONE_TRY(hone_json_get_int(j, "stop", 0, 0, 1 << 20, &right, err));
    s->n_left = (int)left;
    s->n_right = (int)right;
    HONE_TRY(read_text(s, j, "content", err));
    return s->text_len ? HONE_OK : hone_fail(err, HONE_E_FORMAT, "empty content");
}

static hone_status read_ctc(hone_step *s, const json_t *j, hone_error *err)
{
    const char *delimiter;
    HONE_TRY(hone_json_get_bool(j, "cleanup", true, &s->cleanup, err));
    HONE_TRY(hone_json_get_str(j, "word_delimiter_token", "|", &delimiter, err));
    s->delimiter = hone_strdup(delimiter);
    if (!s->delimiter) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    return read_text(s, j, "pad_token", err);
}

static hone_status read_decoder(hone_tokenizer *t, const json_t *j, const char *type,
                                hone_error *err)
{
    static const struct {
        const char *type;
        hone_step_kind kind;
    } table[] = {
        {"ByteLevel", HONE_DEC_BYTE_LEVEL},
        {"ByteFallback", HONE_DEC_BYTE_FALLBACK},
        {"Fuse", HONE_DEC_FUSE},
        {"Strip", HONE_DEC_STRIP},
        {"Replace", HONE_DEC_REPLACE},
        {"Metaspace", HONE_DEC_METASPACE},
        {"BPEDecoder", HONE_DEC_BPE_SUFFIX},
        {"WordPiece", HONE_DEC_WORDPIECE},
        {"CTC", HONE_DEC_CTC},
    };
    size_t i = 0;
    const size_t n = sizeof table / sizeof table[0];
    while (i < n && strcmp(table[i].type, type) != 0) {
        i++;
    }
    if (i == n) return unknown(err);
    hone_step *s = hone_steps_add(&t->decoder, table[i].kind);
    if (!s) return too_many(err);
    switch (s->kind) {
    case HONE_DEC_STRIP:
        return read_strip(s, j, err);
    case HONE_DEC_REPLACE:
        HONE_TRY(read_pattern(s, json_object_get(j, "pattern"), err));
        return read_text(s, j, "content", err);
    case HONE_DEC_METASPACE:
        return read_prepend(s, j, err);
    case HONE_DEC_BPE_SUFFIX:
        return read_text(s, j, "suffix", err);
    case HONE_DEC_WORDPIECE:
        HONE_TRY(hone_json_get_bool(j, "cleanup", true, &s->cleanup, err));
        return read_text(s, j, "prefix", err);
    case HONE_DEC_CTC:
        return read_ctc(s, j, err);
    default:
        return HONE_OK;
    }
}

hone_status hone_steps_read_decoder(hone_tokenizer *t, const json_t *j, hone_error *err)
{
    t->has_decoder = j && !json_is_null(j);
    return read_nested(t, j, "decoder", "decoders", read_decoder, 0, err);
}
