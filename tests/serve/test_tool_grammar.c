/* test_tool_grammar.c - forced calls: what each format's grammar allows, and that all of
 * it is read as valid calls.  Expected texts are written by hand; the arguments of random
 * texts are judged by the grammar of the tool's whole schema. */
#include "check.h"

#include "serve/split.h"
#include "serve/tool_grammar.h"

#define FUNCTION(name, parameters)                                                     \
    "{\"type\":\"function\",\"function\":{\"name\":\"" name                            \
    "\",\"parameters\":" parameters "}}"
#define N                                                                              \
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":" \
    "[\"n\"],\"additionalProperties\":false}"

static hone_grammar *grammar_of(const char *chat_template, const json_t *tools)
{
    const tool_grammar g = {.tools = tools,
                            .format = hone_tool_format_find(chat_template),
                            .required = true,
                            .parallel = true};
    hone_grammar *out;
    api_error e;
    if (!hone_tool_grammar_new(&out, &g, &e))
        fail_msg("%s: %s", chat_template, e.message);
    return out;
}

static bool accepts(hone_grammar *g, const char *text, size_t len)
{
    hone_error err;
    hone_grammar_state *s;
    assert_ok(hone_grammar_state_new(&s, g, &err));
    const bool yes =
        !hone_grammar_accept_bytes(s, text, len, NULL) && hone_grammar_can_end(s);
    hone_grammar_state_free(s);
    return yes;
}

static json_t *load(const char *text)
{
    json_error_t je;
    json_t *v = json_loads(text, 0, &je);
    if (!v) fail_msg("%s: %s", text, je.text);
    return v;
}

static void check(const char *chat_template, const char *tools, const char *const *good,
                  const char *const *bad)
{
    json_t *t = load(tools);
    hone_grammar *g = grammar_of(chat_template, t);
    for (; *good; good++) {
        if (!accepts(g, *good, strlen(*good)))
            fail_msg("%s: refused: %s", chat_template, *good);
    }
    for (; *bad; bad++) {
        if (accepts(g, *bad, strlen(*bad)))
            fail_msg("%s: allowed: %s", chat_template, *bad);
    }
    hone_grammar_free(g);
    json_decref(t);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define OBJECT    "{\"name\": \"f\", \"arguments\": {\"n\": 1}}"
#define TAGGED    "<tool_call> <function=NAME> <parameter=KEY>"

static void each_format_is_forced_as_it_is_written(void **state)
{
    static const char tools[] = "[" FUNCTION("f", N) "," FUNCTION("go", "{}") "]";
    (void)state;
    check("<tool_call>", tools, LIST("<tool_call>\n" OBJECT "\n</tool_call>"),
          LIST(OBJECT, "[TOOL_CALLS]f[ARGS]{\"n\": 1}"));
    check("[TOOL_CALLS]", tools,
          LIST("[TOOL_CALLS][" OBJECT "]", "[TOOL_CALLS][" OBJECT ", " OBJECT "]"),
          LIST("[TOOL_CALLS]f[ARGS]{\"n\": 1}", "[TOOL_CALLS]" OBJECT));
    check("[TOOL_CALLS] [ARGS]", tools,
          LIST("[TOOL_CALLS]f[ARGS]{\"n\": 1}", "[TOOL_CALLS]go[ARGS]{}",
               "[TOOL_CALLS]go[ARGS]{\"x\": 1}[TOOL_CALLS]f[ARGS]{\"n\":2}"),
          LIST("[TOOL_CALLS][" OBJECT "]", "[TOOL_CALLS]f[ARGS]{}", "f[ARGS]{\"n\": 1}",
               "[TOOL_CALLS]g[ARGS]{}", "[TOOL_CALLS]go[CALL_ID]abcdefghi[ARGS]{}",
               "[TOOL_CALLS]go[ARGS]{}go[ARGS]{}"));
    check(
        "[TOOL_CALLS] [CALL_ID] [ARGS]", tools,
        LIST("[TOOL_CALLS]f[CALL_ID]aB3456789[ARGS]{\"n\": 1}",
             "[TOOL_CALLS]go[CALL_ID]aB3456789[ARGS]{}[TOOL_CALLS]go[CALL_ID]aB3456789"
             "[ARGS]{}"),
        LIST("[TOOL_CALLS]f[ARGS]{\"n\": 1}", "[TOOL_CALLS]go[CALL_ID]aB345678[ARGS]{}",
             "[TOOL_CALLS]go[CALL_ID]aB345678-[ARGS]{}"));
    check("<function=", tools,
          LIST("<function=f>{\"n\": 1}</function>",
               "<function=go>{}</function><function=f>{\"n\": 1}</function>"),
          LIST("<function=f>{}</function>", "<function=f>{\"n\": 1}",
               "<function=f>\n<parameter=n>\n1\n</parameter>\n</function>"));
    check(
        "<tool_calls>[", tools,
        LIST("<tool_calls>[" OBJECT "]</tool_calls>",
             "<tool_calls>[" OBJECT ", " OBJECT "]</tool_calls>"),
        LIST("<tool_calls>\n" OBJECT "\n</tool_calls>", "<tool_calls>[]</tool_calls>"));
    check("<tool_calls>", tools,
          LIST("<tool_calls>\n" OBJECT "\n</tool_calls>",
               "<tool_calls>\n" OBJECT "\n" OBJECT "\n</tool_calls>"),
          LIST("<tool_calls>[" OBJECT "]</tool_calls>"));
    check("<TOOLCALL>", tools, LIST("<TOOLCALL>[" OBJECT ", " OBJECT "]</TOOLCALL>"),
          LIST("<TOOLCALL>" OBJECT "</TOOLCALL>"));
    check("<|tool_call|>", tools, LIST("<|tool_call|>[" OBJECT "]"),
          LIST("<|tool_call|>" OBJECT));
    check(
        TAGGED, tools,
        LIST("<tool_call>\n<function=f>\n<parameter=n>\n1\n</parameter>\n</function>\n"
             "</tool_call>",
             "<tool_call>\n<function=go>\n</function>\n</tool_call>\n<tool_call>\n"
             "<function=go>\n</function>\n</tool_call>"),
        LIST("<tool_call>\n" OBJECT "\n</tool_call>",
             "<tool_call>\n<function=f>\n</function>\n</tool_call>",
             "<tool_call>\n<function=f>\n<parameter=n>\nx\n</parameter>\n</function>\n"
             "</tool_call>",
             "<tool_call>\n<function=f>\n<parameter=m>\n1\n</parameter>\n</function>\n"
             "</tool_call>"));
    check(
        "<seed:tool_call> <parameter=", tools,
        LIST("<seed:tool_call>\n<function=f>\n<parameter=n>1</parameter>\n</function>\n"
             "</seed:tool_call>"),
        LIST("<tool_call>\n<function=f>\n<parameter=n>1</parameter>\n</function>\n"
             "</tool_call>"));
}

#define PUT                                                                            \
    "[" FUNCTION(                                                                      \
        "put",                                                                         \
        "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\","          \
        "\"description\":\"d\"},\"kind\":{\"$ref\":\"#/$defs/kind\"},\"day\":{"        \
        "\"type\":\"string\",\"format\":\"date\"},\"code\":{\"type\":\"string\","      \
        "\"pattern\":\"^[a-c]+$\",\"maxLength\":3},\"maybe\":{\"anyOf\":[{\"type\":"   \
        "\"string\"},{\"type\":\"null\"}]},\"list\":{\"type\":\"array\",\"items\":{"   \
        "\"$ref\":\"#/$defs/kind\"}},\"on\":{\"type\":\"boolean\"},\"any\":true,"      \
        "\"no\":false},\"required\":[\"text\",\"list\"],\"$defs\":{\"kind\":{"         \
        "\"enum\":[\"7\",\"x y\"]}}}") "]"

static void tagged_values_keep_to_their_schemas(void **state)
{
#define CALL(s)   "<tool_call>\n<function=put>\n" s "</function>\n</tool_call>"
#define ARG(k, v) "<parameter=" k ">\n" v "\n</parameter>\n"
#define TEXT      ARG("text", "a")
#define ITEMS     ARG("list", "[]")
    (void)state;
    check(TAGGED, PUT,
          LIST(CALL(TEXT ITEMS), CALL(ARG("text", "\"a\"\n\n<b>\\ \xC3\xA9") ITEMS),
               CALL(ARG("text", "") ITEMS),
               CALL(TEXT ARG("kind", "x y") ARG("day", "2024-02-29") ARG("code", "abc")
                        ARG("maybe", "null") ARG("list", "[\"7\", \"x y\"]")
                            ARG("on", "true") ARG("any", "{\"a\": [1]}")),
               CALL(TEXT ARG("maybe", "\"null\"") ITEMS)),
          LIST(CALL(TEXT), CALL(ITEMS TEXT), CALL(ITEMS), CALL(TEXT ITEMS ITEMS),
               CALL(ARG("text", "a\n</parameter>\nb") ITEMS),
               CALL(ARG("text", "a</parameter>b") ITEMS),
               CALL("<parameter=text>\na</parameter>\n" ITEMS),
               CALL("<parameter=text>a\n</parameter>\n" ITEMS),
               CALL(TEXT ARG("kind", "\"7\"") ITEMS), CALL(TEXT ARG("kind", "8") ITEMS),
               CALL(TEXT ARG("day", "2023-02-29") ITEMS),
               CALL(TEXT ARG("code", "abca") ITEMS), CALL(TEXT ARG("code", "d") ITEMS),
               CALL(TEXT ARG("maybe", "a") ITEMS), CALL(TEXT ITEMS ARG("on", "True")),
               CALL(TEXT ITEMS ARG("any", "a")), CALL(TEXT ITEMS ARG("no", "1")),
               CALL(TEXT ITEMS ARG("other", "1")), CALL(TEXT ARG("list", "[7]"))));
#undef CALL
#undef ARG
#undef TEXT
#undef ITEMS
}

static void what_tags_cannot_keep_is_refused(void **state)
{
#define ONE(p) "[" FUNCTION("put", p) "]"
    static const struct {
        const char *tools, *what, *why;
    } cases[] = {
        {ONE("{\"type\":\"object\",\"patternProperties\":{\"a\":{}}}"),
         "patternProperties", "one by one"},
        {ONE("{\"type\":\"object\",\"anyOf\":[{}]}"), "anyOf", "one by one"},
        {ONE("{\"type\":\"object\",\"minProperties\":1}"), "minProperties",
         "one by one"},
        {ONE("{\"type\":\"object\",\"required\":[\"q\"]}"), "q", "not among"},
        {ONE("{\"properties\":{\"p\":{\"$ref\":\"#\"}}}"), "p", "references"},
        {ONE("{\"properties\":{\"p\":{\"items\":{\"$ref\":\"#/properties/q\"}},\"q\":"
             "{}}}"),
         "p", "references"},
        {ONE("{\"properties\":{\"a>b\":{}}}"), "a>b", "no such name"},
        {ONE("{\"properties\":{\"p\":{\"type\":\"x\"}}}"), "p", "type"},
        {ONE("{\"properties\":{\"p\":{\"type\":\"string\",\"minLength\":2,"
             "\"maxLength\":1}}}"),
         "p", "no value satisfies"},
        {ONE("{\"type\":\"string\"}"), "parameters", "objects"},
        {ONE("{\"properties\":7}"), "parameters", "properties"},
        {ONE("{\"required\":\"p\"}"), "parameters", "required"},
        {ONE("{\"type\":\"x\"}"), "type", "expected object"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *tools = load(cases[i].tools);
        const tool_grammar g = {
            .tools = tools, .format = hone_tool_format_find(TAGGED), .required = true};
        hone_grammar *out;
        api_error e = {0};
        char head[100];
        snprintf(head, sizeof head, "tools: 'put': %s: ", cases[i].what);
        if (hone_tool_grammar_new(&out, &g, &e)) fail_msg("%s", cases[i].tools);
        assert_int_equal(e.status, 400);
        assert_string_equal(e.code, "invalid_schema");
        if (strncmp(e.message, head, strlen(head)) != 0 ||
            !strstr(e.message, cases[i].why))
            fail_msg("%s: %s", cases[i].tools, e.message);
        json_decref(tools);
    }
#undef ONE
}

/* -- what is forced is read -------------------------------------------------------- */

typedef struct reading {
    hone_buf args;
    hone_grammar *schema; /* of all arguments */
    size_t n_call;
    bool open;
} reading;

static void read_event(void *ctx, split_event e, const char *text, size_t len)
{
    reading *r = ctx;
    switch (e) {
    case SPLIT_TEXT:
    case SPLIT_REASONING:
        fail_msg("text beside calls: '%.*s'", (int)len, text);
        break;
    case SPLIT_CALL:
        assert_true(len == 3 && memcmp(text, "put", 3) == 0);
        hone_buf_reset(&r->args);
        break;
    case SPLIT_ARGUMENTS:
        hone_buf_append(&r->args, text, len);
        break;
    case SPLIT_CALL_END:
        if (!accepts(r->schema, r->args.data, r->args.len))
            fail_msg("not by the schema: %s", r->args.data);
        r->n_call++;
        break;
    }
}

/* A random text of the grammar: pieces that matter, else any byte; what is short of an
 * end goes on. */
static void random_text(hone_buf *b, hone_grammar *g, hone_rng *rng)
{
    static const char *const pieces[] = {
        "</parameter>", "\n</parameter>", "</function>", "</tool_call>", "\n", "\"",
        "\\",           "<parameter=",    "null",        "]}",           "7",  "true"};
    hone_error err;
    hone_grammar_state *s;
    assert_ok(hone_grammar_state_new(&s, g, &err));
    for (int i = 0; i < 20000 && !hone_grammar_can_end(s); i++) {
        char forced[64];
        size_t n = hone_grammar_forced(s, forced, sizeof forced);
        const char byte = (char)(hone_rng_u32(rng) & 255), *text = n ? forced : &byte;
        if (!n) n = 1;
        if (text == &byte && hone_rng_u32(rng) % 3 == 0) {
            text = pieces[hone_rng_u32(rng) % (sizeof pieces / sizeof *pieces)];
            n = hone_grammar_match(s, text, strlen(text));
        }
        if (hone_grammar_accept_bytes(s, text, n, NULL)) continue;
        hone_buf_append(b, text, n);
    }
    assert_true(hone_grammar_can_end(s));
    hone_grammar_state_free(s);
}

static void random_calls_are_read_by_their_schema(void **state)
{
    static const char *const templates[] = {TAGGED,
                                            "<seed:tool_call> <parameter=",
                                            "<tool_call>",
                                            "[TOOL_CALLS] [ARGS]",
                                            "[TOOL_CALLS] [CALL_ID] [ARGS]",
                                            "<function=",
                                            "<TOOLCALL>"};
    json_t *tools = load(PUT);
    json_t *parameters = json_object_get(hone_tool_function(tools, 0), "parameters");
    char *schema = json_dumps(parameters, 0);
    hone_rng *rng = test_rng();
    hone_error err;
    reading r = {0};
    (void)state;
    hone_buf_init(&r.args, 1 << 20);
    assert_ok(hone_grammar_from_schema(&r.schema, schema, strlen(schema), &err));
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        hone_grammar *g = grammar_of(templates[i], tools);
        const split_options o = {.format = hone_tool_format_find(templates[i]),
                                 .tools = tools};
        for (int k = 0; k < 100; k++) {
            hone_buf text;
            answer_split s;
            hone_buf_init(&text, 1 << 20);
            random_text(&text, g, rng);
            r.n_call = 0;
            hone_split_init(&s, &o, read_event, &r);
            for (size_t at = 0; at < text.len; at++)
                hone_split_push(&s, text.data + at, 1);
            hone_split_finish(&s);
            hone_split_release(&s);
            if (r.n_call == 0) fail_msg("no call: %s", text.data);
            hone_buf_release(&text);
        }
        hone_grammar_free(g);
    }
    hone_grammar_free(r.schema);
    hone_buf_release(&r.args);
    free(schema);
    json_decref(tools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_format_is_forced_as_it_is_written),
        cmocka_unit_test(tagged_values_keep_to_their_schemas),
        cmocka_unit_test(what_tags_cannot_keep_is_refused),
        cmocka_unit_test(random_calls_are_read_by_their_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
