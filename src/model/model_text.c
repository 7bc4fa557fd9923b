#include "model/model_text.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/vocab_gguf.h"

static hone_status add_end(hone_model_text *t, int64_t id, hone_error *err)
{
    if (id < 0 || id > INT32_MAX) return HONE_OK;
    const int32_t token = (int32_t)id;
    for (size_t i = 0; i < t->end.len; i++) {
        if (t->end.id[i] == token) return HONE_OK;
    }
    return hone_tokens_append(&t->end, &token, 1, err);
}

/* eos_token_id is a number or a list of them. */
static hone_status add_end_json(hone_model_text *t, const json_t *config,
                                hone_error *err)
{
    const json_t *v = json_object_get(config, "eos_token_id");
    if (json_is_integer(v)) return add_end(t, json_integer_value(v), err);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *e = json_array_get(v, i);
        if (json_is_integer(e)) HONE_TRY(add_end(t, json_integer_value(e), err));
    }
    return HONE_OK;
}

/* Tokens that end a turn by their spelling: GGUF files converted with an older tool name
 * only one, and chat models write the other. */
static hone_status add_end_of_turn(hone_model_text *t, hone_error *err)
{
    static const char *const spelled[] = {"<|eot_id|>",    "<|im_end|>",
                                          "<|end|>",       "<end_of_turn>",
                                          "<|endoftext|>", "<|eom_id|>"};
    for (size_t i = 0; i < sizeof spelled / sizeof spelled[0]; i++) {
        const int32_t id =
            hone_tokenizer_find(t->tokenizer, spelled[i], strlen(spelled[i]));
        if (id >= 0 && hone_tokenizer_is_special(t->tokenizer, id)) {
            HONE_TRY(add_end(t, id, err));
        }
    }
    return HONE_OK;
}

static void read_sampling(hone_model_text *t, const json_t *g)
{
    hone_model_sampling *s = &t->sampling;
    *s = (hone_model_sampling){-1.0f, -1.0f, -1.0f, -1.0f, -1};
    const struct {
        const char *key;
        float *value;
    } fields[] = {{"temperature", &s->temperature},
                  {"top_p", &s->top_p},
                  {"min_p", &s->min_p},
                  {"repetition_penalty", &s->repetition_penalty}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const json_t *v = json_object_get(g, fields[i].key);
        if (json_is_number(v)) *fields[i].value = (float)json_number_value(v);
    }
    const json_t *k = json_object_get(g, "top_k");
    if (json_is_integer(k) && json_integer_value(k) >= 0 &&
        json_integer_value(k) < 1 << 24) {
        s->top_k = (int)json_integer_value(k);
    }
}

static hone_status set_template(hone_model_text *t, const char *text, size_t len,
                                hone_error *err)
{
    hone_free(t->chat_template);
    t->chat_template = hone_strndup(text, len);
    return t->chat_template ? HONE_OK : hone_fail(err, HONE_E_NOMEM, "out of memory");
}

/* tokenizer_config.json: one string, or a list of named ones of which "default" counts. */
static hone_status template_from_config(hone_model_text *t, const json_t *config,
                                        hone_error *err)
{
    const json_t *v = json_object_get(config, "chat_template");
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *e = json_array_get(v, i);
        const char *name = json_string_value(json_object_get(e, "name"));
        if (name && strcmp(name, "default") == 0) {
            v = json_object_get(e, "template");
            break;
        }
    }
    if (!json_is_string(v)) return HONE_OK;
    return set_template(t, json_string_value(v), json_string_length(v), err);
}

static hone_status open_gguf(hone_model_text *t, const hone_source *s, hone_error *err)
{
    hone_gguf_str text;
    HONE_TRY(hone_gguf_get_str(s->gguf, "tokenizer.chat_template", &text, err));
    if (text.data) HONE_TRY(set_template(t, text.data, text.len, err));
    if (!hone_gguf_has(s->gguf, "tokenizer.ggml.model")) return HONE_OK;
    HONE_TRY(hone_vocab_from_gguf(&t->tokenizer, s->gguf, err));
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id",
                                       "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        int64_t id;
        HONE_TRY(hone_gguf_get_int(s->gguf, keys[i], -1, -1, INT32_MAX, &id, err));
        HONE_TRY(add_end(t, id, err));
    }
    return add_end_of_turn(t, err);
}

static hone_status open_folder(hone_model_text *t, const hone_source *s,
                               hone_error *err)
{
    const hone_status st = hone_tokenizer_open(&t->tokenizer, s->path, err);
    if (st && st != HONE_E_NOT_FOUND) return st;
    char *text;
    size_t len;
    HONE_TRY(hone_source_read(s, "chat_template.jinja", &text, &len, err));
    if (text) {
        const hone_status set = set_template(t, text, len, err);
        hone_free(text);
        HONE_TRY(set);
    } else {
        HONE_TRY(template_from_config(t, s->tokenizer_config, err));
    }
    HONE_TRY(add_end_json(t, s->generation_config, err));
    HONE_TRY(add_end_json(t, s->config, err));
    if (t->tokenizer) {
        HONE_TRY(add_end(t, hone_tokenizer_role(t->tokenizer, HONE_TOKEN_EOS), err));
    }
    return HONE_OK;
}

hone_status hone_model_text_open(hone_model_text *t, const hone_source *s,
                                 bool required, hone_error *err)
{
    *t = (hone_model_text){0};
    read_sampling(t, s->generation_config);
    hone_status st = s->gguf ? open_gguf(t, s, err) : open_folder(t, s, err);
    if (!st && required && !t->tokenizer && !t->chat_template) {
        st = hone_fail(err, HONE_E_NOT_FOUND, "neither tokenizer nor chat template");
    }
    if (st) hone_model_text_release(t);
    return st;
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

bool hone_model_text_is_bare(const char *path)
{
    return !hone_folder_exists(path) &&
           (ends_with(path, ".json") || ends_with(path, ".model") ||
            ends_with(path, ".tiktoken"));
}

hone_status hone_model_text_open_bare(hone_model_text *t, const char *path,
                                      hone_error *err)
{
    *t = (hone_model_text){0};
    read_sampling(t, NULL);
    HONE_TRY(hone_tokenizer_open(&t->tokenizer, path, err));
    const hone_status s =
        add_end(t, hone_tokenizer_role(t->tokenizer, HONE_TOKEN_EOS), err);
    if (s) hone_model_text_release(t);
    return s;
}

void hone_model_text_release(hone_model_text *t)
{
    hone_tokenizer_free(t->tokenizer);
    hone_free(t->chat_template);
    hone_tokens_release(&t->end);
    *t = (hone_model_text){0};
}

bool hone_model_text_variable(const hone_model_text *t, int i, const char **name,
                              const char **text)
{
    static const char *const names[HONE_TOKEN_N_ROLE] = {
        [HONE_TOKEN_BOS] = "bos_token",  [HONE_TOKEN_EOS] = "eos_token",
        [HONE_TOKEN_UNK] = "unk_token",  [HONE_TOKEN_PAD] = "pad_token",
        [HONE_TOKEN_SEP] = "sep_token",  [HONE_TOKEN_CLS] = "cls_token",
        [HONE_TOKEN_MASK] = "mask_token"};
    if (!t->tokenizer || i < 0 || i >= HONE_TOKEN_N_ROLE) return false;
    const int32_t id = hone_tokenizer_role(t->tokenizer, (hone_token_role)i);
    size_t len;
    *name = names[i];
    *text = id >= 0 ? hone_tokenizer_piece(t->tokenizer, id, &len) : NULL;
    return true;
}
