/* out_file.h - a file that appears whole or not at all.
 *
 *     hone_out_file f;
 *     HONE_TRY(hone_out_file_open(&f, path, err));
 *     s = hone_out_file_write(&f, data, n, err);
 *     if (!s) s = hone_out_file_commit(&f, err);
 *     hone_out_file_release(&f);            (without commit: nothing is left behind)
 *
 * What is written goes to "PATH.new" beside it; commit puts it on the disk and in the place
 * of PATH in one step, so that a crash at any time leaves the old file or the new one, and
 * perhaps a PATH.new, which the next writer takes over.  A lock keeps two writers apart.
 * Owned by one thread. */
#ifndef HONE_BASE_OUT_FILE_H
#define HONE_BASE_OUT_FILE_H

#include <stddef.h>

#include "base/status.h"

typedef struct hone_out_file {
    char *path, *temporary; /* temporary is NULL once it is gone */
    int fd;
} hone_out_file;

/* E_NOT_FOUND no such folder, E_IO (another one is writing it, among others), E_NOMEM: f is
 * released. */
HONE_MUST_CHECK hone_status hone_out_file_open(hone_out_file *f, const char *path,
                                               hone_error *err);
HONE_MUST_CHECK hone_status hone_out_file_write(hone_out_file *f, const void *data,
                                                size_t n, hone_error *err);
HONE_MUST_CHECK hone_status hone_out_file_commit(hone_out_file *f, hone_error *err);
void hone_out_file_release(hone_out_file *f); /* released or committed is fine */

#endif
