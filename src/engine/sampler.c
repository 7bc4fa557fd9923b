/* sampler.c - the sampling chain.
 *
 * Order: logit bias, penalties, DRY, then over candidates sorted by logit: top-k,
 * typical, top-p, min-p, XTC, temperature, draw.  Mirostat 2 replaces the truncations.
 * Sources: typical: Meister et al. 2022, arXiv:2202.00666; top-p: Holtzman et al. 2019,
 * arXiv:1904.09751; min-p: Nguyen et al. 2024, arXiv:2407.01082; mirostat: Basu et al.
 * 2020, arXiv:2007.14966; DRY and XTC: docs/sampling.md. */
#include "engine/sampler.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/status.h"
#include "engine/candidates.h"

struct hone_sampler {
    hone_sampling s;
    hone_logit_bias *bias; /* owned copy */
    int n_vocab;
    hone_rng rng;
    double mu;              /* mirostat's bound on surprise, in bits */
    unsigned char *breaker; /* [n_vocab]: the token holds a DRY breaker; or NULL */
};

/* -- set-up ----------------------------------------------------------------------- */

hone_sampling hone_sampling_default(const hone_model *m)
{
    static const char *const breakers[] = {"\n", ":", "\"", "*"};
    hone_sampling s = {
        .repeat_penalty = 1.0f,
        .penalty_last_n = 64,
        .dry_base = 1.75f,
        .dry_allowed_length = 2,
        .dry_last_n = 64,
        .dry_breaker = breakers,
        .n_dry_breaker = sizeof breakers / sizeof breakers[0],
        .top_k = 40,
        .typical_p = 1.0f,
        .top_p = 0.95f,
        .min_p = 0.05f,
        .xtc_threshold = 0.1f,
        .temperature = 0.8f,
        .mirostat_tau = 5.0f,
        .mirostat_eta = 0.1f,
    };
    if (!m) return s;
    const hone_model_sampling r = hone_model_recommended(m);
    if (r.temperature >= 0.0f) s.temperature = r.temperature;
    if (r.top_p >= 0.0f) s.top_p = r.top_p;
    if (r.min_p >= 0.0f) s.min_p = r.min_p;
    if (r.repetition_penalty > 0.0f) s.repeat_penalty = r.repetition_penalty;
    if (r.top_k >= 0) s.top_k = r.top_k;
    return s;
}

hone_status hone_sampling_check(const hone_sampling *s, int n_vocab, hone_error *err)
{
    const struct {
        const char *name;
        double value, lo, hi;
    } range[] = {
        {"repeat_penalty", (double)s->repeat_penalty, 1e-6, 1e6},
        {"presence_penalty", (double)s->presence_penalty, -1e6, 1e6},
        {"frequency_penalty", (double)s->frequency_penalty, -1e6, 1e6},
        {"penalty_last_n", s->penalty_last_n, -1, 1e9},
        {"dry_multiplier", (double)s->dry_multiplier, 0, 1e6},
        {"dry_base", (double)s->dry_base, 1, 1e6},
        {"dry_allowed_length", s->dry_allowed_length, 0, 1e9},
        {"dry_last_n", s->dry_last_n, -1, 1e9},
        {"top_k", s->top_k, 0, 1e9},
        {"typical_p", (double)s->typical_p, 0, 1},
        {"top_p", (double)s->top_p, 0, 1},
        {"min_p", (double)s->min_p, 0, 1},
        {"xtc_probability", (double)s->xtc_probability, 0, 1},
        {"xtc_threshold", (double)s->xtc_threshold, 0, 1},
        {"temperature", (double)s->temperature, 0, 1e6},
        {"mirostat_tau", (double)s->mirostat_tau, 0, 1e6},
        {"mirostat_eta", (double)s->mirostat_eta, 0, 1e6},
    };
    for (size_t i = 0; i < sizeof range / sizeof range[0]; i++) {
        if (!(range[i].value >= range[i].lo && range[i].value <= range[i].hi)) {
            return hone_fail(err, HONE_E_INVALID,
                             "sampling: %s: expected %g to %g, found %g", range[i].name,
                             range[i].lo, range[i].hi, range[i].value);
        }
    }
    if (s->mirostat != 0 && s->mirostat != 2) {
        return hone_fail(err, HONE_E_INVALID,
                         "sampling: mirostat: expected 0 or 2, found %d", s->mirostat);
    }
    for (size_t i = 0; i < s->n_bias; i++) {
        if (s->bias[i].id < 0 || s->bias[i].id >= n_vocab || isnan(s->bias[i].bias)) {
            return hone_fail(
                err, HONE_E_INVALID,
                "sampling: logit bias: token %d, expected 0 to %d and a number",
                s->bias[i].id, n_vocab - 1);
        }
    }
    return HONE_OK;
}

/* Mark tokens whose bytes hold a breaker. */
static hone_status mark_breakers(hone_sampler *p, const hone_tokenizer *tok,
                                 hone_error *err)
{
    const hone_sampling *s = &p->s;
    if (s->dry_multiplier <= 0.0f || !tok || s->n_dry_breaker == 0) return HONE_OK;
    p->breaker = hone_alloc_zero((size_t)p->n_vocab, 1);
    if (!p->breaker) return hone_fail(err, HONE_E_NOMEM, "sampling: out of memory");
    for (int32_t id = 0; id < p->n_vocab; id++) {
        size_t len;
        const char *bytes = hone_tokenizer_bytes(tok, id, &len);
        for (size_t b = 0; bytes && b < s->n_dry_breaker; b++) {
            const char *want = s->dry_breaker[b];
            if (memmem(bytes, len, want, strlen(want))) p->breaker[id] = 1;
        }
    }
    return HONE_OK;
}

hone_status hone_sampler_new(hone_sampler **out, const hone_sampling *s,
                             const hone_tokenizer *tok, int n_vocab, hone_error *err)
{
    HONE_TRY(hone_sampling_check(s, n_vocab, err));
    hone_sampler *p = hone_alloc_zero(1, sizeof *p);
    if (!p) return hone_fail(err, HONE_E_NOMEM, "sampling: out of memory");
    p->s = *s;
    p->n_vocab = n_vocab;
    p->mu = 2.0 * (double)s->mirostat_tau;
    hone_rng_init(&p->rng, s->seed);
    p->bias = hone_alloc(s->n_bias, sizeof *p->bias);
    hone_status st = HONE_OK;
    if (!p->bias) {
        st = hone_fail(err, HONE_E_NOMEM, "sampling: out of memory");
    } else {
        if (s->n_bias) memcpy(p->bias, s->bias, s->n_bias * sizeof *p->bias);
        st = mark_breakers(p, tok, err);
    }
    p->s.bias = p->bias;
    p->s.dry_breaker = NULL;
    if (st) {
        hone_sampler_free(p);
        return st;
    }
    *out = p;
    return HONE_OK;
}

void hone_sampler_free(hone_sampler *p)
{
    if (!p) return;
    hone_free(p->bias);
    hone_free(p->breaker);
    hone_free(p);
}

/* -- changes to logits ------------------------------------------------------------ */

/* Start of the last `last_n` tokens; -1 is all. */
static size_t window_start(size_t n, int last_n)
{
    return last_n < 0 || (size_t)last_n >= n ? 0 : n - (size_t)last_n;
}

static void apply_penalties(const hone_sampler *p, hone_sampler_work *w,
                            const int32_t *history, size_t n)
{
    const hone_sampling *s = &p->s;
    const bool off = s->repeat_penalty == 1.0f && s->presence_penalty == 0.0f &&
                     s->frequency_penalty == 0.0f;
    if (off) return;
    const size_t from = window_start(n, s->penalty_last_n);
    for (size_t i = from; i < n; i++) {
        w->count[history[i]]++;
    }
    for (size_t i = from; i < n; i++) {
        const int32_t id = history[i];
        const int32_t count = w->count[id];
        if (count == 0) continue; /* already done */
        w->count[id] = 0;
        float *l = &w->logits[id];
        if (*l > 0.0f)
            *l /= s->repeat_penalty;
        else
            *l *= s->repeat_penalty;
        *l -= s->presence_penalty + (float)count * s->frequency_penalty;
    }
}

/* DRY: a token that would continue a repetition of length m loses
 * multiplier * base^(m - allowed).  For every earlier place in the window the length of
 * the match that ends there with the end of the history is found; breakers cut it. */
static void apply_dry(const hone_sampler *p, hone_sampler_work *w,
                      const int32_t *history, size_t n)
{
    const hone_sampling *s = &p->s;
    if (s->dry_multiplier <= 0.0f || n < 2) return;
    enum {
        LONGEST = 64 /* matches count no further: the penalty is beyond any logit */
    };
    const size_t from = window_start(n, s->dry_last_n);
    for (size_t i = from; i + 1 < n; i++) {
        size_t m = 0;
        while (m < LONGEST && m <= i - from && history[i - m] == history[n - 1 - m] &&
               !(p->breaker && p->breaker[history[i - m]])) {
            m++;
        }
        const int32_t next = history[i + 1];
        if (m == 0 || m < (size_t)s->dry_allowed_length) continue;
        if ((int32_t)m > w->count[next]) w->count[next] = (int32_t)m;
    }
    for (size_t i = from; i < n; i++) {
        const int32_t id = history[i];
        if (w->count[id] == 0) continue;
        const double over = w->count[id] - s->dry_allowed_length;
        w->count[id] = 0;
        w->logits[id] -=
            (float)((double)s->dry_multiplier * pow((double)s->dry_base, over));
    }
}

/* -- truncations ------------------------------------------------------------------ */

static void softmax(hone_candidate *c, size_t n)
{
    double total = 0.0;
    for (size_t i = 0; i < n; i++) {
        c[i].p = exp((double)c[i].logit - (double)c[0].logit);
        total += c[i].p;
    }
    for (size_t i = 0; i < n; i++) {
        c[i].p /= total;
    }
}

/* Keep the tokens whose surprise is nearest to the entropy, up to probability p. */
static size_t keep_typical(const hone_sampler *s, hone_sampler_work *w, size_t n)
{
    hone_candidate *c = w->c;
    softmax(c, n);
    double entropy = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (c[i].p > 0.0) entropy -= c[i].p * log(c[i].p);
    }
    /* Sort by distance with the distance in place of the logit, then restore order. */
    for (size_t i = 0; i < n; i++) {
        w->spread[c[i].id] = (double)c[i].logit;
        c[i].logit = (float)-fabs(-log(fmax(c[i].p, 1e-300)) - entropy);
    }
    hone_candidates_sort(c, n);
    double total = 0.0;
    size_t keep = 0;
    while (keep < n && total < (double)s->s.typical_p) {
        total += c[keep++].p;
    }
    if (keep == 0) keep = 1;
    for (size_t i = 0; i < n; i++) {
        c[i].logit = (float)w->spread[c[i].id];
    }
    hone_candidates_sort(c, keep);
    return keep;
}

static size_t keep_top_p(hone_candidate *c, size_t n, double top_p)
{
    softmax(c, n);
    double total = 0.0;
    size_t keep = 0;
    while (keep < n) {
        total += c[keep++].p;
        if (total >= top_p) break;
    }
    return keep ? keep : 1;
}

static size_t keep_min_p(const hone_candidate *c, size_t n, double min_p)
{
    size_t keep = 1;
    while (keep < n && exp((double)c[keep].logit - (double)c[0].logit) >= min_p) {
        keep++;
    }
    return keep;
}

/* XTC: with some probability drop all but the least likely of the tokens that reach the
 * threshold. */
static size_t exclude_top(hone_sampler *s, hone_sampler_work *w, size_t n)
{
    if (s->s.xtc_probability <= 0.0f || s->s.xtc_threshold > 0.5f || n < 2) return n;
    if (hone_rng_f64(&s->rng) >= (double)s->s.xtc_probability) return n;
    softmax(w->c, n);
    size_t above = 0;
    while (above < n && w->c[above].p >= (double)s->s.xtc_threshold) {
        above++;
    }
    if (above < 2) return n;
    memmove(w->c, w->c + above - 1, (n - above + 1) * sizeof *w->c);
    return n - above + 1;
}

static void heat(hone_candidate *c, size_t n, float temperature)
{
    for (size_t i = 0; i < n; i++) {
        c[i].logit /= temperature;
    }
}

static size_t draw(hone_sampler *s, const hone_sampler_work *w, size_t n)
{
    softmax(w->c, n);
    double at = hone_rng_f64(&s->rng);
    for (size_t i = 0; i + 1 < n; i++) {
        at -= w->c[i].p;
        if (at < 0.0) return i;
    }
    return n - 1;
}

/* Keep what surprises by at most mu bits, draw, move mu by the error. */
static int32_t mirostat(hone_sampler *s, hone_sampler_work *w, size_t n)
{
    heat(w->c, n, s->s.temperature);
    softmax(w->c, n);
    size_t keep = 1;
    while (keep < n && -log2(w->c[keep].p) <= s->mu) {
        keep++;
    }
    const size_t i = draw(s, w, keep);
    const double surprise = -log2(w->c[i].p);
    s->mu -= (double)s->s.mirostat_eta * (surprise - (double)s->s.mirostat_tau);
    return w->c[i].id;
}

/* Nothing changes the order of logits before the most likely one is taken. */
static bool is_plain_greedy(const hone_sampling *s)
{
    return s->temperature == 0.0f && s->n_bias == 0 && s->repeat_penalty == 1.0f &&
           s->presence_penalty == 0.0f && s->frequency_penalty == 0.0f &&
           s->dry_multiplier == 0.0f;
}

/* Top-p of all tokens: the best are sorted only as far as they are kept. */
static size_t best_of_mass(const hone_sampler *s, hone_sampler_work *w, float max)
{
    const double want = (double)s->s.top_p * hone_logits_mass(w, max, 1.0f);
    for (size_t k = 64;; k *= 16) {
        const size_t n = hone_candidates_best(w, k);
        double sum = 0.0;
        for (size_t i = 0; i < n; i++) {
            sum += exp((double)w->c[i].logit - (double)max);
            if (sum >= want) return i + 1;
        }
        if (n < k) return n;
    }
}

/* What top-k, typical, top-p and min-p keep, best first. */
static size_t keep(const hone_sampler *p, hone_sampler_work *w, float max)
{
    const hone_sampling *s = &p->s;
    size_t k;
    if (s->top_k > 0) {
        k = hone_candidates_best(w, (size_t)s->top_k);
    } else if (s->typical_p < 1.0f) {
        k = hone_candidates_all(w);
    } else if (s->top_p < 1.0f) {
        k = best_of_mass(p, w, max);
        return s->min_p > 0.0f ? keep_min_p(w->c, k, (double)s->min_p) : k;
    } else {
        const bool all = s->min_p == 0.0f;
        k = hone_candidates_above(w, all ? -INFINITY : max + logf(s->min_p) - 1e-3f);
    }
    if (s->typical_p < 1.0f) k = keep_typical(p, w, k);
    if (s->top_p < 1.0f) k = keep_top_p(w->c, k, (double)s->top_p);
    if (s->min_p > 0.0f) k = keep_min_p(w->c, k, (double)s->min_p);
    return k;
}

static bool keeps_all(const hone_sampling *s)
{
    return s->top_k == 0 && s->typical_p >= 1.0f && s->top_p >= 1.0f &&
           s->min_p == 0.0f && s->xtc_probability <= 0.0f;
}

int32_t hone_sampler_sample(hone_sampler *p, hone_sampler_work *w, const float *logits,
                            const uint32_t *mask, const int32_t *history, size_t n)
{
    const hone_sampling *s = &p->s;
    int32_t best;
    HONE_ASSERT(w->n_vocab == p->n_vocab);
    if (is_plain_greedy(s) && !mask) {
        (void)hone_logits_max(logits, p->n_vocab, &best);
        return best;
    }
    hone_sampler_take(w, logits, mask);
    for (size_t i = 0; i < s->n_bias; i++) {
        w->logits[s->bias[i].id] += s->bias[i].bias;
    }
    apply_penalties(p, w, history, n);
    apply_dry(p, w, history, n);
    const float max = hone_logits_max(w->logits, p->n_vocab, &best);
    if (max == -INFINITY) return mask ? -1 : best; /* a bias may forbid everything */
    if (s->temperature == 0.0f || max == INFINITY) return best;
    if (s->mirostat == 2) return mirostat(p, w, hone_candidates_all(w));
    if (keeps_all(s)) {
        const float scale = 1.0f / s->temperature;
        const double at = hone_rng_f64(&p->rng) * hone_logits_mass(w, max, scale);
        return hone_logits_at(w, max, scale, at);
    }
    size_t k = keep(p, w, max);
    k = exclude_top(p, w, k);
    heat(w->c, k, s->temperature);
    return w->c[draw(p, w, k)].id;
}

float hone_logprobs(const float *logits, int n_vocab, int32_t id, hone_logprob *top,
                    size_t n_top)
{
    float max = -INFINITY;
    for (int i = 0; i < n_vocab; i++) {
        if (logits[i] > max) max = logits[i];
    }
    double total = 0.0;
    for (int i = 0; i < n_vocab; i++) {
        total += exp((double)logits[i] - (double)max);
    }
    const double norm = (double)max + log(total);
    size_t n = 0;
    for (int32_t i = 0; i < n_vocab && n_top > 0; i++) {
        if (n == n_top && !(logits[i] > top[n - 1].logprob)) continue;
        size_t j = n < n_top ? n++ : n - 1;
        for (; j > 0 && top[j - 1].logprob < logits[i]; j--) {
            top[j] = top[j - 1];
        }
        top[j] = (hone_logprob){i, logits[i]};
    }
    for (size_t i = 0; i < n; i++) {
        top[i].logprob = (float)((double)top[i].logprob - norm);
    }
    return (float)((double)logits[id] - norm);
}
