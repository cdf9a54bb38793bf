/* published_priv.h - between the artifact's form (published.c) and what is in it
 * (published_check.c). */
#ifndef UPDATES_PUBLISHED_PRIV_H
#define UPDATES_PUBLISHED_PRIV_H

#include "updates/published.h"

#define PUBLISHED_PARTS                                                                            \
    (2 + PUBLISHED_MAX_ROLES) /* snapshot, targets, what targets delegates to                      \
                               */

struct published_part {
    char role[PUBLISHED_MAX_ROLE + 1];
    int64_t version;
    struct span bytes; /* of the artifact; only while it is read */
    struct digest digest;
};

struct published {
    struct published_part *root; /* version i + 1 */
    size_t roots;
    struct published_part part[PUBLISHED_PARTS];
    size_t parts;
    struct published_release *release; /* ascending */
    size_t releases;
};

/* Trust: everything of published_read that is not form; fills in the releases. */
MUST_CHECK int published_check(struct published *p, struct err *e);

#endif
