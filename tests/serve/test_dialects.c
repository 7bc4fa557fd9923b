/* test_dialects.c - replies byte for byte, streamed and whole, as the protocols' documents
 * order them; ids and times are masked. */
#include "fake.h"

#include <math.h>

#include "serve/wire.h"

/* The reply with ids of 24 characters as '*' and times as 0. */
static char *masked(const http_exchange *x)
{
    static char out[1 << 16];
    size_t n = 0;
    for (const char *p = x->out.data; *p && n + 1 < sizeof out;) {
        size_t run = 0;
        while ((p[run] >= 'a' && p[run] <= 'z') || (p[run] >= '0' && p[run] <= '9'))
            run++;
        if (run == 24) {
            out[n++] = '*';
            p += run;
        } else if (run == 10 && strspn(p, "0123456789") == 10) {
            out[n++] = '0';
            p += run;
        } else if (run) {
            memcpy(out + n, p, run);
            n += run;
            p += run;
        } else {
            out[n++] = *p++;
        }
    }
    out[n] = 0;
    return out;
}

static void check_reply(const http_exchange *x, const char *want)
{
    const char *got = masked(x);
    size_t i = 0;
    assert_true(x->ended);
    while (got[i] && got[i] == want[i])
        i++;
    if (got[i] != want[i])
        fail_msg("at %zu:\n%s\nexpected\n%s\nthe whole:\n%s", i, got + i, want + i,
                 got);
}

#define M "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define F "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"

/* An answer of these pieces, then the end. */
static void play_pieces(const char *const *text, size_t n, hone_finish finish,
                        size_t prompt_reused)
{
    fake_start(0, prompt_reused);
    for (size_t i = 0; i < n; i++) {
        fake_piece(0, 0, (int32_t)i + 10, text[i]);
        fake_loop();
    }
    fake_answer(0, 0, finish, NULL, n);
    fake_end(0, HONE_OK, NULL);
    fake_loop();
}
#define PLAY(text, finish, reused)                                                     \
    play_pieces(text, sizeof(text) / sizeof *(text), finish, reused)

/* Reasoning, text in two pieces, a call. */
static void play(hone_finish finish, size_t prompt_reused)
{
    static const char *const text[] = {"<think>",
                                       "hm</think>\n\n",
                                       "a \xC3\xA9",
                                       "b",
                                       "\n<tool_",
                                       "call>{\"name\":\"f\",",
                                       "\"arguments\":{\"x\":",
                                       "1}}</tool_call>"};
    PLAY(text, finish, prompt_reused);
}

#define THINKING "{# <think> <tool_call> tools #}" FAKE_TEMPLATE

#define CHUNK_OF(x, usage)                                                             \
    "data: {\"id\":\"chatcmpl-*\",\"object\":\"chat.completion.chunk\",\"created\":0," \
    "\"model\":\"tiny\",\"choices\":[{\"index\":0,\"delta\":{" x                       \
    "},\"logprobs\":null,\"finish_reason\":null}]" usage "}\n\n"
#define CHUNK(x) CHUNK_OF(x, ",\"usage\":null")

static void chat_streams_role_deltas_finish_usage_done(void **state)
{
    hone_server s = fake_server(THINKING);
    (void)state;
    http_exchange *x = fake_post(&s, "/v1/chat/completions",
                                 "{" M "," F ",\"stream\":true,\"stream_options\":{"
                                 "\"include_usage\":true}}");
    const size_t n_prompt = fake.request[0].request.n_prompt;
    play(HONE_FINISH_STOP, 3);
    assert_string_equal(x->type, "text/event-stream");
    assert_true(n_prompt > 9 && n_prompt < 100);
    char want[8192];
    snprintf(
        want, sizeof want,
        CHUNK("\"role\":\"assistant\",\"content\":\"\"") CHUNK(
            "\"reasoning_content\":\"hm\"") CHUNK("\"content\":\"a \xC3\xA9\"")
            CHUNK("\"content\":\"b\"") CHUNK(
                "\"tool_calls\":[{\"index\":0,\"id\":\"call_"
                "*\",\"type\":\"function\","
                "\"function\":{\"name\":\"f\",\"arguments\":"
                "\"\"}}]") CHUNK("\"tool_calls\":[{"
                                 "\"index\":0,\"function\":{"
                                 "\"arguments\":\"{"
                                 "\\\"x\\\":\"}}]")
                CHUNK(
                    "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}"
                    "]") "data: "
                         "{\"id\":\"chatcmpl-*\",\"object\":\"chat.completion.chunk\","
                         "\"created\":0,"
                         "\"model\":\"tiny\",\"choices\":[{\"index\":0,\"delta\":{},"
                         "\"logprobs\":null,"
                         "\"finish_reason\":\"tool_calls\"}],\"usage\":null}\n\n"
                         "data: "
                         "{\"id\":\"chatcmpl-*\",\"object\":\"chat.completion.chunk\","
                         "\"created\":0,"
                         "\"model\":\"tiny\",\"choices\":[],\"usage\":{\"prompt_"
                         "tokens\":%zu,"
                         "\"completion_tokens\":8,\"total_tokens\":%zu,\"prompt_tokens_"
                         "details\":{"
                         "\"cached_tokens\":3},\"completion_tokens_details\":{"
                         "\"reasoning_tokens\":1}}}"
                         "\n\ndata: [DONE]\n\n",
        n_prompt, n_prompt + 8);
    check_reply(x, want);
    fake_free(x);
    fake_server_release(&s);
}

/* Values between tags come out as pieces of one JSON object. */
static void chat_streams_tagged_arguments_as_json(void **state)
{
    static const char *const text[] = {"<tool_call>\n<function=",
                                       "f>\n<parameter=s>\na",
                                       "\"b\n",
                                       "</parameter>\n<parameter=n>\n",
                                       "2\n</parameter>\n",
                                       "</function>\n</tool_call>"};
    hone_server s =
        fake_server("{# <tool_call> <function= <parameter= tools #}" FAKE_TEMPLATE);
    (void)state;
    http_exchange *x = fake_post(
        &s, "/v1/chat/completions",
        "{" M ",\"stream\":true,\"tools\":[{\"type\":\"function\",\"function\":{"
        "\"name\":\"f\",\"parameters\":{\"properties\":{\"s\":{\"type\":\"string\"}}"
        "}}}]}");
    PLAY(text, HONE_FINISH_STOP, 0);
#define ARGS(s)                                                                        \
    CHUNK_OF("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"" s "\"}}]",  \
             "")
    check_reply(
        x, CHUNK_OF("\"role\":\"assistant\",\"content\":\"\"", "")
               CHUNK_OF("\"tool_calls\":[{\"index\":0,\"id\":\"call_*\",\"type\":"
                        "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\""
                        "}}]",
                        "") ARGS("{\\\"s\\\": \\\"") ARGS("a") ARGS("\\\\\\\"b")
                   ARGS("\\\"") ARGS(", \\\"n\\\": ") ARGS("2")
                       ARGS("}") "data: {\"id\":\"chatcmpl-*\",\"object\":"
                                 "\"chat.completion.chunk\",\"created\":0,\"model\":"
                                 "\"tiny\",\"choices\":[{\"index\":0,\"delta\":{},"
                                 "\"logprobs\":null,\"finish_reason\":"
                                 "\"tool_calls\"}]}\n\ndata: [DONE]\n\n");
#undef ARGS
    fake_free(x);
    fake_server_release(&s);
}

static void chat_whole_says_the_same(void **state)
{
    hone_server s = fake_server(THINKING);
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        fake.n_request = 0;
        http_exchange *x = fake_post(&s, "/v1/chat/completions", "{" M "," F "}");
        const size_t n = fake.request[0].request.n_prompt;
        play(cut ? HONE_FINISH_LENGTH : HONE_FINISH_STOP, 0);
        assert_string_equal(x->type, "application/json");
        char want[4096];
        snprintf(
            want, sizeof want,
            "{\"id\":\"chatcmpl-*\",\"object\":\"chat.completion\",\"created\":0,"
            "\"model\":\"tiny\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
            "\"assistant\",\"content\":\"a \xC3\xA9"
            "b\",\"refusal\":null,"
            "\"reasoning_content\":\"hm\",\"tool_calls\":[{\"id\":\"call_*\",\"type\":"
            "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\""
            "}}]},\"logprobs\":null,\"finish_reason\":\"%s\"}],\"usage\":{"
            "\"prompt_tokens\":%zu,\"completion_tokens\":8,\"total_tokens\":%zu,"
            "\"prompt_tokens_details\":{\"cached_tokens\":0},"
            "\"completion_tokens_details\":{\"reasoning_tokens\":1}}}",
            cut ? "length" : "tool_calls", n, n + 8); /* a cut is never hidden */
        check_reply(x, want);
        fake_free(x);
    }
    fake_server_release(&s);
}

static void chat_reads_bracket_marks(void **state)
{
    static const char *const inside[] = {"hm [/TH", "INK]\n", "[TOOL_CALLS]f",
                                         "[ARGS]{}"};
    static const char *const outside[] = {"[THI", "NK]hm", "[/THINK][TOOL", "_CALLS]f",
                                          "[ARGS]{}"};
    hone_server s =
        fake_server("{# [TOOL_CALLS] [ARGS] [THINK] tools #}" FAKE_TEMPLATE);
    (void)state;
    for (int open = 0; open < 2; open++) {
        fake.n_request = 0;
        if (open)
            s.options.chat_template =
                "{# [TOOL_CALLS] [ARGS] tools #}" FAKE_TEMPLATE "[THINK]";
        http_exchange *x = fake_post(&s, "/v1/chat/completions", "{" M "," F "}");
        if (open)
            PLAY(inside, HONE_FINISH_STOP, 0);
        else
            PLAY(outside, HONE_FINISH_STOP, 0);
        static const char want[] =
            "\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":null,"
            "\"reasoning_content\":\"hm\",\"tool_calls\":[{\"id\":\"call_*\",\"type\":"
            "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}";
        const char *got = masked(x);
        if (!strstr(got, want)) fail_msg("%s\nexpected\n%s", got, want);
        fake_free(x);
    }
    fake_server_release(&s);
}

static void answers_and_prompts_have_an_index_each(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    http_exchange *x = fake_post(&s, "/v1/completions",
                                 "{\"prompt\":[[5],[6]],\"n\":2,\"max_tokens\":1}");
    assert_int_equal(fake.n_request, 2);
    static const char *const text[] = {"p", "q", "r", "s"};
    for (size_t i = 2; i-- > 0;) { /* the second one is done first */
        fake_start(i, 0);
        for (int k = 2; k-- > 0;) {
            fake_piece(i, k, 20, text[i * 2 + (size_t)k]);
            fake_answer(i, k, HONE_FINISH_LENGTH, NULL, 1);
        }
        fake_end(i, HONE_OK, NULL);
        fake_loop();
    }
    check_reply(
        x,
        "{\"id\":\"cmpl-*\",\"object\":\"text_completion\",\"created\":0,\"model\":"
        "\"tiny\",\"choices\":["
        "{\"text\":\"p\",\"index\":0,\"logprobs\":null,\"finish_reason\":\"length\"},"
        "{\"text\":\"q\",\"index\":1,\"logprobs\":null,\"finish_reason\":\"length\"},"
        "{\"text\":\"r\",\"index\":2,\"logprobs\":null,\"finish_reason\":\"length\"},"
        "{\"text\":\"s\",\"index\":3,\"logprobs\":null,\"finish_reason\":\"length\"}],"
        "\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":4,\"total_tokens\":6,"
        "\"prompt_tokens_details\":{\"cached_tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":0}}}");
    fake_free(x);
    fake_server_release(&s);
}

/* The id of a one-byte token. */
static int32_t token(const hone_server *s, const char *text)
{
    const int32_t id = hone_tokenizer_find(s->tokenizer, text, strlen(text));
    assert_true(id >= 0);
    return id;
}

/* What loglikelihood over HTTP needs: the prompt's tokens first, the first one without a
 * probability. */
static void echo_has_logprobs_of_the_prompt(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    const int32_t a = token(&s, "a"), b = token(&s, "b"), c = token(&s, "c");
    char body[200], want[2048];
    snprintf(body, sizeof body,
             "{\"prompt\":[%d,%d],\"echo\":true,\"logprobs\":1,\"max_tokens\":1}", a,
             b);
    http_exchange *x = fake_post(&s, "/v1/completions", body);
    fake_start(0, 0);
    const hone_logprob top[] = {{c, -0.25f}};
    const hone_piece prompt = {
        .id = b, .text = "", .logprob = -20000.0f, .top = top, .n_top = 1};
    fake_event(
        0, (hone_event){.kind = HONE_EVENT_PROMPT, .position = 1, .piece = &prompt}, 0);
    const hone_piece p = {
        .id = c, .text = "c", .len = 1, .logprob = -0.25f, .top = top, .n_top = 1};
    fake_event(0, (hone_event){.kind = HONE_EVENT_PIECE, .piece = &p}, 0);
    fake_answer(0, 0, HONE_FINISH_LENGTH, NULL, 1);
    fake_end(0, HONE_OK, NULL);
    fake_loop();
    snprintf(
        want, sizeof want,
        "{\"id\":\"cmpl-*\",\"object\":\"text_completion\",\"created\":0,\"model\":"
        "\"tiny\",\"choices\":[{\"text\":\"abc\",\"index\":0,\"logprobs\":{\"tokens\":["
        "\"a\",\"b\",\"c\"],\"token_logprobs\":[null,-9999.0,-0.25],\"top_logprobs\":["
        "null,{\"c\":-0.25,\"b\":-9999.0},{\"c\":-0.25}],\"text_offset\":[0,1,2],"
        "\"token_ids\":[%d,%d,%d]},\"finish_reason\":\"length\"}],\"usage\":{"
        "\"prompt_tokens\":2,\"completion_tokens\":1,\"total_tokens\":3,"
        "\"prompt_tokens_details\":{\"cached_tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":0}}}",
        a, b, c);
    check_reply(x, want);
    fake_free(x);
    fake_server_release(&s);
}

static void chat_logprobs_carry_bytes(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    const int32_t a = token(&s, "a");
    http_exchange *x =
        fake_post(&s, "/v1/chat/completions",
                  "{" M ",\"stream\":true,\"logprobs\":true,\"top_logprobs\":2}");
    fake_start(0, 0);
    fake_piece(0, 0, a, ""); /* its text is still open */
    fake_piece(0, 0, a, "aa");
    fake_answer(0, 0, HONE_FINISH_STOP, NULL, 2);
    fake_end(0, HONE_OK, NULL);
    fake_loop();
    const char *got = masked(x);
    size_t len;
    const char *five = hone_tokenizer_bytes(s.tokenizer, 5, &len);
    char one[400], want[1000];
    hone_buf quoted;
    hone_buf_init(&quoted, 1000);
    hone_buf_printf(&quoted, "{\"token\":\"%.*s\",\"logprob\":-1.5,\"bytes\":[",
                    (int)len, five);
    for (size_t i = 0; i < len; i++)
        hone_buf_printf(&quoted, i ? ",%d" : "%d", (unsigned char)five[i]);
    snprintf(one, sizeof one,
             "{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":[97],\"top_logprobs\":[{"
             "\"token\":\"a\",\"logprob\":-0.5,\"bytes\":[97]},%s]}]}",
             quoted.data);
    snprintf(
        want, sizeof want,
        "\"delta\":{\"content\":\"aa\"},\"logprobs\":{\"content\":[%s,%s],\"refusal\":"
        "null},\"finish_reason\":null",
        one, one);
    if (!strstr(got, want)) fail_msg("%s\nexpected\n%s", got, want);
    hone_buf_release(&quoted);
    fake_free(x);
    fake_server_release(&s);
}

static void messages_stream_blocks(void **state)
{
    hone_server s = fake_server(THINKING);
    (void)state;
    http_exchange *x = fake_post(
        &s, "/v1/messages",
        "{\"model\":\"tiny\",\"max_tokens\":9,\"stream\":true," M
        ",\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}]}");
    const size_t n = fake.request[0].request.n_prompt - 3;
    play(HONE_FINISH_STOP, 3);
    char want[8192];
    snprintf(
        want, sizeof want,
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":"
        "\"msg_*\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"tiny\","
        "\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{"
        "\"input_tokens\":%zu,\"cache_creation_input_tokens\":0,"
        "\"cache_read_input_tokens\":3,\"output_tokens\":0}}}\n\n"
        "event: ping\ndata: {\"type\":\"ping\"}\n\n"
        "event: content_block_start\ndata: "
        "{\"type\":\"content_block_start\",\"index\":0,"
        "\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"
        "}\n\n"
        "event: content_block_delta\ndata: "
        "{\"type\":\"content_block_delta\",\"index\":0,"
        "\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\n"
        "event: content_block_delta\ndata: "
        "{\"type\":\"content_block_delta\",\"index\":0,"
        "\"delta\":{\"type\":\"signature_delta\",\"signature\":\"\"}}\n\n"
        "event: content_block_stop\ndata: "
        "{\"type\":\"content_block_stop\",\"index\":0}\n\n"
        "event: content_block_start\ndata: "
        "{\"type\":\"content_block_start\",\"index\":1,"
        "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
        "event: content_block_delta\ndata: "
        "{\"type\":\"content_block_delta\",\"index\":1,"
        "\"delta\":{\"type\":\"text_delta\",\"text\":\"a \xC3\xA9\"}}\n\n"
        "event: content_block_delta\ndata: "
        "{\"type\":\"content_block_delta\",\"index\":1,"
        "\"delta\":{\"type\":\"text_delta\",\"text\":\"b\"}}\n\n"
        "event: content_block_stop\ndata: "
        "{\"type\":\"content_block_stop\",\"index\":1}\n\n"
        "event: content_block_start\ndata: "
        "{\"type\":\"content_block_start\",\"index\":2,"
        "\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_*\",\"name\":\"f\","
        "\"input\":{}}}\n\n"
        "event: content_block_delta\ndata: "
        "{\"type\":\"content_block_delta\",\"index\":2,"
        "\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"x\\\":\"}}"
        "\n\n"
        "event: content_block_delta\ndata: "
        "{\"type\":\"content_block_delta\",\"index\":2,"
        "\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"1}\"}}\n\n"
        "event: content_block_stop\ndata: "
        "{\"type\":\"content_block_stop\",\"index\":2}\n\n"
        "event: message_delta\ndata: "
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
        "\"tool_use\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":%zu,"
        "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":3,"
        "\"output_tokens\":8}}\n\n"
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        n, n);
    check_reply(x, want);
    fake_free(x);
    fake_server_release(&s);
}

static void messages_name_the_stop_sequence(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    http_exchange *x = fake_post(
        &s, "/v1/messages", "{\"max_tokens\":9," M ",\"stop_sequences\":[\"END\"]}");
    const size_t n = fake.request[0].request.n_prompt;
    assert_string_equal(fake.request[0].request.generate.stop[0], "END");
    fake_start(0, 0);
    fake_piece(0, 0, 9, "ok ");
    fake_answer(0, 0, HONE_FINISH_STOP, "END", 3);
    fake_end(0, HONE_OK, NULL);
    fake_loop();
    char want[1000];
    snprintf(
        want, sizeof want,
        "{\"id\":\"msg_*\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
        "\"tiny\",\"content\":[{\"type\":\"text\",\"text\":\"ok \"}],\"stop_reason\":"
        "\"stop_sequence\",\"stop_sequence\":\"END\",\"usage\":{\"input_tokens\":%zu,"
        "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
        "\"output_tokens\":3}}",
        n);
    check_reply(x, want);
    fake_free(x);
    fake_server_release(&s);
}

/* Names of the events of a stream, one a line; their numbers must grow by one. */
static void event_names(const char *stream, char *out, size_t cap)
{
    size_t n = 0, number = 0;
    for (const char *p = stream; (p = strstr(p, "event: ")); p++) {
        const size_t len = strcspn(p + 7, "\n");
        char want[200];
        snprintf(want, sizeof want,
                 "\ndata: {\"type\":\"%.*s\",\"sequence_number\":%zu,", (int)len, p + 7,
                 number++);
        if (strncmp(p + 7 + len, want, strlen(want)) != 0)
            fail_msg("%.300s\nexpected %s", p, want);
        n += (size_t)snprintf(out + n, cap - n, "%.*s\n", (int)len, p + 7);
    }
}

static void responses_stream_numbered_events(void **state)
{
    hone_server s = fake_server(THINKING);
    (void)state;
    http_exchange *x = fake_post(
        &s, "/v1/responses",
        "{\"model\":\"tiny\",\"input\":\"Hi\",\"stream\":true,\"tools\":[{\"type\":"
        "\"function\",\"name\":\"f\",\"parameters\":{}}]}");
    play(HONE_FINISH_STOP, 0);
    const char *got = masked(x);
    char names[4096];
    event_names(got, names, sizeof names);
    assert_string_equal(
        names, "response.created\nresponse.in_progress\n"
               "response.output_item.added\nresponse.content_part.added\n"
               "response.reasoning_text.delta\nresponse.reasoning_text.done\n"
               "response.content_part.done\nresponse.output_item.done\n"
               "response.output_item.added\nresponse.content_part.added\n"
               "response.output_text.delta\nresponse.output_text.delta\n"
               "response.output_text.done\nresponse.content_part.done\n"
               "response.output_item.done\nresponse.output_item.added\n"
               "response.function_call_arguments.delta\nresponse.function_call_"
               "arguments.delta\n"
               "response.function_call_arguments.done\nresponse.output_item.done\n"
               "response.completed\n");
    static const char *const parts[] = {
        "\"item_id\":\"msg_*\",\"output_index\":1,\"content_index\":0,\"delta\":\"b\","
        "\"logprobs\":[]}",
        "\"output_index\":2,\"item\":{\"id\":\"fc_*\",\"type\":\"function_call\","
        "\"call_id\":"
        "\"call_*\",\"status\":\"in_progress\",\"name\":\"f\",\"arguments\":\"\"}}",
        "\"item_id\":\"fc_*\",\"output_index\":2,\"name\":\"f\",\"arguments\":\"{"
        "\\\"x\\\":"
        "1}\"}",
        "\"output\":[{\"id\":\"rs_*\",\"type\":\"reasoning\",\"status\":\"completed\","
        "\"summary\":[],\"content\":[{\"type\":\"reasoning_text\",\"text\":\"hm\"}]},"
        "{\"id\":\"msg_*\",\"type\":\"message\",\"status\":\"completed\",\"role\":"
        "\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"a \xC3\xA9"
        "b\","
        "\"annotations\":[],\"logprobs\":[]}]},{\"id\":\"fc_*\",\"type\":"
        "\"function_call\",\"call_id\":\"call_*\",\"status\":\"completed\",\"name\":"
        "\"f\","
        "\"arguments\":\"{\\\"x\\\":1}\"}],\"usage\":{"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!strstr(got, parts[i])) fail_msg("no %s in\n%s", parts[i], got);
    }
    assert_null(strstr(got, "[DONE]"));
    fake_free(x);
    fake_server_release(&s);
}

static void responses_that_were_cut_are_incomplete(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        fake.n_request = 0;
        http_exchange *x = fake_post(&s, "/v1/responses",
                                     stream ? "{\"input\":\"Hi\",\"stream\":true}"
                                            : "{\"input\":\"Hi\"}");
        fake_start(0, 0);
        fake_piece(0, 0, 9, "ok");
        fake_answer(0, 0, HONE_FINISH_LENGTH, NULL, 1);
        fake_end(0, HONE_OK, NULL);
        fake_loop();
        const char *got = masked(x);
        assert_non_null(strstr(got, "\"status\":\"incomplete\",\"background\""));
        assert_non_null(
            strstr(got, "\"incomplete_details\":{\"reason\":\"max_output_tokens\"}"));
        assert_true(!strstr(got, "event: response.incomplete") == !stream);
        assert_null(strstr(got, "response.completed"));
        fake_free(x);
    }
    fake_server_release(&s);
}

static void embeddings_are_floats_or_base64(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    for (int base64 = 0; base64 < 2; base64++) {
        fake.n_request = 0;
        http_exchange *x =
            fake_post(&s, "/v1/embeddings",
                      base64 ? "{\"input\":[[5],[6]],\"encoding_format\":\"base64\"}"
                             : "{\"input\":[[5],[6]]}");
        const float v[2][2] = {{0.5f, -2.0f}, {1.0f, 0.0f}};
        assert_int_equal(fake.request[1].request.embed, HONE_POOLING_MEAN);
        for (size_t i = 2; i-- > 0;) {
            fake_start(i, 0);
            fake_event(i,
                       (hone_event){.kind = HONE_EVENT_EMBEDDING,
                                    .embedding = v[i],
                                    .n_embedding = 2},
                       0);
            fake_end(i, HONE_OK, NULL);
        }
        fake_loop();
        /* 0.5 is 3f000000, -2 is c0000000, 1 is 3f800000 */
        check_reply(
            x, base64 ? "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\","
                        "\"index\":0,\"embedding\":\"AAAAPwAAAMA=\"},{\"object\":"
                        "\"embedding\",\"index\":1,\"embedding\":\"AACAPwAAAAA=\"}],"
                        "\"model\":\"tiny\",\"usage\":{\"prompt_tokens\":2,"
                        "\"total_tokens\":2}}"
                      : "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\","
                        "\"index\":0,\"embedding\":[0.5,-2]},{\"object\":"
                        "\"embedding\",\"index\":1,\"embedding\":[1,0]}],\"model\":"
                        "\"tiny\",\"usage\":{\"prompt_tokens\":2,\"total_tokens\":2}}");
        fake_free(x);
    }
    fake_server_release(&s);
}

/* -- trouble ----------------------------------------------------------------------- */

static void a_full_queue_is_429(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    fake.room = 1; /* of two prompts the second is refused: the first is cancelled */
    http_exchange *x =
        fake_post(&s, "/v1/completions", "{\"prompt\":[[5],[6]],\"stream\":true}");
    assert_int_equal(x->status, 429);
    assert_string_equal(x->retry, "1");
    assert_non_null(strstr(x->out.data, "\"type\":\"rate_limit_error\",\"param\":null,"
                                        "\"code\":\"queue_full\""));
    assert_true(fake.request[0].cancelled);
    fake_end(0, HONE_E_CANCELLED, "gone");
    fake_loop();
    fake_free(x);
    fake.n_request = 0;
    fake.refuse = HONE_E_CANCELLED;
    x = fake_post(&s, "/v1/messages", "{\"max_tokens\":1," M "}");
    assert_int_equal(x->status, 503);
    assert_non_null(strstr(x->out.data, "{\"type\":\"error\",\"error\":{\"type\":"
                                        "\"overloaded_error\""));
    fake_free(x);
    fake_server_release(&s);
}

static void errors_reach_streams_that_have_begun(void **state)
{
    static const char *const bodies[][2] = {
        {"/v1/chat/completions", "{" M ",\"stream\":true}"},
        {"/v1/completions", "{\"prompt\":[5],\"stream\":true}"},
        {"/v1/messages", "{\"max_tokens\":1," M ",\"stream\":true}"},
        {"/v1/responses", "{\"input\":\"Hi\",\"stream\":true}"}};
    static const char *const want[] = {
        "data: {\"error\":{\"message\":\"no "
        "page\",\"type\":\"server_error\",\"param\":null,"
        "\"code\":\"server_error\"}}\n\n",
        "data: {\"error\":{\"message\":\"no "
        "page\",\"type\":\"server_error\",\"param\":null,"
        "\"code\":\"server_error\"}}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\","
        "\"message\":\"no page\"}}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"sequence_number\":2,\"code\":"
        "\"server_error\",\"message\":\"no page\",\"param\":null}\n\n"};
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        fake.n_request = 0;
        http_exchange *x = fake_post(&s, bodies[i][0], bodies[i][1]);
        fake_start(0, 0);
        fake_end(0, HONE_E_NOMEM, "no page");
        fake_loop();
        assert_true(x->ended);
        if (!strstr(x->out.data, want[i])) fail_msg("%s", x->out.data);
        assert_null(strstr(x->out.data, "[DONE]"));
        fake_free(x);
    }
    fake_server_release(&s);
}

static void a_client_that_leaves_cancels(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    http_exchange *x =
        fake_post(&s, "/v1/completions", "{\"prompt\":[[5],[6]],\"stream\":true}");
    fake_start(0, 0);
    fake_loop();
    x->watch.full(x->watch.ctx, x, true);
    assert_true(fake.request[0].paused && fake.request[1].paused);
    x->watch.full(x->watch.ctx, x, false);
    assert_false(fake.request[0].paused);
    x->watch.gone(x->watch.ctx, x);
    assert_true(fake.request[0].cancelled && fake.request[1].cancelled);
    fake_end(0, HONE_E_CANCELLED, "gone");
    fake_end(1, HONE_E_CANCELLED, "gone");
    fake_loop();
    assert_true(x->ended);
    fake_free(x);
    fake_server_release(&s);
}

static void stop_tokens_end_an_answer(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    http_exchange *x =
        fake_post(&s, "/v1/completions",
                  "{\"prompt\":[5],\"stop_token_ids\":[7],\"max_tokens\":9}");
    fake_start(0, 0);
    fake_piece(0, 0, 6, "a");
    fake_piece(0, 0, 7, "b");
    fake_loop();
    assert_true(fake.request[0].cancelled);
    fake_piece(0, 0, 6, "c");
    fake_end(0, HONE_E_CANCELLED, "cancelled");
    fake_loop();
    assert_int_equal(x->status, 200);
    assert_non_null(strstr(x->out.data, "\"text\":\"a\",\"index\":0,\"logprobs\":null,"
                                        "\"finish_reason\":\"stop\""));
    fake_free(x);
    fake_server_release(&s);
}

static void models_and_tokens_have_their_shapes(void **state)
{
    char name[] = "poet", path[] = "p";
    server_adapter adapter = {name, path};
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    s.adapter = &adapter;
    s.n_adapter = 1;
    http_exchange *x = fake_post(&s, "/v1/models/poet", "");
    check_reply(
        x, "{\"id\":\"poet\",\"object\":\"model\",\"created\":0,\"owned_by\":"
           "\"hone\",\"root\":\"poet\",\"parent\":\"tiny\",\"max_model_len\":1000}");
    fake_free(x);
    x = fake_post(&s, "/v1/models/none", "");
    assert_int_equal(x->status, 404);
    fake_free(x);
    const int32_t a = token(&s, "a");
    char body[100], want[200];
    x = fake_post(
        &s, "/tokenize",
        "{\"prompt\":\"a\",\"add_special_tokens\":false,\"return_token_strs\":"
        "true}");
    snprintf(
        want, sizeof want,
        "{\"count\":1,\"max_model_len\":1000,\"tokens\":[%d],\"token_strs\":[\"a\"]}",
        a);
    check_reply(x, want);
    fake_free(x);
    snprintf(body, sizeof body, "{\"tokens\":[%d,%d]}", a, a);
    x = fake_post(&s, "/detokenize", body);
    check_reply(x, "{\"prompt\":\"aa\"}");
    fake_free(x);
    x = fake_post(&s, "/v1/messages/count_tokens", "{" M "}");
    assert_int_equal(strncmp(x->out.data, "{\"input_tokens\":", 16), 0);
    fake_free(x);
    fake_server_release(&s);
}

static void text_on_the_wire_is_json(void **state)
{
    static const struct {
        const char *text, *want;
    } strings[] = {
        {"a\"\\/\n\t\x01\x7F", "\"a\\\"\\\\/\\n\\t\\u0001\\u007f\""},
        {"\xC3\xA9\xF0\x9F\x98\x80", "\"\xC3\xA9\xF0\x9F\x98\x80\""},
        /* one U+FFFD for each maximal invalid prefix (Unicode, table 3-8) */
        {"\xFF"
         "a\xE2\x82",
         "\"\xEF\xBF\xBD"
         "a\xEF\xBF\xBD\""},
        {"\xE2\x82"
         "b",
         "\"\xEF\xBF\xBD"
         "b\""},
    };
    static const struct {
        double x;
        const char *want;
    } numbers[] = {{-0.25, "-0.25"},
                   {-1e300, "-9999.0"},
                   {-2, "-2.0"},
                   {0, "0.0"},
                   {(double)-INFINITY, "-9999.0"},
                   {(double)NAN, "-9999.0"}};
    static const char *const base64[] = {"", "AA==", "AAA=", "AAAA", "AAAAAA=="};
    hone_buf b;
    (void)state;
    hone_buf_init(&b, 1000);
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        hone_buf_reset(&b);
        hone_put_string(&b, strings[i].text, strlen(strings[i].text));
        assert_string_equal(b.data, strings[i].want);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        hone_buf_reset(&b);
        hone_put_logprob(&b, numbers[i].x);
        assert_string_equal(b.data, numbers[i].want);
    }
    for (size_t i = 0; i < sizeof base64 / sizeof *base64; i++) {
        hone_buf_reset(&b);
        hone_put_base64(&b, "\0\0\0\0", i);
        assert_string_equal(b.data, base64[i]);
    }
    hone_buf_release(&b);
}

static void a_trace_tells_what_happened(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    const int32_t a = token(&s, "a"), c = token(&s, "c");
    char body[100], want[2048];
    http_exchange *x = fake_post(&s, "/trace/req-1", "");
    assert_int_equal(x->status, 404);
    assert_non_null(strstr(x->out.data, "trace_not_found"));
    fake_free(x);
    snprintf(body, sizeof body, "{\"prompt\":[%d,%d],\"max_tokens\":1}", a, c);
    x = calloc(1, sizeof *x);
    x->trace = true;
    (void)fake_go(&s, x, "/v1/completions", body, strlen(body));
    assert_true(fake.request[0].request.trace);
    fake_start(0, 1);
    fake_event(
        0,
        (hone_event){
            .kind = HONE_EVENT_STEP, .n_row = 2, .n_step_row = 5, .step_s = 0.25},
        0);
    const hone_piece p = {.id = c, .text = "c", .len = 1};
    fake_event(0, (hone_event){.kind = HONE_EVENT_PIECE, .piece = &p}, 0);
    fake_answer(0, 0, HONE_FINISH_LENGTH, NULL, 1);
    fake_end(0, HONE_OK, NULL);
    fake_loop();
    assert_true(x->ended);
    fake_free(x);
    x = fake_post(&s, "/trace/req-1", "");
    assert_int_equal(x->status, 200);
    snprintf(want, sizeof want,
             "{\"id\":\"req-1\",\"path\":\"/v1/completions\",\"adapter\":null,"
             "\"prompts\":[{\"text\":\"ac\",\"tokens\":[%d,%d]}],\"events\":[{\"ms\":",
             a, c);
    assert_memory_equal(x->out.data, want, strlen(want));
    static const char *const parts[] = {
        "\"event\":\"start\",\"prompt_tokens\":",
        "\"event\":\"step\",\"answer\":0,\"rows\":2,\"step_rows\":5,\"step_ms\":250."
        "000}",
        "\"event\":\"token\",\"answer\":0,\"id\":",
        "\"event\":\"answer\",\"answer\":0,\"finish\":\"length\",\"stop\":null}",
        "\"event\":\"end\",\"error\":null,",
        "}],\"cut\":false}"};
    const char *at = x->out.data;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        at = strstr(at, parts[i]);
        assert_non_null(at);
    }
    fake_free(x);
    fake_server_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chat_streams_role_deltas_finish_usage_done),
        cmocka_unit_test(chat_streams_tagged_arguments_as_json),
        cmocka_unit_test(chat_whole_says_the_same),
        cmocka_unit_test(chat_reads_bracket_marks),
        cmocka_unit_test(answers_and_prompts_have_an_index_each),
        cmocka_unit_test(echo_has_logprobs_of_the_prompt),
        cmocka_unit_test(chat_logprobs_carry_bytes),
        cmocka_unit_test(messages_stream_blocks),
        cmocka_unit_test(messages_name_the_stop_sequence),
        cmocka_unit_test(responses_stream_numbered_events),
        cmocka_unit_test(responses_that_were_cut_are_incomplete),
        cmocka_unit_test(embeddings_are_floats_or_base64),
        cmocka_unit_test(a_full_queue_is_429),
        cmocka_unit_test(errors_reach_streams_that_have_begun),
        cmocka_unit_test(a_client_that_leaves_cancels),
        cmocka_unit_test(stop_tokens_end_an_answer),
        cmocka_unit_test(text_on_the_wire_is_json),
        cmocka_unit_test(models_and_tokens_have_their_shapes),
        cmocka_unit_test(a_trace_tells_what_happened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
