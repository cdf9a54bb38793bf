/* served.h - an update repository's metadata as a forger has them: read from an artifact
 * "repository/v1", changed, signed again, written.  The generated histories and the cheats make
 * theirs with it: role "root" by two of two keys, "rules" likewise, the others by one.
 *
 * What is signed is written by jansson with sorted keys and no blanks, which is canonical JSON for
 * what stands in here: ASCII and integers. */
#ifndef BETRAY_SERVED_H
#define BETRAY_SERVED_H

#include <jansson.h>

#include "base/buf.h"
#include "base/clock.h"
#include "crypto/ed25519.h"

#define SERVED_FILES 64
#define SERVED_KEYS 7

struct served_file {
    char role[40];
    int64_t version;
    json_t *body;     /* the signed part */
    struct buf bytes; /* the file */
};
struct served {
    struct served_file file[SERVED_FILES];
    size_t n;
};
/* Whose keys: by number. */
enum { KEY_ROOT, KEY_ROOT_2, KEY_TARGETS, KEY_SNAPSHOT, KEY_TIMESTAMP, KEY_RULES, KEY_RULES_2 };

void served_init(struct served *v);
void served_free(struct served *v);
/* -EBADMSG: no artifact of that form, or one with more files than above. */
MUST_CHECK int served_parse(struct served *v, struct span artifact);
MUST_CHECK int served_write(const struct served *v, struct buf *out);

/* The newest file of a role, or NULL. */
struct served_file *served_find(struct served *v, const char *role);
/* A file more, or for any role but root in the place of the one before; takes body (NULL: -ENOMEM).
 */
MUST_CHECK int served_put(struct served *v, const char *role, json_t *body,
                          struct ed25519_key *const *by, size_t n);
/* The same file again, with what its body says now. */
MUST_CHECK int served_sign(struct served_file *f, struct ed25519_key *const *by, size_t n);

/* Bodies.  Version and expiry are far off. */
json_t *served_root(int64_t version, struct ed25519_key *const key[SERVED_KEYS]);
json_t *served_targets(int64_t version, struct ed25519_key *const key[SERVED_KEYS]);
/* Releases first to last (a number and a tree each); the last is the current one. */
struct served_release {
    uint64_t serial;
    struct digest tree;
};
json_t *served_rules(int64_t version, const struct served_release *r, size_t n);
/* The snapshot that announces what v has, one version further. */
json_t *served_snapshot(struct served *v);

/* Version 1 of everything, signed. */
MUST_CHECK int served_begin(struct served *v, struct ed25519_key *const key[SERVED_KEYS],
                            const struct served_release *r, size_t n);

#endif
