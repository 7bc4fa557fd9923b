/* conversation_in.c - the messages of a chat body as a template expects them.
 *
 * Contents become strings, arguments of earlier calls objects, `developer` is `system`.
 * A template that knows no tools gets them as an instruction in the system message, calls
 * as text and results as the user's words. */
#include <string.h>

#include "base/mem.h"
#include "base/sum.h"
#include "hone/chat.h"
#include "serve/ask.h"

const char *hone_ask_template(const hone_server *s)
{
    if (s->options.chat_template) return s->options.chat_template;
    return hone_model_chat_template(s->model);
}

/* -- one message ------------------------------------------------------------------- */

static bool join_parts(hone_buf *b, const json_t *parts, size_t i, api_error *e)
{
    size_t k;
    json_t *part;
    json_array_foreach(parts, k, part)
    {
        const char *type = json_string_value(json_object_get(part, "type"));
        if (!type)
            return hone_field_bad_item(e, "messages", i,
                                       "content: expected parts with a type");
        const bool refusal = strcmp(type, "refusal") == 0;
        if (!refusal && strcmp(type, "text") != 0) {
            char param[40];
            snprintf(param, sizeof param, "messages[%zu]", i);
            return hone_api_fail(e, 400, "unsupported_value", param,
                                 "%s: content: expected text, found a part of type "
                                 "'%.40s'",
                                 param, type);
        }
        const json_t *text = json_object_get(part, refusal ? "refusal" : "text");
        if (!json_is_string(text))
            return hone_field_bad_item(e, "messages", i,
                                       "content: expected a text part with text");
        if (k) hone_buf_append_char(b, '\n');
        hone_buf_append(b, json_string_value(text), json_string_length(text));
    }
    return true;
}

/* The content as one string. */
static bool read_content(json_t **out, const json_t *m, bool optional, size_t i,
                         api_error *e)
{
    const json_t *c = hone_field(m, "content");
    hone_buf b;
    if (json_is_string(c)) {
        *out = json_copy((json_t *)(uintptr_t)c);
        return *out || hone_field_no_memory(e);
    }
    if (!c && !optional)
        return hone_field_bad_item(e, "messages", i, "expected content");
    if (c && !json_is_array(c))
        return hone_field_bad_item(e, "messages", i,
                                   "content: expected a string or an array of parts");
    hone_buf_init(&b, API_MAX_REPLY);
    bool ok = join_parts(&b, c, i, e);
    *out = ok ? json_stringn(b.data, b.len) : NULL;
    if (ok && !*out) ok = hone_field_no_memory(e);
    hone_buf_release(&b);
    return ok;
}

/* A call as templates take it: arguments as an object where they are one. */
static bool add_call(json_t *calls, const json_t *call, size_t i, api_error *e)
{
    const json_t *f = json_object_get(call, "function");
    const json_t *id = hone_field(call, "id"), *name = hone_field(f, "name");
    const json_t *args = hone_field(f, "arguments");
    if (!json_is_string(name))
        return hone_field_bad_item(
            e, "messages", i, "tool_calls: expected calls of functions with a name");
    json_t *value = NULL;
    if (json_is_string(args)) {
        value = json_loadb(json_string_value(args), json_string_length(args), 0, NULL);
        if (!json_is_object(value)) {
            json_decref(value);
            value = json_copy((json_t *)(uintptr_t)args);
        }
    } else {
        value = json_is_object(args) ? json_deep_copy(args) : json_object();
    }
    json_t *out = json_pack("{s:s, s:{s:O, s:o}}", "type", "function", "function",
                            "name", name, "arguments", value);
    if (out && json_is_string(id)) json_object_set(out, "id", (json_t *)(uintptr_t)id);
    return json_array_append_new(calls, out) == 0 || hone_field_no_memory(e);
}

static bool read_calls(json_t *out, const json_t *m, bool declared, size_t i,
                       api_error *e)
{
    const json_t *calls = hone_field(m, "tool_calls");
    size_t k;
    json_t *call;
    if (!calls) return true;
    if (!json_is_array(calls))
        return hone_field_bad_item(e, "messages", i, "tool_calls: expected an array");
    if (json_array_size(calls) == 0) return true;
    json_t *list = json_array();
    json_array_foreach(calls, k, call)
    {
        if (add_call(list, call, i, e)) continue;
        json_decref(list);
        return false;
    }
    if (declared)
        return json_object_set_new(out, "tool_calls", list) == 0 ||
               hone_field_no_memory(e);
    const json_t *content = json_object_get(out, "content");
    hone_buf b;
    hone_buf_init(&b, API_MAX_REPLY);
    hone_buf_append(&b, json_string_value(content), json_string_length(content));
    hone_tool_spell_calls(&b, list);
    json_decref(list);
    const bool ok =
        json_object_set_new(out, "content", json_stringn(b.data, b.len)) == 0;
    hone_buf_release(&b);
    return ok || hone_field_no_memory(e);
}

/* The name of the function that call `id` called, in the messages before. */
static const json_t *name_of_call(const json_t *messages, const char *id)
{
    size_t i, k;
    json_t *m, *call;
    json_array_foreach(messages, i, m)
    {
        json_array_foreach(json_object_get(m, "tool_calls"), k, call)
        {
            const char *one = json_string_value(json_object_get(call, "id"));
            if (one && strcmp(one, id) == 0)
                return json_object_get(json_object_get(call, "function"), "name");
        }
    }
    return NULL;
}

/* The result of a call. */
static bool read_result(json_t *out, const json_t *m, const json_t *messages,
                        bool declared, size_t i, api_error *e)
{
    const json_t *id = hone_field(m, "tool_call_id"), *name = hone_field(m, "name");
    if (!json_is_string(id) &&
        strcmp(json_string_value(json_object_get(m, "role")), "tool") == 0)
        return hone_field_bad_item(e, "messages", i, "expected tool_call_id");
    if (!name && id) name = name_of_call(messages, json_string_value(id));
    if (json_is_string(id))
        json_object_set(out, "tool_call_id", (json_t *)(uintptr_t)id);
    if (json_is_string(name)) json_object_set(out, "name", (json_t *)(uintptr_t)name);
    if (declared) return true;
    hone_buf b;
    hone_buf_init(&b, API_MAX_REPLY);
    const json_t *content = json_object_get(out, "content");
    hone_buf_printf(&b, "Result of %.200s: ",
                    json_is_string(name) ? json_string_value(name) : "the call");
    hone_buf_append(&b, json_string_value(content), json_string_length(content));
    const bool ok =
        json_object_set_new(out, "role", json_string("user")) == 0 &&
        json_object_set_new(out, "content", json_stringn(b.data, b.len)) == 0;
    hone_buf_release(&b);
    return ok || hone_field_no_memory(e);
}

static const char *const roles[][2] = {{"system", "system"}, {"developer", "system"},
                                       {"user", "user"},     {"assistant", "assistant"},
                                       {"tool", "tool"},     {"function", "tool"}};

static bool read_message(json_t *list, const json_t *messages, size_t i, bool declared,
                         api_error *e)
{
    const json_t *m = json_array_get(messages, i);
    const char *role = json_string_value(json_object_get(m, "role")), *as = NULL;
    if (!json_is_object(m))
        return hone_field_bad_item(e, "messages", i, "expected an object");
    if (!role) return hone_field_bad_item(e, "messages", i, "expected a role");
    for (size_t k = 0; k < sizeof roles / sizeof *roles; k++) {
        if (strcmp(role, roles[k][0]) == 0) as = roles[k][1];
    }
    if (!as)
        return hone_field_bad_item(e, "messages", i,
                                   "expected a role of system, developer, user, "
                                   "assistant or tool");
    const bool assistant = strcmp(as, "assistant") == 0;
    json_t *content;
    if (!read_content(&content, m, assistant, i, e)) return false;
    json_t *out = json_pack("{s:s, s:o}", "role", as, "content", content);
    if (!out || json_array_append_new(list, out)) return hone_field_no_memory(e);
    const json_t *reasoning = hone_field(m, "reasoning_content");
    if (!reasoning) reasoning = hone_field(m, "reasoning");
    if (assistant && json_is_string(reasoning))
        json_object_set(out, "reasoning_content", (json_t *)(uintptr_t)reasoning);
    if (assistant) return read_calls(out, m, declared, i, e);
    if (strcmp(as, "tool") == 0) return read_result(out, m, messages, declared, i, e);
    const json_t *name = hone_field(m, "name");
    if (json_is_string(name)) json_object_set(out, "name", (json_t *)(uintptr_t)name);
    return true;
}

/* Reasoning as the first part of the content. */
static bool move_reasoning(json_t *messages, api_error *e)
{
    size_t i;
    json_t *m;
    json_array_foreach(messages, i, m)
    {
        json_t *reasoning = json_object_get(m, "reasoning_content");
        if (!json_string_length(reasoning)) continue;
        json_t *parts =
            json_pack("[{s:s, s:O}, {s:s, s:O}]", "type", "thinking", "thinking",
                      reasoning, "type", "text", "text", json_object_get(m, "content"));
        if (!parts || json_object_set_new(m, "content", parts))
            return hone_field_no_memory(e);
        json_object_del(m, "reasoning_content");
    }
    return true;
}

/* -- the conversation -------------------------------------------------------------- */

/* Tools for a template that has no place for them. */
static bool instruct(json_t *messages, const json_t *tools, api_error *e)
{
    json_t *first = json_array_get(messages, 0);
    const json_t *role = json_object_get(first, "role");
    const json_t *content = json_object_get(first, "content");
    const bool system = role && strcmp(json_string_value(role), "system") == 0;
    hone_buf b;
    hone_buf_init(&b, API_MAX_REPLY);
    if (system && json_string_length(content)) {
        hone_buf_append(&b, json_string_value(content), json_string_length(content));
        hone_buf_append_str(&b, "\n\n");
    }
    hone_tool_instruction(&b, tools);
    json_t *text = json_stringn(b.data, b.len);
    hone_buf_release(&b);
    const bool ok =
        system ? json_object_set_new(first, "content", text) == 0
               : json_array_insert_new(
                     messages, 0,
                     json_pack("{s:s, s:o}", "role", "system", "content", text)) == 0;
    return ok || hone_field_no_memory(e);
}

/* -- ids --------------------------------------------------------------------------- */

/* An id of another length becomes n letters and digits, the same ones each time. */
static bool fit_id(json_t *o, const char *key, size_t n, api_error *e)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    const char *id = json_string_value(json_object_get(o, key));
    char text[16];
    if (!id || strlen(id) == n || n >= sizeof text) return true;
    uint64_t sum = hone_sum64(HONE_SUM_START, id, strlen(id));
    for (size_t i = 0; i < n; i++) {
        text[i] = digits[sum % 36];
        sum /= 36;
    }
    return json_object_set_new(o, key, json_stringn(text, n)) == 0 ||
           hone_field_no_memory(e);
}

static bool fit_ids(json_t *messages, size_t n, api_error *e)
{
    size_t i, k;
    json_t *m, *call;
    bool ok = true;
    json_array_foreach(messages, i, m)
    {
        ok = ok && fit_id(m, "tool_call_id", n, e);
        json_array_foreach(json_object_get(m, "tool_calls"), k, call)
        {
            ok = ok && fit_id(call, "id", n, e);
        }
    }
    return ok;
}

static bool read_messages(json_t *list, const json_t *body, bool declared, api_error *e)
{
    json_t *messages;
    if (!hone_field_array(body, "messages", &messages, e)) return false;
    if (json_array_size(messages) == 0) {
        return hone_api_fail(e, 400, "invalid_value", "messages",
                             "messages: expected one at least, found none");
    }
    for (size_t i = 0; i < json_array_size(messages); i++) {
        if (!read_message(list, messages, i, declared, e)) return false;
    }
    return true;
}

/* What a client hands to the template by name. */
static bool read_variables(json_t *vars, const json_t *body, api_error *e)
{
    json_t *kwargs, *documents, *v;
    const char *key, *effort = NULL;
    if (!hone_field_object(body, "chat_template_kwargs", &kwargs, e) ||
        !hone_field_array(body, "documents", &documents, e) ||
        !hone_field_str(body, "reasoning_effort", &effort, e))
        return false;
    if (hone_field(body, "chat_template")) {
        return hone_api_fail(e, 400, "unsupported_value", "chat_template",
                             "chat_template: the server's template cannot be replaced "
                             "by a request");
    }
    if (documents) json_object_set(vars, "documents", documents);
    if (effort) {
        json_object_set_new(vars, "reasoning_effort", json_string(effort));
        if (strcmp(effort, "none") == 0)
            json_object_set_new(vars, "enable_thinking", json_false());
    }
    json_object_foreach(kwargs, key, v)
    {
        if (strcmp(key, "messages") != 0 && strcmp(key, "tools") != 0)
            json_object_set(vars, key, v);
    }
    return true;
}

bool hone_chat_variables(json_t **out, const hone_server *s, const json_t *body,
                         const json_t *tools, api_error *e)
{
    const bool declared = hone_tool_format_declared(hone_ask_template(s));
    json_t *list = json_array();
    json_t *vars = json_pack("{s:o}", "messages", list);
    if (!vars) return hone_field_no_memory(e);
    const tool_format *f = hone_tool_format_find(hone_ask_template(s));
    const think_format *t = hone_think_format_find(hone_ask_template(s));
    bool ok = read_messages(list, body, declared, e) && read_variables(vars, body, e);
    if (ok && t && t->part && strstr(hone_ask_template(s), t->part))
        ok = move_reasoning(list, e);
    if (ok && f->id_length) ok = fit_ids(list, f->id_length, e);
    if (ok && json_array_size(tools)) {
        if (declared)
            json_object_set(vars, "tools", (json_t *)(uintptr_t)tools);
        else
            ok = instruct(list, tools, e);
    }
    if (ok)
        *out = vars;
    else
        json_decref(vars);
    return ok;
}

/* -- the prompt -------------------------------------------------------------------- */

/* Where the last message ends in the prompt is found by a mark behind it. */
#define CONTINUE_MARK "\xEF\xB7\x90hone\xEF\xB7\x91"

static bool render(char **text, size_t *len, const hone_server *s, const json_t *vars,
                   api_error *e)
{
    const hone_chat_options o = {.source = hone_ask_template(s)};
    hone_error err;
    hone_buf b;
    hone_buf_init(&b, API_MAX_REPLY);
    hone_put_json(&b, vars);
    bool ok = !b.failed || hone_field_no_memory(e);
    if (ok) {
        const hone_status st =
            hone_chat_render(s->model, &o, b.data, b.len, text, len, &err);
        ok = !st;
        if (st) {
            hone_api_fail_status(e, st, "messages", &err);
            if (st == HONE_E_NOT_FOUND) {
                e->status = 400;
                e->code = "unsupported_value";
            }
        }
    }
    hone_buf_release(&b);
    return ok;
}

static bool mark_last(json_t *vars, api_error *e)
{
    const json_t *list = json_object_get(vars, "messages");
    json_t *last = json_array_get(list, json_array_size(list) - 1);
    const char *key = "content";
    json_t *parts = json_object_get(last, key);
    if (json_is_array(parts)) { /* behind reasoning: its last part is the text */
        last = json_array_get(parts, json_array_size(parts) - 1);
        key = "text";
    }
    const json_t *content = json_object_get(last, key);
    hone_buf b;
    hone_buf_init(&b, API_MAX_REPLY);
    hone_buf_append(&b, json_string_value(content), json_string_length(content));
    hone_buf_append_str(&b, CONTINUE_MARK);
    const bool ok =
        json_object_set_new(last, key, json_stringn_nocheck(b.data, b.len)) == 0;
    hone_buf_release(&b);
    return ok || hone_field_no_memory(e);
}

bool hone_chat_prompt(char **text, size_t *len, const hone_server *s,
                      const json_t *body, const json_t *tools, api_error *e)
{
    bool go_on = false, generation = true;
    json_t *vars;
    if (!hone_field_bool(body, "continue_final_message", &go_on, e)) return false;
    generation = !go_on;
    if (!hone_field_bool(body, "add_generation_prompt", &generation, e)) return false;
    if (go_on && generation) {
        return hone_api_fail(e, 400, "invalid_value", "continue_final_message",
                             "continue_final_message: expected add_generation_prompt "
                             "to be false");
    }
    if (!hone_chat_variables(&vars, s, body, tools, e)) return false;
    json_object_set_new(vars, "add_generation_prompt", json_boolean(generation));
    bool ok = (!go_on || mark_last(vars, e)) && render(text, len, s, vars, e);
    json_decref(vars);
    if (!ok || !go_on) return ok;
    char *end = NULL;
    for (char *p = *text; (p = strstr(p, CONTINUE_MARK)); p++)
        end = p;
    if (end) {
        *end = 0;
        *len = (size_t)(end - *text);
        return true;
    }
    hone_text_free(*text);
    return hone_api_fail(e, 400, "unsupported_value", "continue_final_message",
                         "continue_final_message: the model's template does not show "
                         "the last message");
}
