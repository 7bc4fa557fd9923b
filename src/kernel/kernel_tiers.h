/* kernel_tiers.h - private to src/kernel: who fills which table entries. */
#ifndef HONE_KERNEL_KERNEL_TIERS_H
#define HONE_KERNEL_KERNEL_TIERS_H

#include "kernel/kernel.h"

void hone_kernels_init_ref(hone_kernels *k);           /* every entry */
void hone_kernels_init_ref_linear(hone_kernels *k);    /* linear, quantize */
void hone_kernels_init_ref_attention(hone_kernels *k); /* attention, rope */

/* Of each tier what its files hold, over the entries of lower ones. */
void hone_kernels_init_avx2(hone_kernels *k);
void hone_kernels_init_avxvnni(hone_kernels *k);
void hone_kernels_init_avx512(hone_kernels *k);
void hone_kernels_init_avx512_bf16(hone_kernels *k);
void hone_kernels_init_amx(hone_kernels *k);
void hone_kernels_init_amx_bf16(hone_kernels *k); /* called by the one above */
void hone_kernels_init_neon(hone_kernels *k);
void hone_kernels_init_dotprod(hone_kernels *k);
void hone_kernels_init_i8mm(hone_kernels *k);
void hone_kernels_init_bf16(hone_kernels *k);

/* The quantized linear layers of a tier, for the one above it. */
extern hone_linear_fn *const hone_linear_avx512[HONE_N_DTYPE];
extern hone_linear_fn *const hone_linear_dotprod[HONE_N_DTYPE];

#endif
