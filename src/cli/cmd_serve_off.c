/* cmd_serve_off.c - `hone serve` in a build without libevent, OpenSSL or libcyaml. */
#include "base/status.h"
#include "cli/command.h"

static int run(const cli_command *self, int argc, char **argv)
{
    hone_error err;
    const char *model;
    const int go = cli_parse(self, NULL, 0, argc, argv, &model, 0, 1);
    if (go != CLI_GO) return go;
    (void)hone_fail(&err, HONE_E_UNSUPPORTED,
                    "serve: this hone was built without libevent, OpenSSL or libcyaml");
    return cli_fail(&err);
}

const cli_command cli_cmd_serve = {
    .name = "serve",
    .usage = "MODEL",
    .summary = "answer over HTTP (not in this build)",
    .run = run,
};
