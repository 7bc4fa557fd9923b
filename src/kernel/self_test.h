/* self_test.h - a quick comparison of kernel tables, for `hone doctor`.
 *
 * tests/kernel/ is the thorough one; this finds a tier that is broken on the machine it
 * runs on. */
#ifndef HONE_KERNEL_SELF_TEST_H
#define HONE_KERNEL_SELF_TEST_H

#include "kernel/kernel.h"

/* Calls fail(ctx, "linear Q4_K") for every entry of k that differs from the reference by
 * more than the bounds of kernel.h; returns how many. */
int hone_kernels_self_test(const hone_kernels *k,
                           void (*fail)(void *ctx, const char *name), void *ctx);

#endif
