/* repository_mirror.c - the plain mirror: the ClamAV databases of the newest release under names
 * without folders, each replaced whole, so that freshclam (DatabaseCustomURL) can take them.  What
 * is there is believed without a signature; clients that can should update by TUF. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "updates/pack.h"
#include "updates/repository_priv.h"

static bool is_database(const char *name)
{
    static const char *const endings[] = {".hdb", ".hsb", ".mdb", ".msb", ".imp",  ".ndb", ".ldb",
                                          ".cdb", ".idb", ".fp",  ".sfp", ".ign2", ".pwdb"};
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot != NULL && i < ARRAY_LEN(endings); i++)
        if (strcmp(dot, endings[i]) == 0)
            return true;
    return false;
}

struct mirror {
    struct repository *r;
    char **name; /* of this release */
    size_t n, room;
};

static int keep(struct mirror *m, const char *name)
{
    if (m->n == m->room) {
        size_t room = m->room == 0 ? 64 : 2 * m->room;
        char **more = reallocarray(m->name, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        m->name = more;
        m->room = room;
    }
    if ((m->name[m->n] = strdup(name)) == NULL)
        return -ENOMEM;
    m->n++;
    return 0;
}

static bool is_kept(const struct mirror *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->name[i], name) == 0)
            return true;
    return false;
}

static int put(void *arg, const char *path, struct span content, struct err *e)
{
    struct mirror *m = arg;
    char name[300], file[320];
    int rc;

    if (!is_database(path))
        return 0;
    (void)snprintf(name, sizeof(name), "%s", path);
    for (char *p = name; *p != '\0'; p++)
        if (*p == '/')
            *p = '-';
    if (is_kept(m, name))
        return err_set(e, -EINVAL,
                       "two files of the release would be \"%s\" on the mirror: rename one", name);
    if ((rc = keep(m, name)) != 0)
        return err_sys(e, rc, "the mirror");
    (void)snprintf(file, sizeof(file), "clamav/%s", name);
    return repository_write(m->r, file, content, e);
}

/* What earlier releases had and this one has not. */
static int sweep(struct mirror *m, struct err *e)
{
    int fd = openat(m->r->fd, "clamav", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *d;

    if (list == NULL) {
        rc = err_sys(e, -errno, "\"%s/clamav\"", m->r->dir);
        io_close(&fd);
        return rc;
    }
    while (rc == 0 && (d = readdir(list)) != NULL)
        if (d->d_name[0] != '.' && !is_kept(m, d->d_name) && unlinkat(fd, d->d_name, 0) != 0 &&
            errno != ENOENT)
            rc = err_sys(e, -errno, "removing \"%s/clamav/%s\"", m->r->dir, d->d_name);
    (void)closedir(list);
    return rc;
}

int repository_mirror(struct repository *r, const struct tuf_metadata *rules, uint64_t serial,
                      unsigned *n, struct err *e)
{
    struct mirror m = {.r = r};
    struct span tar;
    char path[64];
    int rc;

    (void)snprintf(path, sizeof(path), "rules/%" PRIu64 ".tar", serial);
    if ((rc = repository_map(r, rules, path, &tar, e)) == 0 &&
        (rc = pack_each(tar, put, &m, e)) == 0)
        rc = sweep(&m, e);
    *n = (unsigned)m.n;
    repository_unmap(tar);
    for (size_t i = 0; i < m.n; i++)
        free(m.name[i]);
    free(m.name);
    return rc;
}
