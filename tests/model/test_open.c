/* test_open.c - a text side that is read behind the call is the same, and fails the same. */
#include "check.h"

#include <limits.h>
#include <unistd.h>

#include "hone/hone.h"

static char dir[] = "/tmp/hone-open-XXXXXX";
static const char *const names[] = {"config.json", "model.safetensors",
                                    "tokenizer.json"};

static void in_dir(char *path, size_t size, const char *name)
{
    snprintf(path, size, "%s/%s", dir, name);
}

static void link_file(const char *from, const char *name)
{
    char whole[PATH_MAX], path[128];
    assert_non_null(realpath(data_path(from), whole));
    in_dir(path, sizeof path, name);
    assert_int_equal(symlink(whole, path), 0);
}

/* A folder with a model, and a tokenizer.json that is `text` or, without, a sound one. */
static void make_folder(const char *text)
{
    char path[128];
    memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
    assert_non_null(mkdtemp(dir));
    link_file("models/llama/config.json", names[0]);
    link_file("models/llama/model.safetensors", names[1]);
    if (!text) {
        link_file("tok_smollm.json", names[2]);
        return;
    }
    in_dir(path, sizeof path, names[2]);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void remove_folder(void)
{
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        in_dir(path, sizeof path, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void encode(const hone_model *m, hone_tokens *ids)
{
    static const char text[] = "The sea, 123 boats and a <|im_end|>.";
    hone_error err;
    const hone_tokenizer *t = hone_model_tokenizer(m);
    assert_non_null(t);
    assert_ok(
        hone_tokenizer_encode(t, text, strlen(text), HONE_ENCODE_SPECIAL, ids, &err));
    assert_true(ids->len > 5);
}

static void text_read_behind_is_the_same(void **state)
{
    hone_model *at_once, *behind;
    hone_engine *e;
    hone_error err;
    hone_tokens a = {0}, b = {0};
    const hone_engine_options o = {.n_thread = 2, .n_ctx = 16};
    (void)state;
    make_folder(NULL);
    assert_ok(hone_model_open(&at_once, dir, 0, &err));
    assert_ok(hone_model_open(&behind, dir, HONE_OPEN_TEXT_BEHIND, &err));
    assert_ok(hone_engine_new(&e, behind, &o, &err));
    assert_ok(hone_model_wait(behind, &err));
    assert_ok(hone_model_wait(behind, &err)); /* once more is fine */
    assert_ok(hone_model_wait(at_once, &err));
    encode(at_once, &a);
    encode(behind, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.id, b.id, a.len * sizeof *a.id);
    hone_tokens_release(&a);
    hone_tokens_release(&b);
    hone_engine_free(e);
    hone_model_close(behind);
    hone_model_close(at_once);
    remove_folder();
}

static void a_broken_tokenizer_shows_when_waited_for(void **state)
{
    hone_model *m;
    hone_error err, at_once;
    (void)state;
    make_folder("{\"model\": 5}");
    assert_true(hone_model_open(&m, dir, 0, &at_once) != HONE_OK);
    assert_non_null(strstr(at_once.text, dir));
    assert_ok(hone_model_open(&m, dir, HONE_OPEN_TEXT_BEHIND, &err));
    assert_true(hone_model_wait(m, &err) != HONE_OK);
    assert_string_equal(err.text, at_once.text);
    hone_model_close(m);
    remove_folder();
}

static void a_model_is_closed_while_its_text_is_read(void **state)
{
    hone_model *m;
    hone_error err;
    (void)state;
    make_folder(NULL);
    for (int i = 0; i < 5; i++) {
        assert_ok(hone_model_open(&m, dir, HONE_OPEN_TEXT_BEHIND, &err));
        hone_model_close(m);
    }
    remove_folder();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_read_behind_is_the_same),
        cmocka_unit_test(a_broken_tokenizer_shows_when_waited_for),
        cmocka_unit_test(a_model_is_closed_while_its_text_is_read),
    };
    return cmocka_run_group_tests_name("open", tests, NULL, NULL);
}
