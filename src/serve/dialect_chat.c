/* dialect_chat.c - replies of POST /v1/chat/completions.
 *
 * Order of a stream, for each choice: role, deltas, finish_reason; then usage if asked
 * for, then [DONE]. */
#include "serve/reply.h"

static void put_head(reply *r, const char *object)
{
    hone_buf_printf(&r->out,
                    "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":",
                    r->id.text, object, (long long)r->created);
    hone_put_text(&r->out, r->ask->model);
}

static void put_chunk_head(reply *r)
{
    put_head(r, "chat.completion.chunk");
}

/* -- stream ------------------------------------------------------------------------ */

static void open_chunk(reply_choice *c)
{
    reply *r = c->reply;
    hone_buf_append_str(&r->out, "data: ");
    put_chunk_head(r);
    hone_buf_printf(&r->out, ",\"choices\":[{\"index\":%zu,\"delta\":{", c->index);
}

static void close_chunk(reply_choice *c, const char *finish)
{
    reply *r = c->reply;
    hone_buf_append_str(&r->out, "},\"logprobs\":");
    if (c->n_shown < c->n_token) {
        hone_buf_append_str(&r->out, "{\"content\":");
        hone_reply_put_logprobs(&r->out, c);
        hone_buf_append_str(&r->out, ",\"refusal\":null}");
    } else {
        hone_buf_append_str(&r->out, "null");
    }
    hone_buf_append_str(&r->out, ",\"finish_reason\":");
    hone_put_text(&r->out, finish);
    hone_buf_append_str(&r->out, "}]");
    if (r->ask->include_usage) hone_buf_append_str(&r->out, ",\"usage\":null");
    hone_buf_append_str(&r->out, "}\n\n");
}

static void choice_begin(reply_choice *c)
{
    open_chunk(c);
    hone_buf_append_str(&c->reply->out, "\"role\":\"assistant\",\"content\":\"\"");
    close_chunk(c, NULL);
}

static void part_begin(reply_choice *c, reply_part *p)
{
    hone_buf *b = &c->reply->out;
    if (p->kind != PART_CALL) return;
    open_chunk(c);
    hone_buf_printf(b,
                    "\"tool_calls\":[{\"index\":%zu,\"id\":\"call_%s\",\"type\":"
                    "\"function\",\"function\":{\"name\":",
                    p->call, p->id.text);
    hone_put_string(b, p->name.data, p->name.len);
    hone_buf_append_str(b, ",\"arguments\":\"\"}}]");
    close_chunk(c, NULL);
}

static void part_delta(reply_choice *c, reply_part *p, const char *text, size_t len)
{
    hone_buf *b = &c->reply->out;
    open_chunk(c);
    if (p->kind == PART_CALL)
        hone_buf_printf(
            b, "\"tool_calls\":[{\"index\":%zu,\"function\":{\"arguments\":", p->call);
    else
        hone_buf_append_str(b, p->kind == PART_TEXT ? "\"content\":"
                                                    : "\"reasoning_content\":");
    hone_put_string(b, text, len);
    if (p->kind == PART_CALL) hone_buf_append_str(b, "}}]");
    close_chunk(c, NULL);
}

static void choice_end(reply_choice *c)
{
    open_chunk(c);
    close_chunk(c, hone_reply_finish(c));
}

static void end(reply *r)
{
    hone_reply_stream_end(r, put_chunk_head);
}

/* -- whole ------------------------------------------------------------------------- */

static void put_calls(hone_buf *b, const reply_choice *c)
{
    hone_buf_append_str(b, ",\"tool_calls\":[");
    for (size_t i = 0; i < c->n_part; i++) {
        const reply_part *p = &c->part[i];
        if (p->kind != PART_CALL) continue;
        hone_buf_printf(b,
                        "%s{\"id\":\"call_%s\",\"type\":\"function\",\"function\":{"
                        "\"name\":",
                        p->call ? "," : "", p->id.text);
        hone_put_string(b, p->name.data, p->name.len);
        hone_buf_append_str(b, ",\"arguments\":");
        hone_put_string(b, p->text.data, p->text.len);
        hone_buf_append_str(b, "}}");
    }
    hone_buf_append_char(b, ']');
}

static void put_choice(reply *r, reply_choice *c)
{
    hone_buf *b = &r->out;
    hone_buf_printf(b,
                    "%s{\"index\":%zu,\"message\":{\"role\":\"assistant\",\"content\":",
                    c->index ? "," : "", c->index);
    if (c->n_call && !hone_reply_has(c, PART_TEXT))
        hone_buf_append_str(b, "null");
    else
        hone_reply_put_joined(b, c, PART_TEXT);
    hone_buf_append_str(b, ",\"refusal\":null");
    if (hone_reply_has(c, PART_REASONING)) {
        hone_buf_append_str(b, ",\"reasoning_content\":");
        hone_reply_put_joined(b, c, PART_REASONING);
    }
    if (c->n_call) put_calls(b, c);
    hone_buf_append_str(b, "},\"logprobs\":");
    if (r->ask->logprobs) {
        hone_buf_append_str(b, "{\"content\":");
        hone_reply_put_logprobs(b, c);
        hone_buf_append_str(b, ",\"refusal\":null}");
    } else {
        hone_buf_append_str(b, "null");
    }
    hone_buf_append_str(b, ",\"finish_reason\":");
    hone_put_text(b, hone_reply_finish(c));
    hone_buf_append_char(b, '}');
}

static void whole(reply *r)
{
    put_head(r, "chat.completion");
    hone_buf_append_str(&r->out, ",\"choices\":[");
    for (size_t i = 0; i < r->n_choice; i++)
        put_choice(r, &r->choice[i]);
    hone_buf_append_str(&r->out, "],\"usage\":");
    hone_put_usage(&r->out, r);
    hone_buf_append_char(&r->out, '}');
}

const dialect hone_dialect_chat = {
    .name = "chat",
    .id = "chatcmpl-",
    .ask = hone_ask_chat,
    .put_error = hone_put_error,
    .choice_begin = choice_begin,
    .part_begin = part_begin,
    .part_delta = part_delta,
    .choice_end = choice_end,
    .end = end,
    .error = hone_reply_stream_error,
    .whole = whole,
};
