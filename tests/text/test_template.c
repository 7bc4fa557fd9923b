/* test_template.c - chat templates: what jinja2 renders, limits, hostile input. */
#include "check.h"

#include <jansson.h>

#include "base/json.h"
#include "hone/tokenizer.h"
#include "text/template.h"

static hone_status render(const char *source, const json_t *vars,
                          const hone_template_options *o, char **out, size_t *len,
                          hone_error *err)
{
    hone_template *t;
    hone_status s = hone_template_parse(&t, source, strlen(source), err);
    if (s) return s;
    s = hone_template_render(t, vars, o, out, len, err);
    hone_template_free(t);
    return s;
}

/* The expected texts are jinja2's (tools/oracle/template_cases.py). */
static void renders_what_jinja2_renders(void **state)
{
    hone_error err;
    json_t *root;
    int n_wrong = 0;
    (void)state;
    assert_ok(
        hone_json_load_file(&root, data_path("template_cases.json"), 1 << 24, &err));
    const json_t *vars = json_object_get(root, "variables");
    const json_t *cases = json_object_get(root, "cases");
    assert_true(json_array_size(cases) > 500);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        const char *source = json_string_value(json_object_get(c, "template"));
        const char *want = json_string_value(json_object_get(c, "text"));
        char *got = NULL;
        size_t len;
        const hone_status s = render(source, vars, NULL, &got, &len, &err);
        if (s ? want != NULL : !want || strcmp(got, want) != 0) {
            n_wrong++;
            fprintf(stderr, "# %s\n#   expected %s\n#   found    %s\n", source,
                    want ? want : "(error)", s ? err.text : got);
        }
        hone_text_free(got);
    }
    json_decref(root);
    assert_int_equal(n_wrong, 0);
}

static void fails(const char *source, const hone_template_options *o, hone_status code,
                  const char *part)
{
    hone_error err = {0};
    char *out;
    size_t len;
    json_t *vars = json_object();
    assert_fails(render(source, vars, o, &out, &len, &err), code, part);
    json_decref(vars);
}

static void raise_exception_gives_its_message(void **state)
{
    (void)state;
    fails("{{ raise_exception('roles must alternate') }}", NULL, HONE_E_TEMPLATE,
          "template: roles must alternate");
}

static void messages_name_the_line(void **state)
{
    (void)state;
    fails("a\n\n{{ 1 + none }}", NULL, HONE_E_TEMPLATE, "line 3");
    fails("a\n{% if %}", NULL, HONE_E_TEMPLATE, "line 2");
}

static void output_is_bounded(void **state)
{
    (void)state;
    const hone_template_options o = {.max_output = 1000};
    fails("{% for i in range(1000) %}0123456789{% endfor %}", &o, HONE_E_LIMIT,
          "output");
}

static void memory_is_bounded(void **state)
{
    (void)state;
    const hone_template_options o = {.max_memory = 1 << 20};
    fails("{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + "
          "ns.s %}"
          "{% endfor %}",
          &o, HONE_E_LIMIT, "memory");
    fails("{{ ('x' * 1000000) * 1000000 }}", NULL, HONE_E_LIMIT, "long");
    fails("{{ '%1000000000d' % 1 }}", NULL, HONE_E_LIMIT, "width");
    fails("{{ '%.1000000000f' % 1.0 }}", NULL, HONE_E_LIMIT, "width");
}

static void steps_are_bounded(void **state)
{
    (void)state;
    const hone_template_options o = {.max_steps = 10000};
    fails(
        "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
        &o, HONE_E_LIMIT, "steps");
}

static void recursion_is_bounded(void **state)
{
    (void)state;
    fails("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", NULL, HONE_E_LIMIT,
          "deep");
    char deep[4000] = "{{ ";
    for (int i = 0; i < 1500; i++) {
        strcat(deep, "[");
    }
    for (int i = 0; i < 1500; i++) {
        strcat(deep, "]");
    }
    strcat(deep, " }}");
    fails(deep, NULL, HONE_E_LIMIT, "nested");
}

static void the_clock_can_stand_still(void **state)
{
    hone_error err;
    char *out;
    size_t len;
    (void)state;
    json_t *vars = json_object();
    const hone_template_options o = {.use_now = 1,
                                     .now = 1721894400}; /* 2024-07-25 08:00 */
    assert_ok(render("{{ strftime_now('%Y-%m-%d') }}|{{ strftime_now('%d %b %Y') }}|"
                     "{{ strftime_now('%B %d, %Y %H:%M %A') }}",
                     vars, &o, &out, &len, &err));
    assert_string_equal(out, "2024-07-25|25 Jul 2024|July 25, 2024 08:00 Thursday");
    hone_text_free(out);
    json_decref(vars);
}

static void broken_text_is_refused(void **state)
{
    (void)state;
    fails("\xff\xfe", NULL, HONE_E_FORMAT, "UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renders_what_jinja2_renders),
        cmocka_unit_test(raise_exception_gives_its_message),
        cmocka_unit_test(messages_name_the_line),
        cmocka_unit_test(output_is_bounded),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(steps_are_bounded),
        cmocka_unit_test(recursion_is_bounded),
        cmocka_unit_test(the_clock_can_stand_still),
        cmocka_unit_test(broken_text_is_refused),
    };
    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
