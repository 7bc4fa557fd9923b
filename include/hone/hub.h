/* hub.h - get models: from a Hugging Face compatible hub, or by a known name.
 *
 *     hone_pull_options o = {.dir = "/home/me/.cache/hone/models"};
 *     char *path;
 *     if (hone_pull("hf:org/repo:model.gguf", &o, &path, &err)) ...
 *     hone_text_free(path);
 *
 * Built with the `network` option; without it every call is HONE_E_UNSUPPORTED.
 * Threads: any; two pulls of the same file at once are the caller's mistake. */
#ifndef HONE_HUB_H
#define HONE_HUB_H

#include <stdbool.h>
#include <stdint.h>

#include "hone/status.h"

typedef struct hone_pull_options {
    const char *dir;      /* where models are kept; made if absent; must be given */
    const char *endpoint; /* base address of the hub; NULL: https://huggingface.co */
    const char *token; /* sent to the hub alone, not to where it redirects; or NULL */
    /* Bytes of `name` so far, of all (0: not known).  May be NULL. */
    void (*progress)(void *ctx, const char *name, uint64_t done, uint64_t all);
    void *progress_ctx;
    bool (*interrupt)(void *ctx); /* true ends the call with HONE_E_CANCELLED */
} hone_pull_options;

/* name is "hf:ORG/REPO:FILE" for one file, "hf:ORG/REPO" for the files of a model folder,
 * or a known name (hone_known_model).  Broken transfers are resumed, here and in a later
 * call; SHA-256 sums that are known or that the hub gives are checked.  *path is the
 * file or folder; hone_text_free.
 *   E_NOT_FOUND  unknown name, or the hub has no such repository or file
 *   E_IO         network or disk; the message says what was tried
 *   E_FORMAT     the sum does not match; nothing is kept */
HONE_API HONE_MUST_CHECK hone_status hone_pull(const char *name,
                                               const hone_pull_options *options,
                                               char **path, hone_error *err);

/* Known model i, or NULL at the end; *file is its name in the folder. */
HONE_API const char *hone_known_model(int i, const char **file);

#endif
