/* keeper_rig_moves.h - what a ledger says of a move, truly and falsely. */
#ifndef SITE_KEEPER_RIG_MOVES_H
#define SITE_KEEPER_RIG_MOVES_H

#include "keeper_rig.h"

#define FILES 3
extern const char *const content[FILES];

struct story { /* what a leaf of a move says */
    enum leaf_kind kind;
    const char *site, *from, *to, *country;
    struct id128 move;
    uint64_t count;
    struct digest root;
};
void leaf_of(const struct story *t, struct buf *out);

/* A proof that lies, and the leaf that the reader says it proves. */
enum lie {
    LIE_NOT_COSIGNED,   /* the log's signature alone */
    LIE_OTHER_LOG,      /* cosigned, but of this site's own log */
    LIE_WITNESS_IS_LOG, /* the log itself as its witness */
    LIE_OTHER_LEAF,     /* a true proof, of another leaf than the reader names */
    LIE_GARBAGE,
    LIE_NOTHING,
    LIE_CUT,
    LIES
};
void lying_proof(struct keeper_rig *r, enum lie lie, struct span leaf, struct buf *out);
/* The reader was taken over: whatever proof it is asked about, the leaf at r->arg is proved. */
rig_read_fn read_lies;

/* "N objects" of scrub: what the vault holds, read back. */
void here_are(struct keeper_rig *r, unsigned n);

#endif
