/* wal.c - SQLite's write-ahead log as a file, and syncs that failed.
 *
 * When the sync of a file fails, the kernel says so once and calls the pages clean: the bytes are
 * read as before, no later sync writes them, and the next power cut takes them.  SQLite would try
 * its checkpoint again, the sync would succeed, and a cut in the middle of copying would leave
 * pages of different times.  So the log is written once more, over itself, before it is trusted:
 * when a catalog opens (the failure may have been a former process's), and after a failure. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "catalog/catalog_priv.h"

#define LOG_PAGES 4000 /* of the log before they are moved into the catalog */

static int write_again(int fd)
{
    enum { BLOCK = 1 << 16 };
    uint8_t *b = malloc(BLOCK);
    struct stat st;
    int rc = b == NULL ? -ENOMEM : fstat(fd, &st) != 0 ? -errno : 0;

    for (off_t at = 0; rc == 0 && at < st.st_size; at += BLOCK) {
        size_t n = st.st_size - at < BLOCK ? (size_t)(st.st_size - at) : BLOCK;

        if ((rc = io_pread_full(fd, b, n, at)) == 0)
            rc = io_pwrite_all(fd, b, n, at);
    }
    free(b);
    return rc != 0 ? rc : io_sync_fd(fd);
}

/* SQLite's locks are on other files, so closing a descriptor of this one releases none. */
int catalog_wal_trust(struct catalog *c)
{
    int fd = open(c->wal, O_RDWR | O_CLOEXEC | O_NOFOLLOW), rc;

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    rc = write_again(fd);
    io_close(&fd);
    c->doubtful = rc != 0;
    return rc;
}

int catalog_wal_checkpoint(struct catalog *c, int mode, int *frames, int *moved)
{
    int rc = catalog_connected(c);

    if (rc == 0 && c->doubtful)
        rc = catalog_wal_trust(c);
    if (rc == 0)
        rc = catalog_errno(sqlite3_wal_checkpoint_v2(c->db, NULL, mode, frames, moved));
    c->doubtful = c->doubtful || (rc != 0 && rc != -EBUSY);
    return rc;
}

/* In the place of SQLite's own, which forgets how its checkpoint went. */
static int after_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    if (pages >= LOG_PAGES)
        (void)!catalog_wal_checkpoint(arg, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK;
}

void catalog_wal_watch(struct catalog *c)
{
    (void)sqlite3_wal_hook(c->db, after_commit, c);
}

/* The log's name must be on the disk before anything is committed to it: SQLite syncs the folder
 * too, but once and without asking how it went, and a catalog whose log is lost in the middle of a
 * checkpoint is a mixture of old and new pages. */
int catalog_wal_sync_name(struct catalog *c)
{
    const char *path = c->path, *slash = strrchr(path, '/');
    char *dir = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    int rc = dir == NULL ? -ENOMEM : io_sync_dir(AT_FDCWD, dir);

    free(dir);
    return rc;
}

/* In place, and only then unlinked: truncating first would leave the bytes in free blocks. */
int catalog_wal_wipe(struct catalog *c)
{
    static const uint8_t zeros[65536];
    struct stat st;
    int fd, rc = 0;

    fd = open(c->wal, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(fd, &st) != 0)
        rc = -errno;
    for (off_t at = 0; rc == 0 && at < st.st_size; at += (off_t)sizeof(zeros)) {
        off_t left = st.st_size - at;

        rc = io_pwrite_all(fd, zeros, left < (off_t)sizeof(zeros) ? (size_t)left : sizeof(zeros),
                           at);
    }
    if (rc == 0)
        rc = io_sync_fd(fd);
    if (rc == 0 && unlink(c->wal) != 0)
        rc = -errno;
    io_close(&fd);
    return rc;
}
