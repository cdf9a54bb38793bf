/* kinds.h - libmagic: containers that we know and cannot open. */
#ifndef ENGINE_WALK_KINDS_H
#define ENGINE_WALK_KINDS_H

#include "base/buf.h"
#include "base/err.h"

MUST_CHECK int kinds_load(struct err *e); /* before the jail closes */
/* Is this a container that no engine of the site opens?  others: an engine serves that opens more
 * than libarchive does (ClamAV); opened: libarchive found something in it. */
bool kinds_unopened(struct span content, bool others, bool opened);

#endif
