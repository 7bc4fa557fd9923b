#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *hone_status_text(hone_status code)
{
    switch (code) {
#define X(name, text)                                                                  \
    case HONE_##name:                                                                  \
        return text;
        HONE_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

hone_status(hone_fail)(hone_error *err, hone_status code, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        err->code = code;
        va_start(ap, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
    }
    return code;
}

hone_status(hone_error_wrap)(hone_error *err, hone_status code, const char *fmt, ...)
{
    if (!err) return code;

    char inner[sizeof err->text];
    memcpy(inner, err->text, sizeof inner);

    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    if (n < 0) n = 0;
    if ((size_t)n < sizeof err->text) {
        const size_t room = sizeof err->text - (size_t)n;
        if (snprintf(err->text + n, room, ": %s", inner) < 0) err->text[n] = '\0';
    }
    return code;
}

void hone_assert_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "hone: %s:%d: assertion failed: %s\n", file, line, cond);
    abort();
}
