/* page_trial.h - whether this machine reads large blocks faster in huge pages.
 *
 * Most do, since small ones miss the TLB: 1.15 to 1.3 times.  Some do not (0.8 was seen on
 * others), and hardware does not say.  Two blocks of 16 MB, one in huge pages, are read in
 * turn by all threads as weights are; huge ones are refused where they are more than 3 %
 * slower.  Takes some 20 ms, most of it for the system to clear the blocks.
 *
 * Threads: the pool's caller. */
#ifndef HONE_PROGRAM_PAGE_TRIAL_H
#define HONE_PROGRAM_PAGE_TRIAL_H

#include <stdbool.h>

#include "base/pool.h"
#include "kernel/kernel.h"

/* True too where there is no memory for the trial. */
bool hone_huge_pages_pay(const hone_kernels *k, hone_pool *pool);

#endif
