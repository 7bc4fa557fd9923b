/* server_off.c - serve.h in a build without network servers. */
#include <stddef.h>

#include "base/status.h"
#include "hone/serve.h"

hone_status hone_server_new(hone_server **out, const hone_model *model,
                            const hone_server_options *o, hone_error *err)
{
    (void)out;
    (void)model;
    (void)o;
    return hone_fail(err, HONE_E_UNSUPPORTED,
                     "serve: this hone was built without libevent and OpenSSL");
}

void hone_server_free(hone_server *s)
{
    (void)s;
}

const char *hone_server_url(const hone_server *s)
{
    (void)s;
    return "";
}

void hone_server_run(hone_server *s)
{
    (void)s;
}

void hone_server_stop(hone_server *s)
{
    (void)s;
}
