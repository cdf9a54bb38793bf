/* ask.h - pairs of contents that differ, looked into by jailed children: many pairs a child, two
 * children at a time.  What a child says is read as a stranger's.  A child that dies over many
 * pairs leaves them to be asked one by one; the pair that kills it is unexplained. */
#ifndef COMPARE_ASK_H
#define COMPARE_ASK_H

#include "compare/place.h"
#include "jail/proc.h"

#define ASK_CHILDREN 2u

struct ask_pair {
    struct span side[2]; /* mapped; ask_unmap */
    char *name[2];
    struct place *place; /* held */
};
void ask_unmap(struct span *s); /* the empty span is fine */

struct asked { /* a child at work; pairs 0: none */
    struct proc p;
    int fd;
    struct ask_pair *pair;
    size_t pairs;
    _Atomic uint64_t
        *seen; /* shared with it: bytes of the pairs that it has looked at; NULL: none */
};

struct asker {
    const struct compare_options *o;
    struct ask_pair *pair; /* not asked yet */
    size_t pairs;
    uint64_t bytes; /* of these */
    struct asked child[ASK_CHILDREN];
    uint64_t looked, done, total; /* pairs; bytes of all files; total 0: unknown */
    struct err *e;
};

void ask_init(struct asker *k, const struct compare_options *o, struct err *e);
/* Takes what is in p, in any case.  The node comes to p's place with a later call.  0, or trouble
 * with its sentence. */
MUST_CHECK int ask_add(struct asker *k, const struct ask_pair *p);
MUST_CHECK int ask_finish(struct asker *k); /* all nodes are in their places */
void ask_done(struct asker *k);             /* ends what is at work, frees what is left */
/* n bytes more are compared. */
void ask_step(struct asker *k, uint64_t n);

#endif
