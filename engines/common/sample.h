/* sample.h - a zip archive of one compressed member, made by hand: what an engine must find its
 * canary in before it serves.  The member's bytes are nowhere in the archive as they are. */
#ifndef ENGINE_SAMPLE_H
#define ENGINE_SAMPLE_H

#include "base/buf.h"

/* Appends the archive to b.  text: ASCII, at most 4096 bytes. */
MUST_CHECK int sample_zip(struct buf *b, const char *name, struct span text);

#endif
