/* scheduler_guess.c - tokens guessed ahead of answers, verified in the same step.
 *
 * A guess costs a row, and a row costs little while a step is bound by reading weights.
 * The answer does not change: every token is chosen from the model's logits as without
 * guesses, and a guess that differs from it is cut off. */
#include <string.h>

#include "base/clock.h"
#include "engine/scheduler_internal.h"

enum {
    LONGEST = 3,   /* tokens that a lookup compares */
    RETRY = 48,    /* tokens between tries of an answer whose guesses were wrong */
    WINDOW = 16384 /* tokens that a lookup goes back */
};

/* -- lookup ----------------------------------------------------------------------- */

/* What followed the last place where the text's last n tokens stood before. */
static size_t lookup(const hone_tokens *all, size_t n, int32_t *guess, size_t max)
{
    const size_t end = all->len;
    if (end < n + 1) return 0;
    const int32_t *key = all->id + end - n;
    const size_t least = end > WINDOW ? end - WINDOW : 0;
    for (size_t i = end - n; i-- > least;) {
        if (all->id[i] != key[0] || memcmp(all->id + i, key, n * sizeof *key) != 0)
            continue;
        size_t m = 0;
        for (; m < max; m++) {
            /* a short period goes on into what is guessed */
            const size_t at = i + n + m;
            guess[m] = at < end ? all->id[at] : guess[at - end];
        }
        return m;
    }
    return 0;
}

static size_t guess_by_lookup(const hone_task *t, int32_t *guess, size_t max)
{
    for (size_t n = LONGEST; n >= 2; n--) {
        const size_t m = lookup(&t->all, n, guess, max);
        if (m) return m;
    }
    return 0;
}

/* -- draft model ------------------------------------------------------------------ */

static int32_t most_likely(const hone_sequence *s)
{
    int32_t id;
    const float *logits = hone_sequence_logits(s);
    (void)hone_logits_max(logits, hone_model_spec(s->engine->model)->n_vocab, &id);
    return id;
}

/* Bring the draft sequence to the task's tokens; false: it does not go. */
static bool catch_up(hone_engine *e, hone_task *t)
{
    size_t have, same = 0;
    if (!t->draft && hone_sequence_new(&t->draft, e, NULL)) return false;
    const int32_t *id = hone_sequence_tokens(t->draft, &have);
    while (same < have && same + 1 < t->all.len && id[same] == t->all.id[same]) {
        same++;
    }
    hone_sequence_truncate(t->draft, same);
    if (same == 0) same = hone_sequence_attach(t->draft, t->all.id, t->all.len - 1);
    return !hone_sequence_append(t->draft, t->all.id + same, t->all.len - same, NULL);
}

/* The most likely tokens by the draft model; their number. */
static size_t guess_by_model(hone_scheduler *s, hone_task *t, int32_t *guess,
                             size_t max)
{
    const int64_t start = hone_clock_ns();
    size_t n = 0;
    if (!catch_up(s->o.draft, t)) {
        hone_sequence_free(t->draft);
        t->draft = NULL;
        return 0;
    }
    guess[n++] = most_likely(t->draft);
    while (n < max && !hone_sequence_append(t->draft, guess + n - 1, 1, NULL)) {
        guess[n++] = most_likely(t->draft);
    }
    const double each = (double)(hone_clock_ns() - start) * 1e-9 / (double)n;
    s->guess_s = s->guess_s > 0 ? 0.9 * s->guess_s + 0.1 * each : each;
    return n;
}

/* -- whether it pays -------------------------------------------------------------- */

/* Tokens worth guessing: each more is worth what it saves, a part of a step of answers,
 * as long as that is more than its row and its guess cost. */
static size_t worth(const hone_scheduler *s, const hone_task *t)
{
    const size_t most = (size_t)s->o.n_draft;
    if (s->alone_s == 0.0 || s->n_answer_row == 0) return 2; /* not measured yet */
    if (t->hit_rate < 0.05 && t->n_since < RETRY) return 0;
    const double rate = t->hit_rate < 0.3 ? 0.3 : t->hit_rate;
    const double token_s = s->alone_s / (double)s->n_answer_row;
    double chance = 1.0;
    size_t n = 0;
    while (n < most) {
        const double over = (double)(s->n_row + n + 1) * s->row_s - s->alone_s;
        const double row = over <= 0 ? 0.0 : over < s->row_s ? over : s->row_s;
        chance *= rate;
        if (chance * token_s <= row + s->guess_s) break;
        n++;
    }
    return n;
}

/* Put guesses behind the rows of item i. */
static void add_guesses(hone_scheduler *s, size_t i, const int32_t *guess, size_t n)
{
    hone_task *t = s->item_task[i];
    hone_step_item *item = &s->item[i];
    const hone_engine_options *o = &s->engine->options;
    size_t have;
    (void)hone_sequence_tokens(t->sequence, &have);
    const size_t n_ctx = (size_t)o->n_ctx, rows = (size_t)o->n_batch - s->n_row;
    const size_t outputs = (size_t)o->n_output - s->n_out;
    if (n > n_ctx - have - item->n) n = n_ctx - have - item->n;
    if (n > rows) n = rows;
    if (n > outputs) n = outputs;
    if (n == 0 || hone_sequence_reserve(t->sequence, item->n + n, NULL)) return;
    /* rows are read behind the last token, where the guesses stand for this step */
    if (hone_tokens_append(&t->all, guess, n, NULL)) return;
    t->all.len -= n;
    item->id = t->all.id + have;
    item->n += n;
    item->n_out += n;
    t->n_guess = n;
    t->n_since = 0;
    s->n_row += n;
    s->n_out += n;
}

void hone_scheduler_guess(hone_scheduler *s)
{
    if (s->o.n_draft < 0) return;
    for (size_t i = 0; i < s->n_item; i++) {
        int32_t guess[HONE_MAX_DRAFT];
        hone_task *t = s->item_task[i];
        const size_t max = worth(s, t);
        if (max == 0) continue;
        const size_t n = s->o.draft ? guess_by_model(s, t, guess, max)
                                    : guess_by_lookup(t, guess, max);
        if (n) add_guesses(s, i, guess, n);
    }
}

void hone_scheduler_judge(hone_scheduler *s, hone_task *t, size_t n_right)
{
    if (t->n_guess == 0) return;
    if (n_right > t->n_guess) n_right = t->n_guess;
    const double share = (double)n_right / (double)t->n_guess;
    t->hit_rate = 0.8 * t->hit_rate + 0.2 * share;
    t->job->stats.n_draft += t->n_guess;
    t->job->stats.n_accepted += n_right;
    s->total.n_draft += t->n_guess;
    s->total.n_accepted += n_right;
    t->n_guess = 0;
}
