/* test_stories.c - a real small model: stories260K of llama2.c, greedy from BOS.
 *
 * Its file (llama2.c's version 0) is turned into a GGUF file here, so that the whole path
 * is tested.  The continuation begins with a known text of that model. */
#include "check.h"

#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "gguf_writer.h"
#include "hone/hone.h"

typedef struct header {
    int32_t dim, hidden, n_layer, n_head, n_head_kv, n_vocab, n_ctx;
} header;

/* Add tensors of all layers that lie one after the other. */
static const float *add_layers(gguf_writer *w, const header *h, const char *what,
                               const float *p, uint64_t rows, uint64_t cols)
{
    for (int l = 0; l < h->n_layer; l++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%d.%s.weight", l, what);
        gguf_add_tensor(w, name, p, rows, cols);
        p += (rows ? rows : 1) * cols;
    }
    return p;
}

static void convert(const char *from, const char *to)
{
    hone_error err;
    char *bytes;
    size_t len;
    assert_ok(hone_file_read(&bytes, &len, from, 1 << 24, &err));
    header h;
    memcpy(&h, bytes, sizeof h);
    const uint64_t dim = (uint64_t)h.dim, hidden = (uint64_t)h.hidden;
    const uint64_t kv = dim / (uint64_t)h.n_head * (uint64_t)h.n_head_kv;
    gguf_writer w;
    gguf_begin(&w, 3);
    gguf_add_str(&w, "general.architecture", "llama");
    gguf_add_u32(&w, "llama.block_count", (uint32_t)h.n_layer);
    gguf_add_u32(&w, "llama.context_length", (uint32_t)h.n_ctx);
    gguf_add_u32(&w, "llama.embedding_length", (uint32_t)h.dim);
    gguf_add_u32(&w, "llama.feed_forward_length", (uint32_t)h.hidden);
    gguf_add_u32(&w, "llama.attention.head_count", (uint32_t)h.n_head);
    gguf_add_u32(&w, "llama.attention.head_count_kv", (uint32_t)h.n_head_kv);
    gguf_add_f32(&w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    const float *p = (const float *)(const void *)(bytes + sizeof h);
    const float *embedding = p;
    gguf_add_tensor(&w, "token_embd.weight", p, (uint64_t)h.n_vocab, dim);
    p += (uint64_t)h.n_vocab * dim;
    p = add_layers(&w, &h, "attn_norm", p, 0, dim);
    p = add_layers(&w, &h, "attn_q", p, dim, dim);
    p = add_layers(&w, &h, "attn_k", p, kv, dim);
    p = add_layers(&w, &h, "attn_v", p, kv, dim);
    p = add_layers(&w, &h, "attn_output", p, dim, dim);
    p = add_layers(&w, &h, "ffn_norm", p, 0, dim);
    p = add_layers(&w, &h, "ffn_gate", p, hidden, dim);
    p = add_layers(&w, &h, "ffn_down", p, dim, hidden);
    p = add_layers(&w, &h, "ffn_up", p, hidden, dim);
    gguf_add_tensor(&w, "output_norm.weight", p, 0, dim);
    gguf_add_tensor(&w, "output.weight", embedding, (uint64_t)h.n_vocab, dim);
    gguf_save(&w, to);
    hone_free(bytes);
}

/* Piece i of llama2.c's tokenizer file: max length, then score, length, bytes each. */
static void append_piece(hone_buf *out, const char *file, size_t size, int32_t id)
{
    size_t at = 4;
    int32_t len = 0;
    for (int32_t i = 0;; i++) {
        assert_true(at + 8 <= size);
        memcpy(&len, file + at + 4, 4);
        at += 8;
        if (i == id) break;
        at += (size_t)len;
    }
    hone_buf_append(out, file + at, (size_t)len);
}

static void greedy_text_is_a_story(void **state)
{
    hone_error err;
    (void)state;
    const char *shared = shared_path("model/stories260K.bin");
    if (!shared) skip();
    char path[] = "/tmp/hone_stories_XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    convert(shared, path);

    hone_model *m;
    hone_engine *e;
    hone_sequence *s;
    const hone_engine_options eo = {.kv_type = "f32"};
    assert_ok(hone_model_open(&m, path, 0, &err));
    assert_ok(hone_engine_new(&e, m, &eo, &err));
    assert_ok(hone_sequence_new(&s, e, &err));
    hone_generate_options o = hone_generate_options_default();
    o.sampling.temperature = 0.0f;
    o.n_max = 200;
    hone_generation g = {0};
    const int32_t bos = 1;
    assert_ok(hone_generate(s, &bos, 1, &o, NULL, NULL, &g, &err));

    char *tok;
    size_t size;
    assert_ok(hone_file_read(&tok, &size, shared_path("model/stories260K-tok512.bin"),
                             1 << 20, &err));
    hone_buf text;
    hone_buf_init(&text, 1 << 16);
    for (size_t i = 0; i < g.tokens.len; i++) {
        append_piece(&text, tok, size, g.tokens.id[i]);
    }
    static const char want[] = " Once upon a time, there was a little girl named Lily. "
                               "She loved to play outside in "
                               "the park. One day, she saw a big, red ball.";
    if (strncmp(text.data, want, sizeof want - 1) != 0)
        fail_msg("found: %s", text.data);
    hone_buf_release(&text);
    hone_free(tok);
    hone_generation_release(&g);
    hone_sequence_free(s);
    hone_engine_free(e);
    hone_model_close(m);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(greedy_text_is_a_story)};
    return cmocka_run_group_tests_name("stories", tests, NULL, NULL);
}
