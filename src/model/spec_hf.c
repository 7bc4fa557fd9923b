/* spec_hf.c - hyper-parameters from a Hugging Face config.json.
 *
 * Defaults are those of transformers' configuration classes, since files leave out what
 * equals them. */
#include <string.h>

#include "base/mem.h"
#include "model/spec.h"

typedef struct reader {
    const json_t *config;
    hone_error *err;
    hone_status status; /* the first failure sticks */
} reader;

static int get_int(reader *r, const char *key, int fallback)
{
    int64_t n = fallback;
    if (r->status) return fallback;
    r->status =
        hone_json_get_int(r->config, key, fallback, 0, INT32_MAX / 2, &n, r->err);
    return (int)n;
}

static double real_of(reader *r, const json_t *obj, const char *key, double fallback)
{
    double x = fallback;
    if (r->status) return fallback;
    r->status = hone_json_get_real(obj, key, fallback, &x, r->err);
    return x;
}

static bool get_bool(reader *r, const char *key, bool fallback)
{
    bool b = fallback;
    if (r->status) return fallback;
    r->status = hone_json_get_bool(r->config, key, fallback, &b, r->err);
    return b;
}

static char *get_str(reader *r, const char *key, const char *fallback)
{
    const char *s = fallback;
    if (!r->status) r->status = hone_json_get_str(r->config, key, fallback, &s, r->err);
    char *copy = hone_strdup(s ? s : "");
    if (!copy && !r->status)
        r->status = hone_fail(r->err, HONE_E_NOMEM, "out of memory");
    return copy;
}

/* "LlamaForCausalLM" -> "llama", for files without model_type. */
static hone_status type_from_class(hone_spec *s, const json_t *config, hone_error *err)
{
    const char *name =
        json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    const char *end = name ? strstr(name, "For") : NULL;
    if (!end || end == name) {
        return hone_fail(err, HONE_E_FORMAT, "config.json: no key 'model_type'");
    }
    hone_free(s->architecture);
    s->architecture = hone_strndup(name, (size_t)(end - name));
    if (!s->architecture) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    for (char *c = s->architecture; *c; c++) {
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
    }
    return HONE_OK;
}

/* Rotary settings: at top level, in rope_scaling, or in the newer rope_parameters; what
 * the dict holds wins, but for original_max_position_embeddings. */
static void read_rope(reader *r, hone_spec *s, double default_theta)
{
    hone_rope_spec *rope = &s->rope;
    const json_t *dict = hone_json_find(r->config, "rope_parameters");
    if (!dict) dict = hone_json_find(r->config, "rope_scaling");
    if (dict && !json_is_object(dict)) {
        r->status = hone_fail(r->err, HONE_E_FORMAT, "rotary settings: not an object");
        return;
    }
    const double top_theta = real_of(r, r->config, "rope_theta", default_theta);
    const double top_part = real_of(r, r->config, "partial_rotary_factor", 1.0);
    rope->theta = real_of(r, dict, "rope_theta", top_theta);
    const double part = real_of(r, dict, "partial_rotary_factor", top_part);
    if (!r->status && !(part >= 0.0 && part <= 1.0)) {
        r->status = hone_fail(r->err, HONE_E_FORMAT,
                              "partial_rotary_factor: expected 0 to 1, found %g", part);
        return;
    }
    rope->n_rot = (int)(s->d_head * part) & ~1;
    rope->factor = real_of(r, dict, "factor", 1.0);
    rope->low_freq_factor = real_of(r, dict, "low_freq_factor", 1.0);
    rope->high_freq_factor = real_of(r, dict, "high_freq_factor", 4.0);
    rope->beta_fast = real_of(r, dict, "beta_fast", 32.0);
    rope->beta_slow = real_of(r, dict, "beta_slow", 1.0);
    rope->attention_factor = real_of(r, dict, "attention_factor", -1.0);
    rope->mscale = real_of(r, dict, "mscale", 0.0);
    rope->mscale_all_dim = real_of(r, dict, "mscale_all_dim", 0.0);
    rope->truncate = true;
    if (!r->status) {
        r->status = hone_json_get_bool(dict, "truncate", true, &rope->truncate, r->err);
    }
    const double original =
        real_of(r, dict, "original_max_position_embeddings", (double)s->n_ctx);
    const double n_original =
        real_of(r, r->config, "original_max_position_embeddings", original);
    if (!r->status && !(n_original >= 0 && n_original <= INT32_MAX)) {
        r->status = hone_fail(r->err, HONE_E_FORMAT,
                              "config.json: original_max_position_embeddings: expected "
                              "0 to %d, found %g",
                              INT32_MAX, n_original);
    }
    if (r->status) return;
    rope->n_original = (int)n_original;

    const char *type = json_string_value(hone_json_find(dict, "rope_type"));
    if (!type) type = json_string_value(hone_json_find(dict, "type"));
    if (!type || strcmp(type, "default") == 0)
        rope->kind = HONE_ROPE_PLAIN;
    else if (strcmp(type, "linear") == 0)
        rope->kind = HONE_ROPE_LINEAR;
    else if (strcmp(type, "llama3") == 0)
        rope->kind = HONE_ROPE_LLAMA3;
    else if (strcmp(type, "yarn") == 0)
        rope->kind = HONE_ROPE_YARN;
    else
        r->status = hone_fail(r->err, HONE_E_UNSUPPORTED, "rotary scaling '%s'", type);
}

/* Which layers attend to a window: `layer_types` where given, else the family's rule. */
static hone_status read_windows(reader *r, hone_spec *s)
{
    const bool qwen = strncmp(s->architecture, "qwen", 4) == 0;
    s->window = get_int(r, "sliding_window", 0);
    const bool smollm3 = strcmp(s->architecture, "smollm3") == 0;
    const bool use = get_bool(r, "use_sliding_window", !qwen && !smollm3);
    if (qwen && !use) s->window = 0; /* even where layer_types says otherwise */
    const int from = qwen ? get_int(r, "max_window_layers", 28) : 0;
    if (r->status) return r->status;

    const json_t *types = hone_json_find(r->config, "layer_types");
    if (types && json_array_size(types) < (size_t)s->n_layer) {
        return hone_fail(r->err, HONE_E_FORMAT, "layer_types: expected %d, found %zu",
                         s->n_layer, json_array_size(types));
    }
    for (int i = 0; i < s->n_layer; i++) {
        bool window = s->window > 0 && i >= from;
        /* SmolLM3 windows those layers that have no positions */
        if (smollm3) window &= use && (s->layer[i] & HONE_LAYER_NO_ROPE);
        const char *type = json_string_value(json_array_get(types, (size_t)i));
        if (types && !type) {
            return hone_fail(r->err, HONE_E_FORMAT,
                             "layer_types: layer %d is no string", i);
        }
        if (type && strcmp(type, "full_attention") == 0)
            window = false;
        else if (type && strcmp(type, "sliding_attention") == 0)
            window = s->window > 0;
        else if (type) {
            return hone_fail(r->err, HONE_E_UNSUPPORTED, "layer type '%s'", type);
        }
        if (window) s->layer[i] |= HONE_LAYER_WINDOW;
    }
    return HONE_OK;
}

/* SmolLM3: no_rope_layers holds 1 where positions are used; without it every
 * no_rope_layer_interval-th layer has none. */
static hone_status read_no_rope(reader *r, hone_spec *s)
{
    const json_t *list = hone_json_find(r->config, "no_rope_layers");
    const bool smollm3 = strcmp(s->architecture, "smollm3") == 0;
    const int interval = get_int(r, "no_rope_layer_interval", 4);
    if (r->status) return r->status;
    if (list && json_array_size(list) < (size_t)s->n_layer) {
        return hone_fail(r->err, HONE_E_FORMAT,
                         "no_rope_layers: expected %d, found %zu", s->n_layer,
                         json_array_size(list));
    }
    for (int i = 0; i < s->n_layer && (list || smollm3); i++) {
        const json_t *use = json_array_get(list, (size_t)i);
        if (list && !json_is_integer(use) && !json_is_boolean(use)) {
            return hone_fail(r->err, HONE_E_FORMAT,
                             "no_rope_layers: layer %d is no number", i);
        }
        const bool none = list ? !json_is_true(use) && json_integer_value(use) == 0
                               : interval > 0 && (i + 1) % interval == 0;
        if (none) s->layer[i] |= HONE_LAYER_NO_ROPE;
    }
    return HONE_OK;
}

static hone_status read_layers(reader *r, hone_spec *s)
{
    s->layer = hone_alloc_zero((size_t)s->n_layer, 1);
    if (!s->layer) return hone_fail(r->err, HONE_E_NOMEM, "out of memory");
    HONE_TRY(read_no_rope(r, s));
    return read_windows(r, s);
}

/* What a family's configuration class assumes when a key is missing. */
typedef struct defaults {
    const char *type;
    bool tied;
    double theta, eps;
    int n_head_kv; /* 0: as n_head */
    int n_ctx;
} defaults;

static const defaults *defaults_of(const char *type)
{
    static const defaults table[] = {
        {"mistral", false, 10000.0, 1e-6, 8, 131072},
        {"qwen2", false, 10000.0, 1e-6, 32, 32768},
        {"qwen3", false, 10000.0, 1e-6, 32, 32768},
        {"smollm3", true, 2000000.0, 1e-6, 4, 32768},
        {"llama", false, 10000.0, 1e-6, 0, 2048}, /* last: for every other name */
    };
    const size_t n = sizeof table / sizeof table[0];
    size_t i = 0;
    while (i + 1 < n && strcmp(type, table[i].type) != 0) {
        i++;
    }
    return &table[i];
}

hone_status hone_spec_from_hf(hone_spec *s, const json_t *config, hone_error *err)
{
    *s = (hone_spec){0};
    reader r = {.config = config, .err = err};
    if (!json_is_object(config)) {
        return hone_fail(err, HONE_E_FORMAT, "config.json: not an object");
    }
    s->architecture = get_str(&r, "model_type", "");
    if (!r.status && s->architecture[0] == '\0')
        r.status = type_from_class(s, config, err);
    if (r.status) goto out;
    const defaults *d = defaults_of(s->architecture);
    s->name = get_str(&r, "_name_or_path", "");
    s->activation = get_str(&r, "hidden_act", "silu");
    s->n_layer = get_int(&r, "num_hidden_layers", 0);
    s->d_model = get_int(&r, "hidden_size", 0);
    s->d_ff = get_int(&r, "intermediate_size", 0);
    s->n_head = get_int(&r, "num_attention_heads", 0);
    s->n_head_kv =
        get_int(&r, "num_key_value_heads", d->n_head_kv ? d->n_head_kv : s->n_head);
    const int split = s->n_head > 0 ? s->d_model / s->n_head : 0;
    const int head_default = strcmp(s->architecture, "qwen3") == 0 ? 128 : split;
    s->d_head = get_int(&r, "head_dim", head_default);
    s->n_vocab = get_int(&r, "vocab_size", 0);
    s->n_ctx = get_int(&r, "max_position_embeddings", d->n_ctx);
    s->norm_eps = (float)real_of(&r, config, "rms_norm_eps", d->eps);
    s->tied = get_bool(&r, "tie_word_embeddings", d->tied);
    read_rope(&r, s, d->theta);
    if (!r.status) r.status = hone_spec_check(s, err);
    if (!r.status) r.status = read_layers(&r, s);
out:
    if (r.status) hone_spec_release(s);
    return r.status;
}
