/* chat_loop.c - the conversation in a terminal: lines, history, slash commands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conversation.h"
#ifdef HONE_WITH_EDITLINE
#include <histedit.h>
#endif

#define PROMPT "> "

/* -- reading lines ---------------------------------------------------------------- */

typedef struct line_reader {
#ifdef HONE_WITH_EDITLINE
    EditLine *edit;
    History *history;
#else
    char *line;
    size_t cap;
#endif
} line_reader;

#ifdef HONE_WITH_EDITLINE

static char *show_prompt(EditLine *e)
{
    static char text[] = PROMPT;
    (void)e;
    return text;
}

static bool reader_open(line_reader *r)
{
    HistEvent event;
    r->edit = el_init("hone", stdin, stdout, stderr);
    r->history = history_init();
    if (!r->edit || !r->history) return false;
    history(r->history, &event, H_SETSIZE, 1000);
    el_set(r->edit, EL_PROMPT, show_prompt);
    el_set(r->edit, EL_EDITOR, "emacs");
    el_set(r->edit, EL_SIGNAL, 1);
    el_set(r->edit, EL_HIST, history, r->history);
    el_source(r->edit, NULL);
    return true;
}

static void reader_close(line_reader *r)
{
    if (r->edit) el_end(r->edit);
    if (r->history) history_end(r->history);
}

/* The next line with its newline, borrowed; NULL at the end of input or on Ctrl-C. */
static const char *reader_next(line_reader *r)
{
    int n = 0;
    const char *line = el_gets(r->edit, &n);
    if (!line || n <= 0) return NULL;
    HistEvent event;
    if (line[0] != '\n') history(r->history, &event, H_ENTER, line);
    return line;
}

#else

static bool reader_open(line_reader *r)
{
    *r = (line_reader){0};
    return true;
}

static void reader_close(line_reader *r)
{
    free(r->line);
}

static const char *reader_next(line_reader *r)
{
    fputs(PROMPT, stdout);
    fflush(stdout);
    const ssize_t n = getline(&r->line, &r->cap, stdin);
    if (n >= 0) return r->line;
    clearerr(stdin); /* after Ctrl-C reading goes on */
    return NULL;
}

#endif

/* -- slash commands --------------------------------------------------------------- */

static bool cmd_help(cli_chat *c, const char *arg)
{
    (void)c;
    (void)arg;
    fputs("/help           this text\n"
          "/reset          forget the conversation\n"
          "/system [TEXT]  forget, and begin with this system prompt\n"
          "/save FILE      write the conversation as JSON\n"
          "/load FILE      read one back\n"
          "/stats          speed after each answer, on or off\n"
          "/quit           leave; so does Ctrl-D\n"
          "Ctrl-C stops an answer.  A line that ends in \\ goes on in the next.\n",
          stdout);
    return true;
}

static bool reset_to(cli_chat *c, const char *system_prompt)
{
    hone_error err;
    if (cli_chat_reset(c, system_prompt, &err))
        cli_fail(&err);
    else
        printf("(a new conversation)\n");
    return true;
}

/* The system prompt stays. */
static bool cmd_reset(cli_chat *c, const char *arg)
{
    (void)arg;
    const json_t *first = json_array_get(c->messages, 0);
    const char *role = json_string_value(json_object_get(first, "role"));
    const char *text = json_string_value(json_object_get(first, "content"));
    char *keep = role && text && strcmp(role, "system") == 0 ? strdup(text) : NULL;
    reset_to(c, keep);
    free(keep);
    return true;
}

static bool cmd_system(cli_chat *c, const char *arg)
{
    return reset_to(c, arg);
}

static bool cmd_save(cli_chat *c, const char *arg)
{
    json_t *all = json_pack("{s:O}", "messages", c->messages);
    if (!*arg)
        fprintf(stderr, "hone: save: expected a file name\n");
    else if (!all || json_dump_file(all, arg, JSON_INDENT(2))) {
        fprintf(stderr, "hone: save: %s: cannot write\n", arg);
    } else {
        printf("(saved %zu messages to %s)\n", json_array_size(c->messages), arg);
    }
    json_decref(all);
    return true;
}

/* Every message must have a role; anything else is the template's to judge. */
static bool are_messages(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *m = json_array_get(list, i);
        if (!json_is_string(json_object_get(m, "role"))) return false;
    }
    return json_is_array(list);
}

static bool cmd_load(cli_chat *c, const char *arg)
{
    json_error_t je;
    json_t *all = json_load_file(arg, 0, &je);
    json_t *list = json_object_get(all, "messages");
    if (!all) {
        fprintf(stderr, "hone: load: %s: %s\n", arg, je.text);
    } else if (!are_messages(list)) {
        fprintf(stderr, "hone: load: %s: no \"messages\" with roles\n", arg);
    } else {
        json_decref(c->messages);
        c->messages = json_incref(list);
        printf("(loaded %zu messages)\n", json_array_size(list));
    }
    json_decref(all);
    return true;
}

static bool cmd_stats(cli_chat *c, const char *arg)
{
    (void)arg;
    c->stats = !c->stats;
    printf("(stats %s)\n", c->stats ? "on" : "off");
    return true;
}

static bool cmd_quit(cli_chat *c, const char *arg)
{
    (void)c;
    (void)arg;
    return false;
}

/* Returns false to leave. */
static bool run_slash(cli_chat *c, char *line)
{
    static const struct {
        const char *name;
        bool (*run)(cli_chat *c, const char *arg);
    } table[] = {
        {"/help", cmd_help}, {"/reset", cmd_reset}, {"/system", cmd_system},
        {"/save", cmd_save}, {"/load", cmd_load},   {"/stats", cmd_stats},
        {"/quit", cmd_quit}, {"/exit", cmd_quit},
    };
    char *arg = line + strcspn(line, " ");
    if (*arg) *arg++ = '\0';
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(line, table[i].name) == 0) return table[i].run(c, arg);
    }
    fprintf(stderr, "hone: %s: unknown; /help lists what there is\n", line);
    return true;
}

/* -- the loop --------------------------------------------------------------------- */

static void answer(cli_chat *c, const char *text)
{
    hone_error err;
    hone_generation g = {0};
    cli_clear_interrupt();
    const hone_status s = cli_chat_ask(c, text, strlen(text), &g, &err);
    if (s) {
        cli_fail(&err);
    } else {
        printf("%s\n", g.finish == HONE_FINISH_CANCELLED ? " (stopped)" : "");
        if (c->stats) cli_chat_print_stats(c, &g);
    }
    hone_generation_release(&g);
    cli_clear_interrupt();
}

/* Append a line to *text; false if it ends in a backslash and more follows. */
static bool append_line(char **text, const char *line)
{
    const size_t have = *text ? strlen(*text) : 0;
    size_t len = strcspn(line, "\n");
    const bool more = len > 0 && line[len - 1] == '\\';
    char *p = realloc(*text, have + len + 2);
    if (!p) return true;
    *text = p;
    if (more) len--;
    memcpy(p + have, line, len);
    if (more) p[have + len++] = '\n';
    p[have + len] = '\0';
    return !more;
}

int cli_chat_loop(cli_chat *c)
{
    line_reader r = {0};
    char *text = NULL;
    if (!reader_open(&r)) {
        reader_close(&r);
        fprintf(stderr, "hone: chat: cannot use this terminal\n");
        return 1;
    }
    printf("(chat: /help lists commands, Ctrl-D leaves)\n");
    for (bool go = true; go;) {
        const char *line = reader_next(&r);
        if (!line) {
            if (!cli_interrupted(NULL)) break; /* end of input */
            cli_clear_interrupt();
            free(text);
            text = NULL;
            printf("\n");
            continue;
        }
        if (!append_line(&text, line)) continue;
        if (text && text[0] == '/')
            go = run_slash(c, text);
        else if (text && text[strspn(text, " \t\n")])
            answer(c, text);
        free(text);
        text = NULL;
    }
    free(text);
    reader_close(&r);
    return 0;
}
