/* api_text.c - models and tokens, in OpenAI's and vLLM's shapes. */
#include "serve/api_text.h"

#include <string.h>

#include "serve/adapters.h"
#include "serve/answer.h"

static void put_model(hone_buf *b, const hone_server *s, const char *id,
                      const char *parent)
{
    hone_buf_append_str(b, "{\"id\":");
    hone_put_text(b, id);
    hone_buf_printf(
        b, ",\"object\":\"model\",\"created\":%lld,\"owned_by\":\"hone\",\"root\":",
        (long long)s->created);
    hone_put_text(b, id);
    hone_buf_append_str(b, ",\"parent\":");
    hone_put_text(b, parent);
    hone_buf_printf(b, ",\"max_model_len\":%d}", s->engine_info.n_ctx);
}

void hone_api_models(void *ctx, http_exchange *x)
{
    const hone_server *s = ctx;
    hone_buf b;
    hone_buf_init(&b, API_MAX_REPLY);
    hone_buf_append_str(&b, "{\"object\":\"list\",\"data\":[");
    put_model(&b, s, s->name, NULL);
    for (size_t i = 0; i < s->n_adapter; i++) {
        hone_buf_append_char(&b, ',');
        put_model(&b, s, s->adapter[i].name, s->name);
    }
    hone_buf_append_str(&b, "]}");
    hone_answer_json(x, 200, &b);
    hone_buf_release(&b);
}

void hone_api_model(void *ctx, http_exchange *x)
{
    const hone_server *s = ctx;
    const char *id = http_get_path(x) + strlen("/v1/models/"), *parent = NULL;
    if (strcmp(id, s->name) != 0) parent = s->name;
    if (parent && !hone_adapters_find(s, id)) {
        api_error e;
        hone_api_fail(&e, 404, "model_not_found", "model",
                      "the model '%.200s' does not exist", id);
        hone_answer_error(x, &hone_dialect_chat, &e);
        return;
    }
    hone_buf b;
    hone_buf_init(&b, API_MAX_REPLY);
    put_model(&b, s, id, parent);
    hone_answer_json(x, 200, &b);
    hone_buf_release(&b);
}

/* -- tokens ------------------------------------------------------------------------ */

/* The tokens of a text or of a conversation. */
static bool tokens_of(ask_prompt *p, const hone_server *s, const json_t *body,
                      api_error *e)
{
    const json_t *prompt = hone_field(body, "prompt");
    bool special = prompt != NULL;
    if (!hone_field_bool(body, "add_special_tokens", &special, e)) return false;
    const unsigned flags = special ? HONE_ENCODE_SPECIAL : 0;
    if (prompt && !json_is_string(prompt))
        return hone_field_wrong_type(e, "prompt", "a string", prompt);
    if (prompt)
        return hone_ask_encode(p, s, json_string_value(prompt),
                               json_string_length(prompt), flags, e);
    char *text;
    size_t len;
    json_t *tools;
    if (!hone_field_array(body, "tools", &tools, e) ||
        !hone_chat_prompt(&text, &len, s, body, tools, e))
        return false;
    const bool ok = hone_ask_encode(p, s, text, len, flags, e);
    hone_text_free(text);
    return ok;
}

static void put_tokens(hone_buf *b, const hone_server *s, const hone_tokens *t,
                       bool strings)
{
    hone_buf_printf(b, "{\"count\":%zu,\"max_model_len\":%d,\"tokens\":[", t->len,
                    s->engine_info.n_ctx);
    for (size_t i = 0; i < t->len; i++)
        hone_buf_printf(b, i ? ",%d" : "%d", t->id[i]);
    hone_buf_append_str(b, "],\"token_strs\":");
    for (size_t i = 0; i < t->len && strings; i++) {
        size_t len = 0;
        const char *piece = hone_tokenizer_piece(s->tokenizer, t->id[i], &len);
        hone_buf_append_char(b, i ? ',' : '[');
        hone_put_string(b, piece ? piece : "", len);
    }
    hone_buf_append_str(b, !strings ? "null}" : t->len ? "]}" : "[]}");
}

static bool tokenize(hone_buf *b, const hone_server *s, const json_t *body,
                     api_error *e)
{
    ask_prompt p = {0};
    ask a = {0};
    bool strings = false;
    const bool ok = hone_ask_model(&a, s, body, e) &&
                    hone_field_bool(body, "return_token_strs", &strings, e) &&
                    tokens_of(&p, s, body, e);
    if (ok) put_tokens(b, s, &p.tokens, strings);
    hone_tokens_release(&p.tokens);
    return ok;
}

static bool detokenize(hone_buf *b, const hone_server *s, const json_t *body,
                       api_error *e)
{
    hone_tokens t = {0};
    ask a = {0};
    char *text = NULL;
    size_t len;
    hone_error err;
    if (!s->tokenizer) {
        return hone_api_fail(e, 400, "unsupported_value", "tokens",
                             "the model has no tokenizer");
    }
    bool ok = hone_ask_model(&a, s, body, e) &&
              hone_field_tokens(hone_field(body, "tokens"), "tokens",
                                hone_ask_n_vocab(s), &t, e);
    if (ok) {
        const hone_status st =
            hone_tokenizer_decode(s->tokenizer, t.id, t.len, 0, &text, &len, &err);
        ok = !st || hone_api_fail_status(e, st, "tokens", &err);
    }
    if (ok) {
        hone_buf_append_str(b, "{\"prompt\":");
        hone_put_string(b, text, len);
        hone_buf_append_char(b, '}');
    }
    hone_text_free(text);
    hone_tokens_release(&t);
    return ok;
}

static bool count(hone_buf *b, const hone_server *s, const json_t *chat, api_error *e)
{
    ask_prompt p = {0};
    ask a = {0};
    json_t *tools = NULL;
    char *text;
    size_t len;
    bool ok = hone_ask_model(&a, s, chat, e) &&
              hone_field_array(chat, "tools", &tools, e) &&
              hone_chat_prompt(&text, &len, s, chat, tools, e);
    if (!ok) return false;
    ok = hone_ask_encode(&p, s, text, len, 0, e);
    if (ok) hone_buf_printf(b, "%zu", p.tokens.len);
    hone_text_free(text);
    hone_tokens_release(&p.tokens);
    return ok;
}

static bool count_messages(hone_buf *b, const hone_server *s, const json_t *body,
                           api_error *e)
{
    json_t *chat;
    if (!hone_messages_to_chat(&chat, body, true, e)) return false;
    hone_buf_append_str(b, "{\"input_tokens\":");
    const bool ok = count(b, s, chat, e);
    hone_buf_append_char(b, '}');
    json_decref(chat);
    return ok;
}

static bool count_responses(hone_buf *b, const hone_server *s, const json_t *body,
                            api_error *e)
{
    json_t *chat;
    if (!hone_responses_to_chat(&chat, body, e)) return false;
    hone_buf_append_str(b, "{\"object\":\"response.input_tokens\",\"input_tokens\":");
    const bool ok = count(b, s, chat, e);
    hone_buf_append_char(b, '}');
    json_decref(chat);
    return ok;
}

/* A handler whose reply depends on the body alone. */
static void reply_with(void *ctx, http_exchange *x, const dialect *errors,
                       bool (*fn)(hone_buf *, const hone_server *, const json_t *,
                                  api_error *))
{
    api_error e = {0};
    json_t *body;
    size_t len;
    const char *text = http_get_body(x, &len);
    if (!hone_field_body(text, len, &body, &e)) {
        hone_answer_error(x, errors, &e);
        return;
    }
    hone_buf b;
    hone_buf_init(&b, API_MAX_REPLY);
    if (fn(&b, ctx, body, &e))
        hone_answer_json(x, 200, &b);
    else
        hone_answer_error(x, errors, &e);
    hone_buf_release(&b);
    json_decref(body);
}

void hone_api_tokenize(void *ctx, http_exchange *x)
{
    reply_with(ctx, x, &hone_dialect_chat, tokenize);
}

void hone_api_detokenize(void *ctx, http_exchange *x)
{
    reply_with(ctx, x, &hone_dialect_chat, detokenize);
}

void hone_api_count_tokens(void *ctx, http_exchange *x)
{
    reply_with(ctx, x, &hone_dialect_messages, count_messages);
}

void hone_api_input_tokens(void *ctx, http_exchange *x)
{
    reply_with(ctx, x, &hone_dialect_chat, count_responses);
}

void hone_api_tokenizer_info(void *ctx, http_exchange *x)
{
    static const struct {
        const char *name;
        hone_token_role role;
    } roles[] = {{"bos_token", HONE_TOKEN_BOS},  {"eos_token", HONE_TOKEN_EOS},
                 {"unk_token", HONE_TOKEN_UNK},  {"pad_token", HONE_TOKEN_PAD},
                 {"sep_token", HONE_TOKEN_SEP},  {"cls_token", HONE_TOKEN_CLS},
                 {"mask_token", HONE_TOKEN_MASK}};
    const hone_server *s = ctx;
    hone_buf b;
    hone_buf_init(&b, API_MAX_REPLY);
    hone_buf_append_str(&b, "{\"tokenizer_class\":\"hone\"");
    for (size_t i = 0; s->tokenizer && i < sizeof roles / sizeof *roles; i++) {
        const int32_t id = hone_tokenizer_role(s->tokenizer, roles[i].role);
        size_t len = 0;
        const char *piece = hone_tokenizer_piece(s->tokenizer, id, &len);
        hone_buf_printf(&b, ",\"%s\":", roles[i].name);
        if (piece)
            hone_put_string(&b, piece, len);
        else
            hone_buf_append_str(&b, "null");
        if (piece) hone_buf_printf(&b, ",\"%s_id\":%d", roles[i].name, id);
    }
    hone_buf_printf(&b, ",\"vocab_size\":%d,\"model_max_length\":%d,\"chat_template\":",
                    hone_ask_n_vocab(s), s->engine_info.n_ctx);
    hone_put_text(&b, hone_ask_template(s));
    hone_buf_append_char(&b, '}');
    hone_answer_json(x, 200, &b);
    hone_buf_release(&b);
}
