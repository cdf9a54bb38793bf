/* io.h - whole reads, whole writes, whole files.  EINTR is retried everywhere.
 * Errors: negative errno of the call that failed. */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

MUST_CHECK int io_write_all(int fd, const void *p, size_t n);
MUST_CHECK int io_pwrite_all(int fd, const void *p, size_t n, off_t at);
/* Reads exactly n bytes; -EPIPE if the end comes first. */
MUST_CHECK int io_read_full(int fd, void *p, size_t n);
MUST_CHECK int io_pread_full(int fd, void *p, size_t n, off_t at);
/* Reads until end of file; -E2BIG once b's max would be exceeded. */
MUST_CHECK int io_read_fd(int fd, struct buf *b);
/* path is relative to dirfd (AT_FDCWD allowed).  -E2BIG above b->max; -EINVAL if not a regular
 * file. */
MUST_CHECK int io_read_file(int dirfd, const char *path, struct buf *b);
/* The file appears whole or not at all: temporary name in the same folder, fsync, rename over,
 * fsync of the folder.  mode as open(2). An existing file is replaced atomically, and on
 * failure it is still there (on a file system without RENAME_EXCHANGE a failed sync of the folder
 * leaves the new one).  A crash may leave ".tmp-PID-N" in the folder: safe to remove. */
MUST_CHECK int io_replace_file(int dirfd, const char *path, const void *p, size_t n, mode_t mode);
/* As io_replace_file but -EEXIST when the name is taken (link, not rename). */
MUST_CHECK int io_create_file(int dirfd, const char *path, const void *p, size_t n, mode_t mode);
/* Opens what lies beneath dirfd, through no link and no "..", whatever happens there meanwhile:
 * another may write in the folder, and we may be root.  flags and mode as open(2); close-on-exec.
 * The descriptor, or -ELOOP, -EXDEV, or another errno. */
MUST_CHECK int io_open_beneath(int dirfd, const char *path, int flags, mode_t mode);
/* The missing folders of path, as io_mkdirs, by the same rule. */
MUST_CHECK int io_mkdirs_beneath(int dirfd, const char *path);
/* Creates every missing folder of path ("a/b/c": all three) with mode 0755 & ~umask; no sync. */
MUST_CHECK int io_mkdirs(int dirfd, const char *path);
/* Removes a folder and all that is in it, or a file; following no link.  0 too if there is none. */
MUST_CHECK int io_remove_tree(const char *path);
/* The same, and the names of those made survive power loss. */
MUST_CHECK int io_mkdirs_synced(int dirfd, const char *path);
/* One folder, with that mode; 0 if it is there.  If made, its name survives power loss. */
MUST_CHECK int io_mkdir_synced(int dirfd, const char *path, mode_t mode);
MUST_CHECK int io_sync_dir(int dirfd, const char *path);
MUST_CHECK int io_sync_fd(int fd); /* fsync as 0 or -errno */
MUST_CHECK int io_datasync_fd(int fd);
void io_close(int *fd); /* closes if >= 0, sets -1; the first error of the caller stays */

#endif
