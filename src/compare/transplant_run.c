/* transplant_run.c - two files on disk make a third.  The child that looks is jailed as all that
 * look are (ask.c); what it answers is held against the files' sizes before it is followed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "compare/transplant.h"
#include "jail/jail.h"
#include "jail/proc.h"

#define NOBODY 65534
#define SECONDS 600u /* of CPU: a sum over a file of some gigabytes */

struct answer {
    struct transplant t;
    char why[120]; /* empty: t is good */
};

struct pair {
    struct span side[2]; /* signed, built */
    mode_t mode;         /* of what was built */
    struct err *e;
};

static int map(struct pair *p, int side, const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), rc = 0;
    struct stat st;
    void *m;

    if (fd < 0)
        return err_sys(p->e, -errno, "reading \"%s\"", path);
    if (fstat(fd, &st) != 0)
        rc = -errno;
    else if (!S_ISREG(st.st_mode))
        rc = -EINVAL;
    else if (st.st_size > 0) {
        m = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (m == MAP_FAILED)
            rc = -errno;
        else
            p->side[side] = span_of(m, (size_t)st.st_size);
        p->mode = 0644 | (st.st_mode & 0111);
    }
    io_close(&fd);
    return rc == 0 ? 0 : err_sys(p->e, rc, "reading \"%s\"", path);
}

static void unmap(struct span *s)
{
    if (s->n > 0)
        (void)munmap((void *)(uintptr_t)s->p, s->n);
    *s = span_of("", 0);
}

/* --- the child --- */

static void child(const struct pair *p, int fd)
{
    const struct jail_spec spec = {.profile = JAIL_READER,
                                   .flags = JAIL_NET | JAIL_IPC | JAIL_EMPTY_ROOT,
                                   .uid = NOBODY,
                                   .gid = NOBODY,
                                   .file_size = sizeof(struct answer),
                                   .address_space = UINT64_C(1) << 40, /* files are mapped */
                                   .cpu_seconds = SECONDS};
    struct err e = ERR_INIT;
    struct answer a;
    const char *why;

    memset(&a, 0, sizeof(a));
    if (jail_close_from(3, &fd, 1) != 0 || jail_enter(&spec, &e) != 0) {
        (void)snprintf(a.why, sizeof(a.why), "%s", e.text);
        (void)!io_write_all(fd, &a, sizeof(a));
        _exit(3);
    }
    if ((why = transplant_plan(&a.t, p->side[0], p->side[1])) != NULL)
        (void)snprintf(a.why, sizeof(a.why), "%s", why);
    _exit(io_write_all(fd, &a, sizeof(a)) == 0 ? 0 : 1);
}

/* What the child was to find: all that was built, and an end of the signed file. */
static bool sane(const struct transplant *t, const struct pair *p)
{
    if ((unsigned)t->format >= TRANSPLANT_FORMATS || t->signatures == 0 || t->zeros > 7 ||
        t->kept != p->side[1].n || t->n == 0 || t->n > TRANSPLANT_MAX || t->n > p->side[0].n ||
        t->at != p->side[0].n - t->n || t->edits > (t->format == TRANSPLANT_PE ? 2 : 0))
        return false;
    for (unsigned i = 0; i < t->edits; i++)
        if (t->edit[i].n > sizeof(t->edit[i].b) || t->edit[i].n > t->kept ||
            t->edit[i].at > t->kept - t->edit[i].n)
            return false;
    return true;
}

static int ask(struct transplant *t, const struct pair *p, const char *name)
{
    int fd = memfd_create("transplant", MFD_CLOEXEC), rc;
    struct proc child_of = PROC_NONE;
    struct proc_last why;
    struct answer a;
    char text[96];

    if (fd < 0)
        return err_sys(p->e, -errno, "transplanting");
    if ((rc = proc_fork(&child_of)) == 1)
        child(p, fd);
    if (rc != 0 || (rc = proc_reap(&child_of, true, &why)) != 0) {
        io_close(&fd);
        return err_sys(p->e, rc, "transplanting");
    }
    rc = io_pread_full(fd, &a, sizeof(a), 0);
    io_close(&fd);
    a.why[sizeof(a.why) - 1] = '\0';
    if (why.end == PROC_EXITED && why.code == 3 && rc == 0)
        return err_set(p->e, -EPERM, "%s", a.why);
    if (why.end != PROC_EXITED || why.code != 0 || rc != 0)
        return err_set(p->e, -EBADMSG, "\"%s\": the look into it ended by force: %s", name,
                       proc_last_text(&why, text));
    if (a.why[0] != '\0')
        return err_set(p->e, -EBADMSG, "\"%s\": %s", name, a.why);
    if (!sane(&a.t, p))
        return err_set(p->e, -EBADMSG, "\"%s\": the look into it gave an answer that is none",
                       name);
    *t = a.t;
    return 0;
}

/* --- the file --- */

static int fill(int fd, const struct transplant *t, const struct pair *p)
{
    static const uint8_t zeros[8];
    int rc;

    if ((rc = io_write_all(fd, p->side[1].p, p->side[1].n)) != 0 ||
        (rc = io_write_all(fd, zeros, (size_t)t->zeros)) != 0 ||
        (rc = io_write_all(fd, p->side[0].p + t->at, (size_t)t->n)) != 0)
        return rc;
    for (unsigned i = 0; rc == 0 && i < t->edits; i++)
        rc = io_pwrite_all(fd, t->edit[i].b, (size_t)t->edit[i].n, (off_t)t->edit[i].at);
    return rc;
}

static int put(const struct transplant *t, const struct pair *p, const char *to)
{
    char part[4096];
    int fd, rc;

    if (snprintf(part, sizeof(part), "%s.part-%d", to, (int)getpid()) >= (int)sizeof(part))
        return err_sys(p->e, -ENAMETOOLONG, "\"%s\"", to);
    fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, p->mode);
    if (fd < 0)
        return err_sys(p->e, -errno, "writing \"%s\"", part);
    rc = fill(fd, t, p);
    io_close(&fd);
    if (rc == 0 && rename(part, to) != 0)
        rc = -errno;
    if (rc != 0)
        (void)unlink(part);
    return rc == 0 ? 0 : err_sys(p->e, rc, "writing \"%s\"", to);
}

/* What lies on the disk now, not what was meant to. */
static int same(bool *identical, struct pair *p, const char *to)
{
    int rc;

    unmap(&p->side[1]);
    if ((rc = map(p, 1, to)) == 0)
        *identical = span_eq(p->side[0], p->side[1]);
    return rc;
}

int transplant_run(struct transplant *t, bool *identical, const char *signed_file,
                   const char *built, const char *to, struct err *e)
{
    struct pair p = {.side = {span_of("", 0), span_of("", 0)}, .mode = 0644, .e = e};
    int rc;

    *identical = false;
    if ((rc = map(&p, 0, signed_file)) == 0 && (rc = map(&p, 1, built)) == 0 &&
        (rc = ask(t, &p, signed_file)) == 0 && (rc = put(t, &p, to)) == 0)
        rc = same(identical, &p, to);
    unmap(&p.side[0]);
    unmap(&p.side[1]);
    return rc;
}
