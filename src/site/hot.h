/* hot.h - verdicts for who asks with a hash alone: the digests of the hash sets that serve, in a
 * sealed piece of memory that the keeper makes and the front reads.  Whoever has taken over the
 * front can read it and change nothing.
 *
 *   keeper: hot_make(&fd, ...), to the front     front: hot_open(&h, fd, e), hot_find(h, ...)
 *
 * Host order: both ends are one build on one machine (proto.h). */
#ifndef SITE_HOT_H
#define SITE_HOT_H

#include "base/err.h"
#include "detect/hashset.h"

/* *fd is the caller's, read-only for ever.  h NULL: nothing is known. */
MUST_CHECK int hot_make(int *fd, const struct hashset *h, const struct digest *release,
                        struct err *e);

struct hot;
/* Takes fd, also on failure.  -EPROTO: not sealed, or not what hot_make makes. */
MUST_CHECK int hot_open(struct hot **out, int fd, struct err *e);
void hot_close(struct hot *h); /* NULL is fine */
bool hot_find(const struct hot *h, const struct digest *d);
const struct digest *hot_release(const struct hot *h); /* whose hash sets they are; lent */

#endif
