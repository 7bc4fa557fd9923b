#include "base/utf8.h"

int hone_utf8_decode(const char *str, size_t len, uint32_t *cp)
{
    const unsigned char *s = (const unsigned char *)str;
    *cp = HONE_UTF8_REPLACEMENT;
    if (s[0] < 0x80) {
        *cp = s[0];
        return 1;
    }

    /* length, and the range allowed for the second byte (table 3-7) */
    int n;
    unsigned lo = 0x80, hi = 0xBF;
    uint32_t value;
    if (s[0] >= 0xC2 && s[0] <= 0xDF) {
        n = 2;
        value = s[0] & 0x1Fu;
    } else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        n = 3;
        value = s[0] & 0x0Fu;
        if (s[0] == 0xE0) lo = 0xA0;
        if (s[0] == 0xED) hi = 0x9F;
    } else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        n = 4;
        value = s[0] & 0x07u;
        if (s[0] == 0xF0) lo = 0x90;
        if (s[0] == 0xF4) hi = 0x8F;
    } else {
        return -1;
    }

    for (int i = 1; i < n; i++) {
        if ((size_t)i == len) return 0;
        if (s[i] < lo || s[i] > hi) return -i;
        value = value << 6 | (s[i] & 0x3Fu);
        lo = 0x80;
        hi = 0xBF;
    }
    *cp = value;
    return n;
}

int hone_utf8_encode(char *out, uint32_t cp)
{
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF)) cp = HONE_UTF8_REPLACEMENT;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    const int n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    static const unsigned lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (int i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (cp & 0x3F));
        cp >>= 6;
    }
    out[0] = (char)(lead[n] | cp);
    return n;
}

bool hone_utf8_valid(const char *s, size_t len)
{
    size_t at = 0;
    while (at < len) {
        uint32_t cp;
        const int n = hone_utf8_decode(s + at, len - at, &cp);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}
