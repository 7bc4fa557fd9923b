#include "model/source.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

#define MAX_JSON_BYTES ((size_t)256 << 20)

/* GGUF name <-> Hugging Face name; %d is the layer. */
static const struct {
    const char *gguf, *hf;
} names[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
    {"blk.%d.attn_norm", "model.layers.%d.input_layernorm"},
    {"blk.%d.attn_q", "model.layers.%d.self_attn.q_proj"},
    {"blk.%d.attn_k", "model.layers.%d.self_attn.k_proj"},
    {"blk.%d.attn_v", "model.layers.%d.self_attn.v_proj"},
    {"blk.%d.attn_output", "model.layers.%d.self_attn.o_proj"},
    {"blk.%d.attn_q_norm", "model.layers.%d.self_attn.q_norm"},
    {"blk.%d.attn_k_norm", "model.layers.%d.self_attn.k_norm"},
    {"blk.%d.ffn_norm", "model.layers.%d.post_attention_layernorm"},
    {"blk.%d.ffn_gate", "model.layers.%d.mlp.gate_proj"},
    {"blk.%d.ffn_up", "model.layers.%d.mlp.up_proj"},
    {"blk.%d.ffn_down", "model.layers.%d.mlp.down_proj"},
};

static hone_status load_json(const hone_source *s, const char *name, json_t **out,
                             hone_error *err)
{
    char *text = NULL;
    size_t len = 0;
    HONE_TRY(hone_source_read(s, name, &text, &len, err));
    if (!text) return HONE_OK;
    const hone_status st = hone_json_load(out, text, len, name, err);
    hone_free(text);
    return st;
}

/* Folders with a vision tower nest what the decoder needs. */
static void unnest(hone_source *s)
{
    json_t *text = json_object_get(s->config, "text_config");
    if (!json_is_object(text) || json_object_get(s->config, "hidden_size")) return;
    json_t *tied = json_object_get(s->config, "tie_word_embeddings");
    if (tied && !json_object_get(text, "tie_word_embeddings"))
        (void)json_object_set(text, "tie_word_embeddings", tied);
    json_incref(text);
    json_decref(s->config);
    s->config = text;
}

static hone_status open_folder(hone_source *s, bool text_only, hone_error *err)
{
    HONE_TRY(load_json(s, "config.json", &s->config, err));
    unnest(s);
    HONE_TRY(load_json(s, "tokenizer_config.json", &s->tokenizer_config, err));
    HONE_TRY(load_json(s, "generation_config.json", &s->generation_config, err));
    if (text_only) return HONE_OK;
    if (!s->config) {
        return hone_fail(
            err, HONE_E_NOT_FOUND,
            "no config.json; expected a .gguf file or a Hugging Face folder");
    }
    return hone_safetensors_open(&s->st, s->path, err);
}

static hone_status open_any(hone_source *s, bool text_only, hone_error *err)
{
    if (hone_folder_exists(s->path)) return open_folder(s, text_only, err);
    return hone_gguf_open(&s->gguf, s->path, err);
}

hone_status hone_source_open(hone_source *s, const char *path, bool text_only,
                             hone_error *err)
{
    *s = (hone_source){.path = hone_strdup(path)};
    if (!s->path) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    const hone_status st = open_any(s, text_only, err);
    if (st) hone_source_close(s);
    return st;
}

void hone_source_close(hone_source *s)
{
    hone_gguf_close(s->gguf);
    hone_safetensors_close(s->st);
    json_decref(s->config);
    json_decref(s->tokenizer_config);
    json_decref(s->generation_config);
    hone_free(s->path);
    *s = (hone_source){0};
}

uint64_t hone_source_stamp(const hone_source *s)
{
    return s->gguf ? hone_gguf_stamp(s->gguf) : hone_safetensors_stamp(s->st);
}

/* Hugging Face's name of a GGUF name, in buf; false where the table has none. */
static bool translate(const char *name, char *buf, size_t size)
{
    const char *dot = strrchr(name, '.'); /* before "weight" or "bias" */
    if (!dot) return false;
    int layer = 0, used = 0;
    if (sscanf(name, "blk.%d.%n", &layer, &used) != 1) used = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char stem[128];
        const int n = snprintf(stem, sizeof stem, names[i].gguf, layer);
        if (n != (int)(dot - name) || strncmp(stem, name, (size_t)n) != 0) continue;
        const int at = snprintf(buf, size, names[i].hf, layer);
        snprintf(buf + at, size - (size_t)at, "%s", dot);
        return true;
    }
    return false;
}

/* The bare decoder of a folder saved without its head has no "model."; beside a vision
 * tower it has one more prefix. */
static const struct {
    const char *instead_of, *prefix;
} elsewhere[] = {{"model.", ""},
                 {"model.", "model.language_model."},
                 {"model.", "model.text_model."},
                 {"", "language_model."}};
enum {
    N_ELSEWHERE = sizeof elsewhere / sizeof elsewhere[0]
};

static const hone_tensor *find_elsewhere(const hone_safetensors *st, const char *hf)
{
    for (size_t i = 0; i < N_ELSEWHERE; i++) {
        char name[300];
        const size_t n = strlen(elsewhere[i].instead_of);
        if (strncmp(hf, elsewhere[i].instead_of, n) != 0) continue;
        snprintf(name, sizeof name, "%s%s", elsewhere[i].prefix, hf + n);
        const hone_tensor *t = hone_safetensors_find(st, name);
        if (t) return t;
    }
    return NULL;
}

/* hf as the table's name with some layer. */
static bool matches(const char *hf, const char *name, int *layer)
{
    const char *d = strstr(name, "%d");
    *layer = 0;
    if (!d) return strcmp(hf, name) == 0;
    const size_t n = (size_t)(d - name);
    if (strncmp(hf, name, n) != 0 || hf[n] < '0' || hf[n] > '9') return false;
    for (hf += n; *hf >= '0' && *hf <= '9' && *layer < INT_MAX / 10 - 1; hf++) {
        *layer = *layer * 10 + (*hf - '0');
    }
    return strcmp(hf, d + 2) == 0;
}

bool hone_source_gguf_name(const char *hf, char *buf, size_t size)
{
    for (size_t p = 0; p <= N_ELSEWHERE; p++) {
        char name[300];
        const char *prefix = p < N_ELSEWHERE ? elsewhere[p].prefix : "";
        const char *instead = p < N_ELSEWHERE ? elsewhere[p].instead_of : "";
        if (strncmp(hf, prefix, strlen(prefix)) != 0) continue;
        const int len =
            snprintf(name, sizeof name, "%s%s", instead, hf + strlen(prefix));
        if (len < 0 || (size_t)len >= sizeof name) continue;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            int layer;
            if (!matches(name, names[i].hf, &layer)) continue;
            snprintf(buf, size, names[i].gguf, layer);
            return true;
        }
    }
    return false;
}

const hone_tensor *hone_source_find(const hone_source *s, const char *name)
{
    if (s->gguf) return hone_gguf_find_tensor(s->gguf, name);
    char hf[256];
    if (!s->st || !translate(name, hf, sizeof hf)) return NULL;
    const hone_tensor *t = hone_safetensors_find(s->st, hf);
    return t ? t : find_elsewhere(s->st, hf);
}

size_t hone_source_n_tensor(const hone_source *s)
{
    if (s->gguf) return hone_gguf_n_tensors(s->gguf);
    return s->st ? hone_safetensors_n_tensors(s->st) : 0;
}

const hone_tensor *hone_source_tensor(const hone_source *s, size_t i)
{
    return s->gguf ? hone_gguf_tensor(s->gguf, i) : hone_safetensors_tensor(s->st, i);
}

const hone_tensor *hone_source_find_raw(const hone_source *s, const char *name)
{
    if (s->gguf) return hone_gguf_find_tensor(s->gguf, name);
    return s->st ? hone_safetensors_find(s->st, name) : NULL;
}

hone_status hone_source_read(const hone_source *s, const char *name, char **out,
                             size_t *len, hone_error *err)
{
    *out = NULL;
    if (s->gguf) return HONE_OK;
    char *path = hone_path_join(s->path, name);
    if (!path) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    hone_status st = HONE_OK;
    if (hone_file_exists(path))
        st = hone_file_read(out, len, path, MAX_JSON_BYTES, err);
    hone_free(path);
    return st;
}
