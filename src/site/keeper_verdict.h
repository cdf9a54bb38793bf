/* keeper_verdict.h - what engines or hash sets say of a file becomes an event, if it is new. */
#ifndef SITE_KEEPER_VERDICT_H
#define SITE_KEEPER_VERDICT_H

#include "catalog/catalog.h"
#include "detect/line.h"
#include "site/keeper_priv.h"

/* A finding of this line's engines and rules about the file of ref, and what it held (empty: it
 * held nothing, or nobody looked).  A file that had a verdict gets a leaf only if this one differs,
 * or blocks what the one before did not; one that was erased meanwhile needs none.  again: it is
 * scanned again (keeper_rescan.h), which is told what came of it. */
MUST_CHECK int keeper_verdict(struct keeper *k, const struct detect_line *l,
                              const struct id128 *ref, bool again, const struct finding *f,
                              struct span tree);
/* The same of engines with this label and rules of this release. */
MUST_CHECK int keeper_verdict_by(struct keeper *k, const char *label, const struct digest *release,
                                 const struct id128 *ref, bool again, const struct finding *f,
                                 struct span tree);
/* It is INCOMPLETE. */
MUST_CHECK int keeper_verdict_give_up(struct keeper *k, const struct detect_line *l,
                                      const struct id128 *ref, bool again, enum verdict_reason why);
/* The same bytes of the same account were judged by the same rules: the verdict is logged for this
 * submission too.  false: nobody knows it yet. */
bool keeper_verdict_spared(struct keeper *k, const struct detect_line *l,
                           const struct catalog_scan *s);

#endif
