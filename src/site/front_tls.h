/* front_tls.h - the front's side of TLS: it has the certificate, and asks the signer for each
 * handshake's signature.  Threads of the HTTP server ask (one at a time, the signer is one
 * process), the front's loop does all else. */
#ifndef SITE_FRONT_TLS_H
#define SITE_FRONT_TLS_H

#include "crypto/tls.h"
#include "site/config.h"

struct front_tls;
/* Before the jail: reads the certificate; takes PART_TLS and PART_CONTROL.  *out is NULL when the
 * configuration has no TLS. */
MUST_CHECK int front_tls_open(struct front_tls **out, const struct config *c, struct err *e);
void front_tls_close(struct front_tls *t); /* after the HTTP server */
struct tls_server *front_tls_server(struct front_tls *t);
/* The supervisor's channel: when readable, call reload.  -EPIPE: the supervisor is gone. */
int front_tls_fd(const struct front_tls *t);
MUST_CHECK int front_tls_reload(struct front_tls *t, struct err *e);
/* One handshake ended; logs failures, a few a minute with their number. */
void front_tls_shaken(struct front_tls *t, const char *why);
unix_time front_tls_expires(const struct front_tls *t);

#endif
