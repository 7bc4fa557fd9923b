/* plan.c - where each value of a step lives.
 *
 * A value is alive from the op that writes it to the last that reads it.  Values are
 * placed in order of size, largest first, each at the lowest offset where no value that
 * is alive at the same time lies (greedy by size: Pisarchyk and Lee 2020,
 * arXiv:2001.03288, sec. 4.2). */
#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "program/op_internal.h"

static bool value_bytes(const hone_value_info *v, int n_row_max, int n_out_max,
                        size_t *bytes)
{
    const int n_row = v->rows == HONE_ROWS_STEP ? n_row_max : n_out_max;
    return hone_mul_size((size_t)n_row, (size_t)v->width * sizeof(float), bytes) &&
           hone_align_size(*bytes, HONE_CACHE_LINE, bytes);
}

static bool overlap_in_time(const hone_value_info *a, const hone_value_info *b)
{
    return a->first_op <= b->last_op && b->first_op <= a->last_op;
}

/* Values that are placed, in order of offset. */
typedef struct placed {
    size_t value, from, to;
} placed;

/* Lowest offset for value v among the n placed ones that live at the same time. */
static size_t lowest_gap(const hone_program *p, const placed *done, size_t n, size_t v,
                         size_t bytes)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!overlap_in_time(&p->value[v], &p->value[done[i].value])) continue;
        if (at + bytes <= done[i].from) break;
        if (done[i].to > at) at = done[i].to;
    }
    return at;
}

static void insert(placed *done, size_t n, placed e)
{
    size_t i = n;
    while (i > 0 && done[i - 1].from > e.from) {
        done[i] = done[i - 1];
        i--;
    }
    done[i] = e;
}

hone_status hone_plan_init(hone_plan *plan, const hone_program *p, int n_row_max,
                           int n_out_max, hone_error *err)
{
    const size_t n = p->n_value;
    size_t *bytes = hone_alloc(n, sizeof *bytes);
    placed *done = hone_alloc(n, sizeof *done);
    bool *is_done = hone_alloc_zero(n, sizeof *is_done);
    *plan = (hone_plan){.offset = hone_alloc(n, sizeof *plan->offset)};
    hone_status s = HONE_OK;

    if (!bytes || !done || !is_done || !plan->offset) {
        s = hone_fail(err, HONE_E_NOMEM, "plan: out of memory");
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        if (!value_bytes(&p->value[i], n_row_max, n_out_max, &bytes[i]) ||
            bytes[i] > SIZE_MAX / 4 / n) {
            s = hone_fail(err, HONE_E_LIMIT, "plan: value '%s' of %d rows is too large",
                          p->value[i].name, n_row_max);
            goto out;
        }
    }
    for (size_t k = 0; k < n; k++) {
        size_t v = n;
        for (size_t i = 0; i < n; i++) {
            if (!is_done[i] && (v == n || bytes[i] > bytes[v])) v = i;
        }
        const size_t at = lowest_gap(p, done, k, v, bytes[v]);
        insert(done, k, (placed){v, at, at + bytes[v]});
        is_done[v] = true;
        plan->offset[v] = at;
        if (at + bytes[v] > plan->bytes) plan->bytes = at + bytes[v];
    }
out:
    hone_free(bytes);
    hone_free(done);
    hone_free(is_done);
    if (s) hone_plan_release(plan);
    return s;
}

void hone_plan_release(hone_plan *plan)
{
    hone_free(plan->offset);
    *plan = (hone_plan){0};
}
