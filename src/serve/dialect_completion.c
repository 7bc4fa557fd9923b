/* dialect_completion.c - replies of POST /v1/completions and /v1/embeddings. */
#include <string.h>

#include "serve/reply.h"

static void put_head(reply *r)
{
    hone_buf_printf(
        &r->out,
        "{\"id\":\"%s\",\"object\":\"text_completion\",\"created\":%lld,\"model\":",
        r->id.text, (long long)r->created);
    hone_put_text(&r->out, r->ask->model);
}

/* -- log probabilities ------------------------------------------------------------- */

static void put_token_text(hone_buf *b, const reply *r, int32_t id)
{
    size_t len;
    const char *s = hone_reply_bytes(r, id, &len);
    hone_put_string(b, s, len);
}

/* True if two tokens read the same: an object has one value for a name. */
static bool same_text(const reply *r, int32_t x, int32_t y)
{
    hone_buf a, b;
    hone_buf_init(&a, 1 << 16);
    hone_buf_init(&b, 1 << 16);
    put_token_text(&a, r, x);
    put_token_text(&b, r, y);
    const bool same = strcmp(a.data, b.data) == 0;
    hone_buf_release(&a);
    hone_buf_release(&b);
    return same;
}

/* The alternatives by their text, and the token itself. */
static void put_alternatives(hone_buf *b, const reply_choice *c, const reply_token *t)
{
    const reply *r = c->reply;
    const hone_logprob *top = c->top + t->top;
    bool comma = false, has = false;
    if (!t->known) {
        hone_buf_append_str(b, "null");
        return;
    }
    hone_buf_append_char(b, '{');
    for (size_t i = 0; i <= t->n_top; i++) {
        if (i == t->n_top && has) break;
        const int32_t id = i < t->n_top ? top[i].id : t->id;
        bool again = false;
        for (size_t k = 0; k < i && !again; k++)
            again = same_text(r, top[k].id, id);
        has = has || id == t->id;
        if (again) continue;
        if (comma) hone_buf_append_char(b, ',');
        comma = true;
        put_token_text(b, r, id);
        hone_buf_append_char(b, ':');
        hone_put_logprob(b, (double)(i < t->n_top ? top[i].logprob : t->logprob));
    }
    hone_buf_append_char(b, '}');
}

typedef void put_field(hone_buf *b, const reply_choice *c, const reply_token *t);

static void put_text(hone_buf *b, const reply_choice *c, const reply_token *t)
{
    put_token_text(b, c->reply, t->id);
}

static void put_value(hone_buf *b, const reply_choice *c, const reply_token *t)
{
    (void)c;
    if (t->known)
        hone_put_logprob(b, (double)t->logprob);
    else
        hone_buf_append_str(b, "null");
}

static void put_offset(hone_buf *b, const reply_choice *c, const reply_token *t)
{
    (void)c;
    hone_buf_printf(b, "%zu", t->offset);
}

static void put_id(hone_buf *b, const reply_choice *c, const reply_token *t)
{
    (void)c;
    hone_buf_printf(b, "%d", t->id);
}

/* Four lists over the tokens that have not been shown; a fifth with their ids. */
static void put_logprobs(reply_choice *c)
{
    static const struct {
        const char *name;
        put_field *put;
    } lists[] = {{"{\"tokens\":[", put_text},
                 {"],\"token_logprobs\":[", put_value},
                 {"],\"top_logprobs\":[", put_alternatives},
                 {"],\"text_offset\":[", put_offset},
                 {"],\"token_ids\":[", put_id}};
    hone_buf *b = &c->reply->out;
    if (!c->reply->ask->logprobs) {
        hone_buf_append_str(b, "null");
        return;
    }
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        hone_buf_append_str(b, lists[k].name);
        for (size_t i = c->n_shown; i < c->n_token; i++) {
            if (i > c->n_shown) hone_buf_append_char(b, ',');
            lists[k].put(b, c, &c->token[i]);
        }
    }
    hone_buf_append_str(b, "]}");
    c->n_shown = c->n_token;
}

/* -- stream ------------------------------------------------------------------------ */

static void put_choice(reply_choice *c, const char *text, size_t len,
                       const char *finish)
{
    hone_buf *b = &c->reply->out;
    hone_buf_append_str(b, "{\"text\":");
    hone_put_string(b, text, len);
    hone_buf_printf(b, ",\"index\":%zu,\"logprobs\":", c->index);
    put_logprobs(c);
    hone_buf_append_str(b, ",\"finish_reason\":");
    hone_put_text(b, finish);
    hone_buf_append_char(b, '}');
}

static void chunk(reply_choice *c, const char *text, size_t len, const char *finish)
{
    reply *r = c->reply;
    hone_buf_append_str(&r->out, "data: ");
    put_head(r);
    hone_buf_append_str(&r->out, ",\"choices\":[");
    put_choice(c, text, len, finish);
    hone_buf_append_char(&r->out, ']');
    if (r->ask->include_usage) hone_buf_append_str(&r->out, ",\"usage\":null");
    hone_buf_append_str(&r->out, "}\n\n");
}

static void part_delta(reply_choice *c, reply_part *p, const char *text, size_t len)
{
    (void)p;
    chunk(c, text, len, NULL);
}

static void choice_end(reply_choice *c)
{
    chunk(c, "", 0, hone_reply_finish(c));
}

static void end(reply *r)
{
    hone_reply_stream_end(r, put_head);
}

/* -- whole ------------------------------------------------------------------------- */

static void whole(reply *r)
{
    put_head(r);
    hone_buf_append_str(&r->out, ",\"choices\":[");
    for (size_t i = 0; i < r->n_choice; i++) {
        reply_choice *c = &r->choice[i];
        const hone_buf *text = c->n_part ? &c->part[0].text : NULL;
        if (i) hone_buf_append_char(&r->out, ',');
        put_choice(c, text ? text->data : "", text ? text->len : 0,
                   hone_reply_finish(c));
    }
    hone_buf_append_str(&r->out, "],\"usage\":");
    hone_put_usage(&r->out, r);
    hone_buf_append_char(&r->out, '}');
}

static void put_vector(hone_buf *b, const reply *r, size_t i)
{
    const float *v = r->embedding + i * r->width;
    if (r->ask->base64) {
        hone_buf_append_char(b, '"');
        hone_put_base64(b, v, r->width * sizeof *v);
        hone_buf_append_char(b, '"');
        return;
    }
    hone_buf_append_char(b, '[');
    for (size_t k = 0; k < r->width; k++)
        hone_buf_printf(b, k ? ",%.9g" : "%.9g", (double)v[k]);
    hone_buf_append_char(b, ']');
}

static void whole_embeddings(reply *r)
{
    hone_buf *b = &r->out;
    if (!r->embedding) {
        r->failed = true;
        return;
    }
    hone_buf_append_str(b, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < r->ask->n_prompt; i++) {
        hone_buf_printf(b, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":",
                        i ? "," : "", i);
        put_vector(b, r, i);
        hone_buf_append_char(b, '}');
    }
    hone_buf_append_str(b, "],\"model\":");
    hone_put_text(b, r->ask->model);
    hone_buf_printf(b, ",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}",
                    r->n_prompt_token, r->n_prompt_token);
}

const dialect hone_dialect_completion = {
    .name = "completion",
    .id = "cmpl-",
    .ask = hone_ask_completion,
    .put_error = hone_put_error,
    .part_delta = part_delta,
    .choice_end = choice_end,
    .end = end,
    .error = hone_reply_stream_error,
    .whole = whole,
};

const dialect hone_dialect_embeddings = {
    .name = "embeddings",
    .id = "embd-",
    .ask = hone_ask_embeddings,
    .put_error = hone_put_error,
    .error = hone_reply_stream_error,
    .whole = whole_embeddings,
};
