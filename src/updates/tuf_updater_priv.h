/* tuf_updater_priv.h - what the parts of the updater share. */
#ifndef UPDATES_TUF_UPDATER_PRIV_H
#define UPDATES_TUF_UPDATER_PRIV_H

#include "updates/tuf_trusted.h"
#include "updates/tuf_updater.h"

struct tuf_updater {
    struct tuf_fetch fetch;
    struct tuf_store store;
    char *url; /* of the metadata, with a slash at its end */
    struct tuf_trusted *trusted;
    bool refreshed, failed;
};

/* Sees that role's metadata is here and is what delegator trusts: from memory, from the store, from
 * the repository (5.6.1 to 5.6.6). */
MUST_CHECK int tuf_updater_role(struct tuf_updater *u, const char *role, const char *delegator,
                                struct err *e);

#endif
