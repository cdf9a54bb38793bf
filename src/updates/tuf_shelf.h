/* tuf_shelf.h - the folder that targets are put into.  A target's bytes go to a temporary file in
 * it, and get their name only when length and hashes are the announced ones; whatever happens, what
 * stands under a name is the old target or the new one.  Several processes may use one folder.
 *
 * have -> (nothing to do) | begin -> take* -> commit; or drop at any time. */
#ifndef UPDATES_TUF_SHELF_H
#define UPDATES_TUF_SHELF_H

#include "updates/tuf_metadata.h"

struct tuf_shelf;

/* Makes the folder if it is missing; removes what killed processes left half written. */
MUST_CHECK int tuf_shelf_open(struct tuf_shelf **out, const char *dir, struct err *e);
void tuf_shelf_close(struct tuf_shelf *s); /* drops; NULL is fine */

/* The file in the folder for a target of that path (tuf_name_file).  -E2BIG: too long a name. */
MUST_CHECK int tuf_shelf_name(struct buf *b, const char *path, struct err *e);

/* *have: the target's file is there, with f's length and hashes. */
MUST_CHECK int tuf_shelf_have(struct tuf_shelf *s, const struct tuf_file *f, bool *have,
                              struct err *e);
/* f is lent until commit or drop. */
MUST_CHECK int tuf_shelf_begin(struct tuf_shelf *s, const struct tuf_file *f, struct err *e);
/* The next bytes; -E2BIG beyond f's length.  arg is the shelf (a sink of tuf_fetch). */
MUST_CHECK int tuf_shelf_take(const void *p, size_t n, void *arg);
/* -EBADMSG: not the length or hash that f announces; nothing has changed then. */
MUST_CHECK int tuf_shelf_commit(struct tuf_shelf *s, struct err *e);
void tuf_shelf_drop(struct tuf_shelf *s);

#endif
