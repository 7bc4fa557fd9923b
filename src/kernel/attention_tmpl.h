/* attention_tmpl.h - attention over pages for one tier; comes behind vec_<isa>.h.
 *
 * Queries (every head of every row that shares the K/V head) are taken a few at a time
 * against one page.  The page is widened to floats once for all of them (kv_widen_tmpl.h).
 * Keys lie
 * transposed in a page, so 16 scores come out of 16 lanes:
 *
 *     s[j] = sum_i q[i] * kt[i][j]         lanes are positions j, one addition an i
 *     p    = exp(s - max)                  max over the pages of this split so far
 *     out  = out * exp(old max - max) + sum_j p[j] * v[j]    lanes are columns of v
 *
 * Each sum runs in one order whatever queries stand beside; positions a query does not
 * see have p = 0.  Splits of HONE_SPLIT_LEN positions end in states of their own, which
 * are merged in order. */
#include <math.h>

#include "base/mem.h"
#include "kernel/exp_tmpl.h"
#include "kernel/kernel_tiers.h"
#include "kernel/kv_widen_tmpl.h"

enum {
    Q_COLS = VEC_QUERY_COLS, /* queries of a tile */
    O_VECS = VEC_QUERY_VECS, /* vectors of out of a tile */
    KEY_VECS = 2,            /* vectors of scores of a tile */
    STATE_HEAD = 16          /* floats of a state before its output */
};

/* Scores of C queries, a constant, against V vectors of slots from j on. */
VEC_INLINE void score_tile(float (*s)[HONE_PAGE_MAX], const float *const *q,
                           const wide_page *w, int d_k, float scale, int j, int C,
                           int V)
{
    vf acc[Q_COLS * KEY_VECS];
    for (int i = 0; i < C * V; i++) {
        acc[i] = vf_zero();
    }
    for (int i = 0; i < d_k; i++) {
        const float *kt = w->kt + (ptrdiff_t)i * w->k_stride + j;
        vf k[KEY_VECS];
        for (int v = 0; v < V; v++) {
            k[v] = vf_load(kt + 16 * v);
        }
        for (int c = 0; c < C; c++) {
            const vf x = vf_set1(q[c][i]);
            for (int v = 0; v < V; v++) {
                acc[c * V + v] = vf_fma(x, k[v], acc[c * V + v]);
            }
        }
    }
    for (int c = 0; c < C; c++) {
        for (int v = 0; v < V; v++) {
            vf_store(s[c] + j + 16 * v, vf_mul(acc[c * V + v], vf_set1(scale)));
        }
    }
}

/* Slots of the page that the query at `position` sees: *from .. returned value. */
VEC_INLINE int seen(const hone_attention_args *a, const wide_page *w, int position,
                    int *from)
{
    const int first = a->window > 0 ? position - a->window + 1 - w->start : 0;
    const int to = position + 1 - w->start;
    *from = first > w->from ? first : w->from;
    return to < w->to ? to : w->to;
}

/* Lanes that the query at `position` does not see to minus infinity; the cap. */
VEC_INLINE void mask(float *s, const hone_attention_args *a, const wide_page *w,
                     int position)
{
    int from;
    const int to = seen(a, w, position, &from), begin = w->from & ~15;
    const int end = (w->to + 15) & ~15;
    for (int j = begin; j < from; j++) {
        s[j] = -INFINITY;
    }
    for (int j = to > begin ? to : begin; j < end; j++) {
        s[j] = -INFINITY;
    }
    for (int j = from; a->softcap > 0.0f && j < to; j++) {
        s[j] = a->softcap * tanhf(s[j] / a->softcap);
    }
}

/* Scores of C queries to exp(score - max) in place; maxima and sums of their states (in
 * front of out[c]) are brought up to date, and rescale[c] is what an output so far is to
 * be multiplied with. */
VEC_INLINE void soften(float (*s)[HONE_PAGE_MAX], const wide_page *w, float *const *out,
                       float *rescale, int C)
{
    const int begin = w->from & ~15, end = (w->to + 15) & ~15;
    float old[16] = {0}, max[16] = {0}, total[16] = {0}, sum[16] = {0};
    for (int c = 0; c < C; c++) {
        vf most = vf_load(s[c] + begin);
        for (int j = begin + 16; j < end; j += 16) {
            most = vf_max(most, vf_load(s[c] + j));
        }
        old[c] = out[c][-STATE_HEAD];
        total[c] = out[c][1 - STATE_HEAD];
        max[c] = vf_greatest(most);
        if (old[c] > max[c]) max[c] = old[c];
        /* the first page of a state: its output is zero, and so is its sum */
        if (total[c] == 0.0f) old[c] = max[c];
    }
    const vf r = vec_exp(vf_sub(vf_load(old), vf_load(max)));
    vf_store(rescale, r);
    for (int c = 0; c < C; c++) {
        vf part = vf_zero();
        for (int j = begin; j < end; j += 16) {
            const vf p = vec_exp(vf_sub(vf_load(s[c] + j), vf_set1(max[c])));
            vf_store(s[c] + j, p);
            part = vf_add(part, p);
        }
        sum[c] = vf_sum(part);
    }
    vf_store(sum, vf_fma(vf_load(total), r, vf_load(sum)));
    for (int c = 0; c < C; c++) {
        out[c][-STATE_HEAD] = max[c];
        out[c][1 - STATE_HEAD] = sum[c];
    }
}

/* out[c] = out[c] * rescale[c] + sum_j s[c][j] * v[j], V vectors of columns from i on. */
VEC_INLINE void value_tile(float *const *out, const float *rescale,
                           float (*s)[HONE_PAGE_MAX], const wide_page *w, int i, int C,
                           int V)
{
    vf acc[Q_COLS * O_VECS];
    for (int c = 0; c < C; c++) {
        for (int v = 0; v < V; v++) {
            acc[c * V + v] = vf_mul(vf_load(out[c] + i + 16 * v), vf_set1(rescale[c]));
        }
    }
    for (int j = w->from; j < w->to; j++) {
        const float *row = w->v + (ptrdiff_t)j * w->v_stride + i;
        vf x[O_VECS];
        for (int v = 0; v < V; v++) {
            x[v] = vf_load(row + 16 * v);
        }
        for (int c = 0; c < C; c++) {
            const vf p = vf_set1(s[c][j]);
            for (int v = 0; v < V; v++) {
                acc[c * V + v] = vf_fma(p, x[v], acc[c * V + v]);
            }
        }
    }
    for (int c = 0; c < C; c++) {
        for (int v = 0; v < V; v++) {
            vf_store(out[c] + i + 16 * v, acc[c * V + v]);
        }
    }
}

/* C queries, a constant, from number u on against one page. */
VEC_INLINE void query_tile(const hone_attention_args *a, const wide_page *w,
                           float *states, int u, int C)
{
    _Alignas(64) float s[Q_COLS][HONE_PAGE_MAX];
    const float *q[Q_COLS];
    float *out[Q_COLS], rescale[16];
    const int len = hone_state_len(a->d_v), end = (w->to + 15) & ~15;
    for (int c = 0; c < C; c++) {
        const int row = (u + c) / a->n_q, head = (u + c) % a->n_q;
        q[c] = a->q + (size_t)row * a->ldq + (ptrdiff_t)head * a->d_k;
        out[c] = states + (ptrdiff_t)(u + c) * len + STATE_HEAD;
    }
    int j = w->from & ~15;
    for (; j + 32 <= end; j += 32) {
        score_tile(s, q, w, a->d_k, a->scale, j, C, 2);
    }
    for (; j < end; j += 16) {
        score_tile(s, q, w, a->d_k, a->scale, j, C, 1);
    }
    for (int c = 0; c < C; c++) {
        mask(s[c], a, w, a->position + (u + c) / a->n_q);
    }
    soften(s, w, out, rescale, C);
    int i = 0;
    for (; i + 16 * O_VECS <= w->v_stride; i += 16 * O_VECS) {
        value_tile(out, rescale, s, w, i, C, O_VECS);
    }
    for (; i < w->v_stride; i += 16) {
        value_tile(out, rescale, s, w, i, C, 1);
    }
}

/* One page for all rows that see something of it. */
static void VEC_TIER(attend_page)(const hone_attention_args *a, int number, int next,
                                  float *states)
{
    const int start = number * a->page_len, end = start + a->page_len;
    /* rows whose last position is in the page or behind, whose first before its end */
    const int lo = start > a->position ? start - a->position : 0;
    int hi = a->n_row;
    if (a->window > 0 && end - 1 + a->window - a->position < hi) {
        hi = end - 1 + a->window - a->position;
    }
    if (lo >= hi) return;
    wide_page w = {.k_stride = hone_page_stride(a->page_len),
                   .v_stride = (a->d_v + 15) & ~15,
                   .start = start};
    w.kt = a->scratch;
    w.v = w.kt + (ptrdiff_t)a->d_k * w.k_stride;
    const int last = a->position + hi - 1 - start;
    const int first = a->window > 0 ? a->position + lo - a->window + 1 - start : 0;
    w.to = last + 1 < a->page_len ? last + 1 : a->page_len;
    w.from = first > 0 ? first : 0;
    VEC_TIER(widen_page)(&w, a, a->page[number], a->page[next]);
    int u = lo * a->n_q;
    for (; u + Q_COLS <= hi * a->n_q; u += Q_COLS) {
        query_tile(a, &w, states, u, Q_COLS);
    }
    for (; Q_COLS > 4 && u + 4 <= hi * a->n_q; u += 4) {
        query_tile(a, &w, states, u, 4);
    }
    for (; Q_COLS > 2 && u + 2 <= hi * a->n_q; u += 2) {
        query_tile(a, &w, states, u, 2);
    }
    for (; u < hi * a->n_q; u++) {
        query_tile(a, &w, states, u, 1);
    }
}

/* into = into and from together; an empty one has sum 0. */
static void VEC_TIER(merge)(float *into, const float *from, int d_v)
{
    const int len = hone_state_len(d_v);
    if (from[1] == 0.0f) return;
    if (into[1] == 0.0f) {
        memcpy(into, from, (size_t)len * sizeof *into);
        return;
    }
    const float max = into[0] > from[0] ? into[0] : from[0];
    const float a = expf(into[0] - max), b = expf(from[0] - max);
    into[0] = max;
    into[1] = into[1] * a + from[1] * b;
    for (int i = STATE_HEAD; i < len; i += 16) {
        const vf x = vf_mul(vf_load(into + i), vf_set1(a));
        vf_store(into + i, vf_fma(vf_load(from + i), vf_set1(b), x));
    }
}

static void VEC_TIER(finish)(float *out, const float *state, int d_v)
{
    const vf total = vf_set1(state[1]);
    for (int i = 0; i < d_v; i += 16) {
        const vf x = vf_div(vf_load(state + STATE_HEAD + i), total);
        vf_store_n(out + i, x, d_v - i < 16 ? d_v - i : 16);
    }
}

static void VEC_TIER(attend_split)(const hone_attention_args *a, int split,
                                   float *states)
{
    const int pages = hone_split_pages(a->page_len);
    const int last = (a->position + a->n_row - 1) / a->page_len;
    const int end = (split + 1) * pages < last + 1 ? (split + 1) * pages : last + 1;
    const int n = a->n_row * a->n_q, len = hone_state_len(a->d_v);
    for (int u = 0; u < n; u++) {
        memset(states + (ptrdiff_t)u * len, 0, (size_t)len * sizeof *states);
        states[(ptrdiff_t)u * len] = -INFINITY;
    }
    for (int p = split * pages; p < end; p++) {
        VEC_TIER(attend_page)(a, p, p < last ? p + 1 : p, states);
    }
}

static void VEC_TIER(attention)(const hone_attention_args *a)
{
    if (a->split >= 0) {
        VEC_TIER(attend_split)(a, a->split, a->state);
        return;
    }
    const int n = a->n_row * a->n_q, len = hone_state_len(a->d_v);
    float *sum = a->state, *part = sum + (ptrdiff_t)n * len;
    int first = a->position - a->window + 1;
    if (a->window <= 0 || first < 0) first = 0;
    const int split_len = hone_split_pages(a->page_len) * a->page_len;
    const int from = first / split_len, to = (a->position + a->n_row - 1) / split_len;
    VEC_TIER(attend_split)(a, from, sum);
    for (int s = from + 1; s <= to; s++) {
        VEC_TIER(attend_split)(a, s, part);
        for (int u = 0; u < n; u++) {
            VEC_TIER(merge)
            (sum + (ptrdiff_t)u * len, part + (ptrdiff_t)u * len, a->d_v);
        }
    }
    for (int u = 0; u < n; u++) {
        float *out =
            a->out + (size_t)(u / a->n_q) * a->ldo + (ptrdiff_t)(u % a->n_q) * a->d_v;
        VEC_TIER(finish)(out, sum + (ptrdiff_t)u * len, a->d_v);
    }
}
