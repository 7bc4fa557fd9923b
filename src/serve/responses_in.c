/* responses_in.c - the body of POST /v1/responses as the body of a chat completion.
 *
 * The server keeps no responses: what refers to an earlier one is refused. */
#include <string.h>

#include "serve/ask.h"

/* -- input ------------------------------------------------------------------------- */

/* Parts of content with the types that chat knows. */
static json_t *rewrite_content(const json_t *content)
{
    size_t i;
    json_t *part;
    if (!json_is_array(content)) return json_incref((json_t *)(uintptr_t)content);
    json_t *list = json_array();
    json_array_foreach(content, i, part)
    {
        const char *type = json_string_value(json_object_get(part, "type"));
        json_t *copy = json_copy(part);
        if (type &&
            (strcmp(type, "input_text") == 0 || strcmp(type, "output_text") == 0))
            json_object_set_new(copy, "type", json_string("text"));
        json_array_append_new(list, copy);
    }
    return list;
}

/* The assistant's message at the end of the list, or a new one. */
static json_t *assistant_turn(json_t *list)
{
    json_t *last = json_array_get(list, json_array_size(list) - 1);
    const char *role = json_string_value(json_object_get(last, "role"));
    if (role && strcmp(role, "assistant") == 0) return last;
    last = json_pack("{s:s}", "role", "assistant");
    return json_array_append_new(list, last) ? NULL : last;
}

static bool add_reasoning(json_t *list, const json_t *item, api_error *e)
{
    hone_buf b;
    size_t i;
    json_t *part;
    hone_buf_init(&b, API_MAX_REPLY);
    json_array_foreach(json_object_get(item, "content"), i, part)
    {
        const json_t *text = json_object_get(part, "text");
        hone_buf_append(&b, json_string_value(text), json_string_length(text));
    }
    bool ok = true;
    if (b.len) {
        json_t *turn = json_pack("{s:s, s:o}", "role", "assistant", "reasoning_content",
                                 json_stringn(b.data, b.len));
        ok = json_array_append_new(list, turn) == 0 || hone_field_no_memory(e);
    }
    hone_buf_release(&b);
    return ok;
}

static bool add_call(json_t *list, const json_t *item, size_t i, api_error *e)
{
    const json_t *name = json_object_get(item, "name");
    const json_t *id = json_object_get(item, "call_id");
    const json_t *args = json_object_get(item, "arguments");
    if (!json_is_string(name) || !json_is_string(id) || !json_is_string(args))
        return hone_field_bad_item(e, "input", i,
                                   "expected name, call_id and arguments");
    json_t *turn = assistant_turn(list);
    json_t *calls = json_object_get(turn, "tool_calls");
    if (!calls) {
        calls = json_array();
        if (!hone_field_put(turn, "tool_calls", calls, e)) return false;
    }
    json_t *call = json_pack("{s:O, s:s, s:{s:O, s:O}}", "id", id, "type", "function",
                             "function", "name", name, "arguments", args);
    return json_array_append_new(calls, call) == 0 || hone_field_no_memory(e);
}

static bool add_result(json_t *list, const json_t *item, size_t i, api_error *e)
{
    const json_t *id = json_object_get(item, "call_id");
    const json_t *output = json_object_get(item, "output");
    if (!json_is_string(id) || !output)
        return hone_field_bad_item(e, "input", i, "expected call_id and output");
    json_t *m = json_pack("{s:s, s:O, s:o}", "role", "tool", "tool_call_id", id,
                          "content", rewrite_content(output));
    return json_array_append_new(list, m) == 0 || hone_field_no_memory(e);
}

static bool add_message(json_t *list, const json_t *item, size_t i, api_error *e)
{
    const json_t *role = json_object_get(item, "role");
    const json_t *content = json_object_get(item, "content");
    if (!json_is_string(role) || !content)
        return hone_field_bad_item(e, "input", i, "expected role and content");
    if (strcmp(json_string_value(role), "assistant") == 0) {
        json_t *turn = assistant_turn(list);
        if (!json_object_get(turn, "content") && !json_object_get(turn, "tool_calls"))
            return hone_field_put(turn, "content", rewrite_content(content), e);
    }
    json_t *m =
        json_pack("{s:O, s:o}", "role", role, "content", rewrite_content(content));
    return json_array_append_new(list, m) == 0 || hone_field_no_memory(e);
}

static bool add_item(json_t *list, const json_t *item, size_t i, api_error *e)
{
    const char *type = json_string_value(json_object_get(item, "type"));
    if (!json_is_object(item))
        return hone_field_bad_item(e, "input", i, "expected an object");
    if (!type || strcmp(type, "message") == 0) return add_message(list, item, i, e);
    if (strcmp(type, "function_call") == 0) return add_call(list, item, i, e);
    if (strcmp(type, "function_call_output") == 0) return add_result(list, item, i, e);
    if (strcmp(type, "reasoning") == 0) return add_reasoning(list, item, e);
    return hone_field_bad_item(
        e, "input", i,
        "expected a message, function_call, function_call_output or "
        "reasoning");
}

static bool read_input(json_t *chat, const json_t *body, api_error *e)
{
    const json_t *input = hone_field(body, "input");
    const char *instructions = NULL;
    json_t *list = json_array();
    if (!hone_field_put(chat, "messages", list, e) ||
        !hone_field_str(body, "instructions", &instructions, e))
        return false;
    if (instructions) {
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "role", "system", "content", instructions));
    }
    if (json_is_string(input)) {
        json_t *m = json_pack("{s:s, s:O}", "role", "user", "content", input);
        return json_array_append_new(list, m) == 0 || hone_field_no_memory(e);
    }
    if (!json_is_array(input) || json_array_size(input) == 0)
        return hone_field_wrong_type(e, "input", "text or an array of items", input);
    for (size_t i = 0; i < json_array_size(input); i++) {
        if (!add_item(list, json_array_get(input, i), i, e)) return false;
    }
    return true;
}

/* -- tools, format and the rest ---------------------------------------------------- */

/* The flat shape of a function as chat's: name and so on under "function". */
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
        json_t *f = json_copy(tool);
        const json_t *type = json_object_get(tool, "type");
        json_t *one = json_pack("{s:O*, s:o}", "type", type, "function", f);
        json_object_del(f, "type");
        if (json_array_append_new(list, one)) return hone_field_no_memory(e);
    }
    return true;
}

static bool rewrite_choice(json_t *chat, const json_t *body, api_error *e)
{
    const json_t *v = hone_field(body, "tool_choice");
    const json_t *name = json_object_get(v, "name");
    if (!hone_field(chat, "tools")) { /* clients send "auto" beside no tools */
        const char *word = json_string_value(v);
        if (word && (strcmp(word, "auto") == 0 || strcmp(word, "none") == 0))
            json_object_del(chat, "tool_choice");
        return true;
    }
    if (!name) return true;
    return hone_field_put(chat, "tool_choice",
                          json_pack("{s:O, s:{s:O}}", "type",
                                    json_object_get(v, "type"), "function", "name",
                                    name),
                          e);
}

static bool rewrite_format(json_t *chat, const json_t *body, api_error *e)
{
    json_t *text, *format;
    if (!hone_field_object(body, "text", &text, e) ||
        !hone_field_object(text, "format", &format, e))
        return false;
    if (!format) return true;
    return hone_field_put(chat, "response_format",
                          json_pack("{s:O*, s:{s:O*}}", "type",
                                    json_object_get(format, "type"), "json_schema",
                                    "schema", json_object_get(format, "schema")),
                          e);
}

static bool rewrite_reasoning(json_t *chat, const json_t *body, api_error *e)
{
    json_t *reasoning;
    if (!hone_field_object(body, "reasoning", &reasoning, e)) return false;
    const json_t *effort = hone_field(reasoning, "effort");
    return !effort || hone_field_put(chat, "reasoning_effort",
                                     json_incref((json_t *)(uintptr_t)effort), e);
}

/* Logprobs are asked for by name. */
static bool rewrite_include(json_t *chat, const json_t *body, api_error *e)
{
    json_t *include, *one;
    size_t i;
    int64_t top = 0;
    if (!hone_field_array(body, "include", &include, e) ||
        !hone_field_int(body, "top_logprobs", 0, 20, &top, e))
        return false;
    bool want = top > 0;
    json_array_foreach(include, i, one)
    {
        const char *s = json_string_value(one);
        if (s && strcmp(s, "message.output_text.logprobs") == 0) want = true;
    }
    return hone_field_put(chat, "logprobs", json_boolean(want), e);
}

static bool rewrite(json_t *chat, const json_t *body, api_error *e)
{
    static const char *const gone[] = {"text",     "reasoning",       "include",
                                       "n",        "instructions",    "max_tokens",
                                       "logprobs", "response_format", "messages"};
    int64_t n_max = 0;
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        json_object_del(chat, gone[i]);
    if (hone_field(body, "prompt")) {
        return hone_api_fail(e, 400, "unsupported_value", "prompt",
                             "prompt: this server keeps no prompts");
    }
    if (!hone_field_int(body, "max_output_tokens", 1, INT32_MAX, &n_max, e))
        return false;
    if (n_max && !hone_field_put(chat, "max_completion_tokens", json_integer(n_max), e))
        return false;
    return read_input(chat, body, e) && rewrite_tools(chat, body, e) &&
           rewrite_choice(chat, body, e) && rewrite_format(chat, body, e) &&
           rewrite_reasoning(chat, body, e) && rewrite_include(chat, body, e);
}

bool hone_responses_to_chat(json_t **out, const json_t *body, api_error *e)
{
    json_t *chat = json_copy((json_t *)(uintptr_t)body);
    if (!chat) return hone_field_no_memory(e);
    if (rewrite(chat, body, e)) {
        *out = chat;
        return true;
    }
    json_decref(chat);
    return false;
}
