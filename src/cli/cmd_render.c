/* cmd_render.c - `hone render`: the prompt that a conversation becomes. */
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/command.h"

#define MAX_INPUT ((size_t)256 << 20)

static hone_status render(const char *model, const char *chat,
                          const char *template_path, hone_error *err)
{
    hone_chat_options o = {0};
    hone_model *m = NULL;
    char *source = NULL, *json = NULL, *out = NULL;
    size_t len, n;
    hone_status s = cli_fixed_clock(&o, err);
    if (!s && model) s = cli_model_open(&m, model, HONE_OPEN_TEXT_ONLY, err);
    if (!s && template_path) {
        s = hone_file_read(&source, &n, template_path, MAX_INPUT, err);
        o.source = source;
    }
    if (!s) s = hone_file_read(&json, &len, chat, MAX_INPUT, err);
    if (!s) s = hone_chat_render(m, &o, json, len, &out, &n, err);
    if (!s) fwrite(out, 1, n, stdout);
    hone_text_free(out);
    hone_free(json);
    hone_free(source);
    hone_model_close(m);
    return s;
}

static int run(const cli_command *self, int argc, char **argv)
{
    const char *chat = NULL, *template_path = NULL, *model;
    const cli_option options[] = {
        {"chat", 0, CLI_STR, &chat, "FILE",
         "the conversation, JSON with \"messages\"; - is stdin"},
        {"template", 0, CLI_STR, &template_path, "FILE",
         "use this template, not the model's"},
    };
    const cli_group groups[] = {CLI_GROUP(options)};
    const int go = cli_parse(self, groups, 1, argc, argv, &model, 0, 1);
    if (go != CLI_GO) return go;
    if (!chat) return cli_usage(self, "expected --chat FILE");
    if (!model && !template_path)
        return cli_usage(self, "expected MODEL or --template FILE");

    hone_error err;
    return render(model, chat, template_path, &err) ? cli_fail(&err) : 0;
}

const cli_command cli_cmd_render = {
    .name = "render",
    .usage = "[MODEL] --chat FILE [--template FILE]",
    .summary = "print the prompt that a conversation becomes, byte for byte",
    .details =
        "The file is a JSON object with \"messages\" and any further variable of the\n"
        "template (\"tools\", \"add_generation_prompt\", ...).  SOURCE_DATE_EPOCH sets "
        "the\n"
        "clock that templates see.",
    .run = run,
};
