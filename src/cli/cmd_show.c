/* cmd_show.c - `hone show`: what a model file holds. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static void print_shape(const hone_tensor_info *t, const char *separator)
{
    putchar('[');
    for (int i = 0; i < t->n_dims; i++) {
        printf("%s%" PRIu64, i ? separator : "", t->shape[i]);
    }
    putchar(']');
}

static void print_json(const hone_model *m)
{
    const hone_model_info *i = hone_model_get_info(m);
    printf("{\"architecture\":");
    cli_print_json_string(i->architecture, strlen(i->architecture));
    printf(",\"name\":");
    cli_print_json_string(i->name, strlen(i->name));
    printf(
        ",\"n_layer\":%d,\"d_model\":%d,\"n_head\":%d,\"n_head_kv\":%d,\"d_head\":%d,"
        "\"d_ff\":%d,\"n_vocab\":%d,\"n_ctx\":%d,\"n_params\":%" PRIu64
        ",\"weight_bytes\":%" PRIu64 ",\"tensors\":[",
        i->n_layer, i->d_model, i->n_head, i->n_head_kv, i->d_head, i->d_ff, i->n_vocab,
        i->n_ctx, i->n_params, i->weight_bytes);
    for (size_t t = 0; t < i->n_tensor; t++) {
        hone_tensor_info info;
        hone_model_get_tensor(m, t, &info);
        printf("%s{\"name\":", t ? "," : "");
        cli_print_json_string(info.name, strlen(info.name));
        printf(",\"type\":\"%s\",\"shape\":", info.type);
        print_shape(&info, ",");
        printf(",\"bytes\":%" PRIu64 "}", info.bytes);
    }
    printf("]}\n");
}

static void print_text(const hone_model *m, bool tensors)
{
    const hone_model_info *i = hone_model_get_info(m);
    const hone_tokenizer *tok = hone_model_tokenizer(m);
    char buf[16];
    printf("name          %s\n", i->name);
    printf("architecture  %s\n", i->architecture);
    printf("parameters    %.1f M in %zu tensors, %s\n", (double)i->n_params * 1e-6,
           i->n_tensor, cli_format_bytes((double)i->weight_bytes, buf));
    printf("layers        %d of width %d, feed-forward %d\n", i->n_layer, i->d_model,
           i->d_ff);
    printf("heads         %d of width %d, %d for keys and values\n", i->n_head,
           i->d_head, i->n_head_kv);
    printf("vocabulary    %d tokens\n", i->n_vocab);
    printf("context       %d tokens\n", i->n_ctx);
    printf("tokenizer     %s\n", tok ? "yes" : "no");
    printf("chat template %s\n", hone_model_chat_template(m) ? "yes" : "no");
    for (size_t t = 0; tensors && t < i->n_tensor; t++) {
        hone_tensor_info info;
        hone_model_get_tensor(m, t, &info);
        printf("%-48s %-7s ", info.name, info.type);
        print_shape(&info, ", ");
        printf("  %s\n", cli_format_bytes((double)info.bytes, buf));
    }
}

static int run(const cli_command *self, int argc, char **argv)
{
    bool tensors = false, json = false;
    const cli_option options[] = {
        {"tensors", 0, CLI_FLAG, &tensors, NULL, "list every tensor"},
        {"json", 0, CLI_FLAG, &json, NULL, "print one JSON document, tensors included"},
    };
    const cli_group groups[] = {CLI_GROUP(options)};
    const char *model;
    const int go = cli_parse(self, groups, 1, argc, argv, &model, 1, 1);
    if (go != CLI_GO) return go;

    hone_error err;
    hone_model *m;
    if (cli_model_open(&m, model, 0, &err)) return cli_fail(&err);
    if (json)
        print_json(m);
    else
        print_text(m, tensors);
    hone_model_close(m);
    return 0;
}

const cli_command cli_cmd_show = {
    .name = "show",
    .usage = "MODEL [--tensors] [--json]",
    .summary = "describe a model: sizes, types, tensors",
    .run = run,
};
