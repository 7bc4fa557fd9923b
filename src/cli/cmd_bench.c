/* cmd_bench.c - `hone bench`: how fast a model runs, and how near the machine's limits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/command.h"

enum {
    MAX_VALUES = 32,
    MAX_CASES = 4096
};

/* A list of numbers: "512" or "128,512". */
typedef struct numbers {
    int value[MAX_VALUES];
    int n;
} numbers;

typedef struct args {
    const char *prefill, *decode, *depth, *batch, *threads, *kv_type, *kernels;
    int n_rep;
    bool json, ops, packed;
    cli_list lora;
} args;

/* False when the text is no list of numbers of at least lo. */
static bool parse_numbers(const char *text, int lo, numbers *out)
{
    out->n = 0;
    for (;;) {
        char *end;
        const long v = strtol(text, &end, 10);
        if (end == text || v < lo || v > 1 << 24 || out->n == MAX_VALUES) return false;
        out->value[out->n++] = (int)v;
        if (*end == '\0') return true;
        if (*end != ',') return false;
        text = end + 1;
    }
}

/* -- cases ------------------------------------------------------------------------ */

typedef struct cases {
    hone_bench_case *item;
    size_t n;
} cases;

static bool add_cases(cases *c, hone_bench_test test, const numbers *n,
                      const numbers *depth, const numbers *batch,
                      const numbers *threads)
{
    for (int t = 0; t < threads->n; t++) {
        for (int b = 0; b < batch->n; b++) {
            for (int d = 0; d < depth->n; d++) {
                for (int i = 0; i < n->n; i++) {
                    if (c->n == MAX_CASES) return false;
                    c->item[c->n++] = (hone_bench_case){
                        .test = test,
                        .n = n->value[i],
                        .depth = depth->value[d],
                        .batch = batch->value[b],
                        .n_thread = threads->value[t],
                    };
                }
            }
        }
    }
    return true;
}

/* The cases that the options ask for; an exit status if they are no numbers. */
static int make_cases(const cli_command *self, const args *a, cases *c)
{
    const struct {
        const char *name, *text, *fallback;
        int lo;
    } lists[] = {
        /* what is not asked for is left out, but with neither both are run */
        {"prefill", a->prefill, a->decode ? NULL : "512", 1},
        {"decode", a->decode, a->prefill ? NULL : "128", 1},
        {"depth", a->depth, "0", 0},
        {"batch", a->batch, "1", 1},
        {"threads", a->threads, "0", 0},
    };
    numbers n[5] = {0};
    for (int i = 0; i < 5; i++) {
        const char *text = lists[i].text ? lists[i].text : lists[i].fallback;
        if (text && !parse_numbers(text, lists[i].lo, &n[i])) {
            return cli_usage(self, "option --%s: expected N or N,N,.., found '%s'",
                             lists[i].name, text);
        }
    }
    if (!add_cases(c, HONE_BENCH_PREFILL, &n[0], &n[2], &n[3], &n[4]) ||
        !add_cases(c, HONE_BENCH_DECODE, &n[1], &n[2], &n[3], &n[4])) {
        return cli_usage(self, "more than %d cases", MAX_CASES);
    }
    return CLI_GO;
}

/* -- output ----------------------------------------------------------------------- */

static void print_machine(const hone_machine_speed *v)
{
    printf("{\"read_bytes_per_s\":%.4g,\"int8_ops_per_s\":%.4g,"
           "\"bf16_flops_per_s\":%.4g,\"f32_flops_per_s\":%.4g}",
           v->read_bytes_per_s, v->int8_ops_per_s, v->bf16_flops_per_s,
           v->f32_flops_per_s);
}

static void print_json(const hone_model *m, const hone_bench_result *r, size_t n)
{
    const char *name = hone_model_get_info(m)->name;
    printf("{\"model\":");
    cli_print_json_string(name, strlen(name));
    printf(",\"threads\":%d,\"kernels\":\"%s\",\"machine\":", r[0].c.n_thread,
           r[0].kernels);
    print_machine(&r[0].machine);
    printf(",\"results\":[");
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        const hone_bench_spread *t = &r[i].tokens_per_s;
        if (r[i].n_rep == 0) continue;
        printf(
            "%s{\"test\":\"%s\",\"n\":%d,\"depth\":%d,\"batch\":%d,\"threads\":%d,"
            "\"reps\":%d,\"tokens_per_s\":{\"median\":%.6g,\"min\":%.6g,\"max\":%.6g}"
            ",\"bytes_per_s\":%.4g,\"ops_per_s\":%.4g,\"arithmetic\":\"%s\","
            "\"fraction_of_limit\":%.4g,\"fraction_of_read\":%.4g,"
            "\"fraction_of_arithmetic\":%.4g",
            first ? "" : ",", hone_bench_test_name(r[i].c.test), r[i].c.n, r[i].c.depth,
            r[i].c.batch, r[i].c.n_thread, r[i].n_rep, t->median, t->min, t->max,
            r[i].bytes_per_s, r[i].ops_per_s, r[i].arithmetic, r[i].fraction_of_limit,
            r[i].fraction_of_read, r[i].fraction_of_arithmetic);
        printf(",\"machine\":");
        print_machine(&r[i].machine);
        printf("}");
        first = false;
    }
    printf("]}\n");
}

static void print_limits(const hone_bench_result *r)
{
    printf(
        "limits with %d thread%s: read %.1f GB/s, int8 %.0f GOP/s, bf16 %.0f GFLOP/s,"
        " f32 %.0f GFLOP/s; kernels %s\n",
        r->c.n_thread, r->c.n_thread == 1 ? "" : "s",
        r->machine.read_bytes_per_s * 1e-9, r->machine.int8_ops_per_s * 1e-9,
        r->machine.bf16_flops_per_s * 1e-9, r->machine.f32_flops_per_s * 1e-9,
        r->kernels);
}

static void print_table(const hone_model *m, const hone_bench_result *r, size_t n)
{
    char size[16];
    const hone_model_info *info = hone_model_get_info(m);
    printf("%s, %s\n", info->name, cli_format_bytes((double)info->weight_bytes, size));
    int last = -1;
    for (size_t i = 0; i < n; i++) {
        const hone_bench_spread *t = &r[i].tokens_per_s;
        if (r[i].n_rep == 0) continue;
        if (r[i].c.n_thread != last) {
            print_limits(&r[i]);
            printf("%-8s %6s %6s %5s %9s %9s %9s %8s %5s %9s %5s\n", "test", "n",
                   "depth", "batch", "tokens/s", "min", "max", "GB/s", "read", "GOP/s",
                   r[i].arithmetic);
        }
        last = r[i].c.n_thread;
        printf("%-8s %6d %6d %5d %9.1f %9.1f %9.1f %8.1f %5.2f %9.1f %5.2f\n",
               hone_bench_test_name(r[i].c.test), r[i].c.n, r[i].c.depth, r[i].c.batch,
               t->median, t->min, t->max, r[i].bytes_per_s * 1e-9,
               r[i].fraction_of_read, r[i].ops_per_s * 1e-9,
               r[i].fraction_of_arithmetic);
    }
}

static void show_progress(void *ctx, const hone_bench_case *c, int done, int all)
{
    (void)ctx;
    fprintf(stderr, "\r\x1b[K%d of %d: %s %d at depth %d, batch %d, %d threads",
            done + 1, all, hone_bench_test_name(c->test), c->n, c->depth, c->batch,
            c->n_thread);
}

/* -- ops: the same op of all layers together --------------------------------------- */

enum {
    MAX_KINDS = 64
};

typedef struct kinds {
    hone_bench_case c; /* the case that is being gathered */
    char name[MAX_KINDS][48];
    double seconds[MAX_KINDS], bytes[MAX_KINDS];
    int n;
} kinds;

static void print_kinds(kinds *k)
{
    double all = 0.0;
    for (int i = 0; i < k->n; i++) {
        all += k->seconds[i];
    }
    if (k->n > 0) {
        printf("ops of %s %d, depth %d, batch %d (one by one):\n",
               hone_bench_test_name(k->c.test), k->c.n, k->c.depth, k->c.batch);
    }
    for (int i = 0; i < k->n; i++) {
        printf("  %-20s %9.2f ms %5.1f %%  weights %s\n", k->name[i],
               k->seconds[i] * 1e3, 100.0 * k->seconds[i] / all,
               cli_format_bytes(k->bytes[i], (char[16]){0}));
    }
    k->n = 0;
}

static void gather_op(void *ctx, const hone_bench_case *c, const hone_op_time *t)
{
    kinds *k = ctx;
    if (memcmp(&k->c, c, sizeof *c) != 0) print_kinds(k);
    k->c = *c;
    const char *name = t->name;
    if (strncmp(name, "layer.", 6) == 0 && strchr(name + 6, '.')) {
        name = strchr(name + 6, '.') + 1;
    }
    int i = 0;
    while (i < k->n && strcmp(k->name[i], name) != 0) {
        i++;
    }
    if (i == MAX_KINDS) return;
    if (i == k->n) {
        snprintf(k->name[i], sizeof k->name[i], "%s", name);
        k->seconds[i] = k->bytes[i] = 0.0;
        k->n++;
    }
    k->seconds[i] += t->seconds;
    k->bytes[i] += t->weight_bytes;
}

/* -- the command ------------------------------------------------------------------ */

static int measure(const args *a, const char *name, const cases *c,
                   hone_bench_result *r)
{
    hone_error err;
    hone_model *m;
    const bool terminal = isatty(STDERR_FILENO);
    kinds k = {0};
    char *packed = NULL;
    if (a->packed && cli_packed_path(name, &packed, &err)) return cli_fail(&err);
    const hone_bench_options o = {
        .kv_type = a->kv_type,
        .kernels = a->kernels,
        .packed_file = packed,
        .n_rep = a->n_rep,
        .lora = a->lora.item,
        .n_lora = a->lora.n,
        .progress = terminal ? show_progress : NULL,
        .op = a->ops ? gather_op : NULL,
        .op_ctx = &k,
        .interrupt = cli_interrupted,
    };
    if (cli_model_open(&m, name, 0, &err)) {
        hone_free(packed);
        return cli_fail(&err);
    }
    cli_catch_interrupts();
    const hone_status s = hone_bench_run(m, c->item, c->n, &o, r, &err);
    if (terminal) fprintf(stderr, "\r\x1b[K");
    print_kinds(&k);
    if (!s && a->json) print_json(m, r, c->n);
    if (!s && !a->json) print_table(m, r, c->n);
    hone_model_close(m);
    hone_free(packed);
    if (s) return cli_fail(&err);
    return cli_interrupted(NULL) ? CLI_INTERRUPTED : 0;
}

static int run(const cli_command *self, int argc, char **argv)
{
    args a = {.n_rep = 5};
    const cli_option options[] = {
        {"prefill", 0, CLI_STR, &a.prefill, "N,..", "tokens of a prompt; default 512"},
        {"decode", 0, CLI_STR, &a.decode, "N,..",
         "tokens generated one by one; default 128"},
        {"depth", 0, CLI_STR, &a.depth, "N,..",
         "tokens that the sequence holds before; default 0"},
        {"batch", 0, CLI_STR, &a.batch, "N,..", "sequences together; default 1"},
        {"threads", 't', CLI_STR, &a.threads, "N,..",
         "threads; default: what this machine grants"},
        {"kv-type", 0, CLI_STR, &a.kv_type, "K[,V]",
         "cached keys (and values): f16, f32, bf16, q8_0, q4_0"},
        {"kernels", 0, CLI_STR, &a.kernels, "TIER",
         "kernels: ref, avx2, neon, ...; default: the best"},
        {"lora", 0, CLI_LIST, &a.lora, "PATH",
         "adapter; with several, sequences have them in turn"},
        {"packed-cache", 0, CLI_FLAG, &a.packed, NULL,
         "keep the weights as kernels read them beside the model: starts faster"},
        {"reps", 'r', CLI_INT, &a.n_rep, "N", "repetitions of every case; default 5"},
        {"ops", 0, CLI_FLAG, &a.ops, NULL, "also print the time of each kind of op"},
        {"json", 0, CLI_FLAG, &a.json, NULL, "print one JSON document"},
    };
    const cli_group groups[] = {CLI_GROUP(options)};
    const char *name;
    const int go = cli_parse(self, groups, 1, argc, argv, &name, 1, 1);
    if (go != CLI_GO) return go;
    if (a.n_rep < 1) {
        return cli_usage(self, "option --reps: expected at least 1, found %d", a.n_rep);
    }
    if (a.ops && a.json) return cli_usage(self, "--ops and --json exclude each other");
    cases c = {.item = calloc(MAX_CASES, sizeof *c.item)};
    int status = c.item ? make_cases(self, &a, &c) : 1;
    hone_bench_result *r = calloc(c.n ? c.n : 1, sizeof *r);
    if (!c.item || !r) fprintf(stderr, "hone: bench: out of memory\n");
    if (status == CLI_GO) status = r ? measure(&a, name, &c, r) : 1;
    free(c.item);
    free(r);
    return status;
}

const cli_command cli_cmd_bench = {
    .name = "bench",
    .usage = "MODEL [--prefill N,..] [--decode N,..] [--depth N,..] [--batch N,..]",
    .summary =
        "measure the speed of a model, also as a share of what the machine can do",
    .details =
        "Every combination of the lists is a case.  With neither --prefill nor\n"
        "--decode both run.  'read' is the share of the memory bandwidth that was\n"
        "measured in the same run, 'int8' (or bf16, f32) that of the arithmetic\n"
        "peak.  Ctrl-C ends with what was measured.",
    .run = run,
};
