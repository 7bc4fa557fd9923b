/* hub_off.c - hub.h in a build without network. */
#include <stddef.h>

#include "base/status.h"
#include "hone/hub.h"

const char *hone_known_model(int i, const char **file)
{
    (void)i;
    (void)file;
    return NULL;
}

hone_status hone_pull(const char *name, const hone_pull_options *options, char **path,
                      hone_error *err)
{
    (void)options;
    (void)path;
    return hone_fail(
        err, HONE_E_UNSUPPORTED,
        "pull %s: this hone was built without network; give a model by its path", name);
}
