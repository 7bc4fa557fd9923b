/* test_safetensors.c - what the safetensors reader reads and what it refuses. */
#include "check.h"

#include "base/buf.h"
#include "format/safetensors.h"

static void file_of(hone_buf *b, const char *header, size_t data_bytes)
{
    const uint64_t len = strlen(header);
    hone_buf_init(b, 1 << 20);
    hone_buf_append(b, &len, sizeof len);
    hone_buf_append_str(b, header);
    for (size_t i = 0; i < data_bytes; i++) {
        hone_buf_append_char(b, (char)i);
    }
}

static void refused(const char *header, size_t data_bytes, hone_status code,
                    const char *part)
{
    hone_error err = {0};
    hone_safetensors *s;
    hone_buf b;
    file_of(&b, header, data_bytes);
    assert_fails(hone_safetensors_open_memory(&s, b.data, b.len, "t", &err), code,
                 part);
    hone_buf_release(&b);
}

static void reads_tensors_and_remembers_foreign_types(void **state)
{
    hone_error err;
    hone_safetensors *s;
    hone_buf b;
    (void)state;
    file_of(&b,
            "{\"__metadata__\":{\"format\":\"pt\"},"
            "\"b\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[4,16]},"
            "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
            "\"q\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[16,18]}}",
            18);
    assert_ok(hone_safetensors_open_memory(&s, b.data, b.len, "t", &err));
    assert_int_equal(hone_safetensors_n_tensors(s), 2);
    const hone_tensor *t = hone_safetensors_find(s, "b");
    assert_non_null(t);
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->shape[1], 3);
    assert_int_equal(t->bytes, 12);
    assert_int_equal(t->data[0], 4);
    assert_string_equal(hone_safetensors_unsupported(s, "q"), "F8_E4M3");
    assert_null(hone_safetensors_unsupported(s, "a"));
    hone_safetensors_close(s);
    hone_buf_release(&b);
}

static void faults_are_named(void **state)
{
    hone_error err = {0};
    hone_safetensors *s;
    (void)state;
#define T(name, shape, from, to)                                                       \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" from      \
    "," to "]}"
    refused("{", 0, HONE_E_FORMAT, "header");
    refused("[]", 0, HONE_E_FORMAT, "JSON object");
    refused("{" T("a", "[1]", "0", "4") "}", 3, HONE_E_FORMAT, "outside the data");
    refused("{" T("a", "[1]", "4", "0") "}", 8, HONE_E_FORMAT, "outside the data");
    refused("{" T("a", "[2]", "0", "4") "}", 4, HONE_E_FORMAT, "shape needs 8 bytes");
    refused("{" T("a", "[-1]", "0", "4") "}", 4, HONE_E_FORMAT, "not made of sizes");
    refused("{" T("a", "[4611686018427387904,4]", "0", "4") "}", 4, HONE_E_FORMAT,
            "too large");
    refused("{" T("a", "[1]", "0", "4") "," T("b", "[1]", "0", "4") "}", 4,
            HONE_E_FORMAT, "overlap");
    refused("{" T("a", "[1]", "4", "8") "}", 8, HONE_E_FORMAT, "hole");
    refused("{" T("a", "[1]", "0", "4") "}", 8, HONE_E_FORMAT, "end at byte 4 of 8");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, HONE_E_FORMAT,
            "data_offsets");
    refused("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, HONE_E_FORMAT,
            "no dtype");
    refused("{" T("a", "[1]", "0", "4") "," T("a", "[1]", "4", "8") "}", 8,
            HONE_E_FORMAT, "header");
#undef T
    const uint64_t huge = UINT64_MAX;
    assert_fails(hone_safetensors_open_memory(&s, &huge, 8, "t", &err), HONE_E_FORMAT,
                 "do not fit");
    assert_fails(hone_safetensors_open_memory(&s, &huge, 3, "t", &err), HONE_E_FORMAT,
                 "truncated");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_tensors_and_remembers_foreign_types),
        cmocka_unit_test(faults_are_named),
    };
    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
