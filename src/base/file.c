#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

static const unsigned char no_bytes[1];

static hone_status fail_errno(hone_error *err, const char *what, const char *path)
{
    const hone_status code = errno == ENOENT ? HONE_E_NOT_FOUND : HONE_E_IO;
    return hone_fail(err, code, "%s %s: %s", what, path, strerror(errno));
}

static hone_status map_descriptor(hone_file *f, int fd, const char *path,
                                  hone_error *err)
{
    struct stat st;
    if (fstat(fd, &st)) return fail_errno(err, "open", path);
    if (!S_ISREG(st.st_mode)) {
        return hone_fail(err, HONE_E_IO, "open %s: not a regular file", path);
    }
    if ((uintmax_t)st.st_size > SIZE_MAX) {
        return hone_fail(err, HONE_E_LIMIT, "open %s: too large for this machine",
                         path);
    }
    const int64_t changed = st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    if (st.st_size == 0) {
        *f = (hone_file){no_bytes, 0, changed};
        return HONE_OK;
    }
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) return fail_errno(err, "map", path);
    *f = (hone_file){p, (size_t)st.st_size, changed};
    return HONE_OK;
}

hone_status hone_file_map(hone_file *f, const char *path, hone_error *err)
{
    /* O_NONBLOCK: a FIFO must not hang us before we see what it is */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fail_errno(err, "open", path);
    const hone_status s = map_descriptor(f, fd, path, err);
    close(fd);
    return s;
}

void hone_file_release(hone_file *f)
{
    if (f->size) munmap((void *)(uintptr_t)f->data, f->size);
    *f = (hone_file){0};
}

void hone_file_forget(const void *data, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t from = ((uintptr_t)data + page - 1) / page * page;
    const uintptr_t to = ((uintptr_t)data + bytes) / page * page;
    if (from < to) madvise((void *)from, to - from, MADV_DONTNEED);
}

static hone_status read_all(hone_buf *b, int fd, const char *path, hone_error *err)
{
    char chunk[16384];
    for (;;) {
        const ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0) return HONE_OK;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(err, "read", path);
        hone_buf_append(b, chunk, (size_t)n);
        if (b->failed) {
            (void)hone_buf_status(b, path, err);
            return hone_error_wrap(err, b->failed, "read");
        }
    }
}

hone_status hone_file_read(char **out, size_t *len, const char *path, size_t max,
                           hone_error *err)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    const int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, "open", path);

    hone_buf b;
    hone_buf_init(&b, max);
    hone_status s = read_all(&b, fd, path, err);
    if (!is_stdin) close(fd);
    if (!s) {
        const size_t n = b.len;
        char *data = hone_buf_take(&b);
        if (data) {
            *out = data;
            if (len) *len = n;
        } else {
            s = hone_fail(err, HONE_E_NOMEM, "read %s: out of memory", path);
        }
    }
    hone_buf_release(&b);
    return s;
}

static bool has_mode(const char *path, mode_t kind)
{
    struct stat st;
    return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

bool hone_file_exists(const char *path)
{
    return has_mode(path, S_IFREG);
}

bool hone_folder_exists(const char *path)
{
    return has_mode(path, S_IFDIR);
}

hone_status hone_make_folders(const char *path, hone_error *err)
{
    char *copy = hone_strdup(path);
    if (!copy) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    hone_status s = HONE_OK;
    for (char *p = copy + 1; !s; p++) {
        if (*p != '/' && *p != '\0') continue;
        const char was = *p;
        *p = '\0';
        if (mkdir(copy, 0777) && errno != EEXIST) {
            s = hone_fail(err, HONE_E_IO, "make folder %s: %s", copy, strerror(errno));
        }
        *p = was;
        if (was == '\0') break;
    }
    hone_free(copy);
    return s;
}

char *hone_path_join(const char *dir, const char *name)
{
    hone_buf b;
    hone_buf_init(&b, SIZE_MAX / 2);
    hone_buf_append_str(&b, dir);
    if (b.len && b.data[b.len - 1] != '/') hone_buf_append_char(&b, '/');
    hone_buf_append_str(&b, name);
    char *path = hone_buf_take(&b);
    hone_buf_release(&b);
    return path;
}
