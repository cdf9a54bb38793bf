/* report.h - what the tests of a tree of rules said: counts only, so that it may leave the zone in
 * which the files are.  docs/formats.md, "Rules: report".  It is an artifact of the ledger, named
 * by its SHA-256 in gates.passed and in the release. */
#ifndef RULES_REPORT_H
#define RULES_REPORT_H

#include "base/err.h"
#include "people/document.h"

struct rules_report {
    struct digest tree, base, corpus_root;
    bool first;                            /* compared with nothing: base is not there */
    char engines[33];                      /* a label: "walk.yara" */
    uint64_t rules, allows;                /* of the tree */
    uint64_t hit, missed;                  /* files that must be found, and of these: were not */
    uint64_t clean, false_hits, unscanned; /* files that must not; were; INCOMPLETE */
    uint64_t bytes, ms, base_ms;           /* of all files; base_ms 0: not compared */
    bool passed;
};

/* Does it pass?  missed and false_hits are none, something was tested of either sort, and it takes
 * at most slower/100 of what the base took.  out: why not, a sentence; may be NULL. */
bool report_passes(const struct rules_report *r, unsigned slower, char *out, size_t n);

/* -EINVAL with line and column; a report that says "passed" of what did not pass at 1,000 % is
 * refused too. */
MUST_CHECK int report_parse(struct rules_report *out, const char *name, struct span text,
                            struct err *e);
MUST_CHECK int report_write(const struct rules_report *r, struct buf *out);

#endif
