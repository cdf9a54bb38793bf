#include "assembler/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "jail/proc.h"

#define MAX_DEPTH 64
#define LAST_WORDS 300

void files_path(char *out, size_t n, const char *form, ...)
{
    va_list ap;
    int len;

    va_start(ap, form);
    len = vsnprintf(out, n, form, ap);
    va_end(ap);
    if (len < 0 || (size_t)len >= n)
        out[0] = '\0';
}

int files_stream(int fd, int to, uint64_t most, struct digest *out, uint64_t *size)
{
    static const size_t piece = 65536;
    struct sha256 *h = sha256_new();
    uint8_t *p = malloc(piece);
    int rc = h == NULL || p == NULL ? -ENOMEM : 0;
    ssize_t n = 1;

    *size = 0;
    while (rc == 0 && n != 0) {
        if ((n = read(fd, p, piece)) < 0) {
            rc = errno == EINTR ? 0 : -errno;
            continue;
        }
        sha256_add(h, p, (size_t)n);
        if ((*size += (uint64_t)n) > most)
            rc = -E2BIG;
        else if (to >= 0)
            rc = io_write_all(to, p, (size_t)n);
    }
    if (rc == 0)
        sha256_end(h, out);
    sha256_free(h);
    free(p);
    return rc;
}

static int open_regular(const char *path, int *fd, struct stat *st, struct err *e)
{
    if ((*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) < 0 ||
        fstat(*fd, st) != 0)
        return err_sys(e, -errno, "\"%s\"", path);
    return S_ISREG(st->st_mode) ? 0 : err_set(e, -EINVAL, "\"%s\" is not a file", path);
}

int files_digest(const char *path, struct digest *out, uint64_t *size, struct err *e)
{
    struct stat st;
    int fd = -1, rc;

    if ((rc = open_regular(path, &fd, &st, e)) == 0 &&
        (rc = files_stream(fd, -1, UINT64_MAX, out, size)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", path);
    io_close(&fd);
    return rc;
}

int files_copy(const char *from, const char *to, struct digest *out, struct err *e)
{
    int fd = -1, made = -1, rc;
    struct stat st;
    uint64_t size;

    if ((rc = open_regular(from, &fd, &st, e)) == 0) {
        made = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (st.st_mode & 0111) | 0644);
        rc = made < 0 ? -errno : files_stream(fd, made, UINT64_MAX, out, &size);
        if (rc != 0)
            (void)err_sys(e, rc, "copying \"%s\" to \"%s\"", from, to);
    }
    io_close(&fd);
    io_close(&made);
    return rc;
}

/* One walk over a folder: lines of its digest. */
struct walk {
    const char *top, *copy;
    unix_time clock;
    struct buf lines;
    struct err *e;
};

static int line(struct walk *w, char mode, const struct digest *d, const char *path)
{
    char hex[65];

    text_digest(hex, d);
    if (strchr(path, '\n') != NULL)
        return err_set(w->e, -EINVAL, "\"%s\" has a line feed in its name", path);
    return buf_printf(&w->lines, "%c %s %s\n", mode, hex, path);
}

static int settle(struct walk *w, const char *path)
{
    struct timespec t[2] = {{w->clock, 0}, {w->clock, 0}};

    return utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW) == 0
               ? 0
               : err_sys(w->e, -errno, "\"%s\"", path);
}

static int one_link(struct walk *w, const char *from, const char *to, const char *path)
{
    char target[4096];
    ssize_t n = readlink(from, target, sizeof(target) - 1);
    struct digest d;

    if (n < 0)
        return err_sys(w->e, -errno, "\"%s\"", from);
    target[n] = '\0';
    sha256_of(target, (size_t)n, &d);
    if (to != NULL && symlink(target, to) != 0)
        return err_sys(w->e, -errno, "\"%s\"", to);
    return line(w, 'l', &d, path);
}

static int one_file(struct walk *w, const char *from, const char *to, const char *path, mode_t mode)
{
    struct digest d;
    uint64_t size;
    int rc = to == NULL ? files_digest(from, &d, &size, w->e) : files_copy(from, to, &d, w->e);

    if (rc == 0 && to != NULL && chmod(to, (mode & 0111) != 0 ? 0755 : 0644) != 0)
        rc = err_sys(w->e, -errno, "\"%s\"", to);
    return rc != 0 ? rc : line(w, (mode & 0111) != 0 ? 'x' : '-', &d, path);
}

static int walk_folder(struct walk *w, const char *path, unsigned depth);

static int walk_entry(struct walk *w, const char *path, unsigned depth)
{
    char from[4096], to[4096];
    bool copy = w->copy != NULL;
    struct stat st;
    int rc;

    if (snprintf(from, sizeof(from), "%s/%s", w->top, path) >= (int)sizeof(from) ||
        snprintf(to, sizeof(to), "%s/%s", copy ? w->copy : "", path) >= (int)sizeof(to))
        return err_set(w->e, -E2BIG, "\"%s\" is too deep", path);
    if (lstat(from, &st) != 0)
        return err_sys(w->e, -errno, "\"%s\"", from);
    if (S_ISDIR(st.st_mode)) {
        if (copy && mkdir(to, 0755) != 0)
            return err_sys(w->e, -errno, "\"%s\"", to);
        rc = walk_folder(w, path, depth + 1);
    } else if (S_ISLNK(st.st_mode)) {
        rc = one_link(w, from, copy ? to : NULL, path);
    } else if (S_ISREG(st.st_mode)) {
        rc = one_file(w, from, copy ? to : NULL, path, st.st_mode);
    } else {
        rc = err_set(w->e, -EINVAL, "\"%s\" is neither a file nor a folder", from);
    }
    return rc == 0 && copy ? settle(w, to) : rc;
}

static int no_dots(const struct dirent *d)
{
    return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk_folder(struct walk *w, const char *path, unsigned depth)
{
    struct dirent **entry = NULL;
    char at[4096];
    int n, rc = 0;

    if (depth > MAX_DEPTH)
        return err_set(w->e, -E2BIG, "\"%s\" is deeper than %d folders", path, MAX_DEPTH);
    (void)snprintf(at, sizeof(at), "%s/%s", w->top, path);
    if ((n = scandir(at, &entry, no_dots, by_bytes)) < 0)
        return err_sys(w->e, -errno, "\"%s\"", at);
    for (int i = 0; i < n; i++) {
        if (rc == 0 && !(path[0] == '\0' && strcmp(entry[i]->d_name, ".git") == 0)) {
            if (snprintf(at, sizeof(at), "%s%s%s", path, path[0] == '\0' ? "" : "/",
                         entry[i]->d_name) >= (int)sizeof(at))
                rc = err_set(w->e, -E2BIG, "\"%s\" is too deep", path);
            else
                rc = walk_entry(w, at, depth);
        }
        free(entry[i]);
    }
    free(entry);
    return rc;
}

int files_tree(const char *path, const char *copy_to, unix_time clock, struct digest *out,
               struct err *e)
{
    struct walk w = {.top = path, .copy = copy_to, .clock = clock < 0 ? 0 : clock, .e = e};
    int rc = 0;

    buf_init(&w.lines, (size_t)1 << 28);
    if (copy_to != NULL && mkdir(copy_to, 0755) != 0)
        rc = err_sys(e, -errno, "\"%s\"", copy_to);
    if (rc == 0 && (rc = walk_folder(&w, "", 0)) == 0) {
        sha256_of(w.lines.data, w.lines.len, out);
        rc = copy_to != NULL ? settle(&w, copy_to) : 0;
    }
    buf_free(&w.lines);
    return rc;
}

int files_tool(const char *name, char out[64], struct err *e)
{
    static const char *const folders[] = {"/usr/bin", "/usr/sbin", "/bin", "/sbin",
                                          "/usr/local/bin"};

    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        if (snprintf(out, 64, "%s/%s", folders[i], name) < 64 && access(out, X_OK) == 0)
            return 0;
    return err_set(e, -ENOENT,
                   "\"%s\" is not installed here (Debian: apt-get install mmdebstrap bubblewrap "
                   "apt dpkg util-linux git, as needed)",
                   name);
}

/* The end of what a program said on its standard error, one line. */
static const char *last_words(struct buf *said)
{
    static const char none[] = "it said nothing";
    char *s, *nl;

    while (said->len > 0 && said->data[said->len - 1] == '\n')
        said->len--;
    if (said->len == 0 || buf_str(said) == NULL)
        return none;
    s = (char *)said->data + (said->len > LAST_WORDS ? said->len - LAST_WORDS : 0);
    nl = strrchr(s, '\n');
    return nl != NULL ? nl + 1 : s;
}

static int anonymous(void)
{
    return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static int slurp(int fd, struct buf *out)
{
    return lseek(fd, 0, SEEK_SET) != 0 ? -errno : io_read_fd(fd, out);
}

/* Waits for p, or for cancel. */
static int await(struct proc *p, int cancel, struct proc_last *last)
{
    struct pollfd fds[] = {{p->pidfd, POLLIN, 0}, {cancel, POLLIN, 0}};

    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return -errno;
    if (fds[0].revents != 0)
        return proc_reap(p, true, last);
    proc_end_now(p);
    return -ECANCELED;
}

int files_run(const char *const *argv, struct buf *out, struct err *e)
{
    return files_run_until(-1, argv, out, e);
}

int files_run_until(int cancel, const char *const *argv, struct buf *out, struct err *e)
{
    int said = anonymous(), wrote = anonymous(), rc;
    struct proc_fd fds[2] = {{wrote, 1}, {said, 2}};
    struct proc_last last;
    struct proc p = PROC_NONE;
    struct buf words;
    char path[64], how[96];
    struct proc_spec s = {
        .path = path, .argv = argv, .fds = fds, .nfds = 2, .death_signal = SIGKILL};

    buf_init(&words, (size_t)1 << 22);
    s.envp = (const char *const *)environ;
    if (said < 0 || wrote < 0)
        rc = err_sys(e, -errno, "a file in /tmp");
    else if ((rc = files_tool(argv[0], path, e)) == 0 && (rc = proc_spawn(&p, &s, e)) == 0) {
        if ((rc = await(&p, cancel, &last)) != 0)
            (void)err_set(e, rc, rc == -ECANCELED ? "cancelled" : "waiting for a program");
        else if (last.end != PROC_EXITED || last.code != 0)
            rc = slurp(said, &words) != 0 ? -EIO
                                          : err_set(e, -EIO, "%s: %s: %s", argv[0],
                                                    proc_last_text(&last, how), last_words(&words));
        else if (out != NULL && (rc = slurp(wrote, out)) != 0)
            (void)err_sys(e, rc, "what %s said", argv[0]);
    }
    io_close(&said);
    io_close(&wrote);
    buf_free(&words);
    return rc;
}

int files_remove(const char *path, struct err *e)
{
    int rc = io_remove_tree(path);

    for (int i = 0; i < 50 && (rc == -ENOTEMPTY || rc == -EBUSY); i++) {
        (void)usleep(100000);
        rc = io_remove_tree(path);
    }
    return rc == 0 ? 0 : err_sys(e, rc, "\"%s\" could not be removed", path);
}
