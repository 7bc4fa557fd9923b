/* kv_layout.c - how one page of the K/V cache is divided. */
#include "base/mem.h"
#include "base/size.h"
#include "program/op_internal.h"

/* Bytes of page_len positions of `heads` heads of width d, to a whole cache line. */
static bool part_bytes(int heads, int page_len, int d, hone_dtype type, size_t *out)
{
    size_t n;
    return hone_mul_size((size_t)heads * (size_t)page_len, (size_t)d, &n) &&
           hone_mul_size(n, hone_dtype_get(type)->bytes, &n) &&
           hone_align_size(n, HONE_CACHE_LINE, out);
}

hone_status hone_kv_layout_init(hone_kv_layout *l, const hone_program *p,
                                hone_dtype type, int page_len, hone_error *err)
{
    if (type != HONE_F32 && type != HONE_F16 && type != HONE_BF16) {
        return hone_fail(err, HONE_E_INVALID,
                         "kv type: expected f32, f16 or bf16, found %s",
                         hone_dtype_get(type)->name);
    }
    if (page_len < 1 || page_len > HONE_PAGE_MAX) {
        return hone_fail(err, HONE_E_INVALID,
                         "kv page: expected 1 to %d positions, found %d", HONE_PAGE_MAX,
                         page_len);
    }
    *l = (hone_kv_layout){.k_type = type, .v_type = type, .page_len = page_len};
    l->slot = hone_alloc_zero((size_t)p->n_kv_slot, sizeof *l->slot);
    if (!l->slot) return hone_fail(err, HONE_E_NOMEM, "kv layout: out of memory");

    for (size_t i = 0; i < p->n_op; i++) {
        const hone_op *op = &p->op[i];
        if (op->kind != HONE_OP_ATTENTION) continue;
        const hone_attention *a = &op->attention;
        size_t k, v;
        hone_kv_slot *s = &l->slot[op->kv_slot];
        if (!part_bytes(a->n_head_kv, hone_page_stride(page_len), a->d_k, type, &k) ||
            !part_bytes(a->n_head_kv, page_len, a->d_v, type, &v) ||
            !hone_add_size(l->page_bytes, k, &s->v_offset) ||
            !hone_add_size(s->v_offset, v, &l->page_bytes)) {
            hone_kv_layout_release(l);
            return hone_fail(err, HONE_E_LIMIT, "kv layout: a page does not fit");
        }
        s->k_offset = s->v_offset - k;
        s->n_head_kv = a->n_head_kv;
        s->d_k = a->d_k;
        s->d_v = a->d_v;
        l->n_slot++;
    }
    if (l->page_bytes == 0) l->page_bytes = HONE_CACHE_LINE;
    return HONE_OK;
}

void hone_kv_layout_release(hone_kv_layout *l)
{
    hone_free(l->slot);
    *l = (hone_kv_layout){0};
}
