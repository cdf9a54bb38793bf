/* receipt_pack.h - many receipts in one file (docs/formats.md, "Pack"): each behind a line
 * "receipt SUB LENGTH".  What a receipt says is looked at by whoever takes it out. */
#ifndef EVENTS_RECEIPT_PACK_H
#define EVENTS_RECEIPT_PACK_H

#include "base/buf.h"
#include "base/err.h"

#define RECEIPT_PACK_MAX ((size_t)16 << 20) /* bytes of a whole pack */

/* Appends one. */
MUST_CHECK int receipt_pack_put(struct buf *out, const struct id128 *sub, struct span receipt);
/* Is it a pack, not a receipt?  (By its first word.) */
bool receipt_pack_is(struct span text);
/* Takes the next one out; it points into the text.  -ENOENT: that was all.  -EBADMSG: what follows
 * is no receipt. */
MUST_CHECK int receipt_pack_next(struct cur *c, struct id128 *sub, struct span *receipt,
                                 struct err *e);

#endif
