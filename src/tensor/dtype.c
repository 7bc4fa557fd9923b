#include "tensor/dtype.h"

#include <strings.h>

#include "base/size.h"

static const hone_dtype_info table[HONE_N_DTYPE] = {
#define X(name, id, block, bytes) [HONE_##name] = {#name, id, block, bytes},
    HONE_DTYPE_LIST(X)
#undef X
};

const hone_dtype_info *hone_dtype_get(hone_dtype t)
{
    return &table[t];
}

bool hone_dtype_from_gguf(uint32_t id, hone_dtype *out)
{
    for (int t = 0; t < HONE_N_DTYPE; t++) {
        if (table[t].gguf_id == id) {
            *out = (hone_dtype)t;
            return true;
        }
    }
    return false;
}

bool hone_dtype_from_name(const char *name, hone_dtype *out)
{
    for (int t = 0; t < HONE_N_DTYPE; t++) {
        if (strcasecmp(table[t].name, name) == 0) {
            *out = (hone_dtype)t;
            return true;
        }
    }
    return false;
}

bool hone_dtype_is_quantized(hone_dtype t)
{
    return table[t].block > 1;
}

bool hone_dtype_row_bytes(hone_dtype t, size_t n, size_t *bytes)
{
    return n % table[t].block == 0 &&
           hone_mul_size(n / table[t].block, table[t].bytes, bytes);
}
