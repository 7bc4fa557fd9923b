/* test_gguf_write.c - what the writer writes is read back; what it refuses is named. */
#include "check.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/gguf_write.h"

static char dir[] = "/tmp/hone-gguf-write-XXXXXX";
static char path[128];

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir)) return -1;
    snprintf(path, sizeof path, "%s/out.gguf", dir);
    return 0;
}

/* Fails where a test left a file behind. */
static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void a_file_is_read_back(void **state)
{
    hone_error err;
    hone_gguf_writer *w;
    (void)state;
    const hone_gguf_str words[3] = {{"one", 3}, {"", 0}, {"t\0o", 3}};
    const int32_t numbers[2] = {7, -1};
    const uint64_t vector[1] = {3}, matrix[2] = {2, 32}, cube[3] = {2, 2, 1};
    float f[3] = {1.0f, -2.0f, 0.5f}, g[4] = {1, 2, 3, 4};
    unsigned char q[68];
    for (int i = 0; i < 68; i++) {
        q[i] = (unsigned char)i;
    }
    assert_ok(hone_gguf_writer_open(&w, path, &err));
    hone_gguf_put_str(w, "s", "text");
    hone_gguf_put_u32(w, "u", 0xF0000001u);
    hone_gguf_put_f32(w, "f", -0.25f);
    hone_gguf_put_bool(w, "b", true);
    hone_gguf_put_strs(w, "words", words, 3);
    hone_gguf_put_i32s(w, "numbers", numbers, 2);
    hone_gguf_put_tensor(w, "vector", HONE_F32, 1, vector);
    hone_gguf_put_tensor(w, "matrix", HONE_Q8_0, 2, matrix);
    hone_gguf_put_tensor(w, "cube", HONE_F32, 3, cube);
    assert_ok(hone_gguf_writer_begin(w, &err));
    assert_int_equal(hone_gguf_writer_bytes(w, 1), 68);
    assert_ok(hone_gguf_write(w, f, 8, &err)); /* in pieces */
    assert_ok(hone_gguf_write(w, f + 2, 4, &err));
    assert_ok(hone_gguf_write(w, q, 68, &err));
    assert_int_not_equal(access(path, F_OK), 0); /* not there before it is whole */
    assert_ok(hone_gguf_write(w, g, 16, &err));
    assert_ok(hone_gguf_writer_finish(w, &err));
    hone_gguf_writer_close(w);

    hone_gguf *r;
    int64_t i;
    double x;
    bool b;
    hone_gguf_str s;
    assert_ok(hone_gguf_open(&r, path, &err));
    assert_int_equal(hone_gguf_n_kv(r), 6);
    assert_ok(hone_gguf_get_str(r, "s", &s, &err));
    assert_memory_equal(s.data, "text", 4);
    assert_ok(hone_gguf_get_int(r, "u", 0, 0, INT64_MAX, &i, &err));
    assert_int_equal(i, 0xF0000001);
    assert_ok(hone_gguf_get_real(r, "f", 0, &x, &err));
    assert_true(x == -0.25);
    assert_ok(hone_gguf_get_bool(r, "b", false, &b, &err));
    assert_true(b);
    for (size_t k = 0; k < 3; k++) {
        s = hone_gguf_array_str(r, "words", k);
        assert_int_equal(s.len, words[k].len);
        assert_memory_equal(s.data, words[k].data, s.len);
    }
    assert_int_equal(hone_gguf_array_int(r, "numbers", 1), -1);
    const hone_tensor *t = hone_gguf_find_tensor(r, "matrix");
    assert_non_null(t);
    assert_int_equal(t->dtype, HONE_Q8_0);
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->shape[1], 32);
    assert_memory_equal(t->data, q, 68);
    assert_memory_equal(hone_gguf_find_tensor(r, "vector")->data, f, sizeof f);
    t = hone_gguf_find_tensor(r, "cube");
    assert_int_equal(t->n_dims, 3);
    assert_int_equal(t->shape[2], 1);
    assert_memory_equal(t->data, g, sizeof g);
    hone_gguf_close(r);
    assert_int_equal(unlink(path), 0);
}

/* begin() must fail so for one tensor. */
static void refused(hone_dtype type, int n_dims, const uint64_t *shape,
                    hone_status code, const char *part)
{
    hone_error err;
    hone_gguf_writer *w;
    assert_ok(hone_gguf_writer_open(&w, path, &err));
    hone_gguf_put_tensor(w, "t", type, n_dims, shape);
    assert_fails(hone_gguf_writer_begin(w, &err), code, part);
    assert_non_null(strstr(err.text, "tensor 't'"));
    hone_gguf_writer_close(w);
}

static void bad_tensors_are_named(void **state)
{
    const uint64_t odd[2] = {4, 33}, huge[2] = {UINT64_MAX / 2, 32},
                   five[5] = {1, 1, 1, 1, 32};
    (void)state;
    refused(HONE_Q4_0, 2, odd, HONE_E_INVALID, "whole blocks of Q4_0 (32), found 33");
    refused(HONE_F32, 2, huge, HONE_E_LIMIT, "too large");
    refused(HONE_F32, 5, five, HONE_E_INVALID, "1 to 4 dimensions, found 5");
    refused(HONE_F32, 0, five, HONE_E_INVALID, "found 0");
}

static void data_of_the_wrong_size_are_named(void **state)
{
    hone_error err;
    hone_gguf_writer *w;
    const uint64_t shape[1] = {4};
    const float f[5] = {0};
    (void)state;
    assert_ok(hone_gguf_writer_open(&w, path, &err));
    hone_gguf_put_tensor(w, "a", HONE_F32, 1, shape);
    hone_gguf_put_tensor(w, "b", HONE_F32, 1, shape);
    assert_ok(hone_gguf_writer_begin(w, &err));
    assert_fails(hone_gguf_write(w, f, 20, &err), HONE_E_INVALID,
                 "'a': expected at most 16 more bytes, found 20");
    assert_ok(hone_gguf_write(w, f, 16, &err));
    assert_ok(hone_gguf_write(w, f, 4, &err));
    assert_fails(hone_gguf_writer_finish(w, &err), HONE_E_INVALID,
                 "'b': expected 16 bytes, found 4");
    hone_gguf_writer_close(w);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void what_cannot_be_made_is_named(void **state)
{
    hone_error err;
    hone_gguf_writer *w;
    (void)state;
    assert_fails(hone_gguf_writer_open(&w, "/nowhere/at/all.gguf", &err),
                 HONE_E_NOT_FOUND, "write /nowhere/at/all.gguf: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_back),
        cmocka_unit_test(bad_tensors_are_named),
        cmocka_unit_test(data_of_the_wrong_size_are_named),
        cmocka_unit_test(what_cannot_be_made_is_named),
    };
    return cmocka_run_group_tests_name("gguf_write", tests, make_dir, remove_dir);
}
