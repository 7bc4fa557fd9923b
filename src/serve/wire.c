/* wire.c - errors, JSON text, ids. */
#include "serve/wire.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "base/utf8.h"

/* -- errors ------------------------------------------------------------------------ */

bool hone_api_fail(api_error *e, int status, const char *code, const char *param,
                   const char *fmt, ...)
{
    va_list args;
    *e = (api_error){.status = status, .code = code};
    va_start(args, fmt);
    vsnprintf(e->message, sizeof e->message, fmt, args);
    va_end(args);
    snprintf(e->param, sizeof e->param, "%s", param ? param : "");
    return false;
}

bool hone_api_fail_status(api_error *e, hone_status s, const char *param,
                          const hone_error *err)
{
    switch (s) {
    case HONE_E_NOT_FOUND:
        return hone_api_fail(e, 404, "not_found", param, "%s", err->text);
    case HONE_E_CANCELLED:
        return hone_api_fail(e, 503, "unavailable", param, "%s", err->text);
    case HONE_E_IO:
    case HONE_E_NOMEM:
        return hone_api_fail(e, 500, "server_error", param, "%s", err->text);
    case HONE_E_UNSUPPORTED:
        return hone_api_fail(e, 400, "unsupported_value", param, "%s", err->text);
    default:
        return hone_api_fail(e, 400, "invalid_value", param, "%s", err->text);
    }
}

static const char *type_of(int status, bool anthropic)
{
    static const struct {
        int status;
        const char *openai, *anthropic;
    } table[] = {
        {401, "authentication_error", "authentication_error"},
        {403, "permission_error", "permission_error"},
        {404, "not_found_error", "not_found_error"},
        {413, "invalid_request_error", "request_too_large"},
        {429, "rate_limit_error", "rate_limit_error"},
        {500, "server_error", "api_error"},
        {503, "unavailable_error", "overloaded_error"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].status == status)
            return anthropic ? table[i].anthropic : table[i].openai;
    }
    return "invalid_request_error";
}

void hone_put_error(hone_buf *b, const api_error *e)
{
    hone_buf_append_str(b, "{\"error\":{\"message\":");
    hone_put_text(b, e->message);
    hone_buf_printf(b, ",\"type\":\"%s\",\"param\":", type_of(e->status, false));
    hone_put_text(b, *e->param ? e->param : NULL);
    hone_buf_append_str(b, ",\"code\":");
    hone_put_text(b, e->code);
    hone_buf_append_str(b, "}}");
}

void hone_put_error_anthropic(hone_buf *b, const api_error *e)
{
    hone_buf_printf(b, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":",
                    type_of(e->status, true));
    hone_put_text(b, e->message);
    hone_buf_append_str(b, "}}");
}

/* -- text -------------------------------------------------------------------------- */

void hone_put_escape(hone_buf *b, unsigned char c)
{
    static const char *const letters = "\bb\tt\nn\ff\rr\"\"\\\\";
    for (const char *p = letters; *p; p += 2) {
        if ((unsigned char)*p != c) continue;
        const char text[2] = {'\\', p[1]};
        hone_buf_append(b, text, 2);
        return;
    }
    hone_buf_printf(b, "\\u%04x", c);
}

void hone_put_string(hone_buf *b, const char *s, size_t len)
{
    size_t from = 0;
    hone_buf_append_char(b, '"');
    for (size_t i = 0; i < len;) {
        const unsigned char c = (unsigned char)s[i];
        uint32_t cp;
        int n = 1;
        if (c >= 0x80) n = hone_utf8_decode(s + i, len - i, &cp);
        if (n > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) {
            i += (size_t)n;
            continue;
        }
        hone_buf_append(b, s + from, i - from);
        if (n > 0)
            hone_put_escape(b, c);
        else
            hone_buf_append_utf8(b, HONE_UTF8_REPLACEMENT);
        i += n > 0 ? 1 : n < 0 ? (size_t)-n : len - i;
        from = i;
    }
    hone_buf_append(b, s + from, len - from);
    hone_buf_append_char(b, '"');
}

void hone_put_text(hone_buf *b, const char *s)
{
    if (s)
        hone_put_string(b, s, strlen(s));
    else
        hone_buf_append_str(b, "null");
}

void hone_put_logprob(hone_buf *b, double x)
{
    if (!(x > -9999.0)) x = -9999.0;
    if (x > 0) x = 0;
    hone_buf_printf(b, x == (double)(int)x ? "%.1f" : "%.9g", x);
}

void hone_put_bytes(hone_buf *b, const char *s, size_t len)
{
    hone_buf_append_char(b, '[');
    for (size_t i = 0; i < len; i++)
        hone_buf_printf(b, i ? ",%u" : "%u", (unsigned)(unsigned char)s[i]);
    hone_buf_append_char(b, ']');
}

static int append_json(const char *text, size_t n, void *b)
{
    hone_buf_append(b, text, n);
    return 0;
}

void hone_put_json(hone_buf *b, const json_t *v)
{
    if (json_dump_callback(v, append_json, b, JSON_COMPACT | JSON_ENCODE_ANY) &&
        !b->failed)
        b->failed = HONE_E_NOMEM;
}

void hone_put_json_spaced(hone_buf *b, const json_t *v)
{
    if (json_dump_callback(v, append_json, b, JSON_ENCODE_ANY) && !b->failed)
        b->failed = HONE_E_NOMEM;
}

void hone_put_base64(hone_buf *b, const void *data, size_t n)
{
    static const char digit[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i += 3) {
        const size_t left = n - i;
        const uint32_t v = (uint32_t)p[i] << 16 |
                           (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                           (left > 2 ? (uint32_t)p[i + 2] : 0);
        const char quad[4] = {digit[v >> 18], digit[v >> 12 & 63],
                              left > 1 ? digit[v >> 6 & 63] : '=',
                              left > 2 ? digit[v & 63] : '='};
        hone_buf_append(b, quad, 4);
    }
}

api_id hone_api_id(const char *prefix)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    api_id id;
    hone_rng r;
    size_t n = (size_t)snprintf(id.text, 16, "%s", prefix);
    hone_rng_init(&r, hone_random_seed());
    if (n > 15) n = 15;
    for (int i = 0; i < 24; i++)
        id.text[n++] = letters[hone_rng_u32(&r) % 36];
    id.text[n] = 0;
    return id;
}
