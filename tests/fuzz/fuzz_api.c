/* fuzz_api.c - any bytes as the body of an endpoint, which the first byte chooses: what is
 * accepted is answered, streamed or whole, with bytes of the body as the answer; and as an
 * answer of a model, which must come apart the same way wherever it is divided. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEMPLATE                                                                       \
    "{% for m in messages %}<{{m.role}}>{{m.content}}{% if m.tool_calls %}"            \
    "{{m.tool_calls|tojson}}{% endif %}{% endfor %}{% if tools %}{{tools|tojson}}"     \
    "<tool_call>{% endif %}{% if add_generation_prompt %}<a>{% if think %}<think>"     \
    "{% endif %}{% endif %}"

static hone_model *open_model(void)
{
    static const char json[] =
        "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":0,\"content\":\"<s>\","
        "\"special\":"
        "true},{\"id\":1,\"content\":\"<fim_prefix>\",\"special\":true},{\"id\":2,"
        "\"content\":\"<fim_suffix>\",\"special\":true},{\"id\":3,\"content\":"
        "\"<fim_middle>\",\"special\":true}],\"pre_tokenizer\":{\"type\":\"ByteLevel\","
        "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
        "\"decoder\":"
        "{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":4,\"b\":"
        "5,"
        "\"<\":6,\">\":7,\"ab\":8},\"merges\":[\"a b\"]}}";
    char folder[] = "/tmp/hone-fuzz-XXXXXX", path[64];
    hone_model *m = NULL;
    hone_error err;
    if (!mkdtemp(folder)) abort();
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(json, 1, sizeof json - 1, f) != sizeof json - 1) abort();
    fclose(f);
    if (hone_model_open(&m, path, HONE_OPEN_TEXT_ONLY, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    unlink(path);
    rmdir(folder);
    return m;
}

/* The answer of every choice is the body itself, in pieces. */
static void answer(const hone_server *s, const dialect *d, const ask *a,
                   const char *text, size_t len)
{
    static const float vector[2] = {1, 0};
    const hone_request_stats stats = {.n_reused = 1};
    api_error e;
    reply r;
    if (!hone_reply_init(&r, d, a, s, &e)) return;
    for (size_t i = 0; i < a->n_prompt && i < 8; i++) {
        hone_reply_start(&r, i, &stats);
        if (a->request.embed) {
            hone_reply_embedding(&r, i, vector, 2);
            continue;
        }
        for (int k = 0; k < r.n_answer && k < 4; k++) {
            const hone_piece p = {.id = 4, .text = text, .len = len / 2};
            const hone_piece rest = {
                .id = 5, .text = text + len / 2, .len = len - len / 2};
            hone_reply_piece(&r, i, k, &p);
            hone_reply_piece(&r, i, k, &rest);
            hone_reply_answer(&r, i, k, HONE_FINISH_STOP, NULL, 2);
        }
    }
    if (len % 7 == 0 && a->stream) {
        hone_api_fail(&e, 500, "server_error", NULL, "no more");
        hone_reply_fail(&r, &e);
    } else {
        hone_reply_end(&r);
    }
    if (!a->stream && !r.failed) {
        json_t *v = json_loadb(r.out.data, r.out.len, JSON_ALLOW_NUL, NULL);
        if (!v) abort(); /* a reply is JSON */
        json_decref(v);
    }
    hone_reply_release(&r);
}

static void note(void *ctx, split_event e, const char *text, size_t len)
{
    hone_buf *b = ctx;
    if (e != SPLIT_ARGUMENTS) hone_buf_append_char(b, (char)('0' + (int)e));
    hone_buf_append(b, text, len);
}

/* Text and reasoning come in pieces: their marks are left out. */
static void note_joined(void *ctx, split_event e, const char *text, size_t len)
{
    if (e == SPLIT_TEXT || e == SPLIT_REASONING)
        hone_buf_append(ctx, text, len);
    else
        note(ctx, e, text, len);
}

/* Every style of call; `how` chooses one, what stands before the answer, and the cut. */
static void split(const char *text, size_t len, unsigned how)
{
    static const char *const templates[] = {"<tool_call>",
                                            "[TOOL_CALLS]",
                                            "<|python_tag|>",
                                            "",
                                            "[TOOL_CALLS][ARGS]",
                                            "[TOOL_CALLS][CALL_ID][ARGS]",
                                            "<function=",
                                            "<tool_calls>[",
                                            "<tool_calls>",
                                            "<TOOLCALL>",
                                            "<|tool_call|>",
                                            "<tool_call><function=<parameter=",
                                            "<seed:tool_call><parameter="};
    static const char functions[] =
        "[{\"function\":{\"name\":\"f\"}},{\"function\":{\"name\":\"fg\","
        "\"parameters\":{\"properties\":{\"s\":{\"type\":\"string\"},\"n\":{\"type\":"
        "\"integer\"},\"m\":{\"type\":[\"string\",\"boolean\",\"null\"]}}}}}]";
    static const char *const thoughts[] = {"<think>", "[THINK]", "<|START_THINKING|>"};
    const size_t n = sizeof templates / sizeof *templates;
    json_t *tools = json_loads(functions, 0, NULL);
    const split_options o = {.format = hone_tool_format_find(templates[(how & 15) % n]),
                             .tools = tools,
                             .marked = how >> 4 & 1,
                             .thinking = (split_thinking)((how >> 5) % 3),
                             .think = hone_think_format_find(thoughts[(how >> 5) / 3])};
    hone_buf out[3]; /* whole, in pieces, byte by byte */
    const size_t step[] = {len + 1, how % (len + 1) + 1, 1};
    for (int k = 0; k < 3; k++) {
        answer_split s;
        hone_buf_init(&out[k], 1 << 22);
        hone_split_init(&s, &o, note_joined, &out[k]);
        for (size_t at = 0; at < len; at += step[k])
            hone_split_push(&s, text + at, len - at < step[k] ? len - at : step[k]);
        hone_split_finish(&s);
        hone_split_release(&s);
        if (out[k].len != out[0].len || memcmp(out[k].data, out[0].data, out[0].len))
            abort();
    }
    for (int k = 0; k < 3; k++)
        hone_buf_release(&out[k]);
    json_decref(tools);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const dialect *const dialects[] = {
        &hone_dialect_chat, &hone_dialect_completion, &hone_dialect_responses,
        &hone_dialect_messages, &hone_dialect_embeddings};
    static hone_server s;
    api_error e;
    ask a;
    if (size < 2) return 0;
    if (!s.model) {
        s = (hone_server){.model = open_model(),
                          .name = "m",
                          .engine_info = {.n_ctx = 4096},
                          .options = {.chat_template = TEMPLATE}};
        s.tokenizer = hone_model_tokenizer(s.model);
    }
    const char *body = (const char *)data + 1;
    const unsigned which = data[0] % 6u;
    if (which == 5) {
        split(body + 1, size - 2, data[1]);
        return 0;
    }
    if (!dialects[which]->ask(&a, &s, body, size - 1, &e)) {
        if (e.status < 400 || e.status >= 500)
            abort(); /* a client's mistake is no 500 */
        return 0;
    }
    answer(&s, dialects[which], &a, body, size - 1);
    hone_ask_release(&a);
    return 0;
}
