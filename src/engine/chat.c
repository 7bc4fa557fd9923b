/* chat.c - conversations as prompts: the model's template with its variables. */
#include "hone/chat.h"

#include "base/json.h"
#include "model/model.h"
#include "text/template.h"

#include <string.h>

/* Special tokens, unless the conversation brings its own. */
static hone_status add_special(json_t *vars, const hone_model *m, hone_error *err)
{
    const char *name, *text;
    for (int i = 0; hone_model_special_variable(m, i, &name, &text); i++) {
        if (!text || json_object_get(vars, name)) continue;
        if (json_object_set_new(vars, name, json_string_nocheck(text))) {
            return hone_fail(err, HONE_E_NOMEM, "render: out of memory");
        }
    }
    return HONE_OK;
}

static hone_status render(const char *source, const hone_model *m, json_t *vars,
                          const hone_chat_options *options, char **out, size_t *len,
                          hone_error *err)
{
    hone_template *t;
    if (!json_is_object(vars)) {
        return hone_fail(err, HONE_E_FORMAT, "conversation: expected a JSON object");
    }
    if (m) HONE_TRY(add_special(vars, m, err));
    HONE_TRY(hone_template_parse(&t, source, strlen(source), err));
    hone_template_options o = {0};
    if (options && options->has_now) {
        o.use_now = 1;
        o.now = options->now;
    }
    const hone_status s = hone_template_render(t, vars, &o, out, len, err);
    hone_template_free(t);
    return s;
}

hone_status hone_chat_render(const hone_model *m, const hone_chat_options *options,
                             const char *json, size_t len, char **out, size_t *out_len,
                             hone_error *err)
{
    const char *source = options && options->source ? options->source
                         : m                        ? hone_model_chat_template(m)
                                                    : NULL;
    if (!source) {
        return hone_fail(
            err, HONE_E_NOT_FOUND,
            "chat template: the model has none; complete raw text, or give one");
    }
    json_t *vars;
    HONE_TRY(hone_json_load(&vars, json, len, "conversation", err));
    const hone_status s = render(source, m, vars, options, out, out_len, err);
    json_decref(vars);
    return s;
}
