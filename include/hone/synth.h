/* synth.h - GGUF files with random weights in the shapes of known models, so that speed
 * can be measured without downloads, in any reader.
 *
 *     const hone_synth_options o = {.preset = "llama-3.2-1b", .type = "Q4_K_M"};
 *     if (hone_synth("1b.gguf", &o, NULL, &err)) ...
 *
 * Weights are near N(0, 1/sqrt(K)), norms near 1, so that logits stay finite; what the
 * model says is noise.  The tokenizer is byte-level BPE with the vocabulary's size: 256
 * bytes, merges of lower-case letters, unused tokens.
 *
 * Threads: any; two calls with the same path are the caller's mistake. */
#ifndef HONE_SYNTH_H
#define HONE_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hone/status.h"

typedef struct hone_synth_options {
    const char *preset;           /* hone_synth_preset() lists them */
    const char *type;             /* of every matrix ("Q4_0"), or a mix ("Q4_K_M"):
                           hone_synth_type() lists them; llama.cpp opens all but
                           Q8_K, which is no type of weights there */
    uint64_t seed;                /* the same file for the same seed */
    int n_layer;                  /* 0: the preset's */
    bool (*interrupt)(void *ctx); /* true ends the call with HONE_E_CANCELLED; may be
                                     NULL */
    void *interrupt_ctx;
} hone_synth_options;

typedef struct hone_synth_info {
    uint64_t n_params, bytes; /* of all tensors */
    size_t n_tensor;
    char replaced[160]; /* types that took the place of others where K is not a multiple
                           of 256: "Q4_K by Q5_0 (90 tensors)", or empty */
} hone_synth_info;

/* Write the file at `path`; there is none until it is whole.  info may be NULL.
 *   E_INVALID    an unknown preset or type (the message lists them), n_layer
 *   E_IO, E_NOMEM, E_CANCELLED */
HONE_API HONE_MUST_CHECK hone_status hone_synth(const char *path,
                                                const hone_synth_options *options,
                                                hone_synth_info *info, hone_error *err);

/* Preset or type i from 0 on, NULL at the end; constant. */
HONE_API const char *hone_synth_preset(int i);
HONE_API const char *hone_synth_type(int i);

#endif
