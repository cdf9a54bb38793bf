/* product_proof.h - that a product stands in a ledger which witnesses have seen: the leaf
 * product.published and its inclusion proof (ledger/prove.h). */
#ifndef ASSEMBLER_PRODUCT_PROOF_H
#define ASSEMBLER_PRODUCT_PROOF_H

#include "base/clock.h"
#include "ledger/tlog_policy.h"

struct product_leaf {
    uint64_t index;
    unix_time time;
    char site[17];
    bool final; /* cosigned by the policy's quorum; false without a policy */
};

/* Appends the proof of the leaf that publishes the product of this digest in the ledger at dir.
 * -ENOENT: none does. */
MUST_CHECK int product_proof_make(struct buf *out, const char *dir, const struct digest *product,
                                  struct err *e);
/* Reads a proof, which must be of that product; verifies it under policy, if there is one (NULL:
 * nothing but its form is known then).  -EBADMSG. */
MUST_CHECK int product_proof_check(struct product_leaf *out, struct span proof,
                                   const struct digest *product, const struct tlog_policy *policy,
                                   struct err *e);

#endif
