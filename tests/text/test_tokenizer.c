/* test_tokenizer.c - ids and texts as Hugging Face tokenizers gives them, real
 * vocabularies with known ids, streaming, hostile files. */
#include "check.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "hone/model.h"
#include "text/charsmap.h"
#include "text/regex.h"
#include "text/tokenizer.h"

static void same_ids(const json_t *want, const hone_tokens *got, const char *text)
{
    if (json_array_size(want) != got->len) {
        fail_msg("%s: %zu ids, expected %zu", text, got->len, json_array_size(want));
    }
    for (size_t i = 0; i < got->len; i++) {
        assert_int_equal(got->id[i], json_integer_value(json_array_get(want, i)));
    }
}

/* Everything that a detokenizer gives for ids, one by one. */
static void stream(const hone_tokenizer *tok, const hone_tokens *ids, unsigned flags,
                   hone_buf *out)
{
    hone_error err;
    hone_detokenizer *d;
    const char *text;
    size_t len;
    assert_ok(hone_detokenizer_new(&d, tok, flags, &err));
    for (size_t i = 0; i < ids->len; i++) {
        assert_ok(hone_detokenizer_push(d, ids->id[i], &text, &len, &err));
        hone_buf_append(out, text, len);
    }
    assert_ok(hone_detokenizer_flush(d, &text, &len, &err));
    hone_buf_append(out, text, len);
    hone_detokenizer_free(d);
}

static void check_text(const hone_tokenizer *tok, const hone_tokens *ids,
                       unsigned flags, const json_t *want)
{
    hone_error err;
    hone_buf streamed;
    char *text;
    size_t len;
    assert_ok(hone_tokenizer_decode(tok, ids->id, ids->len, flags, &text, &len, &err));
    assert_int_equal(len, json_string_length(want));
    assert_memory_equal(text, json_string_value(want), len);
    hone_buf_init(&streamed, 1 << 20);
    stream(tok, ids, flags, &streamed);
    assert_int_equal(streamed.len, len);
    assert_memory_equal(streamed.data, text, len);
    hone_buf_release(&streamed);
    hone_text_free(text);
}

/* Ids and, where they are given, texts of a file of expected values. */
static void check_golden(const char *name, size_t n_least)
{
    hone_error err;
    json_t *golden;
    hone_tokenizer *tok = NULL;
    const char *open_file = "";
    assert_ok(hone_json_load_file(&golden, data_path(name), 1 << 26, &err));
    assert_true(json_array_size(golden) >= n_least);
    for (size_t i = 0; i < json_array_size(golden); i++) {
        const json_t *g = json_array_get(golden, i), *text = json_object_get(g, "text");
        const char *file = json_string_value(json_object_get(g, "file"));
        if (strcmp(file, open_file) != 0) {
            hone_tokenizer_free(tok);
            assert_ok(hone_tokenizer_open(&tok, data_path(file), &err));
            open_file = file;
        }
        const char *s = json_string_value(text);
        const size_t len = json_string_length(text);
        hone_tokens ids = {0};
        assert_ok(hone_tokenizer_encode(tok, s, len, 0, &ids, &err));
        same_ids(json_object_get(g, "plain"), &ids, s);
        ids.len = 0;
        assert_ok(hone_tokenizer_encode(tok, s, len, HONE_ENCODE_SPECIAL, &ids, &err));
        same_ids(json_object_get(g, "ids"), &ids, s);
        const json_t *decoded = json_object_get(g, "decoded");
        const json_t *skipped = json_object_get(g, "skipped");
        if (decoded) check_text(tok, &ids, 0, decoded);
        if (skipped) check_text(tok, &ids, HONE_DECODE_NO_SPECIAL, skipped);
        hone_tokens_release(&ids);
    }
    hone_tokenizer_free(tok);
    json_decref(golden);
}

/* Written by tools/oracle/tokenizer_golden.py. */
static void agrees_with_hugging_face(void **state)
{
    (void)state;
    check_golden("tok_golden.json", 256);
}

/* Written by tools/oracle/tokenizer_parts_golden.py. */
static void rarer_parts_agree_too(void **state)
{
    (void)state;
    check_golden("parts_golden.json", 300);
}

/* NAME.inp: texts between marker lines; NAME.out: ids of each on a line. */
static void check_vectors(const hone_tokenizer *tok, const char *name)
{
    static const char marker[] = "\n__ggml_vocab_test__\n";
    hone_error err;
    char file[256], *in, *out;
    size_t n_in;
    int n = 0;
    snprintf(file, sizeof file, "tokenizer/%s.inp", name);
    assert_ok(hone_file_read(&in, &n_in, shared_path(file), 1 << 20, &err));
    snprintf(file, sizeof file, "tokenizer/%s.out", name);
    assert_ok(hone_file_read(&out, NULL, shared_path(file), 1 << 20, &err));
    const char *text = in, *line = out;
    while (*line) {
        const char *end = strstr(text, marker);
        const size_t len = end ? (size_t)(end - text) : strlen(text);
        hone_tokens ids = {0};
        assert_ok(hone_tokenizer_encode(tok, text, len, 0, &ids, &err));
        size_t k = 0;
        while (*line && *line != '\n') {
            char *stop;
            const long id = strtol(line, &stop, 10);
            if (stop == line) break;
            if (k >= ids.len || ids.id[k] != id) {
                fail_msg("%s, text %d '%.*s': id %zu is %d, expected %ld", name, n,
                         (int)len, text, k, k < ids.len ? ids.id[k] : -1, id);
            }
            k++;
            line = stop;
            while (*line == ' ') {
                line++;
            }
        }
        assert_int_equal(k, ids.len);
        if (*line == '\n') line++;
        hone_tokens_release(&ids);
        n++;
        if (!end) break;
        text = end + sizeof marker - 1;
    }
    assert_true(n >= 40);
    hone_free(in);
    hone_free(out);
}

static void check_gguf(const char *name)
{
    hone_error err;
    hone_model *m;
    char file[256];
    snprintf(file, sizeof file, "tokenizer/%s.gguf", name);
    assert_ok(hone_model_open(&m, shared_path(file), HONE_OPEN_TEXT_ONLY, &err));
    snprintf(file, sizeof file, "%s.gguf", name);
    check_vectors(hone_model_tokenizer(m), file);
    hone_model_close(m);
}

static void gpt2_vectors(void **state)
{
    (void)state;
    if (!shared_path("tokenizer/ggml-vocab-gpt-2.gguf")) skip();
    check_gguf("ggml-vocab-gpt-2");
}

static void llama_sentencepiece_vectors(void **state)
{
    (void)state;
    if (!shared_path("tokenizer/ggml-vocab-llama-spm.gguf")) skip();
    check_gguf("ggml-vocab-llama-spm");
}

static void phi3_vectors(void **state)
{
    (void)state;
    if (!shared_path("tokenizer/ggml-vocab-phi-3.gguf")) skip();
    check_gguf("ggml-vocab-phi-3");
}

static void llama3_tiktoken_vectors(void **state)
{
    hone_error err;
    hone_tokenizer *tok;
    (void)state;
    const char *path = shared_path("tokenizer/llama3.tiktoken");
    if (!path) skip();
    assert_ok(hone_tokenizer_open(&tok, path, &err));
    assert_int_equal(hone_tokenizer_n_vocab(tok), 128256);
    assert_int_equal(hone_tokenizer_find(tok, "<|eot_id|>", 10), 128009);
    check_vectors(tok, "ggml-vocab-llama-bpe.gguf");
    hone_tokenizer_free(tok);
}

static void refuse_json(const char *text, hone_status code, const char *part)
{
    hone_error err = {0};
    hone_tokenizer *tok;
    assert_fails(hone_tokenizer_from_json(&tok, text, strlen(text), NULL, 0, "t", &err),
                 code, part);
}

static void broken_files_are_named(void **state)
{
    hone_error err = {0};
    hone_tokenizer *tok;
    (void)state;
    refuse_json("{", HONE_E_FORMAT, "parse t");
    refuse_json("[]", HONE_E_FORMAT, "no model");
    refuse_json("{\"model\":{\"type\":\"WordLevel\"}}", HONE_E_UNSUPPORTED,
                "'WordLevel'");
    refuse_json("{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":3}}",
                HONE_E_FORMAT, "merges");
    refuse_json("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}",
                HONE_E_FORMAT, "'a'");
    refuse_json(
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":9999999},\"merges\":[]}}",
        HONE_E_FORMAT, "ids up to");
    refuse_json(
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}",
        HONE_E_FORMAT, "id 0");
    refuse_json(
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}",
        HONE_E_FORMAT, "not in the vocabulary");
    refuse_json("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"pre_"
                "tokenizer\":{\"type\":\"Split\","
                "\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\"}}",
                HONE_E_UNSUPPORTED, "pattern");
    refuse_json("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},"
                "\"normalizer\":{\"type\":\"Magic\"}}",
                HONE_E_UNSUPPORTED, "'Magic'");
    refuse_json("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},"
                "\"normalizer\":{\"type\":\"Precompiled\","
                "\"precompiled_charsmap\":\"/////w==\"}}",
                HONE_E_FORMAT, "a trie of 4294967295 bytes in 4");
    refuse_json("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},"
                "\"pre_tokenizer\":{\"type\":\"FixedLength\",\"length\":0}}",
                HONE_E_FORMAT, "length");
    refuse_json(
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"post_"
        "processor\":{\"type\":\"Sequence\",\"processors\":["
        "{\"type\":\"BertProcessing\",\"sep\":[\"a\",0],\"cls\":[\"a\",0]},"
        "{\"type\":\"BertProcessing\",\"sep\":[\"a\",0],\"cls\":[\"a\",0]}]}}",
        HONE_E_UNSUPPORTED, "after another that adds tokens");
    assert_fails(hone_tokenizer_from_sentencepiece(
                     &tok, (const unsigned char *)"\x0a\xff", 2, "t", &err),
                 HONE_E_FORMAT, "SentencePiece");
    assert_fails(hone_tokenizer_from_tiktoken(&tok, "YQ== 0\n", 7, "t", &err),
                 HONE_E_UNSUPPORTED, "1 ranks");
    assert_fails(hone_tokenizer_open(&tok, "/nonexistent.json", &err), HONE_E_NOT_FOUND,
                 "nonexistent");
}

/* Random tables find something or nothing, and read nothing outside. */
static void broken_charsmaps_are_harmless(void **state)
{
    hone_error err;
    (void)state;
    for (int i = 0; i < 2000; i++) {
        unsigned char data[4 + 4 * 16 + 8] = {4 * 16};
        for (size_t k = 4; k < sizeof data; k++) {
            data[k] = (unsigned char)hone_rng_u32(test_rng());
        }
        for (size_t k = 4; k < 4 + 4 * 16; k += 4) {
            data[k] &= 7; /* labels and offsets that a walk can follow */
            data[k + 1] &= 0x3F;
            data[k + 2] = data[k + 3] = 0;
        }
        hone_charsmap *m;
        hone_replacement r;
        assert_ok(hone_charsmap_new(&m, data, sizeof data, &err));
        char text[6];
        for (size_t k = 0; k < sizeof text; k++) {
            text[k] = (char)(hone_rng_u32(test_rng()) & 7);
        }
        if (hone_charsmap_longest(m, text, sizeof text, &r)) {
            assert_in_range(r.n_replaced, 1, sizeof text);
            assert_true(r.len <= 8);
        }
        hone_charsmap_free(m);
    }
}

/* A class within a class may nest only so deeply. */
static void deep_patterns_are_refused(void **state)
{
    hone_error err;
    hone_regex *r;
    char pattern[4096];
    (void)state;
    memset(pattern, '[', sizeof pattern);
    assert_fails(hone_regex_new(&r, pattern, sizeof pattern, false, &err),
                 HONE_E_UNSUPPORTED, "nested too deeply");
    memset(pattern, '(', sizeof pattern);
    assert_fails(hone_regex_new(&r, pattern, sizeof pattern, false, &err),
                 HONE_E_UNSUPPORTED, "nested too deeply");
}

/* A line without spaces must not cost its square. */
static void long_words_stay_cheap(void **state)
{
    hone_error err;
    hone_tokenizer *tok;
    hone_tokens ids = {0};
    (void)state;
    assert_ok(hone_tokenizer_open(&tok, data_path("tok_llama2.json"), &err));
    const size_t n = 200000;
    char *text = malloc(n);
    for (size_t i = 0; i < n; i++) {
        text[i] = (char)('a' + hone_rng_u32(test_rng()) % 26);
    }
    assert_ok(hone_tokenizer_encode(tok, text, n, 0, &ids, &err));
    assert_true(ids.len > 1000 && ids.len < n);
    free(text);
    hone_tokens_release(&ids);
    hone_tokenizer_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_hugging_face),
        cmocka_unit_test(rarer_parts_agree_too),
        cmocka_unit_test(gpt2_vectors),
        cmocka_unit_test(llama_sentencepiece_vectors),
        cmocka_unit_test(phi3_vectors),
        cmocka_unit_test(llama3_tiktoken_vectors),
        cmocka_unit_test(broken_files_are_named),
        cmocka_unit_test(broken_charsmaps_are_harmless),
        cmocka_unit_test(deep_patterns_are_refused),
        cmocka_unit_test(long_words_stay_cheap),
    };
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
