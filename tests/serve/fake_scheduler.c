/* fake_scheduler.c - a scheduler that sleeps until it is stopped, for builds without the
 * engine's. */
#include <pthread.h>

#include "base/mem.h"
#include "base/status.h"
#include "hone/scheduler.h"

struct hone_scheduler {
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool stopped;
};

hone_status hone_scheduler_new(hone_scheduler **out, hone_engine *engine,
                               const hone_scheduler_options *options, hone_error *err)
{
    (void)engine;
    (void)options;
    hone_scheduler *s = hone_alloc_zero(1, sizeof *s);
    if (!s) return hone_fail(err, HONE_E_NOMEM, "fake");
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->stop, NULL);
    *out = s;
    return HONE_OK;
}

void hone_scheduler_free(hone_scheduler *s)
{
    hone_free(s);
}

void hone_scheduler_run(hone_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->stopped) {
        pthread_cond_wait(&s->stop, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
}

void hone_scheduler_stop(hone_scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopped = true;
    pthread_cond_signal(&s->stop);
    pthread_mutex_unlock(&s->lock);
}

hone_scheduler_stats hone_scheduler_get_stats(const hone_scheduler *s)
{
    (void)s;
    return (hone_scheduler_stats){.kv_bytes = 100, .kv_bytes_used = 50};
}
