/* split.c - a small machine over what is not decided yet: each state takes from the front
 * of `in` what no further text can change, and waits for the rest. */
#include "serve/split_internal.h"

#include <string.h>

#define MAX_ANSWER ((size_t)64 << 20)

void hone_split_init(answer_split *s, const split_options *o, split_fn *fn, void *ctx)
{
    *s = (answer_split){.o = *o, .fn = fn, .ctx = ctx};
    if (o->thinking == SPLIT_THINKING) {
        s->state = SPLIT_IN_THINKING;
        s->drop_space = true;
    } else if (o->marked) {
        s->state = SPLIT_AT_CALL;
    } else if (!o->thinking && (!o->format || o->format->anywhere)) {
        s->state = SPLIT_IN_TEXT;
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
    return s->state == SPLIT_IN_THINKING;
}

void hone_split_emit(answer_split *s, split_event e, const char *text, size_t len)
{
    if (len || e == SPLIT_CALL || e == SPLIT_CALL_END) s->fn(s->ctx, e, text, len);
}

/* -- looking at text --------------------------------------------------------------- */

bool hone_split_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

size_t hone_split_spaces(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && hone_split_is_space(p[i]))
        i++;
    return i;
}

static size_t without_trailing(const char *p, size_t n)
{
    while (n > 0 && hone_split_is_space(p[n - 1]))
        n--;
    return n;
}

split_match hone_split_begins(const char *p, size_t n, const char *word)
{
    const size_t len = strlen(word);
    if (n >= len) return memcmp(p, word, len) == 0 ? SPLIT_YES : SPLIT_NO;
    return memcmp(p, word, n) == 0 ? SPLIT_MAYBE : SPLIT_NO;
}

split_match hone_split_begins_any(const char *p, size_t n, const char *const *words,
                                  const char **which)
{
    split_match best = SPLIT_NO;
    *which = NULL;
    for (; *words; words++) {
        const split_match m = hone_split_begins(p, n, *words);
        if (m == SPLIT_YES && (!*which || strlen(*words) > strlen(*which)))
            *which = *words;
        if (m == SPLIT_MAYBE || best == SPLIT_NO) best = m;
    }
    return best;
}

bool hone_split_find(const char *p, size_t n, const char *const *words,
                     const char **which, size_t *at)
{
    for (size_t i = 0; i < n; i++) {
        const split_match m = hone_split_begins_any(p + i, n - i, words, which);
        if (m == SPLIT_NO) continue;
        *at = i;
        return m == SPLIT_YES;
    }
    *at = n;
    return false;
}

/* -- states ------------------------------------------------------------------------ */

/* A mark that is also the format's lead is left for who reads the name. */
static size_t mark_length(const answer_split *s, const char *mark)
{
    const char *lead = s->o.format->lead;
    return lead && strcmp(mark, lead) == 0 ? 0 : strlen(mark);
}

static void take_mark(answer_split *s, size_t space, const char *mark)
{
    const size_t n = space + (mark ? mark_length(s, mark) : 0);
    hone_buf_append(&s->mark, s->in.data, n);
    hone_buf_drop(&s->in, n);
    s->state = SPLIT_AT_CALL;
}

static bool at_start(answer_split *s, bool final)
{
    const size_t w = hone_split_spaces(s->in.data, s->in.len);
    const char *p = s->in.data + w;
    const size_t n = s->in.len - w;
    if (n == 0 && !final) return false;
    if (s->o.thinking == SPLIT_MAY_THINK) {
        const split_match m = hone_split_begins(p, n, s->o.think->open);
        if (m == SPLIT_MAYBE && !final) return false;
        s->o.thinking = SPLIT_NO_THINKING;
        if (m == SPLIT_YES) {
            hone_buf_drop(&s->in, w + strlen(s->o.think->open));
            s->state = SPLIT_IN_THINKING;
            s->drop_space = true;
            return true;
        }
    }
    if (s->o.format && !s->o.format->anywhere) {
        const char *mark;
        const split_match m = hone_split_begins_any(p, n, s->o.format->mark, &mark);
        if (m == SPLIT_MAYBE && !final) return false;
        if (mark || (n && (*p == '{' || *p == '['))) {
            take_mark(s, w, mark);
            return true;
        }
    }
    s->state = SPLIT_IN_TEXT;
    return true;
}

static bool in_thinking(answer_split *s, bool final)
{
    const char *const close[] = {s->o.think->close, NULL};
    const char *which;
    if (s->drop_space) {
        hone_buf_drop(&s->in, hone_split_spaces(s->in.data, s->in.len));
        s->drop_space = s->in.len == 0;
    }
    size_t at;
    const bool found = hone_split_find(s->in.data, s->in.len, close, &which, &at);
    if (final && !found) at = s->in.len;
    const size_t n = without_trailing(s->in.data, at);
    hone_split_emit(s, SPLIT_REASONING, s->in.data, n);
    if (!found) {
        hone_buf_drop(&s->in, final ? at : n);
        return false;
    }
    hone_buf_drop(&s->in, at + strlen(which));
    s->state = SPLIT_AT_START;
    s->drop_space = true;
    return true;
}

static bool in_text(answer_split *s, bool final)
{
    if (s->drop_space) {
        hone_buf_drop(&s->in, hone_split_spaces(s->in.data, s->in.len));
        if (s->in.len == 0) return false;
        s->drop_space = false;
    }
    const bool marks = s->o.format && s->o.format->anywhere;
    const char *mark = NULL;
    size_t at = s->in.len;
    const bool found =
        marks && hone_split_find(s->in.data, s->in.len, s->o.format->mark, &mark, &at);
    if (final && !found) at = s->in.len;
    size_t n = at;
    if (marks && (found || !final)) n = without_trailing(s->in.data, at);
    hone_split_emit(s, SPLIT_TEXT, s->in.data, n);
    hone_buf_drop(&s->in, n);
    if (found) take_mark(s, at - n, mark);
    return found;
}

void hone_split_give_back(answer_split *s)
{
    const bool space = hone_split_spaces(s->mark.data, s->mark.len) == s->mark.len;
    if (!s->drop_space) {
        hone_split_emit(s, SPLIT_TEXT, s->mark.data, s->mark.len);
    } else {
        const size_t w = hone_split_spaces(s->mark.data, s->mark.len);
        hone_split_emit(s, SPLIT_TEXT, s->mark.data + w, s->mark.len - w);
        if (!space) s->drop_space = false;
    }
    if (s->call.raw.len) s->drop_space = false;
    hone_split_emit(s, SPLIT_TEXT, s->call.raw.data, s->call.raw.len);
    hone_buf_reset(&s->mark);
    hone_buf_reset(&s->call.raw);
    s->in_array = false;
    s->state = SPLIT_IN_TEXT;
}

static bool at_call(answer_split *s, bool final)
{
    const size_t w = hone_split_spaces(s->in.data, s->in.len);
    hone_buf_append(&s->mark, s->in.data, w);
    hone_buf_drop(&s->in, w);
    if (s->in.len == 0) {
        if (final) hone_split_give_back(s);
        return false;
    }
    const char c = s->in.data[0];
    if (c == '{') {
        hone_split_begin_call(s, SPLIT_IN_OBJECT);
    } else if (c == '[' && !s->in_array) {
        s->in_array = true;
        hone_buf_append_char(&s->mark, c);
        hone_buf_drop(&s->in, 1);
    } else if (s->o.format->style != TOOL_OBJECT && !s->in_array) {
        hone_split_begin_call(s, SPLIT_IN_NAME);
    } else {
        hone_split_give_back(s);
    }
    return true;
}

static bool after_call(answer_split *s, bool final)
{
    hone_buf_drop(&s->in, hone_split_spaces(s->in.data, s->in.len));
    if (s->in.len == 0) return false;
    const char c = s->in.data[0];
    if (c == '{' && !s->in_array) {
        s->state = SPLIT_AT_CALL;
        return true;
    }
    if ((c == ',' && s->in_array) || (c == ';' && !s->in_array)) {
        hone_buf_append_char(&s->mark, c);
        hone_buf_drop(&s->in, 1);
        s->state = SPLIT_AT_CALL;
        return true;
    }
    if (c == ']' && s->in_array) {
        s->in_array = false;
        hone_buf_drop(&s->in, 1);
        return true;
    }
    const char *end;
    const split_match m =
        hone_split_begins_any(s->in.data, s->in.len, s->o.format->end, &end);
    if (m == SPLIT_MAYBE && !final) return false;
    if (end) hone_buf_drop(&s->in, strlen(end));
    s->in_array = false;
    s->state = SPLIT_IN_TEXT;
    return true;
}

static void step(answer_split *s, bool final)
{
    static bool (*const state[])(answer_split *, bool) = {at_start,
                                                          in_thinking,
                                                          in_text,
                                                          at_call,
                                                          hone_split_in_name,
                                                          hone_split_in_object,
                                                          hone_split_in_tags,
                                                          hone_split_in_value,
                                                          after_call};
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
