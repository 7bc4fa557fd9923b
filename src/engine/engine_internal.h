/* engine_internal.h - private to src/engine: what engine, sequences, steps and the
 * prefix cache know of each other. */
#ifndef HONE_ENGINE_ENGINE_INTERNAL_H
#define HONE_ENGINE_ENGINE_INTERNAL_H

#include "engine/adapter_list.h"
#include "engine/candidates.h"
#include "engine/kv_pool.h"
#include "engine/prefix_tree.h"
#include "hone/engine.h"
#include "hone/grammar.h"
#include "model/model.h"
#include "program/executor.h"

/* The step being prepared: rows of one sequence are neighbours. */
typedef struct hone_step_rows {
    int32_t *token, *position, *sequence; /* [n_batch] */
    int32_t *out_row;                     /* [n_output] */
    void *const **pages;                  /* [n_batch], of each sequence */
    const hone_lora **lora;               /* the same; NULL: the base */
    int n_row, n_out, n_sequence;
} hone_step_rows;

struct hone_engine {
    const hone_model *model; /* borrowed */
    hone_kernels kernels;
    hone_pool *pool;
    hone_kv_layout layout;
    hone_kv_pool *kv;
    hone_adapter_list adapters;
    hone_page_store *store;  /* NULL: none */
    hone_prefix_tree *cache; /* NULL: none */
    hone_pack *pack;
    hone_executor *executor;
    hone_engine_options options; /* defaults filled in */
    uint64_t step_bytes;
    hone_step_rows rows;
    hone_grammar_vocab *vocab; /* once a grammar was used */
    hone_sampler_work *work;   /* [n_work] */
    int n_work;
    uint64_t n_step; /* steps run so far, for whose outputs the executor holds */
    uint64_t n_call; /* calls with items so far */
};

struct hone_sequence {
    hone_engine *engine;
    hone_tokens tokens;
    void **page; /* [n_page] */
    size_t n_page, page_cap;
    hone_adapter *adapter;   /* held; NULL: the base */
    bool uncached;           /* its pages stay out of the prefix cache */
    hone_prefix_node *node;  /* of its last page in the cache; NULL: the root */
    size_t n_cached;         /* its first pages that the cache has */
    size_t n_left;           /* tokens of the append in progress that have not run */
    uint64_t in_call;        /* the last call it was an item of */
    uint64_t in_step;        /* it has outputs of this step; 0: none */
    int out_first, n_output; /* rows of outputs */
};

/* A holder of the adapter (NULL is fine) goes; with the last one goes what the prefix cache
 * has of it. */
void hone_engine_adapter_release(hone_engine *e, hone_adapter *a);

/* Cut s to what it has of the beginning of id[0..n); where that is nothing, give it what
 * the prefix cache has.  Returns the tokens it has now. */
size_t hone_sequence_keep(hone_sequence *s, const int32_t *id, size_t n);

/* Pages and room for n more tokens, so that nothing of a step can fail later; the page
 * that is written next is the sequence's own.  E_LIMIT says how many tokens fit. */
HONE_MUST_CHECK hone_status hone_sequence_reserve(hone_sequence *s, size_t n,
                                                  hone_error *err);
/* Give back the pages behind the last token. */
void hone_sequence_trim(hone_sequence *s);

/* Hand full pages to the cache, also the last page at the end of the sequence's life. */
void hone_sequence_publish(hone_sequence *s, bool tail);

HONE_MUST_CHECK hone_status hone_engine_check_tokens(const hone_engine *e,
                                                     const int32_t *id, size_t n,
                                                     hone_error *err);

/* A page, if need be one that the cache gives up; NULL when all are in use. */
void *hone_engine_acquire_page(hone_engine *e);
/* The model's tokens by their bytes, made at the first call.  E_INVALID for a model without
 * a tokenizer. */
HONE_MUST_CHECK hone_status hone_engine_vocab(hone_engine *e, hone_grammar_vocab **v,
                                              hone_error *err);
/* Work areas for n samplers at once, taken at the first call that asks for so many. */
HONE_MUST_CHECK hone_status hone_engine_work(hone_engine *e, int n,
                                             hone_sampler_work **w, hone_error *err);

/* Pages that acquire can give. */
size_t hone_engine_n_available(const hone_engine *e);

#endif
