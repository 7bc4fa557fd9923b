/* op_internal.h - private to src/program: ops as data, and what each kind must know.
 *
 * To add an op: a member of hone_op_kind, its struct below, a file op_<name>.c with its
 * hone_op_class, an entry in hone_op_classes (program.c). */
#ifndef HONE_PROGRAM_OP_INTERNAL_H
#define HONE_PROGRAM_OP_INTERNAL_H

#include "program/executor.h"
#include "program/lora.h"
#include "program/pack.h"
#include "program/program.h"
#include "program/thread_tuner.h"

#define HONE_OP_MAX_LINEAR 4

typedef enum hone_op_kind {
    HONE_OP_EMBED,
    HONE_OP_POSITIONS,
    HONE_OP_LINEAR, /* norm, up to four linears, gate or residual behind them */
    HONE_OP_ATTENTION,
    HONE_OP_SELECT,
    HONE_N_OP
} hone_op_kind;

/* What follows the linears of a HONE_OP_LINEAR. */
typedef enum hone_epilogue {
    HONE_EPILOGUE_NONE, /* each linear writes its own value */
    HONE_EPILOGUE_ADD,  /* one linear, plus in[1] */
    HONE_EPILOGUE_GATE, /* two linears, act(first) * second */
} hone_epilogue;

typedef struct hone_op {
    hone_op_kind kind;
    char *name;
    hone_value in[4]; /* HONE_NO_VALUE where unused */
    hone_value out[4];
    int n_linear;
    hone_linear linear[HONE_OP_MAX_LINEAR];
    hone_norm norm;
    hone_epilogue epilogue;
    hone_act act;
    hone_matrix table; /* embed */
    float scale;       /* embed, positions */
    float *inv_freq;   /* positions, owned */
    hone_attention attention;
    int kv_slot;
} hone_op;

typedef struct hone_value_info {
    char *name;
    int width;
    hone_rows rows;
    int first_op, last_op; /* written by, last read by; outputs live to the end */
} hone_value_info;

struct hone_program {
    hone_op *op;
    size_t n_op, op_cap;
    hone_value_info *value;
    size_t n_value, value_cap;
    int n_kv_slot;
    hone_value hidden, logits;
    bool failed; /* out of memory while appending */
    bool finished;
};

/* Where the planner puts each value: bytes from the start of the step's memory. */
typedef struct hone_plan {
    size_t *offset; /* [n_value], owned */
    size_t bytes;
} hone_plan;

HONE_MUST_CHECK hone_status hone_plan_init(hone_plan *plan, const hone_program *p,
                                           int n_row_max, int n_out_max,
                                           hone_error *err);
void hone_plan_release(hone_plan *plan);

/* Scratch of one thread. */
typedef struct hone_scratch {
    float *row;     /* [widest value or weight column] for one row */
    float *gain;    /* the same, for a widened norm gain */
    float *tile;    /* two tiles of HONE_TILE_ROWS by HONE_TILE_COLS */
    float *query;   /* the query heads of one K/V head */
    float *state;   /* states of a block of rows, twice */
    float *page;    /* one page as floats */
    hone_acts acts; /* this thread's own activations of up to HONE_SMALL_STEP rows */
    uint64_t tag;   /* what acts holds: run number and op */
} hone_scratch;

enum {
    HONE_SMALL_STEP = 4, /* rows up to which each thread prepares activations itself */
    HONE_TILE_COLS = HONE_LINEAR_MAX_ROWS, /* step rows of a tile */
    HONE_TILE_ROWS = 64,                   /* weight rows of one chunk, at most */
    HONE_RUN_ROWS = 16,   /* step rows that an adapter takes together, at most */
    HONE_BLOCK_ROWS = 16, /* step rows that attend together, at most */
    HONE_SPLIT_ROWS = 4   /* rows of a decode step up to which positions are split */
};

/* Rows of one sequence that follow one another. */
typedef struct hone_block {
    int row, n;
} hone_block;

/* What an adapter adds to one linear, and to all linears of one op. */
typedef struct hone_lora_linear {
    int first, rank; /* its rows of a; rank 0: none */
    hone_matrix b;   /* [N, rank] */
} hone_lora_linear;

typedef struct hone_lora_op {
    int rank;      /* of all linears together */
    hone_matrix a; /* [rank, K] */
    float *scale;  /* [rank], owned; of the products with a */
    hone_lora_linear linear[HONE_OP_MAX_LINEAR];
} hone_lora_op;

struct hone_lora {
    hone_lora_op *op; /* [n_op] */
    size_t n_op, bytes;
    unsigned char *block; /* the data of all matrices */
    size_t block_bytes;
    int rank, width; /* the largest of a linear, of an op */
};

/* Rows of a step that follow one another and have the same adapter. */
typedef struct hone_lora_run {
    const hone_lora *lora;
    int row, n;
} hone_lora_run;

/* What steps with adapters need besides; empty before the first adapter. */
typedef struct hone_lora_room {
    int width; /* the largest of the adapters it was made for */
    unsigned char *memory;
    float *u;     /* [n_row_max, width] products with A of the current op, scaled */
    float *x, *y; /* of each thread: a run's inputs, and its products before scaling */
    size_t x_len, y_len;
    hone_lora_run *run; /* [n_row_max], of the current step */
    int n_run;
} hone_lora_room;

void hone_lora_room_release(hone_lora_room *room);
/* Find the runs of e->step. */
void hone_lora_begin(hone_executor *e);
/* Chunks of hone_lora_down for the current op; 0 where no row's adapter has the op. */
int hone_lora_chunks(const hone_executor *e, const hone_op *op);
/* Products with A for one run, or a part of them. */
void hone_lora_down(hone_executor *e, const hone_op *op, int chunk, int thread);
/* Hint that hone_lora_up with the same arguments follows: the cache may fetch what it
 * reads while the layer itself is computed. */
void hone_lora_fetch(const hone_executor *e, const hone_op *op, int i, int n0, int n,
                     int t0, int t);
/* Add B u to rows n0 .. n0+n-1 of linear i for the t step rows from t0 on, in a tile of
 * HONE_TILE_ROWS a row. */
void hone_lora_up(const hone_executor *e, const hone_op *op, int i, float *tile, int n0,
                  int n, int t0, int t);

struct hone_executor {
    const hone_program *program; /* borrowed */
    const hone_kernels *kernels; /* borrowed */
    const hone_pack *pack;       /* borrowed */
    hone_pool *pool;             /* borrowed */
    const hone_kv_layout *kv;    /* borrowed */
    int n_row_max, n_out_max;
    hone_plan plan;
    unsigned char *memory;   /* [plan.bytes] */
    hone_acts acts;          /* [n_row_max] shared activations of the current op */
    hone_scratch *scratch;   /* [n_thread] */
    int *n_chunk;            /* [stages of all ops] */
    const hone_step *step;   /* of the current run */
    uint64_t run;            /* number of the current run */
    hone_thread_tuner tuner; /* of small steps, where `tuned` */
    bool tuned;
    bool apart;        /* no sequence has two rows in this step */
    hone_block *block; /* [n_row_max] blocks of the current step */
    int n_block;
    float *parts; /* states of decode splits: [n_split_max][HONE_SPLIT_ROWS][head] */
    int n_split_max;
    hone_lora_room lora;
    hone_watch_fn *watch;
    void *watch_ctx;
    bool tracing;
    hone_op_trace *trace; /* [n_op] */
};

/* What an executor knows of a kind of op.  Every op has two stages; the first may have
 * no chunks. */
typedef struct hone_op_class {
    const char *name;
    /* Number of chunks of each stage for the step in e->step. */
    void (*chunks)(const hone_executor *e, const hone_op *op, int n_chunk[2]);
    void (*run)(hone_executor *e, const hone_op *op, int stage, int chunk, int thread);
} hone_op_class;

extern const hone_op_class hone_op_class_embed, hone_op_class_positions,
    hone_op_class_linear, hone_op_class_attention, hone_op_class_select;
const hone_op_class *hone_op_class_get(hone_op_kind kind);

/* Row r of value v. */
float *hone_value_row(const hone_executor *e, hone_value v, int row);
/* Rows that value v has in the current step. */
int hone_value_n_row(const hone_executor *e, hone_value v);

/* The norm's gain as f32: the weight itself if it is aligned f32, else widened into the
 * scratch; NULL if there is none. */
const float *hone_widen_vector(const hone_kernels *k, const hone_matrix *v,
                               float *scratch);

/* Widest K of any linear or norm of the program. */
int hone_program_widest(const hone_program *p);

#endif
