/* steps.c - normalizer, pre-tokenizer and decoder steps as data. */
#include "base/mem.h"
#include "base/utf8.h"
#include "text/tokenizer_internal.h"

/* Source: openai/gpt-2, src/encoder.py; the same in tokenizers' ByteLevel. */
const char hone_gpt2_pattern[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+|"
                                 " ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

hone_step *hone_steps_add(hone_steps *s, hone_step_kind kind)
{
    if (s->n == HONE_TOKENIZER_MAX_STEPS) return NULL;
    hone_step *step = &s->step[s->n++];
    *step = (hone_step){.kind = kind};
    return step;
}

void hone_steps_release(hone_steps *s)
{
    for (size_t i = 0; i < s->n; i++) {
        hone_regex_free(s->step[i].regex);
        hone_charsmap_free(s->step[i].charsmap);
        hone_free(s->step[i].text);
        hone_free(s->step[i].delimiter);
    }
    s->n = 0;
}

hone_status hone_step_set_text(hone_step *s, const char *text, size_t len,
                               hone_error *err)
{
    if (!s) {
        return hone_fail(err, HONE_E_LIMIT, "more than %d steps",
                         HONE_TOKENIZER_MAX_STEPS);
    }
    s->text = hone_strndup(text, len);
    s->text_len = len;
    return s->text ? HONE_OK : hone_fail(err, HONE_E_NOMEM, "out of memory");
}

hone_status hone_step_set_regex(hone_step *s, const char *pattern, size_t len,
                                bool literal, hone_error *err)
{
    if (!s) {
        return hone_fail(err, HONE_E_LIMIT, "more than %d steps",
                         HONE_TOKENIZER_MAX_STEPS);
    }
    return hone_regex_new(&s->regex, pattern, len, literal, err);
}

void hone_append_lossy(hone_buf *out, const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        uint32_t cp;
        const int n = hone_utf8_decode(text + at, len - at, &cp);
        if (n > 0) {
            hone_buf_append(out, text + at, (size_t)n);
            at += (size_t)n;
        } else {
            hone_buf_append_utf8(out, HONE_UTF8_REPLACEMENT);
            at += n < 0 ? (size_t)-n : len - at;
        }
    }
}
