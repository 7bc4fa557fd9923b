/* models.c - the cache of models: names, paths, the default. */
#include "cli/models.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/status.h"

enum {
    MAX_DEPTH = 6 /* ORG/REPO/FOLDER/FILE, and some */
};

char *cli_models_dir(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache == '/') return hone_path_join(cache, "hone/models");
    return hone_path_join(home && *home ? home : "/tmp", ".cache/hone/models");
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool is_model_folder(const char *path)
{
    char *config = hone_path_join(path, "config.json");
    const bool is = config && hone_file_exists(config);
    hone_free(config);
    return is;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const cli_cached *)a)->name, ((const cli_cached *)b)->name);
}

static void add(cli_cache *c, const char *name, const char *path)
{
    cli_cached *grown = hone_realloc(c->item, c->n + 1, sizeof *grown);
    if (!grown) return;
    c->item = grown;
    c->item[c->n] = (cli_cached){hone_strdup(name), hone_strdup(path)};
    if (c->item[c->n].name && c->item[c->n].path) c->n++;
}

/* `prefix` is the folder's name from the cache on, with its slash, or "". */
static void scan(cli_cache *c, const char *dir, const char *prefix, int depth)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        char *path = hone_path_join(dir, e->d_name);
        char name[1024];
        snprintf(name, sizeof name, "%s%s", prefix, e->d_name);
        if (path && hone_folder_exists(path)) {
            if (is_model_folder(path)) add(c, name, path);
            strncat(name, "/", sizeof name - strlen(name) - 1);
            if (depth < MAX_DEPTH) scan(c, path, name, depth + 1);
        } else if (path && ends_with(e->d_name, ".gguf")) {
            add(c, name, path);
        }
        hone_free(path);
    }
    if (d) closedir(d);
}

void cli_cache_scan(cli_cache *c)
{
    *c = (cli_cache){0};
    char *dir = cli_models_dir();
    if (dir) scan(c, dir, "", 1);
    hone_free(dir);
    if (c->n) qsort(c->item, c->n, sizeof *c->item, by_name);
}

void cli_cache_release(cli_cache *c)
{
    for (size_t i = 0; i < c->n; i++) {
        hone_free(c->item[i].name);
        hone_free(c->item[i].path);
    }
    hone_free(c->item);
    *c = (cli_cache){0};
}

/* The file name that a known name stands for, or NULL. */
static const char *known_file(const char *name)
{
    const char *file, *k;
    for (int i = 0; (k = hone_known_model(i, &file)); i++) {
        if (strcmp(k, name) == 0) return file;
    }
    return NULL;
}

/* `name` spells `full`, with or without .gguf. */
static bool spells(const char *name, const char *full)
{
    const size_t n = strlen(name);
    return strncmp(full, name, n) == 0 &&
           (full[n] == '\0' || strcmp(full + n, ".gguf") == 0);
}

hone_status cli_cache_find(const cli_cache *c, const char *name,
                           const cli_cached **found, hone_error *err)
{
    const char *file = known_file(name);
    const cli_cached *last_part = NULL;
    *found = NULL;
    if (file) name = file;
    for (size_t i = 0; i < c->n; i++) {
        const cli_cached *m = &c->item[i];
        const char *slash = strrchr(m->name, '/');
        if (spells(name, m->name)) {
            *found = m;
            return HONE_OK;
        }
        if (!slash || !spells(name, slash + 1)) continue;
        if (last_part) {
            return hone_fail(err, HONE_E_INVALID, "%s: several: %s, %s", name,
                             last_part->name, m->name);
        }
        last_part = m;
    }
    *found = last_part;
    return HONE_OK;
}

/* No such model: what was tried, and what would get it. */
static hone_status not_found(const char *name, hone_error *err)
{
    const char *dir_name = "the cache";
    char *dir = cli_models_dir();
    if (dir) dir_name = dir;
    const bool can_pull = known_file(name) || strncmp(name, "hf:", 3) == 0;
    const hone_status s = hone_fail(
        err, HONE_E_NOT_FOUND,
        "open %s: neither a file nor a folder nor a name in %s; 'hone %s%s' %s", name,
        dir_name, can_pull ? "pull " : "list", can_pull ? name : "",
        can_pull ? "gets it" : "lists those");
    hone_free(dir);
    return s;
}

hone_status cli_model_path(const char *name, char **path, hone_error *err)
{
    const char *unused;
    const bool is_default = name == NULL;
    if (is_default) name = hone_known_model(0, &unused);
    if (!name) return hone_fail(err, HONE_E_NOT_FOUND, "open: expected MODEL");
    *path = NULL;
    if (!is_default && (hone_file_exists(name) || hone_folder_exists(name))) {
        *path = hone_strdup(name);
        return *path ? HONE_OK : hone_fail(err, HONE_E_NOMEM, "out of memory");
    }
    cli_cache c;
    const cli_cached *m;
    cli_cache_scan(&c);
    hone_status s = cli_cache_find(&c, name, &m, err);
    if (s)
        s = hone_error_wrap(err, s, "open");
    else if (!m)
        s = not_found(name, err);
    else if (!(*path = hone_strdup(m->path)))
        s = hone_fail(err, HONE_E_NOMEM, "out of memory");
    cli_cache_release(&c);
    return s;
}
