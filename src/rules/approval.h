/* approval.h - what makes a tree of rules a release: the document that people other than the author
 * sign (role and number: the register's "release"), over the exact tree and the report of its
 * tests.  docs/formats.md, "Rules: release".  The serial is the release's version. */
#ifndef RULES_APPROVAL_H
#define RULES_APPROVAL_H

#include "base/err.h"
#include "people/document.h"

#define APPROVAL_ALLOWS_MAX 10000000

enum rules_mode { RULES_DETECT, RULES_ENFORCE }; /* as leaf_word_mode */

struct rules_release {
    struct chain chain; /* serial, envelope of the release before */
    struct id128 change, author;
    struct digest tree, report; /* report: of artifact/sha256/… */
    enum rules_mode mode;
    bool urgent;
    uint64_t allows; /* entries of the tree's allow lists */
};

/* -EINVAL with line and column */
MUST_CHECK int approval_parse(struct rules_release *out, const char *name, struct span text,
                              struct err *e);
/* Appends the document as YAML, ready to be put into an envelope. */
MUST_CHECK int approval_write(const struct rules_release *r, struct buf *out);

#endif
