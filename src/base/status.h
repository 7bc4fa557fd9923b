/* status.h - filling and passing on a hone_error, and assertions.
 *
 * Text form: "operation: object: fact, expected X, found Y", lower case, no
 * period, a hint after a semicolon only where the user can act on it. */
#ifndef HONE_BASE_STATUS_H
#define HONE_BASE_STATUS_H

#include "hone/status.h"

/* Fill *err (may be NULL) and return `code`. */
hone_status hone_fail(hone_error *err, hone_status code, const char *fmt, ...)
    HONE_PRINTF(3, 4);

/* Put "what: " in front of the text on the way up, so that the reader sees the
 * path from the outermost operation to the cause.  Returns `code`, err or not. */
hone_status hone_error_wrap(hone_error *err, hone_status code, const char *fmt, ...)
    HONE_PRINTF(3, 4);
#ifdef __clang_analyzer__ /* which must see that neither ever returns HONE_OK */
#define hone_fail(err, code, ...) (hone_fail(err, code, __VA_ARGS__), (code))
#define hone_error_wrap(err, code, ...)                                                \
    (hone_error_wrap(err, code, __VA_ARGS__), (code))
#endif

/* Leave at once on failure.  Only where the function owns nothing yet; with
 * something to release, use `if (s) goto out;`. */
#define HONE_TRY(call)                                                                 \
    do {                                                                               \
        hone_status try_status_ = (call);                                              \
        if (try_status_ != HONE_OK) return try_status_;                                \
    } while (0)

/* Stops the process with file and line: for broken callers, on in every build. */
#define HONE_ASSERT(cond)                                                              \
    ((cond) ? (void)0 : hone_assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void hone_assert_failed(const char *cond, const char *file, int line);

#endif
