/* scratch.c - emptying is the part that has an enemy: folders nested beyond the length of any path,
 * folders closed to their own owner, as many of both as there are inodes.  So nothing descends: a
 * folder within a folder is opened to its owner, moved up to the top, and taken in its turn there.
 */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

static void path_of(char out[SCRATCH_PATH], int part)
{
    (void)snprintf(out, SCRATCH_PATH, "/tmp/%d", part);
}

int scratch_take(struct scratch *s, uint32_t parts, char path[SCRATCH_PATH])
{
    for (uint32_t i = 0; i < parts && i < JAIL_TMP_PARTS_MAX; i++)
        if (!s->taken[i]) {
            s->taken[i] = true;
            path_of(path, (int)i);
            return (int)i;
        }
    return -EBUSY;
}

int scratch_give_back(struct scratch *s, int part)
{
    char path[SCRATCH_PATH];
    int rc;

    path_of(path, part);
    rc = scratch_empty(path);
    s->taken[part] = rc != 0;
    return rc;
}

/* --- emptying --- */

struct top {
    const char *path;
    int fd;
    unsigned long moved; /* folders so far: the next one's name */
};

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Opens the folder to its owner; there is no fchmodat in the jail. */
static int make_open(const struct top *t, const char *folder, const char *name)
{
    char path[SCRATCH_PATH + 2 * 256 + 16];

    if (snprintf(path, sizeof(path), "%s/%s%s%s", t->path, folder, folder[0] != '\0' ? "/" : "",
                 name) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    return chmod(path, 0700) == 0 ? 0 : -errno;
}

static int move_up(struct top *t, int from, const char *folder, const char *name)
{
    char to[32];
    int rc = make_open(t, folder, name);

    while (rc == 0) {
        (void)snprintf(to, sizeof(to), "%lu", t->moved++);
        if (renameat(from, name, t->fd, to) == 0)
            return 0;
        if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
            rc = -errno;
    }
    return rc;
}

/* What is in one of the top's folders, and then it. */
static int remove_folder(struct top *t, const char *name)
{
    int fd, rc = make_open(t, "", name);
    struct dirent *en;
    DIR *d;

    if (rc != 0)
        return rc;
    fd = openat(t->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || (d = fdopendir(fd)) == NULL) {
        rc = -errno;
        io_close(&fd);
        return rc;
    }
    while (rc == 0 && (en = readdir(d)) != NULL)
        if (!is_dot(en->d_name) && unlinkat(fd, en->d_name, 0) != 0)
            rc = errno == EISDIR ? move_up(t, fd, name, en->d_name) : -errno;
    (void)closedir(d);
    if (rc == 0 && unlinkat(t->fd, name, AT_REMOVEDIR) != 0 && errno != ENOTEMPTY)
        rc = -errno; /* not empty: names were missed while others went; the next round sees them */
    return rc;
}

static int one_round(struct top *t, bool *any)
{
    int fd = openat(t->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *en;

    *any = false;
    if (d == NULL) {
        rc = -errno;
        io_close(&fd);
        return rc;
    }
    while (rc == 0 && (en = readdir(d)) != NULL) {
        if (is_dot(en->d_name))
            continue;
        *any = true;
        if (unlinkat(t->fd, en->d_name, 0) != 0)
            rc = errno == EISDIR ? remove_folder(t, en->d_name) : -errno;
        if (rc == -ENOENT) /* a name of before a move */
            rc = 0;
    }
    (void)closedir(d);
    return rc;
}

int scratch_empty(const char *path)
{
    struct top t = {.path = path, .fd = -1};
    bool any = true;
    int rc;

    if (chmod(path, 0700) != 0)
        return -errno;
    t.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t.fd < 0)
        return -errno;
    do
        rc = one_round(&t, &any);
    while (rc == 0 && any);
    io_close(&t.fd);
    return rc;
}
