#include "serve/trace.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/wire.h"

#define MAX_TRACE ((size_t)4 << 20) /* bytes; what is longer ends with "cut":true */

struct trace {
    char id[128];
    int64_t begin_ns;
    hone_buf text; /* JSON, up to the last event */
    bool cut;
};

/* -- writing ---------------------------------------------------------------------- */

static void put_prompt(hone_buf *b, const hone_server *s, const hone_tokens *ids)
{
    char *text = NULL;
    size_t len = 0;
    if (s->tokenizer &&
        hone_tokenizer_decode(s->tokenizer, ids->id, ids->len, 0, &text, &len, NULL))
        text = NULL;
    hone_buf_append_str(b, "{\"text\":");
    if (text)
        hone_put_string(b, text, len);
    else
        hone_buf_append_str(b, "null");
    hone_text_free(text);
    hone_buf_append_str(b, ",\"tokens\":[");
    for (size_t i = 0; i < ids->len; i++) {
        hone_buf_printf(b, i ? ",%d" : "%d", ids->id[i]);
    }
    hone_buf_append_str(b, "]}");
}

trace *hone_trace_new(const hone_server *s, const http_exchange *x, const ask *a)
{
    const char *wanted = http_get_header(x, "x-hone-trace");
    if (!wanted || strcmp(wanted, "1") != 0) return NULL;
    trace *t = hone_alloc_zero(1, sizeof *t);
    if (!t) return NULL;
    const char *id = http_get_id(x);
    const size_t n = strnlen(id, sizeof t->id - 1);
    memcpy(t->id, id, n);
    t->begin_ns = hone_clock_ns();
    hone_buf_init(&t->text, MAX_TRACE);
    hone_buf_append_str(&t->text, "{\"id\":");
    hone_put_text(&t->text, t->id);
    hone_buf_append_str(&t->text, ",\"path\":");
    hone_put_text(&t->text, http_get_path(x));
    hone_buf_append_str(&t->text, ",\"adapter\":");
    hone_put_text(&t->text, a->request.adapter);
    hone_buf_append_str(&t->text, ",\"prompts\":[");
    for (size_t i = 0; i < a->n_prompt; i++) {
        if (i) hone_buf_append_char(&t->text, ',');
        put_prompt(&t->text, s, &a->prompt[i].tokens);
    }
    hone_buf_append_str(&t->text, "],\"events\":[");
    return t;
}

void hone_trace_free(trace *t)
{
    if (!t) return;
    hone_buf_release(&t->text);
    hone_free(t);
}

static void put_piece(hone_buf *b, const hone_event *e, const char *name)
{
    hone_buf_printf(b, "\"%s\",\"answer\":%d,\"id\":%d,\"text\":", name, e->answer,
                    e->piece->id);
    hone_put_string(b, e->piece->text, e->piece->len);
}

static void put_end(hone_buf *b, const hone_event *e)
{
    const hone_request_stats *s = e->stats;
    hone_buf_append_str(b, "\"end\",\"error\":");
    hone_put_text(b, e->error ? e->error->text : NULL);
    hone_buf_printf(b,
                    ",\"generated_tokens\":%zu,\"guessed_tokens\":%zu,"
                    "\"right_guesses\":%zu,\"forced_tokens\":%zu,\"preemptions\":%zu,"
                    "\"queue_ms\":%.3f,\"prefill_ms\":%.3f,\"decode_ms\":%.3f,"
                    "\"first_token_ms\":%.3f,\"total_ms\":%.3f",
                    s->n_generated, s->n_draft, s->n_accepted, s->n_forced,
                    s->n_preempted, s->queue_s * 1e3, s->prefill_s * 1e3,
                    s->decode_s * 1e3, s->first_token_s * 1e3, s->total_s * 1e3);
}

static void put_event(hone_buf *b, const hone_event *e)
{
    static const char *const finish[] = {
        [HONE_FINISH_STOP] = "stop",
        [HONE_FINISH_LENGTH] = "length",
        [HONE_FINISH_CANCELLED] = "cancelled",
    };
    switch (e->kind) {
    case HONE_EVENT_START:
        hone_buf_printf(b, "\"start\",\"prompt_tokens\":%zu,\"cached_tokens\":%zu",
                        e->stats->n_prompt, e->stats->n_reused);
        return;
    case HONE_EVENT_PROMPT:
        put_piece(b, e, "prompt_token");
        return;
    case HONE_EVENT_PIECE:
        put_piece(b, e, "token");
        return;
    case HONE_EVENT_ANSWER:
        hone_buf_printf(b, "\"answer\",\"answer\":%d,\"finish\":\"%s\",\"stop\":",
                        e->answer, finish[e->finish]);
        hone_put_text(b, e->stop);
        return;
    case HONE_EVENT_EMBEDDING:
        hone_buf_append_str(b, "\"embedding\"");
        return;
    case HONE_EVENT_STEP:
        hone_buf_printf(b,
                        "\"step\",\"answer\":%d,\"rows\":%zu,\"step_rows\":%zu,"
                        "\"step_ms\":%.3f",
                        e->answer, e->n_row, e->n_step_row, e->step_s * 1e3);
        return;
    case HONE_EVENT_END:
        put_end(b, e);
        return;
    }
}

void hone_trace_event(trace *t, size_t prompt, int64_t now_ns, const hone_event *e)
{
    hone_buf *b = &t->text;
    const size_t before = b->len;
    if (t->cut) return;
    if (b->data[b->len - 1] != '[') hone_buf_append_char(b, ',');
    hone_buf_printf(b, "{\"ms\":%.3f,\"prompt\":%zu,\"event\":",
                    (double)(now_ns - t->begin_ns) * 1e-6, prompt);
    put_event(b, e);
    hone_buf_append_char(b, '}');
    /* room for the end of the document stays */
    if (!b->failed && b->len + 64 < MAX_TRACE) return;
    t->cut = true;
    b->failed = HONE_OK;
    b->len = before;
}

/* -- keeping ---------------------------------------------------------------------- */

void hone_trace_keep(trace_ring *r, trace *t)
{
    if (!t) return;
    hone_buf_append_str(&t->text, t->cut ? "],\"cut\":true}" : "],\"cut\":false}");
    hone_trace_free(r->item[r->next]);
    r->item[r->next] = t;
    r->next = (r->next + 1) % TRACE_KEPT;
}

void hone_trace_ring_release(trace_ring *r)
{
    for (size_t i = 0; i < TRACE_KEPT; i++) {
        hone_trace_free(r->item[i]);
        r->item[i] = NULL;
    }
}

void hone_api_trace(void *ctx, http_exchange *x)
{
    static const char prefix[] = "/trace/";
    const hone_server *s = ctx;
    const char *path = http_get_path(x);
    const char *id = path + strnlen(path, sizeof prefix - 1);
    for (size_t i = 0; i < TRACE_KEPT; i++) {
        const trace *t = s->traces->item[i];
        if (!t || t->text.failed || strcmp(t->id, id) != 0) continue;
        http_reply(x, 200, "application/json", t->text.data, t->text.len);
        return;
    }
    api_error e;
    hone_buf b;
    hone_api_fail(&e, 404, "trace_not_found", NULL,
                  "no trace of '%.100s': requests with the header x-hone-trace: 1 are "
                  "traced, and the last %d are kept",
                  id, TRACE_KEPT);
    hone_buf_init(&b, 1 << 16);
    hone_put_error(&b, &e);
    http_reply(x, e.status, "application/json", b.data, b.len);
    hone_buf_release(&b);
}
