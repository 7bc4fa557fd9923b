/* tokenizer.c - encoding and decoding, and opening by path. */
#include "text/tokenizer.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "text/tokenizer_internal.h"

#define MAX_FILE ((size_t)256 << 20)

/* -- lists ------------------------------------------------------------------------ */

hone_status hone_tokens_append(hone_tokens *t, const int32_t *id, size_t n,
                               hone_error *err)
{
    if (n == 0) return HONE_OK;
    if (n > SIZE_MAX / 8 - t->len ||
        hone_grow((void **)&t->id, &t->cap, t->len + n, sizeof *t->id)) {
        return hone_fail(err, HONE_E_NOMEM, "tokens: out of memory");
    }
    memcpy(t->id + t->len, id, n * sizeof *id);
    t->len += n;
    return HONE_OK;
}

void hone_tokens_release(hone_tokens *t)
{
    hone_free(t->id);
    *t = (hone_tokens){0};
}

void hone_text_free(char *text)
{
    hone_free(text);
}

/* -- encoding --------------------------------------------------------------------- */

typedef struct encoding {
    const hone_tokenizer *t;
    unsigned flags;
    hone_tokens *out;
    const char *start; /* of the whole input */
    bool at_start;     /* of the stretch that is being normalized */
} encoding;

static hone_status on_piece(void *ctx, const char *text, size_t len, hone_error *err)
{
    const encoding *e = ctx;
    return hone_bpe_encode(e->t, text, len, e->out, err);
}

/* A stretch of normalized text. */
static hone_status on_normalized(void *ctx, int32_t id, const char *text, size_t len,
                                 hone_error *err)
{
    encoding *e = ctx;
    const bool at_start = e->at_start;
    e->at_start = false;
    if (id >= 0) return hone_tokens_append(e->out, &id, 1, err);
    return hone_pretokenize(&e->t->pre, text, len, at_start, on_piece, e, err);
}

/* A stretch of raw text. */
static hone_status on_raw(void *ctx, int32_t id, const char *text, size_t len,
                          hone_error *err)
{
    encoding *e = ctx;
    if (id >= 0) return hone_tokens_append(e->out, &id, 1, err);
    hone_buf b;
    hone_buf_init(&b, HONE_TOKENIZER_MAX_TEXT);
    hone_buf_append(&b, text, len);
    hone_status s = hone_buf_status(&b, "encode", err);
    bool front_lost = false;
    if (!s) s = hone_normalize(&e->t->normalizer, &b, &front_lost, err);
    e->at_start = text == e->start && !front_lost;
    if (!s) {
        s = hone_added_split(e->t, &e->t->normalized, b.data, b.len,
                             e->flags & HONE_ENCODE_NO_PARSE, on_normalized, e, err);
    }
    hone_buf_release(&b);
    return s;
}

static hone_status encode_text(const hone_tokenizer *t, const char *text, size_t len,
                               unsigned flags, hone_tokens *out, hone_error *err)
{
    const bool special = flags & HONE_ENCODE_SPECIAL;
    encoding e = {.t = t, .flags = flags, .out = out, .start = text};
    if (special) HONE_TRY(hone_tokens_append(out, t->before.id, t->before.len, err));
    HONE_TRY(hone_added_split(t, &t->raw, text, len, flags & HONE_ENCODE_NO_PARSE,
                              on_raw, &e, err));
    if (special) HONE_TRY(hone_tokens_append(out, t->after.id, t->after.len, err));
    return HONE_OK;
}

hone_status hone_tokenizer_encode(const hone_tokenizer *t, const char *text, size_t len,
                                  unsigned flags, hone_tokens *out, hone_error *err)
{
    const size_t before = out->len;
    hone_buf clean;
    hone_buf_init(&clean, HONE_TOKENIZER_MAX_TEXT);
    hone_append_lossy(&clean, text, len);
    hone_status s = hone_buf_status(&clean, "encode", err);
    if (!s) s = encode_text(t, clean.data, clean.len, flags, out, err);
    hone_buf_release(&clean);
    if (s) out->len = before;
    return s;
}

hone_status hone_tokenizer_decode(const hone_tokenizer *t, const int32_t *id, size_t n,
                                  unsigned flags, char **out, size_t *len,
                                  hone_error *err)
{
    hone_buf b;
    hone_buf_init(&b, HONE_TOKENIZER_MAX_TEXT);
    hone_status s = hone_decode(t, id, n, flags, &b, err);
    if (!s) {
        *len = b.len;
        char *text = hone_buf_take(&b);
        if (text)
            *out = text;
        else
            s = hone_fail(err, HONE_E_NOMEM, "decode: out of memory");
    }
    hone_buf_release(&b);
    return s;
}

/* -- asking ----------------------------------------------------------------------- */

void hone_tokenizer_free(hone_tokenizer *t)
{
    if (!t) return;
    for (int32_t i = 0; i < t->n_vocab; i++) {
        if (t->piece[i].bytes != t->piece[i].text) hone_free(t->piece[i].bytes);
        hone_free(t->piece[i].text);
    }
    hone_free(t->piece);
    hone_map_release(&t->map);
    hone_added_release(t);
    hone_steps_release(&t->normalizer);
    hone_steps_release(&t->pre);
    hone_steps_release(&t->decoder);
    hone_bpe_release(&t->bpe);
    hone_tokens_release(&t->before);
    hone_tokens_release(&t->after);
    hone_free(t);
}

int32_t hone_tokenizer_n_vocab(const hone_tokenizer *t)
{
    return t->n_vocab;
}

static const hone_piece_entry *entry(const hone_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->n_vocab && t->piece[id].text ? &t->piece[id] : NULL;
}

const char *hone_tokenizer_piece(const hone_tokenizer *t, int32_t id, size_t *len)
{
    return hone_vocab_spelling(t, id, len);
}

const char *hone_tokenizer_bytes(const hone_tokenizer *t, int32_t id, size_t *len)
{
    const hone_piece_entry *p = entry(t, id);
    *len = p ? p->n_bytes : 0;
    return p ? p->bytes : NULL;
}

int32_t hone_tokenizer_find(const hone_tokenizer *t, const char *piece, size_t len)
{
    for (size_t i = 0; i < t->n_added; i++) {
        const hone_piece_entry *p = &t->piece[t->added[i].id];
        if (p->len == len && memcmp(p->text, piece, len) == 0) return t->added[i].id;
    }
    return hone_map_find(&t->map, piece, len);
}

bool hone_tokenizer_is_special(const hone_tokenizer *t, int32_t id)
{
    const hone_piece_entry *p = entry(t, id);
    return p && p->special;
}

int32_t hone_tokenizer_role(const hone_tokenizer *t, hone_token_role role)
{
    return t->role[role];
}

bool hone_tokenizer_adds_bos(const hone_tokenizer *t)
{
    return t->before.len > 0;
}

bool hone_tokenizer_adds_eos(const hone_tokenizer *t)
{
    return t->after.len > 0;
}

size_t hone_tokenizer_memory(const hone_tokenizer *t)
{
    return t->memory + t->bpe.merge_cap * 16;
}

/* -- opening ---------------------------------------------------------------------- */

static hone_status open_json(hone_tokenizer **out, const char *path,
                             const char *config_path, hone_error *err)
{
    char *text = NULL, *config = NULL;
    size_t len, config_len = 0;
    hone_status s = hone_file_read(&text, &len, path, MAX_FILE, err);
    if (!s && config_path && hone_file_exists(config_path)) {
        s = hone_file_read(&config, &config_len, config_path, MAX_FILE, err);
    }
    if (!s) s = hone_tokenizer_from_json(out, text, len, config, config_len, path, err);
    hone_free(text);
    hone_free(config);
    return s;
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static hone_status open_file(hone_tokenizer **out, const char *path, hone_error *err)
{
    if (ends_with(path, ".json")) return open_json(out, path, NULL, err);
    char *data;
    size_t len;
    HONE_TRY(hone_file_read(&data, &len, path, MAX_FILE, err));
    const hone_status s = ends_with(path, ".tiktoken")
                              ? hone_tokenizer_from_tiktoken(out, data, len, path, err)
                              : hone_tokenizer_from_sentencepiece(
                                    out, (const unsigned char *)data, len, path, err);
    hone_free(data);
    return s;
}

/* tokenizer.json first, then SentencePiece's file. */
static hone_status open_folder(hone_tokenizer **out, const char *dir, hone_error *err)
{
    char *json = hone_path_join(dir, "tokenizer.json");
    char *config = hone_path_join(dir, "tokenizer_config.json");
    char *sp = hone_path_join(dir, "tokenizer.model");
    hone_status s;
    if (!json || !config || !sp) {
        s = hone_fail(err, HONE_E_NOMEM, "open %s: out of memory", dir);
    } else if (hone_file_exists(json)) {
        s = open_json(out, json, config, err);
    } else if (hone_file_exists(sp)) {
        s = open_file(out, sp, err);
    } else {
        s = hone_fail(err, HONE_E_NOT_FOUND,
                      "open %s: no tokenizer.json or tokenizer.model", dir);
    }
    hone_free(json);
    hone_free(config);
    hone_free(sp);
    return s;
}

hone_status hone_tokenizer_open(hone_tokenizer **out, const char *path, hone_error *err)
{
    return hone_folder_exists(path) ? open_folder(out, path, err)
                                    : open_file(out, path, err);
}
