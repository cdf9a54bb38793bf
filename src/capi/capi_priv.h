/* capi_priv.h - what the files behind include/glarus.h share.  Names that begin with glarus_ are
 * the public ones, all of them and no others (libglarus.map). */
#ifndef CAPI_CAPI_PRIV_H
#define CAPI_CAPI_PRIV_H

#include <glarus.h>
#include <stdatomic.h>

#include "capi/client.h"
#include "capi/client_receipt.h"

struct glarus_trust {
    struct trust *t;
};

struct glarus_client {
    struct client *c;
    atomic_flag inside; /* a call is under way */
    char agreed[65];
};

/* ---- glarus_error.c -------------------------------------------------------------------------- */

/* What rc, a negative errno, is called outside. */
int capi_code(int rc);
/* Tells the caller of a failure and returns its code.  e may have no sentence. */
int capi_fail(glarus_error *out, int rc, const struct err *e);
/* The same for a wrong use of a function: GLARUS_E_INVALID. */
int capi_wrong(glarus_error *out, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- glarus_client.c ------------------------------------------------------------------------- */

/* GLARUS_OK: the client is this call's until capi_leave. */
MUST_CHECK int capi_enter(glarus_client *client, const char *function, glarus_error *error);
void capi_leave(glarus_client *client);

/* ---- glarus_receipt.c ------------------------------------------------------------------------ */

/* The public object of an opened receipt, which is taken over also on failure. */
MUST_CHECK int capi_receipt(glarus_receipt **out, struct client_receipt *r, const struct trust *t,
                            struct err *e);
/* A copy with a NUL at its end; NULL: no memory. */
char *capi_text(const struct buf *b);

#endif
