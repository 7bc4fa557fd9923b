/* grammar_args.c - options that name a grammar. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/command.h"

#define MAX_SOURCE ((size_t)16 << 20)

cli_group cli_grammar_group(cli_grammar_args *a, cli_option table[4])
{
    table[0] = (cli_option){"schema",   0,      CLI_STR,
                            &a->schema, "FILE", "a JSON Schema; - is standard input"};
    table[1] = (cli_option){"regex",   0,    CLI_STR,
                            &a->regex, "RE", "an ECMA 262 regular expression"};
    table[2] = (cli_option){"gbnf",   0,      CLI_STR,
                            &a->gbnf, "FILE", "a grammar in llama.cpp's notation"};
    table[3] = (cli_option){"choices", 0,
                            CLI_STR,   &a->choices,
                            "FILE",    "a JSON array of strings, or one choice a line"};
    return (cli_group){table, 4};
}

int cli_grammar_count(const cli_grammar_args *a)
{
    return (a->schema != NULL) + (a->regex != NULL) + (a->gbnf != NULL) +
           (a->choices != NULL);
}

/* Choices are a JSON array of strings, or one choice a line. */
static hone_status choices_of_json(hone_grammar **g, const json_t *list,
                                   hone_error *err)
{
    const size_t n = json_array_size(list);
    const char **text = calloc(n + 1, sizeof *text);
    size_t *len = calloc(n + 1, sizeof *len);
    hone_status s = text && len ? HONE_OK : HONE_E_NOMEM;
    if (s) hone_fail(err, s, "choices: out of memory");
    for (size_t i = 0; i < n && !s; i++) {
        const json_t *v = json_array_get(list, i);
        text[i] = json_string_value(v);
        len[i] = json_string_length(v);
        if (!text[i])
            s = hone_fail(err, HONE_E_FORMAT, "choices: element %zu: no string", i);
    }
    if (!s) s = hone_grammar_from_choices(g, text, len, n, err);
    free(text);
    free(len);
    return s;
}

static hone_status choices_of_text(hone_grammar **g, const char *text, size_t size,
                                   hone_error *err)
{
    json_t *list = json_loadb(text, size, JSON_ALLOW_NUL, NULL);
    if (!json_is_array(list)) {
        json_decref(list);
        list = json_array();
        for (size_t at = 0; at < size;) {
            const char *end = memchr(text + at, '\n', size - at);
            size_t n = end ? (size_t)(end - text) - at : size - at;
            const size_t step = n + 1;
            if (n > 0 && text[at + n - 1] == '\r') n--;
            if (n > 0) json_array_append_new(list, json_stringn(text + at, n));
            at += step;
        }
    }
    const hone_status s = choices_of_json(g, list, err);
    json_decref(list);
    return s;
}

hone_status cli_grammar_compile(hone_grammar **g, const cli_grammar_args *a,
                                hone_error *err)
{
    if (a->regex) return hone_grammar_from_regex(g, a->regex, strlen(a->regex), err);
    const char *path = a->schema ? a->schema : a->gbnf ? a->gbnf : a->choices;
    char *text;
    size_t len;
    hone_status s = hone_file_read(&text, &len, path, MAX_SOURCE, err);
    if (s) return s;
    if (a->schema)
        s = hone_grammar_from_schema(g, text, len, err);
    else if (a->gbnf)
        s = hone_grammar_from_gbnf(g, text, len, err);
    else
        s = choices_of_text(g, text, len, err);
    hone_free(text);
    return s;
}
