/* cmd_run.c - `hone run`: answer a prompt, or chat in a terminal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/conversation.h"

#define MAX_INPUT ((size_t)256 << 20)

enum {
    MAX_LOGPROB = 64, /* what hone_generate takes */
    MAX_RUN_OPTIONS = 48
};

typedef struct args {
    const char *prompt, *file, *system_prompt;
    bool raw, stats, json, ignore_eos, interactive, packed;
    int n_max, n_logprob;
    cli_list stop, bias, dry_breaker, lora;
    hone_logit_bias bias_value[CLI_MAX_LIST];
    cli_grammar_args grammar;
    cli_engine_args engine;
} args;

/* "15=-inf", "15=2.5" */
static hone_status parse_bias(args *a, hone_sampling *s, hone_error *err)
{
    for (size_t i = 0; i < a->bias.n; i++) {
        char *end;
        const char *text = a->bias.item[i];
        const long id = strtol(text, &end, 10);
        if (end == text || *end != '=' || id < 0 || id > INT32_MAX) {
            return hone_fail(err, HONE_E_INVALID,
                             "option --logit-bias: expected ID=X, found '%s'", text);
        }
        const char *number = end + 1;
        a->bias_value[i] = (hone_logit_bias){(int32_t)id, strtof(number, &end)};
        if (end == number || *end) {
            return hone_fail(err, HONE_E_INVALID,
                             "option --logit-bias: expected ID=X, found '%s'", text);
        }
    }
    s->bias = a->bias_value;
    s->n_bias = a->bias.n;
    return HONE_OK;
}

static void print_json(const cli_chat *c, const hone_generation *g, double load_ms)
{
    const size_t run = g->n_prompt - g->n_reused;
    printf("{\"text\":");
    cli_print_json_string(g->text, g->text_len);
    printf(",\"tokens\":[");
    for (size_t i = 0; i < g->tokens.len; i++) {
        printf(i ? ",%d" : "%d", g->tokens.id[i]);
    }
    if (c->options.n_logprob >= 0) printf("],\"logprobs\":[%s", c->logprobs.data);
    printf("],\"finish_reason\":\"%s\",\"usage\":{\"prompt_tokens\":%zu,"
           "\"completion_tokens\":%zu},\"timings\":{\"load_ms\":%.3f,"
           "\"first_token_ms\":%.3f,\"prefill_tokens_per_s\":%.3f,"
           "\"decode_tokens_per_s\":%.3f}}\n",
           g->finish == HONE_FINISH_LENGTH ? "length" : "stop", g->n_prompt,
           g->tokens.len, load_ms, load_ms + g->first_token_s * 1e3,
           g->prefill_s > 0 ? (double)run / g->prefill_s : 0.0,
           g->decode_s > 0 ? (double)g->tokens.len / g->decode_s : 0.0);
}

/* What was parsed, and the prompt. */
typedef struct job {
    const cli_command *self;
    int argc;
    char **argv;
    args a;
    hone_generate_options o;
    const char *name;
    char *text;
    size_t len;
    int64_t start;
} job;

/* The prompt of -p, -f or standard input; NULL where a terminal is to be asked. */
static hone_status read_prompt(const args *a, char **text, size_t *len, hone_error *err)
{
    *text = NULL;
    if (a->prompt) {
        *text = hone_strdup(a->prompt);
        *len = strlen(a->prompt);
        if (!*text) return hone_fail(err, HONE_E_NOMEM, "run: out of memory");
    } else {
        if (!a->file && isatty(STDIN_FILENO)) return HONE_OK;
        HONE_TRY(hone_file_read(text, len, a->file ? a->file : "-", MAX_INPUT, err));
        /* the newline that ends a text file is not part of the message */
        if (!a->raw && *len > 0 && (*text)[*len - 1] == '\n') (*text)[--*len] = '\0';
    }
    if (*len > 0 || a->raw) return HONE_OK; /* raw: from the model's BOS on */
    hone_free(*text);
    *text = NULL;
    return hone_fail(err, HONE_E_INVALID, "run: the prompt is empty; give one with -p");
}

/* One answer; returns the exit status. */
static int run_once(cli_chat *c, const job *j, double load_ms)
{
    const args *a = &j->a;
    hone_error err;
    hone_generation g = {0};
    c->quiet = a->json;
    const hone_status s = a->raw ? cli_chat_complete(c, j->text, j->len, &g, &err)
                                 : cli_chat_ask(c, j->text, j->len, &g, &err);
    if (s) {
        hone_generation_release(&g);
        return cli_fail(&err);
    }
    if (a->json)
        print_json(c, &g, load_ms);
    else
        printf("\n");
    if (a->stats) {
        fprintf(stderr, "load %.1f ms; ", load_ms);
        cli_chat_print_stats(c, &g);
    }
    const int status = g.finish == HONE_FINISH_CANCELLED ? CLI_INTERRUPTED : 0;
    hone_generation_release(&g);
    c->quiet = false;
    return status;
}

static int with_sequence(const job *j, const hone_model *m, hone_sequence *s)
{
    const args *a = &j->a;
    hone_error err;
    cli_chat c;
    const double load_ms = (double)(hone_clock_ns() - j->start) * 1e-6;
    const bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (cli_chat_init(&c, m, s, a->system_prompt, &err)) return cli_fail(&err);
    c.options = j->o;
    c.stats = a->stats;
    int status = j->text ? run_once(&c, j, load_ms) : 0;
    if (status == 0 && (!j->text || (a->interactive && terminal)))
        status = cli_chat_loop(&c);
    cli_chat_release(&c);
    return status;
}

/* The options of the command; returns their number. */
static size_t option_table(cli_option *t, args *a, hone_sampling *s)
{
    const cli_option all[] = {
        {"prompt", 'p', CLI_STR, &a->prompt, "TEXT",
         "the prompt; default: standard input"},
        {"file", 'f', CLI_STR, &a->file, "FILE", "read the prompt from FILE"},
        {"system", 0, CLI_STR, &a->system_prompt, "TEXT", "system prompt"},
        {"raw", 0, CLI_FLAG, &a->raw, NULL,
         "complete the text as it is, without template"},
        {"lora", 0, CLI_LIST, &a->lora, "PATH[:SCALE]",
         "adapter: a PEFT folder or GGUF; several are summed"},
        {"packed-cache", 0, CLI_FLAG, &a->packed, NULL,
         "keep the weights as kernels read them beside the model: starts faster"},
        {"n", 'n', CLI_LIMIT, &a->n_max, "N",
         "tokens to generate at most; -1: no limit"},
        {"interactive", 'i', CLI_FLAG, &a->interactive, NULL,
         "in a terminal, go on as a chat after -p"},
        {"stop", 0, CLI_LIST, &a->stop, "TEXT",
         "end the answer before TEXT; may be repeated"},
        {"ignore-eos", 0, CLI_FLAG, &a->ignore_eos, NULL, "go on past the end token"},
        {"stats", 0, CLI_FLAG, &a->stats, NULL, "print speed and memory to stderr"},
        {"json", 0, CLI_FLAG, &a->json, NULL, "print one JSON document"},
        {"logprobs", 0, CLI_INT, &a->n_logprob, "N",
         "with --json: log probabilities, and the N best of each token"},
        {"seed", 's', CLI_U64, &s->seed, "N", "seed of the random numbers; default 0"},
        {"temp", 0, CLI_FLOAT, &s->temperature, "X", "temperature; 0 is greedy"},
        {"top-k", 0, CLI_INT, &s->top_k, "N", "keep the N most likely; 0: all"},
        {"top-p", 0, CLI_FLOAT, &s->top_p, "X",
         "keep the most likely up to probability X"},
        {"min-p", 0, CLI_FLOAT, &s->min_p, "X",
         "drop what is X times less likely than the best"},
        {"typical", 0, CLI_FLOAT, &s->typical_p, "X",
         "locally typical sampling; 1: off"},
        {"repeat-penalty", 0, CLI_FLOAT, &s->repeat_penalty, "X",
         "divide logits of seen tokens"},
        {"presence-penalty", 0, CLI_FLOAT, &s->presence_penalty, "X",
         "subtract once if seen"},
        {"frequency-penalty", 0, CLI_FLOAT, &s->frequency_penalty, "X",
         "subtract for each time seen"},
        {"repeat-last-n", 0, CLI_LIMIT, &s->penalty_last_n, "N",
         "tokens penalties look back; -1: all"},
        {"dry-multiplier", 0, CLI_FLOAT, &s->dry_multiplier, "X",
         "DRY repetition penalty; 0: off"},
        {"dry-base", 0, CLI_FLOAT, &s->dry_base, "X", "growth of the DRY penalty"},
        {"dry-allowed-length", 0, CLI_INT, &s->dry_allowed_length, "N",
         "free repetition length"},
        {"dry-last-n", 0, CLI_LIMIT, &s->dry_last_n, "N",
         "tokens DRY looks back; -1: all"},
        {"dry-breaker", 0, CLI_LIST, &a->dry_breaker, "TEXT",
         "ends a repetition; may be repeated"},
        {"xtc-probability", 0, CLI_FLOAT, &s->xtc_probability, "X",
         "chance to drop top choices"},
        {"xtc-threshold", 0, CLI_FLOAT, &s->xtc_threshold, "X",
         "probability of a top choice"},
        {"mirostat", 0, CLI_INT, &s->mirostat, "0|2",
         "mirostat version 2 in place of truncation"},
        {"mirostat-tau", 0, CLI_FLOAT, &s->mirostat_tau, "X",
         "its target surprise in bits"},
        {"mirostat-eta", 0, CLI_FLOAT, &s->mirostat_eta, "X", "its learning rate"},
        {"logit-bias", 0, CLI_LIST, &a->bias, "ID=X",
         "add X to a token's logit; may be repeated"},
    };
    memcpy(t, all, sizeof all);
    return sizeof all / sizeof all[0];
}

static int parse(const cli_command *self, int argc, char **argv, args *a,
                 hone_sampling *s, const char **model)
{
    cli_option table[MAX_RUN_OPTIONS], grammar[4], engine[4];
    *a = (args){.n_max = -1, .n_logprob = -1};
    const size_t n = option_table(table, a, s);
    const cli_group groups[] = {{table, n},
                                cli_grammar_group(&a->grammar, grammar),
                                cli_engine_group(&a->engine, engine)};
    return cli_parse(self, groups, 3, argc, argv, model, 0, 1);
}

/* What can be wrong with the options before a model is there. */
static int check(const cli_command *self, args *a, hone_sampling *s)
{
    hone_error err;
    const bool ask = !a->prompt && !a->file && isatty(STDIN_FILENO);
    if (a->prompt && a->file) return cli_usage(self, "expected -p or -f, not both");
    if (a->raw && a->system_prompt)
        return cli_usage(self, "--system needs the template that --raw leaves out");
    if (ask && (a->raw || a->json))
        return cli_usage(self, "--raw and --json need a prompt");
    if (cli_grammar_count(&a->grammar) > 1)
        return cli_usage(self, "give one of --schema, --regex, --gbnf, --choices");
    if (a->n_logprob >= 0 && !a->json)
        return cli_usage(self, "--logprobs needs --json");
    if (a->n_logprob > MAX_LOGPROB)
        return cli_usage(self, "option --logprobs: expected 0 to %d, found %d",
                         MAX_LOGPROB, a->n_logprob);
    for (size_t i = 0; i < a->stop.n; i++) {
        if (!*a->stop.item[i])
            return cli_usage(self, "option --stop: expected TEXT, found ''");
    }
    if (parse_bias(a, s, &err) || hone_sampling_check(s, INT32_MAX, &err))
        return cli_usage(self, "%s", err.text);
    return CLI_GO;
}

/* The options over the defaults that the model recommends. */
static hone_status options_of_model(job *j, const hone_model *m, hone_error *err)
{
    args *a = &j->a;
    hone_generate_options *o = &j->o;
    const char *unused;
    o->sampling = hone_sampling_default(m);
    HONE_ASSERT(parse(j->self, j->argc, j->argv, a, &o->sampling, &unused) == CLI_GO);
    o->n_max = a->n_max;
    o->n_logprob = a->n_logprob;
    o->stop = a->stop.item;
    o->n_stop = a->stop.n;
    o->ignore_end = a->ignore_eos;
    if (a->dry_breaker.n) {
        o->sampling.dry_breaker = a->dry_breaker.item;
        o->sampling.n_dry_breaker = a->dry_breaker.n;
    }
    HONE_TRY(parse_bias(a, &o->sampling, err));
    return hone_sampling_check(&o->sampling, hone_model_get_info(m)->n_vocab, err);
}

/* The engine is made while the model's text side is read. */
static hone_status make_engine(job *j, hone_model *m, hone_engine **e, hone_error *err)
{
    char *packed = NULL;
    hone_engine_options eo = cli_engine_options(&j->a.engine);
    if (j->a.packed) HONE_TRY(cli_packed_path(j->name, &packed, err));
    eo.packed_file = packed;
    hone_status s = hone_engine_new(e, m, &eo, err);
    hone_free(packed);
    if (!s) s = hone_model_wait(m, err);
    return s ? s : options_of_model(j, m, err);
}

static int with_model(job *j, hone_model *m)
{
    hone_error err;
    hone_engine *e = NULL;
    hone_sequence *s = NULL;
    int status = 1;
    if (make_engine(j, m, &e, &err) || hone_sequence_new(&s, e, &err) ||
        cli_use_adapters(s, &j->a.lora, &err)) {
        cli_fail(&err);
    } else {
        cli_warn_packed(e);
        status = with_sequence(j, m, s);
    }
    hone_sequence_free(s);
    hone_engine_free(e);
    return status;
}

static int run(const cli_command *self, int argc, char **argv)
{
    job j = {.self = self, .argc = argc, .argv = argv, .start = hone_clock_ns()};
    j.o = hone_generate_options_default();
    int status = parse(self, argc, argv, &j.a, &j.o.sampling, &j.name);
    if (status == CLI_GO) status = check(self, &j.a, &j.o.sampling);
    if (status != CLI_GO) return status;

    hone_error err;
    hone_model *m = NULL;
    hone_status st = read_prompt(&j.a, &j.text, &j.len, &err);
    if (!st && cli_grammar_count(&j.a.grammar))
        st = cli_grammar_compile(&j.o.grammar, &j.a.grammar, &err);
    if (!st) st = cli_model_open(&m, j.name, HONE_OPEN_TEXT_BEHIND, &err);
    if (st) {
        status = cli_fail(&err);
    } else {
        cli_catch_interrupts();
        status = with_model(&j, m);
    }
    hone_free(j.text);
    hone_grammar_free(j.o.grammar);
    hone_model_close(m);
    return status;
}

const cli_command cli_cmd_run = {
    .name = "run",
    .usage = "[MODEL] [-p TEXT | -f FILE]",
    .summary = "answer a prompt, or chat in a terminal",
    .details =
        "Without MODEL the default model is used.  Without -p, -f and piped input a\n"
        "chat begins; /help there lists its commands.",
    .run = run,
};
