/* hashset.h - files known by SHA-256: asked before anything is scanned.
 * Source form, one entry a line: 64 lower-case hex digits, one blank, a name of [A-Za-z0-9_.:-]
 * (at most VERDICT_NAME_MAX).  Empty lines and lines that begin with '#' are skipped. */
#ifndef DETECT_HASHSET_H
#define DETECT_HASHSET_H

#include "detect/verdict.h"

#define HASHSET_MAX 4000000

struct hashset;
MUST_CHECK int hashset_new(struct hashset **out);
void hashset_free(struct hashset *h);
/* Adds a source text; file is used in messages.  -EBADMSG with file:line; h is then unusable but
 * for hashset_free. */
MUST_CHECK int hashset_add(struct hashset *h, const char *file, struct span text, struct err *e);
void hashset_seal(struct hashset *h); /* sort once, before the first look-up */
size_t hashset_count(const struct hashset *h);
/* The i-th digest in ascending order, i < hashset_count; one with several names stands several
 * times.  Lent. */
const struct digest *hashset_digest(const struct hashset *h, size_t i);
/* f becomes MALICIOUS with every name of d (added to what it was).  1: found, 0: not, <0: errno. */
MUST_CHECK int hashset_find(const struct hashset *h, const struct digest *d, struct finding *f);

#endif
