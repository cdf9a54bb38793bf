/* delta.h - compression of packed releases, and of the difference between two (Zstandard, RFC 8878;
 * a difference is what `zstd --patch-from` writes: a frame with the old file as its prefix).
 *
 * Neither is trusted: whoever expands one checks the result's hash.  The result's size is known
 * before, so nothing is ever larger than announced.  One call, no state, any thread. */
#ifndef UPDATES_DELTA_H
#define UPDATES_DELTA_H

#include "base/buf.h"
#include "base/err.h"

#define DELTA_LEVEL 19

/* Appends a frame that expands to `to`; from.n 0: of itself, else with from as the prefix.  -E2BIG
 * beyond out's max. */
MUST_CHECK int delta_make(struct buf *out, struct span from, struct span to, struct err *e);
/* Expands frame into exactly n bytes at to.  -EBADMSG: it is no such frame, or yields more or fewer
 * bytes; -ENOMEM. */
MUST_CHECK int delta_apply(void *to, size_t n, struct span from, struct span frame, struct err *e);

#endif
