/* test_packed.c - packed weights in a file: the same logits bit for bit with and without,
 * and whatever the file holds. */
#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "hone/hone.h"

enum {
    N_TOKEN = 20,
    N_VOCAB = 61
};

static char dir[] = "/tmp/hone-packed-XXXXXX", file[64], copy[64];

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir)) return -1;
    snprintf(file, sizeof file, "%s/packed", dir);
    snprintf(copy, sizeof copy, "%s/model.gguf", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(file);
    unlink(copy);
    return rmdir(dir);
}

/* Logits of the model with its packed weights at `packed`; whether they came from there. */
static bool logits_of(const char *model, const char *packed, int n_thread,
                      float out[N_VOCAB])
{
    hone_error err;
    hone_model *m;
    hone_engine *e;
    hone_sequence *s;
    int32_t id[N_TOKEN];
    const hone_engine_options o = {.n_thread = n_thread, .packed_file = packed};
    for (int i = 0; i < N_TOKEN; i++) {
        id[i] = i * 7 % N_VOCAB;
    }
    assert_ok(hone_model_open(&m, model, 0, &err));
    assert_ok(hone_engine_new(&e, m, &o, &err));
    assert_ok(hone_sequence_new(&s, e, &err));
    assert_ok(hone_sequence_append(s, id, N_TOKEN, &err));
    memcpy(out, hone_sequence_logits(s), N_VOCAB * sizeof *out);
    const bool kept = hone_engine_get_info(e).packed_kept;
    hone_sequence_free(s);
    hone_engine_free(e);
    hone_model_close(m);
    return kept;
}

/* Whether this machine's kernels pack at all. */
static bool packs(void)
{
    float unused[N_VOCAB];
    unlink(file);
    (void)logits_of(data_path("models/llama.gguf"), file, 1, unused);
    const bool there = hone_file_exists(file);
    unlink(file);
    if (!there) fprintf(stderr, "# skipped: kernels of this CPU read rows\n");
    return there;
}

static void assert_start(const char *model, bool kept, const float want[N_VOCAB])
{
    float got[N_VOCAB];
    assert_int_equal(logits_of(model, file, 2, got), kept);
    assert_memory_equal(got, want, sizeof got);
}

static void the_second_start_finds_the_file(void **state)
{
    static const char *const models[] = {"models/llama.gguf", "models/llama",
                                         "models/llama_bf16", "models/llama_tied_mqa",
                                         "models/qwen3.gguf"};
    (void)state;
    if (!packs()) return;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        float want[N_VOCAB], got[N_VOCAB];
        assert_false(logits_of(data_path(models[i]), NULL, 1, want));
        /* what lies there is the last model's */
        assert_start(data_path(models[i]), false, want);
        assert_start(data_path(models[i]), true, want);
        assert_true(logits_of(data_path(models[i]), file, 1, got));
        assert_memory_equal(got, want, sizeof got);
        assert_true(logits_of(data_path(models[i]), file, 5, got));
        assert_memory_equal(got, want, sizeof got);
    }
}

static void write_file(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
}

static void a_damaged_file_is_replaced(void **state)
{
    const char *model = data_path("models/llama.gguf");
    char *bytes;
    size_t len;
    hone_error err;
    float want[N_VOCAB];
    char path[4096];
    (void)state;
    if (!packs()) return;
    snprintf(path, sizeof path, "%s", model);
    (void)logits_of(path, file, 2, want);
    assert_ok(hone_file_read(&bytes, &len, file, 1 << 24, &err));
    for (size_t at = 0; at < len; at += at + 64 < len ? len / 23 : 5) {
        bytes[at] ^= 0x10;
        write_file(file, bytes, len);
        bytes[at] ^= 0x10;
        assert_start(path, false, want);
        assert_start(path, true, want);
    }
    const size_t lengths[] = {0, 1, 39, 40, len / 2, len - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        write_file(file, bytes, lengths[i]);
        assert_start(path, false, want);
        assert_start(path, true, want);
    }
    char *longer = calloc(1, len + 100);
    memcpy(longer + 64, bytes, len);
    write_file(file, longer, len + 64);
    assert_start(path, false, want);
    assert_start(path, true, want);
    free(longer);
    hone_free(bytes);
}

/* Overwrite a byte of the copied model and put its times back. */
static void change_model(size_t at)
{
    struct stat st;
    unsigned char byte;
    const int fd = open(copy, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 0x01;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    const struct timespec times[] = {st.st_atim, st.st_mtim};
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static void a_changed_model_is_packed_again(void **state)
{
    char *bytes;
    size_t len;
    hone_error err;
    float want[N_VOCAB];
    (void)state;
    if (!packs()) return;
    assert_ok(
        hone_file_read(&bytes, &len, data_path("models/llama.gguf"), 1 << 24, &err));
    write_file(copy, bytes, len);
    (void)logits_of(copy, file, 2, want);
    assert_start(copy, true, want);
    /* the last tensor's end is in a panel that is packed again; times and size are as
     * before */
    change_model(len - 1 - 64);
    (void)logits_of(copy, NULL, 2, want);
    assert_start(copy, false, want);
    assert_start(copy, true, want);
    /* the same bytes at another time */
    const struct timespec times[] = {{1000, 0}, {1000, 0}};
    assert_int_equal(utimensat(AT_FDCWD, copy, times, 0), 0);
    assert_start(copy, false, want);
    assert_start(copy, true, want);
    hone_free(bytes);
}

static void a_place_that_cannot_be_written_is_a_warning(void **state)
{
    hone_error err;
    hone_model *m;
    hone_engine *e;
    (void)state;
    if (!packs()) return;
    assert_ok(hone_model_open(&m, data_path("models/llama.gguf"), 0, &err));
    const char *const places[] = {dir, "/proc/no/packed"};
    for (int i = 0; i < 2; i++) {
        const hone_engine_options o = {.packed_file = places[i]};
        assert_ok(hone_engine_new(&e, m, &o, &err));
        const hone_engine_info info = hone_engine_get_info(e);
        assert_false(info.packed_kept);
        assert_non_null(info.packed_warning);
        assert_non_null(strstr(info.packed_warning, places[i]));
        hone_engine_free(e);
    }
    const hone_engine_options o = {.packed_file = file, .kernels = "ref"};
    assert_ok(hone_engine_new(&e, m, &o, &err));
    assert_null(hone_engine_get_info(e).packed_warning);
    assert_false(hone_file_exists(file)); /* there is nothing to keep */
    hone_engine_free(e);
    hone_model_close(m);
}

static void processes_may_write_at_once(void **state)
{
    enum {
        N = 4
    };
    float want[N_VOCAB];
    pid_t child[N];
    (void)state;
    if (!packs()) return;
    (void)logits_of(data_path("models/qwen3.gguf"), NULL, 2, want);
    for (int round = 0; round < 5; round++) {
        unlink(file);
        for (int i = 0; i < N; i++) {
            child[i] = fork();
            assert_true(child[i] >= 0);
            if (child[i] > 0) continue;
            float got[N_VOCAB];
            (void)logits_of(data_path("models/qwen3.gguf"), file, 2, got);
            _exit(memcmp(got, want, sizeof got) != 0);
        }
        for (int i = 0; i < N; i++) {
            int status;
            assert_int_equal(waitpid(child[i], &status, 0), child[i]);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        assert_start(data_path("models/qwen3.gguf"), true, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_start_finds_the_file),
        cmocka_unit_test(a_damaged_file_is_replaced),
        cmocka_unit_test(a_changed_model_is_packed_again),
        cmocka_unit_test(a_place_that_cannot_be_written_is_a_warning),
        cmocka_unit_test(processes_may_write_at_once),
    };
    return cmocka_run_group_tests_name("packed", tests, make_dir, remove_dir);
}
