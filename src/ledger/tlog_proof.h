/* tlog_proof.h - a proof that one leaf is in a log, checkable offline (C2SP tlog-proof@v1): the
 * shape of a receipt.  The extra data are opaque here and not authenticated: whoever reads them
 * must tie them to the leaf. */
#ifndef LEDGER_TLOG_PROOF_H
#define LEDGER_TLOG_PROOF_H

#include "ledger/tlog_policy.h"

#define TLOG_PROOF_MAX (512 * 1024) /* bytes of a whole proof */

/* Appends a proof.  extra.n 0: no extra line.  checkpoint: the note, verbatim. */
MUST_CHECK int tlog_proof_format(struct buf *out, struct span extra, uint64_t index,
                                 const struct digest *path, size_t n, struct span checkpoint,
                                 struct err *e);
/* Parses without verifying anything; the result points into text. */
MUST_CHECK int tlog_proof_parse(struct core_proof *out, struct span text, struct err *e);
/* Appends the decoded extra data (nothing if there is no extra line). */
MUST_CHECK int tlog_proof_extra(struct buf *out, const struct core_proof *p, struct err *e);

/* Verifies the checkpoint under the policy and the inclusion of the leaf with this hash.
 * 0: verified; v->quorum false means pending, true final.  -EBADMSG: does not verify. */
MUST_CHECK int tlog_proof_verify(struct tlog_verdict *v, const struct core_proof *p,
                                 const struct tlog_policy *policy, const struct digest *leaf_hash,
                                 struct err *e);

/* The same for many proofs under few checkpoints, such as the receipts of one group: whoever brings
 * the very bytes of the checkpoint that was verified last need not have it verified again.  One
 * memo serves one policy; zeroed it is empty. */
struct tlog_proof_memo {
    struct buf note; /* the checkpoint that verified last */
    struct tlog_verdict verdict;
};
void tlog_proof_memo_done(struct tlog_proof_memo *m);
MUST_CHECK int tlog_proof_verify_again(struct tlog_verdict *v, struct tlog_proof_memo *m,
                                       const struct core_proof *p, const struct tlog_policy *policy,
                                       const struct digest *leaf_hash, struct err *e);

#endif
