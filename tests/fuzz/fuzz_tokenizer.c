/* fuzz_tokenizer.c - any bytes as a tokenizer.json, a SentencePiece model or a tiktoken
 * file, chosen by the first byte; what opens encodes and decodes. */
#include <stdint.h>
#include <string.h>

#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(hone_tokenizer *tok)
{
    static const char text[] =
        "Hello \xC3\xA9\xE2\x96\x81 it's 12  <s>\n\xF0\x9F\x98\x80";
    hone_tokens ids = {0};
    char *out;
    size_t len;
    if (hone_tokenizer_encode(tok, text, sizeof text, HONE_ENCODE_SPECIAL, &ids,
                              NULL) == HONE_OK &&
        hone_tokenizer_decode(tok, ids.id, ids.len, 0, &out, &len, NULL) == HONE_OK) {
        hone_text_free(out);
    }
    hone_detokenizer *d;
    const char *piece;
    if (hone_detokenizer_new(&d, tok, 0, NULL) == HONE_OK) {
        for (size_t i = 0; i < ids.len; i++) {
            if (hone_detokenizer_push(d, ids.id[i], &piece, &len, NULL)) break;
        }
        (void)!hone_detokenizer_flush(d, &piece, &len, NULL);
        hone_detokenizer_free(d);
    }
    hone_tokens_release(&ids);
    hone_tokenizer_free(tok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_tokenizer *tok;
    hone_status s;
    if (size == 0) return 0;
    if (data[0] == 'S') {
        s = hone_tokenizer_from_sentencepiece(&tok, data + 1, size - 1, "fuzz", NULL);
    } else if (data[0] == 'T') {
        s = hone_tokenizer_from_tiktoken(&tok, (const char *)data + 1, size - 1, "fuzz",
                                         NULL);
    } else {
        s = hone_tokenizer_from_json(&tok, (const char *)data, size, NULL, 0, "fuzz",
                                     NULL);
    }
    if (s == HONE_OK) use(tok);
    return 0;
}
