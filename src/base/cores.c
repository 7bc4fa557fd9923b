/* cores.c - Linux: a thread's clock of CPU time, /proc and affinity masks. */
#include "base/cores.h"

#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    LOOK_NS = 5000 /* between two looks at a clock */
};

int hone_thread_id(void)
{
    return (int)syscall(SYS_gettid);
}

/* CPU time of a thread in nanoseconds, -1 when there is none.  The system's clock of a
 * thread has its number, inverted, above three bits: per thread (4), scheduled time (2). */
static int64_t cpu_ns(int id)
{
    struct timespec t;
    const clockid_t clock = (clockid_t)(~(unsigned)id << 3 | 6u);
    if (clock_gettime(clock, &t)) return -1;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* State letter and core of a thread; proc(5): fields 3 and 39 of its stat, behind a name
 * in parentheses that may hold anything. */
static bool read_stat(int id, char *state, int *core)
{
    enum {
        BEHIND_STATE = 36 /* fields from the state to the core */
    };
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const ssize_t n = read(fd, line, sizeof line - 1);
    close(fd);
    line[n > 0 ? n : 0] = '\0';
    const char *at = strrchr(line, ')');
    if (!at || sscanf(at, ") %c", state) != 1) return false;
    for (int i = 0; at && i <= BEHIND_STATE; i++) {
        at = strchr(at + 1, ' ');
    }
    return at && sscanf(at, " %d", core) == 1;
}

bool hone_thread_lacks_core(int id, int *core)
{
    const int64_t before = cpu_ns(id), start = hone_clock_ns();
    while (hone_clock_ns() - start < LOOK_NS) {
    }
    char state;
    return before >= 0 && cpu_ns(id) == before && read_stat(id, &state, core) &&
           state == 'R';
}

/* Let a thread run on one core only, and then where it might before. */
static bool move(int id, int core, const cpu_set_t *might)
{
    if (core < 0 || core >= CPU_SETSIZE || !CPU_ISSET((size_t)core, might))
        return false;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)core, &one);
    return sched_setaffinity(id, sizeof one, &one) == 0 &&
           sched_setaffinity(id, sizeof *might, might) == 0;
}

bool hone_thread_bring(int id, bool going)
{
    cpu_set_t its, own;
    if (sched_getaffinity(id, sizeof its, &its) ||
        sched_getaffinity(0, sizeof own, &own)) {
        return false;
    }
    return (going || CPU_EQUAL(&its, &own)) && move(id, sched_getcpu(), &own);
}

void hone_thread_go(int core)
{
    cpu_set_t own;
    if (sched_getaffinity(0, sizeof own, &own) == 0) move(0, core, &own);
}
