/* api.h - the endpoints of the protocols: their rows of the route table. */
#ifndef HONE_SERVE_API_H
#define HONE_SERVE_API_H

#include <stddef.h>

#include "serve/http.h"

extern const http_route hone_api_routes[]; /* handlers take a hone_server as ctx */
extern const size_t hone_n_api_route;

#endif
