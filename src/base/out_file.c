#include "base/out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum {
    MAX_TRIES = 8
};

static hone_status io_error(const hone_out_file *f, hone_error *err)
{
    const hone_status code = errno == ENOENT ? HONE_E_NOT_FOUND : HONE_E_IO;
    return hone_fail(err, code, "write %s: %s", f->path, strerror(errno));
}

/* Whether `name` is still the file that fd is: a writer that held the lock may have put
 * it in its place since. */
static bool is_file(int fd, const char *name)
{
    struct stat a, b;
    return !fstat(fd, &a) && !lstat(name, &b) && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Open `name` empty, and locked as long as it is open.  A file that nobody holds is what a
 * process that died has left.  Where the system has no locks writers must not meet. */
static int open_locked(const char *name)
{
    for (int i = 0; i < MAX_TRIES; i++) {
        const int fd = open(name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd < 0) return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
            close(fd);
            break;
        }
        if (is_file(fd, name)) {
            if (!ftruncate(fd, 0)) return fd;
            const int cause = errno;
            close(fd);
            errno = cause;
            return -1;
        }
        close(fd);
    }
    errno = EBUSY;
    return -1;
}

hone_status hone_out_file_open(hone_out_file *f, const char *path, hone_error *err)
{
    hone_buf name;
    hone_buf_init(&name, 1 << 16);
    hone_buf_printf(&name, "%s.new", path);
    *f = (hone_out_file){.path = hone_strdup(path), .fd = -1};
    char *temporary = hone_buf_take(&name);
    hone_status s = HONE_OK;
    if (!f->path || !temporary) {
        s = hone_fail(err, HONE_E_NOMEM, "write %s: out of memory", path);
    } else {
        f->fd = open_locked(temporary);
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
    /* before the lock is let go, so that nobody else's file is renamed */
    if (fsync(f->fd) || rename(f->temporary, f->path)) return io_error(f, err);
    hone_free(f->temporary);
    f->temporary = NULL;
    close(f->fd);
    f->fd = -1;
    return HONE_OK;
}

void hone_out_file_release(hone_out_file *f)
{
    if (f->temporary) unlink(f->temporary);
    if (f->fd >= 0) close(f->fd);
    hone_free(f->temporary);
    hone_free(f->path);
    *f = (hone_out_file){.fd = -1};
}
