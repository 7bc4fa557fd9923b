#include "program/pack_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/machine.h"
#include "base/out_file.h"
#include "base/sum.h"

#define MAGIC "HONEPAK1"

typedef struct trailer {
    char magic[8];
    uint64_t key, bytes, sum, own_sum;
} trailer;

static trailer make_trailer(uint64_t key, size_t bytes, uint64_t sum)
{
    trailer t = {.key = key, .bytes = bytes, .sum = sum};
    memcpy(t.magic, MAGIC, sizeof t.magic);
    t.own_sum = hone_sum64(HONE_SUM_START, &t, offsetof(trailer, own_sum));
    return t;
}

/* Check the file behind fd against what is wanted. */
static hone_status check(int fd, const char *path, uint64_t key, size_t bytes,
                         trailer *t, hone_error *err)
{
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        return hone_fail(err, HONE_E_IO, "%s: not a regular file", path);
    if ((uintmax_t)st.st_size < sizeof *t ||
        pread(fd, t, sizeof *t, st.st_size - (off_t)sizeof *t) != (ssize_t)sizeof *t)
        return hone_fail(err, HONE_E_FORMAT, "%s: not packed weights", path);
    const trailer want = make_trailer(key, bytes, t->sum);
    if (memcmp(t->magic, want.magic, sizeof t->magic) != 0)
        return hone_fail(err, HONE_E_FORMAT, "%s: not packed weights", path);
    if (memcmp(t, &want, sizeof want) != 0 ||
        (uintmax_t)st.st_size != (uintmax_t)bytes + sizeof *t)
        return hone_fail(err, HONE_E_FORMAT, "%s: of another model, or damaged", path);
    return HONE_OK;
}

hone_status hone_pack_file_map(hone_pack_file *f, const char *path, uint64_t key,
                               size_t bytes, hone_error *err)
{
    trailer t;
    *f = (hone_pack_file){0};
    /* O_NONBLOCK: a FIFO must not hang us before we see what it is */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        const hone_status code = errno == ENOENT ? HONE_E_NOT_FOUND : HONE_E_IO;
        return hone_fail(err, code, "%s: %s", path, strerror(errno));
    }
    hone_status s = check(fd, path, key, bytes, &t, err);
    if (!s) {
        void *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
            s = hone_fail(err, HONE_E_IO, "map %s: %s", path, strerror(errno));
        else
            *f = (hone_pack_file){p, bytes, t.sum};
    }
    close(fd);
    return s;
}

bool hone_pack_file_in_huge_pages(const hone_pack_file *f)
{
    enum {
        PLACES = 8,
        HUGE = 1 << 21 /* at least, on all systems */
    };
    for (size_t i = 0; i < PLACES; i++) {
        const volatile unsigned char *at = f->block + f->bytes / PLACES * i;
        (void)*at;
    }
    return hone_machine_huge_bytes(f->block) >= (uint64_t)PLACES / 2 * HUGE;
}

void hone_pack_file_release(hone_pack_file *f)
{
    if (f->block) munmap(f->block, f->bytes);
    *f = (hone_pack_file){0};
}

hone_status hone_pack_file_write(const char *path, uint64_t key, const void *block,
                                 size_t bytes, uint64_t sum, hone_error *err)
{
    hone_out_file f;
    const trailer t = make_trailer(key, bytes, sum);
    HONE_TRY(hone_out_file_open(&f, path, err));
    hone_status s = hone_out_file_write(&f, block, bytes, err);
    if (!s) s = hone_out_file_write(&f, &t, sizeof t, err);
    if (!s) s = hone_out_file_commit(&f, err);
    hone_out_file_release(&f);
    return s;
}

uint64_t hone_pack_file_sum(const void *part, size_t bytes, uint64_t number)
{
    enum {
        LANES = 8 /* chains of multiplications side by side */
    };
    const unsigned char *p = part;
    uint64_t lane[LANES];
    for (int i = 0; i < LANES; i++) {
        lane[i] = HONE_SUM_START + (uint64_t)i;
    }
    for (; bytes >= sizeof lane; bytes -= sizeof lane) {
        uint64_t word[LANES];
        memcpy(word, p, sizeof word);
        for (int i = 0; i < LANES; i++) {
            lane[i] = (lane[i] ^ word[i]) * 0x100000001b3u;
            lane[i] ^= lane[i] >> 29;
        }
        p += sizeof word;
    }
    uint64_t sum = hone_sum64(HONE_SUM_START, &number, sizeof number);
    sum = hone_sum64(sum, lane, sizeof lane);
    return hone_sum64(sum, p, bytes);
}
