#include "format/npy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

enum {
    MAX_HEADER = 512,
    HEADER_ALIGN = 64 /* of magic, length field and header together */
};

/* The header dictionary, padded with spaces so that data begins aligned. */
static void build_header(hone_buf *b, const size_t *shape, int n_dims)
{
    hone_buf_append_str(b, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < n_dims; i++) {
        hone_buf_printf(b, "%zu,", shape[i]);
        if (i + 1 < n_dims) hone_buf_append_char(b, ' ');
    }
    hone_buf_append_str(b, "), }");
    while ((10 + b->len + 1) % HEADER_ALIGN) {
        hone_buf_append_char(b, ' ');
    }
    hone_buf_append_char(b, '\n');
}

hone_status hone_npy_save(const char *path, const float *data, const size_t *shape,
                          int n_dims, hone_error *err)
{
    hone_buf b;
    hone_buf_init(&b, MAX_HEADER);
    build_header(&b, shape, n_dims);
    hone_status s = hone_buf_status(&b, "npy header", err);
    size_t n = 1;
    for (int i = 0; i < n_dims; i++) {
        n *= shape[i];
    }
    FILE *f = s ? NULL : fopen(path, "wbe");
    if (!s && !f) s = hone_fail(err, HONE_E_IO, "write %s: %s", path, strerror(errno));
    if (!s) {
        const unsigned char start[10] = {0x93,
                                         'N',
                                         'U',
                                         'M',
                                         'P',
                                         'Y',
                                         1,
                                         0,
                                         (unsigned char)b.len,
                                         (unsigned char)(b.len >> 8)};
        const bool ok = fwrite(start, 1, sizeof start, f) == sizeof start &&
                        fwrite(b.data, 1, b.len, f) == b.len &&
                        fwrite(data, sizeof *data, n, f) == n;
        const int write_error = errno;
        if (fclose(f) || !ok) {
            s = hone_fail(err, HONE_E_IO, "write %s: %s", path,
                          strerror(ok ? errno : write_error));
            unlink(path);
        }
    }
    hone_buf_release(&b);
    return s;
}
