/* rebuilt.h - somebody built a product again and signs what came out (docs/formats.md, "Rebuilt").
 * It names the product, the word that the comparison ended in (compare/compare.h), the digest of
 * what was built (product_output over its files), the builder's key, and how many of the files got
 * the published signature before they were compared; it says nothing else.
 *
 * Whose key it is, and whether it counts, is for the auditor's trust file. */
#ifndef ASSEMBLER_REBUILT_H
#define ASSEMBLER_REBUILT_H

#include "base/err.h"
#include "compare/compare.h"
#include "crypto/ed25519.h"
#include "people/dsse.h"

#define REBUILT_TYPE "application/x.rebuilt.v1+yaml"

struct rebuilt {
    struct digest product; /* the digest of its envelope */
    struct digest output;
    enum compare_class verdict;
    uint64_t transplanted;  /* files that are the published ones once the signature of these is put
                               onto what was built (compare/transplant.h) */
    struct ed25519_pub key; /* the builder's */
};

/* -EINVAL with line and column */
MUST_CHECK int rebuilt_parse(struct rebuilt *out, const char *name, struct span text,
                             struct err *e);
MUST_CHECK int rebuilt_write(const struct rebuilt *r, struct buf *out);

/* An envelope with the one signature of the key in it.  -EBADMSG: it is not that. */
MUST_CHECK int rebuilt_open(struct rebuilt *out, const char *name, struct span envelope,
                            struct err *e);
/* Appends the envelope, signed by k, whose public half becomes r->key. */
MUST_CHECK int rebuilt_sign(struct rebuilt *r, const struct ed25519_key *k, struct buf *out,
                            struct err *e);

/* "identical" of exactly this output and of no other: NULL, or what is wrong. */
const char *rebuilt_fault(const struct rebuilt *r, const struct digest *output);

#endif
