/* api.c - the table of endpoints. */
#include "serve/api.h"

#include "serve/adapters.h"
#include "serve/answer.h"
#include "serve/api_text.h"
#include "serve/trace.h"

static void chat(void *ctx, http_exchange *x)
{
    hone_answer(ctx, x, &hone_dialect_chat);
}

static void completion(void *ctx, http_exchange *x)
{
    hone_answer(ctx, x, &hone_dialect_completion);
}

static void embeddings(void *ctx, http_exchange *x)
{
    hone_answer(ctx, x, &hone_dialect_embeddings);
}

static void responses(void *ctx, http_exchange *x)
{
    hone_answer(ctx, x, &hone_dialect_responses);
}

static void messages(void *ctx, http_exchange *x)
{
    hone_answer(ctx, x, &hone_dialect_messages);
}

const http_route hone_api_routes[] = {
    {HTTP_GET, "/v1/models", hone_api_models, false},
    {HTTP_GET, "/v1/models/*", hone_api_model, false},
    {HTTP_POST, "/v1/chat/completions", chat, false},
    {HTTP_POST, "/v1/completions", completion, false},
    {HTTP_POST, "/v1/embeddings", embeddings, false},
    {HTTP_POST, "/v1/responses", responses, false},
    {HTTP_POST, "/v1/responses/input_tokens", hone_api_input_tokens, false},
    {HTTP_POST, "/v1/messages", messages, false},
    {HTTP_POST, "/v1/messages/count_tokens", hone_api_count_tokens, false},
    {HTTP_POST, "/v1/load_lora_adapter", hone_api_load_adapter, false},
    {HTTP_POST, "/v1/unload_lora_adapter", hone_api_unload_adapter, false},
    {HTTP_POST, "/tokenize", hone_api_tokenize, false},
    {HTTP_POST, "/detokenize", hone_api_detokenize, false},
    {HTTP_GET, "/trace/*", hone_api_trace, false},
    {HTTP_GET, "/tokenizer_info", hone_api_tokenizer_info, false},
};
const size_t hone_n_api_route = sizeof hone_api_routes / sizeof *hone_api_routes;
