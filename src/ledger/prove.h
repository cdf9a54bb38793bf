/* prove.h - the proof that a leaf of a ledger's folder is in it, as a receipt without openings. */
#ifndef LEDGER_PROVE_H
#define LEDGER_PROVE_H

#include "ledger/tlog_proof.h"

/* Appends a tlog-proof (tlog_proof.h) under the folder's newest checkpoint; its extra data are the
 * leaf (events/receipt_extra.h).  Nothing is verified.  -EINVAL: the checkpoint has no such leaf.
 */
MUST_CHECK int prove_leaf(const char *dir, uint64_t index, struct buf *out, struct err *e);

#endif
