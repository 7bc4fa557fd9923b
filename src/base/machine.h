/* machine.h - what this process may use of the machine: threads and memory.
 *
 * Containers and shared machines grant less than the hardware has; cgroup limits (v2,
 * and v1's memory and cpu controllers) and the affinity mask are read here and nowhere
 * else.  Threads: any. */
#ifndef HONE_BASE_MACHINE_H
#define HONE_BASE_MACHINE_H

#include <stdint.h>

/* Threads that decode runs best with: the least of physical cores in the affinity mask
 * and the cgroup's CPU quota, rounded up; at least 1. */
int hone_machine_threads(void);

/* Bytes of memory this process could still take: the least of the system's available
 * memory and what the cgroups above this process leave; page cache counts as free. */
uint64_t hone_machine_available_bytes(void);

/* Bytes of memory in all, by the same limits. */
uint64_t hone_machine_total_bytes(void);

/* Bytes of the largest cache that a core of this machine can fill, 0 where the system
 * does not say. */
uint64_t hone_machine_cache_bytes(void);

/* Bytes in huge pages of the mapping that begins at p; 0 where there is none or the system
 * does not say. */
uint64_t hone_machine_huge_bytes(const void *p);

/* Largest resident set of this process so far, in bytes. */
uint64_t hone_machine_peak_bytes(void);

#endif
