/* keeper_notes.h - what the journal tells the catalog, beside the leaves: fixed records in the
 * vault's notes.  Version 1; big-endian; the first nine bytes are the kind and the ledger index of
 * the leaf the note belongs to.  A note that says whose a submission is, is sealed under that
 * submission's slot. */
#ifndef SITE_KEEPER_NOTES_H
#define SITE_KEEPER_NOTES_H

#include "base/buf.h"
#include "base/clock.h"
#include "catalog/catalog.h"

enum note_kind {
    NOTE_ACCEPT = 1, /* sealed; catalog_submission, sub_key */
    NOTE_END,        /* sub, state, time, final epoch */
    NOTE_SCAN,       /* sealed; catalog_verdict, names */
    NOTE_DOCUMENT,   /* what, digest, the reader's record */
    NOTE_WITHDRAWN,  /* digest of a statement */
    NOTE_RULES,      /* release, engine */
    NOTE_MOVE,       /* catalog_move without its salt */
    NOTE_TREE,       /* sealed; ref, what the file held (detect/tree.h) */
    NOTE_RENEWED,    /* ref: its verdict changed */
    NOTE_ROUND,      /* rescan.done: release, engine, time */
    NOTE_TRIPPED,    /* release */
};

struct note_accept {
    struct catalog_submission row; /* leaf is the note's own */
    uint8_t sub_key[32];
};
struct note_end {
    struct id128 sub;
    enum catalog_state state;
    unix_time at;
    uint64_t final_epoch;
};
struct note_scan {
    struct catalog_verdict row; /* sealed: unused */
    struct span names;
};
struct note_tree {
    struct id128 ref;
    struct span tree;
};
struct note_document {
    uint8_t what; /* enum proto_read */
    struct digest doc;
    struct span record;
};
struct note_rules {
    struct digest release;
    char engine[CATALOG_LABEL_MAX + 1];
};

struct note_round {
    struct digest release;
    char engine[CATALOG_LABEL_MAX + 1];
    unix_time at;
};

struct note {
    enum note_kind kind;
    uint64_t leaf;
    union {
        struct note_accept accept;
        struct note_end end;
        struct note_scan scan;
        struct note_document document;
        struct digest withdrawn;
        struct note_rules rules;
        struct catalog_move move;
        struct note_tree tree;
        struct id128 renewed;
        struct note_round round;
        struct digest tripped;
    };
};

/* Appends the record; the leaf's index is written later by keeper_note_set_leaf. */
MUST_CHECK int keeper_note_put_accept(struct buf *b, const struct note_accept *n);
MUST_CHECK int keeper_note_put_end(struct buf *b, const struct note_end *n);
MUST_CHECK int keeper_note_put_scan(struct buf *b, const struct note_scan *n);
MUST_CHECK int keeper_note_put_document(struct buf *b, const struct note_document *n);
MUST_CHECK int keeper_note_put_withdrawn(struct buf *b, const struct digest *doc);
MUST_CHECK int keeper_note_put_rules(struct buf *b, const struct note_rules *n);
MUST_CHECK int keeper_note_put_tree(struct buf *b, const struct note_tree *n);
MUST_CHECK int keeper_note_put_move(struct buf *b, const struct catalog_move *m);
MUST_CHECK int keeper_note_put_renewed(struct buf *b, const struct id128 *ref);
MUST_CHECK int keeper_note_put_round(struct buf *b, const struct note_round *n);
MUST_CHECK int keeper_note_put_tripped(struct buf *b, const struct digest *release);
void keeper_note_set_leaf(struct buf *b, uint64_t leaf);
/* -EBADMSG for what the functions above do not write; spans are lent from s. */
MUST_CHECK int keeper_note_get(struct span s, struct note *out);

#endif
