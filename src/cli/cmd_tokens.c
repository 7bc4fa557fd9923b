/* cmd_tokens.c - `hone tokens`: text to token ids and back. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/command.h"

#define MAX_INPUT ((size_t)1 << 30)

typedef struct args {
    const char *prompt, *file;
    bool decode, no_special, no_add_special, no_parse_special, json, jsonl;
} args;

static unsigned encode_flags(const args *a)
{
    return (a->no_add_special ? 0u : HONE_ENCODE_SPECIAL) |
           (a->no_parse_special ? HONE_ENCODE_NO_PARSE : 0u);
}

static void print_ids(const hone_tokens *t)
{
    putchar('[');
    for (size_t i = 0; i < t->len; i++) {
        printf(i ? ",%d" : "%d", t->id[i]);
    }
    putchar(']');
}

static void print_encoded(const hone_tokenizer *tok, const hone_tokens *t,
                          const args *a)
{
    if (a->jsonl) {
        print_ids(t);
        putchar('\n');
        return;
    }
    if (!a->json) {
        for (size_t i = 0; i < t->len; i++) {
            size_t len;
            const char *piece = hone_tokenizer_piece(tok, t->id[i], &len);
            printf("%d\t", t->id[i]);
            if (piece) cli_print_json_string(piece, len);
            putchar('\n');
        }
        return;
    }
    printf("{\"ids\":");
    print_ids(t);
    printf(",\"pieces\":[");
    for (size_t i = 0; i < t->len; i++) {
        size_t len;
        const char *piece = hone_tokenizer_piece(tok, t->id[i], &len);
        if (i) putchar(',');
        if (piece)
            cli_print_json_string(piece, len);
        else
            printf("null");
    }
    printf("]}\n");
}

static hone_status encode(const hone_tokenizer *tok, const char *text, size_t len,
                          const args *a, hone_error *err)
{
    hone_tokens t = {0};
    const hone_status s =
        hone_tokenizer_encode(tok, text, len, encode_flags(a), &t, err);
    if (!s) print_encoded(tok, &t, a);
    hone_tokens_release(&t);
    return s;
}

static hone_status decode(const hone_tokenizer *tok, const hone_tokens *t,
                          const args *a, hone_error *err)
{
    char *text;
    size_t len;
    const unsigned flags = a->no_special ? HONE_DECODE_NO_SPECIAL : 0;
    const hone_status s =
        hone_tokenizer_decode(tok, t->id, t->len, flags, &text, &len, err);
    if (s) return s;
    if (a->jsonl || a->json) {
        cli_print_json_string(text, len);
        putchar('\n');
    } else {
        fwrite(text, 1, len, stdout);
    }
    hone_text_free(text);
    return HONE_OK;
}

static hone_status ids_of_json(const json_t *j, hone_tokens *t, hone_error *err)
{
    if (!json_is_array(j)) {
        return hone_fail(err, HONE_E_FORMAT, "input: expected an array of token ids");
    }
    for (size_t i = 0; i < json_array_size(j); i++) {
        const json_t *e = json_array_get(j, i);
        const json_int_t v = json_integer_value(e);
        if (!json_is_integer(e) || v < 0 || v > INT32_MAX) {
            return hone_fail(err, HONE_E_FORMAT, "input: element %zu is no token id",
                             i);
        }
        const int32_t id = (int32_t)v;
        HONE_TRY(hone_tokens_append(t, &id, 1, err));
    }
    return HONE_OK;
}

/* Ids separated by white space or commas, or a JSON array. */
static hone_status ids_of_text(const char *text, size_t len, hone_tokens *t,
                               hone_error *err)
{
    const char *p = text, *end = text + len;
    while (p < end) {
        if (strchr(" \t\r\n,[]", *p)) {
            p++;
            continue;
        }
        char *stop;
        const long v = strtol(p, &stop, 10);
        if (stop == p || v < 0 || v > INT32_MAX) {
            return hone_fail(err, HONE_E_FORMAT, "input: '%.20s': expected a token id",
                             p);
        }
        const int32_t id = (int32_t)v;
        HONE_TRY(hone_tokens_append(t, &id, 1, err));
        p = stop;
    }
    return HONE_OK;
}

/* One JSON value of a line. */
static hone_status run_line(const hone_tokenizer *tok, const char *line, size_t len,
                            const args *a, hone_error *err)
{
    json_error_t je;
    json_t *j = json_loadb(line, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &je);
    if (!j) return hone_fail(err, HONE_E_FORMAT, "input: %s", je.text);
    hone_status s;
    if (a->decode) {
        hone_tokens t = {0};
        s = ids_of_json(j, &t, err);
        if (!s) s = decode(tok, &t, a, err);
        hone_tokens_release(&t);
    } else if (json_is_string(j)) {
        s = encode(tok, json_string_value(j), json_string_length(j), a, err);
    } else {
        s = hone_fail(err, HONE_E_FORMAT, "input: expected a JSON string");
    }
    json_decref(j);
    return s;
}

/* Line by line, each answered before the next is read: a program may hold a pipe's two
 * ends. */
static hone_status run_lines(const hone_tokenizer *tok, FILE *in, const args *a,
                             hone_error *err)
{
    hone_status s = HONE_OK;
    char *line = NULL;
    size_t cap = 0, number = 0;
    ssize_t n;
    while (!s && (n = getline(&line, &cap, in)) >= 0) {
        number++;
        if (n > 0 && line[n - 1] == '\n') n--;
        if (n == 0) continue;
        s = run_line(tok, line, (size_t)n, a, err);
        if (s) s = hone_error_wrap(err, s, "line %zu", number);
        if (!s && fflush(stdout)) break; /* main says so */
    }
    if (!s && ferror(in))
        s = hone_fail(err, HONE_E_IO, "read input: %s", strerror(errno));
    free(line);
    return s;
}

static hone_status run_jsonl(const hone_tokenizer *tok, const args *a, hone_error *err)
{
    if (a->prompt && !*a->prompt) return HONE_OK; /* which fmemopen refuses */
    const bool is_stdin = !a->prompt && (!a->file || strcmp(a->file, "-") == 0);
    FILE *in = is_stdin ? stdin
               : a->prompt
                   ? fmemopen((void *)(uintptr_t)a->prompt, strlen(a->prompt), "r")
                   : fopen(a->file, "re");
    if (!in) {
        return hone_fail(err, HONE_E_IO, "open %s: %s", a->prompt ? "text" : a->file,
                         strerror(errno));
    }
    const hone_status s = run_lines(tok, in, a, err);
    if (!is_stdin) fclose(in);
    return s;
}

static hone_status run_text(const hone_tokenizer *tok, const args *a, hone_error *err)
{
    if (a->jsonl) return run_jsonl(tok, a, err);
    char *text = NULL;
    size_t len = a->prompt ? strlen(a->prompt) : 0;
    if (!a->prompt) {
        HONE_TRY(hone_file_read(&text, &len, a->file ? a->file : "-", MAX_INPUT, err));
    }
    const char *in = a->prompt ? a->prompt : text;
    hone_status s;
    if (a->decode) {
        hone_tokens t = {0};
        s = ids_of_text(in, len, &t, err);
        if (!s) s = decode(tok, &t, a, err);
        hone_tokens_release(&t);
    } else {
        s = encode(tok, in, len, a, err);
    }
    hone_free(text);
    return s;
}

static int run(const cli_command *self, int argc, char **argv)
{
    args a = {0};
    const cli_option options[] = {
        {"prompt", 'p', CLI_STR, &a.prompt, "TEXT",
         "the input; default: standard input"},
        {"file", 'f', CLI_STR, &a.file, "FILE", "read the input from FILE"},
        {"decode", 'd', CLI_FLAG, &a.decode, NULL, "the input is ids; print text"},
        {"no-special", 0, CLI_FLAG, &a.no_special, NULL,
         "leave special tokens out of text"},
        {"no-add-special", 0, CLI_FLAG, &a.no_add_special, NULL,
         "add no BOS, EOS, ..."},
        {"no-parse-special", 0, CLI_FLAG, &a.no_parse_special, NULL,
         "text that spells a special token stays text"},
        {"json", 0, CLI_FLAG, &a.json, NULL, "print one JSON document"},
        {"jsonl", 0, CLI_FLAG, &a.jsonl, NULL, "one JSON value a line, in and out"},
    };
    const cli_group groups[] = {CLI_GROUP(options)};
    const char *model;
    const int go = cli_parse(self, groups, 1, argc, argv, &model, 1, 1);
    if (go != CLI_GO) return go;
    if (a.prompt && a.file) return cli_usage(self, "expected -p or -f, not both");
    if (a.json && a.jsonl)
        return cli_usage(self, "expected --json or --jsonl, not both");

    hone_error err;
    hone_model *m;
    if (cli_model_open(&m, model, HONE_OPEN_TEXT_ONLY, &err)) return cli_fail(&err);
    const hone_tokenizer *tok = hone_model_tokenizer(m);
    hone_status s;
    if (tok)
        s = run_text(tok, &a, &err);
    else
        s = hone_fail(&err, HONE_E_NOT_FOUND, "tokens: %s: no tokenizer", model);
    hone_model_close(m);
    return s ? cli_fail(&err) : 0;
}

const cli_command cli_cmd_tokens = {
    .name = "tokens",
    .usage = "MODEL [-p TEXT | -f FILE] [--decode] [--json | --jsonl]",
    .summary = "turn text into token ids, or ids into text",
    .run = run,
};
