/* program.h - a forward pass as a list of coarse ops over planned values.
 *
 *     hone_program *p;
 *     HONE_TRY(hone_program_new(&p, err));
 *     hone_value x = hone_op_embed(p, &embedding, 1.0f, "embed");
 *     hone_value cs = hone_op_positions(p, &rope);
 *     hone_op_norm_linear(p, x, &norm, 3, qkv, values);
 *     ...
 *     HONE_TRY(hone_program_finish(p, err));      (E_NOMEM of any append shows here)
 *     hone_executor *e; ...                       (executor.h)
 *     hone_program_free(p);
 *
 * A family's forward pass appends ops; the program is then planned (which value lives
 * where), executed, traced and dumped by others.  An op is one step that all threads
 * take together; a dense layer is five of them.
 *
 * Values are f32 matrices: a row for each row of the step, or for each row whose output
 * is wanted.  They are written once.  Weights are borrowed from the open model.
 *
 * Threads: owned while it is built, immutable after hone_program_finish(). */
#ifndef HONE_PROGRAM_PROGRAM_H
#define HONE_PROGRAM_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernel/kernel.h"

typedef struct hone_program hone_program;

/* Index of a value; negative is none. */
typedef int hone_value;
#define HONE_NO_VALUE (-1)

typedef enum hone_rows {
    HONE_ROWS_STEP, /* one row a token of the step */
    HONE_ROWS_OUT,  /* one row a wanted output */
} hone_rows;

/* y = x W^T + b.  bias.data is NULL for none; bias is a vector of W's n_row in any
 * float dtype. */
typedef struct hone_linear {
    hone_matrix w;
    hone_matrix bias;
    const char *name; /* of the value it writes, copied; "layer.3.q" */
} hone_linear;

/* Root-mean-square norm; gain.data NULL means none at all. */
typedef struct hone_norm {
    hone_matrix gain; /* [1, K], any float dtype */
    float eps;
} hone_norm;

/* Rotary positions: angle of pair i at position p is p * inv_freq[i]; cosines and sines
 * are multiplied by `scale` (YaRN's attention factor).  Source: as in model/rope.c. */
typedef struct hone_rope {
    const float *inv_freq; /* [n_rot / 2], copied */
    int n_rot;             /* even; 0: no rotation */
    float scale;
} hone_rope;

typedef struct hone_attention {
    int n_head, n_head_kv;    /* n_head is a multiple of n_head_kv */
    int d_k, d_v;             /* widths of a key and a value head */
    float scale;              /* of q . k */
    float softcap;            /* 0: none */
    int window;               /* positions seen, the token itself included; 0: all */
    hone_norm q_norm, k_norm; /* of each head before rotation; gain.data NULL: none */
    hone_value cos_sin;       /* from hone_op_positions, or HONE_NO_VALUE */
    int n_rot;                /* elements of a head that rotate */
    bool interleaved;         /* pairs are neighbours, as in GGUF Llama files */
    const char *name;         /* of the value it writes */
} hone_attention;

HONE_MUST_CHECK hone_status hone_program_new(hone_program **out, hone_error *err);
void hone_program_free(hone_program *p); /* NULL is fine */

/* Check the whole and fix it.  Shapes that do not fit are the builder's fault and stop
 * in an assertion at the append; what can fail here is memory. */
HONE_MUST_CHECK hone_status hone_program_finish(hone_program *p, hone_error *err);

/* Every append returns the value it writes, named as given ("layer.0.q"). */

/* x[t] = scale * table[token[t]]. */
hone_value hone_op_embed(hone_program *p, const hone_matrix *table, float scale,
                         const char *name);

/* cos_sin[t]: n_rot/2 cosines, then sines, of the step's positions. */
hone_value hone_op_positions(hone_program *p, const hone_rope *rope, const char *name);

/* out[i] = lin[i](norm(x)) for n <= 4 linears that read the same rows. */
void hone_op_norm_linear(hone_program *p, hone_value x, const hone_norm *norm, int n,
                         const hone_linear *lin, hone_value *out);

/* Norm and rotate q and k, append k and v to the pages of each row's sequence, attend.
 * One K/V slot of the page layout is taken for each call. */
hone_value hone_op_attention(hone_program *p, hone_value q, hone_value k, hone_value v,
                             const hone_attention *a);

/* residual + lin(x). */
hone_value hone_op_linear_add(hone_program *p, hone_value x, const hone_linear *lin,
                              hone_value residual);

/* act(gate(norm(x))) * up(norm(x)). */
hone_value hone_op_norm_gated(hone_program *p, hone_value x, const hone_norm *norm,
                              const hone_linear *gate, const hone_linear *up,
                              hone_act act, const char *name);

/* The wanted rows of x, normed: HONE_ROWS_OUT. */
hone_value hone_op_select_norm(hone_program *p, hone_value x, const hone_norm *norm,
                               const char *name);

/* Mark what a step returns: final hidden rows and logits, both HONE_ROWS_OUT. */
void hone_program_set_outputs(hone_program *p, hone_value hidden, hone_value logits);

/* -- what others read ------------------------------------------------------------- */

int hone_program_n_value(const hone_program *p);
const char *hone_program_value_name(const hone_program *p, hone_value v);
int hone_program_value_width(const hone_program *p, hone_value v);
hone_rows hone_program_value_rows(const hone_program *p, hone_value v);
hone_value hone_program_hidden(const hone_program *p);
hone_value hone_program_logits(const hone_program *p);

/* Bytes of weights that one step of a single row reads, and multiply-adds it does: what
 * bounds decode and prefill. */
double hone_program_weight_bytes(const hone_program *p);
double hone_program_row_macs(const hone_program *p);

/* A number that changes with the weights' shapes, types and first bytes: whether stored
 * keys and values, or packed weights, are of this model. */
uint64_t hone_program_fingerprint(const hone_program *p);

/* -- K/V pages -------------------------------------------------------------------- */

/* Where the keys and values of each attention op lie in a page, for slot s and K/V head
 * g: keys at k_offset[s] + g * hone_kv_key_bytes(), values at v_offset[s] + g *
 * hone_kv_value_bytes(), each as kernel/kv_page.h draws it. */
typedef struct hone_kv_slot {
    size_t k_offset, v_offset; /* bytes from the start of a page */
    int n_head_kv, d_k, d_v;
} hone_kv_slot;

typedef struct hone_kv_layout {
    hone_dtype k_type, v_type;
    int page_len; /* positions */
    int n_slot;
    hone_kv_slot *slot; /* owned */
    size_t page_bytes;  /* a multiple of HONE_CACHE_LINE */
} hone_kv_layout;

/* types is "K" or "K,V", names of the types that kernel/kv_page.h lists in any case: "f16"
 * for both, "q8_0,f16" for keys as q8_0 and values as f16.  E_INVALID for others; E_LIMIT
 * when sizes do not fit. */
HONE_MUST_CHECK hone_status hone_kv_layout_init(hone_kv_layout *l,
                                                const hone_program *p,
                                                const char *types, int page_len,
                                                hone_error *err);
void hone_kv_layout_release(hone_kv_layout *l);

#endif
