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

static void guess_by_lookup(hone_task *t)
{
    for (size_t n = LONGEST; n >= 2 && t->n_guess == 0; n--) {
        t->n_guess = lookup(&t->all, n, t->guess, t->n_wanted);
    }
}

/* -- draft model ------------------------------------------------------------------ */

static int32_t most_likely(const hone_sequence *s)
{
    int32_t id;
    const float *logits = hone_sequence_logits(s);
    (void)hone_logits_max(logits, hone_model_spec(s->engine->model)->n_vocab, &id);
    return id;
}

/* What brings the draft sequence to the task's tokens. */
static bool catch_up(hone_engine *e, hone_task *t, hone_step_item *item)
{
    if (!t->draft && hone_sequence_new(&t->draft, e, NULL)) return false;
    const size_t same = hone_sequence_keep(t->draft, t->all.id, t->all.len - 1);
    *item = (hone_step_item){t->draft, t->all.id + same, t->all.len - same, 1};
    return true;
}

/* Room is short: the draft sequences begin anew another time. */
static void forget_drafts(hone_scheduler *s)
{
    for (size_t i = 0; i < s->n_item; i++) {
        hone_sequence_free(s->item_task[i]->draft);
        s->item_task[i]->draft = NULL;
    }
}

/* The most likely tokens by the draft model, of all answers together: one step a token. */
static void guess_by_model(hone_scheduler *s)
{
    const int64_t start = hone_clock_ns();
    const size_t most = (size_t)s->o.draft->options.n_sequence;
    size_t n = 0, n_token = 0;
    for (size_t i = 0; i < s->n_item && n < most; i++) {
        hone_task *t = s->item_task[i];
        if (t->n_wanted && catch_up(s->o.draft, t, &s->draft[n])) n++;
    }
    for (; n > 0; n_token++) {
        if (hone_engine_append(s->o.draft, s->draft, n, NULL)) {
            forget_drafts(s);
            break;
        }
        n = 0;
        for (size_t i = 0; i < s->n_item; i++) {
            hone_task *t = s->item_task[i];
            if (!t->draft || !hone_sequence_logits(t->draft)) continue;
            t->guess[t->n_guess] = most_likely(t->draft);
            if (++t->n_guess < t->n_wanted)
                s->draft[n++] =
                    (hone_step_item){t->draft, t->guess + t->n_guess - 1, 1, 1};
        }
    }
    if (n_token == 0) return;
    const double each = (double)(hone_clock_ns() - start) * 1e-9 / (double)n_token;
    s->guess_s = s->guess_s > 0 ? 0.9 * s->guess_s + 0.1 * each : each;
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
    const double guess = s->guess_s / (double)s->n_item; /* a step serves all answers */
    /* no row is free, not even of a step that waits for memory */
    const double row = s->row_s > 0.0 ? s->row_s : 0.5 * token_s;
    double chance = rate;
    size_t n = 0;
    for (; n < most && chance * token_s > row + guess; n++) {
        chance *= rate;
    }
    return n;
}

/* Put guesses behind the rows of item i. */
static void add_guesses(hone_scheduler *s, size_t i)
{
    hone_task *t = s->item_task[i];
    size_t n = t->n_guess;
    hone_step_item *item = &s->item[i];
    const hone_engine_options *o = &s->engine->options;
    size_t have;
    (void)hone_sequence_tokens(t->sequence, &have);
    const size_t n_ctx = (size_t)o->n_ctx, rows = (size_t)o->n_batch - s->n_row;
    const size_t outputs = (size_t)o->n_output - s->n_out;
    if (n > n_ctx - have - item->n) n = n_ctx - have - item->n;
    if (n > rows) n = rows;
    if (n > outputs) n = outputs;
    t->n_guess = 0;
    if (n == 0 || hone_sequence_reserve(t->sequence, item->n + n, NULL)) return;
    /* rows are read behind the last token, where the guesses stand for this step */
    if (hone_tokens_append(&t->all, t->guess, n, NULL)) return;
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
        hone_task *t = s->item_task[i];
        t->n_guess = 0;
        t->n_wanted = worth(s, t);
        if (!s->o.draft && t->n_wanted) guess_by_lookup(t);
    }
    if (s->o.draft) guess_by_model(s);
    for (size_t i = 0; i < s->n_item; i++) {
        add_guesses(s, i);
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
