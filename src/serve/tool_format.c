/* tool_format.c - the table of formats, and the generic one in prompts. */
#include "serve/tool_format.h"

#include <string.h>

/* The first row whose texts are all in the template is the model's format. */
static const tool_format formats[] = {
    {
        .name = "mistral-id",
        .style = TOOL_NAMED,
        .has = {"[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"},
        .mark = {"[TOOL_CALLS]"},
        .anywhere = true,
        .lead = "",
        .id = "[CALL_ID]",
        .name_end = "[ARGS]",
        .open = "[TOOL_CALLS]",
        .between = "[TOOL_CALLS]",
        .id_length = 9,
    },
    {
        .name = "mistral-args",
        .style = TOOL_NAMED,
        .has = {"[TOOL_CALLS]", "[ARGS]"},
        .mark = {"[TOOL_CALLS]"},
        .anywhere = true,
        .lead = "",
        .name_end = "[ARGS]",
        .open = "[TOOL_CALLS]",
        .between = "[TOOL_CALLS]",
        .id_length = 9,
    },
    {
        .name = "mistral",
        .has = {"[TOOL_CALLS]"},
        .mark = {"[TOOL_CALLS]"},
        .anywhere = true,
        .open = "[TOOL_CALLS][",
        .arguments = "arguments",
        .between = ", ",
        .close = "]",
        .id_length = 9,
    },
    {
        .name = "seed",
        .style = TOOL_TAGGED,
        .has = {"<seed:tool_call>", "<parameter="},
        .mark = {"<seed:tool_call>", "<function="},
        .anywhere = true,
        .end = {"</seed:tool_call>"},
        .lead = "<function=",
        .name_end = ">",
        .key = "<parameter=",
        .key_end = ">",
        .line = "",
        .value_end = "</parameter>",
        .call_end = "</function>",
        .before = "<seed:tool_call>\n",
        .after = "\n</seed:tool_call>",
        .between = "\n",
    },
    {
        .name = "tagged",
        .style = TOOL_TAGGED,
        .has = {"<tool_call>", "<function=", "<parameter="},
        .mark = {"<tool_call>", "<function="},
        .anywhere = true,
        .end = {"</tool_call>"},
        .lead = "<function=",
        .name_end = ">",
        .key = "<parameter=",
        .key_end = ">",
        .line = "\n",
        .value_end = "</parameter>",
        .call_end = "</function>",
        .before = "<tool_call>\n",
        .after = "\n</tool_call>",
        .between = "\n",
    },
    {
        .name = "functionary",
        .style = TOOL_NAMED,
        .has = {"<function="},
        .mark = {"<function="},
        .anywhere = true,
        .end = {"</function>"},
        .lead = "<function=",
        .name_end = ">",
        .after = "</function>",
    },
    {
        .name = "array",
        .has = {"<tool_calls>["},
        .mark = {"<tool_calls>"},
        .anywhere = true,
        .end = {"</tool_calls>"},
        .open = "<tool_calls>[",
        .arguments = "arguments",
        .between = ", ",
        .close = "]</tool_calls>",
    },
    {
        .name = "lines",
        .has = {"<tool_calls>"},
        .mark = {"<tool_calls>"},
        .anywhere = true,
        .end = {"</tool_calls>"},
        .open = "<tool_calls>\n",
        .arguments = "arguments",
        .between = "\n",
        .close = "\n</tool_calls>",
    },
    {
        .name = "nemotron",
        .has = {"<TOOLCALL>"},
        .mark = {"<TOOLCALL>"},
        .anywhere = true,
        .end = {"</TOOLCALL>"},
        .open = "<TOOLCALL>[",
        .arguments = "arguments",
        .between = ", ",
        .close = "]</TOOLCALL>",
    },
    {
        .name = "granite",
        .has = {"<|tool_call|>"},
        .mark = {"<|tool_call|>"},
        .anywhere = true,
        .open = "<|tool_call|>[",
        .arguments = "arguments",
        .between = ", ",
        .close = "]",
    },
    {
        .name = "hermes",
        .has = {"<tool_call>"},
        .mark = {"<tool_call>"},
        .anywhere = true,
        .end = {"</tool_call>"},
        .before = "<tool_call>\n",
        .arguments = "arguments",
        .after = "\n</tool_call>",
        .between = "\n",
    },
    {
        .name = "llama",
        .has = {"<|python_tag|>"},
        .mark = {"<|python_tag|>"},
        .arguments = "parameters",
        .single = true,
    },
    {
        .name = "llama",
        .has = {"\"parameters\": dict"},
        .mark = {"<|python_tag|>"},
        .arguments = "parameters",
        .single = true,
    },
    {
        .name = "generic",
        .mark = {"<tool_call>", "```json", "```"},
        .end = {"```", "</tool_call>"},
        .arguments = "arguments",
        .between = "\n",
    },
};

static bool fits(const tool_format *f, const char *chat_template)
{
    for (const char *const *text = f->has; *text; text++) {
        if (!strstr(chat_template, *text)) return false;
    }
    return true;
}

const tool_format *hone_tool_format_find(const char *chat_template)
{
    const tool_format *f = formats;
    while (!fits(f, chat_template ? chat_template : ""))
        f++; /* the last one fits everything */
    return f;
}

bool hone_tool_format_declared(const char *t)
{
    return t && strstr(t, "tools");
}

const json_t *hone_tool_function(const json_t *tools, size_t i)
{
    return json_object_get(json_array_get(tools, i), "function");
}

const char *hone_tool_name(const json_t *tools, size_t i)
{
    return json_string_value(json_object_get(hone_tool_function(tools, i), "name"));
}

int hone_tool_index(const json_t *tools, const char *name, size_t len)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const char *one = hone_tool_name(tools, i);
        if (strlen(one) == len && memcmp(one, name, len) == 0) return (int)i;
    }
    return -1;
}

/* -- the generic format in prompts ------------------------------------------------- */

void hone_tool_instruction(hone_buf *b, const json_t *tools)
{
    hone_buf_append_str(b, "You can call these functions:\n");
    for (size_t i = 0; i < json_array_size(tools); i++) {
        hone_put_json_spaced(b, hone_tool_function(tools, i));
        hone_buf_append_char(b, '\n');
    }
    hone_buf_append_str(
        b, "To call functions, answer with nothing but one JSON object for each call, "
           "one a line: {\"name\": NAME, \"arguments\": {...}}");
}

void hone_tool_spell_calls(hone_buf *b, const json_t *calls)
{
    size_t i;
    json_t *call;
    json_array_foreach(calls, i, call)
    {
        const json_t *f = json_object_get(call, "function");
        if (b->len) hone_buf_append_char(b, '\n');
        hone_buf_append_str(b, "{\"name\": ");
        hone_put_json_spaced(b, json_object_get(f, "name"));
        hone_buf_append_str(b, ", \"arguments\": ");
        hone_put_json_spaced(b, json_object_get(f, "arguments"));
        hone_buf_append_char(b, '}');
    }
}
