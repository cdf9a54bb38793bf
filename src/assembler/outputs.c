#include "assembler/outputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assembler/files.h"
#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"

#define MAX_DEPTH 64
#define MAX_SEEN 5000000

struct take {
    struct outputs *out;
    const struct recipe *r;
    bool *used; /* of each glob */
    const char *to;
    uint64_t left; /* bytes */
    uint64_t seen;
    struct err *e;
};

static bool shown(const char *name)
{
    struct span s = span_str(name);
    uint32_t code;
    size_t n;

    for (; s.n > 0; s.p += n, s.n -= n)
        if ((n = text_utf8_next(s, &code)) == 0 || text_is_control(code) || code == '"' ||
            code == '\\')
            return false;
    return true;
}

/* fnmatch(3) by path; "FOLDER/" and two stars is all that is beneath it. */
static bool matches(const char *glob, const char *path)
{
    size_t n = strlen(glob);

    if (n > 3 && strcmp(glob + n - 3, "/**") == 0)
        return strncmp(glob, path, n - 2) == 0;
    return fnmatch(glob, path, FNM_PATHNAME | FNM_PERIOD) == 0;
}

static bool wanted(struct take *t, const char *path)
{
    bool any = false;

    for (size_t i = 0; i < t->r->noutputs; i++)
        if (matches(t->r->outputs[i], path))
            any = t->used[i] = true;
    return any;
}

static int add(struct take *t, const char *path, const struct digest *d, uint64_t size)
{
    struct outputs *o = t->out;
    struct output *v;

    if (o->n >= OUTPUTS_MAX)
        return err_set(t->e, -E2BIG, "more than %d outputs", OUTPUTS_MAX);
    if ((o->n & (o->n - 1)) == 0) {
        if ((v = realloc(o->v, (o->n == 0 ? 1 : 2 * o->n) * sizeof(*v))) == NULL)
            return -ENOMEM;
        o->v = v;
    }
    o->v[o->n] = (struct output){strdup(path), *d, size};
    return o->v[o->n].path == NULL ? -ENOMEM : (o->n++, 0);
}

static int copy(struct take *t, int fd, const char *path, mode_t mode)
{
    char to[8192], folder[8192];
    struct digest d;
    uint64_t size;
    int made, rc;

    if (snprintf(to, sizeof(to), "%s/%s", t->to, path) >= (int)sizeof(to))
        return err_set(t->e, -E2BIG, "\"%s\" is too long", path);
    files_path(folder, sizeof(folder), "%s", to);
    *strrchr(folder, '/') = '\0';
    if ((rc = io_mkdirs(AT_FDCWD, folder)) != 0)
        return err_sys(t->e, rc, "\"%s\"", folder);
    made = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode & 0111) != 0 ? 0755 : 0644);
    rc = made < 0 ? -errno : files_stream(fd, made, t->left, &d, &size);
    if (rc != 0) {
        (void)err_sys(t->e, rc, "the output \"%s\"", path);
    } else {
        t->left -= size;
        rc = add(t, path, &d, size);
    }
    io_close(&made);
    return rc;
}

static int look(struct take *t, int dir, const char *at, unsigned depth);

static int entry(struct take *t, int dir, const char *name, const char *path, unsigned depth)
{
    struct stat st;
    int fd, rc;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(t->e, -errno, "\"%s\"", path);
    if (S_ISDIR(st.st_mode)) {
        fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? 0 : look(t, fd, path, depth + 1);
    }
    if (!wanted(t, path))
        return 0;
    if (!S_ISREG(st.st_mode))
        return err_set(t->e, -EBADMSG, "the output \"%s\" is not a regular file", path);
    if (!shown(path))
        return err_set(t->e, -EBADMSG, "an output's name cannot be shown: \"%s\"", path);
    if ((fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) < 0)
        return err_sys(t->e, -errno, "the output \"%s\"", path);
    rc = copy(t, fd, path, st.st_mode);
    io_close(&fd);
    return rc;
}

/* Takes dir over. */
static int look(struct take *t, int dir, const char *at, unsigned depth)
{
    struct dirent *d;
    char path[4096];
    DIR *open_dir;
    int rc = 0;

    if (depth > MAX_DEPTH || (open_dir = fdopendir(dir)) == NULL) {
        (void)close(dir);
        return err_set(t->e, -E2BIG, "\"%s\" is deeper than %d folders", at, MAX_DEPTH);
    }
    while (rc == 0 && (d = readdir(open_dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (++t->seen > MAX_SEEN)
            rc = err_set(t->e, -E2BIG, "more than %d files in the build folder", MAX_SEEN);
        else if (snprintf(path, sizeof(path), "%s%s%s", at, at[0] == '\0' ? "" : "/", d->d_name) <
                 (int)sizeof(path))
            rc = entry(t, dirfd(open_dir), d->d_name, path, depth);
    }
    (void)closedir(open_dir);
    return rc;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct output *)a)->path, ((const struct output *)b)->path);
}

int outputs_take(struct outputs *out, const struct recipe *r, int folder, const char *base,
                 const char *to, struct err *e)
{
    const char *below = base + strlen("/build");
    struct take t = {.out = out, .r = r, .to = to, .left = r->limits.disk, .e = e};
    int dir, rc;

    memset(out, 0, sizeof(*out));
    if ((t.used = calloc(r->noutputs, sizeof(*t.used))) == NULL)
        return -ENOMEM;
    dir = io_open_beneath(folder, *below == '\0' ? "." : below + 1, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0)
        rc = err_sys(e, dir, "the build folder \"%s\"", base);
    else if ((rc = io_mkdirs(AT_FDCWD, to)) != 0)
        (void)err_sys(e, rc, "\"%s\"", to);
    else
        rc = look(&t, dir, "", 0);
    for (size_t i = 0; rc == 0 && i < r->noutputs; i++)
        if (!t.used[i])
            rc = err_set(e, -EBADMSG, "the build made no output \"%s\"", r->outputs[i]);
    if (rc == 0)
        qsort(out->v, out->n, sizeof(*out->v), by_path);
    free(t.used);
    return rc;
}

bool outputs_equal(const struct outputs *a, const struct outputs *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (strcmp(a->v[i].path, b->v[i].path) != 0 || !digest_eq(&a->v[i].sha256, &b->v[i].sha256))
            return false;
    return a->n == b->n;
}

void outputs_done(struct outputs *o)
{
    for (size_t i = 0; i < o->n; i++)
        free(o->v[i].path);
    free(o->v);
    memset(o, 0, sizeof(*o));
}
