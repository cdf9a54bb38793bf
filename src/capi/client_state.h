/* client_state.h - what a client has sent: an append-only text file, so that a run that was
 * interrupted goes on without sending anything twice.
 *
 * One line an event, each written by one write(2):
 *   SUB STATE VERDICT SIZE MTIME SITE PATH
 * STATE is drawn (about to be announced), pending (accepted, its receipt is kept), done, or
 * refused; VERDICT and SITE are "-" if unknown; MTIME in nanoseconds; PATH is absolute, with %XX
 * for bytes outside 0x21-0x7e and for '%'.  The last line of a sub counts.  A last line without its
 * line feed (a death in the middle) is cut off when the file is opened; lines that a power cut left
 * unreadable are passed over.  A lock keeps a second run out. */
#ifndef CAPI_CLIENT_STATE_H
#define CAPI_CLIENT_STATE_H

#include "base/defs.h"
#include "base/err.h"

enum client_stage { STAGE_DRAWN, STAGE_PENDING, STAGE_DONE, STAGE_REFUSED };
struct client_entry {
    struct id128 sub;
    enum client_stage stage;
    char verdict[16], site[17]; /* "" unknown */
    uint64_t size;
    int64_t mtime; /* ns */
    const char *path;
};

struct client_state;
/* -EBUSY: another run has it.  -EBADMSG names the line that does not parse. */
MUST_CHECK int client_state_open(struct client_state **out, const char *path, struct err *e);
void client_state_close(struct client_state *s); /* NULL is fine */
/* Appends a line (path is copied).  The file is not synced: it survives kill -9, and what a power
 * cut loses is sent again. */
MUST_CHECK int client_state_put(struct client_state *s, const struct client_entry *e,
                                struct err *err);
/* The newest entry of a path, of a sub; NULL: none.  Lent until the next put. */
const struct client_entry *client_state_path(const struct client_state *s, const char *path);
const struct client_entry *client_state_sub(const struct client_state *s, const struct id128 *sub);

#endif
