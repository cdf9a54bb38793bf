/* reader_priv.h - one request of the reader while it is worked on, for the files that read one kind
 * of document each. */
#ifndef SITE_READER_PRIV_H
#define SITE_READER_PRIV_H

#include "people/dsse.h"
#include "site/bundle.h"
#include "site/reader.h"

struct reading {
    const struct config *c;
    const struct pm_read *ask;
    struct span document, reg, previous; /* of the mapped memfd; reg, previous may be empty */
    struct span part[BUNDLE_PARTS];      /* of READ_PRODUCT; the first is document */
    struct dsse *envelope;
    struct people *in_force;
    struct buf *tail;
};

MUST_CHECK int reader_envelope(struct span bytes, enum document kind, const char *name,
                               struct dsse **out, struct err *e);
/* Approvals of everything but a register's first: by the register in force, which is then in
 * r->in_force. */
MUST_CHECK int reader_approved(struct reading *r, enum document kind, const struct id128 *author,
                               struct err *e);

/* The policy in force, where keeper_predecessor sends it along. */
MUST_CHECK int reader_policy(const struct reading *r, struct policy **out, struct err *e);

/* reader_rules.c */
MUST_CHECK int reader_rules_change(struct reading *r, struct err *e);
MUST_CHECK int reader_rules_report(struct reading *r, struct err *e);
MUST_CHECK int reader_rules_release(struct reading *r, struct err *e);
MUST_CHECK int reader_rules_override(struct reading *r, struct err *e);
MUST_CHECK int reader_rules_published(struct reading *r, struct err *e);
MUST_CHECK int reader_rules_replay(struct reading *r, struct err *e);

/* reader_builds.c */
MUST_CHECK int reader_builds_product(struct reading *r, struct err *e);
MUST_CHECK int reader_builds_rebuilt(struct reading *r, struct err *e);

#endif
