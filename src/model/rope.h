/* rope.h - rotary frequencies from hyper-parameters: plain, linear, llama3, YaRN. */
#ifndef HONE_MODEL_ROPE_H
#define HONE_MODEL_ROPE_H

#include "model/spec.h"
#include "program/program.h"

/* Fill inv_freq[n_rot / 2] and *scale, the factor of cosines and sines.
 * `divisors` is [n_rot / 2] for HONE_ROPE_FACTORS, else unused. */
void hone_rope_frequencies(const hone_rope_spec *r, const float *divisors,
                           float *inv_freq, float *scale);

#endif
