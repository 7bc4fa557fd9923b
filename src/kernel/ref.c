/* ref.c - reference kernels on single rows, and the table's portable base. */
#include <math.h>
#include <string.h>

#include "kernel/kernel_tiers.h"
#include "tensor/dequant.h"

/* One widening function a dtype, all the same: the dtype's reference decoder. */
#define X(name, id, block, bytes)                                                      \
    static void widen_##name##_ref(float *dst, const void *src, size_t n)              \
    {                                                                                  \
        hone_dequantize(dst, src, HONE_##name, n);                                     \
    }
HONE_DTYPE_LIST(X)
#undef X

static void narrow_f32_ref(void *dst, const float *src, size_t n)
{
    memcpy(dst, src, n * sizeof *src);
}

static void narrow_f16_ref(void *dst, const float *src, size_t n)
{
    uint16_t *d = dst;
    for (size_t i = 0; i < n; i++) {
        d[i] = hone_f32_to_f16(src[i]);
    }
}

static void narrow_bf16_ref(void *dst, const float *src, size_t n)
{
    uint16_t *d = dst;
    for (size_t i = 0; i < n; i++) {
        d[i] = hone_f32_to_bf16(src[i]);
    }
}

static void rmsnorm_ref(float *y, const float *x, const float *w, int K, float eps)
{
    double sum = 0.0;
    for (int i = 0; i < K; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    const float scale = (float)(1.0 / sqrt(sum / K + (double)eps));
    for (int i = 0; i < K; i++) {
        y[i] = x[i] * scale * (w ? w[i] : 1.0f);
    }
}

static float exp_sum_ref(const float *x, int n, float shift, float scale)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += exp((double)((x[i] - shift) * scale));
    }
    return (float)sum;
}

static void gate_silu_ref(float *y, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i++) {
        y[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
    }
}

/* Peaks of portable code: what the compiler makes of plain loops. */
static double peak_f32_ref(double n_ops)
{
    enum {
        LANES = 32
    };
    float acc[LANES];
    volatile float one = 1.0f;
    const float m = one;
    for (int i = 0; i < LANES; i++) {
        acc[i] = (float)i;
    }
    const long rounds = (long)(n_ops / (2 * LANES)) + 1;
    for (long r = 0; r < rounds; r++) {
        for (int i = 0; i < LANES; i++) {
            acc[i] = acc[i] * m + m;
        }
    }
    volatile float sink = acc[0] + acc[LANES - 1];
    (void)sink;
    return (double)rounds * 2 * LANES;
}

static double peak_int8_ref(double n_ops)
{
    enum {
        LANES = 64
    };
    int32_t acc[LANES];
    int8_t a[LANES];
    volatile int8_t one = 1;
    for (int i = 0; i < LANES; i++) {
        acc[i] = 0;
        a[i] = one;
    }
    const long rounds = (long)(n_ops / (2 * LANES)) + 1;
    for (long r = 0; r < rounds; r++) {
        for (int i = 0; i < LANES; i++) {
            acc[i] += a[i] * a[LANES - 1 - i];
        }
    }
    volatile int32_t sink = acc[0] + acc[LANES - 1];
    (void)sink;
    return (double)rounds * 2 * LANES;
}

static uint64_t read_ref(const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint64_t sum[4] = {0};
    for (size_t i = 0; i + 32 <= bytes; i += 32) {
        uint64_t w[4];
        memcpy(w, p + i, sizeof w);
        for (int j = 0; j < 4; j++) {
            sum[j] += w[j];
        }
    }
    return sum[0] + sum[1] + sum[2] + sum[3];
}

void hone_kernels_init_ref(hone_kernels *k)
{
    *k = (hone_kernels){.tier = "ref"};
#define X(name, id, block, bytes) k->widen[HONE_##name] = widen_##name##_ref;
    HONE_DTYPE_LIST(X)
#undef X
    k->narrow[HONE_F32] = narrow_f32_ref;
    k->narrow[HONE_F16] = narrow_f16_ref;
    k->narrow[HONE_BF16] = narrow_bf16_ref;
    k->gate[HONE_ACT_SILU] = gate_silu_ref;
    k->rmsnorm = rmsnorm_ref;
    k->exp_sum = exp_sum_ref;
    k->peak_int8 = peak_int8_ref;
    k->peak_bf16 = peak_f32_ref;
    k->peak_f32 = peak_f32_ref;
    k->read = read_ref;
    hone_kernels_init_ref_linear(k);
    hone_kernels_init_ref_attention(k);
}
