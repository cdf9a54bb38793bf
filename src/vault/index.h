/* index.h - what the vault must find quickly, derived from its journal: a table of functions.
 * catalog/ keeps it in SQLite; index_memory.c in memory (tests, rebuild, scrub of a copy).
 *
 * Nothing here outlives an erasure: tags are HMACs and secrets are wraps under an epoch key, so
 * rows, old pages and backups of an index become noise when that key is destroyed.
 *
 * Every change is idempotent: replaying a group that was applied before changes nothing.  Functions
 * return 0 or a negative errno; find_* -ENOENT.  One thread at a time. */
#ifndef VAULT_INDEX_H
#define VAULT_INDEX_H

#include "base/buf.h"

#define VAULT_WRAP 132 /* slot key, DEK, sha256, size under the epoch key */

struct vault_slot_row {
    struct id128 ref;
    struct id128 object;
    uint64_t epoch; /* whose key wraps it */
    uint8_t wrap[VAULT_WRAP];
    uint32_t segment; /* where the sealed part lies in the journal */
    uint32_t length;
    uint64_t at;
};

struct vault_index;

struct vault_index_ops {
    /* The journal's sequence number up to which changes were applied; 0 for an empty index. */
    int (*applied)(struct vault_index *x, uint64_t *seq);
    /* Brackets the changes of one or more groups; they may be kept or lost only together.  Nested
     * in a batch of the implementation's owner they join it. */
    int (*begin)(struct vault_index *x);
    int (*commit)(struct vault_index *x, uint64_t seq);
    void (*rollback)(struct vault_index *x);

    /* extents: as in docs/vault.md, opaque here */
    int (*put_object)(struct vault_index *x, const struct id128 *object, struct span extents);
    /* -ENOENT if its object is not there (it was in a damaged group). */
    int (*put_slot)(struct vault_index *x, const struct vault_slot_row *row);
    /* A new wrap of a slot that is there; -ENOENT otherwise. */
    int (*rewrap)(struct vault_index *x, const struct id128 *ref, uint64_t epoch,
                  const uint8_t wrap[VAULT_WRAP]);
    int (*drop_slot)(struct vault_index *x, const struct id128 *ref); /* 0 if it is not there */
    /* The tag under which the object's content is found; replaces its former one. */
    int (*put_tag)(struct vault_index *x, const struct id128 *object, const struct digest *tag);
    int (*drop_object)(struct vault_index *x, const struct id128 *object); /* 0 if held or gone */

    int (*find_slot)(struct vault_index *x, const struct id128 *ref, struct vault_slot_row *out);
    /* Appends the object's extents to out. */
    int (*find_object)(struct vault_index *x, const struct id128 *object, struct buf *out);
    /* Any live slot of the object with this tag. */
    int (*find_tag)(struct vault_index *x, const struct digest *tag, struct vault_slot_row *out);
    /* Up to max live slots wrapped under an epoch before this one, any order. */
    int (*stale_slots)(struct vault_index *x, uint64_t before, struct vault_slot_row *out,
                       size_t max, size_t *n);
    /* Up to max live slots after this ref, ascending. after NULL: from the first. */
    int (*next_slots)(struct vault_index *x, const struct id128 *after, struct vault_slot_row *out,
                      size_t max, size_t *n);
    /* Up to max objects without a live slot. */
    int (*dead_objects)(struct vault_index *x, struct id128 *out, size_t max, size_t *n);

    /* Merkle roots of sealed segments. */
    int (*put_seal)(struct vault_index *x, uint32_t segment, uint64_t length,
                    const struct digest *root);
    int (*drop_seal)(struct vault_index *x, uint32_t segment);
    int (*find_seal)(struct vault_index *x, uint32_t segment, uint64_t *length,
                     struct digest *root);
    void (*free)(struct vault_index *x); /* NULL is fine; may be NULL for a lent index */
};

struct vault_index {
    const struct vault_index_ops *ops;
};

MUST_CHECK int vault_index_memory_new(struct vault_index **out);
void vault_index_free(struct vault_index *x);

#endif
