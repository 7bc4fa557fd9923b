/* spm.c - SentencePiece BPE.
 *
 * Any two neighbours whose joined text is a piece may merge; the best score goes first,
 * then the leftmost.  Equal scores get equal ranks.  Spaces are U+2581.
 * Source: google/sentencepiece, src/bpe_model.cc. */
#include "text/spm.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char block[] = "\xE2\x96\x81"; /* U+2581 */

typedef struct scored {
    float score;
    int32_t id;
} scored;

static int by_score(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool is_mergeable(const int32_t *type, int32_t id)
{
    return !type || type[id] == HONE_TOKEN_NORMAL ||
           type[id] == HONE_TOKEN_USER_DEFINED;
}

static hone_status set_ranks(hone_tokenizer *t, const float *score, const int32_t *type,
                             hone_error *err)
{
    const size_t n = (size_t)t->n_vocab;
    t->bpe.rank = hone_alloc(n, sizeof *t->bpe.rank);
    scored *order = hone_alloc(n, sizeof *order);
    if (!t->bpe.rank || !order) {
        hone_free(order);
        return hone_fail(err, HONE_E_NOMEM, "tokenizer: out of memory");
    }
    for (int32_t i = 0; i < t->n_vocab; i++) {
        const float s = score ? score[i] : 0.0f;
        order[i] = (scored){s == s ? s : -1e30f, i}; /* NaN sorts last */
    }
    qsort(order, n, sizeof *order, by_score);
    int32_t rank = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && order[i].score != order[i - 1].score) rank = (int32_t)i;
        t->bpe.rank[order[i].id] = is_mergeable(type, order[i].id) ? rank : -1;
    }
    hone_free(order);
    return HONE_OK;
}

static hone_status add_replace(hone_steps *steps, hone_step_kind kind, const char *from,
                               const char *to, hone_error *err)
{
    hone_step *s = hone_steps_add(steps, kind);
    HONE_TRY(hone_step_set_regex(s, from, strlen(from), true, err));
    return hone_step_set_text(s, to, strlen(to), err);
}

hone_status hone_spm_finish(hone_tokenizer *t, const float *score, const int32_t *type,
                            const hone_spm_options *o, hone_error *err)
{
    t->bpe.kind = HONE_BPE_RANKS;
    t->bpe.byte_fallback = o->byte_fallback;
    t->bpe.fuse_unk = true;
    HONE_TRY(set_ranks(t, score, type, err));
    hone_bpe_find_bytes(t);
    if (o->squeeze) (void)hone_steps_add(&t->normalizer, HONE_NORM_SQUEEZE);
    if (o->add_dummy_prefix) {
        hone_step *s = hone_steps_add(&t->normalizer, HONE_NORM_PREPEND);
        s->to_empty = !o->squeeze; /* which would take it away again */
        HONE_TRY(hone_step_set_text(s, " ", 1, err));
    }
    HONE_TRY(add_replace(&t->normalizer, HONE_NORM_REPLACE, " ", block, err));
    HONE_TRY(add_replace(&t->decoder, HONE_DEC_REPLACE, block, " ", err));
    if (o->byte_fallback) (void)hone_steps_add(&t->decoder, HONE_DEC_BYTE_FALLBACK);
    (void)hone_steps_add(&t->decoder, HONE_DEC_FUSE);
    t->has_decoder = true;
    if (!o->add_dummy_prefix) return HONE_OK;
    hone_step *strip = hone_steps_add(&t->decoder, HONE_DEC_STRIP);
    strip->n_left = 1;
    return hone_step_set_text(strip, " ", 1, err);
}
