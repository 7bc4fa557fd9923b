/* ask.c - what all generations share: sampling, lengths, stops, penalties. */
#include "serve/ask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "serve/adapters.h"

enum {
    MAX_STOP = 16,
    MAX_ANSWERS = 128,
    MAX_BIAS = 1024,
    MAX_TOP = 64
};

void hone_ask_release(ask *a)
{
    for (size_t i = 0; i < a->n_prompt; i++) {
        hone_tokens_release(&a->prompt[i].tokens);
        hone_free(a->prompt[i].text);
    }
    hone_free(a->prompt);
    hone_free(a->stop);
    hone_free(a->bias);
    hone_free(a->stop_id);
    hone_grammar_free(a->grammar);
    json_decref(a->extra);
    json_decref(a->body);
    *a = (ask){0};
}

/* -- model and prompt -------------------------------------------------------------- */

bool hone_ask_model(ask *a, const hone_server *s, const json_t *body, api_error *e)
{
    const char *model = NULL;
    if (!hone_field_str(body, "model", &model, e)) return false;
    a->model = s->name;
    if (!model || strcmp(model, s->name) == 0) return true;
    if (hone_adapters_find(s, model)) {
        a->model = a->request.adapter = model;
        return true;
    }
    return hone_api_fail(e, 404, "model_not_found", "model",
                         "the model '%.200s' does not exist; this server has '%s'",
                         model, s->name);
}

int hone_ask_n_vocab(const hone_server *s)
{
    const int n = hone_model_get_info(s->model)->n_vocab;
    return n > 0 || !s->tokenizer ? n : (int)hone_tokenizer_n_vocab(s->tokenizer);
}

bool hone_ask_no_prompt(ask *a, size_t n, api_error *e)
{
    a->prompt = hone_alloc_zero(n, sizeof *a->prompt);
    if (!a->prompt) return hone_field_no_memory(e);
    a->n_prompt = n;
    return true;
}

bool hone_ask_encode(ask_prompt *p, const hone_server *s, const char *text, size_t len,
                     unsigned flags, api_error *e)
{
    hone_error err;
    if (!s->tokenizer) {
        return hone_api_fail(e, 400, "unsupported_value", "prompt",
                             "the model has no tokenizer; expected token ids");
    }
    const hone_status st =
        hone_tokenizer_encode(s->tokenizer, text, len, flags, &p->tokens, &err);
    return !st || hone_api_fail_status(e, st, "prompt", &err);
}

bool hone_ask_fits(const ask *a, const hone_server *s, api_error *e)
{
    const size_t n_ctx = (size_t)s->engine_info.n_ctx;
    const size_t answer = a->request.embed || a->request.generate.n_max == 0 ? 0 : 1;
    for (size_t i = 0; i < a->n_prompt; i++) {
        const size_t n = a->prompt[i].tokens.len;
        if (n == 0) {
            return hone_api_fail(e, 400, "invalid_value", "prompt",
                                 "prompt: expected a token at least, found none");
        }
        if (n + answer <= n_ctx) continue;
        return hone_api_fail(
            e, 400, "context_length_exceeded", "prompt",
            "this model's maximum context length is %zu tokens, but the prompt has %zu"
            "%s; please shorten it",
            n_ctx, n, answer ? " and needs room for an answer" : "");
    }
    return true;
}

/* -- fields ------------------------------------------------------------------------ */

static hone_sampling neutral_sampling(const hone_model *m)
{
    hone_sampling s = hone_sampling_default(m);
    const hone_model_sampling r =
        m ? hone_model_recommended(m) : (hone_model_sampling){-1, -1, -1, -1, -1};
    s.temperature = r.temperature >= 0 ? r.temperature : 1;
    s.top_p = r.top_p >= 0 ? r.top_p : 1;
    s.min_p = r.min_p >= 0 ? r.min_p : 0;
    s.top_k = r.top_k >= 0 ? r.top_k : 0;
    return s;
}

static bool read_sampling(hone_sampling *s, const json_t *body, api_error *e)
{
    const struct {
        const char *key;
        double lo, hi;
        float *to;
    } real[] = {
        {"temperature", 0, 2, &s->temperature},
        {"top_p", 0, 1, &s->top_p},
        {"min_p", 0, 1, &s->min_p},
        {"typical_p", 0, 1, &s->typical_p},
        {"presence_penalty", -2, 2, &s->presence_penalty},
        {"frequency_penalty", -2, 2, &s->frequency_penalty},
        {"repetition_penalty", 0.01, 100, &s->repeat_penalty},
        {"repeat_penalty", 0.01, 100, &s->repeat_penalty},
    };
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        double x = (double)*real[i].to;
        if (!hone_field_real(body, real[i].key, real[i].lo, real[i].hi, &x, e))
            return false;
        *real[i].to = (float)x;
    }
    int64_t top_k = s->top_k, seed = (int64_t)hone_random_seed();
    if (!hone_field_int(body, "top_k", -1, INT32_MAX, &top_k, e) ||
        !hone_field_int(body, "seed", INT64_MIN, INT64_MAX, &seed, e))
        return false;
    s->top_k = top_k < 0 ? 0 : (int)top_k;
    s->seed = (uint64_t)seed;
    if (s->top_p == 0) s->top_k = 1; /* nothing but the most likely */
    if (s->top_p == 0) s->top_p = 1;
    return true;
}

static bool read_bias(ask *a, const json_t *body, int n_vocab, api_error *e)
{
    json_t *o, *v;
    const char *key;
    size_t n = 0;
    if (!hone_field_object(body, "logit_bias", &o, e)) return false;
    if (!json_object_size(o)) return true;
    if (json_object_size(o) > MAX_BIAS) {
        return hone_api_fail(e, 400, "invalid_value", "logit_bias",
                             "logit_bias: expected at most %d tokens, found %zu",
                             MAX_BIAS, json_object_size(o));
    }
    a->bias = hone_alloc_zero(json_object_size(o), sizeof *a->bias);
    if (!a->bias) return hone_field_no_memory(e);
    json_object_foreach(o, key, v)
    {
        char *end;
        const long id = strtol(key, &end, 10);
        const double x = json_number_value(v);
        if (end == key || *end || id < 0 || id >= n_vocab) {
            return hone_api_fail(e, 400, "invalid_value", "logit_bias",
                                 "logit_bias: expected a token id from 0 to %d, found "
                                 "'%.40s'",
                                 n_vocab - 1, key);
        }
        if (!json_is_number(v) || !(x >= -100 && x <= 100)) {
            return hone_api_fail(e, 400, "invalid_value", "logit_bias",
                                 "logit_bias: token %ld: expected -100 to 100", id);
        }
        a->bias[n++] = (hone_logit_bias){(int32_t)id, x <= -100 ? -INFINITY : (float)x};
    }
    a->request.generate.sampling.bias = a->bias;
    a->request.generate.sampling.n_bias = n;
    return true;
}

static bool add_stop(ask *a, const json_t *v, api_error *e)
{
    hone_generate_options *g = &a->request.generate;
    if (!json_is_string(v)) return hone_field_wrong_type(e, "stop", "a string", v);
    const char *text = json_string_value(v);
    if (json_string_length(v) == 0 || strlen(text) != json_string_length(v)) {
        return hone_api_fail(e, 400, "invalid_value", "stop",
                             "stop: expected text that is not empty and has no NUL");
    }
    a->stop[g->n_stop++] = text;
    return true;
}

static bool read_stop(ask *a, const json_t *body, api_error *e)
{
    const json_t *v = hone_field(body, "stop");
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (!v || n == 0) return true;
    if (n > MAX_STOP) {
        return hone_api_fail(e, 400, "invalid_value", "stop",
                             "stop: expected at most %d strings, found %zu", MAX_STOP,
                             n);
    }
    a->stop = hone_alloc_zero(n, sizeof *a->stop);
    if (!a->stop) return hone_field_no_memory(e);
    a->request.generate.stop = a->stop;
    if (!json_is_array(v)) return add_stop(a, v, e);
    for (size_t i = 0; i < n; i++) {
        if (!add_stop(a, json_array_get(v, i), e)) return false;
    }
    return true;
}

static bool read_stop_ids(ask *a, const json_t *body, int n_vocab, api_error *e)
{
    hone_tokens t = {0};
    json_t *v;
    if (!hone_field_array(body, "stop_token_ids", &v, e)) return false;
    if (!v) return true;
    const bool ok = hone_field_tokens(v, "stop_token_ids", n_vocab, &t, e);
    a->stop_id = t.id;
    a->n_stop_id = t.len;
    return ok;
}

/* max_completion_tokens wins over max_tokens. */
static bool read_lengths(ask *a, const json_t *body, api_error *e)
{
    hone_generate_options *g = &a->request.generate;
    int64_t n_max = g->n_max, n_min = 0, n = 1, priority = 0;
    bool show = true;
    if (!hone_field_int(body, "max_tokens", a->may_be_empty ? 0 : 1, INT32_MAX, &n_max,
                        e) ||
        !hone_field_int(body, "max_completion_tokens", 1, INT32_MAX, &n_max, e) ||
        !hone_field_int(body, "min_tokens", 0, INT32_MAX, &n_min, e) ||
        !hone_field_int(body, "n", 1, MAX_ANSWERS, &n, e) ||
        !hone_field_int(body, "priority", INT32_MIN, INT32_MAX, &priority, e) ||
        !hone_field_bool(body, "ignore_eos", &g->ignore_end, e) ||
        !hone_field_bool(body, "include_stop_str_in_output", &a->include_stop, e) ||
        !hone_field_bool(body, "skip_special_tokens", &show, e))
        return false;
    if (n_max >= 0 && n_min > n_max) {
        return hone_api_fail(e, 400, "invalid_value", "min_tokens",
                             "min_tokens: expected at most max_tokens, %lld, found "
                             "%lld",
                             (long long)n_max, (long long)n_min);
    }
    g->n_max = (int)n_max;
    g->n_min = (int)n_min;
    g->show_special = !show;
    a->request.n_answer = (int)n;
    a->request.priority = (int)priority;
    return true;
}

static bool read_stream(ask *a, const json_t *body, api_error *e)
{
    json_t *o;
    if (!hone_field_bool(body, "stream", &a->stream, e) ||
        !hone_field_object(body, "stream_options", &o, e))
        return false;
    if (o && !a->stream) {
        return hone_api_fail(e, 400, "invalid_value", "stream_options",
                             "stream_options: expected only with stream true");
    }
    return hone_field_bool(o, "include_usage", &a->include_usage, e);
}

/* What would change the answer, but is not there: refused rather than ignored. */
static bool refuse_unsupported(const json_t *body, api_error *e)
{
    static const char *const fields[] = {"audio",
                                         "use_beam_search",
                                         "prompt_logprobs",
                                         "allowed_token_ids",
                                         "bad_words",
                                         "truncate_prompt_tokens",
                                         "length_penalty",
                                         "background",
                                         "conversation",
                                         "previous_response_id",
                                         "functions",
                                         "function_call",
                                         "prediction",
                                         "web_search_options",
                                         "thinking_token_budget",
                                         "logprob_token_ids"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const json_t *v = hone_field(body, fields[i]);
        if (!v || json_is_false(v) || (json_is_array(v) && json_array_size(v) == 0))
            continue;
        if (strcmp(fields[i], "length_penalty") == 0 && json_number_value(v) == 1.0)
            continue;
        return hone_api_fail(e, 400, "unsupported_value", fields[i],
                             "%s: this server does not have it", fields[i]);
    }
    const json_t *m = hone_field(body, "modalities");
    for (size_t i = 0; i < json_array_size(m); i++) {
        const char *one = json_string_value(json_array_get(m, i));
        if (one && strcmp(one, "text") == 0) continue;
        return hone_api_fail(e, 400, "unsupported_value", "modalities",
                             "modalities: expected only text");
    }
    return true;
}

bool hone_ask_generation(ask *a, const hone_server *s, const json_t *body, api_error *e)
{
    const int n_vocab = hone_ask_n_vocab(s);
    const char *session = NULL, *salt = NULL;
    bool cache = true;
    hone_generate_options *g = &a->request.generate;
    g->sampling = neutral_sampling(s->model);
    if (!refuse_unsupported(body, e) || !read_sampling(&g->sampling, body, e) ||
        !read_lengths(a, body, e) || !read_bias(a, body, n_vocab, e) ||
        !read_stop(a, body, e) || !read_stop_ids(a, body, n_vocab, e) ||
        !read_stream(a, body, e) || !hone_field_str(body, "session", &session, e) ||
        !hone_field_str(body, "cache_salt", &salt, e) ||
        !hone_field_bool(body, "cache_prompt", &cache, e))
        return false;
    if (session && !s->options.scheduler.session_dir) {
        return hone_api_fail(e, 400, "unsupported_value", "session",
                             "session: the server was started without a folder for "
                             "sessions");
    }
    a->request.session = session;
    a->request.no_cache = salt || !cache;
    hone_error err;
    const hone_status st = hone_sampling_check(&g->sampling, n_vocab, &err);
    return !st || hone_api_fail_status(e, st, NULL, &err);
}
