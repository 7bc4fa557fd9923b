/* packed.c - where packed weights are kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/status.h"
#include "base/sum.h"
#include "cli/models.h"

static hone_status out_of_memory(hone_error *err)
{
    return hone_fail(err, HONE_E_NOMEM, "packed weights: out of memory");
}

/* Whether files can be made beside `path`. */
static bool can_write_beside(const char *path)
{
    char *dir = hone_strdup(path);
    char *slash = dir ? strrchr(dir, '/') : NULL;
    if (slash) slash[slash == dir ? 1 : 0] = '\0';
    const bool can = dir && access(slash ? dir : ".", W_OK) == 0;
    hone_free(dir);
    return can;
}

/* In the cache, named after where the model lies. */
static hone_status path_in_cache(const char *model, char **out, hone_error *err)
{
    char *real = realpath(model, NULL), *models = cli_models_dir();
    hone_buf b;
    hone_buf_init(&b, 1 << 16);
    if (real && models) {
        const uint64_t sum = hone_sum64(HONE_SUM_START, real, strlen(real));
        hone_buf_printf(&b, "%s/../packed/%016llx.packed", models,
                        (unsigned long long)sum);
    }
    free(real);
    hone_free(models);
    *out = hone_buf_take(&b);
    if (!*out) return out_of_memory(err);
    const hone_status s = hone_make_folders(*out, err);
    if (!s) return HONE_OK;
    hone_free(*out);
    *out = NULL;
    return s;
}

hone_status cli_packed_path(const char *name, char **path, hone_error *err)
{
    char *model;
    *path = NULL;
    HONE_TRY(cli_model_path(name, &model, err));
    size_t n = strlen(model);
    while (n > 1 && model[n - 1] == '/') {
        model[--n] = '\0';
    }
    hone_buf b;
    hone_buf_init(&b, 1 << 16);
    hone_buf_printf(&b, "%s.packed", model);
    *path = hone_buf_take(&b);
    hone_status s = *path ? HONE_OK : out_of_memory(err);
    if (!s && !can_write_beside(model) && !hone_file_exists(*path)) {
        hone_free(*path);
        s = path_in_cache(model, path, err);
    }
    free(model);
    return s;
}

void cli_warn_packed(const hone_engine *e)
{
    const char *why = hone_engine_get_info(e).packed_warning;
    if (!why) return;
    fputs("hone: packed weights are not kept: ", stderr);
    cli_print_plain(stderr, why);
    fputs("\n", stderr);
}
