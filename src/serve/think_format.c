/* think_format.c - the table of marks. */
#include "serve/think_format.h"

#include <stddef.h>
#include <string.h>

/* The first row whose text is in the template.  Of <think> one of the marks is enough,
 * with or without its slash. */
static const think_format formats[] = {
    {"[THINK]", "[THINK]", "[/THINK]", "'thinking'"},
    {"<seed:think>", "<seed:think>", "</seed:think>", NULL},
    {"<|START_THINKING|>", "<|START_THINKING|>", "<|END_THINKING|>", NULL},
    {"think>", "<think>", "</think>", NULL},
};

const think_format *hone_think_format_find(const char *chat_template)
{
    for (size_t i = 0; chat_template && i < sizeof formats / sizeof *formats; i++) {
        if (strstr(chat_template, formats[i].has)) return &formats[i];
    }
    return NULL;
}
