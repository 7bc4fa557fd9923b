/* spec.h - hyper-parameters of a decoder, from whichever file holds them.
 *
 * spec_gguf.c and spec_hf.c fill the same struct; families read nothing else.  Names
 * follow GLOSSARY.md. */
#ifndef HONE_MODEL_SPEC_H
#define HONE_MODEL_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/status.h"
#include "format/gguf.h"

#define HONE_MAX_LAYER 4096
#define HONE_MAX_WIDTH (1 << 24) /* of any declared size */

typedef enum hone_rope_kind {
    HONE_ROPE_PLAIN,
    HONE_ROPE_LINEAR,
    HONE_ROPE_LLAMA3,
    HONE_ROPE_YARN,
    HONE_ROPE_FACTORS, /* GGUF: a tensor of divisors for inv_freq */
} hone_rope_kind;

typedef struct hone_rope_spec {
    hone_rope_kind kind;
    double theta;
    double factor;
    double low_freq_factor, high_freq_factor; /* llama3 */
    double beta_fast, beta_slow;              /* yarn */
    double attention_factor;                  /* yarn; negative: from the factor */
    double mscale, mscale_all_dim;            /* yarn; 0: not given */
    bool truncate;                            /* yarn: whole correction bounds */
    int n_original;                           /* context length before scaling */
    int n_rot;                                /* elements of a head that rotate, even */
    bool interleaved;
} hone_rope_spec;

/* One byte a layer. */
enum {
    HONE_LAYER_NO_ROPE = 1 << 0,
    HONE_LAYER_WINDOW = 1 << 1, /* attends to `window` positions only */
};

typedef struct hone_spec {
    char *architecture; /* owned */
    char *name;         /* owned */
    int n_layer, d_model, n_head, n_head_kv, d_head, d_ff, n_vocab, n_ctx;
    int window;
    float norm_eps;
    bool tied;        /* the embedding is the head, unless the file holds a head */
    char *activation; /* owned; "silu" */
    hone_rope_spec rope;
    unsigned char *layer; /* [n_layer], owned; HONE_LAYER_* */
} hone_spec;

/* Fill *s from metadata.  E_FORMAT names the key that is missing or wrong.  Whether the
 * architecture is known is the caller's business (family.h). */
HONE_MUST_CHECK hone_status hone_spec_from_gguf(hone_spec *s, const hone_gguf *g,
                                                hone_error *err);
/* `config` is a parsed config.json. */
HONE_MUST_CHECK hone_status hone_spec_from_hf(hone_spec *s, const json_t *config,
                                              hone_error *err);
/* Whether GGUF files of an architecture hold rows of q and k permuted for neighbouring
 * pairs. */
bool hone_spec_gguf_interleaved(const char *architecture);
void hone_spec_release(hone_spec *s);

/* Checks that both readers share: ranges, heads that divide, even rotation. */
HONE_MUST_CHECK hone_status hone_spec_check(const hone_spec *s, hone_error *err);

#endif
