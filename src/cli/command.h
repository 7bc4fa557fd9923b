/* command.h - what every subcommand of the program is, and what they share.
 *
 * A command is one file cmd_<name>.c with one hone_command; main.c holds the table.
 * Exit status: 0 ok, 1 failed, 2 usage.  Results go to stdout; messages and progress
 * to stderr. */
#ifndef HONE_CLI_COMMAND_H
#define HONE_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "hone/hone.h"

typedef struct cli_command {
    const char *name;
    const char *usage;   /* "MODEL [-p TEXT]": behind "hone NAME " */
    const char *summary; /* one line of `hone --help` */
    const char *details; /* further lines of `hone NAME --help`, or NULL */
    int (*run)(const struct cli_command *self, int argc, char **argv);
} cli_command;

/* -- options ---------------------------------------------------------------------- */

typedef enum cli_type {
    CLI_FLAG,  /* bool *: set to true */
    CLI_INT,   /* int *, at least 0 */
    CLI_LIMIT, /* int *, at least -1, which is no limit */
    CLI_U64,   /* uint64_t *, decimal or 0x */
    CLI_BYTES, /* uint64_t *, with K, M, G (powers of 1024) */
    CLI_FLOAT, /* float * */
    CLI_STR,   /* const char ** */
    CLI_LIST,  /* cli_list *: may be given often */
} cli_type;

typedef struct cli_option {
    const char *name; /* long, without dashes */
    char letter;      /* or 0 */
    cli_type type;
    void *dest;
    const char *value; /* what --help calls the value */
    const char *help;
} cli_option;

enum {
    CLI_MAX_LIST = 64,
    CLI_MAX_GROUPS = 4
};

typedef struct cli_list {
    const char *item[CLI_MAX_LIST];
    size_t n;
} cli_list;

typedef struct cli_group {
    const cli_option *option;
    size_t n;
} cli_group;

#define CLI_GROUP(table)                                                               \
    (cli_group)                                                                        \
    {                                                                                  \
        table, sizeof(table) / sizeof((table)[0])                                      \
    }
#define CLI_GO (-1)

/* Read options and at least n_min, at most n_max positional arguments into
 * positional[], absent ones NULL.  Returns CLI_GO, or the exit status: --help was
 * printed (0) or the usage is wrong (2, said on stderr). */
int cli_parse(const cli_command *cmd, const cli_group *groups, size_t n_group, int argc,
              char **argv, const char **positional, int n_min, int n_max);

/* Store a value; false if it does not fit the type. */
bool cli_store(const cli_option *o, const char *text);

/* "hone: NAME: text" on stderr; returns 2. */
int cli_usage(const cli_command *cmd, const char *fmt, ...) HONE_PRINTF(2, 3);

/* "hone: text" on stderr, one line whatever the text; returns 1. */
int cli_fail(const hone_error *err);

/* -- models ----------------------------------------------------------------------- */

/* Options of commands that run a model. */
typedef struct cli_engine_args {
    int n_thread, n_ctx;
    const char *kv_type, *kernels;
} cli_engine_args;
cli_group cli_engine_group(const cli_engine_args *a, cli_option table[4]);
hone_engine_options cli_engine_options(const cli_engine_args *a);

/* "PATH" or "PATH:SCALE" of --lora: the path as a new string (free), NULL when out of
 * memory.  A file or folder that has the whole name is one without a scale. */
char *cli_adapter_path(const char *text, float *scale);

/* Load what --lora names, summed, as one adapter, and give it to the sequence; nothing
 * for an empty list. */
HONE_MUST_CHECK hone_status cli_use_adapters(hone_sequence *s, const cli_list *lora,
                                             hone_error *err);

/* The path of MODEL: itself if such a file or folder exists, else a name in the cache.
 * A new string (free).  E_NOT_FOUND says what was tried. */
HONE_MUST_CHECK hone_status cli_model_path(const char *name, char **path,
                                           hone_error *err);

/* Where the packed weights of MODEL are kept: "PATH.packed" beside it where that can be
 * written or is there already, else a name of its own in the cache's folder packed/.  A
 * new string (hone_free). */
HONE_MUST_CHECK hone_status cli_packed_path(const char *name, char **path,
                                            hone_error *err);
/* Say on stderr why packed weights were not kept, if there was something. */
void cli_warn_packed(const hone_engine *e);

/* Open MODEL by path or name. */
HONE_MUST_CHECK hone_status cli_model_open(hone_model **m, const char *name,
                                           unsigned flags, hone_error *err);

/* SOURCE_DATE_EPOCH, where it is set: a clock that stands still for templates. */
HONE_MUST_CHECK hone_status cli_fixed_clock(hone_chat_options *o, hone_error *err);

/* -- grammars --------------------------------------------------------------------- */

/* What texts must keep to; at most one of them is given. */
typedef struct cli_grammar_args {
    const char *schema, *regex, *gbnf, *choices; /* a file each but the expression */
} cli_grammar_args;
cli_group cli_grammar_group(cli_grammar_args *a, cli_option table[4]);
int cli_grammar_count(const cli_grammar_args *a); /* how many are given */
HONE_MUST_CHECK hone_status cli_grammar_compile(hone_grammar **g,
                                                const cli_grammar_args *a,
                                                hone_error *err);

/* -- interrupts ------------------------------------------------------------------- */

/* Ctrl-C and SIGTERM set a flag from here on instead of ending the program; a second one
 * while it is set ends it. */
void cli_catch_interrupts(void);
bool cli_interrupted(void *ctx); /* ctx is unused: fits hone_engine_options */
bool cli_terminated(void);       /* by SIGTERM: a chat ends too; stays set */
void cli_clear_interrupt(void);
#define CLI_INTERRUPTED 130 /* exit status, as shells have it */

/* -- output ----------------------------------------------------------------------- */

/* A number of logits or logprobs: 9 significant digits, null if not finite. */
void cli_print_number(double x);
/* A JSON string with its quotes; what is not UTF-8 becomes U+FFFD. */
void cli_print_json_string(const char *s, size_t len);
/* Text from a stranger on one line: control characters, which a terminal would obey,
 * become '?'. */
void cli_print_plain(FILE *to, const char *s);
/* 1234567 -> "1.2 MB", into buf. */
const char *cli_format_bytes(double bytes, char buf[16]);

#endif
