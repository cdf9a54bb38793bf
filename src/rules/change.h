/* change.h - the proposal of a change of the rules: who wants which tree in the place of which.
 * docs/formats.md, "Rules: change".  Signed by its author alone; what makes it a release is
 * rules/approval.h. */
#ifndef RULES_CHANGE_H
#define RULES_CHANGE_H

#include "base/err.h"
#include "people/document.h"

struct rules_change {
    struct id128 change, author;
    struct digest base; /* the tree of the release it is made on */
    bool first;         /* there is no release yet: base is not there */
    struct digest tree; /* release_digest() of what is proposed (detect/release.h) */
};

/* -EINVAL with line and column */
MUST_CHECK int change_parse(struct rules_change *out, const char *name, struct span text,
                            struct err *e);
/* Appends the document as YAML, ready to be put into an envelope. */
MUST_CHECK int change_write(const struct rules_change *c, struct buf *out);

/* A digest that may be absent: "none" in the document, *none then.  Shared with approval.c. */
MUST_CHECK int change_digest(const struct yaml_node *map, const char *key, struct digest *out,
                             bool *none, struct err *e);

#endif
