/* scheduler.h - many requests, one engine: continuous batching.
 *
 *     hone_scheduler *s;
 *     hone_scheduler_new(&s, engine, NULL, &err);
 *     ...one thread:     hone_scheduler_run(s);          (until hone_scheduler_stop)
 *     ...any thread:     hone_scheduler_submit(s, &request, on_event, ctx, &id, &err);
 *                        hone_scheduler_cancel(s, id);
 *     hone_scheduler_free(s);
 *
 * Every step takes the rows of running answers first, then slices of prompts up to a
 * budget, so that a long prompt never stalls running answers.  Equal beginnings are
 * computed once: what is in the engine's prefix cache is reused, and a request whose
 * beginning another one is computing waits for it.  A request is admitted when its pages
 * can exist; when pages run out, the youngest request of the lowest priority gives its
 * pages back and resumes later without a visible change.  What a request answers does not
 * depend on what else runs, bit for bit.
 *
 * Threads: submit, cancel, pause, stop and stats from any thread.  The engine belongs to
 * the thread that is inside run or step; events are called on that thread and must not
 * call run, step or free. */
#ifndef HONE_SCHEDULER_H
#define HONE_SCHEDULER_H

#include "hone/generate.h"

typedef struct hone_scheduler hone_scheduler;

typedef struct hone_scheduler_options { /* zero: the default */
    int n_queue;                        /* requests that wait at most; default 256 */
    int n_running; /* answers that run at once at most; default the engine's n_sequence */
    int n_draft;   /* tokens guessed ahead of an answer at most, verified in one step;
                      default 8, -1: none */
    hone_engine *draft; /* its model guesses; the same vocabulary; borrowed; NULL: the
                           text so far does (prompt lookup) */
    const char *session_dir; /* folder of named sessions, borrowed; NULL: none */
    double stretch; /* how much longer than a step of answers alone a step may take
                       because of prompts; default 2.5; where prompts are more than half
                       as many as answers, the time they add may be up to 8 times that */
} hone_scheduler_options;

/* What is asked.  Everything is copied or referenced; nothing is borrowed after submit. */
typedef struct hone_request {
    const int32_t *prompt; /* [n_prompt], at least one */
    size_t n_prompt;
    hone_generate_options generate; /* n_max 0: no answer, with prompt_logprobs */
    int n_answer; /* answers of this prompt, 1 .. 128; 0 is 1; answer i has seed + i */
    int n_prompt_logprob; /* best alternatives reported for each prompt token, 0 .. 64;
                             -1: none */
    hone_pooling embed;   /* HONE_POOLING_NONE, or an embedding in place of answers */
    const char *adapter;  /* name of a loaded adapter, or NULL */
    const char *session;  /* name under which the end state is kept on disk, or NULL */
    int priority;         /* the lower the sooner; 0 is usual */
    double deadline_s;    /* from submit on; a request not done by then ends with
                             E_CANCELLED; 0: none */
    bool no_cache;        /* neither read nor leave a cached prefix */
    bool trace;           /* report the steps it took part in */
} hone_request;
/* n_answer 1, n_prompt_logprob -1, the default generate options. */
HONE_API hone_request hone_request_default(void);

typedef struct hone_request_stats {
    size_t n_prompt;            /* tokens of the prompt */
    size_t n_reused;            /* of them, taken from the cache, by the first answer */
    size_t n_generated;         /* tokens of all answers */
    size_t n_draft, n_accepted; /* guessed ahead, and of them right */
    size_t n_forced;            /* appended because the grammar left no choice */
    size_t n_preempted;         /* times it gave its pages back */
    /* seconds: in the queue; from admission to the first token; from there to the end */
    double queue_s, prefill_s, decode_s;
    double first_token_s, total_s; /* from submit on */
} hone_request_stats;

typedef enum hone_event_kind {
    HONE_EVENT_START,  /* admitted; stats.n_reused is known */
    HONE_EVENT_PROMPT, /* logprob of prompt token `position`, from 1 on */
    HONE_EVENT_PIECE,  /* a token of an answer, as hone_piece_fn gets it */
    HONE_EVENT_ANSWER, /* an answer ended */
    HONE_EVENT_EMBEDDING,
    HONE_EVENT_STEP, /* traced requests: a step ended */
    HONE_EVENT_END   /* the last event: the request is gone */
} hone_event_kind;

/* Borrowed for the call; fields that the kind does not name are zero. */
typedef struct hone_event {
    hone_event_kind kind;
    int answer;              /* PIECE, ANSWER: 0 .. n_answer-1 */
    const hone_piece *piece; /* PIECE, PROMPT (text empty) */
    size_t position;         /* PROMPT */
    hone_finish finish;      /* ANSWER */
    const char *stop;        /* ANSWER: the stop string that ended it, or NULL */
    size_t n_generated;      /* ANSWER: tokens of this answer */
    const float *embedding;  /* EMBEDDING: [n_embedding], length 1 */
    size_t n_embedding;
    size_t n_row, n_step_row;        /* STEP: rows of this request, of all */
    double step_s;                   /* STEP */
    const hone_request_stats *stats; /* all kinds */
    hone_status status;              /* END */
    const hone_error *error; /* END with a status other than OK; with OK a warning: the
                                session could not be saved */
} hone_event;
typedef void hone_event_fn(void *ctx, const hone_event *event);

/* The engine must outlive the scheduler and is not used by others meanwhile. */
HONE_API HONE_MUST_CHECK hone_status
hone_scheduler_new(hone_scheduler **out, hone_engine *engine,
                   const hone_scheduler_options *options, hone_error *err);
/* Requests that are not done end with E_CANCELLED first.  NULL is fine. */
HONE_API void hone_scheduler_free(hone_scheduler *s);

/* Put a request into the queue; its events follow, END is the last, also after cancel.  END
 * with E_NOT_FOUND: there is no such adapter.
 *   E_LIMIT      the queue is full
 *   E_INVALID    a token outside the vocabulary, an option out of range
 *   E_LIMIT      (before the queue is looked at) prompt and n_max 1 do not fit n_ctx
 *   E_CANCELLED  stop was called */
HONE_API HONE_MUST_CHECK hone_status hone_scheduler_submit(hone_scheduler *s,
                                                           const hone_request *r,
                                                           hone_event_fn *fn, void *ctx,
                                                           uint64_t *id,
                                                           hone_error *err);

/* The request ends with E_CANCELLED at the next step; unknown ids are ignored. */
HONE_API void hone_scheduler_cancel(hone_scheduler *s, uint64_t id);

/* A paused request keeps its pages and takes no part in steps: for a reader that is
 * slower than its answer. */
HONE_API void hone_scheduler_pause(hone_scheduler *s, uint64_t id, bool paused);

/* Run fn on the engine's thread between steps: for what else needs the engine (loading
 * an adapter).  E_CANCELLED after stop. */
HONE_API HONE_MUST_CHECK hone_status hone_scheduler_call(hone_scheduler *s,
                                                         void (*fn)(void *ctx),
                                                         void *ctx, hone_error *err);

/* Steps and sleeps until stop.  */
HONE_API void hone_scheduler_run(hone_scheduler *s);
/* One step without waiting; false if there was nothing to do. */
HONE_API bool hone_scheduler_step(hone_scheduler *s);
/* run returns after the current step; nothing is submitted any more. */
HONE_API void hone_scheduler_stop(hone_scheduler *s);

/* Steps by their rows: bucket i counts those with at most 2^i rows. */
#define HONE_STEP_BUCKETS 17

typedef struct hone_scheduler_stats {
    size_t n_running, n_waiting;              /* requests, now */
    uint64_t kv_bytes, kv_bytes_used;         /* pages; used: held by running answers */
    uint64_t kv_bytes_cached;                 /* held by the prefix cache alone */
    uint64_t n_step, n_row;                   /* since the start, as all below */
    uint64_t step_rows[HONE_STEP_BUCKETS];    /* each step in one bucket */
    uint64_t n_prompt, n_reused, n_generated; /* tokens */
    uint64_t n_draft, n_accepted, n_forced, n_preempted;
    uint64_t n_rejected; /* submits refused because the queue was full */
} hone_scheduler_stats;
HONE_API hone_scheduler_stats hone_scheduler_get_stats(const hone_scheduler *s);

#endif
