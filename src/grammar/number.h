/* number.h - sets of JSON numbers as languages.
 *
 * Constrained numbers are written without exponent: any number of digits that JSON
 * allows, zeros behind the point included, so that 1, 1.0 and 1.00 are one value.  Only
 * hone_number_any has exponents. */
#ifndef HONE_GRAMMAR_NUMBER_H
#define HONE_GRAMMAR_NUMBER_H

#include <jansson.h>

#include "grammar/expr.h"

enum {
    HONE_DECIMAL_DIGITS = 350
};

/* A finite decimal: whole has no leading zeros ("0" for none), part no trailing
 * ones. */
typedef struct hone_decimal {
    bool negative;
    char whole[HONE_DECIMAL_DIGITS];
    char part[HONE_DECIMAL_DIGITS];
} hone_decimal;

/* The value of a JSON number: the shortest decimal that reads as the same double. */
hone_decimal hone_decimal_of(const json_t *number);

hone_expr hone_number_any(hone_exprs *x);
hone_expr hone_number_plain(hone_exprs *x);
hone_expr hone_number_integer(hone_exprs *x);
hone_expr hone_number_equal(hone_exprs *x, const hone_decimal *d);
/* >= d, or > d where strict. */
hone_expr hone_number_at_least(hone_exprs *x, const hone_decimal *d, bool strict);
hone_expr hone_number_at_most(hone_exprs *x, const hone_decimal *d, bool strict);
/* False if d is not positive or has too many digits to count with. */
bool hone_number_multiple(hone_exprs *x, const hone_decimal *d, hone_expr *out);

#endif
