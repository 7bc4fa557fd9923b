/* fuzz_adapter.c - any text as an adapter_config.json and, behind its first NUL, any bytes
 * as the weights beside it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "model/adapter_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same tiny model for all inputs. */
static const hone_model *model(void)
{
    static hone_model *m;
    char path[4096];
    const char *dir = getenv("HONE_TEST_DATA");
    snprintf(path, sizeof path, "%s/models/llama_odd", dir ? dir : "tests/data");
    if (!m) HONE_ASSERT(hone_model_open(&m, path, 0, NULL) == HONE_OK);
    return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    if (!nul) return 0;
    hone_kernels k;
    hone_lora *l;
    hone_adapter_files f = {0};
    const size_t len = (size_t)(nul - data), rest = size - len - 1;
    hone_kernels_init(&k, 0);
    if (hone_adapter_files_add_memory(&f, model(), (const char *)data, len, nul + 1,
                                      rest, NULL) == HONE_OK &&
        hone_lora_new(&l, hone_model_program(model()), &k, f.pair, f.n, NULL) ==
            HONE_OK) {
        hone_lora_free(l);
    }
    hone_adapter_files_release(&f);
    return 0;
}
