/* front_json.h - the two JSON bodies a site reads from strangers, into messages for the keeper.
 * Strict: one object, exactly the members of docs/openapi.yaml, none twice, each in its one
 * spelling.  Bodies have at most FRONT_JSON_MAX bytes.  -EBADMSG with a sentence that names the
 * member. */
#ifndef SITE_FRONT_JSON_H
#define SITE_FRONT_JSON_H

#include "base/err.h"
#include "site/proto.h"

#define FRONT_JSON_MAX 4096

/* To be called once before the jail: the parser opens a file for its first object. */
void front_json_warm(void);
/* Announcement; out->token is left alone.  "statement" may be absent: the keeper then refuses. */
MUST_CHECK int front_json_open(struct span body, struct pm_open *out, struct err *e);
/* Order: the signature. */
MUST_CHECK int front_json_order(struct span body, uint8_t sig[64], struct err *e);

#endif
