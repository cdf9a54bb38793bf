/* receipt_extra.h - what a receipt carries beside the proof: the leaf and openings of its sealed
 * fields (docs/formats.md, "Receipt").  The text here is the JSON before its base64. */
#ifndef EVENTS_RECEIPT_EXTRA_H
#define EVENTS_RECEIPT_EXTRA_H

#include "events/leaf.h"

#define RECEIPT_OPENINGS_MAX 8
#define RECEIPT_VALUE_MAX 4096   /* bytes of one opened value */
#define RECEIPT_EXTRA_MAX 200000 /* characters of the JSON */

struct receipt_opening {
    enum leaf_field field; /* a sealed one */
    uint8_t salt[32];
    struct span value;
};

struct receipt_extra {
    struct span leaf;
    struct receipt_opening opening[RECEIPT_OPENINGS_MAX]; /* in the order of the leaf */
    size_t openings;
    struct buf store; /* owned: what the spans point into after decoding */
};

/* Appends the JSON to out.  The openings may come in any order; -EINVAL: two of one field.
 * -EBADMSG: the leaf does not parse or an opening does not open its field. */
MUST_CHECK int receipt_extra_encode(const struct receipt_extra *x, struct buf *out, struct err *e);

/* Accepts only what encode writes: every opening is checked against the leaf.  -EBADMSG, or
 * -ENOTSUP, -EPROTONOSUPPORT (as leaf_parse, and for a receipt whose v is not 1). */
MUST_CHECK int receipt_extra_decode(struct receipt_extra *x, struct span json, struct err *e);
void receipt_extra_free(struct receipt_extra *x); /* NULL and zeroed are fine */

/* The opening of f, or NULL if it was left out. */
const struct receipt_opening *receipt_extra_find(const struct receipt_extra *x, enum leaf_field f);

#endif
