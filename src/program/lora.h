/* lora.h - low-rank adapters of a program's linears.
 *
 *     hone_lora *l;
 *     HONE_TRY(hone_lora_new(&l, program, kernels, pair, n_pair, err));
 *     HONE_TRY(hone_executor_fit(executor, l, err));       (room for its products)
 *     step.lora = (const hone_lora *[]){NULL, l};          (of sequences 0 and 1)
 *     hone_lora_free(l);                                   (after the last such step)
 *
 * A pair adds to a linear layer
 *
 *     y[t] += scale * B (A x[t])          A [r, K], B [N, r]
 *
 * where x[t] is the row that the layer's op reads, normed, in f32 whatever the layer's own
 * kernel reads.  Pairs for one linear are summed: their ranks stand side by side.
 *
 * F32 weights stay F32.  F16 and BF16 ones are stored as halves, which is what a step
 * reads in batches with many adapters; BF16 rows of A and columns of B are moved by a
 * power of two to where halves hold them exactly, down to 2^-29 of their largest element.
 * Block formats are widened to F32.
 *
 * Threads: immutable once made.
 * Source: Hu et al. 2021, arXiv:2106.09685, sec. 4.1. */
#ifndef HONE_PROGRAM_LORA_H
#define HONE_PROGRAM_LORA_H

#include "program/program.h"

#define HONE_LORA_MAX_RANK 4096 /* of one linear, all its pairs together */

typedef struct hone_lora hone_lora;

/* Where the rows of B go: files differ in how q and k are laid out for rotation. */
typedef enum hone_turn {
    HONE_TURN_NONE,
    HONE_TURN_TO_PAIRS,  /* half-split heads become neighbouring pairs */
    HONE_TURN_TO_HALVES, /* the other way */
} hone_turn;

typedef struct hone_lora_pair {
    size_t op; /* from hone_program_find_linear */
    int linear;
    hone_matrix a, b; /* rows of a file, borrowed for the call; b.n_col = a.n_row */
    float scale;
    hone_turn turn;
    int d_head; /* even, divides b.n_row; for a turn */
} hone_lora_pair;

/* The linear whose weight lies at `data`: its matrix, with op and number; NULL if there is
 * none. */
const hone_matrix *hone_program_find_linear(const hone_program *p,
                                            const unsigned char *data, size_t *op,
                                            int *linear);

/* Shapes fit the program (asserted), every rank is at most HONE_LORA_MAX_RANK (E_LIMIT).
 * E_NOMEM. */
HONE_MUST_CHECK hone_status hone_lora_new(hone_lora **out, const hone_program *p,
                                          const hone_kernels *k,
                                          const hone_lora_pair *pair, size_t n_pair,
                                          hone_error *err);
void hone_lora_free(hone_lora *l); /* NULL is fine */

int hone_lora_rank(const hone_lora *l);     /* largest of any linear */
size_t hone_lora_bytes(const hone_lora *l); /* of its weights as stored */

#endif
