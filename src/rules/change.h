/* change.h - the proposal of a change of the rules: who wants which tree in the place of which.
 * docs/formats.md, "Rules: change".  Signed by its author alone; what makes it a release is
 * rules/approval.h. */
#ifndef RULES_CHANGE_H
#define RULES_CHANGE_H

#include "base/err.h"
#include "people/document.h"

#define CHANGE_WHY_MAX 400 /* bytes */
#define CHANGE_TICKET_MAX 64
#define CHANGE_COMMIT_MAX 64

struct rules_change {
    struct id128 change, author;
    struct digest base; /* the tree of the release it is made on */
    bool first;         /* there is no release yet: base is not there */
    struct digest tree; /* release_digest() of what is proposed (detect/release.h) */
    /* What may be said beside, "" where it is not.  It stands in the ledger, for everybody to read.
     */
    char why[CHANGE_WHY_MAX + 1];       /* one line */
    char ticket[CHANGE_TICKET_MAX + 1]; /* of [A-Za-z0-9._:/#-] */
    char commit[CHANGE_COMMIT_MAX + 1]; /* 40 or 64 hex digits: the tree's, in the author's git */
};

/* -EINVAL with line and column */
MUST_CHECK int change_parse(struct rules_change *out, const char *name, struct span text,
                            struct err *e);
/* Appends the document as YAML, ready to be put into an envelope: what change_parse would refuse is
 * written and refused there. */
MUST_CHECK int change_write(const struct rules_change *c, struct buf *out);

/* A digest that may be absent: "none" in the document, *none then.  Shared with approval.c. */
MUST_CHECK int change_digest(const struct yaml_node *map, const char *key, struct digest *out,
                             bool *none, struct err *e);

/* Appends KEY and a line of text, quoted; nothing for "".  Shared with dispute.c. */
MUST_CHECK int change_words(struct buf *out, const char *key, const char *text);

#endif
