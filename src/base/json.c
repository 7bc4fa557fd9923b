#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

hone_status hone_json_load(json_t **out, const char *text, size_t len, const char *name,
                           hone_error *err)
{
    json_error_t je;
    json_t *root = json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &je);
    if (!root) {
        return hone_fail(err, HONE_E_FORMAT, "parse %s: line %d column %d: %s", name,
                         je.line, je.column, je.text);
    }
    *out = root;
    return HONE_OK;
}

hone_status hone_json_load_file(json_t **out, const char *path, size_t max_bytes,
                                hone_error *err)
{
    char *text;
    size_t len;
    HONE_TRY(hone_file_read(&text, &len, path, max_bytes, err));
    const hone_status s = hone_json_load(out, text, len, path, err);
    hone_free(text);
    return s;
}

json_t *hone_json_find(const json_t *obj, const char *key)
{
    json_t *v = json_object_get(obj, key);
    return json_is_null(v) ? NULL : v;
}

static int hex(char c)
{
    const char *d = c ? strchr("0123456789abcdef", c | 32) : NULL;
    return d ? (int)(d - "0123456789abcdef") : -1;
}

/* One step of a pointer in a URI fragment, unescaped; the rest in *s. */
static char *take_step(const char **s)
{
    char *out = hone_strdup(*s), *w = out;
    const char *p = *s;
    if (!out) return NULL;
    while (*p && *p != '/') {
        char ch = *p++;
        if (ch == '%' && hex(p[0]) >= 0 && hex(p[1]) >= 0) {
            ch = (char)(hex(p[0]) << 4 | hex(p[1]));
            p += 2;
        }
        if (ch == '~' && (*p == '0' || *p == '1')) ch = *p++ == '0' ? '~' : '/';
        *w++ = ch;
    }
    *w = 0;
    *s = p;
    return out;
}

const json_t *hone_json_follow(const json_t *at, const char *pointer)
{
    while (at && *pointer == '/') {
        pointer++;
        char *step = take_step(&pointer);
        if (!step) return NULL;
        if (json_is_array(at)) {
            char *end;
            const unsigned long i = strtoul(step, &end, 10);
            at = *step && !*end ? json_array_get(at, i) : NULL;
        } else {
            at = json_object_get(at, step);
        }
        hone_free(step);
    }
    return at;
}

hone_status hone_json_get_int(const json_t *obj, const char *key, int64_t fallback,
                              int64_t lo, int64_t hi, int64_t *out, hone_error *err)
{
    const json_t *v = hone_json_find(obj, key);
    int64_t n = fallback;
    if (v) {
        if (json_is_integer(v)) {
            n = json_integer_value(v);
        } else if (json_is_real(v) && json_real_value(v) >= -0x1p53 &&
                   json_real_value(v) <= 0x1p53 &&
                   (double)(int64_t)json_real_value(v) == json_real_value(v)) {
            n = (int64_t)json_real_value(v); /* "4096.0" occurs */
        } else {
            return hone_fail(err, HONE_E_FORMAT, "key '%s': not an integer", key);
        }
        if (n < lo || n > hi) {
            return hone_fail(err, HONE_E_FORMAT,
                             "key '%s': expected %lld to %lld, found %lld", key,
                             (long long)lo, (long long)hi, (long long)n);
        }
    }
    *out = n;
    return HONE_OK;
}

hone_status hone_json_get_real(const json_t *obj, const char *key, double fallback,
                               double *out, hone_error *err)
{
    const json_t *v = hone_json_find(obj, key);
    if (v && !json_is_number(v)) {
        return hone_fail(err, HONE_E_FORMAT, "key '%s': not a number", key);
    }
    *out = v ? json_number_value(v) : fallback;
    return HONE_OK;
}

hone_status hone_json_get_bool(const json_t *obj, const char *key, bool fallback,
                               bool *out, hone_error *err)
{
    const json_t *v = hone_json_find(obj, key);
    if (v && !json_is_boolean(v)) {
        return hone_fail(err, HONE_E_FORMAT, "key '%s': not true or false", key);
    }
    *out = v ? json_is_true(v) : fallback;
    return HONE_OK;
}

hone_status hone_json_get_str(const json_t *obj, const char *key, const char *fallback,
                              const char **out, hone_error *err)
{
    const json_t *v = hone_json_find(obj, key);
    if (v && !json_is_string(v)) {
        return hone_fail(err, HONE_E_FORMAT, "key '%s': not a string", key);
    }
    *out = v ? json_string_value(v) : fallback;
    return HONE_OK;
}
