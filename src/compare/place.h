/* place.h - a folder's node while something in it is still looked into: each of those holds it, and
 * the last to let go hands it to the folder above. */
#ifndef COMPARE_PLACE_H
#define COMPARE_PLACE_H

#include "compare/look_priv.h"

struct place {
    struct compare_node *node;
    struct place *up; /* NULL: the root, whose node is its owner's */
    size_t holds;
};

/* Takes node.  Held once, by the caller; holds up.  0, or -ENOMEM (node is freed). */
MUST_CHECK int place_new(struct place **out, struct place *up, struct compare_node *node);
struct place *place_hold(struct place *p);
/* 0, or -ENOMEM: p is gone in any case (and its node, if it could not be handed up). */
MUST_CHECK int place_let_go(struct place *p);
void place_drop(struct place *p); /* the same after a failure: its result matters no more */
/* Children by name, of one node. */
void place_sort(struct compare_node *n);

#endif
