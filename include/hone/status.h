/* status.h - how every hone function reports failure.
 *
 *     hone_error err;
 *     if (hone_model_open(&model, path, 0, &err)) {
 *         fprintf(stderr, "hone: %s\n", err.text);
 *     }
 *
 * A function that can fail returns hone_status and takes a trailing
 * `hone_error *err`, which may be NULL.  On failure:
 *   - the return value says which kind, for code to branch on;
 *   - err->text is one line a user can act on: operation, object, fact, with
 *     expected and found values;
 *   - outputs are untouched, and anything half built has been released.
 * A broken caller is not an error: it stops in an assertion.
 *
 * Threads: a hone_error belongs to its caller; the library keeps no error state.
 */
#ifndef HONE_STATUS_H
#define HONE_STATUS_H

#if defined(__GNUC__)
#define HONE_API               __attribute__((visibility("default")))
#define HONE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define HONE_MUST_CHECK        __attribute__((warn_unused_result))
#else
#define HONE_API
#define HONE_PRINTF(fmt, args)
#define HONE_MUST_CHECK
#endif

/* Kinds of failure, by what the caller can do about them. */
#define HONE_STATUS_LIST(X)                                                            \
    X(OK, "ok")                                                                        \
    X(E_IO, "the system refused to read or write")                                     \
    X(E_FORMAT, "the input is broken or lies about itself")                            \
    X(E_UNSUPPORTED, "valid, but not something this build can do")                     \
    X(E_LIMIT, "past a limit on size, depth or count")                                 \
    X(E_NOMEM, "out of memory")                                                        \
    X(E_INVALID, "an argument is out of range")                                        \
    X(E_NOT_FOUND, "no such thing")                                                    \
    X(E_CANCELLED, "stopped on request")                                               \
    X(E_TEMPLATE, "the chat template refused its input")

typedef enum hone_status {
#define X(name, text) HONE_##name,
    HONE_STATUS_LIST(X)
#undef X
} hone_status;

#define HONE_ERROR_TEXT_SIZE 512

typedef struct hone_error {
    hone_status code;
    char text[HONE_ERROR_TEXT_SIZE]; /* always terminated, no newline */
} hone_error;

/* Constant text of a code; never NULL. */
HONE_API const char *hone_status_text(hone_status code);

#endif
