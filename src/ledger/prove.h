/* prove.h - the proof that a leaf of a ledger's folder is in it, as a receipt without openings:
 * written, and read again by somebody who has no ledger. */
#ifndef LEDGER_PROVE_H
#define LEDGER_PROVE_H

#include "events/leaf.h"
#include "ledger/tlog_proof.h"

/* Appends a tlog-proof (tlog_proof.h) under the folder's newest checkpoint; its extra data are the
 * leaf (events/receipt_extra.h).  Nothing is verified.  -EINVAL: the checkpoint has no such leaf.
 */
MUST_CHECK int prove_leaf(const char *dir, uint64_t index, struct buf *out, struct err *e);

/* The same of the newest leaf of that kind with d in field f, if there is one. */
MUST_CHECK int prove_newest(const char *dir, enum leaf_kind kind, enum leaf_field f,
                            const struct digest *d, struct buf *out, bool *found, struct err *e);

/* The leaf that such a proof is of, appended to leaf.  It is verified under policy; without one
 * (NULL) nothing is but the form, and v is left alone.  v->quorum: the checkpoint is cosigned.
 * -EBADMSG. */
MUST_CHECK int prove_read(struct span proof, const struct tlog_policy *policy, struct buf *leaf,
                          uint64_t *index, struct tlog_verdict *v, struct err *e);

#endif
