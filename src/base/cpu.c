#include "base/cpu.h"

#include <stdbool.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)
/* Not every compiler's builtin knows the name.  The bit is set only where AVX is, whose
 * registers the builtin for avx2 has checked. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
}

/* Uses the registers of AVX2 only. */
static bool has_avxvnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

/* Linux grants the tile registers on request (Documentation/x86/xstate.rst). */
static bool has_amx(void)
{
    enum {
        REQUEST_PERMISSION = 0x1023, /* ARCH_REQ_XCOMP_PERM */
        TILE_DATA = 18
    };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    const unsigned need = 1u << 22 | 1u << 24 | 1u << 25; /* BF16, tiles, INT8 */
    return (d & need) == need &&
           syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#endif

unsigned hone_cpu_flags(void)
{
    unsigned flags = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c()) {
        flags |= HONE_CPU_AVX2;
        if (has_avxvnni()) flags |= HONE_CPU_AVXVNNI;
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni")) {
        flags |= HONE_CPU_AVX512;
        if (__builtin_cpu_supports("avx512bf16")) flags |= HONE_CPU_AVX512BF16;
        if (has_amx()) flags |= HONE_CPU_AMX;
    }
#elif defined(__aarch64__)
    if (getauxval(AT_HWCAP) & HWCAP_ASIMD) flags |= HONE_CPU_NEON;
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) flags |= HONE_CPU_DOTPROD;
    if (getauxval(AT_HWCAP2) & HWCAP2_I8MM) flags |= HONE_CPU_I8MM;
    if (getauxval(AT_HWCAP2) & HWCAP2_BF16) flags |= HONE_CPU_BF16;
#endif
    return flags;
}

/* X(test, name) */
#if defined(__x86_64__)
#define HAS(test) (test)
#define FEATURES(X)                                                                    \
    X(__builtin_cpu_supports("sse4.2"), "sse4_2")                                      \
    X(__builtin_cpu_supports("avx"), "avx")                                            \
    X(__builtin_cpu_supports("fma"), "fma")                                            \
    X(__builtin_cpu_supports("avx2"), "avx2")                                          \
    X(__builtin_cpu_supports("avx2") && has_avxvnni(), "avx_vnni")                     \
    X(__builtin_cpu_supports("avx512f"), "avx512f")                                    \
    X(__builtin_cpu_supports("avx512bw"), "avx512bw")                                  \
    X(__builtin_cpu_supports("avx512vl"), "avx512vl")                                  \
    X(__builtin_cpu_supports("avx512vnni"), "avx512_vnni")                             \
    X(__builtin_cpu_supports("avx512bf16"), "avx512_bf16")                             \
    X(hone_cpu_flags() & HONE_CPU_AMX, "amx_int8")                                     \
    X(hone_cpu_flags() & HONE_CPU_AMX, "amx_bf16")
#elif defined(__aarch64__)
#define HAS(test) (test)
#define FEATURES(X)                                                                    \
    X(getauxval(AT_HWCAP) & HWCAP_ASIMD, "neon")                                       \
    X(getauxval(AT_HWCAP) & HWCAP_ASIMDHP, "fp16")                                     \
    X(getauxval(AT_HWCAP) & HWCAP_ASIMDDP, "dotprod")                                  \
    X(getauxval(AT_HWCAP) & HWCAP_SVE, "sve")                                          \
    X(getauxval(AT_HWCAP2) & HWCAP2_I8MM, "i8mm")                                      \
    X(getauxval(AT_HWCAP2) & HWCAP2_BF16, "bf16")
#else
#define FEATURES(X)
#endif

int hone_cpu_features(const char *names[HONE_CPU_MAX_FEATURES])
{
    int n = 0;
#define X(test, name)                                                                  \
    if (HAS(test)) names[n++] = name;
    FEATURES(X)
#undef X
    (void)names;
    return n;
}
