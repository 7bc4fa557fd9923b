/* completion_in.c - POST /v1/completions and /v1/embeddings: prompts of four shapes. */
#include <string.h>

#include "base/mem.h"
#include "serve/ask.h"

enum {
    MAX_PROMPTS = 2048,
    MAX_LOGPROBS = 20,
    USUAL_MAX_TOKENS = 16
};

/* -- prompts ----------------------------------------------------------------------- */

/* Text that may have to be echoed; tokens echo what they spell. */
static bool keep_text(ask_prompt *p, const hone_server *s, const json_t *text,
                      bool show_special, api_error *e)
{
    hone_error err;
    if (text) {
        p->text_len = json_string_length(text);
        p->text = hone_strndup(json_string_value(text), p->text_len);
        return p->text || hone_field_no_memory(e);
    }
    if (!s->tokenizer) return true;
    const unsigned flags = show_special ? 0 : HONE_DECODE_NO_SPECIAL;
    const hone_status st = hone_tokenizer_decode(
        s->tokenizer, p->tokens.id, p->tokens.len, flags, &p->text, &p->text_len, &err);
    return !st || hone_api_fail_status(e, st, "prompt", &err);
}

static bool read_one(ask *a, const hone_server *s, const json_t *v, size_t i,
                     const char *key, unsigned flags, api_error *e)
{
    ask_prompt *p = &a->prompt[i];
    const bool text = json_is_string(v);
    const bool ok = text
                        ? hone_ask_encode(p, s, json_string_value(v),
                                          json_string_length(v), flags, e)
                        : hone_field_tokens(v, key, hone_ask_n_vocab(s), &p->tokens, e);
    if (!ok || !a->echo) return ok;
    return keep_text(p, s, text ? v : NULL, a->request.generate.show_special, e);
}

/* A string, an array of tokens, or an array of either. */
static bool read_prompts(ask *a, const hone_server *s, const json_t *v, const char *key,
                         unsigned flags, api_error *e)
{
    const json_t *first = json_array_get(v, 0);
    if (!v || (json_is_array(v) && !first)) {
        return hone_api_fail(e, 400, "invalid_value", key,
                             "%s: expected text or tokens, found nothing", key);
    }
    if (json_is_string(v) || json_is_integer(first))
        return hone_ask_no_prompt(a, 1, e) && read_one(a, s, v, 0, key, flags, e);
    if (!json_is_array(v) || (!json_is_string(first) && !json_is_array(first)))
        return hone_field_wrong_type(e, key, "text, tokens or an array of either",
                                     json_is_array(v) ? first : v);
    const size_t n = json_array_size(v);
    if (n > MAX_PROMPTS) {
        return hone_api_fail(e, 400, "invalid_value", key,
                             "%s: expected at most %d, found %zu", key, MAX_PROMPTS, n);
    }
    if (!hone_ask_no_prompt(a, n, e)) return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(v, i);
        if (json_typeof(one) != json_typeof(first)) {
            return hone_api_fail(e, 400, "invalid_type", key,
                                 "%s: expected all texts or all tokens, found both",
                                 key);
        }
        if (!read_one(a, s, one, i, key, flags, e)) return false;
    }
    return true;
}

/* -- a hole in the middle ---------------------------------------------------------- */

typedef struct fim_tokens {
    const char *before, *behind, *middle;
} fim_tokens;

static bool find_fim(const hone_tokenizer *t, int32_t id[3])
{
    static const fim_tokens table[] = {
        {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
        {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
        {"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},
        {"\xE2\x96\x81<PRE>", "\xE2\x96\x81<SUF>", "\xE2\x96\x81<MID>"},
        {"<\xEF\xBD\x9C"
         "fim\xE2\x96\x81"
         "begin\xEF\xBD\x9C>",
         "<\xEF\xBD\x9C"
         "fim\xE2\x96\x81"
         "hole\xEF\xBD\x9C>",
         "<\xEF\xBD\x9C"
         "fim\xE2\x96\x81"
         "end\xEF\xBD\x9C>"},
    };
    for (size_t i = 0; t && i < sizeof table / sizeof *table; i++) {
        const char *const name[3] = {table[i].before, table[i].behind, table[i].middle};
        int n = 0;
        for (; n < 3; n++) {
            id[n] = hone_tokenizer_find(t, name[n], strlen(name[n]));
            if (id[n] < 0) break;
        }
        if (n == 3) return true;
    }
    return false;
}

/* Prefix, suffix, and then what belongs between them. */
static bool read_fim(ask *a, const hone_server *s, const json_t *prompt,
                     const json_t *suffix, api_error *e)
{
    int32_t id[3];
    const json_t *const part[2] = {prompt, suffix};
    if (!find_fim(s->tokenizer, id)) {
        return hone_api_fail(e, 400, "unsupported_value", "suffix",
                             "suffix: the model has no tokens for a hole in a text");
    }
    if (prompt && !json_is_string(prompt))
        return hone_field_wrong_type(e, "prompt", "a string beside suffix", prompt);
    if (!hone_ask_no_prompt(a, 1, e)) return false;
    hone_tokens *t = &a->prompt[0].tokens;
    for (int i = 0; i < 2; i++) {
        if (hone_tokens_append(t, &id[i], 1, NULL)) return hone_field_no_memory(e);
        if (part[i] && !hone_ask_encode(&a->prompt[0], s, json_string_value(part[i]),
                                        json_string_length(part[i]), 0, e))
            return false;
    }
    if (hone_tokens_append(t, &id[2], 1, NULL)) return hone_field_no_memory(e);
    return !a->echo || keep_text(&a->prompt[0], s, prompt, false, e);
}

/* -- bodies ------------------------------------------------------------------------ */

static bool read_logprobs(ask *a, const json_t *body, api_error *e)
{
    int64_t n = -1;
    if (!hone_field_int(body, "logprobs", 0, MAX_LOGPROBS, &n, e)) return false;
    a->logprobs = n >= 0;
    a->n_top = (int)(n < 0 ? 0 : n);
    a->request.generate.n_logprob = (int)n;
    if (a->echo) a->request.n_prompt_logprob = (int)n;
    return true;
}

static bool read_best_of(const ask *a, const json_t *body, api_error *e)
{
    int64_t best = a->request.n_answer;
    if (!hone_field_int(body, "best_of", 1, 128, &best, e)) return false;
    if (best == a->request.n_answer) return true;
    return hone_api_fail(e, 400, "unsupported_value", "best_of",
                         "best_of: expected n, which is %d, found %lld",
                         a->request.n_answer, (long long)best);
}

static bool read_grammar(ask *a, const json_t *body, api_error *e)
{
    hone_grammar_part answer;
    hone_buf text;
    const tool_grammar g = {.answer = &answer};
    hone_buf_init(&text, (size_t)16 << 20);
    bool ok = hone_ask_format(body, &answer, &text, e);
    if (ok && answer.len) ok = hone_tool_grammar_new(&a->grammar, &g, e);
    hone_buf_release(&text);
    a->request.generate.grammar = a->grammar;
    return ok;
}

static bool read_completion(ask *a, const hone_server *s, const json_t *body,
                            api_error *e)
{
    bool special = true;
    const char *suffix = NULL;
    a->may_be_empty = true;
    a->request.generate.n_max = USUAL_MAX_TOKENS;
    if (!hone_ask_model(a, s, body, e) || !hone_field_bool(body, "echo", &a->echo, e) ||
        !hone_field_bool(body, "add_special_tokens", &special, e) ||
        !hone_field_str(body, "suffix", &suffix, e) ||
        !hone_ask_generation(a, s, body, e) || !read_logprobs(a, body, e) ||
        !read_best_of(a, body, e) || !read_grammar(a, body, e))
        return false;
    const json_t *prompt = hone_field(body, "prompt");
    const bool ok = suffix && *suffix
                        ? read_fim(a, s, prompt, hone_field(body, "suffix"), e)
                        : read_prompts(a, s, prompt, "prompt",
                                       special ? HONE_ENCODE_SPECIAL : 0, e);
    return ok && hone_ask_fits(a, s, e);
}

bool hone_ask_completion(ask *a, const hone_server *s, const char *body, size_t len,
                         api_error *e)
{
    *a = (ask){.request = hone_request_default()};
    if (!hone_field_body(body, len, &a->body, e)) return false;
    if (read_completion(a, s, a->body, e)) return true;
    hone_ask_release(a);
    return false;
}

static bool read_embeddings(ask *a, const hone_server *s, const json_t *body,
                            api_error *e)
{
    const char *format = "float";
    const int width = hone_model_get_info(s->model)->d_model;
    int64_t dimensions = width, priority = 0;
    if (!hone_ask_model(a, s, body, e) ||
        !hone_field_str(body, "encoding_format", &format, e) ||
        !hone_field_int(body, "dimensions", 1, INT32_MAX, &dimensions, e) ||
        !hone_field_int(body, "priority", INT32_MIN, INT32_MAX, &priority, e))
        return false;
    if (dimensions != width) {
        return hone_api_fail(e, 400, "unsupported_value", "dimensions",
                             "dimensions: this model has %d, found %lld", width,
                             (long long)dimensions);
    }
    a->base64 = strcmp(format, "base64") == 0;
    if (!a->base64 && strcmp(format, "float") != 0) {
        return hone_api_fail(e, 400, "invalid_value", "encoding_format",
                             "encoding_format: expected float or base64, found '%.40s'",
                             format);
    }
    a->request.priority = (int)priority;
    a->request.embed = s->options.pooling ? s->options.pooling : HONE_POOLING_MEAN;
    return read_prompts(a, s, hone_field(body, "input"), "input", HONE_ENCODE_SPECIAL,
                        e) &&
           hone_ask_fits(a, s, e);
}

bool hone_ask_embeddings(ask *a, const hone_server *s, const char *body, size_t len,
                         api_error *e)
{
    *a = (ask){.request = hone_request_default()};
    if (!hone_field_body(body, len, &a->body, e)) return false;
    if (read_embeddings(a, s, a->body, e)) return true;
    hone_ask_release(a);
    return false;
}
