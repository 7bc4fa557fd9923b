/* page.c - page.h: a file, its type, and what a browser may do with it.
 *
 * The page shows text that a model wrote, so it gets nothing that it does not use: scripts
 * and styles come from this server alone, no markup is ever made from text, and no other
 * page may frame it. */
#include "serve/page.h"

#include <string.h>

static const struct {
    const char *end, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
};

static const struct {
    const char *name, *value;
} headers[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
     "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors "
     "'none'; require-trusted-types-for 'script'; trusted-types 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cache-Control", "no-cache"}, /* ask each time: a new hone has a new page */
};

static const char *type_of(const char *name)
{
    const char *end = strrchr(name, '.');
    for (size_t i = 0; end && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].end, end) == 0) return types[i].type;
    }
    return "application/octet-stream";
}

static const hone_page_file *find(const char *name)
{
    for (size_t i = 0; i < hone_n_page_file; i++) {
        if (strcmp(hone_page_files[i].name, name) == 0) return &hone_page_files[i];
    }
    return NULL;
}

/* Whether a list of If-None-Match has the tag, weak or strong, or '*'. */
static bool lists_tag(const char *list, const char *tag)
{
    return list && (strstr(list, tag) || list[strspn(list, " \t")] == '*');
}

static void send_file(http_exchange *x, const char *name)
{
    const hone_page_file *file = find(name);
    if (!file) {
        static const char text[] = "no such file\n";
        http_reply(x, 404, "text/plain; charset=utf-8", text, sizeof text - 1);
        return;
    }
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        http_set_header(x, headers[i].name, headers[i].value);
    http_set_header(x, "ETag", file->etag);
    if (lists_tag(http_get_header(x, "If-None-Match"), file->etag))
        http_reply(x, 304, NULL, NULL, 0);
    else
        http_reply(x, 200, type_of(name), file->data, file->len);
}

static void get_index(void *ctx, http_exchange *x)
{
    (void)ctx;
    send_file(x, "index.html");
}

static void get_file(void *ctx, http_exchange *x)
{
    (void)ctx;
    send_file(x, http_get_path(x) + strlen("/web/"));
}

const http_route hone_page_routes[] = {
    {HTTP_GET, "/", get_index, true},
    {HTTP_GET, "/web/*", get_file, true},
};
const size_t hone_n_page_route = sizeof hone_page_routes / sizeof *hone_page_routes;
