#include "model/adapter_config.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "program/lora.h"
#include "text/regex.h"

enum {
    DEFAULT_RANK = 8, /* and alpha, as in PEFT */
    MAX_PATTERN = 1000
};

/* Neither null, false, zero nor empty. */
static bool is_given(const json_t *v)
{
    if (!v || json_is_null(v) || json_is_false(v)) return false;
    if (json_is_array(v)) return json_array_size(v) > 0;
    if (json_is_object(v)) return json_object_size(v) > 0;
    if (json_is_string(v)) return json_string_length(v) > 0;
    return true;
}

static hone_status check_init(const json_t *config, hone_error *err)
{
    static const char *const changes_base[] = {"pissa", "olora", "corda", "loftq",
                                               "lora_ga"};
    const json_t *v = hone_json_find(config, "init_lora_weights");
    const char *name = json_is_string(v) ? json_string_value(v) : "";
    for (size_t i = 0; i < sizeof changes_base / sizeof changes_base[0]; i++) {
        if (strncmp(name, changes_base[i], strlen(changes_base[i])) != 0) continue;
        return hone_fail(err, HONE_E_UNSUPPORTED,
                         "adapter_config.json: 'init_lora_weights': '%s' changes the "
                         "base model; convert the adapter",
                         changes_base[i]);
    }
    return HONE_OK;
}

hone_status hone_adapter_config_check(const json_t *config, hone_error *err)
{
    static const char *const refused[] = {
        "use_dora",          "modules_to_save",
        "lora_bias",         "fan_in_fan_out",
        "layer_replication", "trainable_token_indices",
        "target_parameters", "alora_invocation_tokens",
        "use_qalora",        "use_bdlora",
        "arrow_config",      "kasa_config"};
    const char *type, *bias;
    if (!json_is_object(config)) {
        return hone_fail(err, HONE_E_FORMAT, "adapter_config.json: not an object");
    }
    HONE_TRY(hone_json_get_str(config, "peft_type", "", &type, err));
    if (strcmp(type, "LORA") != 0) {
        return hone_fail(
            err, HONE_E_UNSUPPORTED,
            "adapter_config.json: 'peft_type': expected LORA, found '%.40s'", type);
    }
    HONE_TRY(hone_json_get_str(config, "bias", "none", &bias, err));
    if (strcmp(bias, "none") != 0) {
        return hone_fail(err, HONE_E_UNSUPPORTED,
                         "adapter_config.json: 'bias': expected none, found '%.40s'",
                         bias);
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (!is_given(json_object_get(config, refused[i]))) continue;
        return hone_fail(err, HONE_E_UNSUPPORTED,
                         "adapter_config.json: '%s' is not supported", refused[i]);
    }
    return check_init(config, err);
}

/* Letters, digits, _ and - stand for themselves and a dot for any character; everything
 * else is for the regular expressions. */
static bool is_plain(const char *pattern)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-.";
    return pattern[strspn(pattern, letters)] == '\0';
}

static bool ends_with(const char *module, const char *pattern)
{
    const size_t n = strlen(module), len = strlen(pattern);
    if (len > n || (len < n && module[n - len - 1] != '.')) return false;
    for (size_t i = 0; i < len; i++) {
        if (pattern[i] != '.' && pattern[i] != module[n - len + i]) return false;
    }
    return true;
}

static hone_status note_match(void *ctx, size_t from, size_t to, hone_error *err)
{
    (void)from;
    (void)to;
    (void)err;
    *(bool *)ctx = true;
    return HONE_OK;
}

static hone_status match(const char *module, const char *pattern, bool *yes,
                         hone_error *err)
{
    hone_buf b;
    hone_regex *r = NULL;
    *yes = false;
    if (is_plain(pattern)) {
        *yes = ends_with(module, pattern);
        return HONE_OK;
    }
    hone_buf_init(&b, 1 << 16);
    hone_buf_printf(&b, "\\A(?:.*\\.)?(?:%s)\\z", pattern);
    hone_status s = hone_buf_status(&b, "pattern", err);
    if (!s) s = hone_regex_new(&r, b.data, b.len, false, err);
    if (!s) s = hone_regex_each(r, module, strlen(module), note_match, yes, err);
    hone_regex_free(r);
    hone_buf_release(&b);
    return s;
}

/* The number of the first pattern of config[key] that matches, or the fallback. */
static hone_status find(const json_t *config, const char *key, const char *module,
                        double fallback, double *out, hone_error *err)
{
    json_t *patterns = hone_json_find(config, key), *value;
    const char *pattern;
    *out = fallback;
    if (!patterns) return HONE_OK;
    if (!json_is_object(patterns) || json_object_size(patterns) > MAX_PATTERN) {
        return hone_fail(err, HONE_E_FORMAT,
                         "adapter_config.json: '%s': expected an object of at most %d",
                         key, MAX_PATTERN);
    }
    json_object_foreach(patterns, pattern, value)
    {
        bool yes;
        const hone_status s = match(module, pattern, &yes, err);
        if (s) return hone_error_wrap(err, s, "adapter_config.json: '%s'", key);
        if (!yes) continue;
        if (!json_is_number(value)) {
            return hone_fail(err, HONE_E_FORMAT,
                             "adapter_config.json: '%s': '%.100s': expected a number",
                             key, pattern);
        }
        *out = json_number_value(value);
        return HONE_OK;
    }
    return HONE_OK;
}

hone_status hone_adapter_config_of(const json_t *config, const char *module, int *rank,
                                   float *scale, hone_error *err)
{
    double r, alpha;
    bool root;
    HONE_TRY(hone_json_get_real(config, "r", DEFAULT_RANK, &r, err));
    HONE_TRY(hone_json_get_real(config, "lora_alpha", DEFAULT_RANK, &alpha, err));
    HONE_TRY(hone_json_get_bool(config, "use_rslora", false, &root, err));
    HONE_TRY(find(config, "rank_pattern", module, r, &r, err));
    HONE_TRY(find(config, "alpha_pattern", module, alpha, &alpha, err));
    if (!(r >= 1.0 && r <= HONE_LORA_MAX_RANK) || r != floor(r)) {
        return hone_fail(
            err, r > HONE_LORA_MAX_RANK ? HONE_E_LIMIT : HONE_E_FORMAT,
            "adapter_config.json: rank of '%s': expected 1 to %d, found %g", module,
            HONE_LORA_MAX_RANK, r);
    }
    *rank = (int)r;
    *scale = (float)(alpha / (root ? sqrt(r) : r));
    return HONE_OK;
}
