/* api.h - the endpoints that speak the dialects of clients (docs/serving.md).
 *
 * Handlers get the hone_server as their context. */
#ifndef HONE_SERVE_API_H
#define HONE_SERVE_API_H

#include "serve/server.h"

extern const http_route hone_api_routes[];
extern const size_t hone_n_api_route;

#endif
