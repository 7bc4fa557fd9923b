/* schema.h - JSON Schema to an expression. */
#ifndef HONE_GRAMMAR_SCHEMA_H
#define HONE_GRAMMAR_SCHEMA_H

#include "grammar/expr.h"

/* The texts of all values that satisfy the schema.  Errors:
 * hone_grammar_from_schema. */
HONE_MUST_CHECK hone_status hone_schema_expr(hone_exprs *x, const char *text,
                                             size_t len, hone_expr *out,
                                             hone_error *err);
/* The strings that satisfy it as they are: UTF-8 without quotes and escapes.
 * E_UNSUPPORTED also if another value may satisfy it. */
HONE_MUST_CHECK hone_status hone_schema_strings(hone_exprs *x, const char *text,
                                                size_t len, hone_expr *out,
                                                hone_error *err);

#endif
