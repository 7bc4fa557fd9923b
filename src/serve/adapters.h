/* adapters.h - adapters by their names: those that the server began with, and those that
 * clients load and unload (vLLM's shapes).
 *
 * The list of names belongs to the loop's thread; the engine has the weights, and loads
 * them on its own thread between two steps. */
#ifndef HONE_SERVE_ADAPTERS_H
#define HONE_SERVE_ADAPTERS_H

#include "serve/server.h"

/* Load those of the options; before the engine's thread starts.  Errors:
 * hone_engine_adapter_load. */
HONE_MUST_CHECK hone_status hone_adapters_start(hone_server *s, hone_error *err);
void hone_adapters_release(hone_server *s);

/* NULL where none has that name. */
const server_adapter *hone_adapters_find(const hone_server *s, const char *name);

/* POST {"lora_name": .., "lora_path": ..}; {"lora_name": ..}. */
void hone_api_load_adapter(void *ctx, http_exchange *x);
void hone_api_unload_adapter(void *ctx, http_exchange *x);

#endif
