#include "base/out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

static hone_status io_error(const hone_out_file *f, hone_error *err)
{
    const hone_status code = errno == ENOENT ? HONE_E_NOT_FOUND : HONE_E_IO;
    return hone_fail(err, code, "write %s: %s", f->path, strerror(errno));
}

hone_status hone_out_file_open(hone_out_file *f, const char *path, hone_error *err)
{
    hone_buf name;
    hone_buf_init(&name, 1 << 16);
    hone_buf_printf(&name, "%s.part-%ld", path, (long)getpid());
    *f = (hone_out_file){.path = hone_strdup(path), .fd = -1};
    char *temporary = hone_buf_take(&name);
    hone_status s = HONE_OK;
    if (!f->path || !temporary) {
        s = hone_fail(err, HONE_E_NOMEM, "write %s: out of memory", path);
    } else {
        f->fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (f->fd < 0) s = io_error(f, err);
    }
    if (s) {
        hone_free(temporary);
        hone_out_file_release(f);
        return s;
    }
    f->temporary = temporary; /* ours to remove from here on */
    return HONE_OK;
}

hone_status hone_out_file_write(hone_out_file *f, const void *data, size_t n,
                                hone_error *err)
{
    const char *p = data;
    while (n > 0) {
        const size_t most = (size_t)1 << 30; /* one call takes less than 2 GiB */
        const ssize_t done = write(f->fd, p, n < most ? n : most);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return io_error(f, err);
        p += done;
        n -= (size_t)done;
    }
    return HONE_OK;
}

hone_status hone_out_file_commit(hone_out_file *f, hone_error *err)
{
    const int fd = f->fd;
    f->fd = -1;
    if (fsync(fd)) {
        const hone_status s = io_error(f, err);
        close(fd);
        return s;
    }
    if (close(fd) || rename(f->temporary, f->path)) return io_error(f, err);
    hone_free(f->temporary);
    f->temporary = NULL;
    return HONE_OK;
}

void hone_out_file_release(hone_out_file *f)
{
    if (f->fd >= 0) close(f->fd);
    if (f->temporary) unlink(f->temporary);
    hone_free(f->temporary);
    hone_free(f->path);
    *f = (hone_out_file){.fd = -1};
}
