/* adapter_config.h - adapter_config.json of a PEFT folder: ranks and scales by module.
 *
 * What would change the result and is not done here is refused: weight decomposition,
 * biases, other trained modules, initializations that change the base.
 *
 * Threads: immutable once loaded.
 * Format: github.com/huggingface/peft, src/peft/tuners/lora/config.py. */
#ifndef HONE_MODEL_ADAPTER_CONFIG_H
#define HONE_MODEL_ADAPTER_CONFIG_H

#include "base/json.h"

/* E_FORMAT for a key of a wrong type, E_UNSUPPORTED with the key that is refused. */
HONE_MUST_CHECK hone_status hone_adapter_config_check(const json_t *config,
                                                      hone_error *err);

/* Rank and scale (alpha over rank, or over its root) of a module, "model.layers.0.mlp.
 * up_proj", in a checked config.  Patterns are regular expressions that end the name
 * behind a dot, the first that matches counts.  E_UNSUPPORTED for one that cannot be
 * compiled, E_FORMAT for a value that is no rank or alpha. */
HONE_MUST_CHECK hone_status hone_adapter_config_of(const json_t *config,
                                                   const char *module, int *rank,
                                                   float *scale, hone_error *err);

#endif
