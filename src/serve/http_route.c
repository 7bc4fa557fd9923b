/* http_route.c - what a request meets before its handler: the table of paths, methods,
 * keys, CORS, and the errors of this floor in the dialect of the path. */
#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "serve/http_internal.h"

static const struct {
    int status;
    const char *phrase;
    const char *type; /* of the error, in both dialects; NULL: not an error */
} statuses[] = {
    {200, "OK", NULL},
    {204, "No Content", NULL},
    {304, "Not Modified", NULL},
    {400, "Bad Request", "invalid_request_error"},
    {401, "Unauthorized", "authentication_error"},
    {403, "Forbidden", "permission_error"},
    {404, "Not Found", "not_found_error"},
    {405, "Method Not Allowed", "invalid_request_error"},
    {408, "Request Timeout", "invalid_request_error"},
    {409, "Conflict", "invalid_request_error"},
    {411, "Length Required", "invalid_request_error"},
    {413, "Content Too Large", "invalid_request_error"},
    {415, "Unsupported Media Type", "invalid_request_error"},
    {417, "Expectation Failed", "invalid_request_error"},
    {422, "Unprocessable Content", "invalid_request_error"},
    {429, "Too Many Requests", "rate_limit_error"},
    {431, "Request Header Fields Too Large", "invalid_request_error"},
    {500, "Internal Server Error", "server_error"},
    {501, "Not Implemented", "not_supported_error"},
    {503, "Service Unavailable", "unavailable_error"},
    {505, "HTTP Version Not Supported", "invalid_request_error"},
};

enum {
    N_STATUS = sizeof statuses / sizeof statuses[0]
};

static size_t find_status(int status)
{
    for (size_t i = 0; i < N_STATUS; i++) {
        if (statuses[i].status == status) return i;
    }
    return N_STATUS;
}

const char *hone_http_phrase(int status)
{
    const size_t i = find_status(status);
    return i < N_STATUS ? statuses[i].phrase : "Status";
}

/* -- errors ------------------------------------------------------------------------ */

static bool is_anthropic(const char *path)
{
    static const char prefix[] = "/v1/messages";
    const size_t n = sizeof prefix - 1;
    return path && strncmp(path, prefix, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* What Anthropic's protocol calls our types, where it has another word. */
static const char *anthropic_type(int status, const char *type)
{
    return status == 500   ? "api_error"
           : status == 503 ? "overloaded_error"
           : status == 413 ? "request_too_large"
                           : type;
}

void hone_http_refuse(http_exchange *x, int status, const char *problem)
{
    const size_t i = find_status(status);
    const char *type =
        i < N_STATUS && statuses[i].type ? statuses[i].type : "invalid_request_error";
    json_t *j;
    if (is_anthropic(x->head.path)) {
        j = json_pack("{s:s, s:{s:s, s:s}}", "type", "error", "error", "type",
                      anthropic_type(status, type), "message", problem);
    } else {
        j = json_pack("{s:{s:s, s:s, s:n, s:s?}}", "error", "message", problem, "type",
                      type, "param", "code", status == 401 ? "invalid_api_key" : NULL);
    }
    char text[1024];
    const size_t n = j ? json_dumpb(j, text, sizeof text, JSON_COMPACT) : 0;
    json_decref(j);
    http_reply(x, status, "application/json", text, n <= sizeof text ? n : 0);
}

/* -- keys -------------------------------------------------------------------------- */

/* Takes as long for any two texts of the lengths they have. */
static bool equal_secret(const char *a, const char *b)
{
    const size_t na = strlen(a), nb = strlen(b);
    volatile unsigned char difference = na != nb;
    for (size_t i = 0; i < na; i++) {
        difference |= (unsigned char)(a[i] ^ (nb ? b[i % nb] : 0));
    }
    return difference == 0;
}

static bool has_key(const http_exchange *x)
{
    const http_options *o = &x->server->options;
    const char *bearer = hone_http_head_find(&x->head, "authorization");
    const char *plain = hone_http_head_find(&x->head, "x-api-key");
    if (bearer && strncasecmp(bearer, "bearer ", 7) == 0)
        bearer += 7 + strspn(bearer + 7, " ");
    else
        bearer = NULL;
    bool ok = o->n_key == 0;
    for (size_t i = 0; i < o->n_key; i++) {
        ok |= bearer && equal_secret(bearer, o->key[i]);
        ok |= plain && equal_secret(plain, o->key[i]);
    }
    return ok;
}

/* -- paths and methods ------------------------------------------------------------- */

static bool matches(const http_route *r, const char *path)
{
    const size_t n = strlen(r->path);
    if (n >= 2 && strcmp(r->path + n - 2, "/*") == 0)
        return strncmp(r->path, path, n - 1) == 0 && path[n - 1] != '\0';
    return strcmp(r->path, path) == 0;
}

static const char *const method_names[] = {
    [HTTP_GET] = "GET", [HTTP_POST] = "POST", [HTTP_DELETE] = "DELETE"};

/* "GET, HEAD, OPTIONS": what a path takes; false if it is in no route. */
static bool list_methods(const http_exchange *x, char out[64], bool *open)
{
    bool has[3] = {false, false, false}, any = false;
    const http_server *s = x->server;
    *open = false;
    for (size_t i = 0; i < s->n_route; i++) {
        if (strcmp(x->head.path, "*") != 0 && !matches(&s->route[i], x->head.path))
            continue;
        has[s->route[i].method] = any = true;
        *open |= s->route[i].open;
    }
    out[0] = '\0';
    for (int m = 0; m < 3; m++) {
        if (!has[m]) continue;
        strncat(out, method_names[m], 8);
        strncat(out, m == HTTP_GET ? ", HEAD, " : ", ", 9);
    }
    strncat(out, "OPTIONS", 8);
    return any;
}

void hone_http_add_cors(const http_exchange *x, hone_buf *to)
{
    const char *origin = x->server->options.cors_origin;
    if (!origin) return;
    hone_buf_printf(to,
                    "Access-Control-Allow-Origin: %s\r\n"
                    "Access-Control-Expose-Headers: x-request-id, retry-after\r\n",
                    origin);
    if (strcmp(origin, "*") != 0) hone_buf_append_str(to, "Vary: Origin\r\n");
}

/* OPTIONS needs no key: a browser's preflight has none. */
static void answer_options(http_exchange *x, const char *methods)
{
    http_set_header(x, "Allow", methods);
    if (x->server->options.cors_origin) {
        http_set_header(x, "Access-Control-Allow-Methods", methods);
        http_set_header(x, "Access-Control-Allow-Headers", "Authorization, *");
        http_set_header(x, "Access-Control-Max-Age", "600");
    }
    http_reply(x, 204, NULL, NULL, 0);
}

const http_route *hone_http_admit(http_exchange *x)
{
    const http_server *s = x->server;
    char methods[64];
    bool open;
    const bool known = list_methods(x, methods, &open);
    const char *verb = x->head.verb;
    x->head_only = strcmp(verb, "HEAD") == 0;
    if (x->head_only) verb = "GET";
    if (strcmp(verb, "OPTIONS") == 0 && known) {
        answer_options(x, methods);
        return NULL;
    }
    if (!open && !has_key(x)) {
        http_set_header(x, "WWW-Authenticate", "Bearer");
        hone_http_refuse(x, 401, "this server needs a key; see Authorization: Bearer");
        return NULL;
    }
    if (!known) {
        hone_http_refuse(x, 404, "no such path");
        return NULL;
    }
    if (s->draining && !open) {
        http_set_header(x, "Retry-After", "5");
        hone_http_refuse(x, 503, "the server is shutting down");
        return NULL;
    }
    for (size_t i = 0; i < s->n_route; i++) {
        if (strcmp(method_names[s->route[i].method], verb) != 0 ||
            !matches(&s->route[i], x->head.path))
            continue;
        x->method = s->route[i].method;
        return &s->route[i];
    }
    http_set_header(x, "Allow", methods);
    hone_http_refuse(x, 405, "this path does not take this method; see Allow");
    return NULL;
}
