/* split.c - a small machine over what is not decided yet: each state takes from the front
 * of `in` what no further text can change, and waits for the rest. */
#include "serve/split.h"

#include <string.h>

enum {
    AT_START, /* nothing yet, or reasoning has just ended */
    IN_THINKING,
    IN_TEXT,
    AT_CALL, /* behind a mark or a comma: a call must come */
    IN_CALL,
    AFTER_CALL
};

enum {
    MEMBER_OTHER,
    MEMBER_NAME,
    MEMBER_ARGUMENTS
};

#define MAX_ANSWER ((size_t)64 << 20)

void hone_split_init(answer_split *s, const split_options *o, split_fn *fn, void *ctx)
{
    *s = (answer_split){.o = *o, .fn = fn, .ctx = ctx};
    if (o->thinking == SPLIT_THINKING) {
        s->state = IN_THINKING;
        s->drop_space = true;
    } else if (o->marked) {
        s->state = AT_CALL;
    } else if (!o->thinking && (!o->format || o->format->anywhere)) {
        s->state = IN_TEXT;
    }
    hone_buf *const all[] = {&s->in,       &s->mark,      &s->call.raw,
                             &s->call.key, &s->call.name, &s->call.args};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        hone_buf_init(all[i], MAX_ANSWER);
}

void hone_split_release(answer_split *s)
{
    hone_buf_release(&s->in);
    hone_buf_release(&s->mark);
    hone_buf_release(&s->call.raw);
    hone_buf_release(&s->call.key);
    hone_buf_release(&s->call.name);
    hone_buf_release(&s->call.args);
}

bool hone_split_failed(const answer_split *s)
{
    return s->in.failed || s->mark.failed || s->call.raw.failed || s->call.key.failed ||
           s->call.name.failed || s->call.args.failed;
}

bool hone_split_in_thinking(const answer_split *s)
{
    return s->state == IN_THINKING;
}

static void emit(answer_split *s, split_event e, const char *text, size_t len)
{
    if (len || e == SPLIT_CALL || e == SPLIT_CALL_END) s->fn(s->ctx, e, text, len);
}

/* -- looking at text --------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t spaces(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && is_space(p[i]))
        i++;
    return i;
}

static size_t without_trailing(const char *p, size_t n)
{
    while (n > 0 && is_space(p[n - 1]))
        n--;
    return n;
}

typedef enum match {
    NO,
    MAYBE, /* the text ends inside of the word */
    YES
} match;

static match begins(const char *p, size_t n, const char *word)
{
    const size_t len = strlen(word);
    if (n >= len) return memcmp(p, word, len) == 0 ? YES : NO;
    return memcmp(p, word, n) == 0 ? MAYBE : NO;
}

/* Where the word is, or n without the bytes at the end that may begin it. */
static bool find(const char *p, size_t n, const char *word, size_t *at)
{
    for (size_t i = 0; i < n; i++) {
        const match m = begins(p + i, n - i, word);
        if (m == NO) continue;
        *at = i;
        return m == YES;
    }
    *at = n;
    return false;
}

/* -- states: each returns true if the next state can go on ------------------------- */

static bool start_marks(answer_split *s, const char *p, size_t n, bool final,
                        size_t space, bool *wait)
{
    size_t best = 0;
    for (int i = 0; i < 4 && s->o.format->mark[i]; i++) {
        const match m = begins(p, n, s->o.format->mark[i]);
        if (m == MAYBE && !final) *wait = true;
        if (m == YES && strlen(s->o.format->mark[i]) > best)
            best = strlen(s->o.format->mark[i]);
    }
    if (*wait || (!best && (n == 0 || (*p != '{' && *p != '[')))) return false;
    hone_buf_append(&s->mark, s->in.data, space + best);
    hone_buf_drop(&s->in, space + best);
    s->state = AT_CALL;
    return true;
}

static bool at_start(answer_split *s, bool final)
{
    const size_t w = spaces(s->in.data, s->in.len);
    const char *p = s->in.data + w;
    const size_t n = s->in.len - w;
    bool wait = false;
    if (n == 0 && !final) return false;
    if (s->o.thinking == SPLIT_MAY_THINK) {
        const match m = begins(p, n, THINK_OPEN);
        if (m == MAYBE && !final) return false;
        s->o.thinking = SPLIT_NO_THINKING;
        if (m == YES) {
            hone_buf_drop(&s->in, w + strlen(THINK_OPEN));
            s->state = IN_THINKING;
            s->drop_space = true;
            return true;
        }
    }
    if (s->o.format && !s->o.format->anywhere && start_marks(s, p, n, final, w, &wait))
        return true;
    if (wait) return false;
    s->state = IN_TEXT;
    return true;
}

static bool in_thinking(answer_split *s, bool final)
{
    if (s->drop_space) {
        hone_buf_drop(&s->in, spaces(s->in.data, s->in.len));
        s->drop_space = s->in.len == 0;
    }
    size_t at;
    const bool found = find(s->in.data, s->in.len, THINK_CLOSE, &at);
    if (final && !found) at = s->in.len;
    const size_t n = without_trailing(s->in.data, at);
    emit(s, SPLIT_REASONING, s->in.data, n);
    if (!found) {
        hone_buf_drop(&s->in, final ? at : n);
        return false;
    }
    hone_buf_drop(&s->in, at + strlen(THINK_CLOSE));
    s->state = AT_START;
    s->drop_space = true;
    return true;
}

static bool in_text(answer_split *s, bool final)
{
    size_t at = s->in.len;
    bool found = false;
    if (s->drop_space) {
        hone_buf_drop(&s->in, spaces(s->in.data, s->in.len));
        if (s->in.len == 0) return false;
        s->drop_space = false;
        at = s->in.len;
    }
    if (s->o.format && s->o.format->anywhere)
        found = find(s->in.data, s->in.len, s->o.format->mark[0], &at);
    if (final && !found) at = s->in.len;
    size_t n = at;
    if (s->o.format && s->o.format->anywhere && (found || !final))
        n = without_trailing(s->in.data, at);
    emit(s, SPLIT_TEXT, s->in.data, n);
    if (!found) {
        hone_buf_drop(&s->in, n);
        return false;
    }
    const size_t end = at + strlen(s->o.format->mark[0]);
    hone_buf_append(&s->mark, s->in.data + n, end - n);
    hone_buf_drop(&s->in, end);
    s->state = AT_CALL;
    return true;
}

/* What was taken for the beginning of a call is text. */
static void give_back(answer_split *s)
{
    const bool space = spaces(s->mark.data, s->mark.len) == s->mark.len;
    if (!s->drop_space && !(space && s->n_call)) {
        emit(s, SPLIT_TEXT, s->mark.data, s->mark.len);
    } else {
        const size_t w = spaces(s->mark.data, s->mark.len);
        emit(s, SPLIT_TEXT, s->mark.data + w, s->mark.len - w);
        if (!space) s->drop_space = false;
    }
    if (s->call.raw.len) s->drop_space = false;
    emit(s, SPLIT_TEXT, s->call.raw.data, s->call.raw.len);
    hone_buf_reset(&s->mark);
    hone_buf_reset(&s->call.raw);
    s->in_array = false;
    s->state = IN_TEXT;
}

static void begin_call(answer_split *s)
{
    split_call *c = &s->call;
    c->scan = (json_scan){0};
    c->inside = c->open = c->named = c->has_args = c->quoted = false;
    c->sent = 0;
    hone_buf_reset(&c->raw);
    hone_buf_reset(&c->name);
    hone_buf_reset(&c->args);
    s->state = IN_CALL;
}

static bool at_call(answer_split *s, bool final)
{
    const size_t w = spaces(s->in.data, s->in.len);
    hone_buf_append(&s->mark, s->in.data, w);
    hone_buf_drop(&s->in, w);
    if (s->in.len == 0) {
        if (final) give_back(s);
        return false;
    }
    const char c = s->in.data[0];
    if (c == '{') {
        begin_call(s);
    } else if (c == '[' && !s->in_array) {
        s->in_array = true;
        hone_buf_append_char(&s->mark, c);
        hone_buf_drop(&s->in, 1);
    } else {
        give_back(s);
    }
    return true;
}

/* -- one call ---------------------------------------------------------------------- */

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
    } else if (depth == 1 && before == JSON_AT_VALUE && !is_space(byte)) {
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

static void announce(answer_split *s)
{
    split_call *c = &s->call;
    if (c->open || !c->named || !c->has_args || c->quoted) return;
    c->open = true;
    emit(s, SPLIT_CALL, c->name.data, c->name.len);
}

static void send_arguments(answer_split *s)
{
    split_call *c = &s->call;
    if (!c->open || c->quoted) return;
    emit(s, SPLIT_ARGUMENTS, c->args.data + c->sent, c->args.len - c->sent);
    c->sent = c->args.len;
}

static void end_call(answer_split *s)
{
    split_call *c = &s->call;
    if (!c->has_args) {
        c->has_args = true;
        hone_buf_append_str(&c->args, "{}");
    }
    announce(s);
    send_arguments(s);
    emit(s, SPLIT_CALL_END, "", 0);
    s->n_call++;
    s->drop_space = true;
    hone_buf_reset(&s->mark);
    hone_buf_reset(&c->raw);
}

/* The text goes on with what is no call. */
static void break_call(answer_split *s)
{
    if (!s->call.open) {
        give_back(s);
        return;
    }
    end_call(s);
    s->in_array = false;
    s->state = IN_TEXT;
}

static bool in_call(answer_split *s, bool final)
{
    for (size_t i = 0; i < s->in.len; i++) {
        const json_scan_result r = call_byte(s, s->in.data[i]);
        if (r == JSON_SCAN_BROKEN) {
            hone_buf_drop(&s->in, i);
            break_call(s);
            return true;
        }
        hone_buf_append_char(&s->call.raw, s->in.data[i]);
        announce(s);
        if (r == JSON_SCAN_END) {
            hone_buf_drop(&s->in, i + 1);
            end_call(s);
            s->state = AFTER_CALL;
            return true;
        }
    }
    hone_buf_drop(&s->in, s->in.len);
    send_arguments(s);
    if (final) break_call(s);
    return false;
}

static bool after_call(answer_split *s, bool final)
{
    hone_buf_drop(&s->in, spaces(s->in.data, s->in.len));
    if (s->in.len == 0) return false;
    const char c = s->in.data[0];
    if (c == '{' && !s->in_array) {
        s->state = AT_CALL;
        return true;
    }
    if ((c == ',' && s->in_array) || (c == ';' && !s->in_array)) {
        hone_buf_append_char(&s->mark, c);
        hone_buf_drop(&s->in, 1);
        s->state = AT_CALL;
        return true;
    }
    if (c == ']' && s->in_array) {
        s->in_array = false;
        hone_buf_drop(&s->in, 1);
        return true;
    }
    for (const char *const *end = s->o.format->end; *end; end++) {
        const match m = begins(s->in.data, s->in.len, *end);
        if (m == MAYBE && !final) return false;
        if (m != YES) continue;
        hone_buf_drop(&s->in, strlen(*end));
        break;
    }
    s->in_array = false;
    s->state = IN_TEXT;
    return true;
}

static void step(answer_split *s, bool final)
{
    static bool (*const state[])(answer_split *, bool) = {
        at_start, in_thinking, in_text, at_call, in_call, after_call};
    while (state[s->state](s, final)) {
    }
}

void hone_split_push(answer_split *s, const char *text, size_t len)
{
    hone_buf_append(&s->in, text, len);
    if (s->in.len) step(s, false);
}

void hone_split_finish(answer_split *s)
{
    step(s, true);
}
