/* provenance.h - what a build says of itself, for programs of others: an in-toto Statement v1 with
 * SLSA provenance v1 (slsa.dev/spec/v1.0/provenance), and bills of material in SPDX 2.3 and
 * CycloneDX 1.5.  Text alone; who signs the statement wraps it in DSSE. */
#ifndef ASSEMBLER_PROVENANCE_H
#define ASSEMBLER_PROVENANCE_H

#include "assembler/lock.h"
#include "assembler/outputs.h"
#include "assembler/recipe.h"

#define PROVENANCE_TYPE "application/vnd.in-toto+json" /* of its envelope */

struct provenance {
    const struct recipe *recipe;
    const struct lock *lock;
    const struct outputs *outputs;
    const char *builder; /* a URI: who says so */
    unix_time began, ended;
    bool again, equal; /* built a second time, varied; with the same outputs */
};

MUST_CHECK int provenance_statement(const struct provenance *p, struct buf *out);
MUST_CHECK int provenance_spdx(const struct provenance *p, struct buf *out);
MUST_CHECK int provenance_cyclonedx(const struct provenance *p, struct buf *out);

#endif
