/* sequence_file.c - a sequence on disk: its tokens and its pages.
 *
 *     8 bytes   "HONESEQ1"
 *     8         what the pages depend on: model, layout of pages, kernels, adapter
 *     8         n, number of tokens
 *     8         bytes of a page
 *     4 n       tokens
 *     ...       ceil(n / page_len) pages
 *     8         sum over all that is before
 *
 * Numbers are those of the machine; a file from another one has another sum.  Pages of the
 * same tokens are the same bits on the same kernels, so a restored sequence goes on as if
 * it had never left. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/out_file.h"
#include "base/sum.h"
#include "engine/engine_internal.h"

#define MAGIC "HONESEQ1"

typedef struct header {
    char magic[8];
    uint64_t depends, n_token, page_bytes;
} header;

static uint64_t depends(const hone_sequence *s)
{
    const hone_engine *e = s->engine;
    const hone_kv_layout *l = &e->layout;
    const int64_t layout[] = {(int64_t)l->k_type, (int64_t)l->v_type, l->page_len,
                              l->n_slot};
    const uint64_t weights = hone_program_fingerprint(hone_model_program(e->model));
    uint64_t sum = hone_sum64(HONE_SUM_START, layout, sizeof layout);
    sum = hone_sum64(sum, e->kernels.tier, strlen(e->kernels.tier));
    const uint64_t parts[] = {hone_adapter_fingerprint(s->adapter), weights};
    return hone_sum64(sum, parts, sizeof parts);
}

/* -- writing ---------------------------------------------------------------------- */

typedef struct writer {
    hone_out_file file;
    uint64_t sum;
} writer;

static hone_status put(writer *w, const void *data, size_t n, hone_error *err)
{
    w->sum = hone_sum64(w->sum, data, n);
    return hone_out_file_write(&w->file, data, n, err);
}

static hone_status put_all(writer *w, const hone_sequence *s, hone_error *err)
{
    header h = {.depends = depends(s),
                .n_token = s->tokens.len,
                .page_bytes = s->engine->layout.page_bytes};
    memcpy(h.magic, MAGIC, sizeof h.magic);
    w->sum = HONE_SUM_START;
    HONE_TRY(put(w, &h, sizeof h, err));
    HONE_TRY(put(w, s->tokens.id, s->tokens.len * sizeof *s->tokens.id, err));
    for (size_t i = 0; i < s->n_page; i++) {
        HONE_TRY(put(w, s->page[i], h.page_bytes, err));
    }
    const uint64_t sum = w->sum;
    return put(w, &sum, sizeof sum, err);
}

hone_status hone_sequence_save(const hone_sequence *s, const char *path,
                               hone_error *err)
{
    writer w;
    HONE_TRY(hone_out_file_open(&w.file, path, err));
    hone_status status = put_all(&w, s, err);
    if (!status) status = hone_out_file_commit(&w.file, err);
    hone_out_file_release(&w.file);
    return status;
}

/* -- reading ---------------------------------------------------------------------- */

typedef struct reader {
    FILE *file;
    const char *path;
    uint64_t sum;
} reader;

static hone_status get(reader *r, void *data, size_t n, hone_error *err)
{
    if (n > 0 && fread(data, 1, n, r->file) != n) {
        if (ferror(r->file))
            return hone_fail(err, HONE_E_IO, "%s: %s", r->path, strerror(errno));
        return hone_fail(err, HONE_E_FORMAT, "%s: cut short", r->path);
    }
    r->sum = hone_sum64(r->sum, data, n);
    return HONE_OK;
}

static hone_status get_header(reader *r, const hone_sequence *s, header *h,
                              hone_error *err)
{
    r->sum = HONE_SUM_START;
    HONE_TRY(get(r, h, sizeof *h, err));
    if (memcmp(h->magic, MAGIC, sizeof h->magic) != 0)
        return hone_fail(err, HONE_E_FORMAT, "%s: not a saved sequence", r->path);
    if (h->depends != depends(s) || h->page_bytes != s->engine->layout.page_bytes) {
        return hone_fail(err, HONE_E_FORMAT,
                         "%s: of another model, K/V type, page length, adapter or "
                         "kernels",
                         r->path);
    }
    const uint64_t n_ctx = (uint64_t)s->engine->options.n_ctx;
    if (h->n_token > n_ctx) {
        return hone_fail(err, HONE_E_LIMIT,
                         "%s: expected at most %llu tokens, found "
                         "%llu",
                         r->path, (unsigned long long)n_ctx,
                         (unsigned long long)h->n_token);
    }
    return HONE_OK;
}

static hone_status get_all(reader *r, hone_sequence *s, hone_error *err)
{
    header h;
    HONE_TRY(get_header(r, s, &h, err));
    const size_t n = (size_t)h.n_token;
    HONE_TRY(hone_sequence_reserve(s, n, err));
    HONE_TRY(get(r, s->tokens.id, n * sizeof *s->tokens.id, err));
    HONE_TRY(hone_engine_check_tokens(s->engine, s->tokens.id, n, err));
    for (size_t i = 0; i < s->n_page; i++) {
        HONE_TRY(get(r, s->page[i], (size_t)h.page_bytes, err));
    }
    const uint64_t want = r->sum;
    uint64_t found;
    HONE_TRY(get(r, &found, sizeof found, err));
    if (found != want) {
        return hone_fail(err, HONE_E_FORMAT, "%s: damaged, its sum is wrong", r->path);
    }
    s->tokens.len = n;
    return HONE_OK;
}

hone_status hone_sequence_load(hone_sequence *s, const char *path, hone_error *err)
{
    reader r = {.path = path, .file = fopen(path, "rbe")};
    HONE_ASSERT(s->tokens.len == 0);
    if (!r.file) {
        const hone_status code = errno == ENOENT ? HONE_E_NOT_FOUND : HONE_E_IO;
        return hone_fail(err, code, "%s: %s", path, strerror(errno));
    }
    const hone_status status = get_all(&r, s, err);
    fclose(r.file);
    hone_sequence_trim(s);
    if (!status) hone_sequence_publish(s, false);
    return status;
}
