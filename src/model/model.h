/* model.h - private side of hone/model.h: what the engine needs of an open model. */
#ifndef HONE_MODEL_MODEL_H
#define HONE_MODEL_MODEL_H

#include "hone/model.h"
#include "model/source.h"
#include "model/spec.h"
#include "program/program.h"

/* NULL when the model was opened for its text only. */
const hone_program *hone_model_program(const hone_model *m);
const hone_spec *hone_model_spec(const hone_model *m);
const hone_source *hone_model_source(const hone_model *m);

/* The value of a special token's variable in templates ("bos_token"), for i from 0 while
 * it returns true; *text is borrowed. */
bool hone_model_special_variable(const hone_model *m, int i, const char **name,
                                 const char **text);

#endif
