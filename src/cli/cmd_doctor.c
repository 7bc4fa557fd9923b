/* cmd_doctor.c - `hone doctor`: what this machine is, and whether the kernels work here. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <utf8proc.h>

#include "cli/command.h"

enum {
    MAX_FAILURES = 64
};

typedef struct failures {
    char name[MAX_FAILURES][64];
    int n;
} failures;

static void note(void *ctx, const char *name)
{
    failures *f = ctx;
    if (f->n < MAX_FAILURES) snprintf(f->name[f->n++], sizeof f->name[0], "%s", name);
}

static void print_json(const hone_machine *m, const hone_machine_speed *v,
                       const failures *f)
{
    printf("{\"cpu\":[");
    for (int i = 0; i < m->n_feature; i++) {
        printf("%s\"%s\"", i ? "," : "", m->feature[i]);
    }
    printf("],\"kernels\":\"%s\",\"self_test\":", m->kernels);
    if (f->n == 0) printf("\"ok\"");
    for (int i = 0; i < f->n; i++) {
        printf("%s\"%s\"%s", i ? "," : "[", f->name[i], i + 1 == f->n ? "]" : "");
    }
    printf(",\"threads\":%d,\"memory_bytes\":%" PRIu64 ",\"available_bytes\":%" PRIu64
           ",\"machine\":{\"read_bytes_per_s\":%.4g,\"int8_ops_per_s\":%.4g,"
           "\"bf16_flops_per_s\":%.4g,\"f32_flops_per_s\":%.4g}}\n",
           m->n_thread, m->total_bytes, m->available_bytes, v->read_bytes_per_s,
           v->int8_ops_per_s, v->bf16_flops_per_s, v->f32_flops_per_s);
}

static void print_text(const hone_machine *m, const hone_machine_speed *v,
                       const failures *f)
{
    char a[16], b[16], pcre[64] = "";
    pcre2_config(PCRE2_CONFIG_VERSION, pcre);
    printf("hone       %s\n", hone_version());
    printf("libraries  jansson %s, PCRE2 %s, utf8proc %s\n", jansson_version_str(),
           pcre, utf8proc_version());
    printf("cpu       ");
    for (int i = 0; i < m->n_feature; i++) {
        printf(" %s", m->feature[i]);
    }
    printf("\nkernels    %s\n", m->kernels);
    printf("self-test  %s\n", f->n ? "FAILED" : "ok");
    for (int i = 0; i < f->n; i++) {
        printf("           %s\n", f->name[i]);
    }
    printf("threads    %d\n", m->n_thread);
    printf("memory     %s, %s available\n", cli_format_bytes((double)m->total_bytes, a),
           cli_format_bytes((double)m->available_bytes, b));
    printf("read       %.1f GB/s\n", v->read_bytes_per_s * 1e-9);
    printf("int8       %.0f GOP/s\n", v->int8_ops_per_s * 1e-9);
    printf("bf16       %.0f GFLOP/s\n", v->bf16_flops_per_s * 1e-9);
    printf("f32        %.0f GFLOP/s\n", v->f32_flops_per_s * 1e-9);
}

static int run(const cli_command *self, int argc, char **argv)
{
    bool json = false;
    int n_thread = 0;
    const cli_option options[] = {
        {"json", 0, CLI_FLAG, &json, NULL, "print one JSON document"},
        {"threads", 't', CLI_INT, &n_thread, "N", "measure with N threads"},
    };
    const cli_group groups[] = {CLI_GROUP(options)};
    const int go = cli_parse(self, groups, 1, argc, argv, NULL, 0, 0);
    if (go != CLI_GO) return go;

    hone_error err;
    hone_machine m;
    hone_machine_speed v;
    failures f = {.n = 0};
    hone_machine_get(&m);
    hone_self_test(note, &f);
    if (hone_machine_measure(&v, n_thread, NULL, 1.0, &err)) return cli_fail(&err);
    if (json)
        print_json(&m, &v, &f);
    else
        print_text(&m, &v, &f);
    return f.n ? 1 : 0;
}

const cli_command cli_cmd_doctor = {
    .name = "doctor",
    .usage = "[--json]",
    .summary = "check this machine: CPU, memory, kernels, speed",
    .run = run,
};
