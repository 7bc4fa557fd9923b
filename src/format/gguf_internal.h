/* gguf_internal.h - private to the GGUF reader: what gguf.c fills, gguf_values.c reads. */
#ifndef HONE_FORMAT_GGUF_INTERNAL_H
#define HONE_FORMAT_GGUF_INTERNAL_H

#include "base/file.h"
#include "base/map.h"
#include "format/gguf.h"

typedef struct hone_gguf_kv {
    char *key;
    hone_gguf_type type;
    const unsigned char *value; /* after the type field */
    /* arrays only */
    hone_gguf_type elem;
    uint64_t n;
    const unsigned char *first; /* first element */
    hone_gguf_str *strings;     /* [n] of a string array, owned */
} hone_gguf_kv;

struct hone_gguf {
    hone_file file; /* data NULL when over the caller's memory */
    const unsigned char *data;
    size_t size;
    char *name; /* for messages */
    uint32_t version;
    hone_gguf_kv *kvs;
    size_t n_kv;
    hone_map kv_map;
    hone_tensor *tensors;
    size_t n_tensor;
    hone_map tensor_map;
    size_t alignment;
    hone_gguf **shard; /* further files of a split model, owned */
    size_t n_shard;
};

/* Bytes of a scalar of a value type; 0 for strings, arrays and unknown types. */
size_t hone_gguf_scalar_size(uint32_t type);

#endif
