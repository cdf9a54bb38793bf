/* seal.h - sealed fields: commitments that a leaf carries instead of a value
 * (docs/formats.md, "Leaf").  Hiding rests on the 32 random bytes of salt, one for each field. */
#ifndef EVENTS_SEAL_H
#define EVENTS_SEAL_H

#include "events/leaf.h"

/* H( lp("sealed/v1") || lp(kind) || lp(site) || lp(id) || lp(name) || salt || value ); name without
 * the "sealed." of its key.  All parts but the value are below 64 KiB (asserted). */
void seal_commit(struct digest *out, struct span kind, struct span site, struct span id,
                 struct span name, const uint8_t salt[32], struct span value);

/* 0 if (salt, value) opens the sealed field f of l; -EBADMSG if not; -ENOENT if l has no such
 * field. */
MUST_CHECK int seal_check(const struct leaf *l, enum leaf_field f, const uint8_t salt[32],
                          struct span value);
/* The sealed field called name ("ref", not "sealed.ref"); -ENOENT if there is none of that name. */
MUST_CHECK int seal_field(struct span name, enum leaf_field *out);
/* "ref" for LF_SEALED_REF; NULL for a field that is not sealed. */
const char *seal_name(enum leaf_field f);

#endif
