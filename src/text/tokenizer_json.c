/* tokenizer_json.c - the tokenizer.json of Hugging Face tokenizers: model, added tokens,
 * post-processor, roles.  Its steps are read by steps_json.c.
 * Format: huggingface/tokenizers, the serialised form of its types. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "text/steps_json.h"
#include "text/tokenizer_internal.h"

/* -- model ------------------------------------------------------------------------ */

static hone_status check_id(const json_t *v, const char *what, int32_t *id,
                            hone_error *err)
{
    const json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 0 || n >= HONE_TOKENIZER_MAX_VOCAB) {
        return hone_fail(err, HONE_E_FORMAT,
                         "vocabulary: '%.40s': expected an id below %d", what,
                         HONE_TOKENIZER_MAX_VOCAB);
    }
    *id = (int32_t)n;
    return HONE_OK;
}

/* Largest id of the vocabulary plus one. */
static hone_status count_ids(json_t *vocab, size_t *n, hone_error *err)
{
    const char *key;
    json_t *v;
    *n = 0;
    json_object_foreach(vocab, key, v)
    {
        int32_t id = 0;
        HONE_TRY(check_id(v, key, &id, err));
        if ((size_t)id + 1 > *n) *n = (size_t)id + 1;
    }
    /* ids may have holes, but not so many that the table is mostly empty */
    if (*n > json_object_size(vocab) * 64 + 65536) {
        return hone_fail(err, HONE_E_FORMAT,
                         "vocabulary: %zu tokens with ids up to %zu",
                         json_object_size(vocab), *n - 1);
    }
    return HONE_OK;
}

static hone_status read_vocab(hone_tokenizer *t, json_t *vocab, hone_error *err)
{
    const char *key;
    json_t *v;
    size_t len;
    json_object_keylen_foreach(vocab, key, len, v)
    {
        HONE_TRY(
            hone_vocab_set(t, (int32_t)json_integer_value(v), key, len, true, err));
    }
    return HONE_OK;
}

/* "a b" or ["a", "b"]. */
static hone_status split_merge(const json_t *m, hone_slice *left, hone_slice *right,
                               hone_error *err)
{
    if (json_is_string(m)) {
        const char *s = json_string_value(m);
        const size_t len = json_string_length(m);
        const char *space = memchr(s, ' ', len);
        /* a piece may itself be a space only in the other form */
        if (space && space > s && space + 1 < s + len) {
            *left = (hone_slice){s, (size_t)(space - s)};
            *right = (hone_slice){space + 1, len - left->len - 1};
            return HONE_OK;
        }
    }
    const json_t *a = json_array_get(m, 0), *b = json_array_get(m, 1);
    if (json_array_size(m) != 2 || !json_is_string(a) || !json_is_string(b)) {
        return hone_fail(err, HONE_E_FORMAT,
                         "merges: expected \"a b\" or [\"a\", \"b\"]");
    }
    *left = (hone_slice){json_string_value(a), json_string_length(a)};
    *right = (hone_slice){json_string_value(b), json_string_length(b)};
    return HONE_OK;
}

static hone_status read_merges(hone_tokenizer *t, const json_t *merges, hone_error *err)
{
    const size_t n = json_array_size(merges);
    HONE_TRY(hone_bpe_expect_merges(t, n, err));
    for (size_t i = 0; i < n; i++) {
        hone_slice a, b;
        HONE_TRY(split_merge(json_array_get(merges, i), &a, &b, err));
        HONE_TRY(hone_bpe_add_merge(t, a, b, (int32_t)i, err));
    }
    return HONE_OK;
}

/* A string that changes how symbols are spelled; absent or empty is none. */
static hone_status read_affix(const json_t *model, const char *key, char **out,
                              hone_error *err)
{
    const char *s;
    HONE_TRY(hone_json_get_str(model, key, NULL, &s, err));
    if (!s || !*s) return HONE_OK;
    *out = hone_strdup(s);
    return *out ? HONE_OK : hone_fail(err, HONE_E_NOMEM, "tokenizer: out of memory");
}

static hone_status read_model(hone_tokenizer *t, const json_t *model, hone_error *err)
{
    hone_bpe *b = &t->bpe;
    const char *unk;
    HONE_TRY(hone_json_get_bool(model, "byte_fallback", false, &b->byte_fallback, err));
    HONE_TRY(hone_json_get_bool(model, "fuse_unk", false, &b->fuse_unk, err));
    HONE_TRY(hone_json_get_bool(model, "ignore_merges", false, &b->ignore_merges, err));
    HONE_TRY(read_affix(model, "continuing_subword_prefix", &b->prefix, err));
    HONE_TRY(read_affix(model, "end_of_word_suffix", &b->suffix, err));
    HONE_TRY(read_vocab(t, json_object_get(model, "vocab"), err));
    HONE_TRY(hone_json_get_str(model, "unk_token", NULL, &unk, err));
    if (unk) b->unk = hone_map_find(&t->map, unk, strlen(unk));
    t->role[HONE_TOKEN_UNK] = b->unk;
    hone_bpe_find_bytes(t);
    return read_merges(t, json_object_get(model, "merges"), err);
}

/* model.type may be missing: BPE has merges, WordPiece a prefix, Unigram a list. */
static hone_status check_type(const json_t *model, hone_error *err)
{
    const char *type;
    HONE_TRY(hone_json_get_str(model, "type", NULL, &type, err));
    if (!type)
        type = json_is_array(json_object_get(model, "merges")) ? "BPE" : "unknown";
    if (strcmp(type, "BPE") != 0) {
        return hone_fail(err, HONE_E_UNSUPPORTED, "tokenizer model '%s'; known is BPE",
                         type);
    }
    if (!json_is_object(json_object_get(model, "vocab")) ||
        !json_is_array(json_object_get(model, "merges"))) {
        return hone_fail(err, HONE_E_FORMAT, "model: expected a vocab and merges");
    }
    return HONE_OK;
}

/* -- added tokens ----------------------------------------------------------------- */

static hone_status read_added(hone_tokenizer *t, const json_t *list, hone_error *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *e = json_array_get(list, i);
        const json_t *content = json_object_get(e, "content");
        hone_added_token a = {0};
        if (!json_is_string(content)) {
            return hone_fail(err, HONE_E_FORMAT, "added_tokens: %zu has no content", i);
        }
        HONE_TRY(
            check_id(json_object_get(e, "id"), json_string_value(content), &a.id, err));
        if (a.id >= t->n_vocab + 65536) {
            return hone_fail(err, HONE_E_FORMAT,
                             "added_tokens: id %d is far from the others", a.id);
        }
        a.content = (char *)(uintptr_t)json_string_value(content); /* copied by add */
        a.len = json_string_length(content);
        HONE_TRY(hone_json_get_bool(e, "special", false, &a.special, err));
        HONE_TRY(hone_json_get_bool(e, "single_word", false, &a.single_word, err));
        HONE_TRY(hone_json_get_bool(e, "lstrip", false, &a.lstrip, err));
        HONE_TRY(hone_json_get_bool(e, "rstrip", false, &a.rstrip, err));
        HONE_TRY(hone_json_get_bool(e, "normalized", !a.special, &a.normalized, err));
        HONE_TRY(hone_vocab_grow(t, (size_t)a.id + 1, err));
        if (!t->piece[a.id].text) {
            HONE_TRY(hone_vocab_set(t, a.id, a.content, a.len, false, err));
        }
        HONE_TRY(hone_added_add(t, &a, err));
    }
    return HONE_OK;
}

/* -- post-processor --------------------------------------------------------------- */

static hone_status add_special_ids(hone_tokenizer *t, const json_t *specials,
                                   const char *name, hone_tokens *out, hone_error *err)
{
    const json_t *ids = json_object_get(json_object_get(specials, name), "ids");
    if (!json_is_array(ids)) {
        return hone_fail(err, HONE_E_FORMAT, "post_processor: '%s' has no ids", name);
    }
    for (size_t i = 0; i < json_array_size(ids); i++) {
        int32_t id = 0;
        HONE_TRY(check_id(json_array_get(ids, i), name, &id, err));
        HONE_TRY(hone_tokens_append(out, &id, 1, err));
    }
    (void)t;
    return HONE_OK;
}

/* The template of a single sequence: tokens before and after $A. */
static hone_status read_template(hone_tokenizer *t, const json_t *p, hone_error *err)
{
    const json_t *single = json_object_get(p, "single");
    const json_t *specials = json_object_get(p, "special_tokens");
    hone_tokens *out = &t->before;
    size_t n_text = 0;
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *e = json_array_get(single, i);
        const json_t *special = json_object_get(e, "SpecialToken");
        const char *name = json_string_value(json_object_get(special, "id"));
        if (json_object_get(e, "Sequence")) {
            out = &t->after;
            n_text++;
        } else if (name)
            HONE_TRY(add_special_ids(t, specials, name, out, err));
        else
            return hone_fail(err, HONE_E_FORMAT, "post_processor: template is broken");
    }
    if (n_text != 1) {
        return hone_fail(err, HONE_E_UNSUPPORTED,
                         "post_processor: a template with the text %zu times", n_text);
    }
    return HONE_OK;
}

/* ["[CLS]", 101] */
static hone_status read_pair_id(const json_t *p, const char *key, hone_tokens *out,
                                hone_error *err)
{
    int32_t id;
    HONE_TRY(check_id(json_array_get(json_object_get(p, key), 1), key, &id, err));
    return hone_tokens_append(out, &id, 1, err);
}

static hone_status read_post(hone_tokenizer *t, const json_t *p, int depth,
                             hone_error *err)
{
    if (!p || json_is_null(p)) return HONE_OK;
    if (depth > HONE_TOKENIZER_MAX_DEPTH) {
        return hone_fail(err, HONE_E_LIMIT, "post_processor: nested too deeply");
    }
    const char *type = json_string_value(json_object_get(p, "type"));
    if (!type) return hone_fail(err, HONE_E_FORMAT, "post_processor: no type");
    if (strcmp(type, "ByteLevel") == 0) return HONE_OK; /* moves offsets only */
    if (strcmp(type, "Sequence") != 0 && t->before.len + t->after.len > 0) {
        /* the reference then sees several texts and takes the template for pairs */
        return hone_fail(err, HONE_E_UNSUPPORTED,
                         "post_processor '%s' after another that adds tokens", type);
    }
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(t, p, err);
    if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0) {
        HONE_TRY(read_pair_id(p, "cls", &t->before, err));
        return read_pair_id(p, "sep", &t->after, err);
    }
    if (strcmp(type, "Sequence") == 0) {
        const json_t *list = json_object_get(p, "processors");
        for (size_t i = 0; i < json_array_size(list); i++) {
            HONE_TRY(read_post(t, json_array_get(list, i), depth + 1, err));
        }
        return HONE_OK;
    }
    return hone_fail(err, HONE_E_UNSUPPORTED, "post_processor '%s'", type);
}

/* -- roles ------------------------------------------------------------------------ */

/* tokenizer_config.json names tokens as strings or as {"content": ..}. */
static void read_roles(hone_tokenizer *t, const json_t *config)
{
    static const char *const keys[HONE_TOKEN_N_ROLE] = {
        [HONE_TOKEN_BOS] = "bos_token",  [HONE_TOKEN_EOS] = "eos_token",
        [HONE_TOKEN_UNK] = "unk_token",  [HONE_TOKEN_PAD] = "pad_token",
        [HONE_TOKEN_SEP] = "sep_token",  [HONE_TOKEN_CLS] = "cls_token",
        [HONE_TOKEN_MASK] = "mask_token"};
    for (int i = 0; i < HONE_TOKEN_N_ROLE; i++) {
        const json_t *v = json_object_get(config, keys[i]);
        if (json_is_object(v)) v = json_object_get(v, "content");
        if (!json_is_string(v)) continue;
        const int32_t id =
            hone_tokenizer_find(t, json_string_value(v), json_string_length(v));
        if (id >= 0) t->role[i] = id;
    }
}

/* -- the whole -------------------------------------------------------------------- */

static hone_status read_all(hone_tokenizer *t, const json_t *root, const json_t *config,
                            hone_error *err)
{
    HONE_TRY(read_model(t, json_object_get(root, "model"), err));
    HONE_TRY(hone_steps_read_normalizer(t, json_object_get(root, "normalizer"), err));
    HONE_TRY(hone_steps_read_pre(t, json_object_get(root, "pre_tokenizer"), err));
    HONE_TRY(hone_steps_read_decoder(t, json_object_get(root, "decoder"), err));
    HONE_TRY(read_added(t, json_object_get(root, "added_tokens"), err));
    HONE_TRY(read_post(t, json_object_get(root, "post_processor"), 0, err));
    HONE_TRY(hone_added_index(t, err));
    read_roles(t, config);
    return hone_vocab_fill_bytes(t, err);
}

static hone_status build(hone_tokenizer **out, const json_t *root, const json_t *config,
                         hone_error *err)
{
    const json_t *model = json_object_get(root, "model");
    if (!json_is_object(model)) {
        return hone_fail(err, HONE_E_FORMAT,
                         "expected a tokenizer.json, found no model");
    }
    HONE_TRY(check_type(model, err));
    size_t n;
    HONE_TRY(count_ids(json_object_get(model, "vocab"), &n, err));
    hone_tokenizer *t;
    HONE_TRY(hone_tokenizer_new(&t, n, err));
    const hone_status s = read_all(t, root, config, err);
    if (s)
        hone_tokenizer_free(t);
    else
        *out = t;
    return s;
}

hone_status hone_tokenizer_from_json(hone_tokenizer **out, const char *text, size_t len,
                                     const char *config, size_t config_len,
                                     const char *name, hone_error *err)
{
    json_t *root = NULL, *extra = NULL;
    hone_status s = hone_json_load(&root, text, len, name, err);
    if (s) return s;
    if (config)
        s = hone_json_load(&extra, config, config_len, "tokenizer_config.json", err);
    if (!s) s = build(out, root, extra, err);
    json_decref(root);
    json_decref(extra);
    return s ? hone_error_wrap(err, s, "open %s", name) : HONE_OK;
}
