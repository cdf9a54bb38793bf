/* builds.h - what a generated history, the cheats and the tests write of a product alike. */
#ifndef BETRAY_BUILDS_H
#define BETRAY_BUILDS_H

#include "assembler/product.h"
#include "events/leaf.h"

/* Appends the envelope of a provenance, signed by `by`: of p's first artifact, with p's source,
 * recipe and toolchain. */
MUST_CHECK int builds_provenance(const struct product *p, const struct ed25519_key *by,
                                 struct buf *out);
/* The fields of product.published. */
void builds_leaf(struct leaf_builder *b, const struct product *p, const struct digest *doc,
                 const struct digest *output);

#endif
