/* look_priv.h - nodes, and one pair being looked at. */
#ifndef COMPARE_LOOK_PRIV_H
#define COMPARE_LOOK_PRIV_H

#include "compare/look.h"

#define LOOK_DEPTH 16u
#define LOOK_MEMBERS UINT64_C(10000000)
#define LOOK_UNPACKED (UINT64_C(64) << 30)
#define LOOK_MEMORY (UINT64_C(1) << 30)
#define LOOK_SECONDS 3600u
#define LOOK_FINDINGS 100u
#define LOOK_CHILDREN 100000u /* nodes kept of one parent */
#define LOOK_WHAT 400u        /* bytes of a sentence */

extern const struct look_format bytes_format; /* anything */

/* What all pairs of one comparison share. */
struct look_budget {
    unsigned depth;
    uint64_t members, unpacked, memory; /* left */
    size_t findings;
    uint64_t looked;
    struct look_known {
        uint64_t years[2];
        struct span path[2]; /* without '/' at the end; n 0: not known */
    } known;
};
const struct look_known *look_known(const struct look *l);
void look_budget_init(struct look_budget *b, const struct compare_options *o);

/* A node of its own for two contents; names may be NULL.  *out is the caller's (look_node_free). */
MUST_CHECK int look_compare(struct look_budget *b, struct span a, struct span b_side,
                            const char *name_a, const char *name_b, struct compare_node **out);
MUST_CHECK int look_node_new(struct compare_node **out, const char *format, const char *name_a,
                             const char *name_b);
void look_node_free(struct compare_node *n); /* NULL is fine */
/* Takes child, and counts its class in. */
MUST_CHECK int look_node_add(struct compare_node *n, struct compare_node *child);
MUST_CHECK int look_node_find(struct compare_node *n, size_t most, enum compare_class class,
                              const struct look_range at[2], const char *what);

/* A node as bytes, between the jailed child and its parent; the reader believes nothing. */
MUST_CHECK int look_wire_put(struct buf *b, const struct compare_node *n);
MUST_CHECK int look_wire_get(struct cur *c, struct compare_node **out);

#endif
