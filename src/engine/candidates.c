#include "engine/candidates.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/size.h"

enum {
    FEW = 128,   /* candidates that are kept in order while the logits are read once */
    BLOCK = 1024 /* logits whose mass is summed at once */
};

hone_status hone_sampler_work_init(hone_sampler_work *w, const hone_kernels *k,
                                   int n_vocab, int n_token, hone_error *err)
{
    const size_t n = (size_t)n_vocab;
    *w = (hone_sampler_work){.n_vocab = n_vocab, .exp_sum = k->exp_sum};
    w->logits = hone_alloc_aligned(n, sizeof *w->logits);
    w->c = hone_alloc(n, sizeof *w->c);
    w->spread = hone_alloc(n, sizeof *w->spread);
    w->count = hone_alloc_zero(n, sizeof *w->count);
    w->n_word = ((size_t)(n_token > n_vocab ? n_token : n_vocab) + 31) / 32;
    w->mask = hone_alloc_zero(w->n_word, sizeof *w->mask);
    if (w->logits && w->c && w->spread && w->count && w->mask) return HONE_OK;
    hone_sampler_work_release(w);
    return hone_fail(err, HONE_E_NOMEM, "sampling: out of memory");
}

void hone_sampler_work_release(hone_sampler_work *w)
{
    hone_free(w->logits);
    hone_free(w->c);
    hone_free(w->spread);
    hone_free(w->count);
    hone_free(w->mask);
    *w = (hone_sampler_work){0};
}

void hone_sampler_take(hone_sampler_work *w, const float *logits, const uint32_t *mask)
{
    const int n = w->n_vocab;
    if (!mask) {
        for (int i = 0; i < n; i++) {
            w->logits[i] = logits[i] == logits[i] ? logits[i] : -INFINITY;
        }
        return;
    }
    for (int i = 0; i < n; i++) {
        const bool in = mask[i / 32] >> (i % 32) & 1;
        w->logits[i] = in && logits[i] == logits[i] ? logits[i] : -INFINITY;
    }
}

float hone_logits_max(const float *logits, int n, int32_t *id)
{
    float lane[16];
    for (int j = 0; j < 16; j++) {
        lane[j] = -INFINITY;
    }
    int i = 0;
    for (; i + 16 <= n; i += 16) {
        for (int j = 0; j < 16; j++) {
            lane[j] = logits[i + j] > lane[j] ? logits[i + j] : lane[j];
        }
    }
    for (; i < n; i++) {
        lane[0] = logits[i] > lane[0] ? logits[i] : lane[0];
    }
    float max = lane[0];
    for (int j = 1; j < 16; j++) {
        max = lane[j] > max ? lane[j] : max;
    }
    *id = 0;
    for (i = 0; i < n; i++) {
        if (logits[i] == max) {
            *id = i;
            break;
        }
    }
    return max;
}

static int block_len(const hone_sampler_work *w, int from)
{
    return w->n_vocab - from < BLOCK ? w->n_vocab - from : BLOCK;
}

double hone_logits_mass(const hone_sampler_work *w, float max, float scale)
{
    double sum = 0.0;
    for (int i = 0; i < w->n_vocab; i += BLOCK) {
        sum += (double)w->exp_sum(w->logits + i, block_len(w, i), max, scale);
    }
    return sum;
}

int32_t hone_logits_at(const hone_sampler_work *w, float max, float scale, double at)
{
    int32_t last = 0;
    for (int i = 0; i < w->n_vocab; i += BLOCK) {
        const int len = block_len(w, i);
        const double here = (double)w->exp_sum(w->logits + i, len, max, scale);
        if (at >= here && i + BLOCK < w->n_vocab) {
            at -= here;
            continue;
        }
        for (int j = i; j < i + len; j++) {
            if (w->logits[j] == -INFINITY) continue;
            last = j;
            at -= exp((double)((w->logits[j] - max) * scale));
            if (at < 0.0) return j;
        }
    }
    return last;
}

/* -- in order --------------------------------------------------------------------- */

static int by_logit(const void *a, const void *b)
{
    const hone_candidate *x = a, *y = b;
    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

void hone_candidates_sort(hone_candidate *c, size_t n)
{
    qsort(c, n, sizeof *c, by_logit);
}

/* Move the k best, unordered, to the front: repeated partitioning. */
static void select_best(hone_candidate *c, size_t n, size_t k)
{
    size_t lo = 0, hi = n;
    while (hi - lo > 1) {
        const hone_candidate pivot = c[lo + (hi - lo - 1) / 2];
        size_t i = lo, j = hi - 1;
        for (;;) {
            while (by_logit(&c[i], &pivot) < 0) {
                i++;
            }
            while (by_logit(&pivot, &c[j]) < 0) {
                j--;
            }
            if (i >= j) break;
            const hone_candidate t = c[i];
            c[i++] = c[j];
            c[j--] = t;
        }
        /* [lo, j] are no worse than the pivot, [j+1, hi) no better */
        if (k <= j + 1)
            hi = j + 1;
        else
            lo = j + 1;
    }
}

static size_t gather(hone_sampler_work *w, float least)
{
    size_t n = 0;
    for (int32_t id = 0; id < w->n_vocab; id++) {
        if (w->logits[id] >= least && w->logits[id] > -INFINITY)
            w->c[n++] = (hone_candidate){id, w->logits[id], 0.0};
    }
    return n;
}

size_t hone_candidates_above(hone_sampler_work *w, float least)
{
    const size_t n = gather(w, least);
    hone_candidates_sort(w->c, n);
    return n;
}

size_t hone_candidates_all(hone_sampler_work *w)
{
    return hone_candidates_above(w, -INFINITY);
}

/* Insertion into a short sorted list: few logits get past its last. */
static size_t best_few(hone_sampler_work *w, size_t k)
{
    size_t n = 0;
    float least = -INFINITY;
    for (int32_t id = 0; id < w->n_vocab; id++) {
        const float l = w->logits[id];
        if (!(l > least)) continue;
        size_t j = n < k ? n++ : n - 1;
        for (; j > 0 && w->c[j - 1].logit < l; j--) {
            w->c[j] = w->c[j - 1];
        }
        w->c[j] = (hone_candidate){id, l, 0.0};
        if (n == k) least = w->c[n - 1].logit;
    }
    return n;
}

size_t hone_candidates_best(hone_sampler_work *w, size_t k)
{
    if (k <= FEW) return best_few(w, k);
    size_t n = gather(w, -INFINITY);
    if (k < n) {
        select_best(w->c, n, k);
        n = k;
    }
    hone_candidates_sort(w->c, n);
    return n;
}
