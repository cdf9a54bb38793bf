/* client_lookup.h - is a file known to be malicious?  By its hash alone: the file stays here. */
#ifndef CAPI_CLIENT_LOOKUP_H
#define CAPI_CLIENT_LOOKUP_H

#include "capi/client.h"

enum client_known { CLIENT_UNKNOWN, CLIENT_MALICIOUS };
/* Asks the site where the country belongs (NULL: the configuration's), 4096 hashes a request.
 * out[i] is what is known of hash[i].  release (may be NULL): of the rules that answered; with more
 * than one request the last one's. */
MUST_CHECK int client_lookup(struct client *c, const char *country, const struct digest *hash,
                             size_t n, uint8_t *out, struct digest *release, struct err *e);

#endif
