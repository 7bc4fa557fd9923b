/* models.h - private to the program: the cache of models on this machine. */
#ifndef HONE_CLI_MODELS_H
#define HONE_CLI_MODELS_H

#include "cli/command.h"

/* ${XDG_CACHE_HOME:-~/.cache}/hone/models, a new string (hone_free), or NULL. */
char *cli_models_dir(void);

typedef struct cli_cached {
    char *name; /* from the cache folder on: "FILE.gguf", "ORG/REPO" */
    char *path;
} cli_cached;

typedef struct cli_cache {
    cli_cached *item; /* by name */
    size_t n;
} cli_cache;

void cli_cache_scan(cli_cache *c);
void cli_cache_release(cli_cache *c);
/* By name, known name, or last part of a name, .gguf or not; *found is NULL if there is
 * none.  E_INVALID: the last part of several. */
HONE_MUST_CHECK hone_status cli_cache_find(const cli_cache *c, const char *name,
                                           const cli_cached **found, hone_error *err);

#endif
