/* init.h - founding a site: its folders and its keys, before glarusd runs for the first time. */
#ifndef SITE_INIT_H
#define SITE_INIT_H

#include "ledger/core.h"
#include "site/config.h"

/* Makes the data folder with vault/, ledger/ and signer/, the ledger's key, the move key, the
 * folder of epoch keys, the signer's state and, last, "ledger.vkey"; as root each becomes its
 * process's. Prints the ledger's verifier key and the public move key on standard output: what
 * peers and auditors are given.  With TLS, and neither key nor certificate there: makes a key and a
 * certificate that it signs itself for the host of the site's URL, and prints the key's pin.
 * -EEXIST if any of the keys is there: nothing is ever overwritten.
 */
MUST_CHECK int site_init(const struct config *c, struct err *e);

/* The ledger's verifier key and the public half of the move key, of a site that is founded. */
MUST_CHECK int site_init_vkey(const struct config *c, char out[CORE_VKEY_TEXT_MAX + 1],
                              struct err *e);
/* "sha256//BASE64" of the certificate's key, as curl and configurations write it; empty without
 * TLS. */
#define SITE_INIT_PIN 64
MUST_CHECK int site_init_pin(const struct config *c, char out[SITE_INIT_PIN], struct err *e);
MUST_CHECK int site_init_move_key(const struct config *c, uint8_t out[32], struct err *e);

/* -EEXIST if anything of a site stands in the data folder; else its folders are made. */
MUST_CHECK int site_init_empty(const struct config *c, struct err *e);

#endif
