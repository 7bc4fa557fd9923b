/* test_grammar.c - what a grammar accepts, what its masks hold, what is refused. */
#include "check.h"

#include <jansson.h>
#include <pthread.h>

#include "base/json.h"
#include "hone/grammar.h"
#include "hone/model.h"

static hone_grammar *schema_grammar(const char *schema)
{
    hone_error err;
    hone_grammar *g = NULL;
    if (hone_grammar_from_schema(&g, schema, strlen(schema), &err))
        fail_msg("%s: %s", schema, err.text);
    return g;
}

static hone_grammar *regex_grammar(const char *pattern)
{
    hone_error err;
    hone_grammar *g = NULL;
    if (hone_grammar_from_regex(&g, pattern, strlen(pattern), &err))
        fail_msg("%s: %s", pattern, err.text);
    return g;
}

static hone_grammar_state *state_of(hone_grammar *g)
{
    hone_error err;
    hone_grammar_state *s = NULL;
    assert_ok(hone_grammar_state_new(&s, g, &err));
    return s;
}

static bool accepts(hone_grammar *g, const char *text, size_t len)
{
    hone_grammar_state *s = state_of(g);
    const bool yes = hone_grammar_accept_bytes(s, text, len, NULL) == HONE_OK &&
                     hone_grammar_can_end(s);
    hone_grammar_state_free(s);
    return yes;
}

static json_t *load_cases(void)
{
    hone_error err;
    json_t *cases;
    assert_ok(
        hone_json_load_file(&cases, data_path("grammar_cases.json"), 1 << 24, &err));
    return cases;
}

static hone_grammar *case_grammar(const json_t *one)
{
    char *schema = json_dumps(json_object_get(one, "schema"), JSON_ENCODE_ANY);
    hone_error err;
    hone_grammar *g = NULL;
    const hone_status s = hone_grammar_from_schema(&g, schema, strlen(schema), &err);
    /* the cases hold a few schemas that nothing satisfies */
    if (s && !strstr(err.text, "no value satisfies"))
        fail_msg("%s: %s", schema, err.text);
    free(schema);
    return g;
}

/* -- texts ------------------------------------------------------------------------ */

static void accepts_what_the_validator_accepts(void **state)
{
    (void)state;
    json_t *cases = load_cases(), *one, *text;
    size_t i, k;
    json_array_foreach(cases, i, one)
    {
        hone_grammar *g = case_grammar(one);
        json_array_foreach(json_object_get(one, "texts"), k, text)
        {
            const json_t *t = json_array_get(text, 0);
            const bool want = json_is_true(json_array_get(text, 1));
            const bool got =
                g && accepts(g, json_string_value(t), json_string_length(t));
            if (got != want)
                fail_msg("case %zu: '%s': expected %d", i, json_string_value(t), want);
        }
        hone_grammar_free(g);
    }
    json_decref(cases);
}

typedef struct text_case {
    const char *source, *text;
    bool accepted;
} text_case;

static void regex_matches_whole_texts(void **state)
{
    (void)state;
    static const text_case cases[] = {
        {"[a-c]+", "abc", true},
        {"[a-c]+", "abd", false},
        {"^a$", "a", true},
        {"a|bc", "bc", true},
        {"a|bc", "abc", false},
        {"\\d{3}-\\d{4}", "555-1234", true},
        {"\\d{3}-\\d{4}", "555-123", false},
        {"[^\\n]*", "h\xC3\xA9llo", true},
        {"\\u00e9|\\u{1F999}", "\xF0\x9F\xA6\x99", true},
        {".", "\xC3\xA9", true},
        {".", "\xC3", false},
        {".", "\n", false},
        {"(?:ab){2}c?", "ababc", true},
        {"(?=.*z)[a-z]{2,4}", "azb", true},
        {"(?=.*z)[a-z]{2,4}", "abc", false},
        {"(?!no)\\w+", "nothing", false},
        {"(?!no)\\w+", "some", true},
        {"\\p{Lu}\\p{Ll}+", "\xC3\x89t\xC3\xA9", true},
        {"\\p{Lu}\\p{Ll}+", "\xC3\xA9t\xC3\xA9", false},
        {"a{", "a{", true},
        {"[]a]", "a", false},
        {"x*?y+?", "xxy", true},
        {"[\\w-]+", "a-b_c", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone_grammar *g = NULL;
        const char *p = cases[i].source;
        const bool got = hone_grammar_from_regex(&g, p, strlen(p), NULL) == HONE_OK &&
                         accepts(g, cases[i].text, strlen(cases[i].text));
        if (got != cases[i].accepted) fail_msg("/%s/ on '%s'", p, cases[i].text);
        hone_grammar_free(g);
    }
}

static const char arithmetic[] = "# sums\n"
                                 "root ::= expr \"\\n\"?\n"
                                 "expr ::= term ([-+] term)*\n"
                                 "term ::= num | \"(\" expr \")\" |\n"
                                 "  \"x\" \"y\"{2,3}\n"
                                 "num ::= [0-9]+\n";

static void gbnf_accepts_its_texts(void **state)
{
    (void)state;
    static const text_case cases[] = {
        {arithmetic, "1+(2-34)", true},
        {arithmetic, "1+(2-34", false},
        {arithmetic, "xyy+((7))\n", true},
        {arithmetic, "xy", false},
        {arithmetic, "xyyyy", false},
        {"root ::= list\nlist ::= item (\",\" list)?\nitem ::= \"a\"", "a,a,a", true},
        {"root ::= \"\\u00e9\" [^x]", "\xC3\xA9y", true},
        {"root ::= \"\\u00e9\" [^x]", "\xC3\xA9x", false},
        {"root ::= a b\na ::= \"x\"*\nb ::= \"y\"", "xxy", true},
        {"root ::= a b\na ::= \"x\"*\nb ::= \"y\"", "y", true},
        {"root ::= \"(\" root \")\" | \"\"", "((()))", true},
        {"root ::= \"(\" root \")\" | \"\"", "(()", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone_error err;
        hone_grammar *g = NULL;
        const char *src = cases[i].source;
        assert_ok(hone_grammar_from_gbnf(&g, src, strlen(src), &err));
        if (accepts(g, cases[i].text, strlen(cases[i].text)) != cases[i].accepted)
            fail_msg("case %zu: '%s'", i, cases[i].text);
        hone_grammar_free(g);
    }
}

/* The expected answers are worked out by hand. */
static void parts_join_marks_and_schemas(void **state)
{
#define PART(k, s)                                                                     \
    {                                                                                  \
        .kind = HONE_PART_##k, .text = s, .len = sizeof(s) - 1                         \
    }
    const hone_grammar_part think[] = {PART(TEXT, "<t>"), PART(UNTIL, "</t>"),
                                       PART(REGEX, "\n*")};
    const hone_grammar_part call[] = {PART(TEXT, "<c>"),
                                      PART(SCHEMA, "{\"type\":"
                                                   "\"integer\"}"),
                                      PART(TEXT, "</c>")};
    const hone_grammar_part either[] = {
        {.kind = HONE_PART_REPEAT, .child = call, .n_child = 3, .min = 1, .max = 2},
        PART(GBNF, "root ::= \"(\" root \")\" | \"x\"")};
    const hone_grammar_part all[] = {
        {.kind = HONE_PART_REPEAT, .child = think, .n_child = 3, .max = 1},
        {.kind = HONE_PART_CHOICE, .child = either, .n_child = 2}};
#undef PART
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        {"<c>12</c>", true},
        {"<c>1</c><c>2</c>", true},
        {"<c>1</c><c>2</c><c>3</c>", false},
        {"((x))", true},
        {"((x)", false},
        {"", false},
        {"<t>a < b </ \xC3\xA9</t>\n\nx", true},
        {"<t></t>x", true},
        {"<t>a</t></t>x", false}, /* the first mark ends it */
        {"<t>\xC3</t>x", false},  /* half a character */
        {"<t>x", false},
        {"<t>a</t><t>b</t>x", false},
    };
    hone_error err;
    hone_grammar *g;
    (void)state;
    const hone_grammar_part root = {
        .kind = HONE_PART_SEQUENCE, .child = all, .n_child = 2};
    assert_ok(hone_grammar_from_parts(&g, &root, &err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (accepts(g, cases[i].text, strlen(cases[i].text)) != cases[i].ok)
            fail_msg("%s", cases[i].text);
    }
    hone_grammar_free(g);
    const hone_grammar_part broken = {
        .kind = HONE_PART_SCHEMA, .text = "{\"type\":\"nothing\"}", .len = 18};
    assert_fails(hone_grammar_from_parts(&g, &broken, &err), HONE_E_FORMAT, "type");
    const hone_grammar_part empty = {.kind = HONE_PART_CHOICE};
    assert_fails(hone_grammar_from_parts(&g, &empty, &err), HONE_E_UNSUPPORTED, "");
    const hone_grammar_part crossed = {.kind = HONE_PART_REPEAT, .min = 3, .max = 2};
    assert_fails(hone_grammar_from_parts(&g, &crossed, &err), HONE_E_INVALID, "min 3");
}

/* The expected answers are worked out by hand. */
static void strings_stand_bare_before_a_mark(void **state)
{
    static const struct {
        const char *schema, *text;
        bool ok;
    } cases[] = {
        {"{\"type\":\"string\"}", "a \"b\" \\ \xC3\xA9\n</p\n</p>", true},
        {"{\"type\":\"string\"}", "\n</p>", true},
        {"{\"type\":\"string\"}", "a</p>\n</p>", false}, /* the first mark ends it */
        {"{\"type\":\"string\"}", "a</p>", false},
        {"{\"type\":\"string\",\"maxLength\":2}", "\xC3\xA9\n\n</p>", true},
        {"{\"type\":\"string\",\"maxLength\":2}", "abc\n</p>", false},
        {"{\"type\":\"string\",\"pattern\":\"b$\"}", "ab\n</p>", true},
        {"{\"type\":\"string\",\"pattern\":\"b$\"}", "ba\n</p>", false},
        {"{\"type\":\"string\",\"format\":\"date\"}", "2024-02-29\n</p>", true},
        {"{\"type\":\"string\",\"format\":\"date\"}", "2023-02-29\n</p>", false},
        {"{\"enum\":[\"a\",\"\\\"\"]}", "\"\n</p>", true},
        {"{\"enum\":[\"a\",\"\\\"\"]}", "\"a\"\n</p>", false},
        {"{\"$ref\":\"#/$defs/k\",\"$defs\":{\"k\":{\"anyOf\":[{\"const\":\"x\"},"
         "{\"type\":\"string\",\"minLength\":3}]}}}",
         "x\n</p>", true},
        {"{\"type\":\"string\",\"not\":{\"const\":\"x\"}}", "x\n</p>", false},
    };
    hone_error err;
    hone_grammar *g;
    (void)state;
    hone_grammar_part value[] = {
        {.kind = HONE_PART_STRINGS},
        {.kind = HONE_PART_TEXT, .text = "\n</p>", .len = 5},
    };
    const hone_grammar_part both[] = {
        {.kind = HONE_PART_SEQUENCE, .child = value, .n_child = 2},
        {.kind = HONE_PART_UNTIL, .text = "</p>", .len = 4}};
    hone_grammar_part root = {.kind = HONE_PART_ALL, .child = both, .n_child = 2};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        value[0].text = cases[i].schema;
        value[0].len = strlen(cases[i].schema);
        assert_ok(hone_grammar_from_parts(&g, &root, &err));
        if (accepts(g, cases[i].text, strlen(cases[i].text)) != cases[i].ok)
            fail_msg("%s: '%s'", cases[i].schema, cases[i].text);
        hone_grammar_free(g);
    }
    static const char mixed[] = "{\"type\":[\"string\",\"null\"]}";
    value[0].text = mixed;
    value[0].len = sizeof mixed - 1;
    assert_fails(hone_grammar_from_parts(&g, &root, &err), HONE_E_UNSUPPORTED,
                 "not only strings");
    value[0].kind = HONE_PART_SCHEMA;
    assert_ok(hone_grammar_from_parts(&g, &root, &err));
    assert_true(accepts(g, "null\n</p>", 9));
    hone_grammar_free(g);
    value[0].text = "{}";
    value[0].len = 2;
    assert_fails(hone_grammar_from_parts(&g, &root, &err), HONE_E_UNSUPPORTED,
                 "expected regular ones");
    root.n_child = 0;
    assert_fails(hone_grammar_from_parts(&g, &root, &err), HONE_E_UNSUPPORTED, "");
}

static void choices_accept_only_choices(void **state)
{
    (void)state;
    hone_error err;
    hone_grammar *g;
    static const char *const text[] = {"yes", "no", "none", "\xC3\xA9t\xC3\xA9"};
    static const size_t len[] = {3, 2, 4, 5};
    assert_ok(hone_grammar_from_choices(&g, text, len, 4, &err));
    assert_true(accepts(g, "no", 2));
    assert_true(accepts(g, "none", 4));
    assert_true(accepts(g, text[3], 5));
    assert_false(accepts(g, "non", 3));
    assert_false(accepts(g, "", 0));
    hone_grammar_free(g);
    assert_fails(hone_grammar_from_choices(&g, text, len, 0, &err), HONE_E_UNSUPPORTED,
                 "no text");
}

static void white_space_is_a_blank_or_an_indented_line(void **state)
{
    (void)state;
    hone_grammar *g =
        schema_grammar("{\"type\":\"array\",\"items\":{\"type\":\"null\"}}");
    static const text_case cases[] = {
        {"", "[null,null]", true},     {"", "[null, null]", true},
        {"", "[ null , null ]", true}, {"", "[\n    null,\r\n\tnull\n]", true},
        {"", "[null,  null]", false},  {"", " [null]", false},
        {"", "[null]\n", false},       {"", "[null,\n\nnull]", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (accepts(g, cases[i].text, strlen(cases[i].text)) != cases[i].accepted)
            fail_msg("'%s'", cases[i].text);
    }
    hone_grammar_free(g);
}

/* -- refusals --------------------------------------------------------------------- */

static void refusals_name_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *message;
        hone_status code;
    } cases[] = {
        {"{\"properties\":{\"a/b\":{\"uniqueItems\":true}}}",
         "/properties/a~1b: 'uniqueItems'", HONE_E_UNSUPPORTED},
        {"{\"items\":{\"pattern\":\"(a)\\\\1\"}}",
         "/items: 'pattern': a back reference", HONE_E_UNSUPPORTED},
        {"{\"$ref\":\"other.json\"}", "'$ref'", HONE_E_UNSUPPORTED},
        {"{\"$ref\":\"#/nowhere\"}", "leads nowhere", HONE_E_FORMAT},
        {"{\"$ref\":\"#\"}", "leads back to itself", HONE_E_UNSUPPORTED},
        {"{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"allOf\":[{\"$ref\":\"#/"
         "$defs/a\"}]}},\"items\":{\"$ref\":\"#/$defs/a\"}}",
         "/items: '$ref': leads back to itself", HONE_E_UNSUPPORTED},
        {"{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"string\"}]}",
         "/anyOf/0: '$ref': leads back to itself", HONE_E_UNSUPPORTED},
        {"{\"type\":\"strin\"}", "'type'", HONE_E_FORMAT},
        {"{\"type\":\"string\",\"enum\":[1]}", "no value satisfies",
         HONE_E_UNSUPPORTED},
        {"false", "no value satisfies", HONE_E_UNSUPPORTED},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":["
         "\"a\"]}",
         "no value satisfies", HONE_E_UNSUPPORTED},
        {"{\"type\":\"string\",\"pattern\":\"^a\",\"allOf\":[{\"pattern\":\"^b\"}]}",
         "no value satisfies", HONE_E_UNSUPPORTED},
        {"{\"unevaluatedProperties\":false}", "'unevaluatedProperties'",
         HONE_E_UNSUPPORTED},
        {"{\"type\":", "line 1", HONE_E_FORMAT},
        {"3", "not an object or boolean", HONE_E_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone_error err;
        hone_grammar *g;
        assert_fails(hone_grammar_from_schema(&g, cases[i].schema,
                                              strlen(cases[i].schema), &err),
                     cases[i].code, cases[i].message);
    }
}

static void broken_sources_fail(void **state)
{
    (void)state;
    hone_error err;
    hone_grammar *g;
    static const char *const regex[] = {"(",   ")",  "[a",    "*",
                                        "a**", "\\", "[b-a]", "x{3,2}"};
    for (size_t i = 0; i < sizeof regex / sizeof *regex; i++) {
        assert_fails(hone_grammar_from_regex(&g, regex[i], strlen(regex[i]), &err),
                     HONE_E_FORMAT, "regex");
    }
    static const char *const gbnf[] = {"",
                                       "a ::= \"x\"",
                                       "root ::= b",
                                       "root := \"x\"",
                                       "root ::= \"x",
                                       "root ::= (\"x\"",
                                       "root ::= [a"};
    for (size_t i = 0; i < sizeof gbnf / sizeof *gbnf; i++) {
        assert_fails(hone_grammar_from_gbnf(&g, gbnf[i], strlen(gbnf[i]), &err),
                     HONE_E_FORMAT, "gbnf");
    }
    const char *left = "root ::= root \"a\" | \"b\"";
    assert_fails(hone_grammar_from_gbnf(&g, left, strlen(left), &err),
                 HONE_E_UNSUPPORTED, "left recursion");
    const char *endless = "root ::= \"a\" root";
    assert_fails(hone_grammar_from_gbnf(&g, endless, strlen(endless), &err),
                 HONE_E_UNSUPPORTED, "no text");
}

/* -- sizes ------------------------------------------------------------------------ */

static void counters_cost_nothing(void **state)
{
    (void)state;
    hone_grammar *g = regex_grammar("[a-z]{1,32767}(ab){3,100000}");
    assert_true(hone_grammar_n_states(g) < 100);
    hone_grammar_free(g);
    g = schema_grammar("{\"type\":\"array\",\"maxItems\":10000,\"items\":{\"type\":"
                       "\"string\",\"maxLength\":1000000}}");
    assert_true(hone_grammar_n_states(g) < 400);
    hone_grammar_free(g);
}

static void many_optional_properties_are_n_choices(void **state)
{
    (void)state;
    json_t *p = json_object();
    char name[20];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "property%d", i);
        json_object_set_new(p, name, json_pack("{s:s}", "type", "integer"));
    }
    json_t *schema = json_pack("{s:s,s:o,s:b}", "type", "object", "properties", p,
                               "additionalProperties", 0);
    char *text = json_dumps(schema, 0);
    hone_grammar *g = schema_grammar(text);
    assert_true(hone_grammar_n_states(g) < 20000);
    assert_true(accepts(g, "{\"property7\": 1, \"property299\": 2}", 34));
    assert_false(accepts(g, "{\"property9\": 1, \"property7\": 2}", 32));
    hone_grammar_free(g);
    free(text);
    json_decref(schema);
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    hone_error err;
    hone_grammar *g;
    char text[2000];
    memset(text, '[', 1000);
    memset(text + 1000, ']', 1000);
    assert_ok(hone_grammar_from_json(&g, false, &err));
    assert_true(accepts(g, text + 900, 200));
    hone_grammar_state *s = state_of(g);
    const size_t n = hone_grammar_match(s, text, 1000);
    assert_true(n >= 200 && n < 300);
    hone_grammar_state_free(s);
    hone_grammar_free(g);
    assert_ok(hone_grammar_from_json(&g, true, &err));
    assert_false(accepts(g, "[]", 2));
    assert_true(accepts(g, "{}", 2));
    hone_grammar_free(g);
}

static void long_texts_do_not_pile_up(void **state)
{
    (void)state;
    hone_error err;
    hone_grammar *g = schema_grammar("{\"type\":\"string\",\"maxLength\":1000000}");
    hone_grammar_state *s = state_of(g), *early;
    char block[1000];
    memset(block, 'x', sizeof block);
    assert_ok(hone_grammar_accept_bytes(s, "\"x", 2, &err));
    assert_ok(hone_grammar_state_clone(&early, s, &err));
    for (int i = 0; i < 999; i++) {
        assert_ok(hone_grammar_accept_bytes(s, block, sizeof block, &err));
        assert_true(hone_grammar_n_states(g) < 700000);
    }
    assert_int_equal(hone_grammar_match(s, block, sizeof block), 999);
    assert_ok(hone_grammar_accept_bytes(early, "x\"", 2, &err));
    assert_true(hone_grammar_can_end(early));
    hone_grammar_state_free(s);
    hone_grammar_state_free(early);
    hone_grammar_free(g);
}

/* -- states ----------------------------------------------------------------------- */

static void states_fork_and_go_back(void **state)
{
    (void)state;
    hone_error err;
    hone_grammar *g = regex_grammar("ab|ac");
    hone_grammar_state *s = state_of(g), *fork;
    assert_ok(hone_grammar_accept_bytes(s, "a", 1, &err));
    assert_ok(hone_grammar_state_clone(&fork, s, &err));
    assert_ok(hone_grammar_accept_bytes(s, "b", 1, &err));
    assert_fails(hone_grammar_accept_bytes(s, "c", 1, &err), HONE_E_INVALID, "byte 0");
    assert_true(hone_grammar_can_end(s));
    assert_false(hone_grammar_can_end(fork));
    hone_grammar_state_copy(s, fork);
    assert_ok(hone_grammar_accept_bytes(s, "c", 1, &err));
    hone_grammar_state_reset(s);
    assert_int_equal(hone_grammar_match(s, "abx", 3), 2);
    hone_grammar_free(g); /* states keep it */
    assert_ok(hone_grammar_accept_bytes(fork, "c", 1, &err));
    hone_grammar_state_free(fork);
    hone_grammar_state_free(s);
}

static void forced_bytes_are_found(void **state)
{
    (void)state;
    hone_error err;
    char buf[64];
    hone_grammar *g = regex_grammar("abc(d|e)fgh");
    hone_grammar_state *s = state_of(g);
    assert_int_equal(hone_grammar_forced(s, buf, sizeof buf), 3);
    assert_memory_equal(buf, "abc", 3);
    assert_ok(hone_grammar_accept_bytes(s, "abcd", 4, &err));
    assert_int_equal(hone_grammar_forced(s, buf, 2), 2);
    assert_int_equal(hone_grammar_forced(s, buf, sizeof buf), 3);
    hone_grammar_state_free(s);
    hone_grammar_free(g);
    /* a name is forced although each of its characters could be an escape */
    g = schema_grammar(
        "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"null\"}},"
        "\"required\":[\"name\"],\"additionalProperties\":false}");
    s = state_of(g);
    assert_int_equal(hone_grammar_forced(s, buf, sizeof buf), 1);
    assert_ok(hone_grammar_accept_bytes(s, "{\"", 2, &err));
    assert_int_equal(hone_grammar_forced(s, buf, sizeof buf), 5);
    assert_memory_equal(buf, "name\"", 5);
    hone_grammar_state_free(s);
    hone_grammar_free(g);
}

/* -- masks ------------------------------------------------------------------------ */

typedef struct fixture {
    hone_model *model;
    const hone_tokenizer *tok;
    hone_tokenizer *own;
    int32_t end;
    hone_grammar_vocab *vocab;
    uint32_t *mask;
} fixture;

/* HONE_TEST_MODEL names a model whose vocabulary is used instead of the small one. */
static void open_fixture(fixture *f)
{
    hone_error err;
    const char *model = getenv("HONE_TEST_MODEL");
    *f = (fixture){0};
    if (model) {
        assert_ok(hone_model_open(&f->model, model, HONE_OPEN_TEXT_ONLY, &err));
        f->tok = hone_model_tokenizer(f->model);
    } else {
        assert_ok(hone_tokenizer_open(&f->own, data_path("tok_smollm.json"), &err));
        f->tok = f->own;
    }
    f->end = hone_tokenizer_role(f->tok, HONE_TOKEN_EOS);
    if (f->end < 0) f->end = hone_tokenizer_find(f->tok, "</s>", 4);
    assert_ok(hone_grammar_vocab_new(&f->vocab, f->tok, &f->end, 1, &err));
    f->mask = calloc(hone_grammar_mask_words(f->vocab) + 1, sizeof *f->mask);
}

static void close_fixture(fixture *f)
{
    free(f->mask);
    hone_grammar_vocab_free(f->vocab);
    hone_tokenizer_free(f->own);
    hone_model_close(f->model);
}

/* Every bit of the mask against the token's bytes, walked alone. */
static void check_mask(const fixture *f, hone_grammar_state *s, const char *what)
{
    hone_error err;
    assert_ok(hone_grammar_mask(s, f->vocab, f->mask, &err));
    for (int32_t id = 0; id < hone_tokenizer_n_vocab(f->tok); id++) {
        size_t len = 0;
        const char *bytes = hone_tokenizer_bytes(f->tok, id, &len);
        bool want = bytes && len > 0 && !hone_tokenizer_is_special(f->tok, id) &&
                    hone_grammar_match(s, bytes, len) == len;
        if (id == f->end) want = hone_grammar_can_end(s);
        if (want != (f->mask[id >> 5] >> (id & 31) & 1))
            fail_msg("%s: token %d '%.*s': expected %d", what, id, (int)len,
                     bytes ? bytes : "", want);
    }
}

/* Walk the tokens of a text; check the masks of some of its steps. */
static void check_masks_of(const fixture *f, hone_grammar *g, const char *text,
                           size_t len, unsigned one_in)
{
    hone_error err;
    hone_tokens ids = {0};
    hone_grammar_state *s = state_of(g);
    assert_ok(
        hone_tokenizer_encode(f->tok, text, len, HONE_ENCODE_NO_PARSE, &ids, &err));
    for (size_t i = 0; i <= ids.len; i++) {
        if (hone_rng_u32(test_rng()) % one_in == 0) check_mask(f, s, text);
        if (i == ids.len || hone_grammar_accept(s, f->vocab, ids.id[i], &err)) break;
    }
    hone_tokens_release(&ids);
    hone_grammar_state_free(s);
}

static void masks_hold_what_bytes_accept(void **state)
{
    (void)state;
    fixture f;
    json_t *cases = load_cases(), *one, *text;
    size_t i, k;
    open_fixture(&f);
    json_array_foreach(cases, i, one)
    {
        hone_grammar *g = case_grammar(one);
        json_array_foreach(json_object_get(one, "texts"), k, text)
        {
            const json_t *t = json_array_get(text, 0);
            if (g && json_is_true(json_array_get(text, 1)))
                check_masks_of(&f, g, json_string_value(t), json_string_length(t), 25);
        }
        hone_grammar_free(g);
    }
    json_decref(cases);
    close_fixture(&f);
}

static void masks_count_characters(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    for (int max = 1; max < 40; max += max < 5 ? 1 : 7) {
        char source[200];
        snprintf(
            source, sizeof source,
            "{\"items\":{\"type\":\"string\",\"maxLength\":%d},\"type\":\"array\"}",
            max);
        hone_grammar *g = schema_grammar(source);
        check_masks_of(&f, g, "[\"a\", \"", 7, 1);
        hone_grammar_free(g);
        snprintf(source, sizeof source, "x[a-z ]{2,%d}(foo|-{3,%d})", max + 1, max + 2);
        g = regex_grammar(source);
        check_masks_of(&f, g, "xabc", 4, 1);
        hone_grammar_free(g);
    }
    const char *src = arithmetic;
    hone_error err;
    hone_grammar *g;
    assert_ok(hone_grammar_from_gbnf(&g, src, strlen(src), &err));
    check_masks_of(&f, g, "(12+(3))-xyy", 12, 1);
    hone_grammar_free(g);
    close_fixture(&f);
}

static void end_tokens_only_where_a_text_may_end(void **state)
{
    (void)state;
    hone_error err;
    fixture f;
    open_fixture(&f);
    hone_grammar *g = regex_grammar("ab?");
    hone_grammar_state *s = state_of(g);
    const int32_t end = f.end;
    assert_fails(hone_grammar_accept(s, f.vocab, end, &err), HONE_E_INVALID, "not end");
    assert_ok(hone_grammar_accept_bytes(s, "a", 1, &err));
    assert_ok(hone_grammar_accept(s, f.vocab, end, &err));
    assert_fails(hone_grammar_accept(s, f.vocab, -1, &err), HONE_E_INVALID, "no text");
    hone_grammar_state_free(s);
    hone_grammar_free(g);
    close_fixture(&f);
}

/* -- threads ---------------------------------------------------------------------- */

typedef struct worker {
    const fixture *f;
    hone_grammar *g;
    size_t n_word;
    bool ok;
} worker;

static void *work(void *p)
{
    worker *w = p;
    uint32_t *mask = calloc(w->n_word + 1, sizeof *mask);
    hone_grammar_state *s = NULL;
    w->ok = hone_grammar_state_new(&s, w->g, NULL) == HONE_OK;
    static const char text[] = "{\"a\": [1, 2.5, {\"b\": \"text\"}], \"c\": null}";
    for (size_t i = 0; w->ok && text[i]; i++) {
        w->ok = hone_grammar_mask(s, w->f->vocab, mask, NULL) == HONE_OK &&
                hone_grammar_accept_bytes(s, text + i, 1, NULL) == HONE_OK;
    }
    hone_grammar_state_free(s);
    free(mask);
    return NULL;
}

static void threads_share_a_grammar(void **state)
{
    (void)state;
    hone_error err;
    fixture f;
    open_fixture(&f);
    worker w[3];
    pthread_t thread[3];
    hone_grammar *g;
    assert_ok(hone_grammar_from_json(&g, true, &err));
    for (int i = 0; i < 3; i++) {
        w[i] = (worker){&f, g, hone_grammar_mask_words(f.vocab), false};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
        assert_true(w[i].ok);
    }
    hone_grammar_free(g);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest grammar[] = {
        cmocka_unit_test(accepts_what_the_validator_accepts),
        cmocka_unit_test(regex_matches_whole_texts),
        cmocka_unit_test(gbnf_accepts_its_texts),
        cmocka_unit_test(parts_join_marks_and_schemas),
        cmocka_unit_test(strings_stand_bare_before_a_mark),
        cmocka_unit_test(choices_accept_only_choices),
        cmocka_unit_test(white_space_is_a_blank_or_an_indented_line),
        cmocka_unit_test(refusals_name_the_place),
        cmocka_unit_test(broken_sources_fail),
        cmocka_unit_test(counters_cost_nothing),
        cmocka_unit_test(many_optional_properties_are_n_choices),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(long_texts_do_not_pile_up),
        cmocka_unit_test(states_fork_and_go_back),
        cmocka_unit_test(forced_bytes_are_found),
        cmocka_unit_test(masks_hold_what_bytes_accept),
        cmocka_unit_test(masks_count_characters),
        cmocka_unit_test(end_tokens_only_where_a_text_may_end),
        cmocka_unit_test(threads_share_a_grammar),
    };
    return cmocka_run_group_tests(grammar, NULL, NULL);
}
