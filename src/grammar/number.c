/* number.c - comparisons of decimals, digit by digit.
 *
 * A bound B splits unsigned decimals by their integer part: fewer digits are smaller,
 * more are larger, equally many compare from the left; then the fraction decides. */
#include "grammar/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

hone_decimal hone_decimal_of(const json_t *number)
{
    hone_decimal d = {.whole = "0"};
    char text[40], digits[40];
    if (json_is_integer(number)) {
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(number));
    } else {
        for (int precision = 15; precision <= 17; precision++) {
            snprintf(text, sizeof text, "%.*g", precision, json_real_value(number));
            if (strtod(text, NULL) == json_real_value(number)) break;
        }
    }
    const char *p = text;
    if (*p == '-') {
        d.negative = true;
        p++;
    }
    /* value = digits * 10^exponent */
    int n = 0, exponent = 0;
    bool point = false;
    for (; *p && *p != 'e'; p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        if (n > 0 || *p != '0') digits[n++] = *p;
        exponent -= point;
    }
    if (*p == 'e') exponent += atoi(p + 1);
    while (n > 0 && digits[n - 1] == '0') {
        n--;
        exponent++;
    }
    if (n == 0) {
        d.negative = false;
        return d;
    }
    const int n_whole = n + exponent; /* digits before the point, if positive */
    int at = 0;
    for (int i = 0; i < n_whole && at < HONE_DECIMAL_DIGITS - 1; i++) {
        d.whole[at++] = i < n ? digits[i] : '0';
    }
    if (at == 0) d.whole[at++] = '0';
    d.whole[at] = 0;
    at = 0;
    for (int i = n_whole; i < n && at < HONE_DECIMAL_DIGITS - 1; i++) {
        d.part[at++] = i < 0 ? '0' : digits[i];
    }
    d.part[at] = 0;
    return d;
}

/* -- parts of numbers ------------------------------------------------------------- */

static hone_expr digits_between(hone_exprs *x, int lo, int hi)
{
    return lo > hi ? HONE_EXPR_NONE
                   : hone_expr_range(x, (unsigned)('0' + lo), (unsigned)('0' + hi));
}

static hone_expr byte(hone_exprs *x, char c)
{
    return hone_expr_range(x, (unsigned char)c, (unsigned char)c);
}

static hone_expr digits(hone_exprs *x, uint32_t m, uint32_t n)
{
    return hone_expr_repeat(x, digits_between(x, 0, 9), m, n);
}

static hone_expr zeros(hone_exprs *x, uint32_t m)
{
    return hone_expr_repeat(x, byte(x, '0'), m, HONE_EXPR_MANY);
}

/* Nothing, or a point and digits. */
static hone_expr any_part(hone_exprs *x)
{
    return hone_expr_optional(
        x, hone_expr_cat(x, byte(x, '.'), digits(x, 1, HONE_EXPR_MANY)));
}

static hone_expr zero_part(hone_exprs *x)
{
    return hone_expr_optional(x, hone_expr_cat(x, byte(x, '.'), zeros(x, 1)));
}

/* Digits that are not all zero. */
static hone_expr some_digits(hone_exprs *x)
{
    const hone_expr rest =
        hone_expr_cat(x, digits_between(x, 1, 9), digits(x, 0, HONE_EXPR_MANY));
    return hone_expr_cat(x, zeros(x, 0), rest);
}

/* Integer parts of at least m and at most n digits. */
static hone_expr whole(hone_exprs *x, uint32_t m, uint32_t n)
{
    if (n == 0 || m > n) return HONE_EXPR_NONE;
    const hone_expr e =
        hone_expr_cat(x, digits_between(x, 1, 9),
                      digits(x, m ? m - 1 : 0, n == HONE_EXPR_MANY ? n : n - 1));
    return m <= 1 ? hone_expr_alt(x, e, byte(x, '0')) : e;
}

static hone_expr unsigned_plain(hone_exprs *x)
{
    return hone_expr_cat(x, whole(x, 1, HONE_EXPR_MANY), any_part(x));
}

static hone_expr maybe_minus(hone_exprs *x, hone_expr e)
{
    return hone_expr_cat(x, hone_expr_optional(x, byte(x, '-')), e);
}

hone_expr hone_number_plain(hone_exprs *x)
{
    return maybe_minus(x, unsigned_plain(x));
}

hone_expr hone_number_any(hone_exprs *x)
{
    hone_byteset e = {0}, sign = {0};
    hone_byteset_add(&e, 'e', 'e');
    hone_byteset_add(&e, 'E', 'E');
    hone_byteset_add(&sign, '+', '+');
    hone_byteset_add(&sign, '-', '-');
    hone_expr exponent =
        hone_expr_cat(x, hone_expr_optional(x, hone_expr_set(x, &sign)),
                      digits(x, 1, HONE_EXPR_MANY));
    exponent = hone_expr_optional(x, hone_expr_cat(x, hone_expr_set(x, &e), exponent));
    return hone_expr_cat(x, hone_number_plain(x), exponent);
}

hone_expr hone_number_integer(hone_exprs *x)
{
    return maybe_minus(x, hone_expr_cat(x, whole(x, 1, HONE_EXPR_MANY), zero_part(x)));
}

static bool is_zero(const hone_decimal *d)
{
    return strcmp(d->whole, "0") == 0 && !d->part[0];
}

static hone_expr unsigned_equal(hone_exprs *x, const hone_decimal *d)
{
    hone_expr part = zero_part(x);
    if (d->part[0]) {
        part = hone_expr_bytes(x, d->part, strlen(d->part), zeros(x, 0));
        part = hone_expr_cat(x, byte(x, '.'), part);
    }
    return hone_expr_bytes(x, d->whole, strlen(d->whole), part);
}

hone_expr hone_number_equal(hone_exprs *x, const hone_decimal *d)
{
    const hone_expr e = unsigned_equal(x, d);
    if (is_zero(d)) return maybe_minus(x, e);
    return d->negative ? hone_expr_cat(x, byte(x, '-'), e) : e;
}

/* -- comparisons of unsigned decimals --------------------------------------------- */

/* What may follow an integer part that equals d's. */
static hone_expr part_above(hone_exprs *x, const hone_decimal *d, bool strict)
{
    size_t n = strlen(d->part);
    hone_expr e = strict ? some_digits(x) : digits(x, 0, HONE_EXPR_MANY);
    if (n == 0)
        return strict ? hone_expr_cat(x, byte(x, '.'), some_digits(x)) : any_part(x);
    while (n-- > 0) {
        const int c = d->part[n] - '0';
        const hone_expr more =
            hone_expr_cat(x, digits_between(x, c + 1, 9), digits(x, 0, HONE_EXPR_MANY));
        e = hone_expr_alt(x, more, hone_expr_cat(x, digits_between(x, c, c), e));
    }
    return hone_expr_cat(x, byte(x, '.'), e);
}

static hone_expr part_below(hone_exprs *x, const hone_decimal *d, bool strict)
{
    size_t n = strlen(d->part);
    if (n == 0) return strict ? HONE_EXPR_NONE : zero_part(x);
    hone_expr e = strict ? HONE_EXPR_NONE : zeros(x, 0);
    while (n-- > 0) {
        const int c = d->part[n] - '0';
        const hone_expr less =
            hone_expr_cat(x, digits_between(x, 0, c - 1), digits(x, 0, HONE_EXPR_MANY));
        e = hone_expr_alt(x, less, hone_expr_cat(x, digits_between(x, c, c), e));
        /* fewer digits are smaller: d's last one is not zero */
        if (n > 0) e = hone_expr_optional(x, e);
    }
    return hone_expr_optional(x, hone_expr_cat(x, byte(x, '.'), e));
}

/* Unsigned decimals above or below d: the same number of digits before the point. */
static hone_expr same_length(hone_exprs *x, const hone_decimal *d, bool above,
                             bool strict)
{
    const size_t n = strlen(d->whole);
    hone_expr e = above ? part_above(x, d, strict) : part_below(x, d, strict);
    for (size_t i = n; i-- > 0;) {
        const int c = d->whole[i] - '0', least = i == 0 && n > 1;
        hone_expr other =
            above ? digits_between(x, c + 1, 9) : digits_between(x, least, c - 1);
        const uint32_t rest = (uint32_t)(n - i - 1);
        other = hone_expr_cat(x, other,
                              hone_expr_cat(x, digits(x, rest, rest), any_part(x)));
        e = hone_expr_alt(x, other, hone_expr_cat(x, digits_between(x, c, c), e));
    }
    return e;
}

static hone_expr above(hone_exprs *x, const hone_decimal *d, bool strict)
{
    const hone_expr longer = hone_expr_cat(
        x, whole(x, (uint32_t)strlen(d->whole) + 1, HONE_EXPR_MANY), any_part(x));
    return hone_expr_alt(x, longer, same_length(x, d, true, strict));
}

static hone_expr below(hone_exprs *x, const hone_decimal *d, bool strict)
{
    const hone_expr shorter =
        hone_expr_cat(x, whole(x, 1, (uint32_t)strlen(d->whole) - 1), any_part(x));
    return hone_expr_alt(x, shorter, same_length(x, d, false, strict));
}

static hone_expr join_signs(hone_exprs *x, hone_expr positive, hone_expr negative)
{
    return hone_expr_alt(x, positive, hone_expr_cat(x, byte(x, '-'), negative));
}

hone_expr hone_number_at_least(hone_exprs *x, const hone_decimal *d, bool strict)
{
    if (d->negative) return join_signs(x, unsigned_plain(x), below(x, d, strict));
    const hone_expr e = above(x, d, strict);
    return is_zero(d) && !strict ? join_signs(x, e, unsigned_equal(x, d)) : e;
}

hone_expr hone_number_at_most(hone_exprs *x, const hone_decimal *d, bool strict)
{
    if (d->negative) return hone_expr_cat(x, byte(x, '-'), above(x, d, strict));
    if (is_zero(d)) {
        const hone_expr zero = strict ? HONE_EXPR_NONE : unsigned_equal(x, d);
        return join_signs(x, zero, above(x, d, strict));
    }
    return join_signs(x, below(x, d, strict), unsigned_plain(x));
}

bool hone_number_multiple(hone_exprs *x, const hone_decimal *d, hone_expr *out)
{
    char all[2 * HONE_DECIMAL_DIGITS];
    snprintf(all, sizeof all, "%s%s", d->whole, d->part);
    const unsigned long long k = strtoull(all, NULL, 10);
    if (strlen(all) > 10 || k == 0 || k > INT32_MAX || d->negative) return false;
    const hone_expr e = hone_expr_multiple(x, (uint32_t)k, (uint32_t)strlen(d->part));
    *out = hone_expr_and(x, hone_number_plain(x), e);
    return true;
}
