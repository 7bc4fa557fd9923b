/* reply.c - from tokens to parts. */
#include "serve/reply.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"

static void on_split(void *ctx, split_event e, const char *text, size_t len);

static bool init_choice(reply *r, size_t i, api_error *e)
{
    reply_choice *c = &r->choice[i];
    c->reply = r;
    c->index = i;
    c->prompt = i / (size_t)r->n_answer;
    hone_split_init(&c->split, &r->ask->split, on_split, c);
    if (!r->ask->logprobs || !r->server->tokenizer) return true;
    const unsigned flags =
        r->ask->request.generate.show_special ? 0 : HONE_DECODE_NO_SPECIAL;
    hone_error err;
    const hone_status s =
        hone_detokenizer_new(&c->spell, r->server->tokenizer, flags, &err);
    return !s || hone_api_fail_status(e, s, NULL, &err);
}

bool hone_reply_init(reply *r, const dialect *d, const ask *a, const hone_server *s,
                     api_error *e)
{
    *r = (reply){.dialect = d, .ask = a, .server = s};
    r->id = hone_api_id(d->id);
    r->created = (int64_t)time(NULL);
    r->n_answer = a->request.n_answer > 0 ? a->request.n_answer : 1;
    hone_buf_init(&r->out, API_MAX_REPLY);
    r->choice = hone_alloc_zero(a->n_prompt * (size_t)r->n_answer, sizeof *r->choice);
    if (!r->choice) return hone_field_no_memory(e);
    r->n_choice = a->n_prompt * (size_t)r->n_answer;
    bool ok = true;
    for (size_t i = 0; i < r->n_choice; i++)
        ok = init_choice(r, i, e) && ok;
    if (!ok) hone_reply_release(r);
    return ok;
}

void hone_reply_release(reply *r)
{
    for (size_t i = 0; i < r->n_choice; i++) {
        reply_choice *c = &r->choice[i];
        for (size_t k = 0; k < c->n_part; k++) {
            hone_buf_release(&c->part[k].text);
            hone_buf_release(&c->part[k].name);
        }
        hone_split_release(&c->split);
        hone_detokenizer_free(c->spell);
        hone_free(c->part);
        hone_free(c->token);
        hone_free(c->top);
        hone_free(c->stop);
    }
    hone_free(r->choice);
    hone_free(r->embedding);
    hone_buf_release(&r->out);
    *r = (reply){0};
}

/* -- parts ------------------------------------------------------------------------- */

static bool streams(const reply *r)
{
    return r->ask->stream;
}

static void end_part(reply_choice *c)
{
    const dialect *d = c->reply->dialect;
    if (!c->open) return;
    c->open = false;
    if (streams(c->reply) && d->part_end) d->part_end(c, &c->part[c->n_part - 1]);
}

static void begin_part(reply_choice *c, part_kind kind, const char *name, size_t len)
{
    const dialect *d = c->reply->dialect;
    end_part(c);
    if (hone_grow((void **)&c->part, &c->cap_part, c->n_part + 1, sizeof *c->part)) {
        c->reply->failed = true;
        return;
    }
    reply_part *p = &c->part[c->n_part];
    *p = (reply_part){.kind = kind, .index = c->n_part++};
    p->id = hone_api_id("");
    hone_buf_init(&p->text, API_MAX_REPLY);
    hone_buf_init(&p->name, API_MAX_REPLY);
    if (kind == PART_CALL) p->call = c->n_call++;
    hone_buf_append(&p->name, name, len);
    c->open = true;
    if (streams(c->reply) && d->part_begin) d->part_begin(c, p);
}

static void add_text(reply_choice *c, part_kind kind, const char *text, size_t len)
{
    const dialect *d = c->reply->dialect;
    const bool same = c->open && c->part[c->n_part - 1].kind == kind;
    if (!same) begin_part(c, kind, "", 0);
    if (c->reply->failed) return;
    reply_part *p = &c->part[c->n_part - 1];
    hone_buf_append(&p->text, text, len);
    if (p->text.failed) c->reply->failed = true;
    if (streams(c->reply) && d->part_delta) d->part_delta(c, p, text, len);
}

static void on_split(void *ctx, split_event e, const char *text, size_t len)
{
    reply_choice *c = ctx;
    switch (e) {
    case SPLIT_TEXT:
        add_text(c, PART_TEXT, text, len);
        break;
    case SPLIT_REASONING:
        add_text(c, PART_REASONING, text, len);
        break;
    case SPLIT_CALL:
        begin_part(c, PART_CALL, text, len);
        break;
    case SPLIT_ARGUMENTS:
        add_text(c, PART_CALL, text, len);
        break;
    case SPLIT_CALL_END:
        end_part(c);
        break;
    }
}

/* -- tokens ------------------------------------------------------------------------ */

static size_t characters(const char *s, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)s[i] & 0xC0) != 0x80;
    return count;
}

static void add_token(reply_choice *c, const hone_piece *p, bool known)
{
    reply *r = c->reply;
    if (hone_grow((void **)&c->token, &c->cap_token, c->n_token + 1,
                  sizeof *c->token) ||
        hone_grow((void **)&c->top, &c->cap_top, c->n_top + p->n_top + 1,
                  sizeof *c->top)) {
        r->failed = true;
        return;
    }
    c->token[c->n_token++] = (reply_token){.id = p->id,
                                           .known = known,
                                           .logprob = p->logprob,
                                           .top = c->n_top,
                                           .n_top = p->n_top,
                                           .offset = c->n_char};
    for (size_t i = 0; i < p->n_top; i++)
        c->top[c->n_top++] = p->top[i];
    const char *text;
    size_t len;
    if (c->spell && !hone_detokenizer_push(c->spell, p->id, &text, &len, NULL))
        c->n_char += characters(text, len);
}

static void begin_choice(reply_choice *c)
{
    const dialect *d = c->reply->dialect;
    if (c->begun) return;
    c->begun = true;
    if (streams(c->reply) && d->choice_begin) d->choice_begin(c);
}

/* The prompt's text comes in front of the answer, once its tokens are known. */
static void echo(reply_choice *c)
{
    const ask_prompt *p = &c->reply->ask->prompt[c->prompt];
    if (c->echoed) return;
    c->echoed = true;
    begin_choice(c);
    if (c->reply->ask->echo && p->text) add_text(c, PART_TEXT, p->text, p->text_len);
}

/* -- what the scheduler says ------------------------------------------------------- */

static reply_choice *choice_of(reply *r, size_t prompt, int answer)
{
    return &r->choice[prompt * (size_t)r->n_answer + (size_t)answer];
}

void hone_reply_start(reply *r, size_t prompt, const hone_request_stats *stats)
{
    const dialect *d = r->dialect;
    const ask_prompt *p = &r->ask->prompt[prompt];
    r->n_prompt_token += p->tokens.len;
    r->n_reused += stats->n_reused;
    if (!r->begun && streams(r) && d->begin) d->begin(r);
    r->begun = true;
    for (int i = 0; i < r->n_answer && !r->ask->request.embed; i++) {
        reply_choice *c = choice_of(r, prompt, i);
        begin_choice(c);
        const hone_piece first = {.id = p->tokens.id[0]};
        if (r->ask->echo && r->ask->logprobs) add_token(c, &first, false);
    }
}

void hone_reply_prompt_token(reply *r, size_t prompt, const hone_piece *p)
{
    for (int i = 0; i < r->n_answer; i++)
        add_token(choice_of(r, prompt, i), p, true);
}

static bool ends_answer(const ask *a, int32_t id)
{
    for (size_t i = 0; i < a->n_stop_id; i++) {
        if (a->stop_id[i] == id) return true;
    }
    return false;
}

void hone_reply_piece(reply *r, size_t prompt, int answer, const hone_piece *p)
{
    reply_choice *c = choice_of(r, prompt, answer);
    if (c->ended) return;
    echo(c);
    if (p->id >= 0) {
        c->n_generated++;
        if (hone_split_in_thinking(&c->split)) c->n_reasoning++;
        if (ends_answer(r->ask, p->id)) {
            hone_reply_answer(r, prompt, answer, HONE_FINISH_STOP, NULL,
                              c->n_generated);
            return;
        }
        if (r->ask->logprobs) add_token(c, p, true);
    }
    hone_split_push(&c->split, p->text, p->len);
    if (hone_split_failed(&c->split)) r->failed = true;
}

void hone_reply_answer(reply *r, size_t prompt, int answer, hone_finish finish,
                       const char *stop, size_t n_generated)
{
    reply_choice *c = choice_of(r, prompt, answer);
    const dialect *d = r->dialect;
    if (c->ended) return;
    echo(c);
    if (stop && r->ask->include_stop) hone_split_push(&c->split, stop, strlen(stop));
    hone_split_finish(&c->split);
    end_part(c);
    c->ended = true;
    c->finish = finish;
    if (stop) c->stop = hone_strdup(stop);
    c->n_generated = n_generated;
    r->n_generated += n_generated;
    r->n_reasoning += c->n_reasoning;
    if (streams(r) && d->choice_end) d->choice_end(c);
}

void hone_reply_embedding(reply *r, size_t prompt, const float *v, size_t n)
{
    if (!r->embedding) {
        r->embedding = hone_alloc_zero(r->ask->n_prompt * n, sizeof *v);
        r->width = n;
    }
    if (!r->embedding || n != r->width) {
        r->failed = true;
        return;
    }
    memcpy(r->embedding + prompt * n, v, n * sizeof *v);
}

bool hone_reply_prompt_ended(const reply *r, size_t prompt)
{
    for (int i = 0; i < r->n_answer; i++) {
        if (!r->choice[prompt * (size_t)r->n_answer + (size_t)i].ended) return false;
    }
    return true;
}

void hone_reply_end(reply *r)
{
    const dialect *d = r->dialect;
    for (size_t i = 0; i < r->n_choice && !r->ask->request.embed; i++) {
        hone_reply_answer(r, i / (size_t)r->n_answer, (int)(i % (size_t)r->n_answer),
                          HONE_FINISH_LENGTH, NULL, r->choice[i].n_generated);
    }
    if (streams(r)) {
        if (d->end) d->end(r);
    } else {
        d->whole(r);
    }
    if (r->out.failed) r->failed = true;
}

void hone_reply_fail(reply *r, const api_error *e)
{
    r->dialect->error(r, e);
}

/* -- for writers ------------------------------------------------------------------- */

const char *hone_reply_finish(const reply_choice *c)
{
    if (c->finish == HONE_FINISH_LENGTH) return "length";
    return c->n_call ? "tool_calls" : "stop";
}

bool hone_reply_has(const reply_choice *c, part_kind kind)
{
    for (size_t i = 0; i < c->n_part; i++) {
        if (c->part[i].kind == kind) return true;
    }
    return false;
}

void hone_reply_put_joined(hone_buf *b, const reply_choice *c, part_kind kind)
{
    hone_buf all;
    hone_buf_init(&all, API_MAX_REPLY);
    for (size_t i = 0; i < c->n_part; i++) {
        if (c->part[i].kind == kind)
            hone_buf_append(&all, c->part[i].text.data, c->part[i].text.len);
    }
    hone_put_string(b, all.data, all.len);
    if (all.failed) b->failed = all.failed;
    hone_buf_release(&all);
}

const char *hone_reply_bytes(const reply *r, int32_t id, size_t *len)
{
    const char *s = r->server->tokenizer
                        ? hone_tokenizer_bytes(r->server->tokenizer, id, len)
                        : NULL;
    if (!s) *len = 0;
    return s ? s : "";
}

static void put_token(hone_buf *b, const reply *r, int32_t id, float logprob)
{
    size_t len;
    const char *s = hone_reply_bytes(r, id, &len);
    hone_buf_append_str(b, "{\"token\":");
    hone_put_string(b, s, len);
    hone_buf_append_str(b, ",\"logprob\":");
    hone_put_logprob(b, (double)logprob);
    hone_buf_append_str(b, ",\"bytes\":");
    hone_put_bytes(b, s, len);
}

void hone_reply_put_logprobs(hone_buf *b, reply_choice *c)
{
    hone_buf_append_char(b, '[');
    for (size_t i = c->n_shown; i < c->n_token; i++) {
        const reply_token *t = &c->token[i];
        if (i > c->n_shown) hone_buf_append_char(b, ',');
        put_token(b, c->reply, t->id, t->logprob);
        hone_buf_append_str(b, ",\"top_logprobs\":[");
        for (size_t k = 0; k < t->n_top; k++) {
            const hone_logprob *top = &c->top[t->top + k];
            if (k) hone_buf_append_char(b, ',');
            put_token(b, c->reply, top->id, top->logprob);
            hone_buf_append_char(b, '}');
        }
        hone_buf_append_str(b, "]}");
    }
    hone_buf_append_char(b, ']');
    c->n_shown = c->n_token;
}

void hone_put_usage(hone_buf *b, const reply *r)
{
    hone_buf_printf(
        b,
        "{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu,"
        "\"prompt_tokens_details\":{\"cached_tokens\":%zu},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":%zu}}",
        r->n_prompt_token, r->n_generated, r->n_prompt_token + r->n_generated,
        r->n_reused, r->n_reasoning);
}

void hone_reply_stream_end(reply *r, void (*put_head)(reply *r))
{
    if (r->ask->include_usage) {
        hone_buf_append_str(&r->out, "data: ");
        put_head(r);
        hone_buf_append_str(&r->out, ",\"choices\":[],\"usage\":");
        hone_put_usage(&r->out, r);
        hone_buf_append_str(&r->out, "}\n\n");
    }
    hone_buf_append_str(&r->out, "data: [DONE]\n\n");
}

void hone_reply_stream_error(reply *r, const api_error *e)
{
    hone_buf_append_str(&r->out, "data: ");
    hone_put_error(&r->out, e);
    hone_buf_append_str(&r->out, "\n\n");
}
