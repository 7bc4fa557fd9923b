/* steps_json.h - private to src/text: the steps of a tokenizer.json. */
#ifndef HONE_TEXT_STEPS_JSON_H
#define HONE_TEXT_STEPS_JSON_H

#include <jansson.h>

#include "text/tokenizer_internal.h"

/* Append the steps of a JSON object, Sequences flattened; NULL and null are none.
 * E_UNSUPPORTED names a type that hone does not know, E_FORMAT a broken one. */
HONE_MUST_CHECK hone_status hone_steps_read_normalizer(hone_tokenizer *t,
                                                       const json_t *j,
                                                       hone_error *err);
HONE_MUST_CHECK hone_status hone_steps_read_pre(hone_tokenizer *t, const json_t *j,
                                                hone_error *err);
HONE_MUST_CHECK hone_status hone_steps_read_decoder(hone_tokenizer *t, const json_t *j,
                                                    hone_error *err);

#endif
