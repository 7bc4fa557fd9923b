/* file.h - whole files: mapped read-only, or read into memory; folders.
 *
 *     hone_file f;
 *     HONE_TRY(hone_file_map(&f, path, err));
 *     ... f.data[0 .. f.size) ...
 *     hone_file_release(&f);
 *
 * A mapped file that another process truncates raises SIGBUS on a later read, as
 * with every mapping; hone maps models only.  Threads: immutable once mapped. */
#ifndef HONE_BASE_FILE_H
#define HONE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct hone_file {
    const unsigned char *data; /* never NULL after success, also when size is 0 */
    size_t size;
    int64_t changed_ns; /* when the file was changed last, since 1970 */
} hone_file;

/* E_NOT_FOUND no such file, E_IO anything else, directories and devices included. */
HONE_MUST_CHECK hone_status hone_file_map(hone_file *f, const char *path,
                                          hone_error *err);
void hone_file_release(hone_file *f); /* zeroed is fine */

/* Part of a mapped file will not be read again soon: whole pages of it leave this
 * process's memory, and come back from the file when they are read.  Any thread. */
void hone_file_forget(const void *data, size_t bytes);

/* Read at most max bytes into a new block with a terminating NUL (hone_free).
 * "-" is standard input.  E_LIMIT when there is more. */
HONE_MUST_CHECK hone_status hone_file_read(char **out, size_t *len, const char *path,
                                           size_t max, hone_error *err);

bool hone_file_exists(const char *path);   /* a regular file */
bool hone_folder_exists(const char *path); /* a directory */

/* Make a folder and those above it; fine where they exist.  E_IO, E_NOMEM. */
HONE_MUST_CHECK hone_status hone_make_folders(const char *path, hone_error *err);

/* "dir/name" as a new string (hone_free), or NULL when out of memory. */
char *hone_path_join(const char *dir, const char *name);

#endif
