/* root.h - the root file system a build runs in, made of a lock's packages and nothing else. */
#ifndef ASSEMBLER_ROOT_H
#define ASSEMBLER_ROOT_H

#include "assembler/lock.h"
#include "assembler/recipe.h"

/* path becomes the root of this lock beneath work: made without network, or found as an earlier
 * call made it.  The packages were checked (lock_check).  work is a folder that nobody else may
 * write in.  It takes a minute; -ECANCELED once cancel (-1: never) is readable. */
MUST_CHECK int root_make(const struct recipe *r, const struct lock *l, const char *packages,
                         const char *work, int cancel, char path[4096], struct err *e);

#endif
