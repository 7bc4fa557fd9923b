/* args.c - options of a command: from a table to variables and to --help. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

enum {
    MAX_OPTIONS = 80,
    HELP_CODE = 256, /* getopt's value of --help, past every letter */
    FIRST_CODE       /* ... and of option 0 */
};

int cli_usage(const cli_command *cmd, const char *fmt, ...)
{
    char text[HONE_ERROR_TEXT_SIZE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "hone: %s: ", cmd->name);
    cli_print_plain(stderr, text);
    fprintf(stderr, "; see 'hone %s --help'\n", cmd->name);
    return 2;
}

int cli_fail(const hone_error *err)
{
    fflush(stdout);
    fputs("hone: ", stderr);
    cli_print_plain(stderr, err->text);
    fputc('\n', stderr);
    return 1;
}

static void print_option(const cli_option *o)
{
    char left[64];
    const int n = o->letter
                      ? snprintf(left, sizeof left, "  -%c, --%s", o->letter, o->name)
                      : snprintf(left, sizeof left, "      --%s", o->name);
    if (o->value && n > 0 && (size_t)n < sizeof left) {
        snprintf(left + n, sizeof left - (size_t)n, " %s", o->value);
    }
    printf("%-30s %s\n", left, o->help);
}

static int print_help(const cli_command *cmd, const cli_group *groups, size_t n_group)
{
    printf("usage: hone %s %s\n\n%s.\n", cmd->name, cmd->usage, cmd->summary);
    if (cmd->details) printf("\n%s\n", cmd->details);
    printf("\noptions:\n");
    for (size_t g = 0; g < n_group; g++) {
        for (size_t i = 0; i < groups[g].n; i++) {
            print_option(&groups[g].option[i]);
        }
    }
    printf("  -h, --help                   this text\n");
    return 0;
}

static bool parse_int(const char *s, int min, int *out)
{
    char *end;
    errno = 0;
    const long v = strtol(s, &end, 10);
    if (end == s || *end || errno || v < min || v > INT32_MAX) return false;
    *out = (int)v;
    return true;
}

static bool parse_u64(const char *s, uint64_t *out)
{
    char *end;
    errno = 0;
    if (s[0] == '\0' || strchr(s, '-')) return false;
    *out = strtoull(s, &end, 0);
    return errno == 0 && *end == '\0';
}

static bool parse_bytes(const char *s, uint64_t *out)
{
    char *end;
    errno = 0;
    const double x = strtod(s, &end);
    static const char units[] = "KMGT";
    double scale = 1.0;
    if (end == s || errno) return false;
    if (*end) {
        const char *u = strchr(units, *end >= 'a' ? *end - 32 : *end);
        if (!u) return false;
        scale = ldexp(1.0, 10 * (int)(u - units + 1));
        end++;
        if (*end == 'B' || *end == 'b') end++;
    }
    if (*end || !(x >= 0.0) || x * scale > 0x1p62) return false;
    *out = (uint64_t)(x * scale);
    return true;
}

static bool parse_float(const char *s, float *out)
{
    char *end;
    errno = 0;
    *out = strtof(s, &end);
    return end != s && *end == '\0' && errno == 0 && isfinite(*out);
}

bool cli_store(const cli_option *o, const char *text)
{
    uint64_t n;
    switch (o->type) {
    case CLI_FLAG:
        *(bool *)o->dest = true;
        return true;
    case CLI_INT:
        return parse_int(text, 0, o->dest);
    case CLI_LIMIT:
        return parse_int(text, -1, o->dest);
    case CLI_U64:
        if (!parse_u64(text, &n)) return false;
        *(uint64_t *)o->dest = n;
        return true;
    case CLI_BYTES:
        return parse_bytes(text, o->dest);
    case CLI_FLOAT:
        return parse_float(text, o->dest);
    case CLI_STR:
        *(const char **)o->dest = text;
        return true;
    case CLI_LIST: {
        cli_list *list = o->dest;
        if (list->n == CLI_MAX_LIST) return false;
        list->item[list->n++] = text;
        return true;
    }
    }
    return false;
}

/* getopt's two tables from ours; returns the number of options. */
static size_t build_tables(const cli_group *groups, size_t n_group,
                           const cli_option **all, struct option *longs, char *shorts)
{
    size_t n = 0, at = 0;
    shorts[at++] = ':';
    for (size_t g = 0; g < n_group; g++) {
        for (size_t i = 0; i < groups[g].n && n < MAX_OPTIONS; i++, n++) {
            const cli_option *o = &groups[g].option[i];
            const bool has_value = o->type != CLI_FLAG;
            all[n] = o;
            longs[n] = (struct option){o->name, has_value, NULL, FIRST_CODE + (int)n};
            if (o->letter) {
                shorts[at++] = o->letter;
                if (has_value) shorts[at++] = ':';
            }
        }
    }
    shorts[at++] = 'h';
    shorts[at] = '\0';
    longs[n] = (struct option){"help", 0, NULL, HELP_CODE};
    longs[n + 1] = (struct option){0};
    return n;
}

static const cli_option *option_of(const cli_option **all, size_t n, int code)
{
    if (code >= FIRST_CODE) return all[code - FIRST_CODE];
    for (size_t i = 0; i < n; i++) {
        if (all[i]->letter == code) return all[i];
    }
    return NULL;
}

/* What getopt refused, for '?' and ':'.  optopt is a letter, the code of a long option,
 * or 0 for a long one that is not there, which then is the word before optind. */
static int refuse(const cli_command *cmd, const cli_option **all, int code, char **argv)
{
    if (optopt == HELP_CODE) return cli_usage(cmd, "option '--help' takes no value");
    if (optopt >= FIRST_CODE) {
        return cli_usage(cmd, "option '--%s' %s", all[optopt - FIRST_CODE]->name,
                         code == ':' ? "needs a value" : "takes no value");
    }
    if (code == ':') return cli_usage(cmd, "option '-%c' needs a value", optopt);
    if (optopt) return cli_usage(cmd, "unknown option '-%c'", optopt);
    return cli_usage(cmd, "unknown option '%s'", argv[optind - 1]);
}

static int bad_value(const cli_command *cmd, const cli_option *o)
{
    const char *range = o->type == CLI_INT     ? " from 0 on"
                        : o->type == CLI_LIMIT ? " from -1 on"
                        : o->type == CLI_LIST  ? " fewer times"
                                               : "";
    return cli_usage(cmd, "option --%s: expected %s%s, found '%s'", o->name, o->value,
                     range, optarg);
}

int cli_parse(const cli_command *cmd, const cli_group *groups, size_t n_group, int argc,
              char **argv, const char **positional, int n_min, int n_max)
{
    const cli_option *all[MAX_OPTIONS];
    struct option longs[MAX_OPTIONS + 2];
    char shorts[2 * MAX_OPTIONS + 4];
    const size_t n = build_tables(groups, n_group, all, longs, shorts);

    opterr = 0;
    optind = 0; /* begin anew: a command may parse twice */
    for (;;) {
        const int code = getopt_long(argc, argv, shorts, longs, NULL);
        if (code == -1) break;
        if (code == 'h' || code == HELP_CODE) return print_help(cmd, groups, n_group);
        const cli_option *o = option_of(all, n, code);
        if (!o) return refuse(cmd, all, code, argv);
        if (!cli_store(o, optarg)) return bad_value(cmd, o);
    }
    for (int i = 0; i < n_max; i++) {
        positional[i] = optind + i < argc ? argv[optind + i] : NULL;
    }
    if (argc - optind < n_min) return cli_usage(cmd, "expected %s", cmd->usage);
    if (argc - optind > n_max) {
        return cli_usage(cmd, "unexpected argument '%s'", argv[optind + n_max]);
    }
    return CLI_GO;
}
