/* tokenizer_sp.c - SentencePiece .model files, of the BPE type.
 *
 * The file is a protocol buffer; only what an encoder needs is read: pieces, and the
 * trainer's and normalizer's specs.
 * Format: google/sentencepiece, src/sentencepiece_model.proto. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/spm.h"

/* -- protocol buffers ------------------------------------------------------------- */

typedef struct reader {
    const unsigned char *at, *end;
} reader;

/* One field: bytes for length-delimited ones, else a number. */
typedef struct field {
    uint32_t number, wire;
    uint64_t value;
    reader bytes;
} field;

static bool read_varint(reader *r, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        const unsigned char b = *r->at++;
        *out |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80)) return true;
    }
    return false;
}

static bool read_fixed(reader *r, size_t n, uint64_t *out)
{
    if ((size_t)(r->end - r->at) < n) return false;
    *out = 0;
    memcpy(out, r->at, n);
    r->at += n;
    return true;
}

/* False at the end of the message, or, with *broken set, where it cannot be read. */
static bool next_field(reader *r, field *f, bool *broken)
{
    uint64_t key;
    if (r->at == r->end) return false;
    *broken = true;
    if (!read_varint(r, &key)) return false;
    f->number = (uint32_t)(key >> 3);
    f->wire = (uint32_t)(key & 7);
    f->bytes = (reader){0};
    switch (f->wire) {
    case 0:
        if (!read_varint(r, &f->value)) return false;
        break;
    case 1:
        if (!read_fixed(r, 8, &f->value)) return false;
        break;
    case 2:
        if (!read_varint(r, &f->value) || f->value > (uint64_t)(r->end - r->at))
            return false;
        f->bytes = (reader){r->at, r->at + f->value};
        r->at += f->value;
        break;
    case 5:
        if (!read_fixed(r, 4, &f->value)) return false;
        break;
    default:
        return false;
    }
    *broken = false;
    return true;
}

/* -- the model -------------------------------------------------------------------- */

typedef struct sp_model {
    hone_slice *piece;
    float *score;
    int32_t *type;
    size_t n, piece_cap, score_cap, type_cap;
    int64_t model_type; /* 1 Unigram, 2 BPE, 3 word, 4 char */
    bool byte_fallback;
    int64_t role[HONE_TOKEN_N_ROLE];
    bool add_dummy_prefix, remove_extra, escape;
    reader charsmap;   /* compiled normalizer, may be empty */
    bool space_behind; /* treat_whitespace_as_suffix */
    bool broken;
} sp_model;

static hone_status add_piece(sp_model *m, reader r, hone_error *err)
{
    hone_slice text = {"", 0};
    float score = 0.0f;
    int32_t type = HONE_TOKEN_NORMAL;
    field f;
    while (next_field(&r, &f, &m->broken)) {
        if (f.number == 1 && f.wire == 2) {
            text = (hone_slice){(const char *)f.bytes.at, (size_t)f.value};
        } else if (f.number == 2 && f.wire == 5) {
            memcpy(&score, &f.value, sizeof score);
        } else if (f.number == 3 && f.wire == 0) {
            type = f.value <= 6 ? (int32_t)f.value : HONE_TOKEN_UNUSED;
        }
    }
    if (hone_grow((void **)&m->piece, &m->piece_cap, m->n + 1, sizeof *m->piece) ||
        hone_grow((void **)&m->score, &m->score_cap, m->n + 1, sizeof *m->score) ||
        hone_grow((void **)&m->type, &m->type_cap, m->n + 1, sizeof *m->type)) {
        return hone_fail(err, HONE_E_NOMEM, "out of memory");
    }
    m->piece[m->n] = text;
    m->score[m->n] = score;
    m->type[m->n++] = type;
    return HONE_OK;
}

static void read_trainer(sp_model *m, reader r)
{
    field f;
    while (next_field(&r, &f, &m->broken)) {
        if (f.wire != 0) continue;
        switch (f.number) {
        case 24:
            m->space_behind = f.value != 0;
            break;
        case 3:
            m->model_type = (int64_t)f.value;
            break;
        case 35:
            m->byte_fallback = f.value != 0;
            break;
        case 40:
            m->role[HONE_TOKEN_UNK] = (int64_t)f.value;
            break;
        case 41:
            m->role[HONE_TOKEN_BOS] = (int64_t)f.value;
            break;
        case 42:
            m->role[HONE_TOKEN_EOS] = (int64_t)f.value;
            break;
        case 43:
            m->role[HONE_TOKEN_PAD] = (int64_t)f.value;
            break;
        default:
            break;
        }
    }
}

static void read_normalizer(sp_model *m, reader r)
{
    field f;
    while (next_field(&r, &f, &m->broken)) {
        if (f.number == 2 && f.wire == 2) m->charsmap = f.bytes;
        if (f.wire != 0) continue;
        if (f.number == 3) m->add_dummy_prefix = f.value != 0;
        if (f.number == 4) m->remove_extra = f.value != 0;
        if (f.number == 5) m->escape = f.value != 0;
    }
}

static hone_status read_model(sp_model *m, const unsigned char *data, size_t len,
                              hone_error *err)
{
    reader r = {data, data + len};
    field f;
    while (next_field(&r, &f, &m->broken)) {
        if (f.wire != 2) continue;
        if (f.number == 1) HONE_TRY(add_piece(m, f.bytes, err));
        if (f.number == 2) read_trainer(m, f.bytes);
        if (f.number == 3) read_normalizer(m, f.bytes);
    }
    if (m->broken || m->n == 0) {
        return hone_fail(err, HONE_E_FORMAT, "expected a SentencePiece model, found %s",
                         m->broken ? "a broken message" : "no pieces");
    }
    if (m->model_type != 2) {
        return hone_fail(err, HONE_E_UNSUPPORTED,
                         "SentencePiece type %lld; known is 2 (BPE)",
                         (long long)m->model_type);
    }
    if (!m->escape || m->space_behind) {
        return hone_fail(err, HONE_E_UNSUPPORTED, "white space %s",
                         m->escape ? "belongs to the word before" : "is not escaped");
    }
    return HONE_OK;
}

/* The compiled normalizer; it leaves the symbols of the user as they are. */
static hone_status add_charsmap(hone_tokenizer *t, reader r, hone_error *err)
{
    if (r.at == r.end) return HONE_OK;
    hone_step *s = hone_steps_add(&t->normalizer, HONE_NORM_CHARSMAP_SP);
    s->keep = t;
    return hone_charsmap_new(&s->charsmap, r.at, (size_t)(r.end - r.at), err);
}

static hone_status fill(hone_tokenizer *t, const sp_model *m, hone_error *err)
{
    for (size_t i = 0; i < m->n; i++) {
        const int32_t type = m->type[i];
        const bool in_map = type != HONE_TOKEN_CONTROL && type != HONE_TOKEN_UNKNOWN;
        HONE_TRY(hone_vocab_set(t, (int32_t)i, m->piece[i].data, m->piece[i].len,
                                in_map, err));
        if (type == HONE_TOKEN_UNKNOWN) t->piece[i].special = 1;
        if (type != HONE_TOKEN_CONTROL && type != HONE_TOKEN_USER_DEFINED) continue;
        /* symbols of the user are found in the text with its spaces marked */
        const bool user = type == HONE_TOKEN_USER_DEFINED;
        const hone_added_token a = {.id = (int32_t)i,
                                    .content = t->piece[i].text,
                                    .len = t->piece[i].len,
                                    .special = !user,
                                    .normalized = user,
                                    .ready = user};
        HONE_TRY(hone_added_add(t, &a, err));
    }
    for (int i = 0; i < HONE_TOKEN_N_ROLE; i++) {
        const int64_t id = m->role[i];
        t->role[i] = id >= 0 && id < t->n_vocab ? (int32_t)id : -1;
    }
    t->bpe.unk = t->role[HONE_TOKEN_UNK];
    HONE_TRY(add_charsmap(t, m->charsmap, err));
    const hone_spm_options o = {m->add_dummy_prefix, m->remove_extra, m->byte_fallback};
    HONE_TRY(hone_spm_finish(t, m->score, m->type, &o, err));
    /* the file does not say what is added; its models are trained with BOS */
    if (t->role[HONE_TOKEN_BOS] >= 0) {
        HONE_TRY(hone_tokens_append(&t->before, &t->role[HONE_TOKEN_BOS], 1, err));
    }
    HONE_TRY(hone_added_index(t, err));
    return hone_vocab_fill_bytes(t, err);
}

hone_status hone_tokenizer_from_sentencepiece(hone_tokenizer **out,
                                              const unsigned char *data, size_t len,
                                              const char *name, hone_error *err)
{
    /* the defaults of the format */
    sp_model m = {.model_type = 1,
                  .add_dummy_prefix = true,
                  .remove_extra = true,
                  .escape = true};
    for (int i = 0; i < HONE_TOKEN_N_ROLE; i++) {
        m.role[i] = -1;
    }
    m.role[HONE_TOKEN_UNK] = 0;
    m.role[HONE_TOKEN_BOS] = 1;
    m.role[HONE_TOKEN_EOS] = 2;
    hone_tokenizer *t = NULL;
    hone_status s = read_model(&m, data, len, err);
    if (!s) s = hone_tokenizer_new(&t, m.n, err);
    if (!s) s = fill(t, &m, err);
    hone_free(m.piece);
    hone_free(m.score);
    hone_free(m.type);
    if (s) {
        hone_tokenizer_free(t);
        return hone_error_wrap(err, s, "open %s", name);
    }
    *out = t;
    return HONE_OK;
}
