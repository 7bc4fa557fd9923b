/* byte_level.c - bytes as printable characters.
 *
 * Printable bytes of Latin-1 stand for themselves; the other 68 become U+0100 .. U+0143
 * in order.  Source: openai/gpt-2, src/encoder.py, bytes_to_unicode. */
#include "base/utf8.h"
#include "text/tokenizer_internal.h"

static bool is_itself(unsigned b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
}

/* Bytes below b that are not themselves. */
static unsigned hidden_before(unsigned b)
{
    if (b <= 0x20) return b;
    return b < 0xAD ? 0x21 + (b - 0x7F) : 67; /* 33 low ones; 7F .. A0; AD */
}

static unsigned char_of(unsigned b)
{
    return is_itself(b) ? b : 0x100 + hidden_before(b);
}

/* The byte of a character, or -1. */
static int byte_of(uint32_t cp)
{
    if (cp < 0x100) return is_itself(cp) ? (int)cp : -1;
    const uint32_t n = cp - 0x100;
    if (n <= 0x20) return (int)n;
    if (n < 67) return (int)(n - 0x21 + 0x7F);
    return n == 67 ? 0xAD : -1;
}

void hone_byte_level_encode(hone_buf *out, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        hone_buf_append_utf8(out, char_of((unsigned char)bytes[i]));
    }
}

bool hone_byte_level_decode(hone_buf *out, const char *text, size_t len)
{
    const size_t start = out->len;
    for (size_t at = 0; at < len;) {
        uint32_t cp;
        const int n = hone_utf8_decode(text + at, len - at, &cp);
        const int byte = n > 0 ? byte_of(cp) : -1;
        if (byte < 0) {
            out->len = start;
            if (out->cap) out->data[start] = '\0';
            return false;
        }
        hone_buf_append_char(out, (char)byte);
        at += (size_t)n;
    }
    return true;
}
