/* download.h - one file over HTTP, with resume and checksum, on libcurl and libcrypto.
 *
 * A file grows as PATH.part and is renamed when it is whole and its sum is right.
 * Threads: any. */
#ifndef HONE_FORMAT_DOWNLOAD_H
#define HONE_FORMAT_DOWNLOAD_H

#include "base/buf.h"
#include "hone/hub.h"

/* name is for progress and messages; sha256 is 64 hex digits or NULL.  A sum that the hub
 * gives for large files (x-linked-etag) is checked as well. */
HONE_MUST_CHECK hone_status hone_download(const char *url, const char *path,
                                          const char *name, const char *sha256,
                                          const hone_pull_options *o, hone_error *err);

/* A small document into *out. */
HONE_MUST_CHECK hone_status hone_fetch(const char *url, const hone_pull_options *o,
                                       hone_buf *out, hone_error *err);

/* SHA-256 of a file as 64 hex digits and NUL. */
HONE_MUST_CHECK hone_status hone_file_sha256(const char *path, char out[65],
                                             hone_error *err);

#endif
