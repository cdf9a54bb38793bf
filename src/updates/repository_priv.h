/* repository_priv.h - what the parts of a repository share. */
#ifndef UPDATES_REPOSITORY_PRIV_H
#define UPDATES_REPOSITORY_PRIV_H

#include "updates/repository.h"
#include "updates/repository_keys.h"

#define REPOSITORY_CURRENT "rules/current.json"

struct repository {
    char *dir;
    int fd;
    struct repository_keys keys;
    struct tuf_metadata *role[REPOSITORY_ROLES]; /* as published; NULL: not yet */
};

/* "metadata/3.root.json", or "metadata/timestamp.json" for version 0. */
void repository_metadata_name(char out[96], const char *role, int64_t version);
/* Reads a metadata file of the repository and checks its form.  -ENOENT. */
MUST_CHECK int repository_read(struct repository *r, const char *name, enum tuf_type type,
                               struct tuf_metadata **out, struct err *e);
MUST_CHECK int repository_write(struct repository *r, const char *name, struct span bytes,
                                struct err *e);
/* pending/ROLE.json, unsigned. */
MUST_CHECK int repository_wait(struct repository *r, const char *role, const json_t *signed_part,
                               struct err *e);
/* The signed part of m, lent. */
const json_t *repository_signed(const struct tuf_metadata *m);
unix_time repository_expiry(const struct repository *r, unsigned role);

/* "rules/HASH.7.tar" under targets/, for the target "rules/7.tar". */
MUST_CHECK int repository_target_name(char out[192], const char *path, const struct digest *hash,
                                      struct err *e);
/* The serial in rules/current.json as published in rules; 0: there is none. */
MUST_CHECK int repository_serial(const struct tuf_metadata *rules, uint64_t *serial, struct err *e);

/* Makes clamav/ what the archive of that release holds; *n files. */
MUST_CHECK int repository_mirror(struct repository *r, const struct tuf_metadata *rules,
                                 uint64_t serial, unsigned *n, struct err *e);
/* Maps a target's file for reading; -ENOENT.  munmap p, n when done (n may be 0: nothing mapped) */
MUST_CHECK int repository_map(struct repository *r, const struct tuf_metadata *rules,
                              const char *path, struct span *out, struct err *e);
void repository_unmap(struct span s);

#endif
