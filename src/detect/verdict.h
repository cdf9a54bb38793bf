/* verdict.h - what a scan concludes, and how conclusions combine.
 * The words are those of the leaf scan.done (docs/events.md).  Giving up is never CLEAN. */
#ifndef DETECT_VERDICT_H
#define DETECT_VERDICT_H

#include "base/buf.h"
#include "base/err.h"

enum verdict { VERDICT_CLEAN, VERDICT_INCOMPLETE, VERDICT_MALICIOUS }; /* ascending: worst wins */
enum verdict_reason { /* none exactly for CLEAN and MALICIOUS */
                      REASON_NONE,
                      REASON_ENCRYPTED,
                      REASON_RECURSION,
                      REASON_FILES,
                      REASON_SIZE,
                      REASON_TIME,
                      REASON_UNSUPPORTED,
                      REASON_DAMAGED,
                      REASON_ENGINE,
                      REASON_CRASH,
                      REASONS
};
const char *verdict_word(enum verdict v);                         /* "malicious" */
const char *verdict_reason_word(enum verdict_reason r);           /* "crash" */
MUST_CHECK int verdict_of_word(struct span s, enum verdict *out); /* -EBADMSG */
MUST_CHECK int verdict_reason_of_word(struct span s, enum verdict_reason *out);

#define VERDICT_NAMES_MAX 256 /* names kept; hits counts them all */
#define VERDICT_NAME_MAX 128
#define VERDICT_TEXT_MAX 8000 /* bytes of all names kept: what a catalog and a receipt take */

/* A finding of one engine, or of several combined.  names: the rules' names in canonical order
 * (byte order, each once), joined by line feeds, no line feed at the end: exactly the value sealed
 * in the leaf.  Only MALICIOUS has names. */
struct finding {
    enum verdict verdict;
    enum verdict_reason reason;
    uint32_t hits;
    struct buf names;
};
void finding_init(struct finding *f); /* CLEAN */
void finding_done(struct finding *f);
void finding_clear(struct finding *f);                             /* back to CLEAN, memory kept */
void finding_incomplete(struct finding *f, enum verdict_reason r); /* drops names */
/* MALICIOUS with these names (any order, repetitions allowed).  -EBADMSG: a name that is empty,
 * longer than VERDICT_NAME_MAX or not of [A-Za-z0-9_.:-]; -EINVAL: none.  f is then unchanged. */
MUST_CHECK int finding_malicious(struct finding *f, const struct span *names, size_t n);
/* f becomes the worst of f and g: MALICIOUS > INCOMPLETE > CLEAN; two MALICIOUS unite their names;
 * of two reasons the one that stands first in the list of docs/events.md. */
MUST_CHECK int finding_add(struct finding *f, const struct finding *g);

#endif
