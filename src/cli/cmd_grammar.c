/* cmd_grammar.c - `hone grammar`: compile a schema, an expression or a grammar, and
 * check texts against it, by bytes or by a model's tokens. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/command.h"

#define MAX_INPUT ((size_t)1 << 30)

typedef struct args {
    cli_grammar_args source;
    bool jsonl;
} args;

/* What checking texts needs; tok and vocab are NULL without a model. */
typedef struct checker {
    hone_grammar *grammar;
    const hone_tokenizer *tok;
    hone_grammar_vocab *vocab;
    uint32_t *mask;
} checker;

typedef struct verdict {
    bool accepted;
    bool cut; /* a byte was rejected */
    size_t rejected_at;
    size_t n_mask;
    int64_t total_ns, max_ns;
} verdict;

/* -- checking --------------------------------------------------------------------- */

static void count(verdict *v, int64_t ns)
{
    v->n_mask++;
    v->total_ns += ns;
    if (ns > v->max_ns) v->max_ns = ns;
}

/* Token by token, each step's mask computed as in decoding. */
static hone_status check_tokens(const checker *c, hone_grammar_state *state,
                                const char *text, size_t len, verdict *v,
                                hone_error *err)
{
    hone_tokens ids = {0};
    size_t at = 0;
    hone_status s =
        hone_tokenizer_encode(c->tok, text, len, HONE_ENCODE_NO_PARSE, &ids, err);
    for (size_t i = 0; i < ids.len && !s && !v->cut; i++) {
        const int32_t id = ids.id[i];
        size_t n = 0;
        const char *bytes = hone_tokenizer_bytes(c->tok, id, &n);
        const int64_t begin = hone_clock_ns();
        s = hone_grammar_mask(state, c->vocab, c->mask, err);
        if (s) break;
        const bool allowed = c->mask[id >> 5] >> (id & 31) & 1;
        const hone_status stepped =
            allowed ? hone_grammar_accept(state, c->vocab, id, err) : HONE_E_INVALID;
        count(v, hone_clock_ns() - begin);
        if (stepped) {
            v->cut = true;
            v->rejected_at = at + (bytes ? hone_grammar_match(state, bytes, n) : 0);
        }
        at += n;
    }
    hone_tokens_release(&ids);
    return s;
}

static hone_status check_bytes(hone_grammar_state *state, const char *text, size_t len,
                               verdict *v)
{
    for (size_t i = 0; i < len && !v->cut; i++) {
        const int64_t begin = hone_clock_ns();
        const hone_status stepped = hone_grammar_accept_bytes(state, text + i, 1, NULL);
        count(v, hone_clock_ns() - begin);
        if (stepped) {
            v->cut = true;
            v->rejected_at = i;
        }
    }
    return HONE_OK;
}

static hone_status check(const checker *c, const char *text, size_t len, verdict *v,
                         hone_error *err)
{
    hone_grammar_state *state;
    hone_status s = hone_grammar_state_new(&state, c->grammar, err);
    if (s) return s;
    s = c->vocab ? check_tokens(c, state, text, len, v, err)
                 : check_bytes(state, text, len, v);
    v->accepted = !s && !v->cut && hone_grammar_can_end(state);
    hone_grammar_state_free(state);
    return s;
}

static void print(const verdict *v)
{
    printf("{\"accepted\":%s,\"rejected_at\":", v->accepted ? "true" : "false");
    if (v->cut)
        printf("%zu", v->rejected_at);
    else
        printf("null");
    const double avg = v->n_mask ? (double)v->total_ns / 1e3 / (double)v->n_mask : 0.0;
    printf(",\"masks\":%zu,\"mask_us_avg\":%.3f,\"mask_us_max\":%.3f}\n", v->n_mask,
           avg, (double)v->max_ns / 1e3);
}

static hone_status check_line(const checker *c, const char *line, size_t len,
                              hone_error *err)
{
    json_error_t je;
    json_t *j = json_loadb(line, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &je);
    if (!json_is_string(j)) {
        json_decref(j);
        return hone_fail(err, HONE_E_FORMAT, "input: expected a JSON string%s%s",
                         j ? "" : ": ", j ? "" : je.text);
    }
    verdict v = {0};
    const hone_status s =
        check(c, json_string_value(j), json_string_length(j), &v, err);
    if (!s) print(&v);
    json_decref(j);
    return s;
}

static hone_status check_lines(const checker *c, hone_error *err)
{
    char *text;
    size_t len, number = 0;
    hone_status s = hone_file_read(&text, &len, "-", MAX_INPUT, err);
    if (s) return s;
    for (size_t at = 0; at < len && !s;) {
        const char *end = memchr(text + at, '\n', len - at);
        const size_t n = end ? (size_t)(end - text) - at : len - at;
        number++;
        if (n > 0) s = check_line(c, text + at, n, err);
        if (s) hone_error_wrap(err, s, "line %zu", number);
        at += n + 1;
    }
    hone_free(text);
    return s;
}

static hone_status run_grammar(const args *a, const hone_tokenizer *tok,
                               hone_error *err)
{
    checker c = {.tok = tok};
    const int64_t begin = hone_clock_ns();
    hone_status s = cli_grammar_compile(&c.grammar, &a->source, err);
    if (s) return s;
    const double ms = (double)(hone_clock_ns() - begin) / 1e6;
    if (!a->jsonl) {
        printf("{\"ok\":true,\"states\":%zu,\"compile_ms\":%.3f}\n",
               hone_grammar_n_states(c.grammar), ms);
    } else {
        if (tok) s = hone_grammar_vocab_new(&c.vocab, tok, NULL, 0, err);
        if (c.vocab) {
            c.mask = calloc(hone_grammar_mask_words(c.vocab) + 1, sizeof *c.mask);
            if (!c.mask) s = hone_fail(err, HONE_E_NOMEM, "grammar: out of memory");
        }
        if (!s) s = check_lines(&c, err);
    }
    free(c.mask);
    hone_grammar_vocab_free(c.vocab);
    hone_grammar_free(c.grammar);
    return s;
}

static int run(const cli_command *self, int argc, char **argv)
{
    args a = {0};
    const cli_option options[] = {
        {"jsonl", 0, CLI_FLAG, &a.jsonl, NULL,
         "check texts: one JSON string a line on standard input"},
    };
    cli_option source[4];
    const cli_group groups[] = {cli_grammar_group(&a.source, source),
                                CLI_GROUP(options)};
    const char *model;
    const int go = cli_parse(self, groups, 2, argc, argv, &model, 0, 1);
    if (go != CLI_GO) return go;
    if (cli_grammar_count(&a.source) != 1)
        return cli_usage(self, "give one of --schema, --regex, --gbnf, --choices");

    hone_error err;
    hone_model *m = NULL;
    const hone_tokenizer *tok = NULL;
    hone_status s = HONE_OK;
    if (model) {
        s = cli_model_open(&m, model, HONE_OPEN_TEXT_ONLY, &err);
        if (!s && !(tok = hone_model_tokenizer(m)))
            s = hone_fail(&err, HONE_E_NOT_FOUND, "grammar: %s: no tokenizer", model);
    }
    if (!s) s = run_grammar(&a, tok, &err);
    hone_model_close(m);
    return s ? cli_fail(&err) : 0;
}

const cli_command cli_cmd_grammar = {
    .name = "grammar",
    .usage =
        "[MODEL] (--schema FILE | --regex RE | --gbnf FILE | --choices FILE) [--jsonl]",
    .summary = "compile a schema or grammar, check texts against it",
    .run = run,
};
