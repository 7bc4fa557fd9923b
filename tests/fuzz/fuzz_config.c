/* fuzz_config.c - any bytes as a config.json. */
#include <stdint.h>

#include "base/json.h"
#include "model/rope.h"
#include "model/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *config;
    hone_spec spec;
    if (hone_json_load(&config, (const char *)data, size, "fuzz", NULL)) return 0;
    if (hone_spec_from_hf(&spec, config, NULL) == HONE_OK) {
        float freq[512], scale;
        if (spec.rope.n_rot <= 1024)
            hone_rope_frequencies(&spec.rope, freq, freq, &scale);
        hone_spec_release(&spec);
    }
    json_decref(config);
    return 0;
}
