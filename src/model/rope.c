/* rope.c - rotary frequencies.
 *
 * Source: plain: Su et al. 2021, arXiv:2104.09864; linear: Chen et al. 2023,
 * arXiv:2306.15595; YaRN: Peng et al. 2023, arXiv:2309.00071, sec. 3; llama3:
 * transformers, modeling_rope_utils.py.  Frequencies are rounded to f32 as the
 * reference's are. */
#include "model/rope.h"

#include <math.h>

static const double two_pi = 6.283185307179586;

/* Long waves are stretched by the factor, short ones kept, those between blended. */
static double llama3(const hone_rope_spec *r, double freq)
{
    const double wave = two_pi / freq;
    const double low = r->n_original / r->low_freq_factor;
    const double high = r->n_original / r->high_freq_factor;
    if (wave > low) return freq / r->factor;
    if (wave < high) return freq;
    const double smooth = (r->n_original / wave - r->low_freq_factor) /
                          (r->high_freq_factor - r->low_freq_factor);
    return (1.0 - smooth) * freq / r->factor + smooth * freq;
}

/* The pair index at which a wave turns `turns` times over the original context. */
static double correction(const hone_rope_spec *r, double turns)
{
    return r->n_rot * log(r->n_original / (turns * two_pi)) / (2.0 * log(r->theta));
}

static double yarn(const hone_rope_spec *r, double freq, int i)
{
    double low = correction(r, r->beta_fast), high = correction(r, r->beta_slow);
    if (r->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0.0);
    high = fmin(high, r->n_rot - 1.0);
    if (low == high) high += 0.001;
    const double ramp = fmin(fmax((i - low) / (high - low), 0.0), 1.0);
    return freq / r->factor * ramp + freq * (1.0 - ramp);
}

static double mscale(double factor, double m)
{
    return factor <= 1.0 ? 1.0 : 0.1 * m * log(factor) + 1.0;
}

static double yarn_scale(const hone_rope_spec *r)
{
    if (r->attention_factor >= 0.0) return r->attention_factor;
    if (r->mscale > 0.0 && r->mscale_all_dim > 0.0) {
        return mscale(r->factor, r->mscale) / mscale(r->factor, r->mscale_all_dim);
    }
    return mscale(r->factor, 1.0);
}

void hone_rope_frequencies(const hone_rope_spec *r, const float *divisors,
                           float *inv_freq, float *scale)
{
    *scale = r->kind == HONE_ROPE_YARN ? (float)yarn_scale(r) : 1.0f;
    for (int i = 0; i < r->n_rot / 2; i++) {
        double f = 1.0 / pow(r->theta, 2.0 * i / r->n_rot);
        switch (r->kind) {
        case HONE_ROPE_PLAIN:
            break;
        case HONE_ROPE_LINEAR:
            f /= r->factor;
            break;
        case HONE_ROPE_LLAMA3:
            f = llama3(r, f);
            break;
        case HONE_ROPE_YARN:
            f = yarn(r, f, i);
            break;
        case HONE_ROPE_FACTORS:
            f /= (double)divisors[i];
            break;
        }
        inv_freq[i] = (float)f;
    }
}
