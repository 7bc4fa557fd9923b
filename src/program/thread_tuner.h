/* thread_tuner.h - how many threads small steps run fastest with, found while they run.
 *
 *     const int n = hone_thread_tuner_next(&t);
 *     ... a step with n threads ...
 *     hone_thread_tuner_note(&t, n, seconds);
 *
 * A step of one row waits for memory, which fewer threads than cores may saturate; more
 * then only wait for each other, or share a core that looks like two.  Hardware does not
 * say which, so now and then a few steps run with another number: half as many, or twice.
 * A number is taken over when its best step is 3 % shorter than the best of many before;
 * a much longer one ends a trial at once, and trials that fail become rarer.
 *
 * Results do not depend on it.  Threads: one. */
#ifndef HONE_PROGRAM_THREAD_TUNER_H
#define HONE_PROGRAM_THREAD_TUNER_H

#include <stdbool.h>

typedef struct hone_thread_tuner {
    int most;    /* threads there are */
    int n;       /* threads that were fastest so far */
    int trial;   /* threads that are tried, or 0 */
    bool up;     /* whether the next trial takes more */
    double best; /* shortest step with n, and with those of the trial */
    double trial_best;
    int n_step; /* steps since the last trial, or of the trial */
    int wait;   /* steps before the next trial */
} hone_thread_tuner;

void hone_thread_tuner_init(hone_thread_tuner *t, int n_thread);

/* Threads of the next step. */
int hone_thread_tuner_next(hone_thread_tuner *t);

/* How long a step with n threads took. */
void hone_thread_tuner_note(hone_thread_tuner *t, int n, double seconds);

#endif
