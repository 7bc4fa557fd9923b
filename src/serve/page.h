/* page.h - the web page at "/": the files of src/serve/web, which are part of the program.
 *
 * "/" is index.html, "/web/NAME" everything else.  They need no key, since they hold
 * nothing of the model's; what the page then asks for does. */
#ifndef HONE_SERVE_PAGE_H
#define HONE_SERVE_PAGE_H

#include "serve/http.h"

/* tools/embed.py writes the table when hone is built. */
typedef struct hone_page_file {
    const char *name; /* "app.js" */
    const char *etag; /* of its bytes, with quotes */
    const unsigned char *data;
    size_t len;
} hone_page_file;
extern const hone_page_file hone_page_files[];
extern const size_t hone_n_page_file;

extern const http_route hone_page_routes[];
extern const size_t hone_n_page_route;

#endif
