/* test_api.c - requests that are refused, and what is asked of the scheduler. */
#include "fake.h"

#include <jansson.h>
#include <unistd.h>

/* The reply of a request that is refused at once. */
static void refused(hone_server *s, const char *path, const char *body, size_t len,
                    int status, const char *code, const char *param)
{
    http_exchange *x = fake_send(s, path, body, len);
    if (x->status != status)
        fail_msg("%s: %.200s: status %d, expected %d: %s", path, body, x->status,
                 status, x->out.data);
    assert_string_equal(x->type, "application/json");
    json_t *v = json_loads(x->out.data, 0, NULL);
    const json_t *e = json_object_get(v, "error");
    assert_true(json_is_string(json_object_get(e, "message")));
    assert_true(json_is_string(json_object_get(e, "type")));
    if (strstr(path, "/messages")) {
        assert_string_equal(json_string_value(json_object_get(v, "type")), "error");
    } else {
        const char *got = json_string_value(json_object_get(e, "code"));
        const char *at = json_string_value(json_object_get(e, "param"));
        if (!got || strcmp(got, code) != 0 || !at != !param ||
            (at && strcmp(at, param) != 0))
            fail_msg("%s: %.200s: %s", path, body, x->out.data);
    }
    assert_int_equal(fake.n_request, 0);
    json_decref(v);
    fake_free(x);
}

typedef struct refusal {
    const char *body, *code, *param;
} refusal;

#define M   "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define FN  "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"
#define BAD "invalid_value"
#define TYP "invalid_type"
#define UNS "unsupported_value"

static void mistakes_in_chat_bodies_are_400(void **state)
{
    static const refusal all[] = {
        {"", "invalid_json", NULL},
        {"{", "invalid_json", NULL},
        {"{" M "}x", "invalid_json", NULL},
        {"{\"a\":\"\xFF\"}", "invalid_json", NULL},
        {"[1]", TYP, NULL},
        {"\"text\"", TYP, NULL},
        {"{}", BAD, "messages"},
        {"{\"messages\":[]}", BAD, "messages"},
        {"{\"messages\":{}}", TYP, "messages"},
        {"{\"messages\":[1]}", BAD, "messages[0]"},
        {"{\"messages\":[{\"content\":\"x\"}]}", BAD, "messages[0]"},
        {"{\"messages\":[{\"role\":\"robot\",\"content\":\"x\"}]}", BAD, "messages[0]"},
        {"{\"messages\":[{\"role\":\"user\"}]}", BAD, "messages[0]"},
        {"{\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}", BAD, "messages[0]"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
         "\"image_url\":{\"url\":\"data:\"}}]}]}",
         UNS, "messages[0]"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\"}]}]"
         "}",
         UNS, "messages[0]"},
        {"{" M ",\"stream_options\":{\"include_usage\":true}}", BAD, "stream_options"},
        {"{" M ",\"top_logprobs\":2}", BAD, "top_logprobs"},
        {"{" M ",\"logprobs\":true,\"top_logprobs\":1.5}", TYP, "top_logprobs"},
        {"{" M ",\"logprobs\":true,\"top_logprobs\":21}", BAD, "top_logprobs"},
        {"{" M ",\"tools\":[]}", BAD, "tools"},
        {"{" M ",\"tools\":[{\"type\":\"retrieval\"}]}", UNS, "tools"},
        {"{" M ",\"tools\":[{\"type\":\"function\",\"function\":{}}]}", BAD, "tools"},
        {"{" M ",\"tool_choice\":\"auto\"}", BAD, "tool_choice"},
        {"{" M ",\"tools\":[" FN
         "],\"tool_choice\":{\"type\":\"function\",\"function\":"
         "{\"name\":\"g\"}}}",
         BAD, "tool_choice"},
        {"{" M ",\"tools\":[" FN "],\"tool_choice\":\"maybe\"}", BAD, "tool_choice"},
        {"{" M ",\"tools\":[" FN
         "],\"tool_choice\":{\"type\":\"function\",\"function\":"
         "{\"name\":\"f\"}},\"response_format\":{\"type\":\"json_object\"}}",
         BAD, "tool_choice"},
        {"{" M ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
         "\"parameters\":{\"type\":\"x\"}}}],\"tool_choice\":\"required\"}",
         "invalid_schema", "tools"},
        {"{" M ",\"response_format\":{\"type\":\"json_schema\"}}", BAD,
         "response_format"},
        {"{" M ",\"response_format\":{\"type\":\"yaml\"}}", BAD, "response_format"},
        {"{" M ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
         "{\"schema\":\"text\"}}}",
         TYP, "response_format"},
        {"{" M ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
         "{\"schema\":{\"pattern\":\"(a)\\\\1\",\"type\":\"string\"}}}}",
         "invalid_schema", "response_format"},
        {"{" M ",\"structured_outputs\":{}}", BAD, "structured_outputs"},
        {"{" M ",\"structured_outputs\":{\"regex\":\"a\",\"choice\":[\"b\"]}}", BAD,
         "structured_outputs"},
        {"{" M ",\"structured_outputs\":{\"regex\":\"(\"}}", "invalid_schema",
         "response_format"},
        {"{" M ",\"structured_outputs\":{\"choice\":[]}}", TYP, "structured_outputs"},
        {"{" M ",\"temperature\":-1}", BAD, "temperature"},
        {"{" M ",\"temperature\":2.5}", BAD, "temperature"},
        {"{" M ",\"temperature\":\"hot\"}", TYP, "temperature"},
        {"{" M ",\"top_p\":1.5}", BAD, "top_p"},
        {"{" M ",\"top_p\":-0.1}", BAD, "top_p"},
        {"{" M ",\"max_tokens\":0}", BAD, "max_tokens"},
        {"{" M ",\"max_tokens\":-1}", BAD, "max_tokens"},
        {"{" M ",\"max_completion_tokens\":1.5}", TYP, "max_completion_tokens"},
        {"{" M ",\"max_tokens\":2,\"min_tokens\":3}", BAD, "min_tokens"},
        {"{" M ",\"n\":0}", BAD, "n"},
        {"{" M ",\"n\":129}", BAD, "n"},
        {"{" M ",\"presence_penalty\":3}", BAD, "presence_penalty"},
        {"{" M ",\"logit_bias\":{\"999999\":1}}", BAD, "logit_bias"},
        {"{" M ",\"logit_bias\":{\"x\":1}}", BAD, "logit_bias"},
        {"{" M ",\"logit_bias\":{\"3\":101}}", BAD, "logit_bias"},
        {"{" M ",\"stop\":\"\"}", BAD, "stop"},
        {"{" M ",\"stop\":[1]}", TYP, "stop"},
        {"{" M ",\"stop_token_ids\":[-1]}", BAD, "stop_token_ids"},
        {"{" M ",\"stream\":\"yes\"}", TYP, "stream"},
        {"{" M ",\"modalities\":[\"audio\"]}", UNS, "modalities"},
        {"{" M ",\"functions\":[{}]}", UNS, "functions"},
        {"{" M ",\"chat_template\":\"x\"}", UNS, "chat_template"},
        {"{" M ",\"session\":\"a\"}", UNS, "session"},
        {"{" M ",\"continue_final_message\":true,\"add_generation_prompt\":true}", BAD,
         "continue_final_message"},
    };
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        refused(&s, "/v1/chat/completions", all[i].body, strlen(all[i].body), 400,
                all[i].code, all[i].param);
    const char *other = "{" M ",\"model\":\"other\"}";
    refused(&s, "/v1/chat/completions", other, strlen(other), 404, "model_not_found",
            "model");
    fake_server_release(&s);
}

static void mistakes_in_other_bodies_are_400(void **state)
{
    static const struct {
        const char *path;
        refusal r;
    } all[] = {
        {"/v1/completions", {"{}", BAD, "prompt"}},
        {"/v1/completions", {"{\"prompt\":[]}", BAD, "prompt"}},
        {"/v1/completions", {"{\"prompt\":[\"a\",[1]]}", TYP, "prompt"}},
        {"/v1/completions", {"{\"prompt\":[1,\"a\"]}", TYP, "prompt"}},
        {"/v1/completions", {"{\"prompt\":[[1],[]]}", BAD, "prompt"}},
        {"/v1/completions", {"{\"prompt\":[99999]}", BAD, "prompt"}},
        {"/v1/completions", {"{\"prompt\":{\"a\":1}}", TYP, "prompt"}},
        {"/v1/completions", {"{\"prompt\":\"a\",\"best_of\":2}", UNS, "best_of"}},
        {"/v1/completions", {"{\"prompt\":\"a\",\"suffix\":\"b\"}", UNS, "suffix"}},
        {"/v1/completions", {"{\"prompt\":\"a\",\"logprobs\":true}", TYP, "logprobs"}},
        {"/v1/embeddings", {"{}", BAD, "input"}},
        {"/v1/embeddings", {"{\"input\":[\"a\",3]}", TYP, "input"}},
        {"/v1/embeddings", {"{\"input\":\"a\",\"dimensions\":7}", UNS, "dimensions"}},
        {"/v1/embeddings",
         {"{\"input\":\"a\",\"encoding_format\":\"hex\"}", BAD, "encoding_format"}},
        {"/v1/responses", {"{}", TYP, "input"}},
        {"/v1/responses",
         {"{\"input\":\"a\",\"previous_response_id\":\"r\"}", UNS,
          "previous_response_id"}},
        {"/v1/responses", {"{\"input\":\"a\",\"background\":true}", UNS, "background"}},
        {"/v1/responses",
         {"{\"input\":\"a\",\"conversation\":\"c\"}", UNS, "conversation"}},
        {"/v1/responses",
         {"{\"input\":[{\"type\":\"item_reference\",\"id\":\"i\"}]}", BAD, "input[0]"}},
        {"/v1/responses",
         {"{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"}]}]}",
          UNS, "messages[0]"}},
        {"/v1/responses",
         {"{\"input\":\"a\",\"tools\":[{\"type\":\"web_search\"}]}", UNS, "tools"}},
        {"/v1/messages", {"{" M "}", "", ""}},
        {"/v1/messages", {"{\"max_tokens\":5}", "", ""}},
        {"/v1/messages", {"{" M ",\"max_tokens\":5,\"temperature\":1.5}", "", ""}},
        {"/v1/messages",
         {"{\"max_tokens\":5,\"messages\":[{\"role\":\"system\",\"content\":\"x\"}]}",
          "", ""}},
        {"/v1/messages",
         {"{\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
          "\"image\",\"source\":{}}]}]}",
          "", ""}},
        {"/v1/messages",
         {"{" M ",\"max_tokens\":5,\"tool_choice\":{\"type\":\"any\"}}", "", ""}},
        {"/tokenize", {"{\"prompt\":1}", TYP, "prompt"}},
        {"/detokenize", {"{\"tokens\":[-1]}", BAD, "tokens"}},
        {"/detokenize", {"{}", TYP, "tokens"}},
    };
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        refused(&s, all[i].path, all[i].r.body, strlen(all[i].r.body), 400,
                all[i].r.code, all[i].r.param);
    fake_server_release(&s);
}

static void bodies_may_nest_64_levels(void **state)
{
    char body[400];
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    for (int levels = 64; levels <= 65; levels++) {
        const int inner = levels - 1;
        int n = snprintf(body, sizeof body, "{" M ",\"metadata\":");
        memset(body + n, '[', (size_t)inner);
        memset(body + n + inner, ']', (size_t)inner);
        snprintf(body + n + 2 * inner, 2, "}");
        if (levels == 65)
            refused(&s, "/v1/chat/completions", body, strlen(body), 400, "invalid_json",
                    NULL);
    }
    fake_server_release(&s);
}

static void long_prompts_name_both_numbers(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    s.engine_info.n_ctx = 4;
    const char *body = "{\"prompt\":[1,2,3,4]}";
    refused(&s, "/v1/completions", body, strlen(body), 400, "context_length_exceeded",
            "prompt");
    http_exchange *x = fake_post(&s, "/v1/completions", body);
    assert_non_null(strstr(x->out.data, "length is 4 tokens, but the prompt has 4"));
    fake_free(x);
    fake_server_release(&s);
}

/* -- what is submitted ------------------------------------------------------------- */

static void finish_all(void)
{
    for (size_t i = 0; i < fake.n_request; i++) {
        fake_start(i, 0);
        fake_end(i, HONE_OK, NULL);
    }
    fake_loop();
    fake.n_request = 0;
}

/* The prompt of request i as text. */
static char *prompt_text(const hone_server *s, size_t i)
{
    char *text;
    size_t n;
    hone_error err;
    assert_ok(hone_tokenizer_decode(s->tokenizer, fake.request[i].prompt,
                                    fake.request[i].request.n_prompt, 0, &text, &n,
                                    &err));
    return text;
}

static void check_prompt(hone_server *s, const char *path, const char *body,
                         const char *want)
{
    http_exchange *x = fake_post(s, path, body);
    if (fake.n_request != 1) fail_msg("%s: %s", body, x->out.data);
    char *got = prompt_text(s, 0);
    if (strcmp(got, want) != 0) fail_msg("%s:\n%s\nexpected\n%s", body, got, want);
    hone_text_free(got);
    finish_all();
    assert_int_equal(x->status, 200);
    fake_free(x);
}

static void fields_reach_the_scheduler(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    http_exchange *x = fake_post(
        &s, "/v1/chat/completions",
        "{" M ",\"model\":\"tiny\",\"n\":3,\"seed\":4294967303,\"stop\":[\"a\",\"bc\"],"
        "\"temperature\":0,\"top_p\":0.5,\"top_k\":7,\"min_p\":0.1,\"max_tokens\":9,"
        "\"max_completion_tokens\":8,\"min_tokens\":2,\"ignore_eos\":true,"
        "\"presence_penalty\":1,\"frequency_penalty\":-1,\"repetition_penalty\":1.5,"
        "\"logit_bias\":{\"3\":-100,\"4\":2.5},\"logprobs\":true,\"top_logprobs\":5,"
        "\"skip_special_tokens\":false,\"priority\":-3,\"cache_salt\":\"x\","
        "\"user\":\"u\",\"unknown\":{\"a\":[]}}");
    assert_int_equal(fake.n_request, 1);
    const hone_request *r = &fake.request[0].request;
    const hone_generate_options *g = &r->generate;
    assert_int_equal(r->n_answer, 3);
    assert_true(g->sampling.seed == 4294967303u);
    assert_int_equal(g->n_stop, 2);
    assert_string_equal(g->stop[1], "bc");
    assert_true(g->sampling.temperature == 0.0f && g->sampling.top_p == 0.5f);
    assert_int_equal(g->sampling.top_k, 7);
    assert_true(g->sampling.min_p == 0.1f && g->sampling.repeat_penalty == 1.5f);
    assert_true(g->sampling.presence_penalty == 1.0f &&
                g->sampling.frequency_penalty == -1.0f);
    assert_int_equal(g->n_max, 8);
    assert_int_equal(g->n_min, 2);
    assert_true(g->ignore_end && g->show_special && r->no_cache);
    assert_int_equal(g->sampling.n_bias, 2);
    assert_true(g->sampling.bias[0].bias < -1e30f && g->sampling.bias[1].bias == 2.5f);
    assert_int_equal(g->n_logprob, 5);
    assert_int_equal(r->priority, -3);
    finish_all();
    fake_free(x);
    /* what the protocols say where nothing is asked for */
    x = fake_post(&s, "/v1/chat/completions", "{" M "}");
    assert_true(r->generate.sampling.temperature == 1.0f &&
                r->generate.sampling.top_p == 1.0f);
    assert_int_equal(r->generate.n_max, -1);
    assert_int_equal(r->generate.n_logprob, -1);
    assert_null(r->generate.grammar);
    finish_all();
    fake_free(x);
    x = fake_post(&s, "/v1/completions", "{\"prompt\":\"a\"}");
    assert_int_equal(r->generate.n_max, 16);
    finish_all();
    fake_free(x);
    fake_server_release(&s);
}

static void conversations_become_prompts(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    const char *chat = "/v1/chat/completions";
    check_prompt(&s, chat, "{" M "}", "<user>Hi\n<assistant>");
    check_prompt(&s, chat,
                 "{\"messages\":[{\"role\":\"developer\",\"content\":\"d\"},{\"role\":"
                 "\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
                 "\"text\",\"text\":\"b\"}]}]}",
                 "<system>d\n<user>a\nb\n<assistant>");
    check_prompt(
        &s, chat,
        "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
        "\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\",\"type\":"
        "\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
        "\"{\\\"a\\\":1}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\","
        "\"content\":\"r\"}]}",
        "<user>q\n<assistant>CALLS[{\"type\": \"function\", \"function\": "
        "{\"name\": \"f\", \"arguments\": {\"a\": 1}}, \"id\": \"c\"}]\n<tool>r\n"
        "<assistant>");
    s.options.chat_template =
        "{# [TOOL_CALLS] tools #}{% for m in messages %}{% for c in m.tool_calls or [] "
        "%}{{c.id}}.{{c.id|length}}.{{c.id == messages[loop.index0 + 1].tool_call_id}} "
        "{% endfor %}{% endfor %}";
#define CALL(id)                                                                       \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"f\"}}"
#define RESULT(id) "{\"role\":\"tool\",\"content\":\"r\",\"tool_call_id\":\"" id "\"}"
    static const char body[] =
        "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":"
        "[" CALL("call_1") "," CALL("Abcdefgh9") "," CALL("call_2") "]}," RESULT(
            "call_1") "," RESULT("Abcdefgh9") "," RESULT("call_2") "]}";
    http_exchange *x = fake_post(&s, chat, body);
    char *ids = prompt_text(&s, 0);
    char first[10], third[10];
    assert_int_equal(sscanf(ids, "%9[0-9a-z].9.True Abcdefgh9.9.True %9[0-9a-z].9.True",
                            first, third),
                     2);
    assert_true(strlen(first) == 9 && strlen(third) == 9 && strcmp(first, third) != 0);
    hone_text_free(ids);
    finish_all();
    fake_free(x);
#undef CALL
#undef RESULT
    s.options.chat_template = FAKE_TEMPLATE;
    check_prompt(
        &s, chat,
        "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
        "\"assistant\",\"content\":\"yes, \"}],\"continue_final_message\":true,"
        "\"add_generation_prompt\":false}",
        "<user>q\n<assistant>yes, ");
    check_prompt(&s, chat, "{" M ",\"tools\":[" FN "],\"tool_choice\":\"none\"}",
                 "<user>Hi\n<assistant>");
    check_prompt(&s, chat, "{" M ",\"tools\":[" FN "]}",
                 "<user>Hi\nTOOLS[{\"type\": \"function\", \"function\": {\"name\": "
                 "\"f\"}}]<assistant>");
    check_prompt(
        &s, "/v1/responses",
        "{\"instructions\":\"i\",\"input\":[{\"role\":\"user\",\"content\":[{"
        "\"type\":\"input_text\",\"text\":\"q\"}]},{\"type\":\"function_call\","
        "\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":"
        "\"function_call_output\",\"call_id\":\"c\",\"output\":\"r\"}],"
        "\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]}",
        "<system>i\n<user>q\n<assistant>CALLS[{\"type\": \"function\", "
        "\"function\": {\"name\": \"f\", \"arguments\": {}}, \"id\": \"c\"}]\n"
        "<tool>r\nTOOLS[{\"type\": \"function\", \"function\": {\"name\": "
        "\"f\"}}]<assistant>");
    check_prompt(
        &s, "/v1/messages",
        "{\"max_tokens\":5,\"system\":[{\"type\":\"text\",\"text\":"
        "\"x-anthropic-billing-header: cch=1\"},{\"type\":\"text\",\"text\":\"s\"}"
        "],\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
        "\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":"
        "\"f\",\"input\":{\"a\":1}}]},{\"role\":\"user\",\"content\":[{\"type\":"
        "\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"r\"},{\"type\":"
        "\"text\",\"text\":\"and?\"}]}],\"tools\":[{\"name\":\"f\","
        "\"input_schema\":{\"type\":\"object\"}}]}",
        "<system>s\n<user>q\n<assistant>CALLS[{\"type\": \"function\", "
        "\"function\": {\"name\": \"f\", \"arguments\": {\"a\": 1}}, \"id\": "
        "\"t\"}]\n<tool>r\n<user>and?\nTOOLS[{\"type\": \"function\", "
        "\"function\": {\"name\": \"f\", \"parameters\": {\"type\": "
        "\"object\"}}}]<assistant>");
    check_prompt(
        &s, "/v1/messages",
        "{\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"q\"},"
        "{\"role\":\"assistant\",\"content\":\"The\"}]}",
        "<user>q\n<assistant>The");
    fake_server_release(&s);
}

/* Marks of reasoning that the tokenizer has as special tokens. */
static void special_marks_are_shown_and_allowed(void **state)
{
    static const char json[] =
        "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":1,\"content\":\"[THINK]\","
        "\"special\":true},{\"id\":2,\"content\":\"[/THINK]\",\"special\":true}],"
        "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}";
    static const struct {
        const char *template;
        int n_mark;
    } cases[] = {{"{# [THINK] #}a", 2}, {"{# <think> #}a", 0}, {"a", 0}};
    char path[] = "/tmp/hone-XXXXXX.json";
    hone_server s = fake_server(NULL);
    const int fd = mkstemps(path, 5);
    hone_tokenizer *tok;
    hone_error err;
    (void)state;
    assert_int_equal(write(fd, json, sizeof json - 1), (int)sizeof json - 1);
    close(fd);
    assert_ok(hone_tokenizer_open(&tok, path, &err));
    unlink(path);
    s.tokenizer = tok;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        s.options.chat_template = cases[i].template;
        fake.n_request = 0;
        http_exchange *x = fake_post(&s, "/v1/chat/completions", "{" M "}");
        assert_int_equal(fake.n_request, 1);
        const hone_generate_options *g = &fake.request[0].request.generate;
        assert_int_equal(g->n_mark, cases[i].n_mark);
        assert_int_equal(g->show_special, cases[i].n_mark > 0);
        if (g->n_mark) assert_true(g->mark[0] == 1 && g->mark[1] == 2);
        finish_all();
        fake_free(x);
    }
    hone_tokenizer_free(tok);
    fake_server_release(&s);
}

/* Templates of Mistral take it as a part of the content, others as a field. */
static void earlier_reasoning_reaches_the_template(void **state)
{
    static const char turn[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\","
        "\"reasoning_content\":\"hm\",\"content\":\"a\"}]";
    static const char continued[] =
        ",\"continue_final_message\":true,\"add_generation_prompt\":false}";
    char body[400];
    hone_server s = fake_server(
        "{% for m in messages %}{% if m.content is string %}({{m.content}}){% else "
        "%}{% "
        "for p in m.content %}{% if p.type == 'thinking' %}[THINK]{{p.thinking}}"
        "[/THINK]{% else %}{{p.text}}{% endif %}{% endfor %}{% endif %}"
        "{{m.reasoning_content}};{% endfor %}");
    (void)state;
    snprintf(body, sizeof body, "%s}", turn);
    check_prompt(&s, "/v1/chat/completions", body, "(q);[THINK]hm[/THINK]a;");
    snprintf(body, sizeof body, "%s%s", turn, continued);
    check_prompt(&s, "/v1/chat/completions", body, "(q);[THINK]hm[/THINK]a");
    check_prompt(
        &s, "/v1/messages",
        "{\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{"
        "\"role\":"
        "\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\","
        "\"signature\":\"\"},{\"type\":\"text\",\"text\":\"a\"}]},{\"role\":\"user\","
        "\"content\":\"r\"}]}",
        "(q);[THINK]hm[/THINK]a;(r);");
    check_prompt(
        &s, "/v1/responses",
        "{\"input\":[{\"role\":\"user\",\"content\":\"q\"},{\"type\":"
        "\"reasoning\",\"content\":[{\"type\":\"reasoning_text\",\"text\":"
        "\"hm\"}]},{\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"user\","
        "\"content\":\"r\"}]}",
        "(q);[THINK]hm[/THINK]a;(r);");
    s.options.chat_template =
        "{% for m in messages %}{{m.reasoning_content}}<seed:think>"
        "{{m.content}};{% endfor %}";
    snprintf(body, sizeof body, "%s}", turn);
    check_prompt(&s, "/v1/chat/completions", body, "<seed:think>q;hm<seed:think>a;");
    fake_server_release(&s);
}

static void a_template_without_tools_gets_an_instruction(void **state)
{
    hone_server s =
        fake_server("{% for m in messages %}<{{m.role}}>{{m.content}}{{'\\n'}}"
                    "{% endfor %}");
    (void)state;
    check_prompt(
        &s, "/v1/chat/completions",
        "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":"
        "\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":"
        "\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":"
        "\"c\",\"content\":\"r\"}],\"tools\":[" FN "]}",
        "<system>s\n\nYou can call these functions:\n{\"name\": \"f\"}\nTo call "
        "functions, answer with nothing but one JSON object for each call, one a "
        "line: {\"name\": NAME, \"arguments\": {...}}\n<assistant>{\"name\": "
        "\"f\", \"arguments\": {}}\n<user>Result of f: r\n");
    fake_server_release(&s);
}

/* Texts that the grammar of a request does or does not allow. */
static void check_grammar(hone_server *s, const char *body, const char *const *good,
                          const char *const *bad)
{
    hone_error err;
    http_exchange *x = fake_post(s, "/v1/chat/completions", body);
    if (fake.n_request != 1) fail_msg("%s: %s", body, x->out.data);
    hone_grammar *g = fake.request[0].request.generate.grammar;
    assert_non_null(g);
    for (int k = 0; k < 2; k++) {
        for (const char *const *t = k ? bad : good; *t; t++) {
            hone_grammar_state *st;
            assert_ok(hone_grammar_state_new(&st, g, &err));
            const bool yes = !hone_grammar_accept_bytes(st, *t, strlen(*t), NULL) &&
                             hone_grammar_can_end(st);
            hone_grammar_state_free(st);
            if (yes != !k) fail_msg("%s: %s", body, *t);
        }
    }
    finish_all();
    fake_free(x);
}

#define CITY                                                                           \
    "{\"type\":\"function\",\"function\":{\"name\":\"city\",\"parameters\":{\"type\":" \
    "\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"],"   \
    "\"additionalProperties\":false}}}"

static void formats_and_forced_calls_become_grammars(void **state)
{
    hone_server s = fake_server("<tool_call> tools " FAKE_TEMPLATE);
    (void)state;
    check_grammar(&s,
                  "{" M ",\"tools\":[" FN "," CITY "],\"tool_choice\":\"required\"}",
                  (const char *[]){"<tool_call>\n{\"name\": \"city\", \"arguments\": "
                                   "{\"n\": 3}}\n</tool_call>",
                                   "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n"
                                   "</tool_call>\n<tool_call>\n{\"name\": \"city\", "
                                   "\"arguments\": {\"n\":1}}\n</tool_call>",
                                   NULL},
                  (const char *[]){"", "Sure",
                                   "<tool_call>\n{\"name\": \"city\", \"arguments\": "
                                   "{}}\n</tool_call>",
                                   "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n"
                                   "</tool_call>",
                                   NULL});
    s.options.chat_template = "<tool_call> <function= <parameter= tools " FAKE_TEMPLATE;
    check_grammar(&s,
                  "{" M ",\"tools\":[" FN "," CITY "],\"tool_choice\":\"required\"}",
                  (const char *[]){"<tool_call>\n<function=city>\n<parameter=n>\n3\n"
                                   "</parameter>\n</function>\n</tool_call>",
                                   NULL},
                  (const char *[]){"<tool_call>\n<function=city>\n</function>\n"
                                   "</tool_call>",
                                   "<tool_call>\n{\"name\": \"city\", \"arguments\": "
                                   "{\"n\": 3}}\n</tool_call>",
                                   NULL});
    s.options.chat_template = "<tool_call> tools " FAKE_TEMPLATE;
    check_grammar(
        &s,
        "{" M ",\"tools\":[" FN "," CITY "],\"tool_choice\":{\"type\":\"function\","
        "\"function\":{\"name\":\"f\"}}}",
        (const char *[]){
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\":[]}}\n</tool_call>",
            NULL},
        (const char *[]){
            "<tool_call>\n{\"name\": \"city\", \"arguments\": {\"n\": 3}}\n"
            "</tool_call>",
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>"
            "\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n"
            "</tool_call>",
            NULL});
    check_grammar(&s, "{" M ",\"response_format\":{\"type\":\"json_object\"}}",
                  (const char *[]){"{}", "{\"a\": [1]}", NULL},
                  (const char *[]){"[]", "x", "1", NULL});
    check_grammar(
        &s,
        "{" M ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
        "\"name\":\"n\",\"strict\":true,\"schema\":{\"enum\":[\"a\",7]}}}}",
        (const char *[]){"\"a\"", "7", NULL}, (const char *[]){"\"b\"", "", NULL});
    check_grammar(
        &s, "{" M ",\"structured_outputs\":{\"choice\":[\"a\\\"\\n\",\"b]\"]}}",
        (const char *[]){"a\"\n", "b]", NULL}, (const char *[]){"a", "ab]", NULL});
    check_grammar(&s, "{" M ",\"structured_outputs\":{\"regex\":\"[0-9]{3}\"}}",
                  (const char *[]){"123", NULL}, (const char *[]){"12", "1234", NULL});
    check_grammar(
        &s, "{" M ",\"structured_outputs\":{\"grammar\":\"root ::= \\\"x\\\"+\"}}",
        (const char *[]){"xx", NULL}, (const char *[]){"", "y", NULL});
    /* with calls that may be made, the format or calls */
    check_grammar(&s,
                  "{" M ",\"tools\":[" FN "],\"response_format\":{\"type\":"
                  "\"json_object\"}}",
                  (const char *[]){"{\"a\":1}",
                                   "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n"
                                   "</tool_call>",
                                   NULL},
                  (const char *[]){"x", NULL});
    fake_server_release(&s);
    /* reasoning comes first where the template has it */
    s = fake_server("{{messages[0].content}}{% if x %}</think>{% endif %}<think>\n");
    check_grammar(&s, "{" M ",\"response_format\":{\"type\":\"json_object\"}}",
                  (const char *[]){"so it is</think>\n\n{}", NULL},
                  (const char *[]){"{}", "a</think>b</think>{}", NULL});
    fake_server_release(&s);
    s = fake_server("{{messages[0].content}}{% if x %}<think>{% endif %}");
    check_grammar(&s, "{" M ",\"response_format\":{\"type\":\"json_object\"}}",
                  (const char *[]){"{}", "<think>a</think>\n\n{}", NULL},
                  (const char *[]){"a</think>{}", NULL});
    fake_server_release(&s);
    s = fake_server("{# tools [TOOL_CALLS] [ARGS] #}{{messages[0].content}}{% if x %}"
                    "[THINK]{% endif %}");
    check_grammar(
        &s, "{" M ",\"response_format\":{\"type\":\"json_object\"}}",
        (const char *[]){"{}", "[THINK]a</think>[/THINK] {}", NULL},
        (const char *[]){"<think>a</think>{}", "a[/THINK]{}", "[THINK]a{}", NULL});
    check_grammar(&s, "{" M ",\"tools\":[" FN "],\"tool_choice\":\"required\"}",
                  (const char *[]){"[TOOL_CALLS]f[ARGS]{}",
                                   "[THINK]a[/THINK][TOOL_CALLS]f[ARGS]{}", NULL},
                  (const char *[]){"[THINK]a[/THINK]b", NULL});
    s.options.chat_template = "{{messages[0].content}}[THINK]";
    check_grammar(&s, "{" M ",\"response_format\":{\"type\":\"json_object\"}}",
                  (const char *[]){"a[/THINK]{}", NULL},
                  (const char *[]){"{}", "a</think>{}", NULL});
    fake_server_release(&s);
}

static void adapters_are_chosen_by_name(void **state)
{
    char name[] = "poet", path[] = "p";
    server_adapter adapter = {name, path};
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    s.adapter = &adapter;
    s.n_adapter = 1;
    http_exchange *x =
        fake_post(&s, "/v1/completions", "{\"prompt\":[[5],[6]],\"model\":\"poet\"}");
    assert_string_equal(fake.request[0].request.adapter, "poet");
    assert_int_equal(fake.waiting, 2);
    fake_start(0, 0);
    fake_loop();
    assert_true(fake.waiting == 1 && fake.running == 1);
    fake_end(0, HONE_OK, NULL);
    fake_end(1, HONE_OK, NULL); /* without a start */
    fake_loop();
    assert_true(fake.waiting == 0 && fake.running == 0);
    assert_non_null(strstr(x->out.data, "\"model\":\"poet\""));
    fake_free(x);
    fake_server_release(&s);
}

static void batches_are_one_request_a_prompt(void **state)
{
    hone_server s = fake_server(FAKE_TEMPLATE);
    (void)state;
    http_exchange *x = fake_post(&s, "/v1/completions",
                                 "{\"prompt\":[[5,6],[7]],\"n\":2,\"echo\":true,"
                                 "\"logprobs\":1,\"max_tokens\":0}");
    assert_int_equal(fake.n_request, 2);
    assert_int_equal(fake.request[1].prompt[0], 7);
    assert_int_equal(fake.request[0].request.n_prompt_logprob, 1);
    assert_int_equal(fake.request[0].request.generate.n_max, 0);
    finish_all();
    fake_free(x);
    fake_server_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_in_chat_bodies_are_400),
        cmocka_unit_test(mistakes_in_other_bodies_are_400),
        cmocka_unit_test(bodies_may_nest_64_levels),
        cmocka_unit_test(long_prompts_name_both_numbers),
        cmocka_unit_test(fields_reach_the_scheduler),
        cmocka_unit_test(conversations_become_prompts),
        cmocka_unit_test(special_marks_are_shown_and_allowed),
        cmocka_unit_test(earlier_reasoning_reaches_the_template),
        cmocka_unit_test(a_template_without_tools_gets_an_instruction),
        cmocka_unit_test(formats_and_forced_calls_become_grammars),
        cmocka_unit_test(adapters_are_chosen_by_name),
        cmocka_unit_test(batches_are_one_request_a_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
