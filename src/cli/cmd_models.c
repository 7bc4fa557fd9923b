/* cmd_models.c - `hone pull`, `hone list`, `hone rm`: models on this machine. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/status.h"
#include "cli/models.h"

/* -- pull ------------------------------------------------------------------------- */

typedef struct bar {
    bool terminal;
    int64_t shown_ns;
} bar;

static void show_progress(void *ctx, const char *name, uint64_t done, uint64_t all)
{
    bar *b = ctx;
    const int64_t now = hone_clock_ns();
    char have[16], total[16];
    if (!b->terminal || (now - b->shown_ns < 100000000 && done != all)) return;
    b->shown_ns = now;
    cli_format_bytes((double)done, have);
    if (all) {
        fprintf(stderr, "\r%s  %s of %s  %3.0f%%  ", name, have,
                cli_format_bytes((double)all, total),
                100.0 * (double)done / (double)all);
    } else {
        fprintf(stderr, "\r%s  %s  ", name, have);
    }
}

static int run_pull(const cli_command *self, int argc, char **argv)
{
    const char *name;
    const int go = cli_parse(self, NULL, 0, argc, argv, &name, 1, 1);
    if (go != CLI_GO) return go;
    hone_error err;
    bar b = {.terminal = isatty(STDERR_FILENO)};
    char *dir = cli_models_dir(), *path;
    if (!dir) return 1;
    const hone_pull_options o = {
        .dir = dir,
        .endpoint = getenv("HF_ENDPOINT"),
        .token = getenv("HF_TOKEN"),
        .progress = show_progress,
        .progress_ctx = &b,
        .interrupt = cli_interrupted,
    };
    cli_catch_interrupts();
    const hone_status s = hone_pull(name, &o, &path, &err);
    hone_free(dir);
    if (b.shown_ns) fputc('\n', stderr);
    if (s) {
        cli_fail(&err);
        return s == HONE_E_CANCELLED ? CLI_INTERRUPTED : 1;
    }
    printf("%s\n", path);
    hone_text_free(path);
    return 0;
}

const cli_command cli_cmd_pull = {
    .name = "pull",
    .usage = "NAME | hf:ORG/REPO[:FILE]",
    .summary = "get a model",
    .details =
        "NAME is a known name (smollm2-135m-instruct).  HF_ENDPOINT and HF_TOKEN set "
        "the\n"
        "hub's address and a token.  A broken transfer is resumed by the next pull.",
    .run = run_pull,
};

/* -- list ------------------------------------------------------------------------- */

static uint64_t bytes_of(const char *path)
{
    struct stat st;
    if (stat(path, &st)) return 0;
    if (!S_ISDIR(st.st_mode)) return (uint64_t)st.st_size;
    uint64_t sum = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char *file = hone_path_join(path, e->d_name);
        if (file && stat(file, &st) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
        hone_free(file);
    }
    if (d) closedir(d);
    return sum;
}

static int run_list(const cli_command *self, int argc, char **argv)
{
    bool json = false;
    const cli_option options[] = {
        {"json", 0, CLI_FLAG, &json, NULL, "print one JSON document"},
    };
    const cli_group groups[] = {CLI_GROUP(options)};
    const int go = cli_parse(self, groups, 1, argc, argv, NULL, 0, 0);
    if (go != CLI_GO) return go;
    cli_cache c;
    cli_cache_scan(&c);
    if (json) printf("{\"models\":[");
    for (size_t i = 0; i < c.n; i++) {
        const cli_cached *m = &c.item[i];
        const uint64_t bytes = bytes_of(m->path);
        char buf[16];
        if (!json) {
            printf("%-48s %10s\n", m->name, cli_format_bytes((double)bytes, buf));
            continue;
        }
        printf("%s{\"name\":", i ? "," : "");
        cli_print_json_string(m->name, strlen(m->name));
        printf(",\"path\":");
        cli_print_json_string(m->path, strlen(m->path));
        printf(",\"bytes\":%llu}", (unsigned long long)bytes);
    }
    if (json)
        printf("]}\n");
    else if (c.n == 0)
        fprintf(stderr, "no models; 'hone pull smollm2-135m-instruct' gets one\n");
    cli_cache_release(&c);
    return 0;
}

const cli_command cli_cmd_list = {
    .name = "list",
    .usage = "[--json]",
    .summary = "list the models on this machine",
    .run = run_list,
};

/* -- rm --------------------------------------------------------------------------- */

/* Remove a file, or a model folder with the files in it. */
static hone_status remove_model(const char *path, hone_error *err)
{
    DIR *d = hone_folder_exists(path) ? opendir(path) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        char *file = hone_path_join(path, e->d_name);
        if (file && hone_file_exists(file)) unlink(file);
        hone_free(file);
    }
    if (d) closedir(d);
    const int failed = d ? rmdir(path) : unlink(path);
    return failed ? hone_fail(err, HONE_E_IO, "rm %s: cannot remove it", path)
                  : HONE_OK;
}

static int run_rm(const cli_command *self, int argc, char **argv)
{
    const char *name;
    const int go = cli_parse(self, NULL, 0, argc, argv, &name, 1, 1);
    if (go != CLI_GO) return go;
    hone_error err;
    cli_cache c;
    cli_cache_scan(&c);
    const cli_cached *m = cli_cache_find(&c, name);
    /* only what the cache holds: a path elsewhere is the user's own file */
    hone_status s;
    if (m)
        s = remove_model(m->path, &err);
    else
        s = hone_fail(&err, HONE_E_NOT_FOUND,
                      "rm %s: not in the cache; see 'hone list'", name);
    if (m && !s) printf("removed %s\n", m->name);
    cli_cache_release(&c);
    return s ? cli_fail(&err) : 0;
}

const cli_command cli_cmd_rm = {
    .name = "rm",
    .usage = "NAME",
    .summary = "remove a model from this machine",
    .run = run_rm,
};
