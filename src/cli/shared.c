/* shared.c - what commands share: engine options, interrupts, printing. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/status.h"
#include "base/utf8.h"
#include "cli/command.h"

cli_group cli_engine_group(const cli_engine_args *a, cli_option table[4])
{
    cli_engine_args *w = (cli_engine_args *)(uintptr_t)a;
    const cli_option all[] = {
        {"threads", 't', CLI_INT, &w->n_thread, "N",
         "threads; default: what this machine grants"},
        {"ctx", 'c', CLI_INT, &w->n_ctx, "N",
         "context length in tokens; default: the model's"},
        {"kv-type", 0, CLI_STR, &w->kv_type, "K[,V]",
         "cached keys (and values): f16, f32, bf16, q8_0, q4_0"},
        {"kernels", 0, CLI_STR, &w->kernels, "TIER",
         "kernels: ref, avx2, neon, ...; default: the best"},
    };
    memcpy(table, all, sizeof all);
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

char *cli_adapter_path(const char *text, float *scale)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    *scale = 1.0f;
    if (colon && colon > text && !hone_file_exists(text) && !hone_folder_exists(text)) {
        const float x = strtof(colon + 1, &end);
        if (end > colon + 1 && !*end) {
            *scale = x;
            return strndup(text, (size_t)(colon - text));
        }
    }
    return strdup(text);
}

hone_status cli_use_adapters(hone_sequence *s, const cli_list *lora, hone_error *err)
{
    static const char name[] = "--lora";
    hone_adapter_part part[CLI_MAX_LIST];
    char *path[CLI_MAX_LIST];
    hone_engine *e = hone_sequence_engine(s);
    hone_status st = HONE_OK;
    if (lora->n == 0) return HONE_OK;
    for (size_t i = 0; i < lora->n; i++) {
        path[i] = cli_adapter_path(lora->item[i], &part[i].scale);
        part[i].path = path[i];
        if (!path[i]) st = hone_fail(err, HONE_E_NOMEM, "out of memory");
    }
    if (!st) st = hone_engine_adapter_load(e, name, part, lora->n, err);
    if (!st) hone_sequence_set_adapter(s, hone_engine_adapter_find(e, name));
    for (size_t i = 0; i < lora->n; i++) {
        free(path[i]);
    }
    return st;
}

static volatile sig_atomic_t interrupted, terminated;

static void on_interrupt(int signal_number)
{
    if (interrupted) _Exit(128 + signal_number);
    interrupted = 1;
    if (signal_number == SIGTERM) terminated = 1;
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

bool cli_terminated(void)
{
    return terminated != 0;
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

hone_status cli_fixed_clock(hone_chat_options *o, hone_error *err)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    if (!text || !*text) return HONE_OK;
    char *end;
    errno = 0;
    o->now = strtoll(text, &end, 10);
    o->has_now = 1;
    if (end == text || *end || errno) {
        return hone_fail(err, HONE_E_INVALID,
                         "SOURCE_DATE_EPOCH: expected seconds, found '%s'", text);
    }
    return HONE_OK;
}

/* The sequence at s: its length, and whether it is one. */
static size_t sequence_at(const char *s, size_t len, uint32_t *cp)
{
    const int n = hone_utf8_decode(s, len, cp);
    return n > 0 ? (size_t)n : n < 0 ? (size_t)-n : len; /* 0: cut off by the end */
}

void cli_print_json_string(const char *s, size_t len)
{
    hone_buf b;
    uint32_t cp;
    hone_buf_init(&b, SIZE_MAX / 2);
    for (size_t i = 0; i < len;) {
        i += sequence_at(s + i, len - i, &cp);
        hone_buf_append_utf8(&b, cp);
    }
    json_t *j = json_stringn(b.data, b.len);
    if (!j || json_dumpf(j, stdout, JSON_ENCODE_ANY)) printf("null");
    json_decref(j);
    hone_buf_release(&b);
}

void cli_print_plain(FILE *to, const char *s)
{
    const size_t len = strlen(s);
    uint32_t cp;
    for (size_t i = 0, n; i < len; i += n) {
        n = sequence_at(s + i, len - i, &cp);
        const bool control = cp < 0x20 || (cp >= 0x7F && cp < 0xA0);
        if (control)
            fputc('?', to);
        else
            fwrite(s + i, 1, n, to);
    }
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
