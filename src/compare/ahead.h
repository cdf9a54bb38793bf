/* ahead.h - a source read in pieces, where it may be by a thread that is ahead of its reader: so
 * both sides of a pair are expanded at the same time, one a core, while a third compares.
 *
 * The source is asked for pieces of one size, whatever the reader asks for and whether there is a
 * thread: some decoders lose what they wrote before damage in the same call, and what is said must
 * not depend on that.  The source's own state is the thread's until ahead_end, and may then be
 * further than the reader was.  How far is bounded: room bytes; of these, what was used last is
 * used first, so that as long as the reader keeps up all of it stays in the cache. */
#ifndef COMPARE_AHEAD_H
#define COMPARE_AHEAD_H

#include "compare/look.h"

#define AHEAD_LEAST (UINT32_C(1) << 20)
#define AHEAD_MOST (UINT32_C(16) << 20)

struct ahead;

/* from is lent until the end.  With less room than AHEAD_LEAST, or where no thread is to be had, it
 * is read when the reader asks. */
MUST_CHECK int ahead_start(struct ahead **out, struct look_source *from, size_t room);
struct look_source *ahead_source(struct ahead *a); /* lent */
/* Ends the thread.  Whether the reader met the source's failure; NULL is fine. */
bool ahead_end(struct ahead *a);

#endif
