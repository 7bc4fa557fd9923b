#include "text/regex.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"

enum {
    MAX_PATTERN = 1 << 16,
    MATCH_LIMIT = 10000000,
    DEPTH_LIMIT = 100000
};

struct hone_regex {
    pcre2_code *code;
    pcre2_match_context *context;
};

/* -- compiling and matching ------------------------------------------------------- */

static hone_status compile(hone_regex *r, const hone_buf *b, bool literal,
                           hone_error *err)
{
    int code;
    PCRE2_SIZE offset;
    const uint32_t options =
        literal ? PCRE2_UTF | PCRE2_LITERAL : PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE;
    pcre2_compile_context *c = pcre2_compile_context_create(NULL);
    if (!c) return hone_fail(err, HONE_E_NOMEM, "pattern: out of memory");
    pcre2_set_newline(c, PCRE2_NEWLINE_LF);
    r->code = pcre2_compile((PCRE2_SPTR)b->data, b->len, options, &code, &offset, c);
    pcre2_compile_context_free(c);
    if (!r->code) {
        PCRE2_UCHAR text[200];
        pcre2_get_error_message(code, text, sizeof text);
        return hone_fail(err, HONE_E_UNSUPPORTED, "pattern '%.60s': %s at byte %zu",
                         b->data, (const char *)text, offset);
    }
    (void)pcre2_jit_compile(r->code,
                            PCRE2_JIT_COMPLETE); /* slower without, same result */
    r->context = pcre2_match_context_create(NULL);
    if (!r->context) return hone_fail(err, HONE_E_NOMEM, "pattern: out of memory");
    pcre2_set_match_limit(r->context, MATCH_LIMIT);
    pcre2_set_depth_limit(r->context, DEPTH_LIMIT);
    return HONE_OK;
}

hone_status hone_regex_new(hone_regex **out, const char *pattern, size_t len,
                           bool literal, hone_error *err)
{
    if (len > MAX_PATTERN) {
        return hone_fail(err, HONE_E_LIMIT, "pattern: %zu bytes, at most %d", len,
                         MAX_PATTERN);
    }
    hone_regex *r = hone_alloc_zero(1, sizeof *r);
    if (!r) return hone_fail(err, HONE_E_NOMEM, "pattern: out of memory");
    hone_buf b;
    hone_buf_init(&b, HONE_REGEX_MAX_TRANSLATED);
    bool readable = true;
    if (literal)
        hone_buf_append(&b, pattern, len);
    else
        readable = hone_regex_translate(&b, pattern, len);
    hone_status s = hone_buf_status(&b, "pattern", err);
    if (!s && !readable) {
        s = hone_fail(err, HONE_E_UNSUPPORTED,
                      "pattern '%.60s': a class without end, or nested too deeply",
                      pattern);
    }
    if (!s) s = compile(r, &b, literal, err);
    hone_buf_release(&b);
    if (s)
        hone_regex_free(r);
    else
        *out = r;
    return s;
}

void hone_regex_free(hone_regex *r)
{
    if (!r) return;
    pcre2_code_free(r->code);
    pcre2_match_context_free(r->context);
    hone_free(r);
}

hone_status hone_regex_each(const hone_regex *r, const char *text, size_t len,
                            hone_match_fn *fn, void *ctx, hone_error *err)
{
    if (len == 0) return HONE_OK;
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(r->code, NULL);
    if (!data) return hone_fail(err, HONE_E_NOMEM, "pattern: out of memory");
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(data);
    hone_status s = HONE_OK;
    size_t at = 0, last = SIZE_MAX; /* last: where the match before ended */
    while (at <= len && !s) {
        const int n = pcre2_match(r->code, (PCRE2_SPTR)text, len, at,
                                  PCRE2_NO_UTF_CHECK, data, r->context);
        if (n == PCRE2_ERROR_NOMATCH) break;
        if (n < 0) {
            PCRE2_UCHAR message[200];
            pcre2_get_error_message(n, message, sizeof message);
            s = hone_fail(err, HONE_E_LIMIT, "pattern: at byte %zu: %s", at,
                          (const char *)message);
            break;
        }
        const size_t from = range[0], to = range[1];
        if (from > to || from < at) break; /* \K behind a look-ahead */
        if (to > from || to != last) {
            s = fn(ctx, from, to, err);
            at = last = to;
        } else { /* an empty match behind a match: go on at the next character */
            at++;
            while (at < len && ((unsigned char)text[at] & 0xC0) == 0x80) {
                at++;
            }
        }
    }
    pcre2_match_data_free(data);
    return s;
}
