/* witness.h - a witness over HTTP (C2SP tlog-witness): POST /add-checkpoint, GET
 * /<hex SHA-256 of an origin>/checkpoint.  What it signs is decided by ledger/tlog_witness.h; its
 * configuration is described in witness.yaml(5). */
#ifndef CLI_WITNESS_H
#define CLI_WITNESS_H

#include "base/err.h"

/* Makes the key (-EEXIST if there is one) and the state folder, prints the verifier key. */
MUST_CHECK int witness_init(const char *config, struct err *e);
/* Serves until SIGTERM or SIGINT.  The address is printed on standard output when it is open. */
MUST_CHECK int witness_serve(const char *config, struct err *e);

#endif
