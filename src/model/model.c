/* model.c - an open model: files, hyper-parameters, program, tokenizer, template. */
#include "model/model.h"

#include <pthread.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/size.h"
#include "model/family.h"
#include "model/model_text.h"
#include "model/source.h"
#include "tensor/dequant.h"

struct hone_model {
    hone_source source;
    hone_spec spec;
    hone_program *program;
    hone_model_text text;
    hone_model_info info;
    char *path, *base_name;

    pthread_t reader; /* of the text side */
    bool reading;
    hone_status read; /* how it went */
    hone_error read_error;
};

static hone_status read_spec(hone_model *m, hone_error *err)
{
    if (m->source.gguf) return hone_spec_from_gguf(&m->spec, m->source.gguf, err);
    return hone_spec_from_hf(&m->spec, m->source.config, err);
}

static hone_status build_program(hone_model *m, hone_error *err)
{
    const hone_family *family = hone_family_find(m->spec.architecture);
    if (!family) {
        char known[256];
        hone_family_list(known, sizeof known);
        return hone_fail(err, HONE_E_UNSUPPORTED, "architecture '%s'; known are %s",
                         m->spec.architecture, known);
    }
    HONE_TRY(hone_program_new(&m->program, err));
    hone_build b = {&m->source, &m->spec, m->program, err, HONE_OK};
    HONE_TRY(family->build(&b));
    return hone_program_finish(m->program, err);
}

static hone_status keep_name(hone_model *m, const char *path, hone_error *err)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    size_t from = len;
    while (from > 0 && path[from - 1] != '/') {
        from--;
    }
    m->path = hone_strdup(path);
    m->base_name = hone_strndup(path + from, len - from);
    return m->path && m->base_name ? HONE_OK
                                   : hone_fail(err, HONE_E_NOMEM, "out of memory");
}

static void fill_info(hone_model *m)
{
    const hone_spec *s = &m->spec;
    hone_model_info *i = &m->info;
    *i = (hone_model_info){
        .architecture = s->architecture ? s->architecture : "",
        .name = s->name && s->name[0] ? s->name : m->base_name,
        .n_layer = s->n_layer,
        .d_model = s->d_model,
        .n_head = s->n_head,
        .n_head_kv = s->n_head_kv,
        .d_head = s->d_head,
        .d_ff = s->d_ff,
        .n_vocab = s->n_vocab,
        .n_ctx = s->n_ctx,
        .n_tensor = hone_source_n_tensor(&m->source),
    };
    for (size_t t = 0; t < i->n_tensor; t++) {
        const hone_tensor *tensor = hone_source_tensor(&m->source, t);
        i->n_params += hone_tensor_len(tensor);
        i->weight_bytes += tensor->bytes;
    }
}

static void *read_text(void *arg)
{
    hone_model *m = arg;
    m->read = hone_model_text_open(&m->text, &m->source, false, &m->read_error);
    return NULL;
}

static hone_status open_text(hone_model *m, unsigned flags, hone_error *err)
{
    const bool only = flags & HONE_OPEN_TEXT_ONLY;
    const bool behind = flags & HONE_OPEN_TEXT_BEHIND && !only;
    m->reading = behind && pthread_create(&m->reader, NULL, read_text, m) == 0;
    if (m->reading) return HONE_OK;
    return hone_model_text_open(&m->text, &m->source, only, err);
}

static hone_status open_parts(hone_model *m, const char *path, unsigned flags,
                              hone_error *err)
{
    const bool text_only = flags & HONE_OPEN_TEXT_ONLY;
    HONE_TRY(keep_name(m, path, err));
    if (text_only && hone_model_text_is_bare(path)) {
        HONE_TRY(hone_model_text_open_bare(&m->text, path, err));
        fill_info(m);
        return HONE_OK;
    }
    HONE_TRY(hone_source_open(&m->source, path, text_only, err));
    if (!text_only) {
        HONE_TRY(read_spec(m, err));
        HONE_TRY(build_program(m, err));
    }
    fill_info(m);
    return open_text(m, flags, err);
}

/* The model's path in front of a message, unless it is there. */
static hone_status wrap(const char *path, hone_status s, hone_error *err)
{
    const size_t len = strlen(path);
    const bool named = err && strncmp(err->text, "open ", 5) == 0 &&
                       strncmp(err->text + 5, path, len) == 0;
    return named ? s : hone_error_wrap(err, s, "open %s", path);
}

hone_status hone_model_open(hone_model **out, const char *path, unsigned flags,
                            hone_error *err)
{
    hone_model *m = hone_alloc_zero(1, sizeof *m);
    if (!m) return hone_fail(err, HONE_E_NOMEM, "open %s: out of memory", path);
    const hone_status s = open_parts(m, path, flags, err);
    if (s) {
        hone_model_close(m);
        return wrap(path, s, err);
    }
    *out = m;
    return HONE_OK;
}

static void join_reader(hone_model *m)
{
    if (m->reading) pthread_join(m->reader, NULL);
    m->reading = false;
}

hone_status hone_model_wait(hone_model *m, hone_error *err)
{
    join_reader(m);
    if (!m->read) return HONE_OK;
    if (err) *err = m->read_error;
    return wrap(m->path, m->read, err);
}

void hone_model_close(hone_model *m)
{
    if (!m) return;
    join_reader(m);
    hone_model_text_release(&m->text);
    hone_program_free(m->program);
    hone_spec_release(&m->spec);
    hone_source_close(&m->source);
    hone_free(m->path);
    hone_free(m->base_name);
    hone_free(m);
}

const hone_model_info *hone_model_get_info(const hone_model *m)
{
    return &m->info;
}

const hone_program *hone_model_program(const hone_model *m)
{
    return m->program;
}

const hone_spec *hone_model_spec(const hone_model *m)
{
    return &m->spec;
}

const hone_source *hone_model_source(const hone_model *m)
{
    return &m->source;
}

static const hone_model_text *text_of(const hone_model *m)
{
    HONE_ASSERT(!m->reading); /* see hone_model_wait */
    return &m->text;
}

const hone_tokenizer *hone_model_tokenizer(const hone_model *m)
{
    return text_of(m)->tokenizer;
}

const char *hone_model_chat_template(const hone_model *m)
{
    return text_of(m)->chat_template;
}

const int32_t *hone_model_end_tokens(const hone_model *m, size_t *n)
{
    *n = text_of(m)->end.len;
    return text_of(m)->end.id;
}

hone_model_sampling hone_model_recommended(const hone_model *m)
{
    return text_of(m)->sampling;
}

bool hone_model_special_variable(const hone_model *m, int i, const char **name,
                                 const char **text)
{
    return hone_model_text_variable(text_of(m), i, name, text);
}

static void describe(const hone_tensor *t, hone_tensor_info *out)
{
    *out = (hone_tensor_info){
        .name = t->name,
        .type = hone_dtype_get(t->dtype)->name,
        .n_dims = t->n_dims,
        .bytes = t->bytes,
    };
    memcpy(out->shape, t->shape, sizeof out->shape);
}

void hone_model_get_tensor(const hone_model *m, size_t i, hone_tensor_info *out)
{
    HONE_ASSERT(i < m->info.n_tensor);
    describe(hone_source_tensor(&m->source, i), out);
}

hone_status hone_model_read_tensor(const hone_model *m, const char *name, float **data,
                                   hone_tensor_info *info, hone_error *err)
{
    const hone_tensor *t = hone_source_find_raw(&m->source, name);
    if (!t)
        return hone_fail(err, HONE_E_NOT_FOUND, "tensor '%s': not in the model", name);
    const uint64_t n = hone_tensor_len(t);
    float *values =
        n <= SIZE_MAX / sizeof *values ? hone_alloc((size_t)n, sizeof *values) : NULL;
    if (!values)
        return hone_fail(err, HONE_E_NOMEM, "tensor '%s': out of memory", name);
    hone_dequantize(values, t->data, t->dtype, (size_t)n);
    describe(t, info);
    *data = values;
    return HONE_OK;
}

void hone_data_free(float *data)
{
    hone_free(data);
}
