/* kv_page.c - keys and values into pages, element by element or in blocks. */
#include "kernel/kv_page.h"

#include <math.h>
#include <string.h>

#include "tensor/dequant.h"

enum {
    BLOCK = HONE_KV_BLOCK
};

/* One block as in a page: a scale, and up to BLOCK bytes of codes. */
typedef struct coded {
    uint16_t scale;
    int n; /* bytes */
    uint8_t code[BLOCK];
} coded;

/* To the nearest integer, halves away from zero; without a call of roundf, which would
 * keep the loop out of vectors. */
static int nearest(float x)
{
    const int i = (int)x;
    const float rest = x - (float)i;
    return i + (rest >= 0.5f) - (rest <= -0.5f);
}

/* Infinities and NaN have no code: what a float that big becomes does not matter, but it
 * must be something. */
static float bounded(float x, float most)
{
    return x >= -most && x <= most ? x : x > 0.0f ? most : -most;
}

static void encode_q8(coded *out, const float *x, int n)
{
    float most = 0.0f;
    for (int i = 0; i < n; i++) {
        const float size = fabsf(x[i]);
        most = size > most ? size : most;
    }
    const float scale = most / 127.0f, inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
    out->scale = hone_f32_to_f16(scale);
    out->n = n;
    for (int i = 0; i < n; i++) {
        out->code[i] = (uint8_t)nearest(bounded(x[i] * inverse, 127.0f));
    }
}

static int code_q4(float x)
{
    const int q = (int)(bounded(x, 8.0f) + 8.5f);
    return q < 15 ? q : 15;
}

static void encode_q4(coded *out, const float *x, int n)
{
    const int half = n < BLOCK / 2 ? n : BLOCK / 2;
    float most = 0.0f, size = 0.0f;
    for (int i = 0; i < n; i++) {
        if (fabsf(x[i]) > size) {
            size = fabsf(x[i]);
            most = x[i];
        }
    }
    const float scale = most / -8.0f, inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    out->scale = hone_f32_to_f16(scale);
    out->n = half;
    for (int i = 0; i < half; i++) {
        const int high = half + i < n ? code_q4(x[half + i] * inverse) : 8;
        out->code[i] = (uint8_t)(code_q4(x[i] * inverse) | high << 4);
    }
}

/* Block b of x [d] as type t. */
static void encode(coded *out, hone_dtype t, const float *x, int d, int b)
{
    const int rest = d - b * BLOCK, n = rest < BLOCK ? rest : BLOCK;
    if (t == HONE_Q8_0)
        encode_q8(out, x + (ptrdiff_t)b * BLOCK, n);
    else
        encode_q4(out, x + (ptrdiff_t)b * BLOCK, n);
}

/* Codes of slot begin at `to` and lie `step` bytes apart. */
static void put_blocks(void *scales, unsigned char *to, size_t step, hone_dtype t,
                       int page_len, int slot, const float *x, int d)
{
    const int stride = hone_page_stride(page_len);
    uint16_t *scale = (uint16_t *)scales + slot;
    for (int b = 0; b < hone_kv_scales(t, d); b++) {
        coded c;
        encode(&c, t, x, d, b);
        scale[(ptrdiff_t)b * stride] = c.scale;
        for (int i = 0; i < c.n; i++) {
            *to = c.code[i];
            to += step;
        }
    }
}

void hone_kv_put_key(const hone_kernels *k, void *keys, hone_dtype t, int page_len,
                     int slot, const float *x, int d)
{
    const size_t stride = (size_t)hone_page_stride(page_len);
    if (hone_dtype_is_quantized(t)) {
        unsigned char *codes =
            (unsigned char *)keys + hone_kv_scale_bytes(t, d, page_len);
        put_blocks(keys, codes + slot, stride, t, page_len, slot, x, d);
        return;
    }
    enum {
        SOME = 64 /* elements narrowed at a time */
    };
    const size_t size = hone_dtype_get(t)->bytes;
    _Alignas(16) unsigned char narrow[SOME * sizeof(float)];
    unsigned char *to = (unsigned char *)keys + (size_t)slot * size;
    for (int i = 0; i < d; i += SOME) {
        const int n = d - i < SOME ? d - i : SOME;
        k->narrow[t](narrow, x + i, (size_t)n);
        for (int j = 0; j < n; j++) {
            if (size == 2)
                memcpy(to, narrow + (size_t)j * 2, 2);
            else
                memcpy(to, narrow + (size_t)j * 4, 4);
            to += stride * size;
        }
    }
}

void hone_kv_put_value(const hone_kernels *k, void *values, hone_dtype t, int page_len,
                       int slot, const float *x, int d)
{
    const size_t bytes = (size_t)hone_kv_codes(t, d);
    unsigned char *to = (unsigned char *)values + hone_kv_scale_bytes(t, d, page_len) +
                        (size_t)slot * bytes;
    if (hone_dtype_is_quantized(t))
        put_blocks(values, to, 1, t, page_len, slot, x, d);
    else
        k->narrow[t](to, x, (size_t)d);
}
