/* adapter.h - low-rank adapters (LoRA) of an engine's model, a different one in every
 * sequence if need be.
 *
 *     const hone_adapter_part part = {"path/to/adapter", 1.0f};
 *     hone_engine_adapter_load(e, "pirate", &part, 1, &err);
 *     hone_sequence_set_adapter(s, hone_engine_adapter_find(e, "pirate"));
 *     hone_sequence_append(s, ids, n, &err);
 *     hone_engine_adapter_unload(e, "pirate", &err);       (s keeps it until it ends)
 *
 * The base model's weights stay as they are; sequences with and without adapters run in
 * the same steps, and each gives what it would alone, bit for bit.
 *
 * Threads: as the engine, one at a time. */
#ifndef HONE_ADAPTER_H
#define HONE_ADAPTER_H

#include <stddef.h>
#include <stdint.h>

#include "hone/engine.h"

typedef struct hone_adapter hone_adapter;

/* A PEFT folder or a GGUF adapter, and what its own scale is multiplied with; 1 is as it
 * was trained. */
typedef struct hone_adapter_part {
    const char *path;
    float scale;
} hone_adapter_part;

/* Load an adapter under a name.  With n_part > 1 it is the sum of its parts.  Strings are
 * copied, files closed before the call returns.
 *   E_INVALID      an empty or taken name, no parts, a scale that is not finite; a GGUF
 *                  adapter of another architecture
 *   E_NOT_FOUND    no such file
 *   E_FORMAT       broken, or of another model: the message names tensor and shapes
 *   E_UNSUPPORTED  a target or a setting that hone does not know
 *   E_LIMIT        a rank past 4096
 *   E_NOMEM */
HONE_API HONE_MUST_CHECK hone_status
hone_engine_adapter_load(hone_engine *e, const char *name,
                         const hone_adapter_part *part, size_t n_part, hone_error *err);

/* Take the name away.  The weights go with the last sequence that has them.
 * E_NOT_FOUND. */
HONE_API HONE_MUST_CHECK hone_status hone_engine_adapter_unload(hone_engine *e,
                                                                const char *name,
                                                                hone_error *err);

/* NULL where none has that name.  Valid until it is unloaded, and for a sequence's
 * lifetime once it is the sequence's. */
HONE_API hone_adapter *hone_engine_adapter_find(const hone_engine *e, const char *name);

/* Adapter i in the order of loading; NULL behind the last. */
HONE_API hone_adapter *hone_engine_adapter_at(const hone_engine *e, size_t i);

typedef struct hone_adapter_info {
    const char *name, *path; /* path of the first part; the adapter's */
    size_t n_part;
    int rank;     /* the largest of a layer, parts together */
    size_t bytes; /* of weights in memory */
} hone_adapter_info;
HONE_API hone_adapter_info hone_adapter_get_info(const hone_adapter *a);

/* A number that no other adapter has in the life of the engine; 0, the base model's, for
 * NULL. */
HONE_API uint64_t hone_adapter_id(const hone_adapter *a);

/* What runs the tokens of s from here on; NULL is the base model, as at first.  s has no
 * tokens (asserted), and a is of the same engine. */
HONE_API void hone_sequence_set_adapter(hone_sequence *s, hone_adapter *a);
HONE_API hone_adapter *hone_sequence_adapter(const hone_sequence *s); /* NULL: base */

#endif
