/* dispatch.c - which tiers there are, and the table for a CPU. */
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "kernel/kernel_tiers.h"

/* From the lowest to the highest.  A tier is used if the CPU has all it `needs`. */
static const struct tier {
    const char *name;
    unsigned needs;
    void (*init)(hone_kernels *k);
} tiers[] = {
    {"ref", 0, hone_kernels_init_ref},
#if defined(__x86_64__)
    {"avx2", HONE_CPU_AVX2, hone_kernels_init_avx2},
    {"avxvnni", HONE_CPU_AVX2 | HONE_CPU_AVXVNNI, hone_kernels_init_avxvnni},
    {"avx512", HONE_CPU_AVX2 | HONE_CPU_AVX512, hone_kernels_init_avx512},
    {"avx512bf16", HONE_CPU_AVX2 | HONE_CPU_AVX512 | HONE_CPU_AVX512BF16,
     hone_kernels_init_avx512_bf16},
    {"amx", HONE_CPU_AVX2 | HONE_CPU_AVX512 | HONE_CPU_AVX512BF16 | HONE_CPU_AMX,
     hone_kernels_init_amx},
#elif defined(__aarch64__)
    {"neon", HONE_CPU_NEON, hone_kernels_init_neon},
    {"dotprod", HONE_CPU_NEON | HONE_CPU_DOTPROD, hone_kernels_init_dotprod},
    {"i8mm", HONE_CPU_NEON | HONE_CPU_DOTPROD | HONE_CPU_I8MM, hone_kernels_init_i8mm},
    {"bf16", HONE_CPU_NEON | HONE_CPU_DOTPROD | HONE_CPU_I8MM | HONE_CPU_BF16,
     hone_kernels_init_bf16},
#endif
};
enum {
    N_TIER = sizeof tiers / sizeof tiers[0]
};

const char *hone_kernels_tier(int i)
{
    return i >= 0 && i < N_TIER ? tiers[i].name : NULL;
}

void hone_kernels_init(hone_kernels *k, unsigned cpu_flags)
{
    for (int i = 0; i < N_TIER; i++) {
        if ((tiers[i].needs & cpu_flags) == tiers[i].needs) tiers[i].init(k);
    }
}

bool hone_kernels_flags(const char *tier, unsigned cpu_flags, unsigned *out)
{
    for (int i = 0; i < N_TIER; i++) {
        if (strcmp(tier, tiers[i].name) != 0) continue;
        if ((cpu_flags & tiers[i].needs) != tiers[i].needs) return false;
        *out = tiers[i].needs;
        return true;
    }
    return false;
}

hone_status hone_kernels_choose(hone_kernels *k, const char *tier, hone_error *err)
{
    unsigned flags = hone_cpu_flags();
    if (!tier || hone_kernels_flags(tier, flags, &flags)) {
        hone_kernels_init(k, flags);
        return HONE_OK;
    }
    char have[128] = "";
    size_t len = 0;
    for (int i = 0; i < N_TIER; i++) {
        if ((tiers[i].needs & flags) != tiers[i].needs) continue;
        const int n = snprintf(have + len, sizeof have - len, "%s%s", len ? ", " : "",
                               tiers[i].name);
        if (n > 0 && (size_t)n < sizeof have - len) len += (size_t)n;
    }
    return hone_fail(err, HONE_E_INVALID, "kernels: expected %s, found '%s'", have,
                     tier);
}
