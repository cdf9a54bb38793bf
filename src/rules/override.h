/* override.h - what people decide against the rules: an entry of an allow list, a rule withdrawn, a
 * verdict changed by hand.  Two people, a ground, and who asked for it.  docs/formats.md, "Rules:
 * override". */
#ifndef RULES_OVERRIDE_H
#define RULES_OVERRIDE_H

#include "base/err.h"
#include "people/document.h"

#define OVERRIDE_TEXT_MAX 4096
#define OVERRIDE_COUNT_MAX 10000000

enum rules_ground { RULES_ALLOW, RULES_WITHDRAW, RULES_VERDICT }; /* as leaf_word_override */
enum rules_asker {                                                /* as leaf_word_asker */
                   RULES_VENDOR,
                   RULES_OWNER, /* of the file or program that was hit */
                   RULES_PARTNER,
                   RULES_RESEARCHER,
                   RULES_GOVERNMENT,
                   RULES_COURT
};

struct rules_override {
    struct id128 override, author;
    enum rules_ground ground;
    enum rules_asker asker;
    uint64_t count; /* of entries, rules or files that it is about */
    /* allow: SHA-256 of the lines that are added; withdraw: the tree of the release that is taken
     * back, or SHA-256 of the rule's name; verdict: the file's */
    struct digest subject;
};

/* The document also says why, in words that stay in it: they are checked and not returned.  -EINVAL
 * with line and column. */
MUST_CHECK int override_parse(struct rules_override *out, const char *name, struct span text,
                              struct err *e);
/* Appends why, of a document that override_parse takes. */
MUST_CHECK int override_why(const char *name, struct span text, struct buf *out, struct err *e);
/* Appends the document as YAML; why is one line of printable text. */
MUST_CHECK int override_write(const struct rules_override *o, const char *why, struct buf *out);

#endif
