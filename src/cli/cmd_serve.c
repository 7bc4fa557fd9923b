/* cmd_serve.c - `hone serve`: options, keys, signals around hone_server. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/status.h"
#include "cli/config.h"
#include "hone/serve.h"

enum {
    MAX_KEYS = 1024,
    MAX_SECRETS = 1 << 20,
    N_OWN_OPTION = 31,
    DEFAULT_PORT = 8080
};

#define DISK_BYTES ((uint64_t)4 << 30)

typedef struct args {
    const char *host, *alias, *key_file, *log, *tls_cert, *tls_key, *cors_origin;
    const char *draft, *disk_dir, *session_dir, *pooling, *template_file, *config;
    int port, max_sequence, queue, n_draft, drain_s, ping_s;
    int max_connections, header_s, idle_s, stall_s;
    uint64_t kv_bytes, disk_bytes, max_body, max_header, max_output;
    bool packed;
    cli_list lora;
    cli_engine_args engine;
} args;

/* What the options name, opened. */
typedef struct opened {
    hone_model *model, *draft;
    cli_config *config;
    char *keys, *chat_template;
    const char *key[MAX_KEYS];
    size_t n_key;
    hone_server_adapter adapter[CLI_MAX_LIST];
    char *adapter_name[CLI_MAX_LIST], *adapter_path[CLI_MAX_LIST];
    char *alias, *packed;
} opened;

static void set_options(args *a, cli_option out[N_OWN_OPTION])
{
    const cli_option own[N_OWN_OPTION] = {
        {"host", 0, CLI_STR, &a->host, "HOST",
         "address, or unix:PATH; default 127.0.0.1"},
        {"port", 0, CLI_INT, &a->port, "N", "port, 0 takes a free one; default 8080"},
        {"alias", 0, CLI_STR, &a->alias, "NAME",
         "the model's name for clients; default: of its file"},
        {"api-key-file", 0, CLI_STR, &a->key_file, "FILE", "keys, one a line"},
        {"lora", 0, CLI_LIST, &a->lora, "NAME=PATH[:SCALE]",
         "an adapter, chosen by its name as model; may be given often"},
        {"draft", 0, CLI_STR, &a->draft, "MODEL", "a small model that guesses ahead"},
        {"n-draft", 0, CLI_LIMIT, &a->n_draft, "N",
         "tokens guessed ahead at most, -1: none; default 8"},
        {"max-sequences", 0, CLI_INT, &a->max_sequence, "N",
         "answers that run at once; default 16"},
        {"queue", 0, CLI_INT, &a->queue, "N", "requests that may wait; default 256"},
        {"kv-bytes", 0, CLI_BYTES, &a->kv_bytes, "BYTES",
         "memory of keys and values; K, M, G"},
        {"disk-dir", 0, CLI_STR, &a->disk_dir, "DIR",
         "pages that give way go to a file there and come back"},
        {"disk-bytes", 0, CLI_BYTES, &a->disk_bytes, "BYTES",
         "of that file; K, M, G; default 4G"},
        {"packed-cache", 0, CLI_FLAG, &a->packed, NULL,
         "keep the weights as kernels read them beside the model: starts faster"},
        {"session-dir", 0, CLI_STR, &a->session_dir, "DIR",
         "keep named sessions there"},
        {"pooling", 0, CLI_STR, &a->pooling, "P", "of embeddings: mean, last"},
        {"chat-template", 0, CLI_STR, &a->template_file, "FILE",
         "in place of the model's"},
        {"log", 0, CLI_STR, &a->log, "FORM",
         "a line a request on standard error: text, json, none"},
        {"drain-s", 0, CLI_INT, &a->drain_s, "N",
         "seconds that answers may take after SIGTERM; default 30"},
        {"ping-s", 0, CLI_INT, &a->ping_s, "N",
         "seconds of silence before a comment in a stream; default 15"},
        {"tls-cert", 0, CLI_STR, &a->tls_cert, "FILE", "certificate chain, PEM"},
        {"tls-key", 0, CLI_STR, &a->tls_key, "FILE", "its key, PEM"},
        {"cors-origin", 0, CLI_STR, &a->cors_origin, "ORIGIN",
         "pages of this origin may ask; * is any"},
        {"max-body", 0, CLI_BYTES, &a->max_body, "BYTES", "of a request; default 32M"},
        {"max-header", 0, CLI_BYTES, &a->max_header, "BYTES",
         "of a request; default 64K"},
        {"max-output", 0, CLI_BYTES, &a->max_output, "BYTES",
         "waiting for a slow reader; default 256K"},
        {"max-connections", 0, CLI_INT, &a->max_connections, "N", "default 512"},
        {"header-s", 0, CLI_INT, &a->header_s, "N",
         "seconds for a request to come in; default 10"},
        {"idle-s", 0, CLI_INT, &a->idle_s, "N",
         "seconds between requests of a connection; default 75"},
        {"stall-s", 0, CLI_INT, &a->stall_s, "N",
         "seconds until a reader that stopped is dropped; default 30"},
        {"config", 0, CLI_STR, &a->config, "FILE",
         "YAML with these options; the command line wins"},
        {0},
    };
    memcpy(out, own, sizeof own);
}

/* -- files ------------------------------------------------------------------------ */

/* One key a line; empty lines and those that begin with # are none. */
static hone_status read_keys(opened *o, const char *path, hone_error *err)
{
    size_t len;
    HONE_TRY(hone_file_read(&o->keys, &len, path, MAX_SECRETS, err));
    char *save = NULL;
    for (char *line = strtok_r(o->keys, "\r\n", &save); line;
         line = strtok_r(NULL, "\r\n", &save)) {
        line += strspn(line, " \t");
        for (size_t n = strlen(line); n > 0 && strchr(" \t", line[n - 1]);) {
            line[--n] = '\0';
        }
        if (!*line || *line == '#') continue;
        if (o->n_key == MAX_KEYS)
            return hone_fail(err, HONE_E_LIMIT, "serve: %s: more than %d keys", path,
                             MAX_KEYS);
        o->key[o->n_key++] = line;
    }
    return o->n_key ? HONE_OK
                    : hone_fail(err, HONE_E_FORMAT, "serve: %s: no key in it", path);
}

/* NAME=PATH[:SCALE] */
static hone_status parse_adapter(opened *o, size_t i, const char *text, hone_error *err)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return hone_fail(err, HONE_E_INVALID,
                         "option --lora: expected NAME=PATH[:SCALE], found '%s'", text);
    char *name = o->adapter_name[i] = hone_strdup(text);
    hone_server_adapter *a = &o->adapter[i];
    char *path = o->adapter_path[i] = cli_adapter_path(equals + 1, &a->scale);
    if (!name || !path) return hone_fail(err, HONE_E_NOMEM, "serve: out of memory");
    name[equals - text] = '\0';
    a->name = name;
    a->path = path;
    return HONE_OK;
}

/* Clients know the model by the last part of its path, without ".gguf". */
static char *default_alias(const char *model)
{
    static const char suffix[] = ".gguf";
    size_t n = strlen(model);
    while (n > 1 && model[n - 1] == '/') {
        n--;
    }
    size_t from = n;
    while (from > 0 && model[from - 1] != '/') {
        from--;
    }
    char *name = hone_strdup(model + from);
    if (!name) return NULL;
    n -= from;
    name[n] = '\0';
    if (n >= sizeof suffix && strcmp(name + n - (sizeof suffix - 1), suffix) == 0)
        name[n - (sizeof suffix - 1)] = '\0';
    return name;
}

static hone_status open_all(opened *o, const args *a, const char *model,
                            hone_error *err)
{
    size_t len;
    if (a->key_file) HONE_TRY(read_keys(o, a->key_file, err));
    if (a->template_file)
        HONE_TRY(
            hone_file_read(&o->chat_template, &len, a->template_file, 1 << 22, err));
    for (size_t i = 0; i < a->lora.n; i++) {
        HONE_TRY(parse_adapter(o, i, a->lora.item[i], err));
    }
    o->alias = a->alias ? hone_strdup(a->alias) : default_alias(model);
    if (!o->alias) return hone_fail(err, HONE_E_NOMEM, "serve: out of memory");
    HONE_TRY(cli_model_open(&o->model, model, 0, err));
    if (a->packed) HONE_TRY(cli_packed_path(model, &o->packed, err));
    return a->draft ? cli_model_open(&o->draft, a->draft, 0, err) : HONE_OK;
}

static void close_all(opened *o)
{
    hone_model_close(o->draft);
    hone_model_close(o->model);
    cli_config_free(o->config);
    for (int i = 0; i < CLI_MAX_LIST; i++) {
        hone_free(o->adapter_name[i]);
        hone_free(o->adapter_path[i]);
    }
    hone_free(o->alias);
    hone_free(o->packed);
    hone_free(o->chat_template);
    hone_free(o->keys);
}

/* -- running ---------------------------------------------------------------------- */

static hone_server *volatile serving;
static volatile sig_atomic_t n_signal;

/* The first drains, the second ends answers, the third does not wait for a step; without
 * a server yet there is nothing to wait for. */
static void on_signal(int number)
{
    n_signal = n_signal + 1;
    if (n_signal > 2 || !serving) _Exit(128 + number);
    hone_server_stop(serving);
}

/* Before anything is loaded: the first process of a container has no other handler, and
 * would wait for a SIGTERM that is lost. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void print_line(void *ctx, const char *line)
{
    (void)ctx;
    fprintf(stderr, "%s\n", line);
}

static hone_server_options server_options(const args *a, const opened *o)
{
    hone_server_options s = {
        .host = a->host,
        .port = a->port,
        .alias = o->alias,
        .key = o->key,
        .n_key = o->n_key,
        .cors_origin = a->cors_origin,
        .tls_cert = a->tls_cert,
        .tls_key = a->tls_key,
        .adapter = o->adapter,
        .n_adapter = a->lora.n,
        .engine = cli_engine_options(&a->engine),
        .scheduler = {.n_queue = a->queue,
                      .n_draft = a->n_draft,
                      .session_dir = a->session_dir},
        .draft = o->draft,
        .chat_template = o->chat_template,
        .max_header = (size_t)a->max_header,
        .max_body = (size_t)a->max_body,
        .max_output = (size_t)a->max_output,
        .max_connections = a->max_connections,
        .header_s = a->header_s,
        .idle_s = a->idle_s,
        .stall_s = a->stall_s,
        .ping_s = a->ping_s,
        .drain_s = a->drain_s,
        .log = a->log && strcmp(a->log, "none") == 0 ? NULL : print_line,
        .log_json = a->log && strcmp(a->log, "json") == 0,
    };
    s.engine.interrupt = NULL; /* a signal drains; it does not end steps */
    s.engine.packed_file = o->packed;
    s.engine.kv_bytes = a->kv_bytes;
    s.engine.n_sequence = a->max_sequence;
    s.engine.disk_dir = a->disk_dir;
    s.engine.disk_bytes = a->disk_bytes ? a->disk_bytes : DISK_BYTES;
    s.pooling = a->pooling && strcmp(a->pooling, "last") == 0 ? HONE_POOLING_LAST
                                                              : HONE_POOLING_MEAN;
    return s;
}

static void warn_if_open(const args *a, const opened *o)
{
    const char *h = a->host;
    if (o->n_key || !h || strncmp(h, "unix:", 5) == 0 || strncmp(h, "127.", 4) == 0 ||
        strcmp(h, "localhost") == 0 || strcmp(h, "::1") == 0)
        return;
    fputs("hone: serve: without --api-key-file anyone who reaches ", stderr);
    cli_print_plain(stderr, h);
    fputs(" may ask\n", stderr);
}

static int serve(const args *a, const opened *o)
{
    hone_error err;
    hone_server *server = NULL;
    const hone_server_options options = server_options(a, o);
    if (hone_server_new(&server, o->model, &options, &err)) return cli_fail(&err);
    serving = server;
    warn_if_open(a, o);
    fprintf(stderr, "hone: serving on %s\n", hone_server_url(server));
    hone_server_run(server);
    serving = NULL;
    hone_server_free(server);
    return 0;
}

/* -- options ---------------------------------------------------------------------- */

static bool is_one_of(const char *s, const char *a, const char *b, const char *c)
{
    return !s || strcmp(s, a) == 0 || strcmp(s, b) == 0 || strcmp(s, c) == 0;
}

static int check(const cli_command *self, const args *a)
{
    if (!is_one_of(a->log, "text", "json", "none"))
        return cli_usage(self, "option --log: expected text, json or none, found '%s'",
                         a->log);
    if (!is_one_of(a->pooling, "mean", "last", "last"))
        return cli_usage(self, "option --pooling: expected mean or last, found '%s'",
                         a->pooling);
    if (!a->tls_cert != !a->tls_key)
        return cli_usage(self, "--tls-cert and --tls-key need each other");
    return CLI_GO;
}

/* The command line is read twice: for the name of the file, and over what it says. */
static int read_options(const cli_command *self, args *a, opened *o, int argc,
                        char **argv, const char **model)
{
    cli_option own[N_OWN_OPTION], engine[4];
    set_options(a, own);
    const cli_group groups[] = {{own, N_OWN_OPTION - 1},
                                cli_engine_group(&a->engine, engine)};
    const args defaults = *a;
    hone_error err;
    int go = cli_parse(self, groups, 2, argc, argv, model, 1, 1);
    if (go == CLI_GO && a->config) {
        const bool has_lora = a->lora.n > 0;
        const char *path = a->config;
        *a = defaults;
        if (cli_config_load(&o->config, path, groups, 2, &err)) return cli_fail(&err);
        if (has_lora) a->lora.n = 0;
        go = cli_parse(self, groups, 2, argc, argv, model, 1, 1);
    }
    return go == CLI_GO ? check(self, a) : go;
}

static int run(const cli_command *self, int argc, char **argv)
{
    hone_error err;
    args a = {.port = DEFAULT_PORT};
    opened o = {0};
    const char *model;
    catch_signals();
    int status = read_options(self, &a, &o, argc, argv, &model);
    if (status == CLI_GO)
        status = open_all(&o, &a, model, &err) ? cli_fail(&err) : serve(&a, &o);
    close_all(&o);
    return status;
}

const cli_command cli_cmd_serve = {
    .name = "serve",
    .usage = "MODEL [--host HOST] [--port N] [--config FILE]",
    .summary = "answer over HTTP: OpenAI's and Anthropic's protocols",
    .details =
        "SIGTERM or Ctrl-C ends the server when running answers are done, a second\n"
        "one at once.  docs/serving.md tells all about it.",
    .run = run,
};
