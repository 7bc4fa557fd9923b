/* npy.h - write NumPy .npy files (version 1.0, little-endian f32, C order).
 * Format: numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#ifndef HONE_FORMAT_NPY_H
#define HONE_FORMAT_NPY_H

#include <stddef.h>

#include "base/status.h"

/* Write data[shape[0] * .. * shape[n_dims-1]] to path, replacing it.  E_IO names the
 * path; a file left half written is removed. */
HONE_MUST_CHECK hone_status hone_npy_save(const char *path, const float *data,
                                          const size_t *shape, int n_dims,
                                          hone_error *err);

#endif
