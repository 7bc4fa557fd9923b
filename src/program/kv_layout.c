/* kv_layout.c - how one page of the K/V cache is divided. */
#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "kernel/kv_page.h"
#include "program/op_internal.h"

/* "K" or "K,V". */
static hone_status parse_types(const char *text, hone_dtype *k, hone_dtype *v,
                               hone_error *err)
{
    char key[8] = "";
    const size_t n = strcspn(text, ",");
    if (n < sizeof key) memcpy(key, text, n);
    if (hone_dtype_from_name(key, k) &&
        hone_dtype_from_name(text[n] ? text + n + 1 : key, v) && hone_kv_type(*k) &&
        hone_kv_type(*v))
        return HONE_OK;
    return hone_fail(err, HONE_E_INVALID,
                     "kv type '%s': expected f32, f16, bf16, q8_0 or q4_0, or two of "
                     "them as K,V",
                     text);
}

hone_status hone_kv_layout_init(hone_kv_layout *l, const hone_program *p,
                                const char *types, int page_len, hone_error *err)
{
    hone_dtype k_type, v_type;
    HONE_TRY(parse_types(types, &k_type, &v_type, err));
    if (page_len < 1 || page_len > HONE_PAGE_MAX) {
        return hone_fail(err, HONE_E_INVALID,
                         "kv page: expected 1 to %d positions, found %d", HONE_PAGE_MAX,
                         page_len);
    }
    *l = (hone_kv_layout){.k_type = k_type, .v_type = v_type, .page_len = page_len};
    l->slot = hone_alloc_zero((size_t)p->n_kv_slot, sizeof *l->slot);
    if (!l->slot) return hone_fail(err, HONE_E_NOMEM, "kv layout: out of memory");

    for (size_t i = 0; i < p->n_op; i++) {
        const hone_op *op = &p->op[i];
        if (op->kind != HONE_OP_ATTENTION) continue;
        const hone_attention *a = &op->attention;
        size_t k, v;
        hone_kv_slot *s = &l->slot[op->kv_slot];
        if (!hone_mul_size((size_t)a->n_head_kv,
                           hone_kv_key_bytes(k_type, a->d_k, page_len), &k) ||
            !hone_mul_size((size_t)a->n_head_kv,
                           hone_kv_value_bytes(v_type, a->d_v, page_len), &v) ||
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
