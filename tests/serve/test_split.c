/* test_split.c - answers taken apart: the same parts wherever the text is divided.  The
 * expected parts are written by hand. */
#include "check.h"

#include "serve/split.h"

static json_t *tools(void)
{
    return json_loads("[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
                      "{\"type\":\"function\",\"function\":{\"name\":\"get_weather\","
                      "\"parameters\":{\"type\":\"object\"}}},"
                      "{\"type\":\"function\",\"function\":{\"name\":\"put\","
                      "\"parameters\":{\"type\":\"object\",\"properties\":{"
                      "\"text\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"},"
                      "\"on\":{\"type\":\"boolean\"},\"kind\":{\"$ref\":"
                      "\"#/$defs/kind\"},\"maybe\":{\"anyOf\":[{\"type\":\"string\"},"
                      "{\"type\":\"null\"}]},\"list\":{\"type\":\"array\"},"
                      "\"round\":{\"anyOf\":[{\"$ref\":\"#/properties/round\"},"
                      "{\"$ref\":\"#/properties/round\"}]}},"
                      "\"$defs\":{\"kind\":{\"enum\":[\"7\",\"x\"]}}}}}]",
                      0, NULL);
}

/* Parts as text: T(text) R(reasoning) C(name|arguments). */
typedef struct record {
    hone_buf b;
    int last; /* event, -1 at first */
} record;

static void take(void *ctx, split_event e, const char *text, size_t len)
{
    record *r = ctx;
    static const char *const open[] = {"T(", "R(", "C(", "|", ""};
    const bool more = (int)e == r->last && e != SPLIT_CALL && e != SPLIT_CALL_END;
    if (!more && (r->last == SPLIT_TEXT || r->last == SPLIT_REASONING))
        hone_buf_append_char(&r->b, ')');
    if (!more) hone_buf_append_str(&r->b, open[e]);
    hone_buf_append(&r->b, text, len);
    if (e == SPLIT_CALL_END) hone_buf_append_char(&r->b, ')');
    r->last = (int)e;
}

/* The parts when the text comes as [0, a), [a, b), [b, end). */
static void split(record *r, const split_options *o, const char *text, size_t a,
                  size_t b)
{
    answer_split s;
    const size_t n = strlen(text);
    hone_buf_init(&r->b, 1 << 20);
    r->last = -1;
    hone_split_init(&s, o, take, r);
    hone_split_push(&s, text, a);
    hone_split_push(&s, text + a, b - a);
    hone_split_push(&s, text + b, n - b);
    hone_split_finish(&s);
    assert_false(hone_split_failed(&s));
    if (r->last == SPLIT_TEXT || r->last == SPLIT_REASONING)
        hone_buf_append_char(&r->b, ')');
    hone_split_release(&s);
}

static void check(const split_options *o, const char *text, const char *want)
{
    const size_t n = strlen(text);
    record r;
    for (size_t a = 0; a <= n; a++) {
        for (size_t b = a; b <= n; b += n < 40 ? 1 : 7) {
            split(&r, o, text, a, b);
            if (strcmp(r.b.data, want) != 0)
                fail_msg("'%s' cut at %zu and %zu:\n  %s\nexpected\n  %s", text, a, b,
                         r.b.data, want);
            hone_buf_release(&r.b);
        }
    }
    /* byte by byte */
    answer_split s;
    hone_buf_init(&r.b, 1 << 20);
    r.last = -1;
    hone_split_init(&s, o, take, &r);
    for (size_t i = 0; i < n; i++)
        hone_split_push(&s, text + i, 1);
    hone_split_finish(&s);
    hone_split_release(&s);
    if (r.last == SPLIT_TEXT || r.last == SPLIT_REASONING)
        hone_buf_append_char(&r.b, ')');
    assert_string_equal(r.b.data, want);
    hone_buf_release(&r.b);
}

typedef struct one {
    const char *text, *want;
} one;

static void check_all(split_options o, const one *c, size_t n)
{
    json_t *t = tools();
    o.tools = t;
    for (size_t i = 0; i < n; i++)
        check(&o, c[i].text, c[i].want);
    json_decref(t);
}
#define CHECK_ALL(o, c) check_all(o, c, sizeof(c) / sizeof *(c))

static void plain_text_is_left_alone(void **state)
{
    static const one cases[] = {
        {"", ""},
        {" a <think> b </think> <tool_call>{\"name\":\"f\"} ",
         "T( a <think> b </think> <tool_call>{\"name\":\"f\"} )"},
    };
    (void)state;
    CHECK_ALL(((split_options){0}), cases);
}

static void reasoning_is_kept_apart(void **state)
{
    static const one open[] = {
        {"\nhm <b>\n\n</think>\n\n answer </think> ", "R(hm <b>)T(answer </think> )"},
        {"cut off </thi", "R(cut off </thi)"},
        {"</think>x", "T(x)"},
    };
    static const one may[] = {
        {"<think>a</think>b", "R(a)T(b)"},
        {" \n<think>\n\n</think>\n\nb ", "T(b )"},
        {" <thinking> b", "T( <thinking> b)"},
        {"<thi", "T(<thi)"},
        {"b <think>c</think>", "T(b <think>c</think>)"},
        {" \n", "T( \n)"},
    };
    static const one bracket_open[] = {
        {"hm [b] [/THIN </think>[/THINK] answer", "R(hm [b] [/THIN </think>)T(answer)"},
        {"cut off [/THIN", "R(cut off [/THIN)"},
    };
    static const one bracket_may[] = {
        {"[THINK]a[1][/THINK]b [THINK]c", "R(a[1])T(b [THINK]c)"},
        {" [THINK]\n[/THINK]\n[b] ", "T([b] )"},
        {"<think>a</think>b", "T(<think>a</think>b)"},
        {"[THIN", "T([THIN)"},
    };
    const think_format *angle = hone_think_format_find("<think>");
    const think_format *bracket = hone_think_format_find("[THINK]");
    (void)state;
    CHECK_ALL(((split_options){.thinking = SPLIT_THINKING, .think = angle}), open);
    CHECK_ALL(((split_options){.thinking = SPLIT_MAY_THINK, .think = angle}), may);
    CHECK_ALL(((split_options){.thinking = SPLIT_THINKING, .think = bracket}),
              bracket_open);
    CHECK_ALL(((split_options){.thinking = SPLIT_MAY_THINK, .think = bracket}),
              bracket_may);
}

static void marks_of_reasoning_follow_the_template(void **state)
{
    static const char *const cases[][3] = {
        {"say [THINK]..[/THINK]", "[THINK]", "[/THINK]"},
        {"set t = '<seed:think>'", "<seed:think>", "</seed:think>"},
        {"<|START_THINKING|>{{x}}", "<|START_THINKING|>", "<|END_THINKING|>"},
        {"{{ m.split('</think>')[1] }}", "<think>", "</think>"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const think_format *f = hone_think_format_find(cases[i][0]);
        assert_non_null(f);
        assert_string_equal(f->open, cases[i][1]);
        assert_string_equal(f->close, cases[i][2]);
    }
    assert_null(hone_think_format_find("I think, <|think|>"));
    assert_null(hone_think_format_find(NULL));
}

static void calls_come_behind_reasoning(void **state)
{
    static const one cases[] = {
        {"[THINK]hm [TOOL_CALLS]f[ARGS]{}[/THINK]\n[TOOL_CALLS]f[ARGS]{\"a\": 1}",
         "R(hm [TOOL_CALLS]f[ARGS]{})C(f|{\"a\": 1})"},
        {"[THINK]hm[/THINK]So: [TOOL_CALLS]f[ARGS]{}", "R(hm)T(So:)C(f|{})"},
        {"[TOOL_CALLS]f[ARGS]{}", "C(f|{})"},
    };
    static const char template[] = "[THINK] [TOOL_CALLS] [ARGS]";
    (void)state;
    CHECK_ALL(((split_options){.format = hone_tool_format_find(template),
                               .thinking = SPLIT_MAY_THINK,
                               .think = hone_think_format_find(template)}),
              cases);
}

static void hermes_calls_are_found_anywhere(void **state)
{
    static const one cases[] = {
        {"plain < text, no call \n", "T(plain < text, no call \n)"},
        {"<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": "
         "\"}\\\"\"}}\n</tool_call>",
         "C(f|{\"a\": \"}\\\"\"})"},
        {"Sure.\n<tool_call>{\"arguments\":{\"x\":[1,{}]},\"name\":\"get_weather\"}"
         "</tool_call>\n<tool_call>\n{\"name\":\"f\"}\n</tool_call>\n",
         "T(Sure.)C(get_weather|{\"x\":[1,{}]})C(f|{})"},
        {"<tool_call>[{\"name\":\"f\",\"arguments\":{}},\n "
         "{\"name\":\"f\",\"arguments\":"
         "{\"b\":1}}]</tool_call> done",
         "C(f|{})C(f|{\"b\":1})T(done)"},
        /* arguments as a string */
        {"<tool_call>{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 1}\"}</tool_call>",
         "C(f|{\"a\": 1})"},
        /* no calls */
        {"<tool_call>{\"name\":\"g\",\"arguments\":{}}</tool_call>",
         "T(<tool_call>{\"name\":\"g\",\"arguments\":{}}</tool_call>)"},
        {"x <tool_call>\n{\"name\" \"f\"} y", "T(x <tool_call>\n{\"name\" \"f\"} y)"},
        {"a <tool_call> b", "T(a <tool_call> b)"},
        {"a <tool_c", "T(a <tool_c)"},
        {"<tool_call>{\"name\":\"f\",\"arguments\":7}",
         "T(<tool_call>{\"name\":\"f\",\"arguments\":7})"},
        /* cut off */
        {"<tool_call>{\"name\":\"f\",\"arguments\":{\"a\": \"b", "C(f|{\"a\": \"b)"},
        {"<tool_call>{\"name\":\"f\",\"argu", "T(<tool_call>{\"name\":\"f\",\"argu)"},
        {"<tool_call>{\"name\":\"f\"}</tool", "C(f|{})T(</tool)"},
        /* broken after it was announced */
        {"<tool_call>{\"name\":\"f\",\"arguments\":{\"a\": 01}} z",
         "C(f|{\"a\": 0)T(1}} z)"},
    };
    (void)state;
    CHECK_ALL(((split_options){.format = hone_tool_format_find("<tool_call>")}), cases);
}

static void mistral_calls_stand_in_an_array(void **state)
{
    static const one cases[] = {
        {"[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"f\", "
         "\"arguments\": {}}]",
         "C(f|{\"a\": 1})C(f|{})"},
        {"[TOOL_CALLS] nothing", "T([TOOL_CALLS] nothing)"},
    };
    static const one marked[] = {
        {"[{\"name\": \"f\", \"arguments\": {}}]", "C(f|{})"},
        {"what?", "T(what?)"},
    };
    const tool_format *f = hone_tool_format_find("x [TOOL_CALLS] y");
    (void)state;
    CHECK_ALL(((split_options){.format = f}), cases);
    CHECK_ALL(((split_options){.format = f, .marked = true}), marked);
}

static void objects_stand_in_tags_of_many_names(void **state)
{
    static const struct {
        const char *template, *open, *close;
    } formats[] = {
        {"write <tool_calls>[..]</tool_calls>", "<tool_calls>[", "]</tool_calls>"},
        {"write <tool_calls>", "<tool_calls>\n", "\n</tool_calls>"},
        {"write <TOOLCALL>", "<TOOLCALL>[", "]</TOOLCALL>"},
        {"write <|tool_call|>", "<|tool_call|>[", "]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const bool array = strchr(formats[i].open, '[') != NULL;
        char text[400], none[200], back[204];
        snprintf(text, sizeof text,
                 "Well. %s{\"name\": \"f\", \"arguments\": {\"a\": 1}}%s{\"name\": "
                 "\"get_weather\", \"arguments\": {}}%s\nDone.",
                 formats[i].open, array ? ", " : "\n", formats[i].close);
        snprintf(none, sizeof none, "%s{\"name\": \"g\", \"arguments\": {}}%s",
                 formats[i].open, formats[i].close);
        snprintf(back, sizeof back, "T(%s)", none);
        const one cases[] = {{text, "T(Well.)C(f|{\"a\": 1})C(get_weather|{})T(Done.)"},
                             {none, back}};
        CHECK_ALL(
            ((split_options){.format = hone_tool_format_find(formats[i].template)}),
            cases);
    }
}

static void names_stand_before_arguments(void **state)
{
    static const one mistral[] = {
        {"[TOOL_CALLS]f[ARGS]{\"a\": \"[ARGS]\"}[TOOL_CALLS]get_weather[ARGS] {}",
         "C(f|{\"a\": \"[ARGS]\"})C(get_weather|{})"},
        {"So:\n[TOOL_CALLS] f[ARGS]{}", "T(So:)C(f|{})"},
        {"[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}]", "C(f|{})"},
        /* no calls */
        {"[TOOL_CALLS]g[ARGS]{}", "T([TOOL_CALLS]g[ARGS]{})"},
        {"[TOOL_CALLS]ff[ARGS]{}", "T([TOOL_CALLS]ff[ARGS]{})"},
        {"[TOOL_CALLS]f[CALL_ID]x[ARGS]{}", "T([TOOL_CALLS]f[CALL_ID]x[ARGS]{})"},
        {"[TOOL_CALLS]f[ARGS][1]", "T([TOOL_CALLS]f[ARGS][1])"},
        {"[TOOL_CALLS]f[ARGS]", "T([TOOL_CALLS]f[ARGS])"},
        {"[TOOL_CALLS]get_wea", "T([TOOL_CALLS]get_wea)"},
        /* cut off, and broken after it was announced */
        {"[TOOL_CALLS]f[ARGS]{\"a\": tr", "C(f|{\"a\": tr)"},
        {"[TOOL_CALLS]f[ARGS]{\"a\": 01}", "C(f|{\"a\": 0)T(1})"},
    };
    static const one id[] = {
        {"[TOOL_CALLS]f[CALL_ID]abc456789[ARGS]{\"a\": 1}[TOOL_CALLS]f[ARGS]{}",
         "C(f|{\"a\": 1})C(f|{})"},
        {"[TOOL_CALLS]f[CALL_ID]0123456789012345678901234567890123456789012345678901234"
         "567[ARGS]{}",
         "C(f|{})"},
        {"[TOOL_CALLS]f[CALL_ID]0123456789012345678901234567890123456789012345678901234"
         "5678[ARGS]{}",
         "T([TOOL_CALLS]f[CALL_ID]01234567890123456789012345678901234567890123456789012"
         "345678[ARGS]{})"},
        {"[TOOL_CALLS]f[CALL_ID]abc", "T([TOOL_CALLS]f[CALL_ID]abc)"},
    };
    static const one marked[] = {
        {"f[ARGS]{}[TOOL_CALLS]f[ARGS]{}", "C(f|{})C(f|{})"},
        {"what?", "T(what?)"},
    };
    static const one functionary[] = {
        {"<function=f>{\"a\": \"</function>\"}</function><function=get_weather>{}"
         "</function>",
         "C(f|{\"a\": \"</function>\"})C(get_weather|{})"},
        {"Now \n<function=f>\n{}\n</function>\nok", "T(Now)C(f|{})T(ok)"},
        {"a \n<function=g>{}</function> b", "T(a \n<function=g>{}</function> b)"},
        {"<function=f>{}</function>a \n<function=g> b", "C(f|{})T(a \n<function=g> b)"},
        {"<function=<function=f>{}</function>", "T(<function=)C(f|{})"},
        {"<function=f>x", "T(<function=f>x)"},
        {"<function=", "T(<function=)"},
        {"<func", "T(<func)"},
        {"<function=f>{\"a", "C(f|{\"a)"},
    };
    static const char with_id[] = "[TOOL_CALLS] x [CALL_ID] y [ARGS]";
    split_options o = {.format = hone_tool_format_find("[TOOL_CALLS] name [ARGS]")};
    (void)state;
    CHECK_ALL(o, mistral);
    o.marked = true;
    CHECK_ALL(o, marked);
    CHECK_ALL(((split_options){.format = hone_tool_format_find(with_id)}), id);
    CHECK_ALL(((split_options){.format = hone_tool_format_find("<function=x>")}),
              functionary);
}

#define TAGGED "<tool_call> <function=NAME> <parameter=KEY>"

static void tagged_arguments_become_one_object(void **state)
{
#define CALL(s)   "<tool_call>\n<function=put>\n" s "</function>\n</tool_call>"
#define ARG(k, v) "<parameter=" k ">\n" v "\n</parameter>\n"
    static const one cases[] = {
        {"Sure.\n\n" CALL(ARG("text", "a \"b\"\n\\\t\x01 \xC3\xA9")
                              ARG("n", "3")) "\n" CALL(ARG("on", "true")) "\nok",
         "T(Sure.)C(put|{\"text\": \"a \\\"b\\\"\\n\\\\\\t\\u0001 \xC3\xA9\", \"n\": "
         "3})C(put|{\"on\": true})T(ok)"},
        {CALL(""), "C(put|{})"},
        /* what is a string stays one, whatever it looks like */
        {CALL(ARG("text", "12")), "C(put|{\"text\": \"12\"})"},
        {CALL(ARG("kind", "7")), "C(put|{\"kind\": \"7\"})"},
        {CALL(ARG("text", "")), "C(put|{\"text\": \"\"})"},
        {CALL(ARG("text", "\n a \n")), "C(put|{\"text\": \"\\n a \\n\"})"},
        /* what may be a string is one if it is nothing else */
        {CALL(ARG("maybe", "null")), "C(put|{\"maybe\": null})"},
        {CALL(ARG("maybe", "a\nb")), "C(put|{\"maybe\": \"a\\nb\"})"},
        {CALL(ARG("maybe", "5")), "C(put|{\"maybe\": \"5\"})"},
        {CALL(ARG("maybe", "\"q\"")), "C(put|{\"maybe\": \"q\"})"},
        {CALL(ARG("other", "{\"a\": [1]}")), "C(put|{\"other\": {\"a\": [1]}})"},
        {CALL(ARG("other", "word")), "C(put|{\"other\": \"word\"})"},
        {CALL(ARG("round", "1e999")), "C(put|{\"round\": 1e999})"},
        {CALL(ARG("other", "1, 2")), "C(put|{\"other\": \"1, 2\"})"},
        {CALL(ARG("other", "[1] 2")), "C(put|{\"other\": \"[1] 2\"})"},
        {CALL(ARG("other", "1 ]")), "C(put|{\"other\": \"1 ]\"})"},
        /* words of another language; values that fit no type */
        {CALL(ARG("on", "True") ARG("other", "None")),
         "C(put|{\"on\": true, \"other\": null})"},
        {CALL(ARG("text", "True")), "C(put|{\"text\": \"True\"})"},
        {CALL(ARG("n", "\"3\"") ARG("list", "a")),
         "C(put|{\"n\": \"3\", \"list\": \"a\"})"},
        /* closing tags inside of values */
        {CALL(ARG("text", "x</parameter>\n</parameter>y") ARG("n", "1")),
         "C(put|{\"text\": \"x</parameter>\\n</parameter>y\", \"n\": 1})"},
        {CALL(ARG("list", "[\"\", \"</parameter></function>\"]")),
         "C(put|{\"list\": [\"\", \"</parameter></function>\"]})"},
        {CALL(ARG("list", "[\"</parameter>")),
         "C(put|{\"list\": \"[\\\"</parameter>\"})"},
        {CALL(ARG("other", "a</parameter>b")),
         "C(put|{\"other\": \"a</parameter>b\"})"},
        {CALL(ARG("other", "[1] b")), "C(put|{\"other\": \"[1] b\"})"},
        /* less white space, and tags that are missing */
        {"<tool_call><function=put><parameter=text>a</parameter><parameter=n>1"
         "</parameter></function></tool_call>",
         "C(put|{\"text\": \"a\", \"n\": 1})"},
        {"<function=put>\n" ARG("n", "1") "</function>\n</tool_call> x",
         "C(put|{\"n\": 1})T(x)"},
        {"<tool_call>\n<function=put>\n" ARG("n", "1") "</tool_call>",
         "C(put|{\"n\": 1})"},
        /* an object of the other style */
        {"<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", "C(f|{})"},
        /* no calls */
        {"a <tool_call>\n<function=g>\n" ARG("n", "1") "</function>",
         "T(a <tool_call>\n<function=g>\n" ARG("n", "1") "</function>)"},
        {"see <function=put> there", "T(see <function=put> there)"},
        {"<tool_call>\nput", "T(<tool_call>\nput)"},
        {"<tool_call>\n<function=put>\n<parameter=n", "T(<tool_call>\n<function=put>\n"
                                                      "<parameter=n)"},
        /* cut off, and broken after it was announced */
        {"<function=put>\n<parameter=text>\nab\n</par",
         "C(put|{\"text\": \"ab\\n</par)"},
        {"<function=put>\n<parameter=text>\nab\n</parameter>\n",
         "C(put|{\"text\": \"ab\")"},
        {"<function=put>\n<parameter=n>\n12", "C(put|{\"n\": 12)"},
        {"<function=put>\n<parameter=list>\n[1, ", "C(put|{\"list\": [1, )"},
        {"<function=put>\n" ARG("n", "1") "<parameter=text", "C(put|{\"n\": 1)T("
                                                             "<parameter=text)"},
    };
    static const one think[] = {
        {"hm\n</think>\n\n" CALL(ARG("text", "a")), "R(hm)C(put|{\"text\": \"a\"})"},
        {"\n</think>\n\n" CALL(ARG("n", "1")), "C(put|{\"n\": 1})"},
    };
    static const one seed[] = {
        {"<seed:tool_call>\n<function=put>\n<parameter=text>\na\n</parameter>\n"
         "<parameter=n>2</parameter>\n</function>\n</seed:tool_call>",
         "C(put|{\"text\": \"\\na\\n\", \"n\": 2})"},
    };
    (void)state;
    split_options o = {.format = hone_tool_format_find(TAGGED)};
    CHECK_ALL(o, cases);
    o.thinking = SPLIT_THINKING;
    o.think = hone_think_format_find("<think>");
    CHECK_ALL(o, think);
    o = (split_options){.format = hone_tool_format_find("<seed:tool_call> " TAGGED)};
    CHECK_ALL(o, seed);
#undef ARG
#undef CALL
}

/* What has come out when the text so far is that. */
static void so_far(const char *text, const char *want)
{
    json_t *t = tools();
    const split_options o = {.format = hone_tool_format_find(TAGGED), .tools = t};
    answer_split s;
    record r = {.last = -1};
    hone_buf_init(&r.b, 1 << 20);
    hone_split_init(&s, &o, take, &r);
    for (const char *p = text; *p; p++)
        hone_split_push(&s, p, 1);
    assert_string_equal(r.b.data, want);
    hone_split_release(&s);
    hone_buf_release(&r.b);
    json_decref(t);
}

static void strings_stream_and_other_values_wait(void **state)
{
#define HEAD "<tool_call>\n<function=put>\n<parameter="
    (void)state;
    so_far(HEAD "text", "");
    so_far(HEAD "text>", "C(put|{\"text\": \"");
    so_far(HEAD "text>\nab", "C(put|{\"text\": \"ab");
    so_far(HEAD "text>\nab\n", "C(put|{\"text\": \"ab");
    so_far(HEAD "text>\nab\nc", "C(put|{\"text\": \"ab\\nc");
    so_far(HEAD "text>\nab\n</par", "C(put|{\"text\": \"ab");
    so_far(HEAD "text>\nab\n</part", "C(put|{\"text\": \"ab\\n</part");
    so_far(HEAD "text>\nab\n</parameter>\n</f", "C(put|{\"text\": \"ab");
    so_far(HEAD "text>\nab\n</parameter>\n</function>", "C(put|{\"text\": \"ab\"})");
    so_far(HEAD "n>\n12\n</parameter>", "C(put|{\"n\": ");
    so_far(HEAD "list>\n[1]\n</parameter>", "C(put|{\"list\": [1]");
#undef HEAD
}

static void llama_calls_are_the_whole_answer(void **state)
{
    static const one cases[] = {
        {"{\"name\": \"f\", \"parameters\": {\"q\": \"\xC3\xA9\"}}",
         "C(f|{\"q\": \"\xC3\xA9\"})"},
        {"<|python_tag|>{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}; "
         "{\"name\": \"f\", \"parameters\": {\"z\": null}}",
         "C(f|{})C(f|{\"z\": null})"},
        {" {\"answer\": 42}", "T( {\"answer\": 42})"},
        {"{\"name\": \"Ann\", \"age\": 3}", "T({\"name\": \"Ann\", \"age\": 3})"},
        {"Look: {\"name\": \"f\", \"parameters\": {}}",
         "T(Look: {\"name\": \"f\", \"parameters\": {}})"},
    };
    (void)state;
    CHECK_ALL(((split_options){.format = hone_tool_format_find("<|python_tag|>")}),
              cases);
}

static void generic_calls_may_be_fenced_or_listed(void **state)
{
    static const one cases[] = {
        {"{\"name\":\"f\",\"arguments\":{}}\n{\"name\":\"f\",\"arguments\":{}}",
         "C(f|{})C(f|{})"},
        {"```json\n[{\"name\":\"f\",\"arguments\":{}}]\n```\n", "C(f|{})"},
        {"```\n{\"name\":\"f\",\"arguments\":{}}\n``` ok", "C(f|{})T(ok)"},
        {"<tool_call>[{\"name\":\"f\",\"arguments\":{}}]</tool_call>", "C(f|{})"},
        {"```python\nx\n```", "T(```python\nx\n```)"},
        {"[]", "T([])"},
        {"[1, 2]", "T([1, 2])"},
    };
    static const one think[] = {
        {"<think>use f</think>\n{\"name\":\"f\",\"arguments\":{}}", "R(use f)C(f|{})"},
    };
    (void)state;
    split_options o = {.format = hone_tool_format_find(NULL)};
    CHECK_ALL(o, cases);
    o.thinking = SPLIT_MAY_THINK;
    o.think = hone_think_format_find("<think>");
    CHECK_ALL(o, think);
}

/* jansson is the other implementation. */
static void the_scanner_agrees_with_jansson(void **state)
{
    static const char *const texts[] = {"{}",
                                        "[]",
                                        "[1,-0,0.5,1e9,-1.25E-3,10]",
                                        "[01]",
                                        "[1.]",
                                        "[.5]",
                                        "[-]",
                                        "[1e]",
                                        "[+1]",
                                        "[true,false,null]",
                                        "[tru]",
                                        "[truex]",
                                        "{\"a\":{\"b\":[{}]}}",
                                        "{a:1}",
                                        "{\"a\":1,}",
                                        "[1,]",
                                        "[,1]",
                                        "[\"\\u00e9\\n\\\"\"]",
                                        "[\"\\x\"]",
                                        "[\"\\u00g0\"]",
                                        "[\"a\nb\"]",
                                        "{\"a\" 1}",
                                        "{\"a\":}",
                                        "[}",
                                        "{]",
                                        "[ 1 , 2 ]\n",
                                        "[1 2]",
                                        "{\"a\":1 \"b\":2}",
                                        "[-0.0e+1]",
                                        "[00]",
                                        "[1.5.5]",
                                        "[0x1]"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_scan s = {0};
        json_scan_result r = JSON_SCAN_MORE;
        for (const char *p = texts[i]; *p && r == JSON_SCAN_MORE; p++)
            r = hone_json_scan(&s, *p);
        json_t *v = json_loads(texts[i], 0, NULL);
        if ((r == JSON_SCAN_END) != (v != NULL)) fail_msg("%s", texts[i]);
        json_decref(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_is_left_alone),
        cmocka_unit_test(reasoning_is_kept_apart),
        cmocka_unit_test(marks_of_reasoning_follow_the_template),
        cmocka_unit_test(calls_come_behind_reasoning),
        cmocka_unit_test(hermes_calls_are_found_anywhere),
        cmocka_unit_test(mistral_calls_stand_in_an_array),
        cmocka_unit_test(objects_stand_in_tags_of_many_names),
        cmocka_unit_test(names_stand_before_arguments),
        cmocka_unit_test(tagged_arguments_become_one_object),
        cmocka_unit_test(strings_stream_and_other_values_wait),
        cmocka_unit_test(llama_calls_are_the_whole_answer),
        cmocka_unit_test(generic_calls_may_be_fenced_or_listed),
        cmocka_unit_test(the_scanner_agrees_with_jansson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
