/* rig_crowd.h - many at once, and what it costs: submissions in a row, memory and disk of a site.
 */
#ifndef E2E_RIG_CROWD_H
#define E2E_RIG_CROWD_H

#include "rig_client.h"

/* Sends n submissions of `size` random bytes, `workers` at a time; each is sent again until it is
 * acknowledged.  each (may be NULL) is called after every acknowledgement with their number. */
void rig_flood(struct rig *r, size_t site, uint64_t n, size_t size, size_t workers,
               void (*each)(uint64_t done, void *arg), void *arg);

/* Bytes of private and shared memory of all processes of a site (RssAnon + RssShmem, summed: what
 * two processes share is counted twice).  0 in *name: all; else only parts of that name. */
uint64_t rig_memory(const struct rig *r, size_t site, const char *name);
/* Descriptors of a part. */
size_t rig_descriptors(const struct rig *r, size_t site, const char *name);
/* Bytes that the data folder takes on the disk; of a part of it, NULL: of all. */
uint64_t rig_disk(const struct rig *r, size_t site, const char *part);

/* A connection to the site, not blocking; from is a source address or NULL. */
int rig_dial(const struct rig *r, size_t site, const char *from);

#endif
