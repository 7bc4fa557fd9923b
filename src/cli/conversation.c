/* conversation.c - ask, stream, remember. */
#include "cli/conversation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

hone_status cli_chat_init(cli_chat *c, const hone_model *model, hone_sequence *s,
                          const char *system_prompt, hone_error *err)
{
    *c = (cli_chat){.model = model, .sequence = s};
    c->options = hone_generate_options_default();
    hone_buf_init(&c->logprobs, SIZE_MAX / 2);
    return cli_chat_reset(c, system_prompt, err);
}

void cli_chat_release(cli_chat *c)
{
    json_decref(c->messages);
    hone_buf_release(&c->logprobs);
    *c = (cli_chat){0};
}

static hone_status add_message(cli_chat *c, const char *role, const char *text,
                               size_t len, hone_error *err)
{
    json_t *content = json_stringn(text, len);
    if (!content) {
        return hone_fail(err, HONE_E_FORMAT, "%s message: expected UTF-8 text", role);
    }
    json_t *m = json_pack("{s:s, s:o}", "role", role, "content", content);
    if (!m || json_array_append_new(c->messages, m)) {
        return hone_fail(err, HONE_E_NOMEM, "chat: out of memory");
    }
    return HONE_OK;
}

static void drop_last(cli_chat *c)
{
    json_array_remove(c->messages, json_array_size(c->messages) - 1);
}

hone_status cli_chat_reset(cli_chat *c, const char *system_prompt, hone_error *err)
{
    json_decref(c->messages);
    c->messages = json_array();
    if (!c->messages) return hone_fail(err, HONE_E_NOMEM, "chat: out of memory");
    if (!system_prompt || !*system_prompt) return HONE_OK;
    return add_message(c, "system", system_prompt, strlen(system_prompt), err);
}

/* One token of "logprobs". */
static void add_logprobs(hone_buf *out, const hone_piece *p)
{
    if (p->id < 0) return; /* text that was held back */
    hone_buf_printf(out, "%s{\"id\":%d,\"logprob\":%.9g,\"top\":[", out->len ? "," : "",
                    p->id, (double)p->logprob);
    for (size_t i = 0; i < p->n_top; i++) {
        hone_buf_printf(out, "%s{\"id\":%d,\"logprob\":%.9g}", i ? "," : "",
                        p->top[i].id, (double)p->top[i].logprob);
    }
    hone_buf_append_str(out, "]}");
}

static bool print_piece(void *ctx, const hone_piece *piece)
{
    cli_chat *c = ctx;
    if (c->options.n_logprob >= 0) add_logprobs(&c->logprobs, piece);
    if (!c->quiet && piece->len) {
        fwrite(piece->text, 1, piece->len, stdout);
        if (fflush(stdout)) return false;
    }
    return !cli_interrupted(NULL);
}

/* The conversation so far as token ids. */
static hone_status prompt_tokens(const cli_chat *c, hone_tokens *t, hone_error *err)
{
    hone_chat_options o = {0};
    HONE_TRY(cli_fixed_clock(&o, err));
    json_t *vars =
        json_pack("{s:O, s:b}", "messages", c->messages, "add_generation_prompt", 1);
    char *json = vars ? json_dumps(vars, JSON_COMPACT) : NULL;
    json_decref(vars);
    if (!json) return hone_fail(err, HONE_E_NOMEM, "chat: out of memory");
    char *prompt = NULL;
    size_t len;
    hone_status s =
        hone_chat_render(c->model, &o, json, strlen(json), &prompt, &len, err);
    free(json);
    if (!s) {
        s = hone_tokenizer_encode(hone_model_tokenizer(c->model), prompt, len, 0, t,
                                  err);
    }
    hone_text_free(prompt);
    return s;
}

static hone_status need_tokenizer(const cli_chat *c, hone_error *err)
{
    if (hone_model_tokenizer(c->model)) return HONE_OK;
    return hone_fail(err, HONE_E_NOT_FOUND, "run: the model has no tokenizer");
}

static hone_status generate(cli_chat *c, const hone_tokens *t, hone_generation *g,
                            hone_error *err)
{
    hone_buf_reset(&c->logprobs);
    HONE_TRY(
        hone_generate(c->sequence, t->id, t->len, &c->options, print_piece, c, g, err));
    return hone_buf_status(&c->logprobs, "log probabilities", err);
}

hone_status cli_chat_ask(cli_chat *c, const char *text, size_t len, hone_generation *g,
                         hone_error *err)
{
    hone_status s = need_tokenizer(c, err);
    if (s) return s;
    s = add_message(c, "user", text, len, err);
    if (s) return s;
    hone_tokens t = {0};
    s = prompt_tokens(c, &t, err);
    if (!s) s = generate(c, &t, g, err);
    hone_tokens_release(&t);
    if (s || g->tokens.len == 0)
        drop_last(c);
    else
        s = add_message(c, "assistant", g->text, g->text_len, err);
    return s;
}

hone_status cli_chat_complete(cli_chat *c, const char *text, size_t len,
                              hone_generation *g, hone_error *err)
{
    hone_status s = need_tokenizer(c, err);
    if (s) return s;
    hone_tokens t = {0};
    s = hone_tokenizer_encode(hone_model_tokenizer(c->model), text, len,
                              HONE_ENCODE_SPECIAL, &t, err);
    if (!s) s = generate(c, &t, g, err);
    hone_tokens_release(&t);
    return s;
}

void cli_chat_print_stats(const cli_chat *c, const hone_generation *g)
{
    const hone_engine_info e = hone_engine_get_info(hone_sequence_engine(c->sequence));
    const size_t run = g->n_prompt - g->n_reused;
    char buf[16];
    fprintf(stderr, "prefill %zu tokens", run);
    if (g->n_reused) fprintf(stderr, " (%zu kept)", g->n_reused);
    if (g->prefill_s > 0)
        fprintf(stderr, ", %.1f tokens/s", (double)run / g->prefill_s);
    fprintf(stderr, "; decode %zu tokens", g->tokens.len);
    if (g->decode_s > 0) {
        fprintf(stderr, ", %.1f tokens/s", (double)g->tokens.len / g->decode_s);
    }
    fprintf(stderr, "; kv %s; %d threads, %s\n",
            cli_format_bytes((double)e.kv_bytes_used, buf), e.n_thread, e.kernels);
}
