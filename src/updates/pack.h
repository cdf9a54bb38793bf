/* pack.h - a rule release as one file: a tar archive (ustar, IEEE Std 1003.1-1988) that has one
 * spelling only, so that whoever has the sources makes the same bytes.  docs/formats.md, "Packed
 * release".
 *
 * Regular files alone, ascending by the bytes of their names as in the release's digest; mode 0644,
 * owner and group 0 without names, time 0; two blocks of zeros end it, and nothing follows. */
#ifndef UPDATES_PACK_H
#define UPDATES_PACK_H

#include "base/buf.h"
#include "base/err.h"
#include "detect/release.h"

/* Of a whole archive: the contents, and for each file a header and padding. */
#define PACK_BYTES_MAX (RELEASE_BYTES_MAX + RELEASE_FILES_MAX * UINT64_C(1024) + 1024)

/* Writes the archive to fd.  -E2BIG: a name that ustar cannot hold (a part of more than 100 bytes);
 * -ENOSPC and others of the file system. */
MUST_CHECK int pack_write(const struct release *r, int fd, struct err *e);

/* Calls each for every file of an archive, in order; what it returns other than 0 ends it and is
 * returned.  -EBADMSG: not what pack_write writes, to the byte (files before that were given);
 * -E2BIG: more than a release may be. */
MUST_CHECK int pack_each(struct span tar,
                         int (*each)(void *arg, const char *name, struct span content,
                                     struct err *e),
                         void *arg, struct err *e);
/* Puts the files of an archive into the folder dir (a descriptor), which is empty; they are synced.
 * Errors as pack_each. */
MUST_CHECK int pack_read(struct span tar, int dir, struct err *e);

#endif
