/* resolve.h - which packages a toolchain is today, by apt of this machine and the package sources
 * it is configured for, in a state of its own: nothing that is installed here plays a part. */
#ifndef ASSEMBLER_RESOLVE_H
#define ASSEMBLER_RESOLVE_H

#include "assembler/lock.h"
#include "assembler/recipe.h"

/* Fetches into folder (made if missing) what r's toolchain needs and is not there yet, and fills
 * l.  -ENOENT: no such package, no apt; -EIO: apt's last words in e. */
MUST_CHECK int resolve_toolchain(struct lock *l, const struct recipe *r, const char *folder,
                                 struct err *e);
/* Fetches the source package NAME=VERSION (or NAME) into folder; *dsc is its .dsc's name there. */
MUST_CHECK int resolve_source(const char *package, const char *folder, char dsc[256],
                              struct err *e);

#endif
