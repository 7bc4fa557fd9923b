/* test_split.c - answers taken apart: the same parts wherever the text is divided.  The
 * expected parts are written by hand. */
#include "check.h"

#include "serve/split.h"

static json_t *tools(void)
{
    return json_loads("[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
                      "{\"type\":\"function\",\"function\":{\"name\":\"get_weather\","
                      "\"parameters\":{\"type\":\"object\"}}}]",
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
    (void)state;
    CHECK_ALL(((split_options){.thinking = SPLIT_THINKING}), open);
    CHECK_ALL(((split_options){.thinking = SPLIT_MAY_THINK}), may);
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
        cmocka_unit_test(hermes_calls_are_found_anywhere),
        cmocka_unit_test(mistral_calls_stand_in_an_array),
        cmocka_unit_test(llama_calls_are_the_whole_answer),
        cmocka_unit_test(generic_calls_may_be_fenced_or_listed),
        cmocka_unit_test(the_scanner_agrees_with_jansson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
