/* tuf_updater.h - the client workflow of TUF 1.0 (section 5), over a fetch and a store.
 *
 * new -> refresh -> (find -> download)*.  One updater is one update: its time is fixed when it is
 * made (5.1), and refresh happens once; find does it if nobody has.  What was verified is in the
 * store after each step, under "ROLE.json" as it was received, so a broken update is continued by
 * the next.  Not for several threads.
 *
 * Errors: -EBADMSG what came does not verify, -ENOENT no such file or target, -E2BIG beyond what
 * was announced or beyond a limit, -EINVAL the store has no root yet; else fetch's and store's. */
#ifndef UPDATES_TUF_UPDATER_H
#define UPDATES_TUF_UPDATER_H

#include "updates/tuf_fetch.h"
#include "updates/tuf_shelf.h"
#include "updates/tuf_store.h"

/* Bytes of files that nobody announces the length of. */
#define TUF_MAX_ROOT 512000
#define TUF_MAX_TIMESTAMP 16384
#define TUF_MAX_SNAPSHOT 2000000
#define TUF_MAX_TARGETS 5000000
#define TUF_MAX_ROOTS 1024 /* new versions of root in one update */
#define TUF_MAX_VISITS 64  /* roles that one search looks into */

struct tuf_updater;

/* Checks bytes as a root to begin with and puts them into the store.  -EEXIST: the store has
 * another one. */
MUST_CHECK int tuf_updater_init(const struct tuf_store *store, struct span root, struct err *e);

/* fetch and store are copied, their ctx lent until free; metadata_url too is copied. */
MUST_CHECK int tuf_updater_new(struct tuf_updater **out, const struct tuf_fetch *fetch,
                               const struct tuf_store *store, const char *metadata_url,
                               struct err *e);
void tuf_updater_free(struct tuf_updater *u); /* NULL is fine */

MUST_CHECK int tuf_updater_refresh(struct tuf_updater *u, struct err *e);

/* The target of that path (5.6.7); *out is lent until the next find or free. */
MUST_CHECK int tuf_updater_find(struct tuf_updater *u, const char *path,
                                const struct tuf_file **out, struct err *e);
/* From base_url to the shelf.  *fetched: false if it was there already. */
MUST_CHECK int tuf_updater_download(struct tuf_updater *u, const struct tuf_file *target,
                                    const char *base_url, struct tuf_shelf *shelf, bool *fetched,
                                    struct err *e);

/* The version of a top-level role that is trusted; 0: none yet. */
int64_t tuf_updater_version(const struct tuf_updater *u, enum tuf_type type);

#endif
