/* json_scan.h - strict JSON, byte by byte: where one array or object ends.
 *
 * Spec: RFC 8259.  Nesting up to JSON_SCAN_DEPTH.  Strings are not checked for UTF-8 and
 * lone surrogates.  Owned by one thread at a time. */
#ifndef HONE_SERVE_JSON_SCAN_H
#define HONE_SERVE_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>

enum {
    JSON_SCAN_DEPTH = 256 /* as much as a grammar allows, and what is around it */
};

typedef enum json_scan_state {
    JSON_AT_VALUE,  /* a value must come */
    JSON_AT_ITEM,   /* a value, or the end of an empty array */
    JSON_AT_KEY,    /* a name must come */
    JSON_AT_MEMBER, /* a name, or the end of an empty object */
    JSON_AT_COLON,
    JSON_AFTER_VALUE, /* a comma, or the end */
    JSON_IN_STRING,
    JSON_IN_ESCAPE,
    JSON_IN_HEX,
    JSON_IN_LITERAL,
    JSON_IN_NUMBER,
    JSON_DONE
} json_scan_state;

typedef struct json_scan { /* zero: before an array or object */
    json_scan_state state;
    int depth;                            /* arrays and objects that are open */
    uint64_t array[JSON_SCAN_DEPTH / 64]; /* bit d: level d is an array */
    bool in_key;                          /* the string is a name */
    int left;                             /* hexadecimal digits to come */
    int number;                           /* what of a number has been read */
    const char *literal;                  /* what must still come */
} json_scan;

typedef enum json_scan_result {
    JSON_SCAN_MORE,
    JSON_SCAN_END, /* this byte ended the value */
    JSON_SCAN_BROKEN
} json_scan_result;

json_scan_result hone_json_scan(json_scan *s, char byte);

#endif
