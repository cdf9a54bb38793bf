/* release_proof.h - that a rule release stands in a ledger which witnesses have seen: the leaf
 * release.published and its inclusion proof (ledger/prove.h), which goes with the release to every
 * client. */
#ifndef UPDATES_RELEASE_PROOF_H
#define UPDATES_RELEASE_PROOF_H

#include "base/clock.h"
#include "ledger/tlog_proof.h"

struct release_leaf {
    uint64_t serial, index; /* of the release; of the leaf */
    struct digest tree;
    bool enforce, urgent;
    unix_time time;
    char site[17];
};

/* Appends the proof of the newest leaf in the ledger at dir that releases tree.  -ENOENT: none
 * does. */
MUST_CHECK int release_proof_make(struct buf *out, const char *dir, const struct digest *tree,
                                  struct err *e);
/* Reads a proof and verifies it: by a log of policy, under a checkpoint that its quorum has
 * cosigned.  -EAGAIN: not cosigned (yet); -EBADMSG: does not verify, or is of another leaf. */
MUST_CHECK int release_proof_check(struct release_leaf *out, struct span proof,
                                   const struct tlog_policy *policy, struct err *e);

#endif
