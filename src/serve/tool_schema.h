/* tool_schema.h - what a tool's schema says of one argument, for formats that write
 * arguments one by one.
 *
 * An argument whose schema allows nothing but strings is written as it is; every other
 * one is JSON.  Reading and forcing calls ask the same function, so they agree.
 *
 * Threads: any; schemas are only read. */
#ifndef HONE_SERVE_TOOL_SCHEMA_H
#define HONE_SERVE_TOOL_SCHEMA_H

#include <jansson.h>

enum {
    TOOL_TYPE_NULL = 1,
    TOOL_TYPE_BOOLEAN = 2,
    TOOL_TYPE_NUMBER = 4,
    TOOL_TYPE_STRING = 8,
    TOOL_TYPE_ARRAY = 16,
    TOOL_TYPE_OBJECT = 32,
    TOOL_TYPE_ANY = 63
};

/* The schema of argument `key` of len bytes in the schema of all arguments (NULL: any),
 * or NULL where that says nothing. */
const json_t *hone_tool_argument(const json_t *parameters, const char *key, size_t len);
/* Types that the schema, a part of `root`, allows; some more where types alone do not
 * decide. */
unsigned hone_tool_types(const json_t *root, const json_t *schema);

#endif
