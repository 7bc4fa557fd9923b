#include "model/spec.h"

#include <math.h>

#include "base/mem.h"

void hone_spec_release(hone_spec *s)
{
    hone_free(s->architecture);
    hone_free(s->name);
    hone_free(s->activation);
    hone_free(s->layer);
    *s = (hone_spec){0};
}

static hone_status check_range(const char *name, int value, int hi, hone_error *err)
{
    if (value >= 1 && value <= hi) return HONE_OK;
    return hone_fail(err, HONE_E_FORMAT, "%s: expected 1 to %d, found %d", name, hi,
                     value);
}

hone_status hone_spec_check(const hone_spec *s, hone_error *err)
{
    HONE_TRY(check_range("n_layer", s->n_layer, HONE_MAX_LAYER, err));
    HONE_TRY(check_range("d_model", s->d_model, HONE_MAX_WIDTH, err));
    HONE_TRY(check_range("d_ff", s->d_ff, HONE_MAX_WIDTH, err));
    HONE_TRY(check_range("n_head", s->n_head, HONE_MAX_WIDTH, err));
    HONE_TRY(check_range("n_head_kv", s->n_head_kv, s->n_head, err));
    HONE_TRY(check_range("d_head", s->d_head, HONE_MAX_WIDTH, err));
    HONE_TRY(check_range("n_vocab", s->n_vocab, HONE_MAX_WIDTH, err));
    HONE_TRY(check_range("n_ctx", s->n_ctx, INT32_MAX / 2, err));
    if (s->n_head % s->n_head_kv) {
        return hone_fail(err, HONE_E_FORMAT,
                         "n_head_kv: expected a divisor of %d heads, found %d",
                         s->n_head, s->n_head_kv);
    }
    if ((int64_t)s->n_head * s->d_head > HONE_MAX_WIDTH) {
        return hone_fail(err, HONE_E_FORMAT, "heads: %d of width %d are too many",
                         s->n_head, s->d_head);
    }
    const hone_rope_spec *r = &s->rope;
    if (r->n_rot < 0 || r->n_rot > s->d_head || r->n_rot % 2) {
        return hone_fail(err, HONE_E_FORMAT,
                         "rotary width: expected an even number up to %d, found %d",
                         s->d_head, r->n_rot);
    }
    if (!(r->theta > 0.0) || !isfinite(r->theta) || !(r->factor > 0.0) ||
        !isfinite(r->factor)) {
        return hone_fail(err, HONE_E_FORMAT, "rotary base or factor: not positive");
    }
    if (!(s->norm_eps >= 0.0f) || !(s->norm_eps < 1.0f)) {
        return hone_fail(err, HONE_E_FORMAT, "norm epsilon: expected 0 to 1, found %g",
                         (double)s->norm_eps);
    }
    return HONE_OK;
}
