/* api.c - api.h. */
#include "serve/api.h"

const http_route hone_api_routes[1];
const size_t hone_n_api_route = 0;
