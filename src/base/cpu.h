/* cpu.h - which instruction sets this machine has. */
#ifndef HONE_BASE_CPU_H
#define HONE_BASE_CPU_H

/* Tiers, not single features: a tier is what one kernel file is compiled for. */
enum {
    HONE_CPU_AVX2 = 1u << 0,       /* AVX2 + FMA + F16C */
    HONE_CPU_AVXVNNI = 1u << 1,    /* vpdpbusd on 256-bit registers */
    HONE_CPU_AVX512 = 1u << 2,     /* F + BW + DQ + VL + VNNI */
    HONE_CPU_AVX512BF16 = 1u << 3, /* vdpbf16ps */
    HONE_CPU_AMX = 1u << 4, /* tiles, INT8, BF16, and the system's leave to use them */
    HONE_CPU_NEON = 1u << 8,
    HONE_CPU_DOTPROD = 1u << 9, /* sdot */
    HONE_CPU_I8MM = 1u << 10,   /* smmla */
    HONE_CPU_BF16 = 1u << 11,   /* bfmmla */
};

/* Flags of this machine; the operating system must save the registers too.  Asks it for
 * the use of AMX tiles, which holds for the threads that this one starts later. */
unsigned hone_cpu_flags(void);

#define HONE_CPU_MAX_FEATURES 16

/* Fill names[] with the features that matter here ("avx2", "dotprod", ...), constant
 * strings, for reports.  Returns their number. */
int hone_cpu_features(const char *names[HONE_CPU_MAX_FEATURES]);

#endif
