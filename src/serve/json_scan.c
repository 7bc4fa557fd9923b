/* json_scan.c - a pushdown automaton whose stack is one bit a level. */
#include "serve/json_scan.h"

#include <string.h>

/* What of a number has been read. */
enum {
    AT_MINUS,
    AT_ZERO,
    AT_DIGITS,
    AT_POINT,
    AT_FRACTION,
    AT_E,
    AT_SIGN,
    AT_EXPONENT
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static json_scan_result open_level(json_scan *s, bool array)
{
    if (s->depth == JSON_SCAN_DEPTH) return JSON_SCAN_BROKEN;
    const uint64_t bit = (uint64_t)1 << s->depth % 64;
    uint64_t *word = &s->array[s->depth++ / 64];
    *word = array ? *word | bit : *word & ~bit;
    s->state = array ? JSON_AT_ITEM : JSON_AT_MEMBER;
    return JSON_SCAN_MORE;
}

static bool in_array(const json_scan *s)
{
    return s->array[(s->depth - 1) / 64] >> (s->depth - 1) % 64 & 1;
}

static json_scan_result close_level(json_scan *s, bool array)
{
    if (s->depth == 0 || in_array(s) != array) return JSON_SCAN_BROKEN;
    s->state = --s->depth ? JSON_AFTER_VALUE : JSON_DONE;
    return s->depth ? JSON_SCAN_MORE : JSON_SCAN_END;
}

static json_scan_result begin_value(json_scan *s, char c)
{
    static const char *const literals[] = {"true", "false", "null"};
    if (c == '{' || c == '[') return open_level(s, c == '[');
    if (s->depth == 0) return JSON_SCAN_BROKEN;
    if (c == '"') {
        s->state = JSON_IN_STRING;
        s->in_key = false;
        return JSON_SCAN_MORE;
    }
    if (c == '-' || is_digit(c)) {
        s->state = JSON_IN_NUMBER;
        s->number = c == '-' ? AT_MINUS : c == '0' ? AT_ZERO : AT_DIGITS;
        return JSON_SCAN_MORE;
    }
    for (int i = 0; i < 3; i++) {
        if (literals[i][0] != c) continue;
        s->state = JSON_IN_LITERAL;
        s->literal = literals[i] + 1;
        return JSON_SCAN_MORE;
    }
    return JSON_SCAN_BROKEN;
}

static json_scan_result in_string(json_scan *s, char c)
{
    if ((unsigned char)c < 0x20) return JSON_SCAN_BROKEN;
    if (c == '\\')
        s->state = JSON_IN_ESCAPE;
    else if (c == '"')
        s->state = s->in_key ? JSON_AT_COLON : JSON_AFTER_VALUE;
    return JSON_SCAN_MORE;
}

static json_scan_result in_escape(json_scan *s, char c)
{
    if (c == 'u') {
        s->state = JSON_IN_HEX;
        s->left = 4;
        return JSON_SCAN_MORE;
    }
    s->state = JSON_IN_STRING;
    return c && strchr("\"\\/bfnrt", c) ? JSON_SCAN_MORE : JSON_SCAN_BROKEN;
}

static json_scan_result in_hex(json_scan *s, char c)
{
    if (!c || !strchr("0123456789abcdefABCDEF", c)) return JSON_SCAN_BROKEN;
    if (--s->left == 0) s->state = JSON_IN_STRING;
    return JSON_SCAN_MORE;
}

/* True if c goes on with the number. */
static bool number_goes_on(json_scan *s, char c)
{
    const int at = s->number;
    const bool whole = at == AT_ZERO || at == AT_DIGITS;
    if (is_digit(c) && at != AT_ZERO) {
        static const int next[] = {AT_DIGITS,   0,           AT_DIGITS,   AT_FRACTION,
                                   AT_FRACTION, AT_EXPONENT, AT_EXPONENT, AT_EXPONENT};
        s->number = at == AT_MINUS && c == '0' ? AT_ZERO : next[at];
        return true;
    }
    if (c == '.' && whole) {
        s->number = AT_POINT;
        return true;
    }
    if ((c == 'e' || c == 'E') && (whole || at == AT_FRACTION)) {
        s->number = AT_E;
        return true;
    }
    if ((c == '+' || c == '-') && at == AT_E) {
        s->number = AT_SIGN;
        return true;
    }
    return false;
}

static bool number_may_end(const json_scan *s)
{
    return s->number == AT_ZERO || s->number == AT_DIGITS || s->number == AT_FRACTION ||
           s->number == AT_EXPONENT;
}

static json_scan_result begin_key(json_scan *s, char c)
{
    if (c != '"') return JSON_SCAN_BROKEN;
    s->state = JSON_IN_STRING;
    s->in_key = true;
    return JSON_SCAN_MORE;
}

static json_scan_result after_value(json_scan *s, char c)
{
    if (c == ',') {
        s->state = in_array(s) ? JSON_AT_VALUE : JSON_AT_KEY;
        return JSON_SCAN_MORE;
    }
    return c == ']' || c == '}' ? close_level(s, c == ']') : JSON_SCAN_BROKEN;
}

json_scan_result hone_json_scan(json_scan *s, char c)
{
    switch (s->state) {
    case JSON_IN_STRING:
        return in_string(s, c);
    case JSON_IN_ESCAPE:
        return in_escape(s, c);
    case JSON_IN_HEX:
        return in_hex(s, c);
    case JSON_IN_LITERAL:
        if (c != *s->literal) return JSON_SCAN_BROKEN;
        if (!*++s->literal) s->state = JSON_AFTER_VALUE;
        return JSON_SCAN_MORE;
    case JSON_IN_NUMBER:
        if (number_goes_on(s, c)) return JSON_SCAN_MORE;
        if (!number_may_end(s)) return JSON_SCAN_BROKEN;
        s->state = JSON_AFTER_VALUE;
        break;
    case JSON_DONE:
        return JSON_SCAN_BROKEN;
    default:
        break;
    }
    if (is_space(c)) return JSON_SCAN_MORE;
    switch (s->state) {
    case JSON_AT_ITEM:
        return c == ']' ? close_level(s, true) : begin_value(s, c);
    case JSON_AT_MEMBER:
        return c == '}' ? close_level(s, false) : begin_key(s, c);
    case JSON_AT_KEY:
        return begin_key(s, c);
    case JSON_AT_COLON:
        s->state = JSON_AT_VALUE;
        return c == ':' ? JSON_SCAN_MORE : JSON_SCAN_BROKEN;
    case JSON_AFTER_VALUE:
        return after_value(s, c);
    default:
        return begin_value(s, c);
    }
}
