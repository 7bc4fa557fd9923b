/* test_answer.c - special tokens that mark reasoning, under a grammar: the texts are
 * written by hand, the logits say what the model would like. */
#include "check.h"

#include <unistd.h>

#include "base/buf.h"
#include "engine/answer.h"
#include "hone/hone.h"

enum {
    N_VOCAB = 61, /* of models/llama */
    OPEN = 0,
    CLOSE = 1,
    END = 2,
    OTHER = 3, /* a special token that is no mark */
    A = 4,
    B = 5
};

static const char tokenizer_json[] =
    "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":0,\"content\":\"[THINK]\","
    "\"special\":true},{\"id\":1,\"content\":\"[/THINK]\",\"special\":true},{\"id\":2,"
    "\"content\":\"</"
    "s>\",\"special\":true},{\"id\":3,\"content\":\"[INST]\",\"special\":"
    "true}],\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
    "\"trim_offsets\":true,\"use_regex\":true},\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":4,\"b\":5,\"[\":6},\"merges\":[]}}";

/* The small model, with a tokenizer of its own. */
static hone_model *open_model(void)
{
    static const char *const files[] = {"config.json", "model.safetensors"};
    char folder[] = "/tmp/hone-answer-XXXXXX", from[80], to[100];
    hone_error err;
    hone_model *m;
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "models/llama/%s", files[i]);
        snprintf(to, sizeof to, "%s/%s", folder, files[i]);
        assert_int_equal(symlink(data_path(from), to), 0);
    }
    snprintf(to, sizeof to, "%s/tokenizer.json", folder);
    FILE *f = fopen(to, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(tokenizer_json, 1, sizeof tokenizer_json - 1, f),
                     sizeof tokenizer_json - 1);
    fclose(f);
    assert_ok(hone_model_open(&m, folder, 0, &err));
    unlink(to);
    for (int i = 0; i < 2; i++) {
        snprintf(to, sizeof to, "%s/%s", folder, files[i]);
        unlink(to);
    }
    rmdir(folder);
    return m;
}

/* "a", behind reasoning or not. */
static hone_grammar *reasoning_then_a(void)
{
#define PART(k, t)                                                                     \
    {                                                                                  \
        .kind = HONE_PART_##k, .text = (t), .len = sizeof(t) - 1                       \
    }
    const hone_grammar_part think[] = {PART(TEXT, "[THINK]"), PART(UNTIL, "[/THINK]")};
    const hone_grammar_part all[] = {
        {.kind = HONE_PART_REPEAT, .child = think, .n_child = 2, .max = 1},
        PART(TEXT, "a")};
    const hone_grammar_part root = {
        .kind = HONE_PART_SEQUENCE, .child = all, .n_child = 2};
#undef PART
    hone_error err;
    hone_grammar *g;
    assert_ok(hone_grammar_from_parts(&g, &root, &err));
    return g;
}

/* The tokens chosen where the model would like wish[0..n), one after another. */
static void check(const hone_model *m, const hone_generate_options *o,
                  const int32_t *wish, const int32_t *want, size_t n, const char *text)
{
    hone_error err;
    hone_kernels k;
    hone_sampler_work w;
    hone_grammar_vocab *v;
    hone_answer *a;
    hone_piece piece;
    hone_buf shown;
    const int32_t end = END;
    hone_buf_init(&shown, 1000);
    assert_ok(hone_kernels_choose(&k, NULL, &err));
    assert_ok(hone_sampler_work_init(&w, &k, N_VOCAB, N_VOCAB, &err));
    assert_ok(hone_grammar_vocab_new(&v, hone_model_tokenizer(m), &end, 1, &err));
    assert_ok(hone_answer_new(&a, m, o, v, &err));
    for (size_t i = 0; i < n; i++) {
        float logits[N_VOCAB] = {[A] = 1.0f};
        logits[wish[i]] = 9.0f;
        assert_ok(hone_answer_choose(a, &w, logits, NULL, 0, &err));
        assert_int_equal(hone_answer_chosen(a), want[i]);
        assert_ok(hone_answer_take(a, &piece, &err));
        hone_buf_append(&shown, piece.text, piece.len);
    }
    assert_ok(hone_answer_flush(a, &piece, &err));
    hone_buf_append(&shown, piece.text, piece.len);
    hone_buf_append_char(&shown, 0);
    assert_string_equal(shown.data, text);
    hone_buf_release(&shown);
    hone_answer_free(a);
    hone_grammar_vocab_free(v);
    hone_sampler_work_release(&w);
}

static void a_grammar_takes_marks_for_their_text(void **state)
{
    static const int32_t wish[] = {OPEN, OTHER, B, END, CLOSE, OPEN, END};
    static const int32_t want[] = {OPEN, A, B, A, CLOSE, A, END};
    static const int32_t none[] = {A};
    hone_model *m = open_model();
    hone_generate_options o = hone_generate_options_default();
    hone_error err;
    hone_answer *a;
    (void)state;
    o.sampling.temperature = 0.0f;
    o.show_special = true;
    o.grammar = reasoning_then_a();
    check(m, &o, wish, none, 1, "a"); /* no marks: special tokens are forbidden */
    o.mark[0] = OPEN;
    o.mark[1] = CLOSE;
    o.n_mark = 2;
    check(m, &o, wish, want, sizeof wish / sizeof *wish, "[THINK]aba[/THINK]a");
    hone_grammar_free(o.grammar);
    o.grammar = NULL;
    o.n_mark = 3;
    assert_fails(hone_answer_new(&a, m, &o, NULL, &err), HONE_E_INVALID, "marks");
    hone_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grammar_takes_marks_for_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
