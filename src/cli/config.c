/* config.c - config.h, by libcyaml: the table of options becomes its schema. */
#include "cli/config.h"

#include <cyaml/cyaml.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/status.h"

enum {
    MAX_FIELDS = 80,
    MAX_FILE = 1 << 20
};

/* Where libcyaml puts the value of option i. */
typedef struct slot {
    char *text;  /* of a scalar */
    char **item; /* [n] of a list */
    unsigned n;
} slot;

struct cli_config {
    const cli_option *option[MAX_FIELDS];
    size_t n;
    cyaml_schema_field_t field[MAX_FIELDS + 1];
    cyaml_schema_value_t top;
    cyaml_config_t config;
    slot *data;        /* [n], libcyaml's */
    char message[256]; /* the first complaint of libcyaml */
    int line;          /* and the first line it names; 0: none */
};

static const cyaml_schema_value_t any_string = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};

/* "Load: Unexpected key: x", then "  in mapping (line: 3, column: 1)" */
static void on_log(cyaml_log_t level, void *ctx, const char *fmt, va_list ap)
{
    cli_config *c = ctx;
    char text[256];
    if (level < CYAML_LOG_ERROR) return;
    vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    const char *line = strstr(text, "(line: ");
    const char *said = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
    if (line && !c->line) c->line = atoi(line + 7);
    if (!line && !c->message[0] && strcmp(said, "Backtrace:") != 0)
        snprintf(c->message, sizeof c->message, "%s", said);
}

static void add_field(cli_config *c, const cli_option *o)
{
    if (strcmp(o->name, "config") == 0 || c->n == MAX_FIELDS) return;
    const bool list = o->type == CLI_LIST;
    const size_t at = c->n * sizeof(slot);
    c->field[c->n] = (cyaml_schema_field_t){
        .key = o->name,
        .data_offset =
            (uint32_t)(at + (list ? offsetof(slot, item) : offsetof(slot, text))),
        .count_offset = (uint32_t)(at + offsetof(slot, n)),
        .count_size = sizeof(unsigned),
        .value = {.type = list ? CYAML_SEQUENCE : CYAML_STRING,
                  .flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                  .data_size = list ? sizeof(char *) : sizeof(char)},
    };
    cyaml_schema_value_t *v = &c->field[c->n].value;
    if (list) {
        v->sequence.entry = &any_string;
        v->sequence.max = CYAML_UNLIMITED;
    } else {
        v->string.max = CYAML_UNLIMITED;
    }
    c->option[c->n++] = o;
}

/* The last line that begins with the key, 1 on; libcyaml names the one before. */
static int line_of(const char *text, const char *key)
{
    int found = 0;
    const size_t n = strlen(key);
    for (int line = 1; text; line++) {
        const char *at = text + strspn(text, " \t\"'{");
        if (strncmp(at, key, n) == 0 && strchr(":\"' \t", at[n])) found = line;
        text = strchr(text, '\n');
        if (text) text++;
    }
    return found;
}

static hone_status refuse(const cli_config *c, const char *path, const char *text,
                          hone_error *err)
{
    static const struct {
        const char *said, *is;
    } about_keys[] = {{"Unexpected key: ", "unknown key"},
                      {"Mapping field already seen: ", "a second"}};
    for (int i = 0; i < 2; i++) {
        const size_t n = strlen(about_keys[i].said);
        if (strncmp(c->message, about_keys[i].said, n) != 0) continue;
        const char *key = c->message + n;
        return hone_fail(err, HONE_E_FORMAT, "config %s: line %d: %s '%s'", path,
                         line_of(text, key), about_keys[i].is, key);
    }
    return hone_fail(err, HONE_E_FORMAT, "config %s: line %d: %s", path,
                     c->line ? c->line : 1, c->message[0] ? c->message : "not YAML");
}

static bool store_flag(const cli_option *o, const char *text)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) return false;
    *(bool *)o->dest = text[0] == 't';
    return true;
}

static hone_status store_all(const cli_config *c, const char *path, const char *text,
                             hone_error *err)
{
    for (size_t i = 0; i < c->n && c->data; i++) {
        const cli_option *o = c->option[i];
        const slot *s = &c->data[i];
        const char *bad = NULL;
        if (s->text &&
            !(o->type == CLI_FLAG ? store_flag(o, s->text) : cli_store(o, s->text)))
            bad = s->text;
        for (unsigned k = 0; k < s->n && !bad; k++) {
            if (!cli_store(o, s->item[k])) bad = s->item[k];
        }
        if (bad)
            return hone_fail(err, HONE_E_FORMAT,
                             "config %s: line %d: %s: expected %s, found '%s'", path,
                             line_of(text, o->name), o->name,
                             o->value ? o->value : "true or false", bad);
    }
    return HONE_OK;
}

static hone_status load(cli_config *c, const char *path, hone_error *err)
{
    char *text;
    size_t len;
    HONE_TRY(hone_file_read(&text, &len, path, MAX_FILE, err));
    cyaml_data_t *data = NULL;
    const cyaml_err_t failed =
        cyaml_load_data((const uint8_t *)text, len, &c->config, &c->top, &data, NULL);
    c->data = data;
    const hone_status s =
        failed ? refuse(c, path, text, err) : store_all(c, path, text, err);
    hone_free(text);
    return s;
}

hone_status cli_config_load(cli_config **out, const char *path, const cli_group *groups,
                            size_t n_group, hone_error *err)
{
    cli_config *c = calloc(1, sizeof *c);
    if (!c) return hone_fail(err, HONE_E_NOMEM, "config: out of memory");
    for (size_t g = 0; g < n_group; g++) {
        for (size_t i = 0; i < groups[g].n; i++) {
            add_field(c, &groups[g].option[i]);
        }
    }
    c->top = (cyaml_schema_value_t){.type = CYAML_MAPPING,
                                    .flags = CYAML_FLAG_POINTER,
                                    .data_size = (uint32_t)(c->n * sizeof(slot)),
                                    .mapping = {.fields = c->field}};
    c->config = (cyaml_config_t){.log_fn = on_log,
                                 .log_ctx = c,
                                 .mem_fn = cyaml_mem,
                                 .log_level = CYAML_LOG_ERROR,
                                 .flags = CYAML_CFG_NO_ALIAS};
    const hone_status s = load(c, path, err);
    if (s) {
        cli_config_free(c);
        return s;
    }
    *out = c;
    return HONE_OK;
}

void cli_config_free(cli_config *c)
{
    if (!c) return;
    (void)cyaml_free(&c->config, &c->top, c->data, 0);
    free(c);
}
