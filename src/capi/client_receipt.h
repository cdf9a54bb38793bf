/* client_receipt.h - a receipt, opened: its proof checked against a trust file, its openings
 * against its leaf, and its leaf against the site whose ledger signed.  docs/formats.md, "Receipt".
 */
#ifndef CAPI_CLIENT_RECEIPT_H
#define CAPI_CLIENT_RECEIPT_H

#include "claims/trust.h"
#include "events/receipt_extra.h"
#include "intake/submitter.h"
#include "ledger/tlog_proof.h"

struct client_receipt {
    struct buf text, extra; /* what the spans below point into */
    struct core_proof proof;
    struct receipt_extra x;
    struct leaf leaf;
    struct tlog_verdict verdict;   /* verdict.quorum: final, else pending */
    const struct trust_site *site; /* lent from the trust file */
};
/* text is copied.  0: it verifies; -EBADMSG it does not; -ENOTSUP, -EPROTONOSUPPORT: the leaf is of
 * a kind or version this program does not know.  Release it either way. */
MUST_CHECK int client_receipt_open(struct client_receipt *r, struct span text,
                                   const struct trust *t, struct err *e);
MUST_CHECK int client_receipt_load(struct client_receipt *r, const char *path,
                                   const struct trust *t, struct err *e);
void client_receipt_done(struct client_receipt *r); /* zeroed is fine */

/* What the submitter has signed itself in this run, and so need not verify. */
struct client_signed {
    struct submitter_act act;
    struct ed25519_pub pub;
    struct ed25519_sig sig;
};
/* client_receipt_open for one of many: a checkpoint that memo has is not verified again, nor is a
 * submitter's signature that is, with all it stands for, own's to the byte. */
MUST_CHECK int client_receipt_open_own(struct client_receipt *r, struct span text,
                                       const struct trust *t, struct tlog_proof_memo *memo,
                                       const struct client_signed *own, struct err *e);

/* What a file is known by. */
struct client_file {
    struct digest sha256;
    uint64_t size;
};
/* Reads from the beginning to the end, leaving the offset alone. */
MUST_CHECK int client_file_read(struct client_file *out, int fd, struct err *e);
/* 0 if the receipt opens sha256 and size, and they are the file's; -EBADMSG says what differs. */
MUST_CHECK int client_receipt_covers(const struct client_receipt *r, const struct client_file *f,
                                     struct err *e);

/* Appends the receipt without the openings of these names, joined by commas; it still verifies.
 * Nothing is verified here.  -EINVAL: it has no such opening. */
MUST_CHECK int client_receipt_redact(struct span text, const char *names, struct buf *out,
                                     struct err *e);

/* For a person, several lines; or one JSON object. */
MUST_CHECK int client_receipt_text(const struct client_receipt *r, const struct trust *t,
                                   struct buf *out);
MUST_CHECK int client_receipt_json(const struct client_receipt *r, const struct trust *t,
                                   struct buf *out);
#endif
