/* messages_in.c - the body of POST /v1/messages as the body of a chat completion. */
#include <string.h>

#include "serve/ask.h"

static bool append(json_t *list, json_t *v, api_error *e)
{
    return json_array_append_new(list, v) == 0 || hone_field_no_memory(e);
}

/* -- system ------------------------------------------------------------------------ */

/* An agent puts a line that changes with every request in front; it says nothing to the
 * model and would keep the prompt from being found in the cache. */
static bool is_billing(const json_t *text)
{
    static const char mark[] = "x-anthropic-billing-header";
    const char *s = json_string_value(text);
    return s && strncmp(s, mark, sizeof mark - 1) == 0;
}

static bool read_system(json_t *list, const json_t *body, api_error *e)
{
    const json_t *system = hone_field(body, "system");
    size_t i;
    json_t *block;
    if (!system) return true;
    if (json_is_string(system)) {
        return is_billing(system) ||
               append(list,
                      json_pack("{s:s, s:O}", "role", "system", "content", system), e);
    }
    if (!json_is_array(system))
        return hone_field_wrong_type(e, "system", "text or an array of blocks", system);
    json_t *kept = json_array();
    json_array_foreach(system, i, block)
    {
        if (!is_billing(json_object_get(block, "text"))) json_array_append(kept, block);
    }
    if (json_array_size(kept))
        return append(list, json_pack("{s:s, s:o}", "role", "system", "content", kept),
                      e);
    json_decref(kept);
    return true;
}

/* -- messages ---------------------------------------------------------------------- */

/* What the blocks of a message become. */
typedef struct turn {
    json_t *texts, *calls, *results;
    hone_buf thinking;
} turn;

static bool add_call(turn *t, const json_t *block, size_t i, api_error *e)
{
    const json_t *id = json_object_get(block, "id");
    const json_t *name = json_object_get(block, "name");
    const json_t *input = json_object_get(block, "input");
    if (!json_is_string(id) || !json_is_string(name))
        return hone_field_bad_item(e, "messages", i, "tool_use: expected id and name");
    return append(t->calls,
                  json_pack("{s:O, s:s, s:{s:O, s:O*}}", "id", id, "type", "function",
                            "function", "name", name, "arguments", input),
                  e);
}

static bool add_result(turn *t, const json_t *block, size_t i, api_error *e)
{
    const json_t *id = json_object_get(block, "tool_use_id");
    const json_t *content = hone_field(block, "content");
    if (!json_is_string(id))
        return hone_field_bad_item(e, "messages", i,
                                   "tool_result: expected tool_use_id");
    json_t *c = content ? json_incref((json_t *)(uintptr_t)content) : json_string("");
    return append(
        t->results,
        json_pack("{s:s, s:O, s:o}", "role", "tool", "tool_call_id", id, "content", c),
        e);
}

static bool add_block(turn *t, json_t *block, size_t i, api_error *e)
{
    const char *type = json_string_value(json_object_get(block, "type"));
    if (!type)
        return hone_field_bad_item(e, "messages", i,
                                   "content: expected blocks with a type");
    if (strcmp(type, "tool_use") == 0) return add_call(t, block, i, e);
    if (strcmp(type, "tool_result") == 0) return add_result(t, block, i, e);
    if (strcmp(type, "redacted_thinking") == 0) return true;
    if (strcmp(type, "thinking") == 0) {
        const json_t *text = json_object_get(block, "thinking");
        hone_buf_append(&t->thinking, json_string_value(text),
                        json_string_length(text));
        return true;
    }
    /* other types are refused where contents are joined */
    return append(t->texts, json_incref(block), e);
}

/* Results of calls come before what the user says about them. */
static bool add_turn(json_t *list, const turn *t, const json_t *role, api_error *e)
{
    const bool only_results = json_array_size(t->results) && !json_array_size(t->texts);
    if (json_array_extend(list, t->results)) return hone_field_no_memory(e);
    if (only_results) return true;
    json_t *m = json_pack("{s:O, s:O}", "role", role, "content", t->texts);
    if (json_array_size(t->calls)) json_object_set(m, "tool_calls", t->calls);
    if (t->thinking.len)
        json_object_set_new(m, "reasoning_content",
                            json_stringn(t->thinking.data, t->thinking.len));
    return append(list, m, e);
}

static bool read_message(json_t *list, const json_t *m, size_t i, api_error *e)
{
    const json_t *role = json_object_get(m, "role");
    const json_t *content = hone_field(m, "content");
    const char *name = json_string_value(role);
    size_t k;
    json_t *block;
    if (!name || (strcmp(name, "user") != 0 && strcmp(name, "assistant") != 0))
        return hone_field_bad_item(e, "messages", i,
                                   "role: expected user or assistant");
    if (json_is_string(content))
        return append(list, json_pack("{s:O, s:O}", "role", role, "content", content),
                      e);
    if (!json_is_array(content))
        return hone_field_bad_item(e, "messages", i,
                                   "content: expected text or an array of blocks");
    turn t = {json_array(), json_array(), json_array(), {0}};
    hone_buf_init(&t.thinking, API_MAX_REPLY);
    bool ok = t.texts && t.calls && t.results;
    json_array_foreach(content, k, block)
    {
        ok = ok && add_block(&t, block, i, e);
    }
    ok = ok && add_turn(list, &t, role, e);
    json_decref(t.texts);
    json_decref(t.calls);
    json_decref(t.results);
    hone_buf_release(&t.thinking);
    return ok;
}

/* An answer that is begun is continued. */
static bool read_messages(json_t *chat, const json_t *body, api_error *e)
{
    json_t *messages, *list = json_array();
    if (!hone_field_put(chat, "messages", list, e) ||
        !hone_field_array(body, "messages", &messages, e) ||
        !read_system(list, body, e))
        return false;
    const size_t n = json_array_size(messages);
    if (n == 0) {
        return hone_api_fail(e, 400, "invalid_value", "messages",
                             "messages: expected one at least, found none");
    }
    for (size_t i = 0; i < n; i++) {
        if (!read_message(list, json_array_get(messages, i), i, e)) return false;
    }
    const json_t *last = json_array_get(list, json_array_size(list) - 1);
    const char *role = json_string_value(json_object_get(last, "role"));
    if (strcmp(role, "assistant") != 0 || json_object_get(last, "tool_calls"))
        return true;
    return hone_field_put(chat, "continue_final_message", json_true(), e);
}

/* -- tools and the rest ------------------------------------------------------------ */

static bool rewrite_tools(json_t *chat, const json_t *body, api_error *e)
{
    json_t *tools, *tool;
    size_t i;
    if (!hone_field_array(body, "tools", &tools, e)) return false;
    json_object_del(chat, "tools");
    if (json_array_size(tools) == 0) return true;
    json_t *list = json_array();
    if (!hone_field_put(chat, "tools", list, e)) return false;
    json_array_foreach(tools, i, tool)
    {
        const char *type = json_string_value(hone_field(tool, "type"));
        const bool custom = !type || strcmp(type, "custom") == 0;
        json_t *one =
            json_pack("{s:s, s:{s:O*, s:O*, s:O*}}", "type", custom ? "function" : type,
                      "function", "name", json_object_get(tool, "name"), "description",
                      json_object_get(tool, "description"), "parameters",
                      json_object_get(tool, "input_schema"));
        if (!append(list, one, e)) return false;
    }
    return true;
}

static bool rewrite_choice(json_t *chat, const json_t *body, api_error *e)
{
    json_t *v;
    const char *type = NULL;
    bool single = false;
    json_object_del(chat, "tool_choice");
    if (!hone_field_object(body, "tool_choice", &v, e) ||
        !hone_field_str(v, "type", &type, e) ||
        !hone_field_bool(v, "disable_parallel_tool_use", &single, e))
        return false;
    if (!v) return true;
    if (single && !hone_field_put(chat, "parallel_tool_calls", json_false(), e))
        return false;
    if (type && strcmp(type, "any") == 0)
        return hone_field_put(chat, "tool_choice", json_string("required"), e);
    if (type && (strcmp(type, "auto") == 0 || strcmp(type, "none") == 0))
        return hone_field_put(chat, "tool_choice", json_string(type), e);
    if (type && strcmp(type, "tool") == 0)
        return hone_field_put(chat, "tool_choice",
                              json_pack("{s:s, s:{s:O*}}", "type", "function",
                                        "function", "name", json_object_get(v, "name")),
                              e);
    return hone_api_fail(e, 400, "invalid_value", "tool_choice",
                         "tool_choice: type: expected auto, any, tool or none");
}

static bool rewrite_thinking(json_t *chat, const json_t *body, api_error *e)
{
    json_t *v;
    const char *type = NULL;
    json_object_del(chat, "thinking");
    if (!hone_field_object(body, "thinking", &v, e) ||
        !hone_field_str(v, "type", &type, e))
        return false;
    if (!v) return true;
    const bool off = type && strcmp(type, "disabled") == 0;
    if (!off &&
        (!type || (strcmp(type, "enabled") != 0 && strcmp(type, "adaptive") != 0)))
        return hone_api_fail(e, 400, "invalid_value", "thinking",
                             "thinking: type: expected enabled, adaptive or disabled");
    return hone_field_put(chat, "chat_template_kwargs",
                          json_pack("{s:b}", "enable_thinking", !off), e);
}

static bool rewrite_output(json_t *chat, const json_t *body, api_error *e)
{
    json_t *o, *format;
    const char *effort = NULL;
    if (!hone_field_object(body, "output_config", &o, e) ||
        !hone_field_object(o, "format", &format, e) ||
        !hone_field_str(o, "effort", &effort, e))
        return false;
    if (effort && !hone_field_put(chat, "reasoning_effort", json_string(effort), e))
        return false;
    if (!format) return true;
    return hone_field_put(chat, "response_format",
                          json_pack("{s:O*, s:{s:O*}}", "type",
                                    json_object_get(format, "type"), "json_schema",
                                    "schema", json_object_get(format, "schema")),
                          e);
}

static bool rewrite(json_t *chat, const json_t *body, bool counting, api_error *e)
{
    int64_t n_max = 0;
    double temperature = 0;
    json_t *stop;
    if (!hone_field_int(body, "max_tokens", 1, INT32_MAX, &n_max, e) ||
        !hone_field_real(body, "temperature", 0, 1, &temperature, e) ||
        !hone_field_array(body, "stop_sequences", &stop, e))
        return false;
    if (!counting && n_max == 0) {
        return hone_api_fail(e, 400, "invalid_value", "max_tokens",
                             "max_tokens: expected a number, found nothing");
    }
    static const char *const gone[] = {"n", "stop", "logprobs", "response_format"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        json_object_del(chat, gone[i]);
    if (stop && !hone_field_put(chat, "stop", json_incref(stop), e)) return false;
    return read_messages(chat, body, e) && rewrite_tools(chat, body, e) &&
           rewrite_choice(chat, body, e) && rewrite_thinking(chat, body, e) &&
           rewrite_output(chat, body, e);
}

bool hone_messages_to_chat(json_t **out, const json_t *body, bool counting,
                           api_error *e)
{
    json_t *chat = json_copy((json_t *)(uintptr_t)body);
    if (!chat) return hone_field_no_memory(e);
    if (rewrite(chat, body, counting, e)) {
        *out = chat;
        return true;
    }
    json_decref(chat);
    return false;
}
