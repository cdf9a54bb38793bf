/* keeper_intake.h - what intake, tracing, scanning and moves share about one submission. */
#ifndef SITE_KEEPER_INTAKE_H
#define SITE_KEEPER_INTAKE_H

#include "site/keeper_priv.h"

/* Sealed in a submission's slot, dies with it: from seed come the salts of all its sealed fields.
 */
struct slot_blob {
    uint8_t seed[32];
    uint8_t sub_key[32];
    char country[2];
    struct span account, name; /* lent */
};
MUST_CHECK int keeper_blob_encode(const struct slot_blob *s, struct buf *b);
MUST_CHECK int keeper_blob_decode(struct span bytes, struct slot_blob *s);

struct accepted { /* a submission about to be logged */
    const struct pm_open *open;
    struct digest policy, sha256;
    struct id128 ref;
    uint64_t size;
    unix_time at;
    struct slot_blob blob;
};

MUST_CHECK int keeper_intake_copy_leaf(struct keeper *k, struct act *a, const struct id128 *ref,
                                       const struct id128 *sub, const struct digest *sha256,
                                       const struct slot_blob *blob, unix_time at);

/* Receipts, by their submission's row: keeper_trace.c.  -EAGAIN: not signed yet. */
MUST_CHECK int keeper_receipt_accepted(struct keeper *k, const struct catalog_submission *row,
                                       struct buf *out, bool *final, struct err *e);
MUST_CHECK int keeper_receipt_ended(struct keeper *k, const struct catalog_submission *row,
                                    struct buf *out, bool *final, struct err *e);
MUST_CHECK int keeper_receipt_scanned(struct keeper *k, const struct catalog_submission *row,
                                      struct buf *out, bool *final, struct err *e);

/* The receipt of any leaf, without openings. */
MUST_CHECK int keeper_receipt_plain(struct keeper *k, uint64_t leaf, struct buf *out, bool *final,
                                    struct err *e);

/* Objects of a move on their way in: keeper_receive.c */
struct move_object;
bool keeper_receive_object_new(struct keeper *k, uint64_t id, const struct id128 *move,
                               const struct id128 *sub,
                               struct move_object **out); /* false: has answered */
MUST_CHECK int keeper_receive_object_data(struct move_object *o, struct vault_put *put,
                                          const void *p, size_t n);
/* Takes o; takes *put (and sets it NULL) if it is kept.  Answers. */
void keeper_receive_object_end(struct keeper *k, uint64_t id, struct move_object *o,
                               struct vault_put **put);
void keeper_receive_object_free(struct move_object *o);

#endif
