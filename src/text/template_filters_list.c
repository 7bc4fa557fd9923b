/* template_filters_list.c - filters that read lists and dicts. */
#include <stdlib.h>
#include <string.h>

#include "text/template_filters.h"

static tpl_value list_of(tpl_list *l)
{
    return (tpl_value){.kind = TPL_LIST, .u.list = l};
}

tpl_list *tpl_pairs(tpl_machine *m, const tpl_value *v)
{
    if (v->kind != TPL_DICT) return tpl_iterate(m, v);
    tpl_value out = tpl_new_list(m, TPL_LIST);
    for (size_t i = 0; i < v->u.dict->n; i++) {
        tpl_value pair = tpl_new_list(m, TPL_TUPLE);
        tpl_push(m, pair.u.list, v->u.dict->key[i]);
        tpl_push(m, pair.u.list, v->u.dict->value[i]);
        tpl_push(m, out.u.list, pair);
    }
    return out.u.list;
}

/* "a.b.0": attributes and items one after the other; a number is an item. */
static tpl_value by_path(tpl_machine *m, const tpl_value *v, const tpl_value *path)
{
    tpl_value at = *v;
    if (path->kind == TPL_INT) return tpl_get_item(m, v, path);
    const tpl_str p = tpl_to_str(m, path);
    const tpl_str dot = {".", 1};
    const tpl_value parts = tpl_split(m, p, &dot, -1, false);
    for (size_t i = 0; i < parts.u.list->n; i++) {
        const tpl_str part = parts.u.list->item[i].u.str;
        tpl_value key = tpl_string(part);
        if (tpl_is_char_class(part, 'd') && part.len < 10) {
            int64_t n = 0;
            for (size_t k = 0; k < part.len; k++) {
                n = n * 10 + (part.s[k] - '0');
            }
            key = tpl_int(n);
        }
        at = tpl_get_item(m, &at, &key);
    }
    return at;
}

/* -- sorting ---------------------------------------------------------------------- */

/* What a value is sorted by: text without case unless asked for. */
static tpl_value sort_key(tpl_machine *m, const tpl_value *v, const tpl_value *path,
                          bool with_case)
{
    tpl_value k = path && path->kind != TPL_NONE ? by_path(m, v, path) : *v;
    if (k.kind == TPL_STR && !with_case) k.u.str = tpl_lower(m, k.u.str);
    return k;
}

/* Stable merge sort of `order`, indexes into key. */
static void merge_sort(tpl_machine *m, size_t *order, size_t *room, size_t n,
                       const tpl_value *key, bool reverse)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            const size_t mid = lo + width < n ? lo + width : n;
            const size_t hi = lo + 2 * width < n ? lo + 2 * width : n;
            size_t i = lo, j = mid;
            for (size_t k = lo; k < hi; k++) {
                bool right = i == mid;
                if (!right && j < hi) {
                    const tpl_value *a = &key[order[i]], *b = &key[order[j]];
                    right = reverse ? tpl_compare(m, a, b, "<") < 0
                                    : tpl_compare(m, b, a, "<") < 0;
                }
                room[k] = right ? order[j++] : order[i++];
            }
        }
        memcpy(order, room, n * sizeof *order);
    }
}

/* items sorted by keys, into a new list. */
static tpl_value sorted(tpl_machine *m, const tpl_list *items, const tpl_value *key,
                        bool reverse)
{
    const size_t n = items->n;
    size_t *order = tpl_alloc(m, (2 * n + 1) * sizeof *order);
    for (size_t i = 0; i < n; i++) {
        order[i] = i;
    }
    merge_sort(m, order, order + n, n, key, reverse);
    tpl_value out = tpl_new_list(m, TPL_LIST);
    for (size_t i = 0; i < n; i++) {
        tpl_push(m, out.u.list, items->item[order[i]]);
    }
    return out;
}

static bool flag(tpl_machine *m, const tpl_args *a, size_t i, const char *name)
{
    const tpl_value *v = tpl_arg(a, i, name);
    return v && tpl_truth(m, v);
}

static tpl_value f_sort(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"reverse", "case_sensitive", "attribute"};
    tpl_args_check(m, a, 3, names);
    const tpl_list *l = tpl_iterate(m, v);
    const tpl_value *path = tpl_arg(a, 2, "attribute");
    tpl_value *key = tpl_alloc(m, (l->n + 1) * sizeof *key);
    for (size_t i = 0; i < l->n; i++) {
        key[i] = sort_key(m, &l->item[i], path, flag(m, a, 1, "case_sensitive"));
    }
    return sorted(m, l, key, flag(m, a, 0, "reverse"));
}

static tpl_value f_dictsort(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"case_sensitive", "by", "reverse"};
    tpl_args_check(m, a, 3, names);
    const tpl_value *by = tpl_arg(a, 1, "by");
    if (v->kind != TPL_DICT) tpl_fail(m, "dictsort: of a %s", tpl_type_name(v));
    if (by && !tpl_is_str(by, "key") && !tpl_is_str(by, "value")) {
        tpl_fail(m, "dictsort: expected key or value");
    }
    const size_t which = by && tpl_is_str(by, "value");
    const tpl_list *l = tpl_pairs(m, v);
    tpl_value *key = tpl_alloc(m, (l->n + 1) * sizeof *key);
    for (size_t i = 0; i < l->n; i++) {
        key[i] = sort_key(m, &l->item[i].u.list->item[which], NULL,
                          flag(m, a, 0, "case_sensitive"));
    }
    return sorted(m, l, key, flag(m, a, 2, "reverse"));
}

static tpl_value f_unique(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"case_sensitive", "attribute"};
    tpl_args_check(m, a, 2, names);
    const tpl_list *l = tpl_iterate(m, v);
    tpl_value seen = tpl_new_dict(m, TPL_DICT), out = tpl_new_list(m, TPL_LIST);
    for (size_t i = 0; i < l->n; i++) {
        const tpl_value k = sort_key(m, &l->item[i], tpl_arg(a, 1, "attribute"),
                                     flag(m, a, 0, "case_sensitive"));
        if (tpl_dict_find(m, seen.u.dict, &k)) continue;
        tpl_dict_set(m, seen.u.dict, k, tpl_none());
        tpl_push(m, out.u.list, l->item[i]);
    }
    return tpl_iterator(out);
}

static tpl_value extreme(tpl_machine *m, tpl_value *v, tpl_args *a, bool max)
{
    static const char *const names[] = {"case_sensitive", "attribute"};
    tpl_args_check(m, a, 2, names);
    const tpl_list *l = tpl_iterate(m, v);
    if (l->n == 0) return tpl_undefined((tpl_str){"item", 4});
    size_t best = 0;
    tpl_value best_key = {0};
    for (size_t i = 0; i < l->n; i++) {
        const tpl_value k = sort_key(m, &l->item[i], tpl_arg(a, 1, "attribute"),
                                     flag(m, a, 0, "case_sensitive"));
        const bool better = i == 0 || (max ? tpl_compare(m, &best_key, &k, ">") < 0
                                           : tpl_compare(m, &k, &best_key, "<") < 0);
        if (!better) continue;
        best = i;
        best_key = k;
    }
    return l->item[best];
}

static tpl_value f_min(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    return extreme(m, v, a, false);
}

static tpl_value f_max(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    return extreme(m, v, a, true);
}

/* -- choosing --------------------------------------------------------------------- */

/* select, reject (by_attr: on an attribute): keep what a test, or the truth, accepts. */
static tpl_value choose(tpl_machine *m, tpl_value *v, tpl_args *a, bool by_attr,
                        bool keep)
{
    if (a->n_named) tpl_fail(m, "%s: no keywords", a->what);
    if (by_attr && a->n == 0) tpl_fail(m, "%s: expected an attribute", a->what);
    const tpl_value *path = by_attr ? &a->item[0] : NULL;
    const size_t at = by_attr ? 1 : 0;
    const tpl_value *test = a->n > at ? &a->item[at] : NULL;
    if (test && test->kind != TPL_STR)
        tpl_fail(m, "%s: expected the name of a test", a->what);
    tpl_value out = tpl_new_list(m, TPL_LIST);
    if (!tpl_truth(m, v)) return tpl_iterator(out); /* also of none and 0 */
    const tpl_list *l = tpl_iterate(m, v);
    for (size_t i = 0; i < l->n; i++) {
        tpl_value x = path ? by_path(m, &l->item[i], path) : l->item[i];
        bool ok;
        if (test) {
            tpl_args rest = {
                .what = "test", .item = a->item + at + 1, .n = a->n - at - 1};
            ok = tpl_call_test(m, test->u.str, &x, &rest);
        } else {
            ok = tpl_truth(m, &x);
        }
        if (ok == keep) tpl_push(m, out.u.list, l->item[i]);
    }
    return tpl_iterator(out);
}

static tpl_value f_select(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    return choose(m, v, a, false, true);
}

static tpl_value f_reject(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    return choose(m, v, a, false, false);
}

static tpl_value f_selectattr(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    return choose(m, v, a, true, true);
}

static tpl_value f_rejectattr(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    return choose(m, v, a, true, false);
}

static tpl_value f_map(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    const tpl_value *path = tpl_arg(a, SIZE_MAX, "attribute");
    const tpl_value *fallback = tpl_arg(a, SIZE_MAX, "default");
    tpl_value out = tpl_new_list(m, TPL_LIST);
    if (!tpl_truth(m, v)) return tpl_iterator(out); /* also of none and 0 */
    const tpl_list *l = tpl_iterate(m, v);
    if (!path && (a->n == 0 || a->item[0].kind != TPL_STR)) {
        tpl_fail(m, "map: expected a filter or attribute=");
    }
    for (size_t i = 0; i < l->n; i++) {
        tpl_value x = l->item[i];
        if (path) {
            x = by_path(m, &x, path);
            if (x.kind == TPL_UNDEFINED && fallback) x = *fallback;
        } else {
            tpl_args rest = {.item = a->item + 1,
                             .n = a->n - 1,
                             .name = a->name,
                             .named = a->named,
                             .n_named = a->n_named};
            x = tpl_call_filter(m, a->item[0].u.str, &x, &rest);
        }
        tpl_push(m, out.u.list, x);
    }
    return tpl_iterator(out);
}

/* -- the rest --------------------------------------------------------------------- */

static tpl_value f_list(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    const tpl_value l = list_of(tpl_iterate(m, v));
    return tpl_slice(m, &l, NULL, NULL, NULL);
}

static tpl_value f_items(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    if (v->kind == TPL_UNDEFINED) return tpl_iterator(tpl_new_list(m, TPL_LIST));
    if (v->kind != TPL_DICT) tpl_fail(m, "items: of a %s", tpl_type_name(v));
    return tpl_iterator(list_of(tpl_pairs(m, v)));
}

static tpl_value f_join(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"d", "attribute"};
    tpl_args_check(m, a, 2, names);
    const tpl_value *sep = tpl_arg(a, 0, "d"), *path = tpl_arg(a, 1, "attribute");
    const tpl_list *l = tpl_iterate(m, v);
    const tpl_str between = sep ? tpl_to_str(m, sep) : (tpl_str){"", 0};
    tpl_str *part = tpl_alloc(m, (l->n + 1) * sizeof *part);
    for (size_t i = 0; i < l->n; i++) {
        const tpl_value x =
            path && path->kind != TPL_NONE ? by_path(m, &l->item[i], path) : l->item[i];
        part[i] = tpl_to_str(m, &x);
    }
    hone_buf *b = tpl_buf_open(m);
    for (size_t i = 0; i < l->n; i++) {
        if (i) hone_buf_append(b, between.s, between.len);
        hone_buf_append(b, part[i].s, part[i].len);
    }
    return tpl_string(tpl_buf_str(m, b));
}

static tpl_value f_first(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    const tpl_list *l = tpl_iterate(m, v);
    return l->n ? l->item[0] : tpl_undefined((tpl_str){"first", 5});
}

static tpl_value f_last(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    const tpl_list *l = tpl_iterate(m, v);
    return l->n ? l->item[l->n - 1] : tpl_undefined((tpl_str){"last", 4});
}

static tpl_value f_reverse(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    (void)a;
    const tpl_value step = tpl_int(-1);
    if (v->kind == TPL_STR) return tpl_slice(m, v, NULL, NULL, &step);
    const tpl_value l = list_of(tpl_iterate(m, v));
    return tpl_iterator(tpl_slice(m, &l, NULL, NULL, &step));
}

static tpl_value f_sum(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"attribute", "start"};
    tpl_args_check(m, a, 2, names);
    const tpl_value *path = tpl_arg(a, 0, "attribute"), *start = tpl_arg(a, 1, "start");
    const tpl_list *l = tpl_iterate(m, v);
    tpl_value total = start ? *start : tpl_int(0);
    for (size_t i = 0; i < l->n; i++) {
        const tpl_value x =
            path && path->kind != TPL_NONE ? by_path(m, &l->item[i], path) : l->item[i];
        if (total.kind == TPL_STR) tpl_fail(m, "sum: cannot sum strings");
        total = tpl_arith(m, '+', &total, &x);
    }
    return total;
}

/* Lists of n items, the last filled up. */
static tpl_value f_batch(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"linecount", "fill_with"};
    tpl_args_check(m, a, 2, names);
    const tpl_value *count = tpl_arg(a, 0, "linecount"),
                    *fill = tpl_arg(a, 1, "fill_with");
    const int64_t n = count ? tpl_as_int(m, count, "batch") : 0;
    const tpl_list *l = tpl_iterate(m, v);
    if (n < 1 || n > 1000000) tpl_fail(m, "batch: expected a count");
    tpl_value out = tpl_new_list(m, TPL_LIST), row = {0};
    for (size_t i = 0; i < l->n; i++) {
        if (i % (size_t)n == 0) {
            row = tpl_new_list(m, TPL_LIST);
            tpl_push(m, out.u.list, row);
        }
        tpl_push(m, row.u.list, l->item[i]);
    }
    while (l->n && fill && fill->kind != TPL_NONE && row.u.list->n < (size_t)n) {
        tpl_push(m, row.u.list, *fill);
    }
    return tpl_iterator(out);
}

/* n lists of about the same length. */
static tpl_value f_slice(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"slices", "fill_with"};
    tpl_args_check(m, a, 2, names);
    const tpl_value *count = tpl_arg(a, 0, "slices"),
                    *fill = tpl_arg(a, 1, "fill_with");
    const int64_t n = count ? tpl_as_int(m, count, "slice") : 0;
    const tpl_list *l = tpl_iterate(m, v);
    if (n < 1 || n > 1000000) tpl_fail(m, "slice: expected a count");
    const size_t each = l->n / (size_t)n, longer = l->n % (size_t)n;
    tpl_value out = tpl_new_list(m, TPL_LIST);
    size_t at = 0;
    for (size_t i = 0; i < (size_t)n; i++) {
        tpl_value row = tpl_new_list(m, TPL_LIST);
        const size_t len = each + (i < longer);
        for (size_t k = 0; k < len; k++) {
            tpl_push(m, row.u.list, l->item[at++]);
        }
        if (fill && fill->kind != TPL_NONE && i >= longer)
            tpl_push(m, row.u.list, *fill);
        tpl_push(m, out.u.list, row);
    }
    return tpl_iterator(out);
}

/* Pairs of a value and the items that share it, sorted by it. */
static tpl_value f_groupby(tpl_machine *m, tpl_value *v, tpl_args *a)
{
    static const char *const names[] = {"attribute", "default", "case_sensitive"};
    tpl_args_check(m, a, 3, names);
    const tpl_value *path = tpl_arg(a, 0, "attribute"),
                    *fallback = tpl_arg(a, 1, "default");
    const bool with_case = flag(m, a, 2, "case_sensitive");
    if (!path) tpl_fail(m, "groupby: expected an attribute");
    const tpl_list *l = tpl_iterate(m, v);
    tpl_value pairs = tpl_new_list(m, TPL_LIST);
    tpl_value *key = tpl_alloc(m, (l->n + 1) * sizeof *key);
    for (size_t i = 0; i < l->n; i++) {
        tpl_value raw = by_path(m, &l->item[i], path);
        if (raw.kind == TPL_UNDEFINED && fallback) raw = *fallback;
        key[i] = raw;
        if (raw.kind == TPL_STR && !with_case) key[i].u.str = tpl_lower(m, raw.u.str);
        tpl_value pair = tpl_new_list(m, TPL_TUPLE);
        tpl_push(m, pair.u.list, raw);
        tpl_push(m, pair.u.list, key[i]);
        tpl_push(m, pair.u.list, l->item[i]);
        tpl_push(m, pairs.u.list, pair);
    }
    const tpl_value order = sorted(m, pairs.u.list, key, false);
    tpl_value out = tpl_new_list(m, TPL_LIST), items = {0};
    const tpl_value *last = NULL;
    for (size_t i = 0; i < order.u.list->n; i++) {
        const tpl_list *p = order.u.list->item[i].u.list;
        if (!last || !tpl_equal(m, last, &p->item[1])) {
            tpl_value group = tpl_new_list(m, TPL_TUPLE);
            items = tpl_new_list(m, TPL_LIST);
            tpl_push(m, group.u.list, p->item[0]);
            tpl_push(m, group.u.list, items);
            tpl_push(m, out.u.list, group);
            last = &p->item[1];
        }
        tpl_push(m, items.u.list, p->item[2]);
    }
    return out;
}

const tpl_filter tpl_list_filters[] = {
    {"list", f_list},
    {"items", f_items},
    {"join", f_join},
    {"first", f_first},
    {"last", f_last},
    {"reverse", f_reverse},
    {"sum", f_sum},
    {"batch", f_batch},
    {"slice", f_slice},
    {"groupby", f_groupby},
    {"sort", f_sort},
    {"dictsort", f_dictsort},
    {"unique", f_unique},
    {"min", f_min},
    {"max", f_max},
    {"select", f_select},
    {"reject", f_reject},
    {"selectattr", f_selectattr},
    {"rejectattr", f_rejectattr},
    {"map", f_map},
};
const size_t tpl_n_list_filters = sizeof tpl_list_filters / sizeof tpl_list_filters[0];
