/* cmd_dump.c - `hone dump`: logits, hidden states and tensors, for comparison. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/command.h"
#include "format/npy.h"

typedef struct args {
    const char *tokens, *dir, *tensor, *npy;
    bool logits, hidden, json;
    int layer;
    cli_list lora;
} args;

static hone_status parse_tokens(const char *text, hone_tokens *t, hone_error *err)
{
    for (const char *p = text;; p++) {
        char *end;
        errno = 0;
        const long v = strtol(p, &end, 10);
        if (end == p || errno || v < 0 || v > INT32_MAX || (*end && *end != ',')) {
            return hone_fail(err, HONE_E_INVALID,
                             "option --tokens: expected 1,2,3, found '%.40s'", text);
        }
        const int32_t id = (int32_t)v;
        HONE_TRY(hone_tokens_append(t, &id, 1, err));
        if (!*end) return HONE_OK;
        p = end;
    }
}

/* -- the document: {"tokens":[..],"logits":[..],"hidden":[..],"files":[..]} ---------- */

static void print_tokens(const hone_tokens *t)
{
    printf("{\"tokens\":[");
    for (size_t i = 0; i < t->len; i++) {
        printf(i ? ",%d" : "%d", t->id[i]);
    }
    putchar(']');
}

/* Rows are printed as they come. */
typedef struct rows {
    const hone_tokens *tokens; /* begin the document; NULL if it has begun */
    bool hidden;
    size_t width, n;
} rows;

/* The document begins with the first row: tokens that are refused print nothing. */
static void print_row(void *ctx, size_t position, const float *logits,
                      const float *hidden)
{
    rows *r = ctx;
    const float *x = r->hidden ? hidden : logits;
    (void)position;
    if (r->n == 0) {
        if (r->tokens) print_tokens(r->tokens);
        printf(",\"%s\":", r->hidden ? "hidden" : "logits");
    }
    printf(r->n++ ? ",\n[" : "[[");
    for (size_t i = 0; i < r->width; i++) {
        if (i) putchar(',');
        cli_print_number((double)x[i]);
    }
    putchar(']');
}

static hone_status dump_rows(hone_sequence *s, const hone_tokens *t, bool hidden,
                             bool first, hone_error *err)
{
    const hone_model_info *info =
        hone_model_get_info(hone_engine_model(hone_sequence_engine(s)));
    rows r = {.hidden = hidden, .tokens = first ? t : NULL};
    r.width = (size_t)(hidden ? info->d_model : info->n_vocab);
    hone_sequence_truncate(s, 0);
    HONE_TRY(hone_sequence_score(s, t->id, t->len, print_row, &r, err));
    putchar(']');
    return HONE_OK;
}

static void ignore_row(void *ctx, size_t position, const float *logits,
                       const float *hidden)
{
    (void)ctx;
    (void)position;
    (void)logits;
    (void)hidden;
}

/* Values of one layer, gathered over the steps of the run. */
typedef struct gathered {
    char *name;
    float *data;
    size_t n_row, width;
} gathered;

typedef struct layer_dump {
    char prefix[32];
    gathered *value;
    size_t n, cap;
    bool failed;
} layer_dump;

static void gather(void *ctx, const char *name, const float *data, int n_row, int width)
{
    layer_dump *d = ctx;
    const bool shared = strncmp(name, "layer.", 6) != 0;
    if (!shared && strncmp(name, d->prefix, strlen(d->prefix)) != 0) return;
    size_t i = 0;
    while (i < d->n && strcmp(d->value[i].name, name) != 0) {
        i++;
    }
    if (i == d->n) {
        char *copy = hone_strdup(name);
        if (!copy ||
            hone_grow((void **)&d->value, &d->cap, d->n + 1, sizeof *d->value)) {
            hone_free(copy);
            d->failed = true;
            return;
        }
        d->value[d->n++] = (gathered){copy, NULL, 0, (size_t)width};
    }
    gathered *g = &d->value[i];
    const size_t rows_now = g->n_row + (size_t)n_row;
    float *p = hone_realloc(g->data, rows_now * g->width, sizeof *p);
    if (!p) {
        d->failed = true;
        return;
    }
    g->data = p;
    memcpy(p + g->n_row * g->width, data, (size_t)n_row * g->width * sizeof *p);
    g->n_row = rows_now;
}

static hone_status layer_path(const gathered *g, const args *a, char path[4096],
                              hone_error *err)
{
    const int n = snprintf(path, 4096, "%s/%s.npy", a->dir ? a->dir : ".", g->name);
    if (n > 0 && n < 4096) return HONE_OK;
    return hone_fail(err, HONE_E_LIMIT, "dump: --dir: the path is too long");
}

static hone_status save_layer(const layer_dump *d, const args *a, hone_error *err)
{
    char path[4096];
    if (d->failed) return hone_fail(err, HONE_E_NOMEM, "dump: out of memory");
    if (a->dir && mkdir(a->dir, 0777) && errno != EEXIST) {
        return hone_fail(err, HONE_E_IO, "dump: %s: %s", a->dir, strerror(errno));
    }
    for (size_t i = 0; i < d->n; i++) {
        const gathered *g = &d->value[i];
        const size_t shape[2] = {g->n_row, g->width};
        HONE_TRY(layer_path(g, a, path, err));
        HONE_TRY(hone_npy_save(path, g->data, shape, 2, err));
    }
    return HONE_OK;
}

static hone_status dump_layer(hone_sequence *s, const hone_tokens *t, const args *a,
                              layer_dump *d, hone_error *err)
{
    hone_engine *e = hone_sequence_engine(s);
    const int n_layer = hone_model_get_info(hone_engine_model(e))->n_layer;
    if (a->layer >= n_layer) {
        return hone_fail(err, HONE_E_INVALID, "dump: layer: expected 0 to %d, found %d",
                         n_layer - 1, a->layer);
    }
    snprintf(d->prefix, sizeof d->prefix, "layer.%d.", a->layer);
    hone_engine_watch(e, gather, d);
    const hone_status st = hone_sequence_score(s, t->id, t->len, ignore_row, NULL, err);
    hone_engine_watch(e, NULL, NULL);
    return st ? st : save_layer(d, a, err);
}

/* The files written: a field of the document, or lines. */
static void print_files(const layer_dump *d, const args *a, bool document)
{
    char path[4096];
    if (document) printf(",\"files\":[");
    for (size_t i = 0; i < d->n; i++) {
        if (layer_path(&d->value[i], a, path, NULL)) continue;
        if (!document) {
            printf("%s\n", path);
            continue;
        }
        if (i) putchar(',');
        cli_print_json_string(path, strlen(path));
    }
    if (document) putchar(']');
}

static void layer_release(layer_dump *d)
{
    for (size_t i = 0; i < d->n; i++) {
        hone_free(d->value[i].name);
        hone_free(d->value[i].data);
    }
    hone_free(d->value);
}

static hone_status dump_tensor(const hone_model *m, const args *a, hone_error *err)
{
    float *data;
    hone_tensor_info info;
    size_t shape[4];
    HONE_TRY(hone_model_read_tensor(m, a->tensor, &data, &info, err));
    for (int i = 0; i < info.n_dims; i++) {
        shape[i] = (size_t)info.shape[i];
    }
    const hone_status s = hone_npy_save(a->npy, data, shape, info.n_dims, err);
    hone_data_free(data);
    return s;
}

/* A pass over the tokens for each thing that is asked for. */
static hone_status dump_passes(hone_sequence *s, const hone_tokens *t, const args *a,
                               hone_error *err)
{
    const bool per_token = a->logits || a->hidden;
    layer_dump d = {0};
    hone_status st = HONE_OK;
    if (a->layer >= 0) st = dump_layer(s, t, a, &d, err);
    if (!st && a->logits) st = dump_rows(s, t, false, true, err);
    if (!st && a->hidden) st = dump_rows(s, t, true, !a->logits, err);
    if (!st && !per_token && a->json) print_tokens(t);
    if (!st && a->layer >= 0) print_files(&d, a, per_token || a->json);
    if (!st && (per_token || a->json)) printf("}\n");
    layer_release(&d);
    return st;
}

static hone_status dump_run(const hone_model *m, const hone_tokens *t, const args *a,
                            const cli_engine_args *ea, hone_error *err)
{
    hone_engine *e = NULL;
    hone_sequence *s = NULL;
    hone_engine_options o = cli_engine_options(ea);
    /* whatever the model declares, the given tokens are what must fit */
    if (o.n_ctx == 0) o.n_ctx = (int)t->len;
    hone_status st = hone_engine_new(&e, m, &o, err);
    if (!st) st = hone_sequence_new(&s, e, err);
    if (!st) st = cli_use_adapters(s, &a->lora, err);
    if (!st) st = dump_passes(s, t, a, err);
    hone_sequence_free(s);
    hone_engine_free(e);
    return st;
}

static int usage(const cli_command *self, const args *a)
{
    if (!a->tensor == !a->tokens)
        return cli_usage(self, "expected one of --tokens and --tensor");
    if (a->tensor && a->lora.n) return cli_usage(self, "--lora needs --tokens");
    if (a->tensor && !a->npy) return cli_usage(self, "--tensor needs --npy FILE");
    if (!a->tensor && !a->logits && !a->hidden && a->layer < 0)
        return cli_usage(self, "expected --logits, --hidden or --layer N");
    return CLI_GO;
}

static int run(const cli_command *self, int argc, char **argv)
{
    args a = {.layer = -1};
    cli_engine_args ea = {0};
    const cli_option options[] = {
        {"tokens", 0, CLI_STR, &a.tokens, "1,2,3", "token ids to run, as they are"},
        {"logits", 0, CLI_FLAG, &a.logits, NULL, "print logits of every position"},
        {"hidden", 0, CLI_FLAG, &a.hidden, NULL,
         "print hidden states after the final norm"},
        {"layer", 0, CLI_INT, &a.layer, "N", "write every value of layer N as .npy"},
        {"dir", 0, CLI_STR, &a.dir, "D", "where --layer writes; default: here"},
        {"tensor", 0, CLI_STR, &a.tensor, "NAME",
         "write one weight, dequantized to f32"},
        {"lora", 0, CLI_LIST, &a.lora, "PATH[:SCALE]",
         "adapter: a PEFT folder or GGUF; several are summed"},
        {"npy", 0, CLI_STR, &a.npy, "FILE", "where --tensor writes"},
        {"json", 0, CLI_FLAG, &a.json, NULL, "print JSON (rows always are)"},
    };
    cli_option engine[4];
    const cli_group groups[] = {CLI_GROUP(options), cli_engine_group(&ea, engine)};
    const char *model;
    const int go = cli_parse(self, groups, 2, argc, argv, &model, 1, 1);
    if (go != CLI_GO) return go;
    if (usage(self, &a) != CLI_GO) return 2;

    hone_error err;
    hone_tokens t = {0};
    hone_model *m = NULL;
    if (a.tokens && parse_tokens(a.tokens, &t, &err)) {
        hone_tokens_release(&t);
        return cli_usage(self, "%s", err.text);
    }
    hone_status s = cli_model_open(&m, model, 0, &err);
    if (!s) s = a.tensor ? dump_tensor(m, &a, &err) : dump_run(m, &t, &a, &ea, &err);
    hone_model_close(m);
    hone_tokens_release(&t);
    return s ? cli_fail(&err) : 0;
}

const cli_command cli_cmd_dump = {
    .name = "dump",
    .usage = "MODEL (--tokens 1,2,3 (--logits | --hidden | --layer N) | --tensor NAME "
             "--npy F)",
    .summary = "print logits, hidden states or tensors, to compare with others",
    .details =
        "--logits, --hidden and --layer may be combined: one JSON document with a row "
        "for\n"
        "each position, and the files of the layer.  --layer alone prints their paths.",
    .run = run,
};
