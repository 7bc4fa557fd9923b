/* replay.c - runs one fuzzer over the files of its corpus, as an ordinary test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return 1;
    fseek(f, 0, SEEK_END);
    const long size = ftell(f);
    rewind(f);
    uint8_t *data = malloc((size_t)size + 1);
    const int failed = !data || fread(data, 1, (size_t)size, f) != (size_t)size;
    fclose(f);
    if (!failed) {
        (void)LLVMFuzzerTestOneInput(data, (size_t)size);
        /* and every truncation of small ones */
        for (long n = 0; n < size && size < 4096; n++) {
            (void)LLVMFuzzerTestOneInput(data, (size_t)n);
        }
    }
    free(data);
    return failed;
}

int main(int argc, char **argv)
{
    int n = 0;
    DIR *d = argc > 1 ? opendir(argv[1]) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[4096];
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        n++;
        printf("%s %d - replays %s\n", replay(path) ? "not ok" : "ok", n, e->d_name);
    }
    if (d) closedir(d);
    if (n == 0) printf("not ok 1 - a corpus\n");
    printf("1..%d\n", n ? n : 1);
    return 0;
}
