/* chat_loop.c - the conversation in a terminal: lines, history, slash commands. */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/status.h"
#include "cli/conversation.h"
#ifdef HONE_WITH_EDITLINE
#include <histedit.h>
#endif

#define PROMPT "> "
#define NEWLINE_MARK                                                                   \
    "\xE2\x8F\x8E" /* U+23CE, for a newline in the line that is edited */

#define MAX_SAVED ((size_t)256 << 20)

/* -- reading lines ---------------------------------------------------------------- */

typedef struct line_reader {
#ifdef HONE_WITH_EDITLINE
    EditLine *edit;
    History *history;
    locale_t utf8; /* in use while lines are edited, or 0 */
#else
    char *line;
    size_t cap;
#endif
} line_reader;

#ifdef HONE_WITH_EDITLINE

/* A terminal that knows bracketed paste says where pasted text begins and ends, so that
 * its lines are one message. */
#define PASTE_BEGIN "\033[200~"
#define PASTE_ON    "\033[?2004h"
#define PASTE_OFF   "\033[?2004l"

static char *show_prompt(EditLine *e)
{
    static char text[] = PROMPT;
    (void)e;
    return text;
}

/* Insert what comes up to the end of the paste. */
static unsigned char take_paste(EditLine *e, int key)
{
    static const wchar_t end[] = L"\033[201~";
    const size_t end_len = sizeof end / sizeof end[0] - 1;
    size_t n = 0, cap = 0;
    wchar_t *text = NULL, c, last = 0;
    (void)key;
    while (el_wgetc(e, &c) == 1) {
        if (hone_grow((void **)&text, &cap, n + 2, sizeof *text)) break;
        if (c != '\n' || last != '\r')
            text[n++] = c == '\r' || c == '\n' ? 0x23CE : c == '\t' ? ' ' : c;
        last = c;
        if (n >= end_len && wmemcmp(text + n - end_len, end, end_len) == 0) {
            n -= end_len;
            break;
        }
    }
    while (n > 0 && text[n - 1] == 0x23CE) {
        n--; /* the newline that ends a paste does not send it */
    }
    if (text) text[n] = L'\0';
    const bool failed = n > 0 && el_winsertstr(e, text) != 0;
    hone_free(text);
    return failed ? CC_ERROR : CC_REFRESH;
}

static bool reader_open(line_reader *r)
{
    HistEvent event;
    /* where the environment names no UTF-8 locale, text is UTF-8 nevertheless */
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        r->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (r->utf8) uselocale(r->utf8);
    r->edit = el_init("hone", stdin, stdout, stderr);
    r->history = history_init();
    if (!r->edit || !r->history) return false;
    history(r->history, &event, H_SETSIZE, 1000);
    el_set(r->edit, EL_PROMPT, show_prompt);
    el_set(r->edit, EL_EDITOR, "emacs");
    el_set(r->edit, EL_SIGNAL, 1);
    el_set(r->edit, EL_HIST, history, r->history);
    el_wset(r->edit, EL_ADDFN, L"paste", L"Insert pasted text", take_paste);
    el_set(r->edit, EL_BIND, PASTE_BEGIN, "paste", NULL);
    el_source(r->edit, NULL);
    return true;
}

static void reader_close(line_reader *r)
{
    if (r->edit) el_end(r->edit);
    if (r->history) history_end(r->history);
    uselocale(LC_GLOBAL_LOCALE);
    if (r->utf8) freelocale(r->utf8);
}

/* The next line with its newline, borrowed; NULL at the end of input or on Ctrl-C. */
static const char *reader_next(line_reader *r)
{
    int n = 0;
    fputs(PASTE_ON, stdout);
    const char *line = el_gets(r->edit, &n);
    fputs(PASTE_OFF, stdout);
    fflush(stdout);
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

/* The file to save to or load from; NULL, and said so, if none is named. */
static const char *need_file(const char *command, const char *arg)
{
    arg += strspn(arg, " ");
    if (*arg) return arg;
    fprintf(stderr, "hone: %s: expected a file name\n", command);
    return NULL;
}

static bool cmd_save(cli_chat *c, const char *arg)
{
    const char *path = need_file("/save", arg);
    if (!path) return true;
    json_t *all = json_pack("{s:O}", "messages", c->messages);
    errno = 0;
    FILE *f = all ? fopen(path, "we") : NULL;
    bool ok = f && !json_dumpf(all, f, JSON_INDENT(2)) && fputc('\n', f) != EOF;
    if (f && fclose(f)) ok = false;
    if (ok)
        printf("(saved to %s)\n", path);
    else
        fprintf(stderr, "hone: /save: %s: %s\n", path,
                errno ? strerror(errno) : "out of memory");
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
    hone_error err;
    json_t *all = NULL;
    const char *path = need_file("/load", arg);
    if (!path) return true;
    hone_status s = hone_json_load_file(&all, path, MAX_SAVED, &err);
    json_t *list = json_object_get(all, "messages");
    if (!s && !are_messages(list))
        s = hone_fail(&err, HONE_E_FORMAT, "%s: expected \"messages\" with roles",
                      path);
    if (s) {
        (void)hone_error_wrap(&err, s, "/load");
        cli_fail(&err);
    } else {
        json_decref(c->messages);
        c->messages = json_incref(list);
        printf("(loaded, messages: %zu)\n", json_array_size(list));
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
    fputs("hone: ", stderr);
    cli_print_plain(stderr, line);
    fputs(": no such command; /help lists them\n", stderr);
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

/* Newlines for their marks. */
static void unmark_newlines(char *text)
{
    const size_t n = strlen(NEWLINE_MARK);
    for (char *p = text; (p = strstr(p, NEWLINE_MARK));) {
        *p++ = '\n';
        memmove(p, p + n - 1, strlen(p + n - 1) + 1);
    }
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
            printf("\n");
            if (!cli_interrupted(NULL) || cli_terminated()) break; /* end of input */
            cli_clear_interrupt();
            free(text);
            text = NULL;
            continue;
        }
        if (!append_line(&text, line)) continue;
        if (text) unmark_newlines(text);
        if (text && text[0] == '/')
            go = run_slash(c, text);
        else if (text && text[strspn(text, " \t\n")])
            answer(c, text);
        free(text);
        text = NULL;
        if (cli_terminated()) break;
    }
    free(text);
    reader_close(&r);
    return cli_terminated() ? 128 + SIGTERM : 0;
}
