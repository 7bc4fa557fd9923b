/* main.c - the program: a table of commands. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

extern const cli_command cli_cmd_run, cli_cmd_tokens, cli_cmd_show, cli_cmd_list,
    cli_cmd_pull, cli_cmd_rm, cli_cmd_plan, cli_cmd_render, cli_cmd_dump,
    cli_cmd_doctor, cli_cmd_bench, cli_cmd_synth, cli_cmd_grammar, cli_cmd_serve;

static const cli_command *const commands[] = {
    &cli_cmd_run,   &cli_cmd_pull,   &cli_cmd_list,    &cli_cmd_rm,    &cli_cmd_show,
    &cli_cmd_plan,  &cli_cmd_tokens, &cli_cmd_render,  &cli_cmd_dump,  &cli_cmd_doctor,
    &cli_cmd_bench, &cli_cmd_synth,  &cli_cmd_grammar, &cli_cmd_serve,
};
enum {
    N_COMMAND = sizeof commands / sizeof commands[0]
};

static int print_help(FILE *to)
{
    fprintf(to, "usage: hone COMMAND [OPTIONS]\n\ncommands:\n");
    for (size_t i = 0; i < N_COMMAND; i++) {
        fprintf(to, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(
        to,
        "\n'hone COMMAND --help' tells more.  MODEL is a .gguf file, a Hugging Face\n"
        "folder, or a name that 'hone list' shows.\n");
    return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    if (argc < 2) return print_help(stderr);
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 && argc == 3) { /* "help run" is "run --help" */
        static char option[] = "--help";
        name = argv[1] = argv[2];
        argv[2] = option;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 ||
        strcmp(name, "help") == 0) {
        return print_help(stdout);
    }
    if (strcmp(name, "--version") == 0) {
        printf("hone %s\n", hone_version());
        return 0;
    }
    for (size_t i = 0; i < N_COMMAND; i++) {
        if (strcmp(name, commands[i]->name) != 0) continue;
        const int status = commands[i]->run(commands[i], argc - 1, argv + 1);
        if (fflush(stdout) || ferror(stdout)) {
            fprintf(stderr, "hone: %s: cannot write to standard output\n", name);
            return status ? status : 1;
        }
        return status;
    }
    fprintf(stderr, "hone: unknown command '%s'; see 'hone --help'\n", name);
    return 2;
}
