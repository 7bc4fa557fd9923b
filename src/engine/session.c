/* session.c - named sequences in a folder: what a request leaves, the next one with the
 * name goes on from, also after a restart. */
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/scheduler_internal.h"

enum {
    MAX_NAME = 128
};

bool hone_session_name_ok(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";
    const size_t n = strlen(name);
    return n > 0 && n <= MAX_NAME && name[0] != '.' && strspn(name, allowed) == n;
}

static char *path_of(const hone_scheduler *s, const hone_task *t)
{
    hone_buf name;
    hone_buf_init(&name, MAX_NAME + 16);
    hone_buf_printf(&name, "%s.session", t->job->r.session);
    char *path = name.failed ? NULL : hone_path_join(s->o.session_dir, name.data);
    hone_buf_release(&name);
    return path;
}

hone_status hone_session_save(const hone_scheduler *s, const hone_task *t,
                              hone_error *err)
{
    char *path = path_of(s, t);
    if (!path) return hone_fail(err, HONE_E_NOMEM, "session: out of memory");
    const hone_status status = hone_sequence_save(t->sequence, path, err);
    hone_free(path);
    return status ? hone_error_wrap(err, status, "session '%s'", t->job->r.session)
                  : HONE_OK;
}

void hone_session_attach(hone_scheduler *s, hone_task *t)
{
    hone_sequence *q;
    char *path = NULL;
    if (!t->job->r.session || t->restored || t->job->r.no_cache) return;
    t->restored = true;
    if (hone_sequence_new(&q, s->engine, NULL)) return;
    hone_sequence_set_adapter(q, t->job->adapter);
    path = path_of(s, t);
    /* freeing it leaves its pages to the prefix cache */
    if (path) (void)!hone_sequence_load(q, path, NULL);
    hone_sequence_free(q);
    hone_free(path);
}
