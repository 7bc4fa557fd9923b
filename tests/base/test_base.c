/* test_base.c - buffers, maps, UTF-8, arenas, random numbers, files. */
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/out_file.h"
#include "base/size.h"
#include "base/utf8.h"

static void sizes_that_do_not_fit_are_seen(void **state)
{
    size_t n;
    (void)state;
    assert_false(hone_mul_size(SIZE_MAX / 2, 3, &n));
    assert_false(hone_add_size(SIZE_MAX, 1, &n));
    assert_false(hone_align_size(SIZE_MAX - 3, 64, &n));
    assert_true(hone_align_size(65, 64, &n));
    assert_int_equal(n, 128);
    assert_null(hone_alloc(SIZE_MAX / 2, 4));
}

static void wrap_without_error_still_fails(void **state)
{
    (void)state;
    assert_int_equal(hone_fail(NULL, HONE_E_IO, "x"), HONE_E_IO);
    assert_int_equal(hone_error_wrap(NULL, HONE_E_FORMAT, "x"), HONE_E_FORMAT);
    hone_error err;
    (void)hone_fail(&err, HONE_E_IO, "inner %d", 1);
    (void)hone_error_wrap(&err, HONE_E_IO, "outer");
    assert_string_equal(err.text, "outer: inner 1");
}

static void a_buffer_stops_at_its_maximum(void **state)
{
    hone_buf b;
    (void)state;
    hone_buf_init(&b, 5);
    hone_buf_append_str(&b, "abc");
    hone_buf_append_str(&b, "def");
    assert_int_equal(b.failed, HONE_E_LIMIT);
    assert_string_equal(b.data, "abc");
    hone_buf_reset(&b);
    hone_buf_printf(&b, "%d", 12345);
    assert_int_equal(b.failed, HONE_OK);
    hone_buf_drop(&b, 2);
    assert_string_equal(b.data, "345");
    hone_buf_release(&b);
}

static void a_map_finds_what_was_put(void **state)
{
    hone_map m;
    hone_error err;
    char keys[2000][8];
    (void)state;
    assert_ok(hone_map_init(&m, 0, &err));
    for (int i = 0; i < 2000; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        assert_ok(hone_map_put(&m, keys[i], strlen(keys[i]), i, NULL, &err));
    }
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(hone_map_find(&m, keys[i], strlen(keys[i])), i);
    }
    assert_int_equal(hone_map_find(&m, "k", 1), -1);
    assert_int_equal(hone_map_find(&m, "", 0), -1);
    int32_t old;
    assert_ok(hone_map_put(&m, "k5", 2, 7, &old, &err));
    assert_int_equal(old, 5);
    assert_int_equal(hone_map_find(&m, "k5", 2), 7);
    hone_map_release(&m);
}

/* Unicode 15, table 3-7, and the WHATWG rule for what is broken. */
/* The vectors of RFC 4648, section 10. */
static void base64_is_strict(void **state)
{
    static const struct {
        const char *text, *bytes;
    } ok[] = {{"", ""},
              {"Zg==", "f"},
              {"Zm8=", "fo"},
              {"Zm9v", "foo"},
              {"Zm9vYg==", "foob"},
              {"Zm9vYmE=", "fooba"},
              {"Zm9vYmFy", "foobar"}};
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg=a", "====", "Zm=v", "Zm9*"};
    unsigned char out[16];
    (void)state;
    for (size_t i = 0; i < sizeof ok / sizeof ok[0]; i++) {
        const size_t n = hone_base64_decode(ok[i].text, strlen(ok[i].text), out);
        assert_int_equal(n, strlen(ok[i].bytes));
        assert_memory_equal(out, ok[i].bytes, n);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_true(hone_base64_decode(bad[i], strlen(bad[i]), out) == SIZE_MAX);
    }
}

static void utf8_is_strict(void **state)
{
    static const struct {
        const char *bytes;
        int result;
        uint32_t cp;
    } cases[] = {
        {"a", 1, 'a'},
        {"\xC3\xA9", 2, 0xE9},
        {"\xE2\x82\xAC", 3, 0x20AC},
        {"\xF0\x9F\x98\x80", 4, 0x1F600},
        {"\xC0\x80", -1, 0xFFFD},
        {"\xC1\xBF", -1, 0xFFFD},
        {"\xE0\x80\x80", -1, 0xFFFD},
        {"\xED\xA0\x80", -1, 0xFFFD},
        {"\xF0\x8F\xBF\xBF", -1, 0xFFFD},
        {"\xF4\x90\x80\x80", -1, 0xFFFD},
        {"\xF5\x80\x80\x80", -1, 0xFFFD},
        {"\x80", -1, 0xFFFD},
        {"\xE2\x82"
         "a",
         -2, 0xFFFD},
        {"\xF0\x9F\x98"
         "a",
         -3, 0xFFFD},
        {"\xE2\x82", 0, 0xFFFD},
        {"\xF0", 0, 0xFFFD},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t cp;
        assert_int_equal(hone_utf8_decode(cases[i].bytes, strlen(cases[i].bytes), &cp),
                         cases[i].result);
        assert_int_equal(cp, cases[i].cp);
    }
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        char out[4];
        uint32_t back;
        const int n = hone_utf8_encode(out, cp);
        assert_int_equal(hone_utf8_decode(out, (size_t)n, &back), n);
        assert_int_equal(back, cp >= 0xD800 && cp < 0xE000 ? 0xFFFD : cp);
    }
}

static void an_arena_stops_at_its_maximum(void **state)
{
    hone_arena a;
    (void)state;
    hone_arena_init(&a, 100000);
    assert_non_null(hone_arena_push(&a, 70000));
    assert_non_null(hone_arena_push(&a, 20000));
    assert_null(hone_arena_push(&a, 20000));
    assert_null(hone_arena_push(&a, SIZE_MAX - 8));
    hone_arena_release(&a);
}

/* The first numbers of PCG32 (XSH-RR) for seed 42 and this increment, worked out by an
 * independent Python implementation of the paper's definition. */
static void random_numbers_are_reproducible(void **state)
{
    hone_rng r;
    (void)state;
    hone_rng_init(&r, 42);
    assert_int_equal(hone_rng_u32(&r), 3270867926u);
    assert_int_equal(hone_rng_u32(&r), 1795671209u);
    for (int i = 0; i < 1000; i++) {
        const double x = hone_rng_f64(&r);
        assert_true(x >= 0.0 && x < 1.0);
    }
}

static void files_say_what_is_wrong(void **state)
{
    hone_file f;
    hone_error err;
    char *text;
    (void)state;
    assert_fails(hone_file_map(&f, "/nonexistent/x", &err), HONE_E_NOT_FOUND,
                 "/nonexistent/x");
    assert_fails(hone_file_map(&f, "/tmp", &err), HONE_E_IO, "not a regular file");
    char path[] = "/tmp/hone_file_XXXXXX";
    const int fd = mkstemp(path);
    assert_ok(hone_file_map(&f, path, &err)); /* empty */
    assert_int_equal(f.size, 0);
    hone_file_release(&f);
    assert_int_equal(write(fd, "12345", 5), 5);
    close(fd);
    assert_fails(hone_file_read(&text, NULL, path, 4, &err), HONE_E_LIMIT, "4 bytes");
    size_t len;
    assert_ok(hone_file_read(&text, &len, path, 5, &err));
    assert_string_equal(text, "12345");
    hone_free(text);
    unlink(path);
}

/* The text of folder/name, or "" where there is no such file. */
static const char *text_of(const char *folder, const char *name)
{
    static char text[16];
    char path[64], *read = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const hone_status s = hone_file_read(&read, NULL, path, sizeof text - 1, NULL);
    snprintf(text, sizeof text, "%s", s ? "" : read);
    hone_free(read);
    return text;
}

/* A process that dies leaves a part of a file, which neither counts nor is in the way. */
static void a_file_appears_whole_or_not_at_all(void **state)
{
    hone_error err;
    hone_out_file f, other;
    char folder[] = "/tmp/hone_out_XXXXXX", path[64], left[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a", folder);
    snprintf(left, sizeof left, "%s/a.new", folder);
    const pid_t child = fork();
    if (child == 0) {
        const bool wrote = !hone_out_file_open(&f, path, NULL) &&
                           !hone_out_file_write(&f, "left behind", 11, NULL);
        _exit(wrote ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_string_equal(text_of(folder, "a"), "");
    assert_string_equal(text_of(folder, "a.new"), "left behind");
    assert_ok(hone_out_file_open(&f, path, &err));
    assert_fails(hone_out_file_open(&other, path, &err), HONE_E_IO, "write");
    assert_ok(hone_out_file_write(&f, "one", 3, &err));
    assert_ok(hone_out_file_commit(&f, &err));
    hone_out_file_release(&f);
    assert_string_equal(text_of(folder, "a"), "one");
    assert_ok(hone_out_file_open(&f, path, &err));
    assert_ok(hone_out_file_write(&f, "two", 3, &err));
    hone_out_file_release(&f);
    assert_string_equal(text_of(folder, "a"), "one");
    assert_false(hone_file_exists(left));
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_do_not_fit_are_seen),
        cmocka_unit_test(wrap_without_error_still_fails),
        cmocka_unit_test(a_buffer_stops_at_its_maximum),
        cmocka_unit_test(a_map_finds_what_was_put),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(an_arena_stops_at_its_maximum),
        cmocka_unit_test(random_numbers_are_reproducible),
        cmocka_unit_test(files_say_what_is_wrong),
        cmocka_unit_test(a_file_appears_whole_or_not_at_all),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
