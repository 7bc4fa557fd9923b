#include "format/download.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    TRIES = 5, /* without a megabyte of progress between them */
    PROGRESS = 1 << 20,
    PAUSE_MS = 100, /* before the second try; doubled for each further one */
    STALL_S = 60,   /* seconds without data that end a try */
    CONNECT_S = 30,
    RANGE_PAST_END = 416
};

/* -- files ------------------------------------------------------------------------ */

hone_status hone_file_sha256(const char *path, char out[65], hone_error *err)
{
    FILE *f = fopen(path, "rbe");
    if (!f) return hone_fail(err, HONE_E_IO, "read %s: %s", path, strerror(errno));
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    unsigned char *chunk = hone_alloc(1 << 16, 1), sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    bool ok = c && chunk && EVP_DigestInit_ex(c, EVP_sha256(), NULL);
    size_t n;
    while (ok && (n = fread(chunk, 1, 1 << 16, f)) > 0) {
        ok = EVP_DigestUpdate(c, chunk, n);
    }
    ok = ok && !ferror(f) && EVP_DigestFinal_ex(c, sum, &len) && len == 32;
    EVP_MD_CTX_free(c);
    hone_free(chunk);
    fclose(f);
    if (!ok) return hone_fail(err, HONE_E_IO, "read %s: cannot compute its sum", path);
    for (int i = 0; i < 32; i++) {
        snprintf(out + (size_t)i * 2, 3, "%02x", sum[i]);
    }
    return HONE_OK;
}

/* -- one transfer ----------------------------------------------------------------- */

typedef struct transfer {
    const hone_pull_options *o;
    const char *name;
    FILE *file;     /* or */
    hone_buf *text; /* a small document */
    const char *part;
    long status;
    uint64_t have; /* bytes that were there before this try */
    uint64_t got, all;
    char sha256[65]; /* from the hub, "" if it gave none */
    bool write_failed;
} transfer;

/* A sum in quotes, as ETags are. */
static void take_sum(transfer *t, const char *value, size_t len)
{
    while (len && (*value == ' ' || *value == '"')) {
        value++;
        len--;
    }
    size_t n = 0;
    while (n < len && isxdigit((unsigned char)value[n])) {
        n++;
    }
    if (n != 64) return;
    for (size_t i = 0; i < n; i++) {
        t->sha256[i] = (char)tolower((unsigned char)value[i]);
    }
    t->sha256[64] = '\0';
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
    transfer *t = ctx;
    const size_t len = size * n;
    static const char linked[] = "x-linked-etag:", etag[] = "etag:";
    if (len > sizeof linked && strncasecmp(data, linked, sizeof linked - 1) == 0) {
        take_sum(t, data + sizeof linked - 1, len - sizeof linked + 1);
    } else if (len > sizeof etag && !t->sha256[0] &&
               strncasecmp(data, etag, sizeof etag - 1) == 0) {
        take_sum(t, data + sizeof etag - 1, len - sizeof etag + 1);
    }
    return len;
}

/* The first data decides: 206 goes on behind what is there, 200 begins anew. */
static bool begin(transfer *t, CURL *c)
{
    curl_off_t length = -1;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &t->status);
    curl_easy_getinfo(c, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (t->status != 200 && t->status != 206) return true;
    if (t->status == 200) t->have = 0;
    t->all = length >= 0 ? t->have + (uint64_t)length : 0;
    t->file = fopen(t->part, t->status == 206 ? "abe" : "wbe");
    return t->file != NULL;
}

typedef struct sink {
    transfer *t;
    CURL *curl;
} sink;

static size_t on_data(char *data, size_t size, size_t n, void *ctx)
{
    const sink *s = ctx;
    transfer *t = s->t;
    const size_t len = size * n;
    if (t->text) {
        hone_buf_append(t->text, data, len);
        return t->text->failed ? 0 : len;
    }
    if (!t->file && !begin(t, s->curl)) {
        t->write_failed = true;
        return 0;
    }
    if (!t->file) return len; /* the body of an error */
    if (fwrite(data, 1, len, t->file) != len) {
        t->write_failed = true;
        return 0;
    }
    t->got += len;
    return len;
}

static int on_progress(void *ctx, curl_off_t dl_all, curl_off_t dl, curl_off_t ul_all,
                       curl_off_t ul)
{
    transfer *t = ctx;
    (void)dl_all;
    (void)dl;
    (void)ul_all;
    (void)ul;
    if (t->o->interrupt && t->o->interrupt(t->o->progress_ctx)) return 1;
    if (t->o->progress && t->got) {
        t->o->progress(t->o->progress_ctx, t->name, t->have + t->got, t->all);
    }
    return 0;
}

static uint64_t file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

static void set_options(CURL *c, const char *url, transfer *t, sink *s,
                        struct curl_slist **headers)
{
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "hone/" HONE_VERSION);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    if (t->have) curl_easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)t->have);
    if (t->o->token && *t->o->token) { /* libcurl drops it when redirected elsewhere */
        hone_buf line;
        hone_buf_init(&line, 1 << 16);
        hone_buf_printf(&line, "Authorization: Bearer %s", t->o->token);
        *headers = curl_slist_append(NULL, line.data);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers);
        hone_buf_release(&line);
    }
}

/* One try.  *retry: worth another one. */
static hone_status perform(const char *url, transfer *t, bool *retry, hone_error *err)
{
    CURL *c = curl_easy_init();
    struct curl_slist *headers = NULL;
    char reason[CURL_ERROR_SIZE] = "";
    *retry = false;
    if (!c) return hone_fail(err, HONE_E_NOMEM, "get %s: out of memory", url);
    sink s = {t, c};
    t->got = 0;
    t->status = 0;
    set_options(c, url, t, &s, &headers);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, reason);
    const CURLcode code = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &t->status);
    if (t->file && fclose(t->file)) t->write_failed = true;
    t->file = NULL;
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);

    if (t->write_failed) {
        return hone_fail(err, HONE_E_IO, "write %s: %s", t->part, strerror(errno));
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        return hone_fail(err, HONE_E_CANCELLED, "get %s: interrupted", t->name);
    }
    if (code == CURLE_RANGE_ERROR) unlink(t->part); /* no resume there: begin anew */
    if (code != CURLE_OK) {
        *retry = code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR ||
                 code == CURLE_OPERATION_TIMEDOUT || code == CURLE_GOT_NOTHING ||
                 code == CURLE_RANGE_ERROR || code == CURLE_HTTP2_STREAM;
        const bool unreachable = code == CURLE_COULDNT_CONNECT ||
                                 code == CURLE_COULDNT_RESOLVE_HOST ||
                                 code == CURLE_COULDNT_RESOLVE_PROXY;
        return hone_fail(err, HONE_E_IO, "get %s: %s%s", url,
                         reason[0] ? reason : curl_easy_strerror(code),
                         unreachable ? "; without network give a model by its path"
                                     : "");
    }
    if (t->status == 404)
        return hone_fail(err, HONE_E_NOT_FOUND, "get %s: not found (404)", url);
    if (t->status == 401 || t->status == 403) {
        return hone_fail(err, HONE_E_IO, "get %s: access denied (%ld)%s", url,
                         t->status,
                         t->o->token && *t->o->token ? " to this token"
                                                     : "; HF_TOKEN gives a token");
    }
    if (t->status != 200 && t->status != 206) {
        *retry = t->status >= 500 || t->status == 429;
        return hone_fail(err, HONE_E_IO, "get %s: status %ld", url, t->status);
    }
    return HONE_OK;
}

/* Let some time pass before a try; false if it is one too many.  A signal ends the
 * pause, and what it asks for the next try. */
static bool pause_before(int i_try)
{
    if (i_try > TRIES) return false;
    const long ms = i_try > 1 ? (long)PAUSE_MS << (i_try - 2) : 0;
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
    return true;
}

hone_status hone_fetch(const char *url, const hone_pull_options *o, hone_buf *out,
                       hone_error *err)
{
    hone_status s = HONE_OK;
    bool retry = true;
    for (int i = 1; retry; i++) {
        transfer t = {.o = o, .name = url, .text = out};
        hone_buf_reset(out);
        s = perform(url, &t, &retry, err);
        if (!s || !retry || !pause_before(i + 1)) break;
    }
    return s;
}

static hone_status check_sum(const char *part, const char *want, const char *name,
                             hone_error *err)
{
    char sum[65];
    HONE_TRY(hone_file_sha256(part, sum, err));
    if (strcasecmp(sum, want) == 0) return HONE_OK;
    unlink(part);
    return hone_fail(err, HONE_E_FORMAT, "get %s: SHA-256: expected %s, found %s", name,
                     want, sum);
}

/* One try at the part file, from its end on. */
static hone_status try_part(const char *url, const char *sha256, transfer *t,
                            bool *retry, hone_error *err)
{
    const hone_status s = perform(url, t, retry, err);
    const char *sum = sha256 ? sha256 : t->sha256;
    if (t->status == RANGE_PAST_END) { /* all of it is there, or it is no good */
        if (*sum && !check_sum(t->part, sum, t->name, NULL)) return HONE_OK;
        unlink(t->part);
        *retry = true;
    }
    if (!s && t->all && t->have + t->got < t->all) { /* an early end without an error */
        *retry = true;
        return hone_fail(err, HONE_E_IO, "get %s: ended at byte %llu of %llu", url,
                         (unsigned long long)(t->have + t->got),
                         (unsigned long long)t->all);
    }
    return s;
}

static hone_status download_part(const char *url, const char *part, const char *name,
                                 const char *sha256, const hone_pull_options *o,
                                 hone_error *err)
{
    transfer t;
    bool retry;
    for (int i = 1;; i++) {
        t = (transfer){.o = o, .name = name, .part = part, .have = file_size(part)};
        const hone_status s = try_part(url, sha256, &t, &retry, err);
        if (!s) break;
        if (t.got >= PROGRESS) i = 0;
        if (!retry || !pause_before(i + 1)) return s;
    }
    if (t.got == 0 && file_size(part) == 0) { /* an empty file is a file */
        FILE *f = fopen(part, "wbe");
        if (f) fclose(f);
    }
    if (t.sha256[0]) HONE_TRY(check_sum(part, t.sha256, name, err));
    return sha256 ? check_sum(part, sha256, name, err) : HONE_OK;
}

hone_status hone_download(const char *url, const char *path, const char *name,
                          const char *sha256, const hone_pull_options *o,
                          hone_error *err)
{
    hone_buf part;
    hone_buf_init(&part, 1 << 16);
    hone_buf_printf(&part, "%s.part", path);
    hone_status s = hone_buf_status(&part, "path", err);
    if (!s) s = download_part(url, part.data, name, sha256, o, err);
    if (!s && rename(part.data, path)) {
        s = hone_fail(err, HONE_E_IO, "write %s: %s", path, strerror(errno));
    }
    hone_buf_release(&part);
    return s;
}
