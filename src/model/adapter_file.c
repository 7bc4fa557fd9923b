#include "model/adapter_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/adapter_config.h"

#define MAX_CONFIG_BYTES ((size_t)16 << 20)

/* How the two kinds of files spell a pair. */
typedef struct spelling {
    const char *a, *b; /* what follows the layer's name */
} spelling;

static const spelling peft = {".lora_A.weight", ".lora_B.weight"};
static const spelling llama_cpp = {".weight.lora_a", ".weight.lora_b"};

/* One file that is being read: gguf, or st and config. */
typedef struct reader {
    hone_adapter_files *files;
    const hone_model *model;
    const hone_gguf *gguf;
    const hone_safetensors *st;
    const json_t *config;
    const spelling *spelling;
    bool interleaved; /* rows of q and k are in neighbouring pairs */
    double alpha;     /* of a GGUF file; 0: the scale is 1 */
    float scale;      /* asked for */
    hone_error *err;
} reader;

static size_t n_tensor(const reader *r)
{
    return r->gguf ? hone_gguf_n_tensors(r->gguf) : hone_safetensors_n_tensors(r->st);
}

static const hone_tensor *tensor(const reader *r, size_t i)
{
    return r->gguf ? hone_gguf_tensor(r->gguf, i) : hone_safetensors_tensor(r->st, i);
}

static const hone_tensor *find(const reader *r, const char *name)
{
    return r->gguf ? hone_gguf_find_tensor(r->gguf, name)
                   : hone_safetensors_find(r->st, name);
}

/* The part of name in front of the suffix, in buf; false without it, or if too long. */
static bool strip(const char *name, const char *suffix, char *buf, size_t size)
{
    const size_t n = strlen(name), len = strlen(suffix);
    if (n <= len || strcmp(name + n - len, suffix) != 0 || n - len >= size)
        return false;
    memcpy(buf, name, n - len);
    buf[n - len] = '\0';
    return true;
}

/* -- one pair --------------------------------------------------------------------- */

/* The tensor as rows of a [n_row, n_col] weight. */
static hone_status bind(const reader *r, const hone_tensor *t, int n_row, int n_col,
                        hone_matrix *out)
{
    if (t->n_dims != 2 || t->shape[0] != (uint64_t)n_row ||
        t->shape[1] != (uint64_t)n_col) {
        return hone_fail(
            r->err, HONE_E_FORMAT,
            "tensor '%.200s': expected shape [%d, %d], found [%llu, %llu]%s", t->name,
            n_row, n_col, (unsigned long long)t->shape[0],
            (unsigned long long)t->shape[1], t->n_dims == 2 ? "" : " of another rank");
    }
    const bool plain =
        t->dtype == HONE_F32 || t->dtype == HONE_F16 || t->dtype == HONE_BF16;
    *out = (hone_matrix){
        .data = t->data, .n_row = n_row, .n_col = n_col, .dtype = t->dtype};
    if ((!plain && !hone_dtype_is_quantized(t->dtype)) ||
        !hone_dtype_row_bytes(t->dtype, (size_t)n_col, &out->row_bytes)) {
        return hone_fail(r->err, HONE_E_UNSUPPORTED,
                         "tensor '%.200s': expected type F32, F16 or BF16, found %s",
                         t->name, hone_dtype_get(t->dtype)->name);
    }
    return HONE_OK;
}

/* GGUF's name of the layer that a tensor of the file is for. */
static hone_status layer_name(const reader *r, const char *tensor_name,
                              const char *module, char *out, size_t size)
{
    static const char prefix[] = "base_model.model.";
    const size_t n = sizeof prefix - 1;
    if (r->gguf) {
        snprintf(out, size, "%s", module);
    } else if (strncmp(module, prefix, n) != 0 ||
               !hone_source_gguf_name(module + n, out, size)) {
        return hone_fail(r->err, HONE_E_UNSUPPORTED,
                         "tensor '%.200s': no layer that hone knows", tensor_name);
    }
    if (strcmp(out, "token_embd") == 0 || strcmp(out, "output") == 0) {
        return hone_fail(r->err, HONE_E_UNSUPPORTED,
                         "tensor '%.200s': the embedding and the head take no adapter",
                         tensor_name);
    }
    return HONE_OK;
}

/* The linear of the model that `layer` names. */
static hone_status find_linear(const reader *r, const char *tensor_name,
                               const char *layer, hone_lora_pair *p,
                               const hone_matrix **w)
{
    char name[300];
    snprintf(name, sizeof name, "%.256s.weight", layer);
    const hone_tensor *t = hone_source_find(hone_model_source(r->model), name);
    *w = t ? hone_program_find_linear(hone_model_program(r->model), t->data, &p->op,
                                      &p->linear)
           : NULL;
    if (*w) return HONE_OK;
    return hone_fail(r->err, HONE_E_UNSUPPORTED,
                     "tensor '%.200s': the model has no linear layer '%.100s'",
                     tensor_name, layer);
}

static hone_status rank_and_scale(const reader *r, const char *module,
                                  const hone_tensor *a, int *rank, float *scale)
{
    if (!r->gguf) {
        const char *name = strstr(module, ".model."); /* behind "base_model" */
        return hone_adapter_config_of(r->config, name + strlen(".model."), rank, scale,
                                      r->err);
    }
    if (a->shape[0] < 1 || a->shape[0] > HONE_LORA_MAX_RANK) {
        return hone_fail(r->err, a->shape[0] ? HONE_E_LIMIT : HONE_E_FORMAT,
                         "tensor '%.200s': rank: expected 1 to %d, found %llu", a->name,
                         HONE_LORA_MAX_RANK, (unsigned long long)a->shape[0]);
    }
    *rank = (int)a->shape[0];
    *scale = r->alpha != 0.0 ? (float)(r->alpha / *rank) : 1.0f;
    return HONE_OK;
}

/* Rows of q and k, where the file has them in another order than the model. */
static void set_turn(const reader *r, const char *layer, hone_lora_pair *p)
{
    const hone_spec *spec = hone_model_spec(r->model);
    const char *dot = strrchr(layer, '.');
    if (!dot || (strcmp(dot, ".attn_q") != 0 && strcmp(dot, ".attn_k") != 0)) return;
    if (r->interleaved == spec->rope.interleaved) return;
    p->turn = spec->rope.interleaved ? HONE_TURN_TO_PAIRS : HONE_TURN_TO_HALVES;
    p->d_head = spec->d_head;
}

static hone_status add_pair(reader *r, const hone_tensor *a, const hone_tensor *b,
                            const char *module)
{
    hone_adapter_files *f = r->files;
    char layer[256];
    const hone_matrix *w;
    hone_lora_pair p = {0};
    int rank;
    HONE_TRY(layer_name(r, a->name, module, layer, sizeof layer));
    HONE_TRY(find_linear(r, a->name, layer, &p, &w));
    HONE_TRY(rank_and_scale(r, module, a, &rank, &p.scale));
    p.scale *= r->scale;
    HONE_TRY(bind(r, a, rank, w->n_col, &p.a));
    HONE_TRY(bind(r, b, w->n_row, rank, &p.b));
    if (!isfinite(p.scale)) {
        return hone_fail(r->err, HONE_E_FORMAT,
                         "tensor '%.200s': its scale is not finite", a->name);
    }
    set_turn(r, layer, &p);
    if (hone_grow((void **)&f->pair, &f->cap, f->n + 1, sizeof *f->pair)) {
        return hone_fail(r->err, HONE_E_NOMEM, "out of memory");
    }
    f->pair[f->n++] = p;
    return HONE_OK;
}

/* -- all of a file ---------------------------------------------------------------- */

static hone_status refuse(const reader *r, const char *name)
{
    static const struct {
        const char *part, *what;
    } table[] = {{"lora_embedding_", "the embedding and the head take no adapter"},
                 {"token_embd.", "the embedding and the head take no adapter"},
                 {"lora_magnitude", "weight decomposition (DoRA) is not supported"},
                 {".bias", "trained biases are not supported"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (!strstr(name, table[i].part)) continue;
        return hone_fail(r->err, HONE_E_UNSUPPORTED, "tensor '%.200s': %s", name,
                         table[i].what);
    }
    return hone_fail(r->err, HONE_E_UNSUPPORTED,
                     "tensor '%.200s': expected a name that ends in %s or %s", name,
                     r->spelling->a, r->spelling->b);
}

/* Both halves of a pair from the first; the second is only checked to have one. */
static hone_status read_tensor(reader *r, const hone_tensor *t)
{
    char module[256], other[300];
    const bool first = strip(t->name, r->spelling->a, module, sizeof module);
    if (!first && !strip(t->name, r->spelling->b, module, sizeof module)) {
        return refuse(r, t->name);
    }
    snprintf(other, sizeof other, "%s%s", module,
             first ? r->spelling->b : r->spelling->a);
    const hone_tensor *pair = find(r, other);
    if (pair) return first ? add_pair(r, t, pair, module) : HONE_OK;
    const char *type = r->st ? hone_safetensors_unsupported(r->st, other) : NULL;
    if (type) {
        return hone_fail(r->err, HONE_E_UNSUPPORTED,
                         "tensor '%.200s': expected type F32, F16 or BF16, found %s",
                         other, type);
    }
    return hone_fail(r->err, HONE_E_FORMAT, "tensor '%.200s' has no '%.200s' beside it",
                     t->name, other);
}

static hone_status read_all(reader *r)
{
    const size_t before = r->files->n;
    for (size_t i = 0; i < n_tensor(r); i++) {
        HONE_TRY(read_tensor(r, tensor(r, i)));
    }
    if (r->files->n > before) return HONE_OK;
    return hone_fail(r->err, HONE_E_FORMAT, "no weights of an adapter in it");
}

/* -- GGUF ------------------------------------------------------------------------- */

static bool is(hone_gguf_str s, const char *text)
{
    return s.data && s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static hone_status expect(const reader *r, const char *key, const char *value)
{
    hone_gguf_str s;
    HONE_TRY(hone_gguf_get_str(r->gguf, key, &s, r->err));
    if (is(s, value)) return HONE_OK;
    return hone_fail(r->err, HONE_E_UNSUPPORTED,
                     "key '%s': expected '%s', found '%.*s'", key, value,
                     (int)(s.len < 40 ? s.len : 40), s.data ? s.data : "");
}

/* GGUF knows Mistral as llama. */
static hone_status check_architecture(reader *r)
{
    static const char key[] = "general.architecture";
    hone_gguf_str s;
    const hone_spec *spec = hone_model_spec(r->model);
    const bool mistral = strcmp(spec->architecture, "mistral") == 0;
    const char *want = mistral ? "llama" : spec->architecture;
    HONE_TRY(hone_gguf_get_str(r->gguf, key, &s, r->err));
    if (is(s, want)) {
        r->interleaved = hone_spec_gguf_interleaved(want);
        return HONE_OK;
    }
    return hone_fail(r->err, HONE_E_INVALID,
                     "key '%s': expected the model's, '%s', found '%.*s'", key, want,
                     (int)(s.len < 40 ? s.len : 40), s.data ? s.data : "");
}

static hone_status read_gguf(reader *r)
{
    r->spelling = &llama_cpp;
    HONE_TRY(expect(r, "general.type", "adapter"));
    HONE_TRY(expect(r, "adapter.type", "lora"));
    HONE_TRY(check_architecture(r));
    if (hone_gguf_has(r->gguf, "adapter.alora.invocation_tokens")) {
        return hone_fail(r->err, HONE_E_UNSUPPORTED,
                         "key 'adapter.alora.invocation_tokens' is not supported");
    }
    HONE_TRY(hone_gguf_get_real(r->gguf, "adapter.lora.alpha", 0.0, &r->alpha, r->err));
    return read_all(r);
}

static hone_status add_gguf(reader *r, const char *path)
{
    hone_adapter_files *f = r->files;
    hone_gguf *g;
    if (hone_grow((void **)&f->gguf, &f->gguf_cap, f->n_gguf + 1, sizeof *f->gguf)) {
        return hone_fail(r->err, HONE_E_NOMEM, "out of memory");
    }
    HONE_TRY(hone_gguf_open(&g, path, r->err));
    f->gguf[f->n_gguf++] = g;
    r->gguf = g;
    return read_gguf(r);
}

/* -- PEFT ------------------------------------------------------------------------- */

static hone_status read_peft(reader *r)
{
    r->spelling = &peft;
    HONE_TRY(hone_adapter_config_check(r->config, r->err));
    return read_all(r);
}

/* Room for one more file, which then is the last. */
static hone_status grow_st(hone_adapter_files *f, hone_error *err)
{
    if (!hone_grow((void **)&f->st, &f->st_cap, f->n_st + 1, sizeof *f->st))
        return HONE_OK;
    return hone_fail(err, HONE_E_NOMEM, "out of memory");
}

static hone_status open_peft(reader *r, const char *folder, json_t **config)
{
    hone_adapter_files *f = r->files;
    char *settings = hone_path_join(folder, "adapter_config.json");
    char *weights = hone_path_join(folder, "adapter_model.safetensors");
    hone_status s = settings && weights
                        ? grow_st(f, r->err)
                        : hone_fail(r->err, HONE_E_NOMEM, "out of memory");
    if (!s) s = hone_json_load_file(config, settings, MAX_CONFIG_BYTES, r->err);
    if (!s) s = hone_safetensors_open(&f->st[f->n_st], weights, r->err);
    if (!s) r->st = f->st[f->n_st++];
    hone_free(settings);
    hone_free(weights);
    return s;
}

static hone_status add_peft(reader *r, const char *folder)
{
    json_t *config = NULL;
    hone_status s = open_peft(r, folder, &config);
    r->config = config;
    if (!s) s = read_peft(r);
    json_decref(config);
    return s;
}

hone_status hone_adapter_files_add(hone_adapter_files *f, const hone_model *m,
                                   const char *path, float scale, hone_error *err)
{
    reader r = {.files = f, .model = m, .scale = scale, .err = err};
    HONE_ASSERT(hone_model_program(m));
    if (!isfinite(scale)) {
        return hone_fail(err, HONE_E_INVALID, "adapter %s: scale: not finite", path);
    }
    const hone_status s =
        hone_folder_exists(path) ? add_peft(&r, path) : add_gguf(&r, path);
    return s ? hone_error_wrap(err, s, "adapter %s", path) : HONE_OK;
}

hone_status hone_adapter_files_add_memory(hone_adapter_files *f, const hone_model *m,
                                          const char *config, size_t config_len,
                                          const void *weights, size_t size,
                                          hone_error *err)
{
    reader r = {.files = f, .model = m, .scale = 1.0f, .err = err};
    json_t *tree = NULL;
    HONE_TRY(grow_st(f, err));
    HONE_TRY(hone_json_load(&tree, config, config_len, "adapter_config.json", err));
    hone_status s = hone_safetensors_open_memory(&f->st[f->n_st], weights, size,
                                                 "adapter_model.safetensors", err);
    if (!s) {
        r.st = f->st[f->n_st++];
        r.config = tree;
        s = read_peft(&r);
    }
    json_decref(tree);
    return s;
}

void hone_adapter_files_release(hone_adapter_files *f)
{
    for (size_t i = 0; i < f->n_gguf; i++) {
        hone_gguf_close(f->gguf[i]);
    }
    for (size_t i = 0; i < f->n_st; i++) {
        hone_safetensors_close(f->st[i]);
    }
    hone_free(f->gguf);
    hone_free(f->st);
    hone_free(f->pair);
    *f = (hone_adapter_files){0};
}
