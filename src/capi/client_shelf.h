/* client_shelf.h - where receipts are kept: many of them with one sync.
 *
 * Receipts are handed in one by one; a thread of the shelf writes them and now and then makes all
 * that it has durable.  Only then they come back as kept: what its owner notes after that is true
 * after a power cut.  Those that must stand alone get a file each, with one sync of the file system
 * for many, or one each for a few, because the file system may hold much of others.  Of those that
 * need not, many share one file (events/receipt_pack.h): making a file costs more than all else
 * that is done for a receipt.
 *
 *   client_shelf_open(&s, folder, e)
 *   client_shelf_put(s, ...)…; when client_shelf_fd(s) is readable: while (client_shelf_next(s, …))
 *   client_shelf_close(s)
 *
 * All functions belong to one thread, the owner's. */
#ifndef CAPI_CLIENT_SHELF_H
#define CAPI_CLIENT_SHELF_H

#include "base/buf.h"
#include "base/defs.h"
#include "base/err.h"

#define CLIENT_SHELF_MAX 4096 /* receipts that are not kept yet */
#define CLIENT_SHELF_PACK ".tlog-proofs"

struct client_shelf;

MUST_CHECK int client_shelf_open(struct client_shelf **out, const char *folder, struct err *e);
/* Keeps what was handed in, and ends the thread; what nobody asked for with client_shelf_next is
 * kept all the same.  NULL is fine. */
void client_shelf_close(struct client_shelf *s);

/* Where a receipt goes. */
enum client_shelf_place {
    SHELF_ALONE, /* <folder>/<sub><suffix> */
    SHELF_PACKED /* there too if few come together, else into a pack, <folder>/<random>.tlog-proofs
                  */
};
/* The file will be there, whole or not at all; text is copied.  arg comes back with
 * client_shelf_next.  -EAGAIN: CLIENT_SHELF_MAX are under way. */
MUST_CHECK int client_shelf_put(struct client_shelf *s, const struct id128 *sub, const char *suffix,
                                enum client_shelf_place place, struct span text, void *arg);
/* Readable when something has come back. */
int client_shelf_fd(const struct client_shelf *s);
/* One that was handed in: *rc is 0 when it is kept, else why it is not (e).  false: none now. */
MUST_CHECK bool client_shelf_next(struct client_shelf *s, void **arg, int *rc, struct err *e);
/* Nothing is gained by waiting for more of them: what is there is kept now. */
void client_shelf_hurry(struct client_shelf *s);
size_t client_shelf_pending(const struct client_shelf *s); /* handed in, not come back */

/* Removes the packs in the folder that have nothing of their own any more: each of their receipts
 * has a newer one, <sub><suffix>.  Nothing may be under way. */
MUST_CHECK int client_shelf_tidy(struct client_shelf *s, const char *suffix, struct err *e);

#endif
