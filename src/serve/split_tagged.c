/* split_tagged.c - a call whose arguments stand between tags, one by one: they come out
 * as one JSON object.
 *
 * A value ends at the first closing tag behind which the next argument or the end of the
 * call comes, so that strings may hold closing tags themselves.  JSON is read to its own
 * end first, since its strings may hold anything. */
#include <string.h>

#include "serve/split_internal.h"
#include "serve/tool_schema.h"

/* What may stand between arguments. */
typedef struct tags {
    const char *word[4];
} tags;

static tags tags_of(const tool_format *f)
{
    return (tags){{f->key, f->call_end, f->end[0]}};
}

/* The inside of a JSON string; bytes that are no UTF-8 stay what they are. */
static void put_escaped(hone_buf *b, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)p[i];
        if (c < 0x20 || c == '"' || c == '\\')
            hone_put_escape(b, c);
        else
            hone_buf_append_char(b, p[i]);
    }
}

/* -- between arguments ------------------------------------------------------------- */

static bool begin_argument(answer_split *s, bool final)
{
    split_call *c = &s->call;
    const tool_format *f = s->o.format;
    const char *const ends[] = {f->key_end, NULL};
    const char *which, *key = s->in.data + strlen(f->key);
    const size_t left = s->in.len - strlen(f->key);
    const size_t most = left < TOOL_MAX_KEY ? left : TOOL_MAX_KEY;
    size_t len;
    if (!hone_split_find(key, most, ends, &which, &len)) {
        if (!final && most < TOOL_MAX_KEY) return false;
        hone_split_break_call(s);
        return true;
    }
    const int tool = hone_tool_index(s->o.tools, c->name.data, c->name.len);
    const json_t *parameters =
        json_object_get(hone_tool_function(s->o.tools, (size_t)tool), "parameters");
    c->types = hone_tool_types(parameters, hone_tool_argument(parameters, key, len));
    hone_buf_append_str(&c->args, c->n_argument++ ? ", \"" : "{\"");
    put_escaped(&c->args, key, len);
    hone_buf_append_str(&c->args, c->types == TOOL_TYPE_STRING ? "\": \"" : "\": ");
    hone_buf_drop(&s->in, strlen(f->key) + len + strlen(f->key_end));
    c->has_args = true;
    hone_split_announce(s);
    hone_split_send(s);
    c->scan = (json_scan){0};
    c->begun = c->loose = false;
    c->seen = 0;
    s->state = SPLIT_IN_VALUE;
    return true;
}

bool hone_split_in_tags(answer_split *s, bool final)
{
    split_call *c = &s->call;
    const tool_format *f = s->o.format;
    const tags t = tags_of(f);
    const char *tag;
    const size_t w = hone_split_spaces(s->in.data, s->in.len);
    hone_buf_append(&c->raw, s->in.data, w);
    hone_buf_drop(&s->in, w);
    const split_match m = hone_split_begins_any(s->in.data, s->in.len, t.word, &tag);
    if (m == SPLIT_MAYBE && !final) return false;
    if (tag == f->key) return begin_argument(s, final);
    if (!tag) {
        hone_split_break_call(s);
        return true;
    }
    /* the call's own end may be missing before the end of all */
    if (tag == f->call_end) hone_buf_drop(&s->in, strlen(tag));
    if (c->n_argument) hone_buf_append_char(&c->args, '}');
    hone_split_end_call(s);
    s->state = SPLIT_AFTER_CALL;
    return true;
}

/* -- values ------------------------------------------------------------------------ */

/* Whether the value ends, and where: else *at is the first byte that may end it. */
static bool value_ends(const answer_split *s, size_t from, bool final, size_t *at)
{
    const tool_format *f = s->o.format;
    const char *const ends[] = {f->value_end, NULL};
    const tags t = tags_of(f);
    const char *p = s->in.data, *which;
    const size_t n = s->in.len;
    while (hone_split_find(p + from, n - from, ends, &which, at)) {
        *at += from;
        size_t next = *at + strlen(f->value_end);
        next += hone_split_spaces(p + next, n - next);
        const split_match m = hone_split_begins_any(p + next, n - next, t.word, &which);
        if (m == SPLIT_YES || (m == SPLIT_MAYBE && final)) return true;
        if (m == SPLIT_MAYBE) return false;
        from = *at + 1;
    }
    *at = final ? n : *at + from;
    return false;
}

/* The length without the line break that belongs to the closing tag. */
static size_t without_line(const answer_split *s, size_t n)
{
    const size_t line = strlen(s->o.format->line);
    if (n < line || memcmp(s->in.data + n - line, s->o.format->line, line) != 0)
        return n;
    return n - line;
}

/* Go on behind the value. */
static bool end_value(answer_split *s, size_t at)
{
    hone_buf_drop(&s->in, at + strlen(s->o.format->value_end));
    hone_split_send(s);
    s->state = SPLIT_IN_TAGS;
    return true;
}

/* Nothing follows, and the value has not ended. */
static bool cut_off(answer_split *s)
{
    hone_buf_drop(&s->in, s->in.len);
    hone_split_send(s);
    hone_split_break_call(s);
    return false;
}

static bool in_string(answer_split *s, bool final)
{
    split_call *c = &s->call;
    size_t at;
    const bool ended = value_ends(s, 0, final, &at);
    const size_t n = ended || !final ? without_line(s, at) : at;
    put_escaped(&c->args, s->in.data, n);
    if (ended) {
        hone_buf_append_char(&c->args, '"');
        return end_value(s, at);
    }
    if (final) return cut_off(s);
    hone_buf_drop(&s->in, n);
    hone_split_send(s);
    return false;
}

/* Where JSON ends that begins as an array, object or string; NO: it is none. */
static split_match json_ends(answer_split *s, size_t *at)
{
    split_call *c = &s->call;
    const char *p = s->in.data;
    const size_t n = s->in.len;
    if (c->scan.depth == 0) {
        c->seen = hone_split_spaces(p, n);
        if (c->seen == n) return SPLIT_MAYBE;
        if (!strchr("{[\"", p[c->seen]) || !p[c->seen]) return SPLIT_NO;
        (void)hone_json_scan(&c->scan, '['); /* the value is an item of an array */
    }
    while (c->scan.state != JSON_AFTER_VALUE || c->scan.depth > 1) {
        if (c->seen == n) return SPLIT_MAYBE;
        if (hone_json_scan(&c->scan, p[c->seen++]) == JSON_SCAN_BROKEN) return SPLIT_NO;
    }
    *at = c->seen + hone_split_spaces(p + c->seen, n - c->seen);
    return hone_split_begins(p + *at, n - *at, s->o.format->value_end);
}

/* What models write for JSON's words. */
static const char *word_of(const char *p, size_t n, unsigned types)
{
    static const struct {
        const char *word, *json;
        unsigned type;
    } table[] = {{"True", "true", TOOL_TYPE_BOOLEAN},
                 {"False", "false", TOOL_TYPE_BOOLEAN},
                 {"None", "null", TOOL_TYPE_NULL}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (types & table[i].type && strlen(table[i].word) == n &&
            memcmp(p, table[i].word, n) == 0)
            return table[i].json;
    }
    return NULL;
}

/* The type of a text that is JSON, or 0. */
static unsigned type_of(const char *p, size_t n)
{
    static const struct {
        char first; /* none: a number */
        unsigned type;
    } table[] = {{'{', TOOL_TYPE_OBJECT},  {'[', TOOL_TYPE_ARRAY},
                 {'"', TOOL_TYPE_STRING},  {'t', TOOL_TYPE_BOOLEAN},
                 {'f', TOOL_TYPE_BOOLEAN}, {'n', TOOL_TYPE_NULL}};
    json_scan scan = {0};
    (void)hone_json_scan(&scan, '[');
    for (size_t i = 0; i < n; i++) {
        if (hone_json_scan(&scan, p[i]) != JSON_SCAN_MORE) return 0;
        if (scan.depth == 1 && scan.state == JSON_AT_VALUE) return 0; /* a second one */
    }
    if (n == 0 || hone_json_scan(&scan, ']') != JSON_SCAN_END) return 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (*p == table[i].first) return table[i].type;
    }
    return TOOL_TYPE_NUMBER;
}

/* A whole value of n bytes, as JSON if it is that. */
static void put_value(answer_split *s, size_t n)
{
    split_call *c = &s->call;
    const char *p = s->in.data;
    const size_t w = hone_split_spaces(p, n);
    size_t end = n;
    while (end > w && hone_split_is_space(p[end - 1]))
        end--;
    const unsigned type = type_of(p + w, end - w);
    const char *word = word_of(p + w, end - w, c->types);
    if (type & c->types || (type && !(c->types & TOOL_TYPE_STRING))) {
        hone_buf_append(&c->args, p + w, end - w);
    } else if (word) {
        hone_buf_append_str(&c->args, word);
    } else {
        hone_buf_append_char(&c->args, '"');
        put_escaped(&c->args, p, without_line(s, n));
        hone_buf_append_char(&c->args, '"');
    }
}

static bool in_json(answer_split *s, bool final)
{
    split_call *c = &s->call;
    size_t at = 0;
    if (!c->loose) {
        const split_match m = json_ends(s, &at);
        if (m == SPLIT_MAYBE && !final) return false;
        if (m == SPLIT_YES) {
            put_value(s, at);
            return end_value(s, at);
        }
        c->loose = true;
        c->seen = 0;
    }
    if (value_ends(s, c->seen, final, &at)) {
        put_value(s, at);
        return end_value(s, at);
    }
    c->seen = at;
    if (!final) return false;
    hone_buf_append(&c->args, s->in.data, s->in.len);
    return cut_off(s);
}

bool hone_split_in_value(answer_split *s, bool final)
{
    split_call *c = &s->call;
    if (!c->begun) {
        const char *line = s->o.format->line;
        const split_match m = hone_split_begins(s->in.data, s->in.len, line);
        if (m == SPLIT_MAYBE && !final) return false;
        if (m == SPLIT_YES) hone_buf_drop(&s->in, strlen(line));
        c->begun = true;
    }
    return c->types == TOOL_TYPE_STRING ? in_string(s, final) : in_json(s, final);
}
