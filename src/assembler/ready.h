/* ready.h - recipes that nobody has to write: for a Debian source package, and for a tree that is
 * built with make, Meson, CMake or a configure script. */
#ifndef ASSEMBLER_READY_H
#define ASSEMBLER_READY_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

/* The recipe of the source package whose .dsc is dsc in folder.  -EBADMSG: it lacks a field. */
MUST_CHECK int ready_debian(struct buf *out, const char *folder, const char *dsc, struct err *e);

enum ready_system { READY_MESON, READY_CMAKE, READY_CONFIGURE, READY_MAKE, READY_SYSTEMS };
const char *ready_system_word(enum ready_system s); /* "meson" */

struct ready_tree {
    const char *name, *version;
    const char *path; /* an archive or a folder, as the recipe will name it */
    unix_time clock;
};
/* Looks into t->path for what it is built with.  -EINVAL: none of these. */
MUST_CHECK int ready_tree(struct buf *out, const struct ready_tree *t, enum ready_system *system,
                          struct err *e);

#endif
