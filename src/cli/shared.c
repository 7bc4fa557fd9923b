/* shared.c - what commands share: engine options, interrupts, printing. */
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

cli_group cli_engine_group(const cli_engine_args *a, cli_option table[4])
{
    cli_engine_args *w = (cli_engine_args *)(uintptr_t)a;
    table[0] =
        (cli_option){"threads",    't', CLI_INT,
                     &w->n_thread, "N", "threads; default: what this machine grants"};
    table[1] =
        (cli_option){"ctx",     'c', CLI_INT,
                     &w->n_ctx, "N", "context length in tokens; default: the model's"};
    table[2] = (cli_option){
        "kv-type",   0,   CLI_STR,
        &w->kv_type, "T", "type of cached keys and values: f16, bf16, f32"};
    table[3] =
        (cli_option){"kernels",   0,      CLI_STR,
                     &w->kernels, "TIER", "kernels: ref, avx2; default: the best"};
    return (cli_group){table, 4};
}

hone_engine_options cli_engine_options(const cli_engine_args *a)
{
    return (hone_engine_options){
        .n_thread = a->n_thread,
        .n_ctx = a->n_ctx,
        .kv_type = a->kv_type,
        .kernels = a->kernels,
        .interrupt = cli_interrupted,
    };
}

hone_status cli_model_open(hone_model **m, const char *name, unsigned flags,
                           hone_error *err)
{
    char *path;
    const hone_status s = cli_model_path(name, &path, err);
    if (s) return s;
    const hone_status opened = hone_model_open(m, path, flags, err);
    free(path);
    return opened;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    if (interrupted) _Exit(128 + signal_number);
    interrupted = 1;
}

void cli_catch_interrupts(void)
{
    struct sigaction a = {.sa_handler = on_interrupt};
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

bool cli_interrupted(void *ctx)
{
    (void)ctx;
    return interrupted != 0;
}

void cli_clear_interrupt(void)
{
    interrupted = 0;
}

void cli_print_number(double x)
{
    if (isfinite(x))
        printf("%.9g", x);
    else
        printf("null");
}

void cli_print_json_string(const char *s, size_t len)
{
    json_t *j = json_stringn(s, len);
    if (!j || json_dumpf(j, stdout, JSON_ENCODE_ANY)) printf("null");
    json_decref(j);
}

const char *cli_format_bytes(double bytes, char buf[16])
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    int u = 0;
    while (bytes >= 1000.0 && u < 4) {
        bytes /= 1000.0;
        u++;
    }
    snprintf(buf, 16, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
    return buf;
}
