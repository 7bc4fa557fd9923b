/* cmd_models.c - `hone pull`, `hone list`, `hone rm`: models on this machine. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
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
    bool terminal, open; /* open: the line is not ended */
    int64_t shown_ns;
} bar;

static void end_line(bar *b)
{
    if (b->open) fputc('\n', stderr);
    b->open = false;
}

static void show_progress(void *ctx, const char *name, uint64_t done, uint64_t all)
{
    bar *b = ctx;
    const int64_t now = hone_clock_ns();
    const bool last = all && done == all;
    char have[16], total[16];
    if (!b->terminal || (last && !b->open)) return;
    if (now - b->shown_ns < 100000000 && !last) return;
    b->shown_ns = now;
    b->open = true;
    cli_format_bytes((double)done, have);
    fputc('\r', stderr);
    cli_print_plain(stderr, name);
    if (all) {
        fprintf(stderr, "  %s of %s  %.0f%%  ", have,
                cli_format_bytes((double)all, total),
                100.0 * (double)done / (double)all);
    } else {
        fprintf(stderr, "  %s  ", have);
    }
    if (last) end_line(b);
}

static int run_pull(const cli_command *self, int argc, char **argv)
{
    const char *name;
    const int go = cli_parse(self, NULL, 0, argc, argv, &name, 1, 1);
    if (go != CLI_GO) return go;
    hone_error err;
    bar b = {.terminal = isatty(STDERR_FILENO)};
    char *dir = cli_models_dir(), *path;
    const hone_pull_options o = {
        .dir = dir,
        .endpoint = getenv("HF_ENDPOINT"),
        .token = getenv("HF_TOKEN"),
        .progress = show_progress,
        .progress_ctx = &b,
        .interrupt = cli_interrupted,
    };
    cli_catch_interrupts();
    signal(SIGPIPE, SIG_IGN); /* a hub that hangs up is an error, not our end */
    const hone_status s = dir ? hone_pull(name, &o, &path, &err)
                              : hone_fail(&err, HONE_E_NOMEM, "pull: out of memory");
    hone_free(dir);
    end_line(&b);
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

/* Whether the folder that holds `path` is, links resolved, the cache or below it. */
static bool is_in_cache(const char *path, const char *cache)
{
    char *parent = hone_strdup(path), *slash = parent ? strrchr(parent, '/') : NULL;
    if (slash) *slash = '\0';
    char *real = slash ? realpath(parent, NULL) : NULL, *top = realpath(cache, NULL);
    const size_t n = top ? strlen(top) : 0;
    const bool is = real && top && strncmp(real, top, n) == 0 &&
                    (real[n] == '\0' || real[n] == '/');
    hone_free(parent);
    free(real);
    free(top);
    return is;
}

/* Remove the folder's files; what lies in folders below is other models'. */
static int remove_folder(const char *path)
{
    int failed = 0;
    DIR *d = opendir(path);
    if (!d) return -1;
    for (struct dirent *e; (e = readdir(d));) {
        char *file = hone_path_join(path, e->d_name);
        if (file && !hone_folder_exists(file) && unlink(file)) failed = -1;
        hone_free(file);
    }
    closedir(d);
    if (!failed && rmdir(path) && errno != ENOTEMPTY && errno != EEXIST) failed = -1;
    return failed;
}

/* Folders that became empty, up to the cache. */
static void remove_empty_parents(const char *path, const char *cache)
{
    char *p = hone_strdup(path);
    const size_t n = strlen(cache);
    for (char *slash; p && (slash = strrchr(p, '/')) && (size_t)(slash - p) > n;) {
        *slash = '\0';
        if (rmdir(p)) break;
    }
    hone_free(p);
}

/* Packed weights that were kept beside the model. */
static void remove_packed(const char *path)
{
    char *packed;
    hone_error unused;
    if (cli_packed_path(path, &packed, &unused)) return;
    unlink(packed);
    hone_free(packed);
}

/* A file, a folder with the files in it, or a link, whose target stays; packed weights go
 * along. */
static hone_status remove_model(const char *path, const char *cache, hone_error *err)
{
    struct stat st;
    if (!is_in_cache(path, cache)) {
        return hone_fail(err, HONE_E_INVALID, "rm %s: a link leads out of the cache",
                         path);
    }
    remove_packed(path);
    if (lstat(path, &st) || (S_ISDIR(st.st_mode) ? remove_folder(path) : unlink(path)))
        return hone_fail(err, HONE_E_IO, "rm %s: %s", path, strerror(errno));
    remove_empty_parents(path, cache);
    return HONE_OK;
}

static int run_rm(const cli_command *self, int argc, char **argv)
{
    const char *name;
    const int go = cli_parse(self, NULL, 0, argc, argv, &name, 1, 1);
    if (go != CLI_GO) return go;
    hone_error err;
    cli_cache c;
    const cli_cached *m;
    char *dir = cli_models_dir();
    cli_cache_scan(&c);
    hone_status s = cli_cache_find(&c, name, &m, &err);
    /* only what the cache holds: a path elsewhere is the user's own file */
    if (s)
        s = hone_error_wrap(&err, s, "rm");
    else if (!m || !dir)
        s = hone_fail(&err, HONE_E_NOT_FOUND,
                      "rm %s: not in the cache; see 'hone list'", name);
    else
        s = remove_model(m->path, dir, &err);
    if (!s) printf("removed %s\n", m->name);
    cli_cache_release(&c);
    hone_free(dir);
    return s ? cli_fail(&err) : 0;
}

const cli_command cli_cmd_rm = {
    .name = "rm",
    .usage = "NAME",
    .summary = "remove a model from this machine",
    .run = run_rm,
};
