/* rebuild.h - the derived stores of a site made anew from the journal, while the site does not run:
 * the catalog, and the tiles and bundles of the ledger.  What cannot be derived (checkpoints with
 * their cosignatures, artifacts, keys, the signer's state) is left as it is. */
#ifndef SITE_REBUILD_H
#define SITE_REBUILD_H

#include "site/config.h"

struct rebuild_report {
    uint64_t groups, leaves; /* of the journal */
    uint64_t live;           /* submissions that hold a slot */
    uint64_t published;      /* size of the checkpoint that the new tiles were held against */
    uint64_t moves; /* not closed; of those begun here the salt is lost: they cannot go on */
};

/* Everything is made beside what is there and takes its place only when it is complete and the
 * newest published checkpoint is the root of its leaves; until then nothing has changed.  Jails
 * this process as the site's keeper: what comes after can only print and end. -EBUSY the site runs;
 * -EBADMSG the journal is damaged, or shorter than or another one than the published checkpoint.
 * progress may be NULL.  Killed at any moment: run it again. */
MUST_CHECK int site_rebuild(const struct config *c,
                            void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                            struct rebuild_report *out, struct err *e);
/* The same for a process that is jailed already, or that measures it. */
MUST_CHECK int site_rebuild_unjailed(const struct config *c,
                                     void (*progress)(void *arg, uint64_t done, uint64_t total),
                                     void *arg, struct rebuild_report *out, struct err *e);

#endif
