/* cmd_plan.c - `hone plan`: will it fit, and how fast can it be. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/command.h"

/* Bounds: every weight is read for a token; every multiply-add is done in prefill. */
static double decode_limit(const hone_plan_info *p, const hone_machine_speed *v)
{
    return p->decode_bytes > 0 ? v->read_bytes_per_s / p->decode_bytes : 0.0;
}

static double prefill_limit(const hone_plan_info *p, const hone_machine_speed *v)
{
    return p->macs_per_token > 0 ? v->int8_ops_per_s / (2.0 * p->macs_per_token) : 0.0;
}

static void print_json(const hone_plan_info *p, const hone_machine *m,
                       const hone_machine_speed *v)
{
    printf("{\"weights_bytes\":%" PRIu64 ",\"kv_bytes\":%" PRIu64
           ",\"step_bytes\":%" PRIu64 ",\"tokenizer_bytes\":%" PRIu64
           ",\"total_bytes\":%" PRIu64 ",\"available_bytes\":%" PRIu64
           ",\"fits\":%s,\"n_ctx\":%d,"
           "\"decode_tokens_per_s_limit\":%.2f,\"prefill_tokens_per_s_limit\":%.2f}\n",
           p->weights_bytes, p->kv_bytes, p->step_bytes, p->tokenizer_bytes,
           p->total_bytes, m->available_bytes,
           p->total_bytes <= m->available_bytes ? "true" : "false", p->n_ctx,
           decode_limit(p, v), prefill_limit(p, v));
}

static void print_text(const hone_plan_info *p, const hone_machine *m,
                       const hone_machine_speed *v)
{
    char buf[16];
    printf("weights    %10s\n", cli_format_bytes((double)p->weights_bytes, buf));
    printf("kv         %10s  at %d tokens\n",
           cli_format_bytes((double)p->kv_bytes, buf), p->n_ctx);
    printf("step       %10s\n", cli_format_bytes((double)p->step_bytes, buf));
    printf("tokenizer  %10s\n", cli_format_bytes((double)p->tokenizer_bytes, buf));
    printf("total      %10s\n", cli_format_bytes((double)p->total_bytes, buf));
    printf("available  %10s  %s\n", cli_format_bytes((double)m->available_bytes, buf),
           p->total_bytes <= m->available_bytes ? "it fits" : "it does not fit");
    printf("decode     at most %.1f tokens/s (reads %s a token at %.1f GB/s)\n",
           decode_limit(p, v), cli_format_bytes(p->decode_bytes, buf),
           v->read_bytes_per_s * 1e-9);
    printf("prefill    at most %.1f tokens/s (%.2f G multiply-adds a token, int8 peak "
           "%.0f GOP/s)\n",
           prefill_limit(p, v), p->macs_per_token * 1e-9, v->int8_ops_per_s * 1e-9);
}

static int run(const cli_command *self, int argc, char **argv)
{
    cli_engine_args ea = {0};
    int n_sequence = 1;
    bool json = false;
    const cli_option options[] = {
        {"sequences", 0, CLI_INT, &n_sequence, "N",
         "sequences held at once; default 1"},
        {"json", 0, CLI_FLAG, &json, NULL, "print one JSON document"},
    };
    cli_option engine[4];
    const cli_group groups[] = {CLI_GROUP(options), cli_engine_group(&ea, engine)};
    const char *name;
    const int go = cli_parse(self, groups, 2, argc, argv, &name, 1, 1);
    if (go != CLI_GO) return go;

    hone_error err;
    hone_model *m;
    hone_plan_info p;
    hone_machine machine;
    hone_machine_speed speed;
    if (cli_model_open(&m, name, 0, &err)) return cli_fail(&err);
    hone_status s =
        hone_plan_model(m, ea.n_ctx, ea.kv_type, n_sequence, ea.n_thread, &p, &err);
    hone_machine_get(&machine);
    if (!s) s = hone_machine_measure(&speed, ea.n_thread, ea.kernels, 0.3, &err);
    hone_model_close(m);
    if (s) return cli_fail(&err);
    if (json)
        print_json(&p, &machine, &speed);
    else
        print_text(&p, &machine, &speed);
    return 0;
}

const cli_command cli_cmd_plan = {
    .name = "plan",
    .usage = "MODEL [--ctx N] [--kv-type K[,V]] [--sequences N] [--json]",
    .summary = "say whether a model fits this machine, and how fast it can run",
    .run = run,
};
