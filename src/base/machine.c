#include "base/machine.h"

#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static bool read_line(const char *path, char *line, size_t size)
{
    FILE *f = fopen(path, "re");
    if (!f) return false;
    const bool ok = fgets(line, (int)size, f) != NULL;
    fclose(f);
    return ok;
}

/* A number from a one-line file; false for "max", a missing file or anything else. */
static bool read_number(const char *path, uint64_t *out)
{
    char line[64];
    return read_line(path, line, sizeof line) && sscanf(line, "%" SCNu64, out) == 1;
}

/* A field of /proc/meminfo in bytes, 0 when absent. */
static uint64_t meminfo(const char *field)
{
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f) return 0;
    char line[128];
    uint64_t kib = 0;
    const size_t len = strlen(field);
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, field, len) == 0 && line[len] == ':') {
            if (sscanf(line + len + 1, "%" SCNu64, &kib) != 1) kib = 0;
            break;
        }
    }
    fclose(f);
    return kib * 1024;
}

/* Path of this process's cgroup below the mount, "" when unknown.  controller is NULL
 * for v2 or the name of a v1 controller. */
static void own_cgroup(const char *controller, char *out, size_t size)
{
    out[0] = '\0';
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f) return;
    char line[1024];
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *list = strchr(line, ':');
        char *path = list ? strchr(list + 1, ':') : NULL;
        if (!path) continue;
        *path++ = '\0';
        list++;
        const bool match =
            controller ? strstr(list, controller) != NULL : *list == '\0';
        if (match) {
            snprintf(out, size, "%s", strcmp(path, "/") == 0 ? "" : path);
            break;
        }
    }
    fclose(f);
}

/* Calls look() for the cgroup of this process and each of its parents. */
static void each_cgroup(const char *mount, const char *controller,
                        void (*look)(const char *dir, void *ctx), void *ctx)
{
    char path[1024];
    own_cgroup(controller, path, sizeof path);
    for (;;) {
        char dir[1200];
        snprintf(dir, sizeof dir, "%s%s", mount, path);
        look(dir, ctx);
        char *slash = strrchr(path, '/');
        if (!slash) return;
        *slash = '\0';
    }
}

typedef struct memory_limit {
    const char *limit_file, *usage_file, *cache_field;
    uint64_t total, available;
} memory_limit;

/* Bytes of page cache that a cgroup would drop under pressure. */
static uint64_t reclaimable(const char *dir, const char *field)
{
    char path[1300], line[128];
    snprintf(path, sizeof path, "%s/memory.stat", dir);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    uint64_t bytes = 0;
    const size_t len = strlen(field);
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, field, len) == 0 && line[len] == ' ') {
            if (sscanf(line + len, "%" SCNu64, &bytes) != 1) bytes = 0;
            break;
        }
    }
    fclose(f);
    return bytes;
}

static void look_memory(const char *dir, void *ctx)
{
    memory_limit *m = ctx;
    char path[1300];
    uint64_t limit, usage = 0;
    snprintf(path, sizeof path, "%s/%s", dir, m->limit_file);
    if (!read_number(path, &limit)) return;
    snprintf(path, sizeof path, "%s/%s", dir, m->usage_file);
    if (!read_number(path, &usage)) usage = 0;
    const uint64_t cache = reclaimable(dir, m->cache_field);
    usage -= cache < usage ? cache : usage;
    const uint64_t left = limit > usage ? limit - usage : 0;
    if (limit < m->total) m->total = limit;
    if (left < m->available) m->available = left;
}

static memory_limit memory_of_machine(void)
{
    memory_limit m = {"memory.max", "memory.current", "inactive_file", 0, 0};
    m.total = meminfo("MemTotal");
    m.available = meminfo("MemAvailable");
    if (m.total == 0) {
        m.total = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGE_SIZE);
        m.available = m.total;
    }
    each_cgroup("/sys/fs/cgroup", NULL, look_memory, &m);
    m.limit_file = "memory.limit_in_bytes";
    m.usage_file = "memory.usage_in_bytes";
    m.cache_field = "total_inactive_file";
    each_cgroup("/sys/fs/cgroup/memory", "memory", look_memory, &m);
    return m;
}

uint64_t hone_machine_available_bytes(void)
{
    return memory_of_machine().available;
}

uint64_t hone_machine_total_bytes(void)
{
    return memory_of_machine().total;
}

/* Size of a cache as sysfs writes it: "480K", "32M". */
static uint64_t cache_size(const char *text)
{
    uint64_t n;
    char unit = '\0';
    if (sscanf(text, "%" SCNu64 "%c", &n, &unit) < 1 || n > UINT64_MAX >> 20) return 0;
    return unit == 'K' ? n << 10 : unit == 'M' ? n << 20 : n;
}

uint64_t hone_machine_cache_bytes(void)
{
    uint64_t most = 0;
    for (int i = 0; i < 8; i++) {
        char path[96], line[32];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size",
                 i);
        if (!read_line(path, line, sizeof line)) break;
        const uint64_t n = cache_size(line);
        if (n > most) most = n;
    }
#ifdef _SC_LEVEL3_CACHE_SIZE
    const long l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
    if (l3 > 0 && (uint64_t)l3 > most) most = (uint64_t)l3;
#endif
    return most;
}

uint64_t hone_machine_peak_bytes(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u)) return 0;
    return (uint64_t)u.ru_maxrss * 1024;
}

/* The quota in whole threads, rounded up, lowers *ctx. */
static void look_quota_v2(const char *dir, void *ctx)
{
    int *n = ctx;
    char path[1300], line[64];
    uint64_t quota, period;
    snprintf(path, sizeof path, "%s/cpu.max", dir);
    if (!read_line(path, line, sizeof line)) return;
    if (sscanf(line, "%" SCNu64 " %" SCNu64, &quota, &period) != 2 || period == 0)
        return;
    const uint64_t threads = (quota + period - 1) / period;
    if (threads < (uint64_t)*n) *n = threads ? (int)threads : 1;
}

static void look_quota_v1(const char *dir, void *ctx)
{
    int *n = ctx;
    char path[1300];
    uint64_t quota, period;
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
    char line[64];
    if (!read_line(path, line, sizeof line) || line[0] == '-') return;
    if (sscanf(line, "%" SCNu64, &quota) != 1) return;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
    if (!read_number(path, &period) || period == 0) return;
    const uint64_t threads = (quota + period - 1) / period;
    if (threads < (uint64_t)*n) *n = threads ? (int)threads : 1;
}

/* Whether this logical CPU is the first of its core among those we may use. */
static bool first_of_core(int cpu, const cpu_set_t *set)
{
    char path[128], line[256];
    snprintf(path, sizeof path,
             "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    if (!read_line(path, line, sizeof line)) return true;
    for (const char *s = line; *s;) {
        int lo, hi, used = 0;
        if (sscanf(s, "%d-%d%n", &lo, &hi, &used) != 2) {
            if (sscanf(s, "%d%n", &lo, &used) != 1) return true;
            hi = lo;
        }
        for (int c = lo; c <= hi && c < cpu; c++) {
            if (c >= 0 && c < CPU_SETSIZE && CPU_ISSET((size_t)c, set)) return false;
        }
        s += used;
        if (*s == ',')
            s++;
        else
            break;
    }
    return true;
}

int hone_machine_threads(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    int n = 0;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            if (CPU_ISSET((size_t)cpu, &set) && first_of_core(cpu, &set)) n++;
        }
    }
    if (n == 0) n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (n < 1) n = 1;
    each_cgroup("/sys/fs/cgroup", NULL, look_quota_v2, &n);
    each_cgroup("/sys/fs/cgroup/cpu", "cpu", look_quota_v1, &n);
    return n;
}

uint64_t hone_machine_huge_bytes(const void *p)
{
    static const char *const fields[] = {"FilePmdMapped", "ShmemPmdMapped",
                                         "AnonHugePages"};
    char line[512];
    uint64_t from, to, kib, sum = 0;
    bool inside = false;
    FILE *f = fopen("/proc/self/smaps", "re");
    while (f && fgets(line, sizeof line, f)) {
        /* "7f00..-7f01.. r--s ..." begins a mapping, "Field:  N kB" is of the last one */
        if (sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to) == 2) {
            if (inside) break;
            inside = from == (uint64_t)(uintptr_t)p;
        }
        for (int i = 0; inside && i < 3; i++) {
            const size_t n = strlen(fields[i]);
            if (strncmp(line, fields[i], n) == 0 &&
                sscanf(line + n, ": %" SCNu64, &kib) == 1)
                sum += kib * 1024;
        }
    }
    if (f) fclose(f);
    return sum;
}
