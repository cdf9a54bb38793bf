/* difference.h - what is another in one release than in the other: rules by name.
 *
 * A YARA rule is the same if its pieces are, whatever its layout and comments.  Several signatures
 * or hash set entries may have one name: they are compared as a set of lines.  Entries of allow
 * lists are lines, told one by one. */
#ifndef RULES_DIFFERENCE_H
#define RULES_DIFFERENCE_H

#include "rules/inventory.h"

enum difference_sort { DIFFERENCE_ADDED, DIFFERENCE_REMOVED, DIFFERENCE_CHANGED };
const char *difference_word(enum difference_sort s); /* "added", ... */

struct difference {
    enum difference_sort sort;
    enum inventory_kind kind;
    struct span name;
    struct inventory_entry was, is; /* the first of that name; by sort one of them is empty */
    size_t more, less;              /* lines of that name that only `is`, only `was` has */
};
struct difference_counts {
    size_t added, removed, changed;      /* names; without allow lists */
    size_t layout;                       /* YARA rules that differ in layout and comments only */
    size_t moved;                        /* rules that stand in another file, and are the same */
    size_t allows_added, allows_removed; /* lines */
};
/* Each difference in the order of kind and name: allow lists come last. */
typedef void difference_tell(void *arg, const struct difference *d);
void difference_run(const struct inventory *was, const struct inventory *is, difference_tell *tell,
                    void *arg, struct difference_counts *out);

/* Is what has that kind and name another?  false: the same, or in neither. */
bool difference_named(const struct inventory *was, const struct inventory *is,
                      enum inventory_kind k, struct span name, struct difference *out);

#endif
