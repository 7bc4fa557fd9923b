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
} args;

static hone_status parse_tokens(const char *text, hone_tokens *t, hone_error *err)
{
    for (const char *p = text; *p;) {
        char *end;
        errno = 0;
        const long v = strtol(p, &end, 10);
        if (end == p || errno || v < 0 || v > INT32_MAX || (*end && *end != ',')) {
            return hone_fail(err, HONE_E_INVALID,
                             "dump: tokens: '%.20s': expected ids 1,2,3", p);
        }
        const int32_t id = (int32_t)v;
        HONE_TRY(hone_tokens_append(t, &id, 1, err));
        p = *end ? end + 1 : end;
    }
    return HONE_OK;
}

/* Rows are printed as they come. */
typedef struct rows {
    bool hidden;
    size_t width, n;
} rows;

static void print_row(void *ctx, size_t position, const float *logits,
                      const float *hidden)
{
    rows *r = ctx;
    const float *x = r->hidden ? hidden : logits;
    (void)position;
    printf(r->n++ ? ",\n[" : "[");
    for (size_t i = 0; i < r->width; i++) {
        if (i) putchar(',');
        cli_print_number((double)x[i]);
    }
    putchar(']');
}

static void ignore_row(void *ctx, size_t position, const float *logits,
                       const float *hidden)
{
    (void)ctx;
    (void)position;
    (void)logits;
    (void)hidden;
}

static hone_status dump_rows(hone_sequence *s, const hone_tokens *t, const args *a,
                             hone_error *err)
{
    const hone_model_info *info =
        hone_model_get_info(hone_engine_model(hone_sequence_engine(s)));
    rows r = {.hidden = a->hidden};
    r.width = (size_t)(a->hidden ? info->d_model : info->n_vocab);
    printf("{\"tokens\":[");
    for (size_t i = 0; i < t->len; i++) {
        printf(i ? ",%d" : "%d", t->id[i]);
    }
    printf("],\"%s\":[", a->hidden ? "hidden" : "logits");
    HONE_TRY(hone_sequence_score(s, t->id, t->len, print_row, &r, err));
    printf("]}\n");
    return HONE_OK;
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

static hone_status save_layer(const layer_dump *d, const char *dir, hone_error *err)
{
    if (d->failed) return hone_fail(err, HONE_E_NOMEM, "dump: out of memory");
    if (mkdir(dir, 0777) && errno != EEXIST) {
        return hone_fail(err, HONE_E_IO, "dump: %s: %s", dir, strerror(errno));
    }
    for (size_t i = 0; i < d->n; i++) {
        const gathered *g = &d->value[i];
        const size_t shape[2] = {g->n_row, g->width};
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.npy", dir, g->name);
        HONE_TRY(hone_npy_save(path, g->data, shape, 2, err));
        printf("%s\n", path);
    }
    return HONE_OK;
}

static hone_status dump_layer(hone_sequence *s, const hone_tokens *t, const args *a,
                              hone_error *err)
{
    hone_engine *e = hone_sequence_engine(s);
    const int n_layer = hone_model_get_info(hone_engine_model(e))->n_layer;
    if (a->layer < 0 || a->layer >= n_layer) {
        return hone_fail(err, HONE_E_INVALID, "dump: layer: expected 0 to %d, found %d",
                         n_layer - 1, a->layer);
    }
    layer_dump d = {0};
    snprintf(d.prefix, sizeof d.prefix, "layer.%d.", a->layer);
    hone_engine_watch(e, gather, &d);
    hone_status st = hone_sequence_score(s, t->id, t->len, ignore_row, NULL, err);
    hone_engine_watch(e, NULL, NULL);
    if (!st) st = save_layer(&d, a->dir ? a->dir : ".", err);
    for (size_t i = 0; i < d.n; i++) {
        hone_free(d.value[i].name);
        hone_free(d.value[i].data);
    }
    hone_free(d.value);
    return st;
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

static hone_status dump_run(const hone_model *m, const args *a,
                            const cli_engine_args *ea, hone_error *err)
{
    hone_tokens t = {0};
    hone_engine *e = NULL;
    hone_sequence *s = NULL;
    hone_status st = parse_tokens(a->tokens, &t, err);
    hone_engine_options o = cli_engine_options(ea);
    /* whatever the model declares, the given tokens are what must fit */
    if (!st && o.n_ctx == 0) o.n_ctx = t.len ? (int)t.len : 1;
    if (!st) st = hone_engine_new(&e, m, &o, err);
    if (!st) st = hone_sequence_new(&s, e, err);
    if (!st && a->layer >= -1 && !a->logits && !a->hidden)
        st = dump_layer(s, &t, a, err);
    else if (!st)
        st = dump_rows(s, &t, a, err);
    hone_sequence_free(s);
    hone_engine_free(e);
    hone_tokens_release(&t);
    return st;
}

static int run(const cli_command *self, int argc, char **argv)
{
    args a = {.layer = -2};
    cli_engine_args ea = {0};
    const cli_option options[] = {
        {"tokens", 0, CLI_STR, &a.tokens, "1,2,3", "token ids to run, as they are"},
        {"logits", 0, CLI_FLAG, &a.logits, NULL, "print logits of every position"},
        {"hidden", 0, CLI_FLAG, &a.hidden, NULL, "print final hidden states instead"},
        {"layer", 0, CLI_INT, &a.layer, "N", "write every value of layer N as .npy"},
        {"dir", 0, CLI_STR, &a.dir, "D", "where --layer writes; default: here"},
        {"tensor", 0, CLI_STR, &a.tensor, "NAME",
         "write one weight, dequantized to f32"},
        {"npy", 0, CLI_STR, &a.npy, "FILE", "where --tensor writes"},
        {"json", 0, CLI_FLAG, &a.json, NULL, "print JSON (rows always are)"},
    };
    cli_option engine[4];
    const cli_group groups[] = {CLI_GROUP(options), cli_engine_group(&ea, engine)};
    const char *model;
    const int go = cli_parse(self, groups, 2, argc, argv, &model, 1, 1);
    if (go != CLI_GO) return go;
    if (!a.tensor && !a.tokens) return cli_usage(self, "expected --tokens or --tensor");
    if (a.tensor && !a.npy) return cli_usage(self, "--tensor needs --npy FILE");
    if (a.logits && a.hidden)
        return cli_usage(self, "expected --logits or --hidden, not both");
    if (!a.tensor && !a.logits && !a.hidden && a.layer == -2) {
        return cli_usage(self, "expected --logits, --hidden or --layer N");
    }

    hone_error err;
    hone_model *m;
    if (cli_model_open(&m, model, 0, &err)) return cli_fail(&err);
    const hone_status s =
        a.tensor ? dump_tensor(m, &a, &err) : dump_run(m, &a, &ea, &err);
    hone_model_close(m);
    return s ? cli_fail(&err) : 0;
}

const cli_command cli_cmd_dump = {
    .name = "dump",
    .usage = "MODEL (--tokens 1,2,3 (--logits | --hidden | --layer N) | --tensor NAME "
             "--npy F)",
    .summary = "print logits, hidden states or tensors, to compare with others",
    .run = run,
};
