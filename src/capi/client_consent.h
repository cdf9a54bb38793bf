/* client_consent.h - what a submitter agrees to: read from its site, shown by whoever has a person
 * in front of it, and recorded.
 *
 *   client_statement_get(c, NULL, &s, e); show s.terms.text; client_agree(c, &s, e)
 *
 * A statement is known by the digest of its envelope, and that digest is what the submitter's key
 * signs with each submission: who agreed to one text has not agreed to another.  Whether the site
 * has published it is for the ledger and its auditors (claim intake.consent). */
#ifndef CAPI_CLIENT_CONSENT_H
#define CAPI_CLIENT_CONSENT_H

#include "capi/client.h"
#include "intake/statement.h"

struct client_statement {
    struct digest digest; /* of the envelope */
    struct buf envelope;  /* as published */
    struct statement terms;
};
/* From the site where the configuration's country belongs.  which: its digest; NULL: the newest
 * that the site takes submissions under.  -ENOENT: the site has none; -EBADMSG: what it gave is not
 * that statement, or none.  Release it either way. */
MUST_CHECK int client_statement_get(struct client *c, const struct digest *which,
                                    struct client_statement *out, struct err *e);
void client_statement_done(struct client_statement *s); /* zeroed is fine */

/* From now on, and after the next load, submissions are made under s.  The envelope is kept as
 * <receipts>/DIGEST.statement, and a line "TIME DIGEST" is added to <state>.consent, durably.
 * -EINVAL: the configuration names another. */
MUST_CHECK int client_agree(struct client *c, const struct client_statement *s, struct err *e);
/* NULL: nothing is agreed to yet.  Lent until the next client_agree. */
const struct digest *client_agreed(const struct client *c);

#endif
