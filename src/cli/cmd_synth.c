/* cmd_synth.c - `hone synth`: a model with random weights, to measure speed with. */
#include <stdio.h>

#include "cli/command.h"

static int print_list(const char *title, const char *(*list)(int i))
{
    printf("%s", title);
    for (int i = 0; list(i); i++) {
        printf(" %s", list(i));
    }
    printf("\n");
    return 0;
}

static int run(const cli_command *self, int argc, char **argv)
{
    hone_synth_options o = {.interrupt = cli_interrupted};
    const char *path = NULL;
    bool list = false;
    const cli_option options[] = {
        {"preset", 0, CLI_STR, &o.preset, "NAME", "whose shapes; see --list"},
        {"type", 0, CLI_STR, &o.type, "T", "type of the matrices; see --list"},
        {"output", 'o', CLI_STR, &path, "FILE", "the GGUF file to write"},
        {"seed", 0, CLI_U64, &o.seed, "N", "of the random numbers; default 0"},
        {"layers", 0, CLI_INT, &o.n_layer, "N", "layers; default: as the preset"},
        {"list", 0, CLI_FLAG, &list, NULL, "print presets and types"},
    };
    const cli_group groups[] = {CLI_GROUP(options)};
    const int go = cli_parse(self, groups, 1, argc, argv, NULL, 0, 0);
    if (go != CLI_GO) return go;
    if (list) {
        return print_list("presets:", hone_synth_preset) |
               print_list("types:", hone_synth_type);
    }
    if (!o.preset || !o.type || !path) {
        return cli_usage(self, "expected --preset, --type and --output");
    }

    hone_error err;
    hone_synth_info info;
    char size[16];
    cli_catch_interrupts();
    const hone_status s = hone_synth(path, &o, &info, &err);
    if (s) {
        const int status = cli_fail(&err);
        return s == HONE_E_CANCELLED ? CLI_INTERRUPTED : status;
    }
    fprintf(stderr, "%s: %.1f M parameters in %zu tensors, %s\n", path,
            (double)info.n_params * 1e-6, info.n_tensor,
            cli_format_bytes((double)info.bytes, size));
    if (info.replaced[0]) {
        fprintf(stderr, "%s: rows are not whole blocks of 256: %s\n", path,
                info.replaced);
    }
    return 0;
}

const cli_command cli_cmd_synth = {
    .name = "synth",
    .usage = "--preset NAME --type T -o FILE [--seed N] [--layers N]",
    .summary = "write a model with random weights in the shapes of a known one",
    .details =
        "The file opens in any GGUF reader, so that speed can be compared without\n"
        "downloads.  A type alone (Q4_0) is that of every matrix; a mix (Q4_K_M)\n"
        "is what llama.cpp makes of it.  The text that comes out is noise.",
    .run = run,
};
