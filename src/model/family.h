/* family.h - model families: how a forward pass is built from a model's tensors.
 *
 * A family is one file under family/: it binds tensors to the roles of its layers,
 * checks every shape, and appends ops to a program.  To add one: write the file, add its
 * hone_family to the table in family.c. */
#ifndef HONE_MODEL_FAMILY_H
#define HONE_MODEL_FAMILY_H

#include "model/source.h"
#include "model/spec.h"
#include "program/program.h"

/* What a build reads and writes. */
typedef struct hone_build {
    const hone_source *source;
    const hone_spec *spec;
    hone_program *program;
    hone_error *err;
    hone_status status; /* the first failure sticks: binds after it return empty */
} hone_build;

typedef hone_status hone_build_fn(hone_build *b);

typedef struct hone_family {
    const char *const
        *architectures; /* GGUF architectures and HF model types, to NULL */
    hone_build_fn *build;
} hone_family;

/* NULL for an architecture that no family knows. */
const hone_family *hone_family_find(const char *architecture);

/* Every architecture known, comma separated, for messages: written into out. */
void hone_family_list(char *out, size_t size);

/* A weight [n_row, n_col] of a type that linear kernels read.  `name` may hold %d for
 * the layer.  Missing, misshapen or of an unfit type: status is set, with the names. */
hone_matrix hone_bind_matrix(hone_build *b, const char *name, int layer, int n_row,
                             int n_col);

/* A float vector [n]; data is NULL and no failure where it is absent and `optional`. */
hone_matrix hone_bind_vector(hone_build *b, const char *name, int layer, int n,
                             bool optional);

/* A linear with its bias, "<stem>.weight" and "<stem>.bias" if there is one, that writes
 * the value `value`; the name buffer must live until the append. */
hone_linear hone_bind_linear(hone_build *b, const char *stem, int layer, int n_row,
                             int n_col, const char *value);

#endif
