/* tier_tmpl.h - a tier's whole table from the templates; comes behind vec_<isa>.h and
 * the templates themselves, in the one file of the tier that fills the table. */

#define X(name, pair, scale, offset, zero, full, by16)                                 \
    k->linear[HONE_##name] = VEC_TIER(linear_##name);
static void VEC_TIER(fill_table)(hone_kernels *k)
{
    QUANTIZED(X)
    k->packs = true;
    k->linear[HONE_F32] = VEC_TIER(linear_f32);
    k->linear[HONE_F16] = VEC_TIER(linear_f16);
    k->linear[HONE_BF16] = VEC_TIER(linear_bf16);
    k->quantize = VEC_TIER(quantize);
    k->rmsnorm = VEC_TIER(rmsnorm);
    k->exp_sum = VEC_TIER(exp_sum);
    k->rope = VEC_TIER(rope);
    k->gate[HONE_ACT_SILU] = VEC_TIER(gate_silu);
    k->widen[HONE_F16] = VEC_TIER(widen_f16);
    k->narrow[HONE_F16] = VEC_TIER(narrow_f16);
    k->merge = VEC_TIER(merge);
    k->finish = VEC_TIER(finish);
    k->attention = VEC_TIER(attention);
}
#undef X
