/* exp_tmpl.h - the exponential for templates; comes behind vec_<isa>.h. */
#ifndef HONE_KERNEL_EXP_TMPL_H
#define HONE_KERNEL_EXP_TMPL_H

/* exp(x) within 2e-7 relative for x in [-87, 88]; 0 below -87.3, saturated above 88.
 * exp(x) = 2^n * exp(r), |r| <= ln 2 / 2; the polynomial is the Taylor series of degree
 * 7 in Horner form, whose remainder there is below 1e-8. */
VEC_INLINE vf vec_exp(vf x)
{
    const vf low = vf_set1(-87.3f), given = x;
    x = vf_min(vf_max(x, low), vf_set1(88.0f));
    const vf n = vf_round(vf_mul(x, vf_set1(1.44269504f)));
    /* ln 2 in two parts, so that r keeps all its bits */
    vf r = vf_fma(n, vf_set1(-0.693359375f), x);
    r = vf_fma(n, vf_set1(2.12194440e-4f), r);
    vf p = vf_set1(1.0f / 5040);
    p = vf_fma(p, r, vf_set1(1.0f / 720));
    p = vf_fma(p, r, vf_set1(1.0f / 120));
    p = vf_fma(p, r, vf_set1(1.0f / 24));
    p = vf_fma(p, r, vf_set1(1.0f / 6));
    p = vf_fma(p, r, vf_set1(0.5f));
    p = vf_fma(p, r, vf_set1(1.0f));
    p = vf_fma(p, r, vf_set1(1.0f));
    const vi power = vi_sll(vi_add(vi_from_f(n), vi_set1(127)), 23);
    return vf_keep_ge(vf_mul(p, vf_cast(power)), given, low);
}

#endif
