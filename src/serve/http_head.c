/* http_head.c - http_head.h: the grammar of RFC 9112 sections 2 to 6, strictly. */
#include "serve/http_head.h"

#include <string.h>
#include <strings.h>

void hone_http_head_init(http_head *h, size_t max_bytes)
{
    memset(h, 0, sizeof *h);
    hone_buf_init(&h->text, max_bytes);
}

void hone_http_head_release(http_head *h)
{
    hone_buf_release(&h->text);
}

void hone_http_head_reset(http_head *h)
{
    hone_buf text = h->text;
    hone_buf_reset(&text);
    memset(h, 0, sizeof *h);
    h->text = text;
}

static int refuse(http_head *h, int status, const char *problem)
{
    h->problem = problem;
    return status;
}

/* RFC 9110 section 5.6.2 */
static bool is_token(const char *s)
{
    if (!*s) return false;
    for (; *s; s++) {
        const bool alnum = (*s >= '0' && *s <= '9') || (*s >= 'A' && *s <= 'Z') ||
                           (*s >= 'a' && *s <= 'z');
        if (!alnum && !strchr("!#$%&'*+-.^_`|~", *s)) return false;
    }
    return true;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

/* Decode %XX, and + in a query, in place.  False for a broken escape or a NUL. */
static bool decode(char *s, bool plus)
{
    char *to = s;
    for (; *s; s++) {
        char c = *s;
        if (c == '%') {
            const int hi = hex(s[1]), lo = hi < 0 ? -1 : hex(s[2]);
            if (lo < 0 || hi * 16 + lo == 0) return false;
            c = (char)(hi * 16 + lo);
            s += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        *to++ = c;
    }
    *to = '\0';
    return true;
}

static int parse_query(http_head *h, char *query)
{
    char *next;
    for (char *item = query; item; item = next) {
        next = strchr(item, '&');
        if (next) *next++ = '\0';
        if (!*item) continue;
        char *value = strchr(item, '=');
        if (value) *value++ = '\0';
        if (!decode(item, true) || (value && !decode(value, true)))
            return refuse(h, 400, "the query has a broken escape");
        if (h->n_param == HTTP_MAX_PARAMS)
            return refuse(h, 400, "the query has too many parameters");
        h->param[h->n_param++] = (http_pair){item, value ? value : ""};
    }
    return HTTP_DONE;
}

/* The origin form, or the absolute form, of which the authority is let go. */
static int parse_target(http_head *h, char *target)
{
    for (const char *c = target; *c; c++) {
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7F || *c == '#')
            return refuse(h, 400, "the target has a character that must be escaped");
    }
    if (strcmp(target, "*") == 0 && strcmp(h->verb, "OPTIONS") == 0) {
        h->path = target;
        return HTTP_DONE;
    }
    static char root[] = "/";
    const size_t scheme = strncasecmp(target, "http://", 7) == 0    ? 7
                          : strncasecmp(target, "https://", 8) == 0 ? 8
                                                                    : 0;
    if (scheme) {
        char *path = target + scheme + strcspn(target + scheme, "/?");
        target = *path ? path : root;
    }
    char *query = strchr(target, '?');
    if (query) *query++ = '\0';
    if (scheme && !*target) target = root;
    if (*target != '/') return refuse(h, 400, "the target is not a path");
    if (target != root && !decode(target, false))
        return refuse(h, 400, "the path has a broken escape");
    h->path = target;
    return parse_query(h, query);
}

static int parse_request_line(http_head *h, char *line)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version) return refuse(h, 400, "expected METHOD TARGET HTTP/1.1");
    *target++ = '\0';
    *version++ = '\0';
    h->verb = line;
    if (!is_token(line)) return refuse(h, 400, "the method is not a token");
    h->v11 = strcmp(version, "HTTP/1.1") == 0;
    if (!h->v11 && strcmp(version, "HTTP/1.0") != 0) {
        const bool other = strncmp(version, "HTTP/", 5) == 0 && version[5] >= '0' &&
                           version[5] <= '9' && !strchr(version, ' ');
        return other ? refuse(h, 505, "expected HTTP/1.1 or HTTP/1.0")
                     : refuse(h, 400, "expected METHOD TARGET HTTP/1.1");
    }
    return parse_target(h, target);
}

static int parse_header(http_head *h, char *line)
{
    if (*line == ' ' || *line == '\t')
        return refuse(h, 400, "a header is folded over lines");
    char *value = strchr(line, ':');
    if (!value) return refuse(h, 400, "a header has no colon");
    *value++ = '\0';
    if (!is_token(line)) return refuse(h, 400, "the name of a header is not a token");
    value += strspn(value, " \t");
    for (size_t n = strlen(value); n > 0 && strchr(" \t", value[n - 1]);) {
        value[--n] = '\0';
    }
    h->header[h->n_header++] = (http_pair){line, value};
    return HTTP_DONE;
}

static bool parse_length(const char *s, uint64_t *out)
{
    *out = 0;
    if (!*s) return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || *out > (UINT64_MAX - 9) / 10) return false;
        *out = *out * 10 + (uint64_t)(*s - '0');
    }
    return true;
}

/* Whether a comma-separated list holds the word. */
static bool has_word(const char *list, const char *word)
{
    const size_t n = strlen(word);
    while (*list) {
        list += strspn(list, ", \t");
        const size_t len = strcspn(list, ", \t");
        if (len == n && strncasecmp(list, word, n) == 0) return true;
        list += len;
    }
    return false;
}

/* What the headers say about the message: how long, what then. */
static int parse_framing(http_head *h)
{
    size_t n_host = 0, n_length = 0, n_encoding = 0;
    const char *encoding = NULL;
    h->close = !h->v11;
    for (size_t i = 0; i < h->n_header; i++) {
        const char *name = h->header[i].name, *value = h->header[i].value;
        if (strcasecmp(name, "host") == 0) {
            n_host++;
        } else if (strcasecmp(name, "content-length") == 0) {
            n_length++;
            if (!parse_length(value, &h->length))
                return refuse(h, 400, "Content-Length is not a number");
        } else if (strcasecmp(name, "transfer-encoding") == 0) {
            n_encoding++;
            encoding = value;
        } else if (strcasecmp(name, "connection") == 0) {
            if (has_word(value, "close")) h->close = true;
            if (!h->v11 && has_word(value, "keep-alive")) h->close = false;
        } else if (strcasecmp(name, "expect") == 0) {
            if (strcasecmp(value, "100-continue") != 0)
                return refuse(h, 417, "expected Expect: 100-continue");
            h->expect_continue = h->v11;
        }
    }
    if (n_host > 1 || (n_host == 0 && h->v11))
        return refuse(h, 400, "expected one Host header");
    if (n_length > 1) return refuse(h, 400, "Content-Length is given twice");
    if (n_length && n_encoding)
        return refuse(h, 400, "both Content-Length and Transfer-Encoding are given");
    if (n_encoding && (n_encoding > 1 || !h->v11))
        return refuse(h, 400, "Transfer-Encoding is out of place");
    if (encoding && strcasecmp(encoding, "chunked") != 0)
        return refuse(h, 400, "expected Transfer-Encoding: chunked");
    h->chunked = encoding != NULL;
    h->has_length = n_length != 0;
    return HTTP_DONE;
}

/* The whole text is there: cut it into strings. */
static int parse(http_head *h)
{
    char *line = h->text.data;
    for (size_t i = 0; i < h->n_line; i++) {
        char *end = strstr(line, "\r\n");
        *end = '\0';
        const int s = i == 0 ? parse_request_line(h, line) : parse_header(h, line);
        if (s != HTTP_DONE) return s;
        line = end + 2;
    }
    return parse_framing(h);
}

/* The line that ends at text.len is complete; an empty one ends the head. */
static int end_line(http_head *h)
{
    const size_t len = h->text.len - h->line;
    if (len < 2 || h->text.data[h->text.len - 2] != '\r')
        return refuse(h, 400, "a line ends without CR LF");
    if (len > 2) {
        if (h->n_line == HTTP_MAX_HEADERS + 1)
            return refuse(h, 431, "too many headers");
        h->n_line++;
    } else if (h->n_line > 0) {
        return parse(h);
    } /* else an empty line before the request, which RFC 9112 section 2.2 lets be */
    h->line = h->text.len;
    if (h->n_line == 0) {
        h->text.len = h->line = 0;
        h->text.data[0] = '\0';
    }
    return HTTP_MORE;
}

int hone_http_head_feed(http_head *h, const char *data, size_t len, size_t *used)
{
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)data[i];
        *used = i + 1;
        const bool after_cr =
            h->text.len > h->line && h->text.data[h->text.len - 1] == '\r';
        if (after_cr && c != '\n') return refuse(h, 400, "a line has a CR inside");
        if ((c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7F)
            return refuse(h, 400, "the head has a control character");
        hone_buf_append_char(&h->text, (char)c);
        if (h->text.failed == HONE_E_LIMIT)
            return refuse(h, 431, "the head is too long");
        if (h->text.failed) return refuse(h, 503, "out of memory");
        if (c != '\n') continue;
        const int s = end_line(h);
        if (s != HTTP_MORE) return s;
    }
    *used = len;
    return HTTP_MORE;
}

const char *hone_http_head_find(const http_head *h, const char *name)
{
    for (size_t i = 0; i < h->n_header; i++) {
        if (strcasecmp(h->header[i].name, name) == 0) return h->header[i].value;
    }
    return NULL;
}
