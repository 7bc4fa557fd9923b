#include "engine/stop.h"

#include <string.h>

#define MAX_HELD ((size_t)1 << 24)

void hone_stop_init(hone_stop *s, const char *const *strings, size_t n_string)
{
    *s = (hone_stop){.strings = strings, .n_string = n_string};
    hone_buf_init(&s->held, MAX_HELD);
}

void hone_stop_release(hone_stop *s)
{
    hone_buf_release(&s->held);
}

/* Offset of the first complete stop string, or len. */
static size_t find_first(hone_stop *s)
{
    size_t first = s->held.len;
    for (size_t i = 0; i < s->n_string; i++) {
        const size_t n = strlen(s->strings[i]);
        if (n == 0) continue;
        const char *at = memmem(s->held.data, s->held.len, s->strings[i], n);
        if (at && (size_t)(at - s->held.data) < first) {
            first = (size_t)(at - s->held.data);
            s->which = i;
        }
    }
    return first;
}

/* Length of the longest end of the held text that begins some stop string. */
static size_t open_end(const hone_stop *s)
{
    size_t longest = 0;
    for (size_t i = 0; i < s->n_string; i++) {
        const size_t n = strlen(s->strings[i]);
        size_t k = n ? n - 1 : 0;
        if (k > s->held.len) k = s->held.len;
        for (; k > longest; k--) {
            if (memcmp(s->held.data + s->held.len - k, s->strings[i], k) == 0)
                longest = k;
        }
    }
    return longest;
}

hone_status hone_stop_push(hone_stop *s, const char *text, size_t len, size_t *ready,
                           hone_error *err)
{
    *ready = 0;
    if (s->found) return HONE_OK;
    hone_buf_append(&s->held, text, len);
    HONE_TRY(hone_buf_status(&s->held, "stop strings", err));
    const size_t first = find_first(s);
    if (first < s->held.len) {
        s->found = true;
        s->held.len = first;
        s->held.data[first] = '\0';
        *ready = first;
        return HONE_OK;
    }
    *ready = s->held.len - open_end(s);
    return HONE_OK;
}
