/* backup.h - a copy of what a site cannot make anew, taken while it runs, and its way back.
 *
 * In a backup: the vault's segments up to a place where the journal was whole (ciphertext, slots,
 * leaves, notes), the published checkpoints with their cosignatures, the documents, the verifier
 * key, the folder's format, and a manifest of hashes.  Never in it: epoch keys (with one of them a
 * backup would bring back what was erased), the ledger's key, the move key, the signer's state (an
 * older one would let the signer sign a second history), the catalog and the tiles (both derived).
 *
 *   DIR/manifest    manifest.h
 *   DIR/files/...   as in the data folder
 *
 * What was erased before an epoch ended is unreadable in every backup once that epoch's key is
 * destroyed: a backup is of use until the next turn of the epoch, and then only by the newer
 * journal.  So take one after each turn. */
#ifndef SITE_BACKUP_H
#define SITE_BACKUP_H

#include "site/config.h"

struct backup_point { /* what the keeper of the running site says (ADMIN_BACKUP) */
    uint32_t segment; /* the last that is copied, */
    uint64_t end;     /* up to here */
    uint64_t epoch, leaves;
};
#define BACKUP_POINT "journal whole up to segment %u byte %llu; epoch %llu, %llu leaves"

/* First half, before the keeper is asked for the point: what is published must be in the journal
 * that is copied afterwards.  dir must not exist.  Second half: the vault up to there; then dir has
 * its name and is durable.  -EEXIST: dir is there. */
MUST_CHECK int backup_begin(const struct config *c, const char *dir, struct err *e);
MUST_CHECK int backup_end(const struct config *c, const char *dir, const struct backup_point *at,
                          void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                          struct err *e);
/* Into a data folder without a site (-EEXIST).  Every file is held against the manifest
 * (-EBADMSG).  As root everything becomes its process's.  What is still to be brought is in at and
 * in docs/operations.md. */
MUST_CHECK int backup_restore(const struct config *c, const char *dir, struct backup_point *at,
                              struct err *e);

#endif
