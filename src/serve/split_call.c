/* split_call.c - one call: its name as the format spells it, then one JSON object; or
 * an object that holds both. */
#include <string.h>

#include "serve/split_internal.h"

enum {
    MEMBER_OTHER,
    MEMBER_NAME,
    MEMBER_ARGUMENTS
};

enum {
    MAX_ID = 64 /* bytes of an id behind a name, with what ends it */
};

void hone_split_begin_call(answer_split *s, int state)
{
    split_call *c = &s->call;
    c->scan = (json_scan){0};
    c->bare = state != SPLIT_IN_OBJECT;
    c->inside = c->open = c->named = c->has_args = c->quoted = false;
    c->sent = c->n_argument = 0;
    hone_buf_reset(&c->raw);
    hone_buf_reset(&c->name);
    hone_buf_reset(&c->args);
    s->state = state;
}

/* -- names ------------------------------------------------------------------------- */

/* What ends a name, with an id before it where the format has one. */
static split_match name_ends(const tool_format *f, const char *p, size_t n, size_t *len)
{
    const char *const ends[] = {f->name_end, NULL};
    const char *which;
    split_match m = hone_split_begins(p, n, f->name_end);
    *len = strlen(f->name_end);
    if (m != SPLIT_NO || !f->id) return m;
    m = hone_split_begins(p, n, f->id);
    if (m != SPLIT_YES) return m;
    const size_t id = strlen(f->id), most = n - id < MAX_ID ? n - id : MAX_ID;
    size_t at;
    if (!hone_split_find(p + id, most, ends, &which, &at))
        return most < MAX_ID ? SPLIT_MAYBE : SPLIT_NO;
    *len = id + at + strlen(f->name_end);
    return SPLIT_YES;
}

/* The longest name of a tool that the text begins with, as a call spells it; *len: with
 * what ends it. */
static split_match name_at(const answer_split *s, const char *p, size_t n, size_t *len,
                           const char **name)
{
    bool wait = false;
    *name = NULL;
    for (size_t i = 0; i < json_array_size(s->o.tools); i++) {
        const char *one = hone_tool_name(s->o.tools, i);
        const size_t one_len = strlen(one);
        size_t end = 0;
        split_match m = hone_split_begins(p, n, one);
        if (m == SPLIT_YES) m = name_ends(s->o.format, p + one_len, n - one_len, &end);
        if (m == SPLIT_MAYBE) wait = true;
        if (m != SPLIT_YES || (*name && strlen(*name) > one_len)) continue;
        *name = one;
        *len = one_len + end;
    }
    return wait ? SPLIT_MAYBE : *name ? SPLIT_YES : SPLIT_NO;
}

static void take(answer_split *s, size_t n)
{
    hone_buf_append(&s->call.raw, s->in.data, n);
    hone_buf_drop(&s->in, n);
}

bool hone_split_in_name(answer_split *s, bool final)
{
    split_call *c = &s->call;
    const tool_format *f = s->o.format;
    const size_t lead = strlen(f->lead);
    size_t len = 0;
    const char *name = NULL;
    split_match m = hone_split_begins(s->in.data, s->in.len, f->lead);
    if (m == SPLIT_NO) {
        hone_split_give_back(s);
        return true;
    }
    if (m == SPLIT_YES)
        m = name_at(s, s->in.data + lead, s->in.len - lead, &len, &name);
    if (m == SPLIT_MAYBE && !final) return false;
    if (!name) {
        /* past the lead, so that it is not found again */
        take(s, lead < s->in.len ? lead : s->in.len);
        hone_split_give_back(s);
        return true;
    }
    hone_buf_append_str(&c->name, name);
    c->named = true;
    take(s, lead + len);
    s->state = f->style == TOOL_TAGGED ? SPLIT_IN_TAGS : SPLIT_IN_OBJECT;
    return true;
}

/* -- objects ----------------------------------------------------------------------- */

/* The text of a JSON string, quotes included, in its own buffer. */
static bool unquote(hone_buf *b)
{
    json_t *v = json_loadb(b->data, b->len, JSON_DECODE_ANY, NULL);
    const bool ok = json_is_string(v);
    hone_buf_reset(b);
    if (ok) hone_buf_append(b, json_string_value(v), json_string_length(v));
    json_decref(v);
    return ok;
}

static bool is_object(const hone_buf *b)
{
    json_t *v = json_loadb(b->data, b->len, 0, NULL);
    const bool ok = json_is_object(v);
    json_decref(v);
    return ok;
}

static bool key_ended(split_call *c)
{
    static const struct {
        const char *key;
        int member;
    } table[] = {{"name", MEMBER_NAME},
                 {"arguments", MEMBER_ARGUMENTS},
                 {"parameters", MEMBER_ARGUMENTS},
                 {"id", MEMBER_OTHER},
                 {"type", MEMBER_OTHER}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(c->key.data, table[i].key) != 0) continue;
        c->member = table[i].member;
        return true;
    }
    c->member = MEMBER_OTHER;
    return c->open; /* what is announced may have more members */
}

static bool value_begins(split_call *c, char byte)
{
    c->inside = true;
    if (c->member == MEMBER_NAME) return byte == '"' && !c->named;
    if (c->member != MEMBER_ARGUMENTS) return true;
    if (c->has_args) return false;
    c->has_args = true;
    c->quoted = byte == '"';
    return byte == '{' || byte == '"';
}

static bool value_ended(answer_split *s)
{
    split_call *c = &s->call;
    c->inside = false;
    if (c->member == MEMBER_NAME) {
        c->named = true;
        return unquote(&c->name) &&
               hone_tool_index(s->o.tools, c->name.data, c->name.len) >= 0;
    }
    if (c->member == MEMBER_ARGUMENTS && c->quoted) {
        c->quoted = false;
        return unquote(&c->args) && is_object(&c->args);
    }
    return true;
}

/* One byte of an object that holds the arguments alone. */
static json_scan_result bare_byte(split_call *c, char byte)
{
    if (!c->has_args && byte != '{')
        return hone_split_is_space(byte) ? JSON_SCAN_MORE : JSON_SCAN_BROKEN;
    c->has_args = true;
    const json_scan_result r = hone_json_scan(&c->scan, byte);
    if (r != JSON_SCAN_BROKEN) hone_buf_append_char(&c->args, byte);
    return r;
}

/* One byte of a call's object, which is broken if it makes no call. */
static json_scan_result call_byte(answer_split *s, char byte)
{
    split_call *c = &s->call;
    json_scan *scan = &c->scan;
    const json_scan_state before = scan->state;
    const int depth = scan->depth;
    const bool in_key =
        scan->in_key && before >= JSON_IN_STRING && before <= JSON_IN_HEX;
    const json_scan_result r = hone_json_scan(scan, byte);
    if (r == JSON_SCAN_BROKEN) return r;
    bool ok = true;
    if (depth == 1 && (before == JSON_AT_MEMBER || before == JSON_AT_KEY)) {
        hone_buf_reset(&c->key);
    } else if (depth == 1 && in_key) {
        if (scan->state == JSON_AT_COLON)
            ok = key_ended(c);
        else
            hone_buf_append_char(&c->key, byte);
    } else if (depth == 1 && before == JSON_AT_VALUE && !hone_split_is_space(byte)) {
        ok = value_begins(c, byte);
    }
    if (ok && c->inside && c->member != MEMBER_OTHER)
        hone_buf_append_char(c->member == MEMBER_NAME ? &c->name : &c->args, byte);
    if (ok && c->inside && scan->depth <= 1 &&
        (scan->state < JSON_IN_STRING || scan->state == JSON_DONE))
        ok = value_ended(s);
    if (r == JSON_SCAN_END) ok = ok && c->named;
    return ok ? r : JSON_SCAN_BROKEN;
}

void hone_split_announce(answer_split *s)
{
    split_call *c = &s->call;
    if (c->open || !c->named || !c->has_args || c->quoted) return;
    c->open = true;
    hone_split_emit(s, SPLIT_CALL, c->name.data, c->name.len);
}

void hone_split_send(answer_split *s)
{
    split_call *c = &s->call;
    if (!c->open || c->quoted) return;
    hone_split_emit(s, SPLIT_ARGUMENTS, c->args.data + c->sent, c->args.len - c->sent);
    c->sent = c->args.len;
}

void hone_split_end_call(answer_split *s)
{
    split_call *c = &s->call;
    if (!c->has_args) {
        c->has_args = true;
        hone_buf_append_str(&c->args, "{}");
    }
    hone_split_announce(s);
    hone_split_send(s);
    hone_split_emit(s, SPLIT_CALL_END, "", 0);
    s->drop_space = true;
    hone_buf_reset(&s->mark);
    hone_buf_reset(&c->raw);
}

void hone_split_break_call(answer_split *s)
{
    if (!s->call.open) {
        hone_split_give_back(s);
        return;
    }
    hone_split_end_call(s);
    s->in_array = false;
    s->state = SPLIT_IN_TEXT;
}

bool hone_split_in_object(answer_split *s, bool final)
{
    for (size_t i = 0; i < s->in.len; i++) {
        const char byte = s->in.data[i];
        const json_scan_result r =
            s->call.bare ? bare_byte(&s->call, byte) : call_byte(s, byte);
        if (r == JSON_SCAN_BROKEN) {
            hone_buf_drop(&s->in, i);
            hone_split_break_call(s);
            return true;
        }
        hone_buf_append_char(&s->call.raw, byte);
        hone_split_announce(s);
        if (r == JSON_SCAN_END) {
            hone_buf_drop(&s->in, i + 1);
            hone_split_end_call(s);
            s->state = SPLIT_AFTER_CALL;
            return true;
        }
    }
    hone_buf_drop(&s->in, s->in.len);
    hone_split_send(s);
    if (final) hone_split_break_call(s);
    return false;
}
