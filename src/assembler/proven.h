/* proven.h - does a provenance (in-toto Statement v1 with a SLSA provenance v1, in a DSSE envelope)
 * speak of the product that names it?  Its subjects are the product's artifacts, all and no other;
 * its resolved dependencies hold the product's source, recipe and toolchain.
 *
 * Whose signature the envelope carries does not matter here: the supervisors who sign the product
 * sign its digest. */
#ifndef ASSEMBLER_PROVEN_H
#define ASSEMBLER_PROVEN_H

#include "assembler/product.h"

#define PROVEN_TYPE "application/vnd.in-toto+json"
#define PROVEN_STATEMENT "https://in-toto.io/Statement/v1"
#define PROVEN_PREDICATE "https://slsa.dev/provenance/v1"

/* -EBADMSG: malformed, or of something else; the sentence says what. */
MUST_CHECK int proven_check(struct span envelope, const struct product *p, struct err *e);

/* The year in which it says that the build began (runDetails.metadata.startedOn), 1970 to 9999; 0:
 * it does not say.  What differs in exactly that between two builds is explained (compare.h). */
unsigned proven_year(struct span envelope);

#endif
