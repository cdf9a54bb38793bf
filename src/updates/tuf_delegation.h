/* tuf_delegation.h - whom targets metadata trusts with which paths (TUF 4.5; TAP 15 for succinct
 * hash bins), and whether a path is among them. */
#ifndef UPDATES_TUF_DELEGATION_H
#define UPDATES_TUF_DELEGATION_H

#include "updates/tuf_key.h"

#define TUF_MAX_DELEGATIONS 16384
#define TUF_MAX_PATTERN 4096   /* bytes of a path pattern, and of a target's path */
#define TUF_MAX_ROLE_NAME 1024 /* bytes; its file may want less */
#define TUF_BIN_NAME_SIZE (TUF_MAX_ROLE_NAME + 16)

struct tuf_delegation {
    const char *name;
    struct tuf_signers signers;
    bool terminating;
    json_t *paths;    /* array of patterns, or NULL and then */
    json_t *prefixes; /* array of hexadecimal prefixes */
};

struct tuf_bins { /* prefix NULL: none */
    const char *prefix;
    struct tuf_signers signers;
    unsigned bits; /* 1 to 32 */
};

struct tuf_delegations {
    struct tuf_delegation *v; /* in order of appearance */
    size_t n;
    struct tuf_bins bins; /* instead of v */
};

/* From {"roles": [...]} or {"succinct_roles": {...}} ("keys" is the caller's).  To be freed after
 * failure too. */
MUST_CHECK int tuf_delegations_parse(struct tuf_delegations *out, const json_t *object,
                                     struct err *e);
void tuf_delegations_free(struct tuf_delegations *d);

/* True if d trusts its role with path. */
bool tuf_delegation_has(const struct tuf_delegation *d, const char *path);
/* The name of the bin that path is in. */
void tuf_bin_name(const struct tuf_bins *b, const char *path, char out[TUF_BIN_NAME_SIZE]);
/* Who signs for the role of that name; NULL if it is nobody's. */
const struct tuf_signers *tuf_delegations_signers(const struct tuf_delegations *d,
                                                  const char *role);

/* Shell patterns over paths: '*' any run of characters, '?' one, '[...]' a class with '!' for its
 * opposite and '-' for ranges, all but '/'; nothing else is special, a dot at the start neither. */
bool tuf_pattern_matches(const char *pattern, const char *path);

/* A name that a role may have in a delegation: not empty, not that of a top-level role. */
bool tuf_role_name_ok(const char *name);

#endif
