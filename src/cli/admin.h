/* admin.h - `glarus` speaks to a running site's keeper over its admin socket. */
#ifndef CLI_ADMIN_H
#define CLI_ADMIN_H

#include "site/config.h"
#include "site/proto.h"

struct admin_ask {
    enum proto_admin what;
    enum proto_read document; /* ADMIN_PUBLISH */
    struct digest digest;     /* ADMIN_WITHDRAW_STATEMENT */
    const char *file;         /* a document; NULL: none */
    struct span bytes;        /* the document itself, in the place of a file; n 0: none */
};
/* Asks, shows progress on the terminal under the name `title`, prints what the keeper says. Returns
 * the keeper's code, 0 or negative errno with e; -ECONNREFUSED: no site runs there. */
MUST_CHECK int admin_do(const struct config *c, const struct admin_ask *ask, const char *title,
                        struct err *e);

/* The same, silently: what the keeper said last is in text. */
MUST_CHECK int admin_hear(const struct config *c, const struct admin_ask *ask, char text[1024],
                          struct err *e);

#endif
