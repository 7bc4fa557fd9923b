/* vec.h - the vectors that kernel templates are written in.
 *
 * A template (*_tmpl.h) is one algorithm for all instruction sets.  A file of a tier
 * includes one vec_<isa>.h and then templates; the same source becomes
 * linear_avx2, linear_avx512 and so on.  This header is the contract of every
 * vec_<isa>.h and holds nothing but it.
 *
 *   VEC_INLINE        static inline, always
 *   VEC_TIER(name)    the name with the tier's suffix
 *   vf, vi, vb        16 floats, 16 int32, 64 bytes, in as many registers as it takes
 *   VEC_GEMV_COLS     activation rows that share one unpacking of a panel: 4 or 8
 *   VEC_TILE_PANELS   panels and columns of a matrix tile that fit the registers,
 *   VEC_TILE_COLS       for scales shared by 32 elements,
 *   VEC_TILE_COLS_16    by 16
 *   VEC_FLOAT_PANELS  the same for products of float weights straight from memory
 *   VEC_FLOAT_COLS
 *   VEC_QUERY_COLS    queries, and vectors of their outputs, of an attention tile
 *   VEC_QUERY_VECS
 *
 *   vf_zero set1 load store        load_n and store_n touch the first n lanes, 0..16,
 *   vf_load_n store_n                and load_n zeroes the rest
 *   vf_load_pairs store_pairs      32 floats as 16 even and 16 odd elements
 *   vf_load_f16 load_bf16 store_f16  16 halves; conversion to nearest even
 *   vf_add sub mul div min max abs fma (a * b + c, rounded once)
 *   vf_round                       to nearest even, as float
 *   vf_keep_ge(v, a, b)            v where a >= b, else 0
 *   vf_sum                         all lanes: lane i + lane i+8, then +4, +2, +1
 *   vf_greatest                    the largest lane
 *   vf_from_i, vi_from_f           conversion; to nearest even
 *   vf_cast                        bits as floats
 *   vi_zero set1 load add max and sll srl sra
 *   vi_load_u8 load_i8 load_i16    16 of them, widened
 *   vi_store_i8                    16 bytes, with saturation
 *   vb_load store set1 and or sub
 *   vb_srl, vb_sll                 shift 16-bit units; callers mask
 *   vb_table(t, i)                 t[i & 15] for each byte i below 16
 *   vb_bcast4(p)                   the four bytes at p in every lane
 *
 * Dot products: vi_dot_*(acc, w, x) adds to each int32 lane the four products of its
 * bytes of w with those of x, exactly; x is in -127 .. 127.
 *   vi_dot_small  w in 0 .. 127
 *   vi_dot_full   w = vb_full(s), s any signed bytes; the result then is
 *                 dot(s, x) + VEC_FULL_BIAS * sum(x), whichever is cheapest
 *
 * vec_prefetch(p), vec_prefetch_far(p)  hints that the line at p is read soon, for the
 * first-level and for the second-level cache. */
#ifndef HONE_KERNEL_VEC_H
#define HONE_KERNEL_VEC_H
#endif
