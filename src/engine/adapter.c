/* adapter.c - hone/adapter.h but what concerns sequences: the list of an engine. */
#include "hone/adapter.h"

#include <string.h>

#include "base/mem.h"
#include "base/sum.h"
#include "engine/adapter_list.h"
#include "engine/engine_internal.h"
#include "model/adapter_file.h"

struct hone_adapter {
    char *name, *path;
    size_t n_part, n_holder;
    uint64_t id;
    hone_lora *weights;
};

/* Of an adapter on the list; l->n where there is none. */
static size_t index_of(const hone_adapter_list *l, const char *name)
{
    size_t i = 0;
    while (i < l->n && strcmp(l->item[i]->name, name) != 0) {
        i++;
    }
    return i;
}

static hone_status no_memory(hone_error *err)
{
    return hone_fail(err, HONE_E_NOMEM, "out of memory");
}

static hone_status read_parts(const hone_adapter_list *l, hone_adapter *a,
                              const hone_adapter_part *part, size_t n_part,
                              hone_error *err)
{
    hone_adapter_files f = {0};
    hone_status s = HONE_OK;
    for (size_t i = 0; !s && i < n_part; i++) {
        s = hone_adapter_files_add(&f, l->model, part[i].path, part[i].scale, err);
    }
    if (!s) {
        s = hone_lora_new(&a->weights, hone_model_program(l->model), l->kernels, f.pair,
                          f.n, err);
    }
    hone_adapter_files_release(&f);
    return s;
}

static hone_status load(hone_adapter_list *l, hone_adapter *a, const char *name,
                        const hone_adapter_part *part, size_t n_part, hone_error *err)
{
    a->name = hone_strdup(name);
    a->path = hone_strdup(part[0].path);
    a->n_part = n_part;
    a->n_holder = 1;
    if (!a->name || !a->path) return no_memory(err);
    HONE_TRY(read_parts(l, a, part, n_part, err));
    HONE_TRY(hone_executor_fit(l->executor, a->weights, err));
    return hone_grow((void **)&l->item, &l->cap, l->n + 1, sizeof(hone_adapter *))
               ? no_memory(err)
               : HONE_OK;
}

hone_status hone_engine_adapter_load(hone_engine *e, const char *name,
                                     const hone_adapter_part *part, size_t n_part,
                                     hone_error *err)
{
    hone_adapter_list *l = hone_engine_adapters(e);
    if (!*name || n_part == 0) {
        return hone_fail(err, HONE_E_INVALID,
                         "load adapter: expected a name and parts");
    }
    if (index_of(l, name) < l->n) {
        return hone_fail(err, HONE_E_INVALID, "load adapter: '%.100s' is taken", name);
    }
    hone_adapter *a = hone_alloc_zero(1, sizeof *a);
    const hone_status s = a ? load(l, a, name, part, n_part, err) : no_memory(err);
    if (s) {
        hone_adapter_unref(a);
        return hone_error_wrap(err, s, "load adapter '%.100s'", name);
    }
    a->id = ++l->n_loaded;
    l->item[l->n++] = a;
    return HONE_OK;
}

hone_status hone_engine_adapter_unload(hone_engine *e, const char *name,
                                       hone_error *err)
{
    hone_adapter_list *l = hone_engine_adapters(e);
    const size_t i = index_of(l, name);
    if (i == l->n) {
        return hone_fail(err, HONE_E_NOT_FOUND, "unload adapter: no '%.100s'", name);
    }
    hone_engine_adapter_release(e, l->item[i]);
    l->n--;
    memmove((void *)&l->item[i], (void *)&l->item[i + 1],
            (l->n - i) * sizeof(hone_adapter *));
    return HONE_OK;
}

hone_adapter *hone_engine_adapter_find(const hone_engine *e, const char *name)
{
    const hone_adapter_list *l = hone_engine_adapters(e);
    const size_t i = index_of(l, name);
    return i < l->n ? l->item[i] : NULL;
}

hone_adapter *hone_engine_adapter_at(const hone_engine *e, size_t i)
{
    const hone_adapter_list *l = hone_engine_adapters(e);
    return i < l->n ? l->item[i] : NULL;
}

hone_adapter_info hone_adapter_get_info(const hone_adapter *a)
{
    return (hone_adapter_info){.name = a->name,
                               .path = a->path,
                               .n_part = a->n_part,
                               .rank = hone_lora_rank(a->weights),
                               .bytes = hone_lora_bytes(a->weights)};
}

uint64_t hone_adapter_id(const hone_adapter *a)
{
    return a ? a->id : 0;
}

hone_adapter *hone_adapter_acquire(hone_adapter *a)
{
    if (a) a->n_holder++;
    return a;
}

void hone_adapter_unref(hone_adapter *a)
{
    if (!a || (a->n_holder > 0 && --a->n_holder > 0)) return;
    hone_lora_free(a->weights);
    hone_free(a->name);
    hone_free(a->path);
    hone_free(a);
}

void hone_engine_adapter_release(hone_engine *e, hone_adapter *a)
{
    if (a && a->n_holder == 1 && e->cache) hone_prefix_drop(e->cache, a->id);
    hone_adapter_unref(a);
}

uint64_t hone_adapter_fingerprint(const hone_adapter *a)
{
    if (!a) return 0;
    const uint64_t size[] = {hone_lora_bytes(a->weights), a->n_part};
    uint64_t sum = hone_sum64(HONE_SUM_START, a->name, strlen(a->name));
    sum = hone_sum64(sum, a->path, strlen(a->path));
    return hone_sum64(sum, size, sizeof size);
}

const hone_lora *hone_adapter_weights(const hone_adapter *a)
{
    return a ? a->weights : NULL;
}

void hone_adapter_list_release(hone_adapter_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        hone_adapter_unref(l->item[i]);
    }
    hone_free((void *)l->item);
    *l = (hone_adapter_list){0};
}
