/* scheduler_internal.h - private to the scheduler: requests, their tasks, the inbox.
 *
 * A task is one answer (or embedding) of a request.  Its tokens `all` are the prompt and
 * what was chosen since; its sequence holds a beginning of them.  What is missing is run in
 * the next steps, be it a prompt, the token chosen last, or everything again after the task
 * had to give its pages back: there is no difference. */
#ifndef HONE_ENGINE_SCHEDULER_INTERNAL_H
#define HONE_ENGINE_SCHEDULER_INTERNAL_H

#include <pthread.h>

#include "engine/answer.h"
#include "engine/engine_internal.h"
#include "hone/scheduler.h"

typedef struct hone_task hone_task;
typedef struct hone_job hone_job;

enum {
    HONE_MAX_DRAFT = 32
};

struct hone_task {
    hone_job *job;
    int index;               /* of the answer */
    hone_sequence *sequence; /* NULL while it waits */
    hone_sequence *draft;    /* in the draft model's engine, or NULL */
    hone_answer *answer;     /* NULL for an embedding */
    hone_tokens all;
    bool done;
    size_t n_reported; /* prompt tokens whose logprobs were reported */
    double *sum;       /* embedding: [d_model] sum of the rows so far, or NULL */
    bool restored;     /* the session's file was looked at */
    /* of the step being prepared or just run */
    bool in_step;
    size_t n_row, n_out, n_guess; /* n_guess of the rows are guesses */
    int32_t guess[HONE_MAX_DRAFT];
    size_t n_wanted;    /* guesses that are worth their cost */
    hone_status choice; /* of the first choice after the step */
    hone_error choice_error;
    double hit_rate; /* of guesses, a running mean */
    size_t n_since;  /* tokens since it guessed last */
    hone_task *next; /* in its list, in order of turn */
};

/* A request with everything it points to. */
struct hone_job {
    uint64_t id;
    hone_request r; /* pointers are owned; prompt is NULL, tasks begin with it */
    hone_event_fn *fn;
    void *ctx;
    hone_task *task; /* [n_task] */
    int n_task, n_done;
    hone_adapter *adapter;                        /* held; NULL: the base */
    int64_t submitted, admitted, first, deadline; /* clock, 0: not yet or none */
    hone_request_stats stats;
    bool started, paused, ended;
    hone_job *next; /* in the inbox, or in the list of all */
};

typedef enum hone_order_kind {
    HONE_ORDER_CANCEL,
    HONE_ORDER_PAUSE,
    HONE_ORDER_RESUME,
    HONE_ORDER_CALL
} hone_order_kind;

/* What another thread asks of the engine's. */
typedef struct hone_order hone_order;
struct hone_order {
    hone_order_kind kind;
    uint64_t id;
    void (*fn)(void *ctx);
    void *ctx;
    hone_order *next;
};

struct hone_scheduler {
    hone_engine *engine; /* borrowed */
    hone_scheduler_options o;
    hone_grammar_vocab *vocab; /* the engine's; NULL without tokenizer */

    pthread_mutex_t lock; /* guards what follows, up to the statistics */
    pthread_cond_t wake;
    hone_job *inbox, **inbox_end;
    hone_order *order, **order_end;
    bool stopped;
    uint64_t last_id;
    size_t
        n_waiting; /* jobs that have not been admitted, those of the inbox included */
    hone_scheduler_stats stats;

    /* the engine's thread */
    hone_job *jobs;        /* all that are not ended */
    hone_job *ended;       /* in this step; freed at its end */
    hone_task *waiting;    /* in order: priority, then time */
    hone_task *running;    /* in order of admission, the oldest first */
    int n_running;         /* tasks */
    hone_step_item *item;  /* [n_batch] of the step */
    hone_task **item_task; /* [n_batch] */
    hone_step_item *draft; /* [n_batch] of a step of the draft model */
    size_t n_item, n_row, n_out;
    size_t n_answer_row, n_prompt_row; /* of n_row; guesses are neither */
    bool again;                        /* nothing could run, but can now */
    double slice;                      /* prompt rows of a step that has answers */
    double haste;   /* factor to it in this step; 0: the step had fewer prompt rows */
    double alone_s; /* seconds of a step of answers alone, a running mean */
    double row_s;   /* seconds of a row of a large step */
    double guess_s; /* seconds of a token that the draft model guesses */
    hone_scheduler_stats total;
};

/* -- jobs (scheduler_job.c) ------------------------------------------------------- */

/* Checks everything that does not need the engine's thread. */
HONE_MUST_CHECK hone_status hone_job_new(hone_job **out, const hone_scheduler *s,
                                         const hone_request *r, hone_event_fn *fn,
                                         void *ctx, hone_error *err);
void hone_job_free(hone_job *j);

/* Tell the job's owner. */
void hone_job_tell(hone_job *j, hone_event e);
/* A piece of text that is not empty, or a token. */
void hone_task_show(hone_task *t, const hone_piece *piece);

/* -- steps (scheduler_step.c) ----------------------------------------------------- */

/* One step, if there is something to do. */
bool hone_scheduler_work(hone_scheduler *s);
/* End a job: its tasks leave all lists, END is told, the job is freed. */
void hone_scheduler_end(hone_scheduler *s, hone_job *j, hone_status status,
                        const hone_error *err);
/* Do what another thread asked for. */
void hone_scheduler_obey(hone_scheduler *s, const hone_order *o);
/* Put the tasks of a new job into the waiting list. */
void hone_scheduler_enter(hone_scheduler *s, hone_job *j);

/* Free the jobs that ended. */
void hone_scheduler_sweep(hone_scheduler *s);

/* -- guesses (scheduler_guess.c) -------------------------------------------------- */

/* Add guessed rows to the items of the step, which are answers, where that pays. */
void hone_scheduler_guess(hone_scheduler *s);
/* n_right of t's guesses were right. */
void hone_scheduler_judge(hone_scheduler *s, hone_task *t, size_t n_right);

/* -- sessions (session.c) --------------------------------------------------------- */

/* Letters, digits, '-', '_', '.', at most 128, no '.' in front: a name of a file. */
bool hone_session_name_ok(const char *name);

/* Write the task's sequence to the folder of sessions under its request's name. */
HONE_MUST_CHECK hone_status hone_session_save(const hone_scheduler *s,
                                              const hone_task *t, hone_error *err);
/* Bring what is saved under the name into the prefix cache, once for each task.  A file
 * that cannot be used is as good as none. */
void hone_session_attach(hone_scheduler *s, hone_task *t);

#endif
