#include <string.h>

#include "base/cpu.h"
#include "kernel/kernel_tiers.h"

void hone_kernels_init(hone_kernels *k, unsigned cpu_flags)
{
    hone_kernels_init_ref(k);
#if defined(__x86_64__)
    if (cpu_flags & HONE_CPU_AVX2) hone_kernels_init_avx2(k);
#endif
    (void)cpu_flags;
}

bool hone_kernels_flags(const char *tier, unsigned cpu_flags, unsigned *out)
{
    static const struct {
        const char *name;
        unsigned needs, up_to;
    } tiers[] = {
        {"ref", 0, 0},
        {"avx2", HONE_CPU_AVX2, HONE_CPU_AVX2},
    };
    for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++) {
        if (strcmp(tier, tiers[i].name) == 0) {
            *out = cpu_flags & tiers[i].up_to;
            return (cpu_flags & tiers[i].needs) == tiers[i].needs;
        }
    }
    return false;
}
