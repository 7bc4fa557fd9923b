/* family.c - the table of families, and binding of tensors to roles. */
#include "model/family.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

extern const hone_family hone_family_llama;

static const hone_family *const families[] = {
    &hone_family_llama,
};
enum {
    N_FAMILY = sizeof families / sizeof families[0]
};

const hone_family *hone_family_find(const char *architecture)
{
    for (size_t i = 0; i < N_FAMILY; i++) {
        for (const char *const *a = families[i]->architectures; *a; a++) {
            if (strcmp(*a, architecture) == 0) return families[i];
        }
    }
    return NULL;
}

void hone_family_list(char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < N_FAMILY; i++) {
        for (const char *const *a = families[i]->architectures; *a; a++) {
            const int n = snprintf(out + at, size - at, "%s%s", at ? ", " : "", *a);
            if (n < 0 || (size_t)n >= size - at) return;
            at += (size_t)n;
        }
    }
}

/* The name with its layer in buf. */
static const char *expand(const char *name, int layer, char *buf, size_t size)
{
    const char *d = strstr(name, "%d");
    if (d)
        snprintf(buf, size, "%.*s%d%s", (int)(d - name), name, layer, d + 2);
    else
        snprintf(buf, size, "%s", name);
    return buf;
}

static hone_matrix fail(hone_build *b, hone_status code, const char *name,
                        const char *expected, const char *found)
{
    if (!b->status) {
        b->status = hone_fail(b->err, code, "tensor '%s': expected %s, found %s", name,
                              expected, found);
    }
    return (hone_matrix){0};
}

static void format_shape(char *out, size_t size, const hone_tensor *t)
{
    size_t at = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < t->n_dims && at < size; i++) {
        at += (size_t)snprintf(out + at, size - at, "%s%llu", i ? ", " : "",
                               (unsigned long long)t->shape[i]);
    }
    if (at < size) snprintf(out + at, size - at, "]");
}

/* The tensor as n_row rows of n_col, whatever ones its shape holds besides. */
static hone_matrix bind(hone_build *b, const char *name, const hone_tensor *t,
                        int n_row, int n_col)
{
    char want[64], found[128];
    const bool vector = n_row == 1;
    const bool fits = vector ? t->n_dims >= 1 && hone_tensor_len(t) == (uint64_t)n_col
                             : t->n_dims == 2 && t->shape[0] == (uint64_t)n_row &&
                                   t->shape[1] == (uint64_t)n_col;
    if (!fits) {
        if (vector)
            snprintf(want, sizeof want, "shape [%d]", n_col);
        else
            snprintf(want, sizeof want, "shape [%d, %d]", n_row, n_col);
        format_shape(found, sizeof found, t);
        return fail(b, HONE_E_FORMAT, name, want, found);
    }
    const bool plain =
        t->dtype == HONE_F32 || t->dtype == HONE_F16 || t->dtype == HONE_BF16;
    if (!plain && (vector || !hone_dtype_is_quantized(t->dtype))) {
        return fail(b, HONE_E_UNSUPPORTED, name,
                    vector ? "type F32, F16 or BF16" : "a float or quantized type",
                    hone_dtype_get(t->dtype)->name);
    }
    hone_matrix m = {
        .data = t->data, .n_row = n_row, .n_col = n_col, .dtype = t->dtype};
    if (!hone_dtype_row_bytes(t->dtype, (size_t)n_col, &m.row_bytes)) {
        return fail(b, HONE_E_FORMAT, name, "rows of whole blocks", "a part of one");
    }
    return m;
}

hone_matrix hone_bind_matrix(hone_build *b, const char *name, int layer, int n_row,
                             int n_col)
{
    char full[256];
    if (b->status) return (hone_matrix){0};
    expand(name, layer, full, sizeof full);
    const hone_tensor *t = hone_source_find(b->source, full);
    if (!t) return fail(b, HONE_E_FORMAT, full, "it in the file", "no such tensor");
    return bind(b, full, t, n_row, n_col);
}

hone_matrix hone_bind_vector(hone_build *b, const char *name, int layer, int n,
                             bool optional)
{
    char full[256];
    if (b->status) return (hone_matrix){0};
    expand(name, layer, full, sizeof full);
    const hone_tensor *t = hone_source_find(b->source, full);
    if (!t && optional) return (hone_matrix){0};
    if (!t) return fail(b, HONE_E_FORMAT, full, "it in the file", "no such tensor");
    return bind(b, full, t, 1, n);
}

hone_linear hone_bind_linear(hone_build *b, const char *stem, int layer, int n_row,
                             int n_col, const char *value)
{
    char name[256];
    snprintf(name, sizeof name, "%s.weight", stem);
    hone_linear l = {.w = hone_bind_matrix(b, name, layer, n_row, n_col),
                     .name = value};
    snprintf(name, sizeof name, "%s.bias", stem);
    l.bias = hone_bind_vector(b, name, layer, n_row, true);
    return l;
}
