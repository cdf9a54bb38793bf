/* ar_priv.h - members of ar, for deb.c too. */
#ifndef COMPARE_AR_PRIV_H
#define COMPARE_AR_PRIV_H

#include "compare/look.h"

struct ar_member {
    char *name;
    struct look_range header, content, padding; /* header: with a name that follows it */
};

struct ar_side {
    struct ar_member *v;
    size_t n, room;
    uint64_t charged;
};

bool ar_is(struct span s, const char *name);
/* Both sides, as far as they can be followed; the magic is claimed.  a is to be freed in each case.
 */
MUST_CHECK int ar_read(struct look *l, struct ar_side a[2]);
void ar_free(struct look *l, struct ar_side a[2]);
/* Claims the headers and paddings of two members, not their contents; renamed: what another name
 * would be. */
MUST_CHECK int ar_frame(struct look *l, const struct ar_member *a, const struct ar_member *b,
                        enum compare_class renamed);
/* Pairs and claims all of them. */
MUST_CHECK int ar_members(struct look *l, struct ar_side a[2]);

#endif
