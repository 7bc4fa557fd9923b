/* adapters.c - the list of adapters, and changing it while the engine runs. */
#include "serve/adapters.h"

#include <string.h>

#include "base/mem.h"
#include "hone/adapter.h"
#include "serve/answer.h"

/* -- the list --------------------------------------------------------------------- */

const server_adapter *hone_adapters_find(const hone_server *s, const char *name)
{
    for (size_t i = 0; i < s->n_adapter; i++) {
        if (strcmp(s->adapter[i].name, name) == 0) return &s->adapter[i];
    }
    return NULL;
}

static hone_status add(hone_server *s, const char *name, const char *path,
                       hone_error *err)
{
    server_adapter a = {hone_strdup(name), hone_strdup(path)};
    if (a.name && a.path &&
        !hone_grow((void **)&s->adapter, &s->cap_adapter, s->n_adapter + 1, sizeof a)) {
        s->adapter[s->n_adapter++] = a;
        return HONE_OK;
    }
    hone_free(a.name);
    hone_free(a.path);
    return hone_fail(err, HONE_E_NOMEM, "adapter: out of memory");
}

static void drop(hone_server *s, const char *name)
{
    for (size_t i = 0; i < s->n_adapter; i++) {
        server_adapter *a = &s->adapter[i];
        if (strcmp(a->name, name) != 0) continue;
        hone_free(a->name);
        hone_free(a->path);
        memmove(a, a + 1, (--s->n_adapter - i) * sizeof *a);
        return;
    }
}

hone_status hone_adapters_start(hone_server *s, hone_error *err)
{
    for (size_t i = 0; i < s->options.n_adapter; i++) {
        const hone_server_adapter *o = &s->options.adapter[i];
        const hone_adapter_part part = {o->path, o->scale == 0 ? 1 : o->scale};
        HONE_TRY(hone_engine_adapter_load(s->engine, o->name, &part, 1, err));
        HONE_TRY(add(s, o->name, o->path, err));
    }
    return HONE_OK;
}

void hone_adapters_release(hone_server *s)
{
    while (s->n_adapter)
        drop(s, s->adapter[0].name);
    hone_free(s->adapter);
}

/* -- changes ---------------------------------------------------------------------- */

/* A change goes to the engine's thread and comes back. */
typedef struct change {
    hone_server *server;
    http_exchange *x;
    char *name, *path; /* path NULL: unload */
    hone_status status;
    hone_error err;
} change;

static void release(change *c)
{
    hone_free(c->name);
    hone_free(c->path);
    hone_free(c);
}

static void refuse(change *c, hone_status status)
{
    api_error e;
    /* the file that cannot be read is the one that the client named */
    if (status == HONE_E_IO) status = HONE_E_INVALID;
    hone_api_fail_status(&e, status, c->path ? "lora_path" : "lora_name", &c->err);
    hone_answer_error(c->x, &hone_dialect_chat, &e);
    release(c);
}

/* On the loop. */
static void changed(void *arg)
{
    change *c = arg;
    hone_buf b;
    if (!c->status && c->path) c->status = add(c->server, c->name, c->path, &c->err);
    if (c->status) {
        refuse(c, c->status);
        return;
    }
    if (!c->path) drop(c->server, c->name);
    hone_buf_init(&b, 1 << 16);
    hone_buf_append_str(&b, "{\"object\":\"adapter\",\"id\":");
    hone_put_text(&b, c->name);
    hone_buf_printf(&b, ",\"loaded\":%s}", c->path ? "true" : "false");
    hone_answer_json(c->x, 200, &b);
    hone_buf_release(&b);
    release(c);
}

/* On the engine's thread. */
static void make_change(void *arg)
{
    change *c = arg;
    hone_engine *e = c->server->engine;
    const hone_adapter_part part = {c->path, 1};
    c->status = c->path ? hone_engine_adapter_load(e, c->name, &part, 1, &c->err)
                        : hone_engine_adapter_unload(e, c->name, &c->err);
    /* where that fails there is no memory to say so either */
    (void)!http_post(c->server->http, changed, c, NULL);
}

static void gone(void *ctx, http_exchange *x)
{
    (void)ctx;
    (void)x; /* the change is made all the same */
}

static bool read_change(change *c, const hone_server *s, bool load, const json_t *body,
                        api_error *e)
{
    const char *name = NULL, *path = NULL;
    if (!hone_field_str(body, "lora_name", &name, e) ||
        !hone_field_str(body, "lora_path", &path, e))
        return false;
    if (!name || !*name || (load && (!path || !*path))) {
        const char *key = name && *name ? "lora_path" : "lora_name";
        return hone_api_fail(e, 400, "invalid_value", key, "%s: expected a %s", key,
                             name && *name ? "path" : "name");
    }
    const bool known = hone_adapters_find(s, name) != NULL;
    if (load && (known || strcmp(name, s->name) == 0)) {
        return hone_api_fail(e, 400, "invalid_value", "lora_name",
                             "lora_name: '%.200s' is loaded already", name);
    }
    if (!load && !known) {
        return hone_api_fail(e, 404, "model_not_found", "lora_name",
                             "lora_name: no adapter '%.200s'", name);
    }
    c->name = hone_strdup(name);
    c->path = load ? hone_strdup(path) : NULL;
    return (c->name && (c->path || !load)) || hone_field_no_memory(e);
}

static void begin_change(hone_server *s, http_exchange *x, bool load)
{
    api_error e = {0};
    json_t *body = NULL;
    size_t len;
    const char *text = http_get_body(x, &len);
    change *c = hone_alloc_zero(1, sizeof *c);
    const bool ok =
        c ? hone_field_body(text, len, &body, &e) && read_change(c, s, load, body, &e)
          : hone_field_no_memory(&e);
    json_decref(body);
    if (!ok) {
        hone_answer_error(x, &hone_dialect_chat, &e);
        if (c) release(c);
        return;
    }
    const http_watch watch = {.gone = gone};
    c->server = s;
    c->x = x;
    http_keep(x, &watch);
    const hone_status status =
        hone_scheduler_call(s->scheduler, make_change, c, &c->err);
    if (status) refuse(c, status);
}

void hone_api_load_adapter(void *ctx, http_exchange *x)
{
    begin_change(ctx, x, true);
}

void hone_api_unload_adapter(void *ctx, http_exchange *x)
{
    begin_change(ctx, x, false);
}
