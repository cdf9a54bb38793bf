/* manifest.h - the list of a backup (backup.h has the format): written, and read as bytes that
 * anybody may have changed.
 *
 *   backup/v1
 *   site NAME
 *   epoch N
 *   leaves N
 *   SHA-256 PATH      one a file; the paths a backup has, and no other */
#ifndef SITE_MANIFEST_H
#define SITE_MANIFEST_H

#include "base/buf.h"
#include "base/err.h"

#define MANIFEST_NAME_MAX 120

struct manifest {
    char site[17];
    uint64_t epoch, leaves;
    struct cur rest; /* the lines that manifest_next has not taken; lent from the text */
};
struct manifest_file {
    struct digest sha256;
    char name[MANIFEST_NAME_MAX + 1]; /* below the backup's files/, and the data folder */
};

MUST_CHECK int manifest_put_head(struct buf *out, const char *site, uint64_t epoch,
                                 uint64_t leaves);
/* -EINVAL: no path of a backup. */
MUST_CHECK int manifest_put_file(struct buf *out, const struct digest *sha256, const char *name);

/* -EBADMSG with a sentence for anything the two above do not write. */
MUST_CHECK int manifest_read(struct manifest *m, struct span text, struct err *e);
/* 1: the next file; 0: there is no further one. */
MUST_CHECK int manifest_next(struct manifest *m, struct manifest_file *out, struct err *e);

#endif
