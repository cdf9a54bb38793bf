/* scratch.h - file systems in memory for the children of an engine that needs files.
 *
 * The jail has made one for each child that may run at a time (jail_spec.tmp_parts).  A child has
 * one of them to itself; before the next one gets it, everything in it is gone, however deep or
 * closed a child that was taken over has left it. */
#ifndef ENGINE_SCRATCH_H
#define ENGINE_SCRATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "jail/jail.h"

#define SCRATCH_PATH 24 /* "/tmp/63" */

struct scratch {
    bool taken[JAIL_TMP_PARTS_MAX];
};
/* A free one of the first `parts`: its number and its path.  -EBUSY: there is none. */
MUST_CHECK int scratch_take(struct scratch *s, uint32_t parts, char path[SCRATCH_PATH]);
/* Its child is dead.  0, or what kept it from being emptied: it is not given out again. */
MUST_CHECK int scratch_give_back(struct scratch *s, int part);
/* Removes everything beneath the folder at this path. */
MUST_CHECK int scratch_empty(const char *path);

#endif
