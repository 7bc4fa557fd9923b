/* request_log.h - one line for each request that was answered. */
#ifndef HONE_SERVE_REQUEST_LOG_H
#define HONE_SERVE_REQUEST_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "serve/http.h"

/* Write the line of x to fn: method, path, status, bytes, milliseconds, request id, and
 * what http_get_note holds.  Key=value pairs, or a JSON object; neither can be broken
 * out of by what the client sent.  Threads: the loop's. */
void hone_log_reply(void (*fn)(void *ctx, const char *line), void *ctx, bool json,
                    const http_exchange *x, int status, size_t bytes, double seconds);

/* A line with a text, quoted as JSON in both forms. */
void hone_log_warning(void (*fn)(void *ctx, const char *line), void *ctx, bool json,
                      const char *text);

#endif
