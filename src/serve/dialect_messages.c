/* dialect_messages.c - replies of POST /v1/messages.
 *
 * Order of a stream: message_start, ping; for each part content_block_start, deltas,
 * content_block_stop; message_delta, message_stop.  Every event has its `event:` line. */
#include "serve/reply.h"

#include <string.h>

/* Tokens taken from the cache are not among the input tokens. */
static void put_usage(hone_buf *b, const reply *r)
{
    hone_buf_printf(b,
                    "{\"input_tokens\":%zu,\"cache_creation_input_tokens\":0,"
                    "\"cache_read_input_tokens\":%zu,\"output_tokens\":%zu}",
                    r->n_prompt_token - r->n_reused, r->n_reused, r->n_generated);
}

static const char *stop_reason(const reply_choice *c)
{
    if (c->finish == HONE_FINISH_LENGTH) return "max_tokens";
    if (c->n_call) return "tool_use";
    return c->stop ? "stop_sequence" : "end_turn";
}

static void put_head(reply *r)
{
    hone_buf_printf(
        &r->out,
        "{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":",
        r->id.text);
    hone_put_text(&r->out, r->ask->model);
}

/* -- stream ------------------------------------------------------------------------ */

static void event(reply *r, const char *name)
{
    hone_buf_printf(&r->out, "event: %s\ndata: {\"type\":\"%s\"", name, name);
}

static void begin(reply *r)
{
    event(r, "message_start");
    hone_buf_append_str(&r->out, ",\"message\":");
    put_head(r);
    hone_buf_append_str(
        &r->out,
        ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
    put_usage(&r->out, r);
    hone_buf_append_str(&r->out, "}}\n\n");
    event(r, "ping");
    hone_buf_append_str(&r->out, "}\n\n");
}

static void part_begin(reply_choice *c, reply_part *p)
{
    static const char *const block[] = {"{\"type\":\"text\",\"text\":\"\"}",
                                        "{\"type\":\"thinking\",\"thinking\":\"\","
                                        "\"signature\":\"\"}"};
    hone_buf *b = &c->reply->out;
    event(c->reply, "content_block_start");
    hone_buf_printf(b, ",\"index\":%zu,\"content_block\":", p->index);
    if (p->kind == PART_CALL) {
        hone_buf_printf(
            b, "{\"type\":\"tool_use\",\"id\":\"toolu_%s\",\"name\":", p->id.text);
        hone_put_string(b, p->name.data, p->name.len);
        hone_buf_append_str(b, ",\"input\":{}}");
    } else {
        hone_buf_append_str(b, block[p->kind]);
    }
    hone_buf_append_str(b, "}\n\n");
}

static void part_delta(reply_choice *c, reply_part *p, const char *text, size_t len)
{
    static const char *const delta[] = {
        "{\"type\":\"text_delta\",\"text\":",
        "{\"type\":\"thinking_delta\",\"thinking\":",
        "{\"type\":\"input_json_delta\",\"partial_json\":"};
    hone_buf *b = &c->reply->out;
    event(c->reply, "content_block_delta");
    hone_buf_printf(b, ",\"index\":%zu,\"delta\":%s", p->index, delta[p->kind]);
    hone_put_string(b, text, len);
    hone_buf_append_str(b, "}}\n\n");
}

static void part_end(reply_choice *c, reply_part *p)
{
    hone_buf *b = &c->reply->out;
    if (p->kind == PART_REASONING) {
        event(c->reply, "content_block_delta");
        hone_buf_printf(b,
                        ",\"index\":%zu,\"delta\":{\"type\":\"signature_delta\","
                        "\"signature\":\"\"}}\n\n",
                        p->index);
    }
    event(c->reply, "content_block_stop");
    hone_buf_printf(b, ",\"index\":%zu}\n\n", p->index);
}

static void put_stop(hone_buf *b, const reply_choice *c)
{
    const char *reason = stop_reason(c);
    hone_buf_printf(b, "\"stop_reason\":\"%s\",\"stop_sequence\":", reason);
    hone_put_text(b, strcmp(reason, "stop_sequence") == 0 ? c->stop : NULL);
}

static void end(reply *r)
{
    event(r, "message_delta");
    hone_buf_append_str(&r->out, ",\"delta\":{");
    put_stop(&r->out, &r->choice[0]);
    hone_buf_append_str(&r->out, "},\"usage\":");
    put_usage(&r->out, r);
    hone_buf_append_str(&r->out, "}\n\n");
    event(r, "message_stop");
    hone_buf_append_str(&r->out, "}\n\n");
}

static void error(reply *r, const api_error *e)
{
    hone_buf_append_str(&r->out, "event: error\ndata: ");
    hone_put_error_anthropic(&r->out, e);
    hone_buf_append_str(&r->out, "\n\n");
}

/* -- whole ------------------------------------------------------------------------- */

/* Arguments that were cut off are no object: then {}. */
static void put_input(hone_buf *b, const reply_part *p)
{
    json_t *v = json_loadb(p->text.data, p->text.len, JSON_ALLOW_NUL, NULL);
    if (json_is_object(v))
        hone_put_json(b, v);
    else
        hone_buf_append_str(b, "{}");
    json_decref(v);
}

static void put_block(hone_buf *b, const reply_part *p)
{
    switch (p->kind) {
    case PART_TEXT:
        hone_buf_append_str(b, "{\"type\":\"text\",\"text\":");
        hone_put_string(b, p->text.data, p->text.len);
        break;
    case PART_REASONING:
        hone_buf_append_str(b, "{\"type\":\"thinking\",\"thinking\":");
        hone_put_string(b, p->text.data, p->text.len);
        hone_buf_append_str(b, ",\"signature\":\"\"");
        break;
    case PART_CALL:
        hone_buf_printf(
            b, "{\"type\":\"tool_use\",\"id\":\"toolu_%s\",\"name\":", p->id.text);
        hone_put_string(b, p->name.data, p->name.len);
        hone_buf_append_str(b, ",\"input\":");
        put_input(b, p);
        break;
    }
    hone_buf_append_char(b, '}');
}

static void whole(reply *r)
{
    const reply_choice *c = &r->choice[0];
    put_head(r);
    hone_buf_append_str(&r->out, ",\"content\":[");
    for (size_t i = 0; i < c->n_part; i++) {
        if (i) hone_buf_append_char(&r->out, ',');
        put_block(&r->out, &c->part[i]);
    }
    hone_buf_append_str(&r->out, "],");
    put_stop(&r->out, c);
    hone_buf_append_str(&r->out, ",\"usage\":");
    put_usage(&r->out, r);
    hone_buf_append_char(&r->out, '}');
}

const dialect hone_dialect_messages = {
    .name = "messages",
    .id = "msg_",
    .ask = hone_ask_messages,
    .put_error = hone_put_error_anthropic,
    .begin = begin,
    .part_begin = part_begin,
    .part_delta = part_delta,
    .part_end = part_end,
    .end = end,
    .error = error,
    .whole = whole,
};
