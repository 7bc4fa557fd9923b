#include "text/regex.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/buf.h"
#include "base/mem.h"

enum {
    MAX_PATTERN = 1 << 16,
    MATCH_LIMIT = 10000000,
    DEPTH_LIMIT = 100000,
    MAX_CLASS_DEPTH = 8
};

struct hone_regex {
    pcre2_code *code;
    pcre2_match_context *context;
};

/* -- translation ------------------------------------------------------------------ */

/* White space as Oniguruma and Rust see it: Unicode White_Space. */
#define SPACES                                                                         \
    "\\t-\\r\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}"       \
    "\\x{202F}\\x{205F}\\x{3000}"
#define WORDS "\\p{L}\\p{M}\\p{Nd}\\p{Pc}"

typedef struct translator {
    const char *p, *end;
    hone_buf *out;
} translator;

/* A backslash and what follows, inside a class or not. */
static void escape(translator *t, bool in_class)
{
    const char c = t->p + 1 < t->end ? t->p[1] : '\0';
    const char *open = in_class ? "" : "[", *close = in_class ? "" : "]";
    if (c == 's' || c == 'w') {
        hone_buf_append_str(t->out, open);
        hone_buf_append_str(t->out, c == 's' ? SPACES : WORDS);
        hone_buf_append_str(t->out, close);
        t->p += 2;
    } else if ((c == 'S' || c == 'W') && !in_class) {
        hone_buf_append_str(t->out, "[^");
        hone_buf_append_str(t->out, c == 'S' ? SPACES : WORDS);
        hone_buf_append_str(t->out, "]");
        t->p += 2;
    } else {
        const size_t n = t->p + 1 < t->end ? 2 : 1;
        hone_buf_append(t->out, t->p, n);
        t->p += n;
    }
}

/* The inside of a class up to its ']' or "&&", without either. */
static void class_body(translator *t)
{
    bool first = true;
    while (t->p < t->end) {
        if (*t->p == ']' && !first) return;
        if (t->end - t->p >= 2 && t->p[0] == '&' && t->p[1] == '&') return;
        first = false;
        if (*t->p == '\\') {
            escape(t, true);
        } else if (t->p[0] == '[' && t->end - t->p >= 2 && t->p[1] == ':') {
            const char *close = memmem(t->p, (size_t)(t->end - t->p), ":]", 2);
            const size_t n = close ? (size_t)(close - t->p) + 2 : 1;
            hone_buf_append(t->out, t->p, n);
            t->p += n;
        } else {
            if (*t->p == '[') hone_buf_append_char(t->out, '\\');
            hone_buf_append_char(t->out, *t->p++);
        }
    }
}

/* One class.  [A&&[^B]] becomes (?:(?=[^B])[A]). */
static void class(translator *t, int depth)
{
    hone_buf body, *out = t->out;
    hone_buf_init(&body, MAX_PATTERN * 16);
    t->p++; /* [ */
    const bool negated = t->p < t->end && *t->p == '^';
    if (negated) t->p++;
    t->out = &body;
    class_body(t);
    t->out = out;
    const bool both = t->end - t->p >= 2 && t->p[0] == '&';
    if (both) hone_buf_append_str(out, "(?:(?=");
    if (both) {
        t->p += 2;
        if (t->p < t->end && *t->p == '[' && depth < MAX_CLASS_DEPTH) {
            class(t, depth + 1);
        } else {
            hone_buf_append_char(out, '[');
            class_body(t);
            hone_buf_append_char(out, ']');
        }
        hone_buf_append_char(out, ')');
    }
    hone_buf_append_str(out, negated ? "[^" : "[");
    hone_buf_append(out, body.data, body.len);
    if (t->p < t->end && *t->p == ']') {
        hone_buf_append_char(out, ']');
        t->p++;
    }
    if (both) hone_buf_append_char(out, ')');
    if (body.failed) out->failed = body.failed;
    hone_buf_release(&body);
}

static void translate(hone_buf *out, const char *pattern, size_t len)
{
    translator t = {pattern, pattern + len, out};
    while (t.p < t.end) {
        if (*t.p == '\\')
            escape(&t, false);
        else if (*t.p == '[')
            class(&t, 0);
        else
            hone_buf_append_char(out, *t.p++);
    }
}

/* -- compiling and matching ------------------------------------------------------- */

static hone_status compile(hone_regex *r, const hone_buf *b, bool literal,
                           hone_error *err)
{
    int code;
    PCRE2_SIZE offset;
    const uint32_t options =
        literal ? PCRE2_UTF | PCRE2_LITERAL : PCRE2_UTF | PCRE2_UCP;
    r->code = pcre2_compile((PCRE2_SPTR)b->data, b->len, options, &code, &offset, NULL);
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
    hone_buf_init(&b, MAX_PATTERN * 64);
    if (literal)
        hone_buf_append(&b, pattern, len);
    else
        translate(&b, pattern, len);
    hone_status s = hone_buf_status(&b, "pattern", err);
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
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(r->code, NULL);
    if (!data) return hone_fail(err, HONE_E_NOMEM, "pattern: out of memory");
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(data);
    hone_status s = HONE_OK;
    size_t at = 0;
    while (at < len && !s) {
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
        if (to > from) {
            s = fn(ctx, from, to, err);
            at = to;
        } else { /* an empty match: try from the next character on */
            at = (from > at ? from : at) + 1;
            while (at < len && ((unsigned char)text[at] & 0xC0) == 0x80) {
                at++;
            }
        }
    }
    pcre2_match_data_free(data);
    return s;
}
