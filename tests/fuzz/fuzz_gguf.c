/* fuzz_gguf.c - any bytes as a GGUF file: keys, values and tensors are walked. */
#include <stdint.h>

#include "format/gguf.h"
#include "model/spec.h"
#include "model/vocab_gguf.h"
#include "tensor/dequant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_gguf *g;
    char text[200];
    if (hone_gguf_open_memory(&g, data, size, "fuzz", NULL)) return 0;
    for (size_t i = 0; i < hone_gguf_n_kv(g); i++) {
        hone_gguf_format_value(g, i, text, sizeof text);
    }
    for (size_t i = 0; i < hone_gguf_n_tensors(g); i++) {
        const hone_tensor *t = hone_gguf_tensor(g, i);
        float values[1024];
        const uint64_t n = hone_tensor_len(t), block = hone_dtype_get(t->dtype)->block;
        if (n)
            hone_dequantize(values, t->data, t->dtype,
                            n < 1024 ? (size_t)n : 1024 / block * block);
    }
    hone_spec spec;
    if (hone_spec_from_gguf(&spec, g, NULL) == HONE_OK) hone_spec_release(&spec);
    hone_tokenizer *tok;
    if (hone_vocab_from_gguf(&tok, g, NULL) == HONE_OK) hone_tokenizer_free(tok);
    hone_gguf_close(g);
    return 0;
}
