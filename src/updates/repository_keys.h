/* repository_keys.h - who signs what in an update repository, and for how long: the file keys.yaml
 * that people write (docs/formats.md, "Update keys"). */
#ifndef UPDATES_REPOSITORY_KEYS_H
#define UPDATES_REPOSITORY_KEYS_H

#include "updates/tuf_write.h"

enum repository_role { /* the first four as enum tuf_type */
                       REPOSITORY_RULES = TUF_TYPES,
                       REPOSITORY_PRODUCTS,
                       REPOSITORY_ROLES
};
#define REPOSITORY_KEYS_MAX 64 /* of a role */

struct repository_keys {
    struct {
        struct ed25519_pub key[REPOSITORY_KEYS_MAX];
        size_t n; /* 0: there is no such role (products) */
        unsigned threshold;
        uint64_t lifetime; /* seconds from signing to expiry */
    } role[REPOSITORY_ROLES];
};

/* -EINVAL with line and column */
MUST_CHECK int repository_keys_parse(struct repository_keys *out, const char *name,
                                     struct span text, struct err *e);
const char *repository_role_name(unsigned role); /* "root", ..., "rules", "products" */
struct tuf_write_role repository_keys_role(const struct repository_keys *k, unsigned role);

#endif
