/* dialect_responses.c - replies of POST /v1/responses.
 *
 * Every event has its `event:` line, `type` and a growing `sequence_number`: created,
 * in_progress; for each item added, parts, deltas, done; completed or incomplete. */
#include "serve/reply.h"

/* -- the response object ----------------------------------------------------------- */

/* A field as it was asked for, or the default. */
static void put_asked(hone_buf *b, const reply *r, const char *key,
                      const char *otherwise)
{
    const json_t *v = hone_field(r->ask->extra, key);
    hone_buf_printf(b, ",\"%s\":", key);
    if (v)
        hone_put_json(b, v);
    else
        hone_buf_append_str(b, otherwise);
}

static void put_item(hone_buf *b, reply_choice *c, const reply_part *p, bool done);

static void put_usage(hone_buf *b, const reply *r)
{
    hone_buf_printf(b,
                    "{\"input_tokens\":%zu,\"input_tokens_details\":{\"cached_tokens\":"
                    "%zu,\"cache_write_tokens\":0},\"output_tokens\":%zu,"
                    "\"output_tokens_details\":{\"reasoning_tokens\":%zu},"
                    "\"total_tokens\":%zu}",
                    r->n_prompt_token, r->n_reused, r->n_generated, r->n_reasoning,
                    r->n_prompt_token + r->n_generated);
}

/* error: NULL but for status "failed". */
static void put_response(reply *r, const char *status, const api_error *failed)
{
    static const char *const asked[][2] = {{"instructions", "null"},
                                           {"max_output_tokens", "null"},
                                           {"metadata", "{}"},
                                           {"parallel_tool_calls", "true"},
                                           {"reasoning", "null"},
                                           {"temperature", "1.0"},
                                           {"text", "{\"format\":{\"type\":\"text\"}}"},
                                           {"tool_choice", "\"auto\""},
                                           {"tools", "[]"},
                                           {"top_p", "1.0"},
                                           {"truncation", "\"disabled\""}};
    hone_buf *b = &r->out;
    reply_choice *c = &r->choice[0];
    const bool ended = *status != 'i' || status[2] == 'c'; /* "in_progress" is open */
    hone_buf_printf(b,
                    "{\"id\":\"%s\",\"object\":\"response\",\"created_at\":%lld,"
                    "\"status\":\"%s\",\"background\":false,\"model\":",
                    r->id.text, (long long)r->created, status);
    hone_put_text(b, r->ask->model);
    hone_buf_append_str(b, ",\"error\":");
    if (failed) {
        hone_buf_append_str(b, "{\"code\":\"server_error\",\"message\":");
        hone_put_text(b, failed->message);
        hone_buf_append_char(b, '}');
    } else {
        hone_buf_append_str(b, "null");
    }
    hone_buf_printf(b, ",\"incomplete_details\":%s",
                    ended && !failed && c->finish == HONE_FINISH_LENGTH
                        ? "{\"reason\":\"max_output_tokens\"}"
                        : "null");
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        put_asked(b, r, asked[i][0], asked[i][1]);
    hone_buf_append_str(b,
                        ",\"previous_response_id\":null,\"store\":false,\"output\":[");
    for (size_t i = 0; ended && i < c->n_part; i++) {
        if (i) hone_buf_append_char(b, ',');
        put_item(b, c, &c->part[i], true);
    }
    hone_buf_append_str(b, "],\"usage\":");
    if (ended && !failed)
        put_usage(b, r);
    else
        hone_buf_append_str(b, "null");
    hone_buf_append_char(b, '}');
}

/* A part that the length cut is not completed. */
static const char *item_status(const reply_choice *c, const reply_part *p, bool done)
{
    if (!done) return "in_progress";
    const bool last = p->index + 1 == c->n_part;
    return c->ended && last && c->finish == HONE_FINISH_LENGTH ? "incomplete"
                                                               : "completed";
}

static void put_id(hone_buf *b, const reply_part *p)
{
    static const char *const prefix[] = {"msg_", "rs_", "fc_"};
    hone_buf_printf(b, "\"%s%s\"", prefix[p->kind], p->id.text);
}

/* The content part of a message or of reasoning. */
static void put_content(hone_buf *b, reply_choice *c, const reply_part *p, bool done)
{
    const char *text = done ? p->text.data : "";
    const size_t len = done ? p->text.len : 0;
    hone_buf_append_str(b, p->kind == PART_TEXT
                               ? "{\"type\":\"output_text\",\"text\":"
                               : "{\"type\":\"reasoning_text\",\"text\":");
    hone_put_string(b, text, len);
    if (p->kind == PART_TEXT) {
        hone_buf_append_str(b, ",\"annotations\":[],\"logprobs\":");
        if (done && c->reply->ask->logprobs && !c->reply->ask->stream)
            hone_reply_put_logprobs(b, c);
        else
            hone_buf_append_str(b, "[]");
    }
    hone_buf_append_char(b, '}');
}

static void put_item(hone_buf *b, reply_choice *c, const reply_part *p, bool done)
{
    const char *status = item_status(c, p, done);
    hone_buf_append_str(b, "{\"id\":");
    put_id(b, p);
    if (p->kind == PART_CALL) {
        hone_buf_printf(
            b,
            ",\"type\":\"function_call\",\"call_id\":\"call_%s\",\"status\":"
            "\"%s\",\"name\":",
            p->id.text, status);
        hone_put_string(b, p->name.data, p->name.len);
        hone_buf_append_str(b, ",\"arguments\":");
        hone_put_string(b, p->text.data, done ? p->text.len : 0);
    } else {
        hone_buf_printf(b, ",\"type\":\"%s\",\"status\":\"%s\"",
                        p->kind == PART_TEXT ? "message" : "reasoning", status);
        hone_buf_append_str(b, p->kind == PART_TEXT ? ",\"role\":\"assistant\""
                                                    : ",\"summary\":[]");
        hone_buf_append_str(b, ",\"content\":[");
        if (done) put_content(b, c, p, true);
        hone_buf_append_char(b, ']');
    }
    hone_buf_append_char(b, '}');
}

/* -- stream ------------------------------------------------------------------------ */

static void event(reply *r, const char *name)
{
    hone_buf_printf(&r->out,
                    "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%zu", name,
                    name, r->sequence++);
}

static void close_event(reply *r)
{
    hone_buf_append_str(&r->out, "}\n\n");
}

static void response_event(reply *r, const char *name, const char *status,
                           const api_error *failed)
{
    event(r, name);
    hone_buf_append_str(&r->out, ",\"response\":");
    put_response(r, status, failed);
    close_event(r);
}

static void begin(reply *r)
{
    response_event(r, "response.created", "in_progress", NULL);
    response_event(r, "response.in_progress", "in_progress", NULL);
}

/* An event about a part: its place in the output. */
static void part_event(reply_choice *c, const reply_part *p, const char *name)
{
    hone_buf *b = &c->reply->out;
    event(c->reply, name);
    hone_buf_append_str(b, ",\"item_id\":");
    put_id(b, p);
    hone_buf_printf(b, ",\"output_index\":%zu", p->index);
    if (p->kind != PART_CALL) hone_buf_append_str(b, ",\"content_index\":0");
}

static void item_event(reply_choice *c, const reply_part *p, const char *name,
                       bool done)
{
    hone_buf *b = &c->reply->out;
    event(c->reply, name);
    hone_buf_printf(b, ",\"output_index\":%zu,\"item\":", p->index);
    put_item(b, c, p, done);
    close_event(c->reply);
}

static void content_event(reply_choice *c, const reply_part *p, const char *name,
                          bool done)
{
    part_event(c, p, name);
    hone_buf_append_str(&c->reply->out, ",\"part\":");
    put_content(&c->reply->out, c, p, done);
    close_event(c->reply);
}

static void part_begin(reply_choice *c, reply_part *p)
{
    item_event(c, p, "response.output_item.added", false);
    if (p->kind != PART_CALL) content_event(c, p, "response.content_part.added", false);
}

static void part_delta(reply_choice *c, reply_part *p, const char *text, size_t len)
{
    static const char *const names[] = {"response.output_text.delta",
                                        "response.reasoning_text.delta",
                                        "response.function_call_arguments.delta"};
    hone_buf *b = &c->reply->out;
    part_event(c, p, names[p->kind]);
    hone_buf_append_str(b, ",\"delta\":");
    hone_put_string(b, text, len);
    if (p->kind == PART_TEXT) {
        hone_buf_append_str(b, ",\"logprobs\":");
        hone_reply_put_logprobs(b, c);
    }
    close_event(c->reply);
}

static void part_end(reply_choice *c, reply_part *p)
{
    static const char *const names[] = {"response.output_text.done",
                                        "response.reasoning_text.done",
                                        "response.function_call_arguments.done"};
    hone_buf *b = &c->reply->out;
    part_event(c, p, names[p->kind]);
    if (p->kind == PART_CALL) {
        hone_buf_append_str(b, ",\"name\":");
        hone_put_string(b, p->name.data, p->name.len);
    }
    hone_buf_append_str(b, p->kind == PART_CALL ? ",\"arguments\":" : ",\"text\":");
    hone_put_string(b, p->text.data, p->text.len);
    if (p->kind == PART_TEXT) hone_buf_append_str(b, ",\"logprobs\":[]");
    close_event(c->reply);
    if (p->kind != PART_CALL) content_event(c, p, "response.content_part.done", true);
    item_event(c, p, "response.output_item.done", true);
}

static const char *status_of(const reply *r)
{
    return r->choice[0].finish == HONE_FINISH_LENGTH ? "incomplete" : "completed";
}

static void end(reply *r)
{
    const bool cut = r->choice[0].finish == HONE_FINISH_LENGTH;
    response_event(r, cut ? "response.incomplete" : "response.completed", status_of(r),
                   NULL);
}

static void error(reply *r, const api_error *e)
{
    event(r, "error");
    hone_buf_append_str(&r->out, ",\"code\":");
    hone_put_text(&r->out, e->code);
    hone_buf_append_str(&r->out, ",\"message\":");
    hone_put_text(&r->out, e->message);
    hone_buf_append_str(&r->out, ",\"param\":");
    hone_put_text(&r->out, *e->param ? e->param : NULL);
    close_event(r);
    response_event(r, "response.failed", "failed", e);
}

static void whole(reply *r)
{
    put_response(r, status_of(r), NULL);
}

const dialect hone_dialect_responses = {
    .name = "responses",
    .id = "resp_",
    .ask = hone_ask_responses,
    .put_error = hone_put_error,
    .begin = begin,
    .part_begin = part_begin,
    .part_delta = part_delta,
    .part_end = part_end,
    .end = end,
    .error = error,
    .whole = whole,
};
