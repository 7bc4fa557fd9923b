/* request_log.c - request_log.h. */
#include "serve/request_log.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "serve/wire.h"

enum {
    MAX_PATH = 200 /* bytes of a path that are logged */
};

/* The path, cut, and without what could end a field or a line. */
static void clean_path(const char *path, char out[MAX_PATH + 1])
{
    size_t n = 0;
    for (; path[n] && n < MAX_PATH; n++) {
        const unsigned char c = (unsigned char)path[n];
        out[n] = c > 0x20 && c < 0x7F && c != '"' && c != '\\' ? (char)c : '?';
    }
    out[n] = '\0';
}

static void now_text(char out[32])
{
    struct timespec t;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &t);
    const time_t seconds = t.tv_sec;
    if (!gmtime_r(&seconds, &tm)) {
        out[0] = '\0';
        return;
    }
    const size_t n = strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 32 - n, ".%03dZ", (int)(t.tv_nsec / 1000000));
}

/* All values are clean_path's, tokens, ids or numbers: none needs an escape. */
void hone_log_reply(void (*fn)(void *ctx, const char *line), void *ctx, bool json,
                    const http_exchange *x, int status, size_t bytes, double seconds)
{
    char path[MAX_PATH + 1], verb[MAX_PATH + 1], when[32], line[1024];
    const http_note *note = http_get_note((http_exchange *)(uintptr_t)x);
    clean_path(http_get_path(x), path);
    clean_path(http_get_verb(x), verb);
    verb[24] = '\0'; /* any token is a method */
    now_text(when);
    int n =
        snprintf(line, sizeof line,
                 json ? "{\"time\":\"%s\",\"method\":\"%s\",\"path\":\"%s\","
                        "\"status\":%d,\"bytes\":%zu,\"ms\":%.1f,\"id\":\"%s\""
                      : "time=%s method=%s path=%s status=%d bytes=%zu ms=%.1f id=%s",
                 when, verb, path, status, bytes, seconds * 1e3, http_get_id(x));
    if (note->finish && n > 0 && (size_t)n < sizeof line)
        n +=
            snprintf(line + n, sizeof line - (size_t)n,
                     json ? ",\"prompt_tokens\":%zu,\"cached_tokens\":%zu,"
                            "\"generated_tokens\":%zu,\"finish\":\"%s\""
                          : " prompt_tokens=%zu cached_tokens=%zu generated_tokens=%zu "
                            "finish=%s",
                     note->n_prompt, note->n_cached, note->n_generated, note->finish);
    if (json && n > 0 && (size_t)n + 1 < sizeof line) {
        line[n] = '}';
        line[n + 1] = '\0';
    }
    fn(ctx, line);
}

void hone_log_warning(void (*fn)(void *ctx, const char *line), void *ctx, bool json,
                      const char *text)
{
    char when[32];
    hone_buf b;
    now_text(when);
    hone_buf_init(&b, 4096);
    hone_buf_printf(&b,
                    json ? "{\"time\":\"%s\",\"warning\":" : "time=%s warning=", when);
    hone_put_string(&b, text, strlen(text));
    if (json) hone_buf_append_char(&b, '}');
    if (!b.failed) fn(ctx, b.data);
    hone_buf_release(&b);
}
