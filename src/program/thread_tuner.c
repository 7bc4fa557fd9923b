#include "program/thread_tuner.h"

#include <math.h>

enum {
    FIRST_WAIT = 8,      /* steps before the first trial */
    WAIT = 64,           /* and behind one that was taken over */
    MOST_WAIT = 1 << 16, /* a trial that fails waits four times as long */
    TRIAL = 3            /* steps that decide */
};

static const double GAIN = 0.97;     /* of the time before: worth another number */
static const double HOPELESS = 1.15; /* of it: not worth another step */

void hone_thread_tuner_init(hone_thread_tuner *t, int n_thread)
{
    *t = (hone_thread_tuner){
        .most = n_thread, .n = n_thread, .best = HUGE_VAL, .wait = FIRST_WAIT};
}

/* Twice as many or half, to powers of two from a number that is none; 0 where there are no
 * more or fewer. */
static int other(const hone_thread_tuner *t, bool up)
{
    if (up) {
        if (t->n == t->most) return 0;
        return t->n * 2 < t->most ? t->n * 2 : t->most;
    }
    int below = 1;
    while (below * 2 < t->n) {
        below *= 2;
    }
    return t->n > 1 ? below : 0;
}

static void begin_trial(hone_thread_tuner *t)
{
    t->trial = other(t, t->up);
    if (!t->trial) {
        t->up = !t->up;
        t->trial = other(t, t->up);
    }
    t->trial_best = HUGE_VAL;
    t->n_step = 0;
}

int hone_thread_tuner_next(hone_thread_tuner *t)
{
    if (!t->trial && t->n_step >= t->wait) begin_trial(t);
    return t->trial ? t->trial : t->n;
}

static void end_trial(hone_thread_tuner *t, bool taken)
{
    if (taken) {
        t->n = t->trial;
        t->best = t->trial_best;
        t->wait = WAIT;
    } else {
        t->up = !t->up;
        t->wait = t->wait < MOST_WAIT / 4 ? t->wait * 4 : MOST_WAIT;
        t->best = HUGE_VAL; /* what the machine is like is looked at anew */
    }
    t->trial = 0;
    t->n_step = 0;
}

void hone_thread_tuner_note(hone_thread_tuner *t, int n, double seconds)
{
    if (n != (t->trial ? t->trial : t->n)) return;
    double *best = t->trial ? &t->trial_best : &t->best;
    if (seconds < *best) *best = seconds;
    t->n_step++;
    if (!t->trial) return;
    if (t->n_step >= TRIAL || t->trial_best > HOPELESS * t->best)
        end_trial(t, t->trial_best < GAIN * t->best);
}
