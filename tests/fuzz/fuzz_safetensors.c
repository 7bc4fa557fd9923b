/* fuzz_safetensors.c - any bytes as a safetensors file. */
#include <stdint.h>

#include "format/safetensors.h"
#include "tensor/dequant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_safetensors *s;
    if (hone_safetensors_open_memory(&s, data, size, "fuzz", NULL)) return 0;
    for (size_t i = 0; i < hone_safetensors_n_tensors(s); i++) {
        const hone_tensor *t = hone_safetensors_tensor(s, i);
        float values[64];
        const uint64_t n = hone_tensor_len(t);
        hone_dequantize(values, t->data, t->dtype, n < 64 ? (size_t)n : 64);
    }
    hone_safetensors_close(s);
    return 0;
}
