/* kv_widen_tmpl.h - one page of keys and values as floats; part of attention_tmpl.h.
 *
 * Keys and values have types of their own, so there is one function for each type of
 * either, and the arithmetic of attention is the same for all. */
#include <string.h>

#include "kernel/kv_page.h"

/* One page as floats: kt [d_k][k_stride], v [page_len][v_stride]. */
typedef struct wide_page {
    float *kt, *v;
    int k_stride, v_stride;
    int start;    /* position of slot 0 */
    int from, to; /* slots that some query sees */
} wide_page;

/* Sixteen elements of a type; `size` bytes each. */
typedef vf load_fn(const unsigned char *p);

VEC_INLINE vf kv_f32(const unsigned char *p)
{
    return vf_load((const float *)(const void *)p);
}

VEC_INLINE vf kv_f16(const unsigned char *p)
{
    return vf_load_f16(p);
}

VEC_INLINE vf kv_bf16(const unsigned char *p)
{
    return vf_load_bf16(p);
}

/* Where n bytes, at most `full`, can be read as `full`: at p, or copied to `buffer`. */
VEC_INLINE const unsigned char *kv_some(unsigned char buffer[64],
                                        const unsigned char *p, int n, int full)
{
    if (n >= full) return p;
    memset(buffer, 0, (size_t)full);
    memcpy(buffer, p, (size_t)n);
    return buffer;
}

/* -- floats ----------------------------------------------------------------------- */

VEC_INLINE void float_keys(const wide_page *w, const hone_attention_args *a,
                           const unsigned char *from, load_fn *load, int size)
{
    for (int i = 0; i < a->d_k; i++) {
        const int row = i * w->k_stride;
        for (int j = w->from & ~15; j < w->to; j += 16) {
            vf_store(w->kt + row + j, load(from + (ptrdiff_t)(row + j) * size));
        }
    }
}

VEC_INLINE void float_values(const wide_page *w, const hone_attention_args *a,
                             const unsigned char *from, load_fn *load, int size)
{
    unsigned char buffer[64];
    for (int j = w->from; j < w->to; j++) {
        const unsigned char *row = from + (ptrdiff_t)j * a->d_v * size;
        for (int i = 0; i < a->d_v; i += 16) {
            const int n = (a->d_v - i) * size;
            vf_store(w->v + (ptrdiff_t)j * w->v_stride + i,
                     load(kv_some(buffer, row + (ptrdiff_t)i * size, n, 16 * size)));
        }
    }
}

/* -- blocks ----------------------------------------------------------------------- */

VEC_INLINE vf q8_times(const unsigned char *p, vf scale)
{
    return vf_mul(vf_from_i(vi_load_i8(p)), scale);
}

/* (low nibble - 8) * scale, and the same of the high one, of 16 bytes. */
VEC_INLINE void q4_times(const unsigned char *p, vf scale, vf *low, vf *high)
{
    const vi b = vi_load_u8(p), eight = vi_set1(-8);
    *low = vf_mul(vf_from_i(vi_add(vi_and(b, vi_set1(15)), eight)), scale);
    *high = vf_mul(vf_from_i(vi_add(vi_srl(b, 4), eight)), scale);
}

VEC_INLINE void block_keys(const wide_page *w, const hone_attention_args *a,
                           const unsigned char *scales, hone_dtype t)
{
    const int stride = w->k_stride, half = HONE_KV_BLOCK / 2;
    const unsigned char *codes = scales + hone_kv_scale_bytes(t, a->d_k, a->page_len);
    for (int b = 0; b < hone_kv_scales(t, a->d_k); b++) {
        const int begin = b * HONE_KV_BLOCK, rest = a->d_k - begin;
        const int n = rest < HONE_KV_BLOCK ? rest : HONE_KV_BLOCK;
        for (int j = w->from & ~15; j < w->to; j += 16) {
            const vf scale = vf_load_f16(scales + 2 * ((ptrdiff_t)b * stride + j));
            float *to = w->kt + (ptrdiff_t)begin * stride + j;
            if (t == HONE_Q8_0) {
                const unsigned char *from = codes + (ptrdiff_t)begin * stride + j;
                for (int i = 0; i < n; i++) {
                    vf_store(to + (ptrdiff_t)i * stride,
                             q8_times(from + (ptrdiff_t)i * stride, scale));
                }
                continue;
            }
            const unsigned char *from = codes + (ptrdiff_t)b * half * stride + j;
            for (int i = 0; i < n && i < half; i++) {
                vf low, high;
                q4_times(from + (ptrdiff_t)i * stride, scale, &low, &high);
                vf_store(to + (ptrdiff_t)i * stride, low);
                if (half + i < n) vf_store(to + (ptrdiff_t)(half + i) * stride, high);
            }
        }
    }
}

VEC_INLINE void block_values(const wide_page *w, const hone_attention_args *a,
                             const unsigned char *scales, hone_dtype t)
{
    const int stride = w->k_stride, size = hone_kv_codes(t, a->d_v);
    const int n_block = hone_kv_scales(t, a->d_v);
    const int block = t == HONE_Q8_0 ? HONE_KV_BLOCK : HONE_KV_BLOCK / 2;
    const unsigned char *codes = scales + hone_kv_scale_bytes(t, a->d_v, a->page_len);
    _Alignas(64) float scale[HONE_PAGE_MAX];
    unsigned char buffer[64];
    for (int b = 0; b < n_block; b++) {
        for (int j = w->from & ~15; j < w->to; j += 16) {
            vf_store(scale + j, vf_load_f16(scales + 2 * ((ptrdiff_t)b * stride + j)));
        }
        const bool two =
            w->v_stride - b * HONE_KV_BLOCK > 16; /* vectors of the block */
        const int left = size - b * block;
        const unsigned char *from = codes + b * block;
        float *to = w->v + (ptrdiff_t)b * HONE_KV_BLOCK;
        for (int j = w->from; j < w->to; j++) {
            const unsigned char *p = from + (ptrdiff_t)j * size;
            float *row = to + (ptrdiff_t)j * w->v_stride;
            const vf s = vf_set1(scale[j]);
            if (t == HONE_Q8_0) {
                vf_store(row, q8_times(kv_some(buffer, p, left, 16), s));
                if (two) {
                    p = kv_some(buffer, p + 16, left - 16, 16);
                    vf_store(row + 16, q8_times(p, s));
                }
                continue;
            }
            vf low, high;
            q4_times(kv_some(buffer, p, left, 16), s, &low, &high);
            vf_store(row, low);
            if (two) vf_store(row + 16, high);
        }
    }
}

/* -- by type ---------------------------------------------------------------------- */

static void VEC_TIER(widen_keys)(const wide_page *w, const hone_attention_args *a,
                                 const unsigned char *from)
{
    switch (a->k_type) {
    case HONE_F32:
        float_keys(w, a, from, kv_f32, 4);
        break;
    case HONE_F16:
        float_keys(w, a, from, kv_f16, 2);
        break;
    case HONE_BF16:
        float_keys(w, a, from, kv_bf16, 2);
        break;
    case HONE_Q8_0:
        block_keys(w, a, from, HONE_Q8_0);
        break;
    default:
        block_keys(w, a, from, HONE_Q4_0);
    }
}

static void VEC_TIER(widen_values)(const wide_page *w, const hone_attention_args *a,
                                   const unsigned char *from)
{
    switch (a->v_type) {
    case HONE_F32:
        float_values(w, a, from, kv_f32, 4);
        break;
    case HONE_F16:
        float_values(w, a, from, kv_f16, 2);
        break;
    case HONE_BF16:
        float_values(w, a, from, kv_bf16, 2);
        break;
    case HONE_Q8_0:
        block_values(w, a, from, HONE_Q8_0);
        break;
    default:
        block_values(w, a, from, HONE_Q4_0);
    }
}

/* `next` is the page that will be wanted then: its lines are fetched meanwhile. */
static void VEC_TIER(widen_page)(const wide_page *w, const hone_attention_args *a,
                                 const unsigned char *page, const unsigned char *next)
{
    const size_t k_bytes = hone_kv_key_bytes(a->k_type, a->d_k, a->page_len);
    const size_t v_bytes = hone_kv_value_bytes(a->v_type, a->d_v, a->page_len);
    for (size_t i = 0; i < k_bytes; i += HONE_CACHE_LINE) {
        vec_prefetch(next + a->k_offset + i);
    }
    for (size_t i = 0; i < v_bytes; i += HONE_CACHE_LINE) {
        vec_prefetch(next + a->v_offset + i);
    }
    VEC_TIER(widen_keys)(w, a, page + a->k_offset);
    VEC_TIER(widen_values)(w, a, page + a->v_offset);
}
