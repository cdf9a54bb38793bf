/* formats.h - libarchive: the members of one container, without going into them. */
#ifndef ENGINE_WALK_FORMATS_H
#define ENGINE_WALK_FORMATS_H

#include "walk.h"

/* Once, before the jail closes: what libarchive loads lazily. */
void formats_warm_up(void);
/* Adds the members of content at `depth`.  true: some format is at home here.  too_deep: nothing is
 * taken out; that there is something is REASON_RECURSION. */
bool formats_open(struct walk *w, struct span content, uint32_t parent, uint32_t depth,
                  bool too_deep);

#endif
