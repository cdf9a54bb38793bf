/* ledger.h - the one writer of a ledger's folder.
 *
 * The tree is derived: the caller's journal is the truth, and after a crash it replays the leaves
 * from ledger_size() on.  Order: open, replay, then append ... flush ... (sign and cosign the root)
 * ... publish, close.
 *
 *   append   in memory; full tiles and bundles are written as they fill, not yet synced
 *   flush    writes the partial tiles of the current size, syncs all that is new, then records the
 *            size in `.edge` (two slots with a checksum); from here on the size survives
 *   publish  writes checkpoints/<size>, then `checkpoint`; the size must be a flushed one
 *
 * After kill -9 or power loss at any point, open finds a size that was flushed, not smaller than
 * the published one, and verifies the right edge's tiles and leaves against the recorded root.  A
 * tile that a published checkpoint covers is never written again; partial tiles stay until their
 * full tile is durable.  An error of append, flush or publish that may have touched the disk stops
 * the writer: each later call returns -EIO; close, repair what the message names, and open again.
 *
 * Errors: -EBADMSG the folder contradicts itself (file and cure are named), -EBUSY another writer
 * has the folder, the environment's errno else.  Threads: one at a time. */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include "ledger/tlog_tiles.h"

struct ledger;

/* Creates the folder if it is missing; takes a lock for as long as it is open. */
MUST_CHECK int ledger_open(struct ledger **out, const char *dir, struct err *e);
void ledger_close(struct ledger *l); /* forgets what was not flushed; NULL is fine */

uint64_t ledger_size(const struct ledger *l);      /* with what is only in memory */
uint64_t ledger_flushed(const struct ledger *l);   /* durable */
uint64_t ledger_published(const struct ledger *l); /* 0 if none; see ledger_has_checkpoint */
bool ledger_has_checkpoint(const struct ledger *l);
void ledger_root(const struct ledger *l, struct digest *out); /* of ledger_size() */

/* Appends leaves of 0 to CORE_LEAF_MAX bytes.  -E2BIG for a longer one: none is appended. */
MUST_CHECK int ledger_append(struct ledger *l, const struct span *leaves, size_t n, struct err *e);
/* Makes everything appended durable.  Cheap when nothing is new. */
MUST_CHECK int ledger_flush(struct ledger *l, struct err *e);
/* Proofs between any sizes up to ledger_size(), flushed or not; no sync.  What was proved for a
 * size that is lost in a crash before its flush is proved again when the caller has replayed its
 * leaves. */
MUST_CHECK int ledger_consistency(struct ledger *l, uint64_t old_size, uint64_t size,
                                  struct digest path[CORE_PROOF_MAX], size_t *n, struct err *e);
MUST_CHECK int ledger_inclusion(struct ledger *l, uint64_t index, uint64_t size,
                                struct digest path[CORE_PROOF_MAX], size_t *n, struct err *e);
/* Appends the bytes of a leaf, flushed or not. */
MUST_CHECK int ledger_leaf(struct ledger *l, uint64_t index, struct buf *out, struct err *e);
/* Publishes a checkpoint with its cosignatures.  The note's size must be flushed and larger than
 * the published one, and its root that of the tiles (-EINVAL, nothing written).  The signatures are
 * the caller's business.  The same size and root again is allowed: more cosignatures replace it. */
MUST_CHECK int ledger_publish(struct ledger *l, struct span note, struct err *e);
/* Stores artifact/sha256/<hex of its digest>, durable and read back; the same bytes again do
 * nothing. digest may be NULL. */
MUST_CHECK int ledger_put_artifact(struct ledger *l, struct span bytes, struct digest *digest,
                                   struct err *e);

#endif
