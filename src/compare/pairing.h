/* pairing.h - which member of one archive is which of the other: by name (the second of a name with
 * the second), then by content, then by likeness.  n log n in the number of members, whatever they
 * are. */
#ifndef COMPARE_PAIRING_H
#define COMPARE_PAIRING_H

#include "compare/look.h"

#define PAIRING_NONE SIZE_MAX

struct pairing_item {
    const char *name;
    const struct look_held *content; /* NULL or empty: paired by name only */
    size_t mate;                     /* on the other side; PAIRING_NONE at first */
};

/* 0, or -ENOMEM.  Both skip what has a mate. */
MUST_CHECK int pairing_by_name(struct pairing_item *a, size_t na, struct pairing_item *b,
                               size_t nb);
MUST_CHECK int pairing_by_content(struct pairing_item *a, size_t na, struct pairing_item *b,
                                  size_t nb);
/* Whether those that have mates come in one order on both sides. */
bool pairing_ordered(const struct pairing_item *a, size_t na);

#endif
