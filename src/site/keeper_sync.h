/* keeper_sync.h - a thread that waits for the disk, so that the keeper need not: one group at a
 * time, started and asked for by the keeper's thread. */
#ifndef SITE_KEEPER_SYNC_H
#define SITE_KEEPER_SYNC_H

#include "base/defs.h"
#include "base/err.h"
#include "vault/vault.h"

struct keeper_sync;

MUST_CHECK int keeper_sync_open(struct keeper_sync **out, struct err *e);
void keeper_sync_close(struct keeper_sync *s); /* nothing may be under way; NULL is fine */
/* Calls vault_group_sync of a written group. */
void keeper_sync_start(struct keeper_sync *s, struct vault_group *g);
/* Readable when a sync that was started is over. */
int keeper_sync_fd(const struct keeper_sync *s);
/* Is it over?  true: *rc is what it returned, and the thread is free again. */
bool keeper_sync_over(struct keeper_sync *s, int *rc);
int keeper_sync_wait(struct keeper_sync *s); /* the same, waiting */

#endif
