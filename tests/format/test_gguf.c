/* test_gguf.c - what the GGUF reader reads and what it refuses. */
#include "gguf_writer.h"

#include "format/gguf.h"

static const float four[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static hone_status open_writer(gguf_writer *w, hone_gguf **g, hone_buf *file,
                               hone_error *err)
{
    gguf_finish(w, file);
    return hone_gguf_open_memory(g, file->data, file->len, "test.gguf", err);
}

/* The writer's file must be refused with the part in its message. */
static void refused(gguf_writer *w, hone_status code, const char *part)
{
    hone_error err = {0};
    hone_gguf *g;
    hone_buf file;
    assert_fails(open_writer(w, &g, &file, &err), code, part);
    assert_non_null(strstr(err.text, "open test.gguf: "));
    hone_buf_release(&file);
}

static void reads_both_versions_and_all_types(void **state)
{
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        hone_error err;
        gguf_writer w;
        hone_gguf *g;
        hone_buf file;
        gguf_begin(&w, version);
        gguf_key(&w, "u8", 0), hone_buf_append(&w.kv, "\xF0", 1);
        gguf_key(&w, "i8", 1), hone_buf_append(&w.kv, "\xF0", 1);
        gguf_key(&w, "u16", 2), hone_buf_append(&w.kv, "\x01\xF0", 2);
        gguf_key(&w, "i16", 3), hone_buf_append(&w.kv, "\x01\xF0", 2);
        gguf_add_u32(&w, "u32", 0xF0000001u);
        gguf_key(&w, "i32", 5), gguf_put_u32(&w.kv, 0xFFFFFFFEu);
        gguf_add_f32(&w, "f32", 0.5f);
        gguf_key(&w, "bool", 7), hone_buf_append(&w.kv, "\x01", 1);
        gguf_add_str(&w, "str", "text\n");
        gguf_key(&w, "u64", 10), gguf_put_u64(&w.kv, UINT64_MAX);
        gguf_key(&w, "i64", 11), gguf_put_u64(&w.kv, (uint64_t)-5);
        const double d = 0.25;
        gguf_key(&w, "f64", 12), hone_buf_append(&w.kv, &d, sizeof d);
        gguf_key(&w, "strings", 9), gguf_put_u32(&w.kv, 8), gguf_put_u64(&w.kv, 2);
        gguf_put_str(&w.kv, "a"), gguf_put_str(&w.kv, "bc");
        gguf_key(&w, "numbers", 9), gguf_put_u32(&w.kv, 5), gguf_put_u64(&w.kv, 2);
        gguf_put_u32(&w.kv, 7), gguf_put_u32(&w.kv, 0xFFFFFFFFu);
        gguf_key(&w, "nested", 9), gguf_put_u32(&w.kv, 9), gguf_put_u64(&w.kv, 1);
        gguf_put_u32(&w.kv, 4), gguf_put_u64(&w.kv, 1), gguf_put_u32(&w.kv, 3);
        gguf_add_tensor(&w, "m", four, 2, 4);
        assert_ok(open_writer(&w, &g, &file, &err));

        int64_t i;
        double x;
        bool b;
        hone_gguf_str s;
        assert_ok(hone_gguf_get_int(g, "u8", 0, INT64_MIN, INT64_MAX, &i, &err));
        assert_int_equal(i, 0xF0);
        assert_ok(hone_gguf_get_int(g, "i8", 0, INT64_MIN, INT64_MAX, &i, &err));
        assert_int_equal(i, -16);
        assert_ok(hone_gguf_get_int(g, "i16", 0, INT64_MIN, INT64_MAX, &i, &err));
        assert_int_equal(i, -4095);
        assert_ok(hone_gguf_get_int(g, "u32", 0, INT64_MIN, INT64_MAX, &i, &err));
        assert_int_equal(i, 0xF0000001);
        assert_ok(hone_gguf_get_int(g, "i64", 0, INT64_MIN, INT64_MAX, &i, &err));
        assert_int_equal(i, -5);
        assert_fails(hone_gguf_get_int(g, "u64", 0, INT64_MIN, INT64_MAX, &i, &err),
                     HONE_E_FORMAT, "'u64'");
        assert_fails(hone_gguf_get_int(g, "i32", 0, 0, 9, &i, &err), HONE_E_FORMAT,
                     "expected 0 to 9, found -2");
        assert_ok(hone_gguf_get_int(g, "absent", 42, 0, 99, &i, &err));
        assert_int_equal(i, 42);
        assert_ok(hone_gguf_get_real(g, "f64", 0, &x, &err));
        assert_true(x == 0.25);
        assert_ok(hone_gguf_get_bool(g, "bool", false, &b, &err));
        assert_true(b);
        assert_ok(hone_gguf_get_str(g, "str", &s, &err));
        assert_int_equal(s.len, 5);
        assert_string_equal(
            hone_gguf_array_str(g, "strings", 1).data[0] == 'b' ? "b" : "", "b");
        assert_int_equal(hone_gguf_array_int(g, "numbers", 1), -1);
        const hone_tensor *t = hone_gguf_find_tensor(g, "m");
        assert_non_null(t);
        assert_int_equal(t->shape[0], 2);
        assert_int_equal(t->shape[1], 4);
        assert_memory_equal(t->data, four, sizeof four);
        assert_null(hone_gguf_find_tensor(g, "none"));
        char shown[64];
        for (size_t k = 0; k < hone_gguf_n_kv(g); k++) {
            hone_gguf_format_value(g, k, shown, sizeof shown);
            assert_true(strlen(shown) > 0 && !strchr(shown, '\n'));
        }
        hone_gguf_close(g);
        hone_buf_release(&file);
    }
}

static void header_faults_are_named(void **state)
{
    (void)state;
    hone_error err = {0};
    hone_gguf *g;
    gguf_writer w;
    assert_fails(hone_gguf_open_memory(&g, "", 0, "e", &err), HONE_E_FORMAT,
                 "expected a GGUF");
    assert_fails(hone_gguf_open_memory(&g, "GGUX\3\0\0\0", 8, "e", &err), HONE_E_FORMAT,
                 "expected a GGUF");
    assert_fails(hone_gguf_open_memory(&g, "GGUF\3\0", 6, "e", &err), HONE_E_FORMAT,
                 "truncated");
    gguf_begin(&w, 1);
    refused(&w, HONE_E_UNSUPPORTED, "expected 2 or 3, found 1");
    gguf_begin(&w, 4);
    refused(&w, HONE_E_UNSUPPORTED, "found 4");
    gguf_begin(&w, 3u << 24);
    refused(&w, HONE_E_UNSUPPORTED, "big-endian");
    gguf_begin(&w, 3);
    w.n_tensor = UINT64_MAX;
    refused(&w, HONE_E_LIMIT, "too many");
    gguf_begin(&w, 3);
    w.n_kv = 1000;
    refused(&w, HONE_E_FORMAT, "truncated");
}

static void metadata_faults_are_named(void **state)
{
    (void)state;
    gguf_writer w;
    gguf_begin(&w, 3), gguf_add_u32(&w, "a", 1), gguf_add_u32(&w, "a", 1);
    refused(&w, HONE_E_FORMAT, "key 'a': twice");
    gguf_begin(&w, 3), gguf_key(&w, "a", 77);
    refused(&w, HONE_E_FORMAT, "type 77");
    gguf_begin(&w, 3), gguf_put_u64(&w.kv, UINT64_MAX), w.n_kv++,
        hone_buf_append(&w.kv, "0123456789", 10);
    refused(&w, HONE_E_FORMAT, "truncated");
    gguf_begin(&w, 3), gguf_key(&w, "", 4), gguf_put_u32(&w.kv, 1);
    refused(&w, HONE_E_FORMAT, "key 0");
    gguf_begin(&w, 3), gguf_key(&w, "big", 9), gguf_put_u32(&w.kv, 8),
        gguf_put_u64(&w.kv, 1ull << 60);
    refused(&w, HONE_E_FORMAT, "truncated");
    gguf_begin(&w, 3), gguf_key(&w, "deep", 9);
    for (int i = 0; i < 20; i++) {
        gguf_put_u32(&w.kv, 9), gguf_put_u64(&w.kv, 1);
    }
    refused(&w, HONE_E_LIMIT, "nest deeper");
    gguf_begin(&w, 3), gguf_add_u32(&w, "general.alignment", 12);
    refused(&w, HONE_E_FORMAT, "power of two");
    gguf_begin(&w, 3), gguf_add_u32(&w, "general.alignment", 0);
    refused(&w, HONE_E_FORMAT, "power of two");
}

static void tensor_faults_are_named(void **state)
{
    (void)state;
    gguf_writer w;
    const uint64_t small[2] = {4, 2}, huge[2] = {1ull << 40, 1ull << 40},
                   odd[2] = {31, 1};
    const uint64_t five[5] = {1, 1, 1, 1, 1};
    gguf_begin(&w, 3), gguf_add_tensor(&w, "t", four, 2, 4),
        gguf_add_tensor(&w, "t", four, 2, 4);
    refused(&w, HONE_E_FORMAT, "tensor 't': twice");
    gguf_begin(&w, 3), gguf_entry(&w, "t", 5, five, 0, 0);
    refused(&w, HONE_E_FORMAT, "at most 4 dimensions");
    gguf_begin(&w, 3), gguf_entry(&w, "t", 2, huge, 0, 0);
    refused(&w, HONE_E_FORMAT, "too large");
    gguf_begin(&w, 3), gguf_entry(&w, "t", 2, small, 99, 0);
    refused(&w, HONE_E_UNSUPPORTED, "type 99");
    gguf_begin(&w, 3), gguf_entry(&w, "t", 2, odd, 2, 0);
    refused(&w, HONE_E_FORMAT, "whole blocks of Q4_0");
    gguf_begin(&w, 3), gguf_entry(&w, "t", 2, small, 0, 4),
        hone_buf_append(&w.data, four, 32);
    refused(&w, HONE_E_FORMAT, "multiple of 32");
    gguf_begin(&w, 3), gguf_entry(&w, "t", 2, small, 0, 64),
        hone_buf_append(&w.data, four, 32);
    refused(&w, HONE_E_FORMAT, "outside the file");
    gguf_begin(&w, 3), gguf_entry(&w, "t", 2, small, 0, 0),
        hone_buf_append(&w.data, four, 31);
    refused(&w, HONE_E_FORMAT, "outside the file");
    gguf_begin(&w, 3), gguf_entry(&w, "a", 2, small, 0, 0),
        gguf_entry(&w, "b", 2, small, 0, 0);
    hone_buf_append(&w.data, four, 32);
    refused(&w, HONE_E_FORMAT, "overlap");
}

/* Every prefix of a valid file is refused without a crash. */
static void every_truncation_is_refused(void **state)
{
    (void)state;
    gguf_writer w;
    hone_buf file;
    hone_error err;
    gguf_begin(&w, 3);
    gguf_add_str(&w, "general.architecture", "llama");
    gguf_key(&w, "strings", 9), gguf_put_u32(&w.kv, 8), gguf_put_u64(&w.kv, 2);
    gguf_put_str(&w.kv, "a"), gguf_put_str(&w.kv, "bc");
    gguf_add_tensor(&w, "m", four, 2, 4);
    gguf_finish(&w, &file);
    for (size_t n = 0; n < file.len; n++) {
        hone_gguf *g;
        char *copy =
            malloc(n ? n : 1); /* so that a sanitizer sees reads past the end */
        memcpy(copy, file.data, n);
        assert_int_not_equal(hone_gguf_open_memory(&g, copy, n, "t", &err), HONE_OK);
        free(copy);
    }
    hone_buf_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_both_versions_and_all_types),
        cmocka_unit_test(header_faults_are_named),
        cmocka_unit_test(metadata_faults_are_named),
        cmocka_unit_test(tensor_faults_are_named),
        cmocka_unit_test(every_truncation_is_refused),
    };
    return cmocka_run_group_tests_name("gguf", tests, NULL, NULL);
}
