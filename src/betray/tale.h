/* tale.h - one ledger as a list of leaves that can be changed and written out again: what a forger
 * with the keys does.  Used by the generated histories and by the cheats.
 *
 * Inserting or deleting a leaf corrects what later leaves say of the tree's size (`at_size`,
 * `cut`), as a careful forger would. */
#ifndef BETRAY_TALE_H
#define BETRAY_TALE_H

#include "events/leaf.h"
#include "ledger/note.h"

struct tale_leaf {
    uint8_t *bytes; /* owned */
    size_t n;
};
struct tale_mark { /* a published checkpoint */
    uint64_t size;
    unix_time when; /* the witness's time; 0: the witness did not cosign */
};
struct tale {
    char site[17];
    struct tale_leaf *leaf;
    size_t leaves, cap;
    struct tale_mark *mark; /* ascending */
    size_t marks, marks_cap;
    struct buf *artifact; /* documents to be put beside it */
    size_t artifacts, artifacts_cap;
};

void tale_init(struct tale *t, const char *site);
void tale_free(struct tale *t);
/* Reads a ledger that has been audited: leaves, archived checkpoints with the earliest cosignature
 * time of that witness, artifacts. */
MUST_CHECK int tale_load(struct tale *t, const char *dir, const struct vkey *log,
                         const struct vkey *witness, struct err *e);
MUST_CHECK int tale_copy(struct tale *out, const struct tale *t);

/* Appends or inserts (before leaf i) the leaf of b. */
MUST_CHECK int tale_add(struct tale *t, struct leaf_builder *b, struct err *e);
MUST_CHECK int tale_insert(struct tale *t, size_t i, struct leaf_builder *b, struct err *e);
/* Appends any bytes, which need not be a leaf (tale_find and the like must then not pass them). */
MUST_CHECK int tale_add_bytes(struct tale *t, struct span bytes);
void tale_delete(struct tale *t, size_t i);
/* Replaces the text of a field of leaf i; the result must still be a leaf. */
MUST_CHECK int tale_edit(struct tale *t, size_t i, enum leaf_field f, const char *text,
                         struct err *e);
/* All leaves so far are published, and the witness cosigned at `when`. */
MUST_CHECK int tale_publish(struct tale *t, unix_time when);
/* A document; its digest. */
MUST_CHECK int tale_document(struct tale *t, struct span bytes, struct digest *out);
/* Everything from leaf i on happens `seconds` later. */
MUST_CHECK int tale_delay(struct tale *t, size_t i, int64_t seconds, struct err *e);

/* The k-th leaf (from 0) of that kind at or after `from`; t->leaves if there is none. */
size_t tale_find(const struct tale *t, enum leaf_kind k, size_t from);
/* Leaf i, which parses; borrowed until t changes. */
struct leaf tale_leaf(const struct tale *t, size_t i);
size_t tale_last(const struct tale *t, enum leaf_kind k);
unix_time tale_end(const struct tale *t); /* the last mark's time */

/* Writes the ledger into dir, which must not exist. */
MUST_CHECK int tale_write(const struct tale *t, const char *dir, const struct note_signer *log,
                          const struct note_signer *witness, struct err *e);

#endif
