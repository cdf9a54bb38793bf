/* lock.h - which packages exactly a recipe's toolchain was: the document lock/v1
 * (docs/formats.md).  The packages themselves are kept beside it, by the names it tells: with both
 * a build needs no package archive any more. */
#ifndef ASSEMBLER_LOCK_H
#define ASSEMBLER_LOCK_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#define LOCK_MAX_PACKAGES 20000

struct lock_package {
    char file[256]; /* "gcc-12_12.2.0-14_amd64.deb", as apt names it (":" is %3a) */
    char name[128], version[128], architecture[32];
    uint64_t size;
    struct digest sha256;
    unix_time until; /* its distribution's support ends then; -1: not known (support.h) */
};

struct lock {
    struct digest recipe; /* of the recipe's text */
    struct digest digest; /* of the lock's own text, when parsed */
    char architecture[32];
    struct lock_package *packages;
    size_t n;
};

/* -EINVAL with line and column; -E2BIG; -ENOMEM.  lock_done(out) whatever it answers. */
MUST_CHECK int lock_parse(struct lock *out, const char *name, struct span text, struct err *e);
MUST_CHECK int lock_write(const struct lock *l, struct buf *out);
/* name, version and architecture out of file; -EINVAL: not a package's file name. */
MUST_CHECK int lock_named(struct lock_package *p);
/* Every package is in the folder as the lock has it; -EBADMSG, -ENOENT name the first that is not.
 */
MUST_CHECK int lock_check(const struct lock *l, const char *folder, struct err *e);
void lock_done(struct lock *l);

#endif
