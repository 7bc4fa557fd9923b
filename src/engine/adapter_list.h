/* adapter_list.h - the adapters of an engine: a part of it, kept apart.
 *
 * An adapter counts its holders: the list while it has a name, and every sequence that runs
 * with it.
 *
 * Threads: owned, with the engine. */
#ifndef HONE_ENGINE_ADAPTER_LIST_H
#define HONE_ENGINE_ADAPTER_LIST_H

#include "hone/adapter.h"
#include "model/model.h"
#include "program/executor.h"

typedef struct hone_adapter_list {
    const hone_model *model;     /* borrowed */
    const hone_kernels *kernels; /* borrowed */
    hone_executor *executor;     /* borrowed */
    hone_adapter **item;         /* [n], owned; in the order of loading */
    size_t n, cap;
    uint64_t n_loaded; /* so far: the last id */
} hone_adapter_list;

void hone_adapter_list_release(hone_adapter_list *l); /* no sequence is left */

/* The engine's list (engine.c). */
hone_adapter_list *hone_engine_adapters(const hone_engine *e);

/* One more holder, one less; NULL is fine. */
hone_adapter *hone_adapter_acquire(hone_adapter *a);
void hone_adapter_unref(hone_adapter *a);

/* A number that changes with the adapter's name, file and size; 0 for NULL. */
uint64_t hone_adapter_fingerprint(const hone_adapter *a);

/* What steps run; NULL for NULL. */
const hone_lora *hone_adapter_weights(const hone_adapter *a);

#endif
