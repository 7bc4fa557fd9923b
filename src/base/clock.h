/* clock.h - monotonic time in nanoseconds.  Threads: any. */
#ifndef HONE_BASE_CLOCK_H
#define HONE_BASE_CLOCK_H

#include <stdint.h>

int64_t hone_clock_ns(void);

#endif
