/* setroot.h - Merkle roots over sets (docs/formats.md, "Merkle roots over sets"): the RFC 6962 tree
 * hash over the members in ascending order.  The empty set's root is H(""). */
#ifndef EVENTS_SETROOT_H
#define EVENTS_SETROOT_H

#include "base/defs.h"

/* A set that comes in parts, each of which lies wholly above the one before.  Begins as {.n = 0}.
 */
struct setroot {
    struct digest level[64];
    uint64_t n;
    struct id128 last;
};
/* Sorts ids in place.  -EINVAL if two are equal or one is not above the part before. */
MUST_CHECK int setroot_add(struct setroot *s, struct id128 *ids, size_t n);
void setroot_end(const struct setroot *s, struct digest *out);

/* Sorts ids in place and computes the root.  -EINVAL if two are equal (a set has no doubles). */
MUST_CHECK int setroot_ids(struct id128 *ids, size_t n, struct digest *out);
/* The same over 32-byte items (a move's). */
MUST_CHECK int setroot_items(struct digest *items, size_t n, struct digest *out);
/* H( lp("move-item/v1") || salt || sub || sha256 ) */
void setroot_move_item(const uint8_t salt[32], const struct id128 *sub, const struct digest *sha256,
                       struct digest *out);

#endif
