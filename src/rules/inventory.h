/* inventory.h - what a release holds, by name: each rule of its YARA sources, each of ClamAV's
 * signatures, each entry of a hash set, each entry of an allow list, with file and line.
 *
 *   inventory_new(&v, release, e); inventory_count, inventory_at; inventory_free(v)
 *
 * Entries stand in the order of kind, name and text.  A release may be a stranger's: it is read,
 * not compiled, at 24 bytes of memory an entry. */
#ifndef RULES_INVENTORY_H
#define RULES_INVENTORY_H

#include "detect/release.h"

enum inventory_kind {
    INVENTORY_YARA,
    INVENTORY_CLAMAV,
    INVENTORY_HASH,     /* of a .sha256 */
    INVENTORY_PASSWORD, /* of a .pwdb */
    INVENTORY_ALLOW     /* of a .fp, .sfp, .ign2: its name is the whole line */
};
#define INVENTORY_KINDS 5
const char *inventory_word(enum inventory_kind k); /* "yara", "clamav", "hash", ... */

struct inventory_entry { /* lent by the inventory */
    enum inventory_kind kind;
    const char *file;
    unsigned line;
    struct span name;
    struct span text; /* the rule, or the line */
};

struct inventory;
/* The release is not needed afterwards.  -EBADMSG: "FILE: line N: ..." of a YARA source that is
 * none; -E2BIG, -ENOMEM. */
MUST_CHECK int inventory_new(struct inventory **out, const struct release *r, struct err *e);
void inventory_free(struct inventory *v);
size_t inventory_count(const struct inventory *v);
struct inventory_entry inventory_at(const struct inventory *v, size_t i);
/* The order of two entries by kind and name: negative, 0, positive. */
int inventory_order(const struct inventory_entry *a, const struct inventory_entry *b);
/* The first entry of that kind and name; inventory_count if there is none. */
size_t inventory_find(const struct inventory *v, enum inventory_kind k, struct span name);

#endif
