/* rules.h - YARA rules compiled from a release's sources, and one scanner warmed up with them.
 *
 * All sources share one namespace, so an identifier is unique in a release and a verdict's name
 * says which rule it was.  Includes are refused.  The external variables that public rule sets
 * expect (filename, filepath, extension, filetype, owner) exist and are empty: an engine knows no
 * names.
 *
 * Beside the release's rules stands one of our own, the canary: a random text made at start.  To
 * find it is to prove that compiled rules, scanner and jail work together; it is in no verdict. */
#ifndef ENGINE_YARA_RULES_H
#define ENGINE_YARA_RULES_H

#include "base/err.h"

struct rules;

/* -EBADMSG with file:line and YARA's own sentence. */
MUST_CHECK int rules_compile(struct rules **out, struct span bundle, struct err *e);
void rules_free(struct rules *r);
uint32_t rules_count(const struct rules *r); /* of the release */
struct span rules_canary(const struct rules *r);

/* The name of the rule of this rank: ranks are the release's rules in byte order of their names. */
const char *rules_name(const struct rules *r, uint32_t rank);

enum rules_result { RULES_DONE, RULES_TIME, RULES_MEMORY, RULES_TROUBLE };
struct rules_hits {
    uint32_t n, kept; /* all, and those in rank (ascending, the first ones) */
    bool canary;
    uint32_t *rank; /* the caller's, room for max */
    uint32_t max;
};
/* Scans one file.  hits->rank and max are the caller's; the rest is filled, whatever the result:
 * what was found before the trouble counts.  No allocation outlives the call. */
MUST_CHECK enum rules_result rules_scan(struct rules *r, struct span file, struct rules_hits *hits);

#endif
