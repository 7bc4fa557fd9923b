/* api_text.h - endpoints that need no engine: models, tokens. */
#ifndef HONE_SERVE_API_TEXT_H
#define HONE_SERVE_API_TEXT_H

#include "serve/http.h"

void hone_api_models(void *ctx, http_exchange *x);
void hone_api_model(void *ctx, http_exchange *x); /* /v1/models/ID */
void hone_api_tokenize(void *ctx, http_exchange *x);
void hone_api_detokenize(void *ctx, http_exchange *x);
void hone_api_tokenizer_info(void *ctx, http_exchange *x);
void hone_api_count_tokens(void *ctx, http_exchange *x); /* of a messages body */
void hone_api_input_tokens(void *ctx, http_exchange *x); /* of a responses body */

#endif
