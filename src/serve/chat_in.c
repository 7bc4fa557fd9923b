/* chat_in.c - POST /v1/chat/completions: the body as an ask. */
#include <string.h>

#include "base/mem.h"
#include "serve/ask.h"

enum {
    MAX_TOP = 20,
    MAX_TOOLS = 512
};

/* -- tools ------------------------------------------------------------------------- */

static bool check_tool(const json_t *tool, size_t i, api_error *e)
{
    const json_t *f = json_object_get(tool, "function");
    const char *type = json_string_value(json_object_get(tool, "type"));
    const char *name = json_string_value(json_object_get(f, "name"));
    const json_t *parameters = hone_field(f, "parameters");
    if (!type || strcmp(type, "function") != 0) {
        return hone_api_fail(e, 400, "unsupported_value", "tools",
                             "tools[%zu]: expected type function, found '%.40s'", i,
                             type ? type : "nothing");
    }
    if (!name || !*name) {
        return hone_api_fail(e, 400, "invalid_value", "tools",
                             "tools[%zu]: expected a function with a name", i);
    }
    if (parameters && !json_is_object(parameters)) {
        return hone_api_fail(e, 400, "invalid_value", "tools",
                             "tools[%zu]: parameters: expected a JSON Schema", i);
    }
    return true;
}

static bool read_tools(json_t **out, const json_t *body, api_error *e)
{
    if (!hone_field_array(body, "tools", out, e)) return false;
    if (!*out) return true;
    const size_t n = json_array_size(*out);
    if (n == 0 || n > MAX_TOOLS) {
        return hone_api_fail(e, 400, "invalid_value", "tools",
                             "tools: expected 1 to %d, found %zu", MAX_TOOLS, n);
    }
    for (size_t i = 0; i < n; i++) {
        if (!check_tool(json_array_get(*out, i), i, e)) return false;
    }
    return true;
}

/* tool_choice into g; *none: no calls at all. */
static bool read_choice(tool_grammar *g, bool *none, const json_t *body, api_error *e)
{
    const json_t *v = hone_field(body, "tool_choice");
    const char *word = json_string_value(v);
    *none = word && strcmp(word, "none") == 0;
    g->parallel = true;
    if (!hone_field_bool(body, "parallel_tool_calls", &g->parallel, e)) return false;
    if (!v || *none) return true;
    if (!g->tools) {
        return hone_api_fail(e, 400, "invalid_value", "tool_choice",
                             "tool_choice: expected tools beside it");
    }
    if (word) {
        g->required = strcmp(word, "required") == 0;
        if (g->required || strcmp(word, "auto") == 0) return true;
    } else if (json_is_object(v)) {
        const char *type = json_string_value(json_object_get(v, "type"));
        g->only =
            json_string_value(json_object_get(json_object_get(v, "function"), "name"));
        if (type && strcmp(type, "function") == 0 && g->only) {
            g->required = true;
            g->parallel = false;
            if (hone_tool_index(g->tools, g->only, strlen(g->only)) >= 0) return true;
            return hone_api_fail(e, 400, "invalid_value", "tool_choice",
                                 "tool_choice: no tool is called '%.80s'", g->only);
        }
    }
    return hone_api_fail(e, 400, "invalid_value", "tool_choice",
                         "tool_choice: expected auto, required, none or a function of "
                         "tools");
}

/* -- what the model's marks need --------------------------------------------------- */

/* The special token that is spelled so, or -1. */
static int32_t special_of(const hone_server *s, const char *mark)
{
    const int32_t id =
        s->tokenizer ? hone_tokenizer_find(s->tokenizer, mark, strlen(mark)) : -1;
    return id >= 0 && hone_tokenizer_is_special(s->tokenizer, id) ? id : -1;
}

/* Marks that are special tokens are part of the text only if all of those are; a grammar
 * allows those of reasoning. */
static void show_marks(ask *a, const hone_server *s)
{
    hone_generate_options *g = &a->request.generate;
    const think_format *t = a->split.thinking ? a->split.think : NULL;
    const char *const around[] = {t ? t->open : "", t ? t->close : ""};
    for (int i = 0; t && i < 2; i++) {
        const int32_t id = special_of(s, around[i]);
        if (id >= 0) g->mark[g->n_mark++] = id;
    }
    bool show = g->n_mark > 0;
    const tool_format *f = a->split.format;
    for (int i = 0; f && f->mark[i]; i++)
        show = show || special_of(s, f->mark[i]) >= 0;
    if (show) g->show_special = true;
}

static split_thinking thinking_of(const think_format *f, const char *prompt, size_t len)
{
    if (!f) return SPLIT_NO_THINKING;
    const size_t mark = strlen(f->open);
    while (len && strchr(" \n\t", prompt[len - 1]))
        len--;
    if (len >= mark && memcmp(prompt + len - mark, f->open, mark) == 0)
        return SPLIT_THINKING;
    return SPLIT_MAY_THINK;
}

/* -- the body ---------------------------------------------------------------------- */

static bool read_logprobs(ask *a, const json_t *body, api_error *e)
{
    int64_t top = 0;
    if (!hone_field_bool(body, "logprobs", &a->logprobs, e) ||
        !hone_field_int(body, "top_logprobs", 0, MAX_TOP, &top, e))
        return false;
    if (top && !a->logprobs) {
        return hone_api_fail(e, 400, "invalid_value", "top_logprobs",
                             "top_logprobs: expected logprobs true beside it");
    }
    a->n_top = (int)top;
    a->request.generate.n_logprob = a->logprobs ? (int)top : -1;
    return true;
}

static bool read_prompt(ask *a, const hone_server *s, const json_t *body,
                        tool_grammar *g, bool none, api_error *e)
{
    char *text;
    size_t len;
    const json_t *shown = none ? NULL : g->tools;
    if (!hone_ask_no_prompt(a, 1, e) ||
        !hone_chat_prompt(&text, &len, s, body, shown, e))
        return false;
    const char *mark = g->format ? g->format->mark[0] : NULL;
    bool ok = hone_ask_encode(&a->prompt[0], s, text, len, 0, e);
    g->think = hone_think_format_find(hone_ask_template(s));
    a->split.think = g->think;
    a->split.thinking = thinking_of(g->think, text, len);
    if (ok && a->echo) {
        const char *content = json_string_value(hone_field(
            json_array_get(json_object_get(body, "messages"),
                           json_array_size(json_object_get(body, "messages")) - 1),
            "content"));
        a->prompt[0].text = hone_strdup(content ? content : "");
        ok = a->prompt[0].text || hone_field_no_memory(e);
        a->prompt[0].text_len = ok ? strlen(a->prompt[0].text) : 0;
    }
    hone_text_free(text);
    g->thinking_open = a->split.thinking == SPLIT_THINKING;
    /* a mark that is a special token cannot be forced: it ends the prompt */
    if (ok && g->required && mark && g->format->open && !g->thinking_open &&
        special_of(s, mark) >= 0) {
        g->marked = true;
        g->think = NULL;
        a->split.thinking = SPLIT_NO_THINKING;
        ok = hone_ask_encode(&a->prompt[0], s, mark, strlen(mark), 0, e);
    }
    a->split.marked = g->marked;
    return ok;
}

static bool read_grammar(ask *a, const json_t *body, tool_grammar *g, api_error *e)
{
    hone_grammar_part answer;
    hone_buf text;
    hone_buf_init(&text, (size_t)16 << 20);
    bool ok = hone_ask_format(body, &answer, &text, e);
    if (ok && answer.len && g->required) {
        ok =
            hone_api_fail(e, 400, "invalid_value", "tool_choice",
                          "tool_choice: expected no response_format beside a call that "
                          "must be made");
    }
    if (answer.len) g->answer = &answer;
    if (ok && (answer.len || g->required))
        ok = hone_tool_grammar_new(&a->grammar, g, e);
    hone_buf_release(&text);
    a->request.generate.grammar = a->grammar;
    return ok;
}

static bool read_chat(ask *a, const hone_server *s, const json_t *body, api_error *e)
{
    tool_grammar g = {0};
    json_t *tools;
    bool none;
    if (!hone_ask_model(a, s, body, e) || !read_tools(&tools, body, e)) return false;
    g.tools = tools;
    if (!read_choice(&g, &none, body, e) || !hone_ask_generation(a, s, body, e) ||
        !read_logprobs(a, body, e) || !hone_field_bool(body, "echo", &a->echo, e))
        return false;
    if (tools && !none) {
        g.format = hone_tool_format_find(hone_ask_template(s));
        a->split.format = g.format;
        a->split.tools = tools;
    }
    if (!read_prompt(a, s, body, &g, none, e) || !read_grammar(a, body, &g, e))
        return false;
    show_marks(a, s);
    return hone_ask_fits(a, s, e);
}

/* An ask of a chat body, which it takes. */
static bool ask_of(ask *a, const hone_server *s, json_t *chat, api_error *e)
{
    *a = (ask){.body = chat, .request = hone_request_default()};
    if (read_chat(a, s, chat, e)) return true;
    hone_ask_release(a);
    return false;
}

bool hone_ask_chat(ask *a, const hone_server *s, const char *body, size_t len,
                   api_error *e)
{
    json_t *chat;
    return hone_field_body(body, len, &chat, e) && ask_of(a, s, chat, e);
}

bool hone_ask_responses(ask *a, const hone_server *s, const char *body, size_t len,
                        api_error *e)
{
    json_t *v, *chat;
    if (!hone_field_body(body, len, &v, e)) return false;
    const bool ok = hone_responses_to_chat(&chat, v, e) && ask_of(a, s, chat, e);
    if (ok)
        a->extra = v;
    else
        json_decref(v);
    return ok;
}

bool hone_ask_messages(ask *a, const hone_server *s, const char *body, size_t len,
                       api_error *e)
{
    json_t *v, *chat;
    if (!hone_field_body(body, len, &v, e)) return false;
    const bool ok = hone_messages_to_chat(&chat, v, false, e) && ask_of(a, s, chat, e);
    if (ok)
        a->extra = v;
    else
        json_decref(v);
    return ok;
}
