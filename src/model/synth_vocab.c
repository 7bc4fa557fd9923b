#include "model/synth_vocab.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "text/tokenizer.h"

/* Strings one after the other, and where each ends. */
typedef struct strings {
    hone_buf text;
    size_t *end;
    size_t n;
} strings;

static hone_status init(strings *s, size_t cap, hone_error *err)
{
    hone_buf_init(&s->text, (size_t)1 << 28);
    s->n = 0;
    s->end = hone_alloc(cap, sizeof *s->end);
    return s->end ? HONE_OK : hone_fail(err, HONE_E_NOMEM, "tokenizer: out of memory");
}

static void release(strings *s)
{
    hone_buf_release(&s->text);
    hone_free(s->end);
}

static void end_string(strings *s)
{
    s->end[s->n++] = s->text.len;
}

static hone_status put(hone_gguf_writer *w, const char *key, const strings *s,
                       hone_error *err)
{
    if (s->text.failed) return hone_buf_status(&s->text, "tokenizer", err);
    hone_gguf_str *list = hone_alloc(s->n, sizeof *list);
    if (!list) return hone_fail(err, HONE_E_NOMEM, "tokenizer: out of memory");
    for (size_t i = 0; i < s->n; i++) {
        const size_t from = i ? s->end[i - 1] : 0;
        list[i] = (hone_gguf_str){s->text.data + from, s->end[i] - from};
    }
    hone_gguf_put_strs(w, key, list, s->n);
    hone_free(list);
    return HONE_OK;
}

/* Two characters of a merge: with a space between them, as merges are written, or not. */
static void add_pair(strings *s, char a, char b, bool space)
{
    hone_byte_level_encode(&s->text, &a, 1);
    if (space) hone_buf_append_char(&s->text, ' ');
    hone_byte_level_encode(&s->text, &b, 1);
    end_string(s);
}

static void add_pairs(strings *s, bool space)
{
    static const char firsts[] = " abcdefghijklmnopqrstuvwxyz";
    for (const char *a = firsts; *a; a++) {
        for (char b = 'a'; b <= 'z'; b++) {
            add_pair(s, *a, b, space);
        }
    }
}

static void add_tokens(strings *s, int32_t *type, size_t n)
{
    for (int b = 0; b < 256; b++) {
        const char byte = (char)b;
        hone_byte_level_encode(&s->text, &byte, 1);
        end_string(s);
    }
    add_pairs(s, false);
    for (size_t i = 0; i < s->n; i++) {
        type[i] = HONE_TOKEN_NORMAL;
    }
    while (s->n < n - 2) {
        type[s->n] = HONE_TOKEN_UNUSED;
        hone_buf_printf(&s->text, "<unused%zu>", s->n);
        end_string(s);
    }
    static const char *const ends[] = {"<|begin_of_text|>", "<|end_of_text|>"};
    for (int i = 0; i < 2; i++) {
        type[s->n] = HONE_TOKEN_CONTROL;
        hone_buf_append_str(&s->text, ends[i]);
        end_string(s);
    }
}

hone_status hone_synth_put_vocab(hone_gguf_writer *w, const char *pre, int n_vocab,
                                 hone_error *err)
{
    const size_t n = (size_t)n_vocab;
    strings tokens = {0}, merges = {0};
    int32_t *type = hone_alloc(n, sizeof *type);
    hone_status s =
        type ? HONE_OK : hone_fail(err, HONE_E_NOMEM, "tokenizer: out of memory");
    HONE_ASSERT(n_vocab >= 2048);
    if (!s) s = init(&tokens, n, err);
    if (!s) s = init(&merges, n, err);
    if (s) goto out;
    add_tokens(&tokens, type, n);
    add_pairs(&merges, true);
    hone_gguf_put_str(w, "tokenizer.ggml.model", "gpt2");
    hone_gguf_put_str(w, "tokenizer.ggml.pre", pre);
    s = put(w, "tokenizer.ggml.tokens", &tokens, err);
    if (!s) s = put(w, "tokenizer.ggml.merges", &merges, err);
    hone_gguf_put_i32s(w, "tokenizer.ggml.token_type", type, n);
    hone_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)n - 2);
    hone_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)n - 1);
    hone_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", false);
    hone_gguf_put_bool(w, "tokenizer.ggml.add_eos_token", false);
out:
    release(&tokens);
    release(&merges);
    hone_free(type);
    return s;
}
