/* attention_tmpl.h - attention over pages for one tier; comes behind vec_<isa>.h.
 *
 * A page is absorbed in three steps: scores of its positions for every query head,
 * their exponentials against the running maximum, and the weighted sum of its values.
 * Keys and values are read once for all heads that share them. */
#include <math.h>

#include "kernel/exp_tmpl.h"
#include "kernel/kernel_tiers.h"

/* Sixteen elements at p, or the first n of them with zeros behind. */
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

VEC_INLINE vf kv_some(const unsigned char *p, int n, load_fn *load, int size)
{
    if (n >= 16) return load(p);
    unsigned char tail[64] = {0};
    memcpy(tail, p, (size_t)(n * size));
    return load(tail);
}

VEC_INLINE float dot_key(const float *q, const unsigned char *k, int d, load_fn *load,
                         int size)
{
    vf acc = vf_zero();
    int i = 0;
    for (; i + 16 <= d; i += 16) {
        acc = vf_fma(vf_load(q + i), load(k + (size_t)(i * size)), acc);
    }
    if (i < d) {
        const vf kv = kv_some(k + (size_t)(i * size), d - i, load, size);
        acc = vf_fma(vf_load_n(q + i, d - i), kv, acc);
    }
    return vf_sum(acc);
}

/* Scores to exp(score - max) in place, n rounded up to 16 with zeros; returns the sum. */
VEC_INLINE float exponentials(float *s, int n, float max)
{
    const vf m = vf_set1(max);
    vf total = vf_zero();
    for (int i = 0; i < n; i += 16) {
        const vf v = vec_exp(vf_sub(vf_load(s + i), m));
        vf_store_n(s + i, v, 16);
        if (n - i < 16) {
            for (int j = n; j < i + 16; j++) {
                s[j] = 0.0f;
            }
        }
        total = vf_add(total, vf_load(s + i));
    }
    return vf_sum(total);
}

/* out = out * rescale + sum_j p[j] * v[j] for n values, 16 columns at a time. */
VEC_INLINE void add_values(float *out, float rescale, const float *p, int n,
                           const unsigned char *v, int d, load_fn *load, int size)
{
    const size_t stride = (size_t)(d * size);
    for (int i = 0; i < d; i += 16) {
        const int len = d - i < 16 ? d - i : 16;
        vf acc = vf_mul(vf_load_n(out + i, len), vf_set1(rescale));
        const unsigned char *column = v + (size_t)(i * size);
        for (int j = 0; j < n; j++) {
            const vf vv = kv_some(column + (size_t)j * stride, len, load, size);
            acc = vf_fma(vf_set1(p[j]), vv, acc);
        }
        vf_store_n(out + i, acc, len);
    }
}

typedef struct head_state {
    float max, total;
} head_state;

/* Absorb positions from .. from+n-1 of one page for one head. */
VEC_INLINE void absorb(const hone_attention_args *a, int head, head_state *st,
                       const unsigned char *page, int from, int n, load_fn *load,
                       int size)
{
    float s[HONE_PAGE_MAX + 16];
    const unsigned char *k = page + a->k_offset + (size_t)(from * a->d_k * size);
    const unsigned char *v = page + a->v_offset + (size_t)(from * a->d_v * size);
    const float *q = a->q + (size_t)head * a->ldq;
    float max = st->max;
    for (int j = 0; j < n; j++) {
        s[j] =
            a->scale * dot_key(q, k + (size_t)(j * a->d_k * size), a->d_k, load, size);
        if (a->softcap > 0.0f) s[j] = a->softcap * tanhf(s[j] / a->softcap);
        if (s[j] > max) max = s[j];
    }
    for (int j = n; j % 16; j++) {
        s[j] = max; /* masked out by exponentials() */
    }
    const float rescale = st->total > 0.0f ? expf(st->max - max) : 0.0f;
    const float sum = exponentials(s, n, max);
    st->total = st->total * rescale + sum;
    st->max = max;
    add_values(a->out + (size_t)head * a->ldo, rescale, s, n, v, a->d_v, load, size);
}

VEC_INLINE void attend(const hone_attention_args *a, load_fn *load, int size)
{
    enum {
        HEADS = 16 /* heads that walk the pages together */
    };
    for (int h0 = 0; h0 < a->n_q; h0 += HEADS) {
        const int n_h = a->n_q - h0 < HEADS ? a->n_q - h0 : HEADS;
        head_state st[HEADS];
        for (int h = 0; h < n_h; h++) {
            st[h] = (head_state){-INFINITY, 0.0f};
            memset(a->out + (size_t)(h0 + h) * a->ldo, 0,
                   (size_t)a->d_v * sizeof(float));
        }
        for (int j = a->first; j <= a->last;) {
            const int from = j % a->page_len;
            int n = a->page_len - from;
            if (n > a->last - j + 1) n = a->last - j + 1;
            const unsigned char *page = a->page[j / a->page_len];
            for (int h = 0; h < n_h; h++) {
                absorb(a, h0 + h, &st[h], page, from, n, load, size);
            }
            j += n;
        }
        for (int h = 0; h < n_h; h++) {
            float *out = a->out + (size_t)(h0 + h) * a->ldo;
            for (int i = 0; i < a->d_v; i++) {
                out[i] /= st[h].total;
            }
        }
    }
}

static void VEC_TIER(attention_f32)(const hone_attention_args *a)
{
    attend(a, kv_f32, 4);
}

static void VEC_TIER(attention_f16)(const hone_attention_args *a)
{
    attend(a, kv_f16, 2);
}

static void VEC_TIER(attention_bf16)(const hone_attention_args *a)
{
    attend(a, kv_bf16, 2);
}
