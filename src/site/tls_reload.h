/* tls_reload.h - at the supervisor: SIGHUP reads key and certificate again, in two steps.  The
 * signer takes the key and says which it is; then the front gets the certificate and takes it if it
 * is for that key.  Whatever fails is logged, and everything stays as it was. */
#ifndef SITE_TLS_RELOAD_H
#define SITE_TLS_RELOAD_H

#include "jail/msg.h"
#include "site/config.h"

struct tls_reload {
    struct msg_chan *key, *certificate; /* to the signer, to the front; NULL without TLS */
};
/* Takes both descriptors. */
MUST_CHECK int tls_reload_open(struct tls_reload *t, int key, int certificate, struct err *e);
void tls_reload_close(struct tls_reload *t);
void tls_reload_begin(struct tls_reload *t, const struct config *c);
int tls_reload_fd(const struct tls_reload *t);                      /* -1: nothing to wait for */
void tls_reload_step(struct tls_reload *t, const struct config *c); /* when that is readable */

#endif
