/* read_priv.h - reading by other ways than a committed ref. */
#ifndef VAULT_READ_PRIV_H
#define VAULT_READ_PRIV_H

#include "vault/vault_priv.h"

/* An object by its parts; used on a record that is not in the index yet. */
MUST_CHECK int vault_read_extents(struct vault_read **out, struct vault *v,
                                  const struct id128 *object, const struct slot_secret *s,
                                  struct span extents);
/* Verifies to the end, lends nothing. */
MUST_CHECK int vault_read_all(struct vault_read *r);

#endif
