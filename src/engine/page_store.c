#include "engine/page_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

struct hone_page_store {
    int fd;
    size_t page_bytes, n_slot;
    hone_page_slot *free; /* [n_free] */
    size_t n_free, free_cap;
    size_t n_touched; /* slots that were ever taken */
};

/* O_TMPFILE where the file system has it, else a file that loses its name at once. */
static int open_nameless(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    char *path = hone_path_join(dir, "hone-pages-XXXXXX");
    if (!path) return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) unlink(path);
    hone_free(path);
    return fd;
}

hone_status hone_page_store_new(hone_page_store **out, const char *dir, uint64_t bytes,
                                size_t page_bytes, hone_error *err)
{
    if (bytes / page_bytes == 0) {
        return hone_fail(err, HONE_E_LIMIT,
                         "pages on disk: expected at least %zu bytes, found %llu",
                         page_bytes, (unsigned long long)bytes);
    }
    hone_page_store *s = hone_alloc_zero(1, sizeof *s);
    if (!s) return hone_fail(err, HONE_E_NOMEM, "pages on disk: out of memory");
    s->page_bytes = page_bytes;
    s->n_slot = (size_t)(bytes / page_bytes);
    s->fd = open_nameless(dir);
    if (s->fd < 0) {
        const int e = errno;
        hone_page_store_free(s);
        return hone_fail(err, HONE_E_IO, "pages on disk: %s: %s", dir, strerror(e));
    }
    *out = s;
    return HONE_OK;
}

void hone_page_store_free(hone_page_store *s)
{
    if (!s) return;
    if (s->fd >= 0) close(s->fd);
    hone_free(s->free);
    hone_free(s);
}

bool hone_page_store_is_full(const hone_page_store *s)
{
    return s->n_free == 0 && s->n_touched == s->n_slot;
}

hone_page_slot hone_page_store_put(hone_page_store *s, const void *page)
{
    if (hone_page_store_is_full(s)) return -1;
    /* room to give it back is taken here, so that dropping cannot fail */
    if (hone_grow((void **)&s->free, &s->free_cap, s->n_touched + 1, sizeof *s->free))
        return -1;
    const hone_page_slot slot =
        s->n_free ? s->free[s->n_free - 1] : (hone_page_slot)s->n_touched;
    const unsigned char *p = page;
    for (size_t done = 0; done < s->page_bytes;) {
        const off_t at = (off_t)slot * (off_t)s->page_bytes + (off_t)done;
        const ssize_t n = pwrite(s->fd, p + done, s->page_bytes - done, at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        done += (size_t)n;
    }
    if (s->n_free)
        s->n_free--;
    else
        s->n_touched++;
    return slot;
}

bool hone_page_store_get(const hone_page_store *s, hone_page_slot slot, void *page)
{
    unsigned char *p = page;
    for (size_t done = 0; done < s->page_bytes;) {
        const off_t at = (off_t)slot * (off_t)s->page_bytes + (off_t)done;
        const ssize_t n = pread(s->fd, p + done, s->page_bytes - done, at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        done += (size_t)n;
    }
    return true;
}

void hone_page_store_drop(hone_page_store *s, hone_page_slot slot)
{
    HONE_ASSERT(slot >= 0 && (size_t)slot < s->n_touched);
    s->free[s->n_free++] = slot;
}

size_t hone_page_store_n_used(const hone_page_store *s)
{
    return s->n_touched - s->n_free;
}
