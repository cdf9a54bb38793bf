/* ar_priv.h - members of ar, for deb.c too; ar_table.c: what a library says of its members. */
#ifndef COMPARE_AR_PRIV_H
#define COMPARE_AR_PRIV_H

#include "compare/look.h"
#include "compare/pairing.h"

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
/* Digits, then blanks; an empty field is 0. */
bool ar_number(struct span f, unsigned base, uint64_t *v);
/* Claims the contents of two tables of one sort; mates: of A's members, in their order. */
bool ar_is_symbols(const struct ar_member *m);
MUST_CHECK int ar_symbols(struct look *l, const struct ar_side a[2],
                          const struct pairing_item *mates, const struct ar_member *x,
                          const struct ar_member *y);
bool ar_is_names(const struct ar_member *m);
MUST_CHECK int ar_names(struct look *l, const struct ar_side a[2], const struct ar_member *x,
                        const struct ar_member *y);
/* Pairs and claims all of them. */
MUST_CHECK int ar_members(struct look *l, struct ar_side a[2]);

#endif
