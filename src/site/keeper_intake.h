/* keeper_intake.h - what intake, tracing, scanning and moves share about one submission. */
#ifndef SITE_KEEPER_INTAKE_H
#define SITE_KEEPER_INTAKE_H

#include <sys/queue.h>

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

/* --- keeper_ticket.c: what an opening gave --- */
struct ticket {
    LIST_ENTRY(ticket) in_row;
    TAILQ_ENTRY(ticket) in_age;
    struct id128 ticket;
    struct pm_open open;
    size_t submitter, submitter_next; /* index in the configuration, and in the next one */
    struct digest policy;
    unix_time expires;
    bool busy;  /* an upload is under way */
    bool known; /* the catalog may have its submission: else it has not, and need not be asked */
};
struct ticket *keeper_ticket_find(struct keeper *k, const struct id128 *sub); /* may be NULL */
void keeper_ticket_drop(struct keeper *k, struct ticket *t);
void keeper_ticket_drop_all(struct keeper *k);
/* Its submission stands: it counts against the day's quota, whatever becomes of it. */
void keeper_ticket_accepted(struct keeper *k, const struct ticket *t);
/* Are place and consent still what they were?  Takes over the policy in force.  false: answered. */
bool keeper_ticket_still_admitted(struct keeper *k, uint64_t id, struct ticket *t);

/* An acceptance of which everything is at hand: the receipt's making looks nothing up. */
struct fresh {
    uint64_t index; /* of the leaf */
    struct span leaf;
    struct id128 ref;
    struct digest sha256;
    uint64_t size;
    struct slot_blob blob;
};
MUST_CHECK int keeper_receipt_fresh(struct keeper *k, const struct fresh *f, struct buf *out,
                                    bool *final, struct err *e);

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
