/* stop.h - stop strings in a stream of text.
 *
 * Text is held back while it could be the beginning of a stop string, so that no part
 * of one is ever shown, wherever token borders fall.  Owned by one thread. */
#ifndef HONE_ENGINE_STOP_H
#define HONE_ENGINE_STOP_H

#include <stdbool.h>

#include "base/buf.h"

typedef struct hone_stop {
    const char *const *strings; /* borrowed; empty ones never match */
    size_t n_string;
    hone_buf held; /* text not given out yet */
    bool found;
    size_t which; /* the string that was found */
} hone_stop;

void hone_stop_init(hone_stop *s, const char *const *strings, size_t n_string);
void hone_stop_release(hone_stop *s);

/* Add text.  *ready is the number of bytes at the front of s->held.data that may be
 * shown; drop them with hone_buf_drop before the next call.  Once a stop string is
 * complete, `found` is set and everything from it on is gone. */
HONE_MUST_CHECK hone_status hone_stop_push(hone_stop *s, const char *text, size_t len,
                                           size_t *ready, hone_error *err);

#endif
